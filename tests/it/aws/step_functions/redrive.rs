//! A retry on AWS: which executions go on from where they failed, which begin anew and why, and that neither happens twice.

use super::super::job;
use super::{Site, at_once, job_of, killed_at, load_failed, quick, record, seconds, two_operations};
use bunsui_test_support::Scratch;
use bunsui_test_support::proxy::{Fault, Proxy};
use bunsui_test_support::step_functions::{Options, Script, Status};
use serde_json::json;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A job `a` of two operations, of which the second fails until its execution is redriven or another is started; `b` depends on it.
fn failing(options: Options) -> Option<(Site, Scratch)> {
    failing_by(options, load_failed())
}

fn failing_by(options: Options, failure: Script) -> Option<(Site, Scratch)> {
    let site = Site::new(options)?;
    site.stand_in.script(move |started| {
        let is_first = started.redrives == 0 && started.name.ends_with("--a-1");
        if is_first { failure.clone() } else { quick(json!({"n": 1})) }
    });
    let after = job("b", "depends_on = [\"a\"]", "payload = { n = \"${jobs.a.n}\" }");
    let scratch = site.deployed(&(two_operations("a") + &after));
    scratch.run("run t.toml").expect_code(1);
    Some((site, scratch))
}

#[test]
fn a_retry_goes_on_from_where_the_execution_failed() {
    let Some((site, scratch)) = failing(Options::default()) else { return };
    let failed = record(&scratch, "a");
    assert_eq!(failed["failure"]["operation"], "load", "{failed}");
    let retried = scratch.run("session retry last").expect_code(0).stderr;
    assert!(retried.contains("goes on    a: its execution is redriven from where it failed"), "{retried}");
    assert!(retried.contains("started    a (attempt 2), redriven"), "{retried}");
    assert_eq!(site.calls("RedriveExecution"), 1);
    assert_eq!(site.created(), [1, 1], "a and b");
    let execution = site.execution("a");
    assert_eq!((execution.status, execution.attempts.len()), (Status::Succeeded, 2));
    let done = record(&scratch, "a");
    assert_eq!(
        (&done["status"], &done["attempt"], &done["execution"]),
        (&json!("succeeded"), &json!(2), &failed["execution"])
    );
    assert_eq!(done["output"]["inline"]["n"], 1);
}

#[test]
fn what_fails_again_is_redriven_again() {
    let Some(site) = Site::new(Options::default()) else { return };
    site.stand_in.script(|started| if started.redrives < 3 { load_failed() } else { quick(json!({})) });
    let scratch = site.deployed(&two_operations("a"));
    scratch.run("run t.toml").expect_code(1);
    for attempt in 2..=4 {
        let code = i32::from(attempt < 4);
        let retried = scratch.run("session retry last").expect_code(code).stderr;
        assert!(retried.contains(&format!("started    a (attempt {attempt}), redriven")), "{retried}");
    }
    assert_eq!((site.calls("RedriveExecution"), site.created()), (3, vec![1]));
    assert_eq!(record(&scratch, "a")["attempt"], 4);
}

/// A retry after which the job begins anew.
struct Case {
    failure: Script,
    before: fn(&Site, &Scratch),
    line: &'static str,
    /// As it is said; nothing where it was asked for.
    reason: &'static str,
}

/// Retries after what came before; the job begins anew, and why is said.
fn begins_anew(Case { failure, before, line, reason }: Case) {
    let Some((site, scratch)) = failing_by(Options::default(), failure) else { return };
    before(&site, &scratch);
    let retried = scratch.run(line).expect_code(0).stderr;
    assert!(!retried.contains("redriven"), "{retried}");
    assert!(retried.contains("started    a (attempt 2)"), "{retried}");
    if reason.is_empty() {
        assert!(!retried.contains("anew  "), "{retried}");
    } else {
        assert!(retried.contains(&format!("anew       a: {reason}\n")), "{retried}");
    }
    assert_eq!(site.calls("RedriveExecution"), 0);
    let done = record(&scratch, "a");
    assert_eq!((&done["status"], &done["attempt"]), (&json!("succeeded"), &json!(2)));
    assert!(done["execution"].as_str().is_some_and(|name| name.ends_with("--a-2")), "{done}");
    assert_eq!(site.created(), [1, 1, 1], "a twice, b once");
}

#[test]
fn what_cannot_be_redriven_begins_anew_and_why_is_said() {
    let retry = "session retry last";
    let nothing: fn(&Site, &Scratch) = |_, _| {};
    let cases = [
        Case {
            failure: load_failed(),
            before: |site, _| site.stand_in.advance(DAY * 15),
            line: retry,
            reason: "Execution redrivable period exceeded",
        },
        Case {
            failure: load_failed().after_failed_tries(8400),
            before: nothing,
            line: retry,
            reason: "Execution history event limit exceeded",
        },
        Case {
            failure: load_failed(),
            before: |site, _| assert!(site.stand_in.delete_execution(&site.execution("a").arn)),
            line: retry,
            reason: "Step Functions does not have its execution any more",
        },
        Case {
            failure: load_failed(),
            before: |_, scratch| {
                let changed = scratch.read("t.toml").replace("name = \"load\"", "name = \"store\"");
                scratch.write("t.toml", changed);
                scratch.run("deploy t.toml").expect_code(0);
            },
            line: "session retry last --with-current",
            reason: "it has another definition now",
        },
        Case { failure: load_failed(), before: nothing, line: "session retry last --from-start", reason: "" },
    ];
    at_once(cases, begins_anew);
}

#[test]
fn a_job_with_another_input_begins_anew() {
    let Some(site) = Site::new(Options::default()) else { return };
    // What `a` gives is another each time; `b` fails with the first of it.
    site.stand_in.script(|started| {
        match (job_of(&started.machine), started.input["jobs"]["a"]["n"].as_u64()) {
            ("a", _) => quick(json!({"n": if started.name.ends_with("-1") { 1 } else { 2 }})),
            (_, Some(1)) => Script::failed(seconds(0.3), "ValueError", "1 is no good"),
            _ => quick(json!({})),
        }
    });
    let jobs = job("a", "", "") + &job("b", "depends_on = [\"a\"]", "payload = { n = \"${jobs.a.n}\" }");
    let scratch = site.deployed(&jobs);
    scratch.run("run t.toml").expect_code(1);
    // Once with the same input: that goes on, and fails again.
    scratch.run("session retry last").expect_code(1);
    assert_eq!(site.calls("RedriveExecution"), 1);
    let retried = scratch.run("session retry last --job a --job b").expect_code(0).stderr;
    assert!(!retried.contains("anew       a"), "what succeeded is not asked whether it can go on: {retried}");
    assert!(retried.contains("started    b (attempt 3), anew: its input is another now\n"), "{retried}");
    assert_eq!(site.calls("RedriveExecution"), 1);
    assert_eq!(site.created(), [1, 1, 1, 1], "each of a and b twice");
    assert!(record(&scratch, "b")["execution"].as_str().is_some_and(|name| name.ends_with("--b-3")));
}

/// Whatever becomes of the first replies, there is one redrive.
fn redriven_once_with((fault, requests): (Fault, u64)) {
    let Some((site, scratch)) = failing(Options::default()) else { return };
    let proxy = Proxy::start(&site.stand_in.address);
    proxy.first(requests, "AWSStepFunctions.RedriveExecution", fault);
    let scratch = scratch.with_variable("BUNSUI_AWS__ENDPOINT_URLS__SFN", &proxy.address);
    scratch.run("session retry last").expect_code(0);
    let struck = proxy.counts()["AWSStepFunctions.RedriveExecution"].faulty();
    assert_eq!(struck, requests, "{fault:?}");
    assert_eq!(site.execution("a").attempts.len(), 2, "{fault:?}");
    assert_eq!(site.created(), [1, 1], "{fault:?}");
    assert_eq!(record(&scratch, "a")["attempt"], 2, "{fault:?}");
}

#[test]
fn a_redrive_whose_reply_is_lost_is_not_done_twice() {
    let faults = [
        (Fault::ResetAfter, 1),
        // More than the SDK tries by itself.
        (Fault::ResetAfter, 5),
        (Fault::Truncated, 2),
        (Fault::ResetBefore, 5),
        (Fault::InternalError, 5),
        (Fault::Throttled, 5),
        (Fault::Slow(Duration::from_secs(2)), 1),
    ];
    at_once(faults, redriven_once_with);
}

#[test]
fn a_retry_that_is_killed_redrives_once() {
    let steps = [
        "lease_taken",
        "retry_begun",
        "set_back",
        "restored",
        "decided",
        "told",
        "started",
        "stored:1",
        "stored:2",
        "stored:3",
        "ended",
    ];
    at_once(steps, |step| {
        let Some((site, scratch)) = failing(Options::default()) else { return };
        killed_at(&scratch, step, "session retry last");
        // One more dies while it takes over.
        killed_at(&scratch, "restored", "session resume last");
        scratch.run("session resume last").expect_code(0);
        assert_eq!(site.execution("a").attempts.len(), 2, "{step}");
        assert_eq!(site.created(), [1, 1], "{step}");
        let done = record(&scratch, "a");
        assert_eq!((&done["status"], &done["attempt"]), (&json!("succeeded"), &json!(2)), "{step}");
    });
}

#[test]
fn the_end_that_an_execution_had_before_is_not_taken_for_its_new_one() {
    at_once(["", "started"], |step| {
        let options = Options { consistency_delay: seconds(3.0), ..Options::default() };
        let Some((site, scratch)) = failing(options) else { return };
        // Until then it is seen to run still.
        site.stand_in.advance(seconds(10.0));
        if !step.is_empty() {
            // It may be redriven by then or not, and be seen to be redriven or not.
            killed_at(&scratch, step, "session retry last");
            scratch.run("session resume last").expect_code(0);
        } else {
            scratch.run("session retry last").expect_code(0);
        }
        let execution = site.execution("a");
        assert_eq!((execution.status, execution.attempts.len()), (Status::Succeeded, 2), "{step}");
        assert_eq!(site.created(), [1, 1], "{step}");
        assert_eq!(record(&scratch, "a")["output"]["inline"]["n"], 1, "{step}");
    });
}

#[test]
fn a_retry_at_once_waits_until_the_end_is_seen() {
    let options = Options { consistency_delay: seconds(2.0), ..Options::default() };
    let Some((site, scratch)) = failing(options) else { return };
    let retried = scratch.run("session retry last").expect_code(0).stderr;
    assert!(retried.contains("started    a (attempt 2), redriven"), "{retried}");
    assert_eq!((site.calls("RedriveExecution"), site.created()), (1, vec![1, 1]));
}
