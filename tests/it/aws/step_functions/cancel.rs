//! A cancel ends what executions had started, as far as can be, and its receipt says which is which.

use super::super::job;
use super::Site;
use crate::product::Running;
use bunsui_test_support::step_functions::{Options, Script};
use serde_json::json;

#[test]
fn the_receipt_tells_what_was_ended_from_what_may_still_run() {
    let Some(site) = Site::new(Options::default()) else { return };
    let task = format!("arn:aws:ecs:eu-west-1:{}:task/data/0123456789abcdef", site.account);
    let submitted = json!({"Tasks": [{"TaskArn": task, "ClusterArn": "data"}], "Failures": []});
    site.stand_in.script(move |started| {
        let script = Script::endless().submitted(submitted.clone());
        if super::job_of(&started.machine) == "task" { script.through(["run"]) } else { script }
    });
    let keys = "cluster = \"data\"\ntask_definition = \"t\"\ncontainer = \"main\"\n";
    let of_ecs = format!("[jobs.task]\n[[jobs.task.operations]]\nname = \"run\"\ntype = \"ecs\"\n{keys}\n");
    let scratch = site.deployed(&(of_ecs + &job("function", "", "")));
    let running = Running::start(&scratch, "run t.toml");
    // That they start is said before the calls.
    let is_started = |job: &str| !site.executions(job).is_empty();
    crate::product::wait_until("both are started", || is_started("task") && is_started("function"));
    let receipt = scratch.run("session cancel last --output json").expect_code(0).json();
    running.end();
    let ended = format!("operation `run` (ecs) of job `task`: ECS task {task}");
    assert_eq!(receipt["ended_besides"], json!([ended]), "{receipt}");
    let left = receipt["may_still_run"].as_array().expect("a list");
    assert_eq!(left.len(), 1, "{receipt}");
    let left = left[0].as_str().unwrap_or_default();
    assert!(left.contains("(lambda) of job `function`: invocation of function"), "{left}");
    assert!(left.contains(":execution:"), "its ARN: {left}");
    let text = scratch.run("session cancel last").expect_code(0).stderr;
    assert!(text.contains("ended besides:\n    operation `run` (ecs)"), "{text}");
    assert!(text.contains("may still run, and could not be stopped:"), "{text}");
}
