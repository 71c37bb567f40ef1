//! What Step Functions says of an execution: kept where it failed, told apart by attempt, and there when Step Functions has forgotten it.

use super::super::job;
use super::{Site, load_failed, quick, two_operations};
use bunsui_test_support::Scratch;
use bunsui_test_support::step_functions::Options;
use serde_json::json;

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
