//! Runners and plugin hosts are killed at every named step and at random moments, over random graphs; then the session is gone
//! on with. `BUNSUI_CRASHES` says how many rounds of each kind; CI does some, and more is a matter of patience.

use crate::product::{assert_none_left, job, pipeline_with};
use crate::scratch;
use bunsui_test_support::Scratch;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::time::Duration;

/// The steps between two effects, as src/runner names them.
const STEPS: [&str; 9] =
    ["decided", "stored", "told", "started", "ended", "output_stored", "created", "lease_taken", "restored"];

/// Those that not every session comes to.
const RARER_STEPS: [&str; 4] = ["stopped", "reused", "retry_begun", "set_back"];

#[test]
fn every_step_is_known_here() {
    let mut named = BTreeSet::new();
    for file in crate::product::files_below(bunsui_test_support::repository().join("src/runner")) {
        let text = std::fs::read_to_string(file).unwrap();
        let steps = text.split("failpoint::reach(\"").skip(1).filter_map(|rest| rest.split('"').next());
        named.extend(steps.map(str::to_owned));
    }
    let known: BTreeSet<String> = STEPS.iter().chain(&RARER_STEPS).map(|step| (*step).to_owned()).collect();
    assert_eq!(named, known);
}

fn rounds(least: usize) -> usize {
    std::env::var("BUNSUI_CRASHES").ok().and_then(|count| count.parse().ok()).unwrap_or(least)
}

/// Numbers that are the same in each run of the tests.
struct Chance(TestRunner);

impl Chance {
    fn new(seed: u8) -> Self {
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
        Self(TestRunner::new_with_rng(Config::default(), rng))
    }

    fn below(&mut self, bound: usize) -> usize {
        (0..bound).new_tree(&mut self.0).unwrap().current()
    }
}

/// A graph of jobs of which each writes down when it begins and when it ends; some give an output that is read downstream,
/// one gives one that is kept as an object.
fn any_graph(chance: &mut Chance, retry: &str) -> Scratch {
    let scratch = scratch();
    let count = 3 + chance.below(6);
    let mut text = String::new();
    for at in 0..count {
        let upstreams: BTreeSet<usize> =
            (0..chance.below(3)).filter(|_| at > 0).map(|_| chance.below(at.max(1))).collect();
        let names: Vec<String> = upstreams.iter().map(|up| format!("\"j{up}\"")).collect();
        let keys = format!("depends_on = [{}]", names.join(", "));
        let read: Vec<String> =
            upstreams.iter().map(|up| format!("IN{up} = \"${{jobs.j{up}.result.n}}\"")).collect();
        let own = format!("result = true\n{retry}\nenvironment = {{ {} }}", read.join(", "));
        let checks: String =
            upstreams.iter().map(|up| format!("test \"$IN{up}\" = {up} || exit 9; ")).collect();
        let size = if at == 1 { 70_000 } else { 1 };
        let script = format!(
            "{checks}echo \"begin j{at}\" >> ran; sleep 0.0{}; head -c {size} /dev/zero | tr \"\\\\0\" x > pad.$$; \
             printf \"{{\\\"n\\\": {at}, \\\"pad\\\": \\\"%s\\\"}}\" \"$(cat pad.$$)\" > $BUNSUI_OUTPUT; rm pad.$$; echo \"end j{at}\" >> ran",
            chance.below(6)
        );
        text.push_str(&job(&format!("j{at}"), &keys, &own, &script));
    }
    scratch.write("t.toml", pipeline_with("", &text));
    scratch
}

fn last(scratch: &Scratch) -> Option<Json> {
    let shown = scratch.run("session show last --output json");
    (shown.code == Some(0)).then(|| shown.json())
}

/// Goes on until the session has ended; gives how often it took.
fn go_on(scratch: &Scratch) {
    for _ in 0..200 {
        match last(scratch) {
            None => _ = scratch.run("run t.toml"),
            Some(session) if session["status"] == "succeeded" => return,
            Some(session) => {
                let resumed = scratch.run("session resume last");
                assert!(
                    matches!(resumed.code, Some(0)),
                    "{:?} of a session that is {}: {}",
                    resumed.code,
                    session["status"],
                    resumed.stderr
                );
            }
        }
    }
    panic!("the session does not end");
}

/// What must be so after any deaths.
fn check(scratch: &Scratch) {
    let path = scratch.directory().join(".bunsui/bunsui.db");
    let store = rusqlite::Connection::open(path).unwrap();
    let whole: String = store.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(whole, "ok");
    let id = last(scratch).unwrap()["session_id"].as_str().unwrap().to_owned();
    let events: Vec<Json> = store
        .prepare("SELECT event FROM events WHERE session_id = ?1 ORDER BY number")
        .unwrap()
        .query_map([&id], |row| row.get::<_, String>(0))
        .unwrap()
        .map(|text| serde_json::from_str(&text.unwrap()).unwrap())
        .collect();
    let mut statuses: BTreeMap<String, (&str, u64)> = BTreeMap::new();
    for (at, event) in events.iter().enumerate() {
        assert_eq!(event["number"], at + 1, "the history has no gap");
        let Some(job) = event["job"].as_str() else { continue };
        let attempt = event["attempt"].as_u64().unwrap();
        let (status, known) = statuses.entry(job.to_owned()).or_insert(("pending", 0));
        match event["event"].as_str().unwrap() {
            "job_started" => {
                assert_eq!((*status, attempt), ("pending", *known + 1), "{job}: {event}");
                (*status, *known) = ("running", attempt);
            }
            "attempt_lost" => {
                assert_eq!((*status, attempt), ("running", *known), "{job}: {event}");
                *status = "pending";
            }
            "job_succeeded" => {
                assert_eq!((*status, attempt), ("running", *known), "{job}: {event}");
                *status = "succeeded";
            }
            name if name.starts_with("operation_") => {
                assert_eq!((*status, attempt), ("running", *known), "{event}");
            }
            other => panic!("{other}: {event}"),
        }
    }
    let session = last(scratch).unwrap();
    for record in session["job_records"].as_array().unwrap() {
        let key = record["job_key"].as_str().unwrap();
        let (status, attempt) = statuses[key];
        assert_eq!(
            (status, attempt),
            ("succeeded", record["attempt"].as_u64().unwrap()),
            "history and record agree"
        );
        assert_eq!(record["status"], "succeeded");
    }
    assert_none_left(scratch);
}

/// Each attempt that began is one that was stored, and the last of each job came to its end.
fn check_runs(scratch: &Scratch) {
    let text = std::fs::read_to_string(scratch.directory().join("ran")).unwrap();
    for record in last(scratch).unwrap()["job_records"].as_array().unwrap() {
        let key = record["job_key"].as_str().unwrap();
        let attempts = record["attempt"].as_u64().unwrap() as usize;
        let count = |what: &str| text.lines().filter(|line| *line == format!("{what} {key}")).count();
        let (begun, ended) = (count("begin"), count("end"));
        assert!((1..=attempts).contains(&ended), "{key}: ended {ended} times in {attempts} attempts");
        assert!(begun <= attempts, "{key}: begun {begun} times in {attempts} attempts");
        // After the last end nothing of it began.
        let after_last_end = text.rsplit_once(&format!("end {key}\n")).unwrap().1;
        assert!(!after_last_end.contains(&format!("begin {key}\n")), "{key} ran after it had ended");
    }
}

#[test]
fn a_runner_killed_at_every_step_loses_nothing_and_does_nothing_twice() {
    let mut chance = Chance::new(1);
    let mut kills = 0;
    for round in 0..rounds(2) {
        for step in STEPS {
            let scratch = any_graph(&mut chance, "");
            // First the one that runs it, then those that take it up, each at some later time that the step is reached.
            for _ in 0..3 {
                let nth = 1 + chance.below(4 + round);
                let arguments: &[&str] = match last(&scratch) {
                    None => &["run", "t.toml"],
                    Some(session) if session["status"] == "succeeded" => break,
                    Some(_) => &["session", "resume", "last"],
                };
                let mut command = scratch.command(arguments);
                command.env("BUNSUI_FAILPOINT", format!("{step}:{nth}"));
                kills += usize::from(scratch.finish(&mut command).code.is_none());
            }
            go_on(&scratch);
            check(&scratch);
            check_runs(&scratch);
        }
    }
    eprintln!("survived {kills} kills of a runner at named steps");
    assert!(kills >= STEPS.len(), "only {kills} kills");
}

#[test]
fn a_runner_killed_at_random_moments_loses_nothing_and_does_nothing_twice() {
    let mut chance = Chance::new(2);
    let mut kills = 0;
    for _ in 0..rounds(12) {
        let scratch = any_graph(&mut chance, "");
        for _ in 0..4 {
            let arguments: &[&str] = match last(&scratch) {
                None => &["run", "t.toml"],
                Some(session) if session["status"] == "succeeded" => break,
                Some(_) => &["session", "resume", "last"],
            };
            let mut child =
                scratch.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(60 + chance.below(250) as u64));
            kills += usize::from(child.try_wait().unwrap().is_none());
            let _ = child.kill();
            let _ = child.wait();
        }
        go_on(&scratch);
        check(&scratch);
        check_runs(&scratch);
    }
    eprintln!("survived {kills} kills of a runner at random moments");
    assert!(kills >= 5, "only {kills} kills");
}

/// Runs a command that ends itself at a step.
fn killed_at(scratch: &Scratch, step: &str, arguments: &str) {
    let mut command = scratch.command(arguments.split_whitespace());
    command.env("BUNSUI_FAILPOINT", step);
    assert_eq!(scratch.finish(&mut command).code, None, "{arguments} is killed at {step}");
}

fn status(scratch: &Scratch) -> String {
    last(scratch).unwrap()["status"].as_str().unwrap().to_owned()
}

#[test]
fn a_runner_killed_while_it_takes_outputs_of_another_session() {
    for step in ["reused", "created", "stored", "restored"] {
        let scratch = scratch();
        let reads = "environment = { N = \"${jobs.a.n}\" }";
        let text = crate::product::given("a", "", "{ n = 1 }")
            + &job("b", "depends_on = [\"a\"]", reads, "echo b$N >> ran");
        scratch.write("t.toml", pipeline_with("", &text));
        scratch.run("run t.toml --only a").expect_code(0);
        if step == "restored" {
            killed_at(&scratch, "created", "run t.toml --only b --outputs-of last");
            killed_at(&scratch, "restored", "session resume last");
        } else {
            killed_at(&scratch, step, "run t.toml --only b --outputs-of last");
        }
        scratch.run("session resume last").expect_code(0);
        assert_eq!(scratch.read("ran"), "b1\n", "killed at {step}");
        assert_none_left(&scratch);
    }
}

#[test]
fn a_retry_killed_at_each_of_its_steps() {
    for step in ["lease_taken", "retry_begun", "set_back", "restored", "decided", "told", "started"] {
        let scratch = scratch();
        let text =
            job("a", "", "", "echo a >> ran; test -e good") + &job("b", "depends_on = [\"a\"]", "", "true");
        scratch.write("t.toml", pipeline_with("", &text));
        scratch.run("run t.toml").expect_code(1);
        scratch.write("good", "");
        killed_at(&scratch, step, "session retry last");
        assert_eq!(status(&scratch), "running", "killed at {step}");
        scratch.run("session resume last").expect_code(0);
        let session = last(&scratch).unwrap();
        assert_eq!(session["retries"], 1);
        let done = session["job_records"].as_array().unwrap().iter().all(|job| job["status"] == "succeeded");
        assert!(done, "killed at {step}: {session}");
        assert!(scratch.read("ran").lines().count() <= 3, "killed at {step}");
        assert_none_left(&scratch);
    }
}

#[test]
fn a_cancel_killed_at_each_of_its_steps_is_finished() {
    for step in ["decided:3", "stored:5", "told:3", "stopped"] {
        let scratch = scratch();
        let waits = "touch started; sleep 1000";
        scratch.write(
            "t.toml",
            pipeline_with("", &(job("a", "", "", waits) + &job("b", "depends_on = [\"a\"]", "", "true"))),
        );
        let mut command = scratch.command(["run", "t.toml"]);
        command.env("BUNSUI_FAILPOINT", step).stdout(Stdio::null()).stderr(Stdio::null());
        let mut runner = command.spawn().unwrap();
        let mark = scratch.directory().join("started");
        crate::product::wait_until("it runs", || mark.exists() || runner.try_wait().unwrap().is_some());
        let mut canceller =
            scratch.command(["session", "cancel", "last"]).stderr(Stdio::null()).spawn().unwrap();
        crate::product::wait_until("the runner dies or ends", || runner.try_wait().unwrap().is_some());
        let _ = canceller.kill();
        let _ = canceller.wait();
        scratch.run("session cancel last").expect_code(0);
        assert_eq!(status(&scratch), "cancelled", "killed at {step}");
        assert_none_left(&scratch);
    }
}

/// The hosts of a scratch folder's runners.
fn hosts(scratch: &Scratch) -> Vec<i32> {
    crate::product::processes(scratch)
        .into_iter()
        .filter(|(_, arguments)| arguments.contains("__plugin-host"))
        .map(|(pid, _)| pid)
        .collect()
}

#[test]
fn a_plugin_host_killed_at_random_moments_costs_tries_and_no_session() {
    let mut chance = Chance::new(3);
    let mut kills = 0;
    for _ in 0..rounds(8) {
        // As many tries as there can be kills.
        let retry = "retry = { max_attempts = 20, interval = \"1s\", backoff_rate = 1.0, jitter = \"full\", on = [\"States.ALL\"] }";
        let scratch = any_graph(&mut chance, retry);
        let mut child =
            scratch.command(["run", "t.toml"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(80 + chance.below(200) as u64));
            for host in hosts(&scratch) {
                kills += usize::from(kill_process(Pid::from_raw(host).unwrap(), Signal::KILL).is_ok());
            }
        }
        let status = child.wait().unwrap();
        // One that is killed before the pipeline is compiled is a plugin that does not answer; one that is killed while it is loaded
        // is passed over, and its types are not known.
        if matches!(status.code(), Some(2 | 3)) && last(&scratch).is_none() {
            continue;
        }
        assert_eq!(status.code(), Some(0), "{:?}", last(&scratch));
        let session = last(&scratch).unwrap();
        assert_eq!(session["status"], "succeeded");
        assert!(session["job_records"].as_array().unwrap().iter().all(|job| job["attempt"] == 1));
        check(&scratch);
    }
    eprintln!("survived {kills} kills of a plugin host");
    assert!(kills >= 3, "only {kills} kills");
}

#[test]
fn of_two_runners_at_once_one_drives_a_hundred_times() {
    let scratch = scratch();
    let script = "echo $$ >> ran; while [ -e wait ]; do sleep 0.01; done; test -e good";
    scratch.write("t.toml", pipeline_with("", &job("a", "", "", script)));
    scratch.run("run t.toml").expect_code(1);
    let store = rusqlite::Connection::open(scratch.directory().join(".bunsui/bunsui.db")).unwrap();
    let count = |event: &str| -> usize {
        let text = "SELECT count(*) FROM events WHERE json_extract(event, '$.event') = ?1";
        store.query_row(text, [event], |row| row.get::<_, i64>(0)).unwrap() as usize
    };
    let rounds = rounds(100);
    let mut refused_late = 0;
    for round in 1..=rounds {
        scratch.write("wait", "");
        // Two retries of one session: each takes the lease, or is refused.
        let both = [(); 2].map(|()| {
            let mut command = scratch.command(["session", "retry", "last"]);
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        });
        crate::product::wait_until("one drives", || scratch.read("ran").lines().count() > round);
        let mut both = both.map(|child| child);
        // The loser ends while the winner still drives.
        crate::product::wait_until("the other is refused", || {
            both.iter_mut().any(|child| child.try_wait().unwrap().is_some())
        });
        std::fs::remove_file(scratch.directory().join("wait")).unwrap();
        let mut codes = Vec::new();
        for child in both {
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let code = output.status.code();
            if code != Some(1) {
                let is_told = ["session::not_final", "store::fenced"].iter().any(|code| said.contains(code));
                assert!(is_told, "{code:?}: {said}");
                refused_late += usize::from(said.contains("store::fenced"));
            }
            codes.push(code);
        }
        codes.sort_unstable();
        assert!(matches!(codes[..], [Some(1), Some(2 | 3)]), "{codes:?}");
        assert_eq!(scratch.read("ran").lines().count(), round + 1, "the job ran once in each round");
        assert_eq!(count("lease_taken"), round + 1, "no write of a loser lands");
        assert_eq!(count("session_retried"), round);
        assert_eq!(count("job_started"), round + 1);
    }
    eprintln!("{rounds} times two runners at once; {refused_late} were refused by an event's number");
    assert_none_left(&scratch);
}
