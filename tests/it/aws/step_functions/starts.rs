//! Starts whose replies are lost, executions that are seen late, and those that somebody else ends or deletes.

use super::super::{job, sdk_config_at};
use super::{Site, at_once, quick, record, seconds};
use crate::product::Running;
use bunsui_test_support::proxy::{Fault, Proxy};
use bunsui_test_support::step_functions::{Options, Script, Status};
use serde_json::{Value as Json, json};
use std::time::Duration;

const START: &str = "AWSStepFunctions.StartExecution";

/// Two jobs, one after the other.
fn two_jobs() -> String {
    job("a", "", "") + &job("b", "depends_on = [\"a\"]", "payload = { n = \"${jobs.a.n}\" }")
}

/// The first starts meet a fault; each job is started once for all that.
fn started_once_with((fault, requests, options): (Fault, u64, Options)) {
    let what = format!("{fault:?} {requests} {options:?}");
    let Some(site) = Site::new(options) else { return };
    site.stand_in.script(|_| quick(json!({"n": 1})));
    let scratch = site.deployed(&two_jobs());
    let proxy = Proxy::start(&site.stand_in.address);
    proxy.first(requests, START, fault);
    let scratch = scratch.with_variable("BUNSUI_AWS__ENDPOINT_URLS__SFN", &proxy.address);
    let finished = scratch.run("run t.toml");
    assert_eq!(finished.code, Some(0), "{what}: {}", finished.stderr);
    assert_eq!(proxy.counts()[START].faulty(), requests, "{what}");
    assert_eq!(site.created(), [1, 1], "{what}");
    for name in ["a", "b"] {
        assert_eq!(record(&scratch, name)["attempt"], 1, "{what}");
    }
}

/// Each fault, of fewer and of more requests than the SDK tries by itself; but six slow ones would only take long.
fn faults() -> impl Iterator<Item = (Fault, u64)> {
    let slow = Fault::Slow(Duration::from_secs(1));
    let faults = [
        Fault::ResetAfter,
        Fault::ResetBefore,
        Fault::InternalError,
        Fault::Throttled,
        Fault::Truncated,
        slow,
    ];
    let cases = faults.into_iter().flat_map(|fault| [2, 6].map(|requests| (fault, requests)));
    cases.filter(move |case| *case != (slow, 6))
}

#[test]
fn each_job_is_started_once_whatever_becomes_of_the_replies() {
    at_once(faults(), |(fault, requests)| {
        started_once_with((fault, requests, Options::default()));
    });
}

#[test]
fn what_was_started_by_a_lost_call_is_adopted_though_it_is_seen_late() {
    // By the second call it has ended: its name is taken, and it has to be looked at, which sees it later.
    let delay = seconds(40.0);
    let options = Options { speed: 20.0, consistency_delay: delay, ..Options::default() };
    at_once([1, 5], |requests| started_once_with((Fault::ResetAfter, requests, options.clone())));
}

#[test]
fn an_execution_that_is_not_seen_yet_is_waited_for() {
    let options =
        Options { consistency_delay: seconds(4.0), history_delay: seconds(3.0), ..Options::default() };
    let Some(site) = Site::new(options) else { return };
    site.stand_in.script(|_| quick(json!({"n": 1})));
    let scratch = site.deployed(&two_jobs());
    scratch.run("run t.toml").expect_code(0);
    assert_eq!(site.created(), [1, 1]);
    assert!(site.calls("DescribeExecution") + site.calls("GetExecutionHistory") > 2);
}

/// A job that would run for ever; what somebody does to it; its failure, and what was said.
fn ended_by_others(act: impl Fn(&Site, &str)) -> Option<(Json, String)> {
    let site = Site::new(Options::default())?;
    site.stand_in.script(|_| Script::endless().through(["call"]));
    let scratch = site.deployed(&two_jobs());
    let running = Running::start(&scratch, "run t.toml");
    running.wait_for("started    a");
    crate::product::wait_until("it is started", || !site.executions("a").is_empty());
    act(&site, &site.execution("a").arn);
    let (code, said) = running.end();
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(site.created(), [1]);
    let failed = record(&scratch, "a");
    assert_eq!(failed["status"], "failed", "{failed}");
    assert_eq!(record(&scratch, "b")["status"], "upstream_failed");
    Some((failed["failure"].clone(), said))
}

/// As somebody does in the console.
fn stop(site: &Site, arn: &str) {
    let sfn = aws_sdk_sfn::Client::new(
        &site.runtime.block_on(sdk_config_at(&site.stand_in.address, &site.account)),
    );
    let stop = sfn.stop_execution().execution_arn(arn).error("Ops.Stopped").cause("the disk was full");
    site.runtime.block_on(stop.send()).expect("stopped");
}

#[test]
fn what_somebody_else_ends_or_deletes_fails_with_what_is_known_of_it() {
    /// What is done, what is said of it, the error's name.
    type Case = (fn(&Site, &str), &'static str, &'static str);
    let gone = "its execution is not there any more: its state machine was deleted while it ran";
    let cases: [Case; 4] = [
        (
            stop,
            "its execution was stopped by somebody: Ops.Stopped: the disk was full",
            "States.ExecutionAborted",
        ),
        (
            |site, arn| site.stand_in.abort_execution(arn).unwrap(),
            "its execution was stopped by somebody, who gave no reason",
            "States.ExecutionAborted",
        ),
        (|site, arn| assert!(site.stand_in.delete_execution(arn)), gone, "States.ExecutionDoesNotExist"),
        (
            |site, arn| {
                site.stand_in.delete_state_machine(&site.execution("a").machine).unwrap();
                // What it is in goes on to its end; here that is now.
                site.stand_in.abort_execution(arn).unwrap();
            },
            gone,
            "States.ExecutionDoesNotExist",
        ),
    ];
    at_once(cases, |(act, summary, error)| {
        let Some((failure, said)) = ended_by_others(act) else { return };
        assert_eq!((&failure["summary"], &failure["error"]), (&json!(summary), &json!(error)));
        assert!(said.contains(summary), "{said}");
    });
}

#[test]
fn a_cancel_stops_what_runs_whatever_becomes_of_the_replies() {
    at_once(faults(), |(fault, requests)| {
        let Some(site) = Site::new(Options::default()) else { return };
        site.stand_in.script(|_| Script::endless().through(["call"]));
        let proxy = Proxy::start(&site.stand_in.address);
        let scratch =
            site.deployed(&two_jobs()).with_variable("BUNSUI_AWS__ENDPOINT_URLS__SFN", &proxy.address);
        proxy.first(requests, "AWSStepFunctions.StopExecution", fault);
        let running = Running::start(&scratch, "run t.toml");
        running.wait_for("started    a");
        crate::product::wait_until("it is started", || !site.executions("a").is_empty());
        let receipt = scratch.run("session cancel last --output json").expect_code(0).json();
        assert_eq!(receipt["status"], "cancelled", "{fault:?} {requests}: {receipt}");
        assert_eq!(site.execution("a").status, Status::Aborted, "{fault:?} {requests}");
        running.end();
    });
}
