//! Each API that a runner calls, with each fault: the session ends as if there had been none.

use super::super::{functions, job};
use super::{
    Site, at_once, job_of, killed_at, load_failed, quick, record, record_of, seconds, two_operations,
};
use bunsui_test_support::ministack;
use bunsui_test_support::proxy::{Fault, Proxy};
use bunsui_test_support::step_functions::{Options, Quotas, Script};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

/// What `run` calls. What only a retry or a cancel calls is in their tests.
const APIS: [&str; 8] = [
    "AWSStepFunctions.DescribeExecution",
    "AWSStepFunctions.GetExecutionHistory",
    "AWSStepFunctions.StartExecution",
    "DynamoDB_20120810.Query",
    "DynamoDB_20120810.TransactWriteItems",
    "GetCallerIdentity",
    "S3.GET",
    "S3.PUT",
];

const FAULTS: [Fault; 6] = [
    Fault::InternalError,
    Fault::Throttled,
    Fault::ResetBefore,
    Fault::ResetAfter,
    Fault::Truncated,
    Fault::Slow(Duration::from_millis(800)),
];

/// So many requests of an API meet the fault: fewer than the SDK tries.
const FIRST: u64 = 2;

/// Three jobs, of which the first gives more than a record holds.
fn jobs() -> String {
    let reads = "payload = { n = \"${jobs.large.n}\" }";
    job("large", "", "")
        + &job("left", "depends_on = [\"large\"]", reads)
        + &job("right", "depends_on = [\"large\"]", reads)
}

/// Runs a session with a fault at an API; gives what was called.
fn run_with(site: &Site, fault: Option<(&str, Fault)>) -> BTreeSet<String> {
    let what = format!("{fault:?}");
    let aws = Proxy::start(&ministack().expect("it runs").address);
    let step_functions = Proxy::start(&site.stand_in.address);
    if let Some((api, fault)) = fault {
        let proxy = if api.starts_with("AWSStepFunctions.") { &step_functions } else { &aws };
        proxy.first(FIRST, api, fault);
    }
    let scratch = site.machine_behind(&aws.address, &step_functions.address);
    scratch.write("t.toml", functions(&jobs()));
    let finished = scratch.run("run t.toml --output json");
    assert_eq!(finished.code, Some(0), "{what}: {}{}", finished.stderr, finished.stdout);
    let summary = crate::product::summary(&finished);
    let id = summary["session_id"].as_str().expect("a text");
    let mut called: BTreeSet<String> = BTreeSet::new();
    for (api, counts) in aws.counts().into_iter().chain(step_functions.counts()) {
        if fault.is_some_and(|(struck, _)| struck == api) {
            assert!(counts.faulty() > 0, "{what} struck nothing");
        }
        called.insert(api);
    }
    // Whatever was lost, what is kept is whole.
    let scratch = site.machine();
    let session = scratch.run(&format!("session show {id} --output json")).expect_code(0).json();
    assert_eq!((&session["status"], &session["lease"]), (&json!("succeeded"), &json!(null)), "{what}");
    for name in ["large", "left", "right"] {
        let record = record_of(&session, name);
        assert_eq!(
            (&record["status"], &record["attempt"]),
            (&json!("succeeded"), &json!(1)),
            "{what}: {name}"
        );
    }
    let shown = scratch.run(&format!("session show {id}")).expect_code(0).stdout;
    assert!(shown.contains("3 jobs: 3 succeeded"), "{what}: {shown}");
    let starts = site.stand_in.starts();
    let created: Vec<u32> =
        starts.iter().filter(|(arn, _)| arn.contains(id)).map(|(_, starts)| starts.created).collect();
    assert_eq!(created, [1, 1, 1], "{what}");
    site.events(&id.to_owned().try_into().expect("an id"));
    called
}

#[test]
fn a_run_survives_each_fault_of_each_api() {
    let options = Options { quotas: Some(Quotas::unlimited()), ..Options::default() };
    let Some(site) = Site::new(options) else { return };
    let pad = "x".repeat(70_000);
    site.stand_in.script(move |started| match job_of(&started.machine) {
        // Long enough for a look by each of the two APIs.
        "large" => Script::succeeded(seconds(1.5), json!({"n": 1, "pad": pad})),
        _ => Script::succeeded(seconds(0.2), json!({})),
    });
    site.deployed(&jobs());
    let called = run_with(&site, None);
    assert_eq!(called.iter().map(String::as_str).collect::<Vec<_>>(), APIS);
    let cases = APIS.iter().flat_map(|api| FAULTS.map(|fault| (*api, fault)));
    at_once(cases, |case| _ = run_with(&site, Some(case)));
}

/// A runner dies, and whoever takes up what it started meets a fault at its looks.
#[test]
fn what_runs_is_taken_up_whatever_becomes_of_the_looks() {
    let cases = FAULTS.iter().flat_map(|fault| [FIRST, 2 * FIRST + 1].map(|first| (*fault, first)));
    at_once(
        cases.filter(|(fault, first)| *first == FIRST || !matches!(fault, Fault::Slow(_))),
        |(fault, first)| {
            let Some(site) = Site::new(Options::default()) else { return };
            site.stand_in.script(|_| quick(json!({"n": 1})));
            let scratch = site.deployed(&jobs());
            killed_at(&scratch, "started", "run t.toml");
            let proxy = Proxy::start(&site.stand_in.address);
            proxy.first(first, "AWSStepFunctions.DescribeExecution", fault);
            let scratch = scratch.with_variable("BUNSUI_AWS__ENDPOINT_URLS__SFN", &proxy.address);
            let resumed = scratch.run("session resume last");
            assert_eq!(resumed.code, Some(0), "{fault:?} {first}: {}", resumed.stderr);
            assert_eq!(site.created(), [1, 1, 1], "{fault:?} {first}");
            assert_eq!(record(&scratch, "large")["attempt"], 1, "{fault:?} {first}");
        },
    );
}

/// The same of who asks whether an execution can be redriven.
#[test]
fn what_failed_is_redriven_whatever_becomes_of_the_looks() {
    at_once(FAULTS, |fault| {
        let Some(site) = Site::new(Options::default()) else { return };
        site.stand_in.script(|started| if started.redrives == 0 { load_failed() } else { quick(json!({})) });
        let scratch = site.deployed(&two_operations("a"));
        scratch.run("run t.toml").expect_code(1);
        let proxy = Proxy::start(&site.stand_in.address);
        proxy.first(FIRST, "AWSStepFunctions.DescribeExecution", fault);
        let scratch = scratch.with_variable("BUNSUI_AWS__ENDPOINT_URLS__SFN", &proxy.address);
        let retried = scratch.run("session retry last");
        assert_eq!(retried.code, Some(0), "{fault:?}: {}", retried.stderr);
        assert_eq!((site.calls("RedriveExecution"), site.created()), (1, vec![1]), "{fault:?}");
    });
}
