//! What Step Functions says of an execution: kept where it failed, told apart by attempt, and there when Step Functions has forgotten it.

use super::super::job;
use super::{Site, load_failed, quick, seconds, two_operations};
use crate::history::Following;
use crate::product::Running;
use bunsui_test_support::proxy::{Asked, Proxy};
use bunsui_test_support::step_functions::{Options, Script};
use bunsui_test_support::{Scratch, ministack};
use serde_json::{Value as Json, json};
use std::sync::mpsc;

/// The types of the events that are shown of job `a`, in order.
fn types(scratch: &Scratch, arguments: &str) -> Vec<String> {
    let line = format!("logs last --job a --source step-functions --output json {arguments}");
    let lines = scratch.run(&line).expect_code(0).json_lines();
    lines.iter().map(|line| line["fields"]["type"].as_str().expect("a type").to_owned()).collect()
}

#[test]
fn each_attempt_has_its_own_part_of_a_history_and_what_failed_is_kept() {
    let Some(site) = Site::new(Options::default()) else { return };
    site.stand_in
        .script(|started| if started.redrives == 0 { load_failed() } else { quick(json!({"n": 1})) });
    let scratch = site.deployed(&(two_operations("a") + &job("b", "", "")));
    scratch.run("run t.toml --only a").expect_code(1);
    let failed = types(&scratch, "");
    assert_eq!(failed.first().map(String::as_str), Some("ExecutionStarted"), "{failed:?}");
    assert_eq!(failed.last().map(String::as_str), Some("ExecutionFailed"), "{failed:?}");
    let shown = scratch.run("logs last --source step-functions --operation load --level warn").expect_code(0);
    assert!(
        shown.stdout.contains("[step-functions] a/load  WARN TaskFailed in state load: "),
        "{}",
        shown.stdout
    );
    scratch.run("session retry last").expect_code(0);
    assert_eq!(types(&scratch, "--attempt 1"), failed);
    let redriven = types(&scratch, "--attempt 2");
    assert_eq!(redriven.first().map(String::as_str), Some("ExecutionRedriven"), "{redriven:?}");
    assert_eq!(redriven.last().map(String::as_str), Some("ExecutionSucceeded"), "{redriven:?}");
    let taken_up = scratch.run("logs last --source step-functions --attempt 2 --output json").expect_code(0);
    let scheduled = taken_up.json_lines().into_iter().find(|line| line["fields"]["type"] == "TaskScheduled");
    let scheduled = scheduled.expect("it is scheduled anew");
    assert_eq!((&scheduled["operation"], &scheduled["try"]), (&json!("load"), &json!(1)));
    assert!(site.stand_in.delete_execution(&site.execution("a").arn));
    assert_eq!(types(&scratch, ""), failed, "what failed is kept, and nothing else");
}

#[test]
fn histories_of_all_executions_or_of_none_are_kept() {
    for (collect, is_kept) in [("all", true), ("none", false)] {
        let Some(site) = Site::new(Options::default()) else { return };
        site.stand_in.script(|_| quick(json!({"n": 1})));
        let scratch = site.deployed(&two_operations("a")).with_variable("BUNSUI_LOGS__COLLECT", collect);
        scratch.run("run t.toml").expect_code(0);
        assert!(types(&scratch, "").contains(&"ExecutionSucceeded".to_owned()), "{collect}");
        assert!(site.stand_in.delete_execution(&site.execution("a").arn));
        assert_eq!(!types(&scratch, "").is_empty(), is_kept, "{collect}");
    }
}

/// The bodies of the requests for an API that go through a proxy.
fn heard(proxy: &Proxy, api: &'static str) -> mpsc::Receiver<Json> {
    let (send, bodies) = mpsc::channel();
    proxy.plan(move |asked: &Asked| {
        if asked.api == api {
            send.send(serde_json::from_slice(asked.body).expect("JSON")).expect("the test reads them");
        }
        None
    });
    bodies
}

#[test]
fn who_follows_reads_only_what_is_new() {
    let Some(site) = Site::new(Options::default()) else { return };
    site.stand_in.script(|_| Script::succeeded(seconds(9.0), json!({})).through(["extract", "load"]));
    let scratch = site.deployed(&two_operations("a"));
    let running = Running::start(&scratch, "run t.toml");
    running.wait_for("started    a");
    let aws = Proxy::start(&ministack().expect("it runs").address);
    let step_functions = Proxy::start(&site.stand_in.address);
    let histories = heard(&step_functions, "AWSStepFunctions.GetExecutionHistory");
    let lines = heard(&aws, "Logs_20140328.FilterLogEvents");
    let elsewhere = site.machine_behind(&aws.address, &step_functions.address);
    let following = Following::start(&elsewhere, "");
    assert_eq!(running.end().0, Some(0));
    assert_eq!(following.end(), Some(0));
    let followed = elsewhere.read("followed");
    for once in ["[step-functions] a  ExecutionStarted", "[step-functions] a/load  ExecutionSucceeded"] {
        assert_eq!(followed.matches(once).count(), 1, "`{once}` in\n{followed}");
    }
    // Looks are six seconds apart: some while it runs, one that sees its end, and of its history none after that.
    let histories: Vec<Json> = histories.try_iter().collect();
    assert!((2..=4).contains(&histories.len()), "{histories:?}");
    assert_eq!(histories[0]["reverseOrder"], false, "from its beginning: {histories:?}");
    assert!(histories[1..].iter().all(|asked| asked["reverseOrder"] == true), "{histories:?}");
    // An operation is looked at while it goes on, when it has ended, and once more.
    let lines: Vec<Json> = lines.try_iter().collect();
    for operation in ["extract", "load"] {
        let group = format!("/aws/lambda/{operation}");
        let looks = lines.iter().filter(|asked| asked["logGroupName"] == group.as_str()).count();
        assert!((1..=4).contains(&looks), "{looks} of {operation}: {lines:?}");
    }
}
