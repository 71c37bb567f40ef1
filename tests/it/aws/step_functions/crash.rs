//! Runners that are killed while their calls fail: each session comes to its end, and nothing is done twice.

use super::super::{functions, job};
use super::{Site, at_once, job_of, rounds};
use bunsui_test_support::proxy::{Fault, Proxy, RandomPlan};
use bunsui_test_support::step_functions::{Options, Script};
use bunsui_test_support::{Scratch, ministack};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::process::Stdio;
use std::time::Duration;

const LAYERS: usize = 4;
const JOBS: usize = 12;

/// Twelve jobs in four layers; each but those of the first reads one or two of the layer before.
fn any_graph(chance: &mut StdRng) -> String {
    let width = JOBS / LAYERS;
    let mut text = String::new();
    for at in 0..JOBS {
        let layer = at / width;
        let upstreams: BTreeSet<usize> = match layer {
            0 => BTreeSet::new(),
            _ => (0..2).map(|_| (layer - 1) * width + chance.random_range(0..width)).collect(),
        };
        let names: Vec<String> = upstreams.iter().map(|up| format!("\"j{up}\"")).collect();
        let reads = upstreams.iter().fold(String::new(), |mut reads, up| {
            write!(reads, "j{up} = \"${{jobs.j{up}.n}}\", ").expect("a string takes everything");
            reads
        });
        let keys = format!("depends_on = [{}]", names.join(", "));
        text += &job(&format!("j{at}"), &keys, &format!("payload = {{ {reads} }}"));
    }
    text
}

/// All faults at all APIs: one request in twenty meets one.
fn trouble(seed: u64) -> RandomPlan {
    RandomPlan::new(seed)
        .with("", Fault::InternalError, 0.008)
        .with("", Fault::Throttled, 0.008)
        .with("", Fault::ResetBefore, 0.008)
        .with("", Fault::ResetAfter, 0.008)
        .with("", Fault::Truncated, 0.008)
        .with("", Fault::Slow(Duration::from_millis(150)), 0.01)
}

fn last(scratch: &Scratch) -> Option<Json> {
    let shown = scratch.run("session show last --output json");
    (shown.code == Some(0)).then(|| shown.json())
}

/// Its runners' folders have a copy of the file each: as two machines with one account.
fn survives(seed: u64) {
    let Some(site) = Site::new(Options::default()) else { return };
    let mut chance = StdRng::seed_from_u64(seed);
    site.stand_in.script(|started| {
        let number: u64 = job_of(&started.machine)[1..].parse().expect("j and a number");
        let pad = if number == 1 { "x".repeat(70_000) } else { String::new() };
        Script::succeeded(Duration::from_millis(100 + number * 70), json!({"n": number, "pad": pad}))
    });
    let text = any_graph(&mut chance);
    // Nothing is in the way of who looks.
    let watching = site.deployed(&text);
    let aws = Proxy::start(&ministack().expect("it runs").address);
    let step_functions = Proxy::start(&site.stand_in.address);
    for (proxy, seed) in [(&aws, seed), (&step_functions, seed + 1000)] {
        let plan = trouble(seed);
        proxy.plan(move |asked| plan.fault(asked));
    }
    let machines = [(); 2].map(|()| {
        let machine = site.machine_behind(&aws.address, &step_functions.address);
        machine.write("t.toml", functions(&text));
        machine
    });
    let mut kills = 0;
    let mut ended = String::new();
    for go in 0..100 {
        let machine = &machines[go % 2];
        let found = last(&watching);
        let arguments: &[&str] = match &found {
            None => &["run", "t.toml"],
            Some(session) if session["status"] == "succeeded" => break,
            Some(session) => {
                let goes_on = session["status"] == "created" || session["status"] == "running";
                assert!(goes_on, "seed {seed}: {session} {ended}");
                &["session", "resume", "last"]
            }
        };
        if go >= 8 {
            let finished = machine.run_with(arguments);
            assert_eq!(finished.code, Some(0), "seed {seed}: {}", finished.stderr);
            continue;
        }
        let mut command = machine.command(arguments);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        std::thread::sleep(Duration::from_millis(chance.random_range(80..600)));
        let is_killed = child.try_wait().expect("it can be waited for").is_none();
        kills += usize::from(is_killed);
        let _ = child.kill();
        let output = child.wait_with_output().expect("it ended");
        ended = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(is_killed || output.status.code() == Some(0), "seed {seed}: {:?} {ended}", output.status);
    }
    assert!(kills > 2, "seed {seed}: only {kills} kills");
    let session = last(&watching).expect("it is there");
    assert_eq!(session["status"], "succeeded", "seed {seed}");
    for record in session["job_records"].as_array().expect("a list") {
        assert_eq!(
            (&record["status"], &record["attempt"]),
            (&json!("succeeded"), &json!(1)),
            "seed {seed}: {record}"
        );
    }
    assert_eq!(site.created(), [1; JOBS], "seed {seed}");
    let id = session["session_id"].as_str().expect("a text").to_owned();
    site.events(&id.try_into().expect("an id"));
}

#[test]
fn runners_that_are_killed_amid_faults_do_nothing_twice() {
    at_once(1..=rounds(4) as u64, survives);
}
