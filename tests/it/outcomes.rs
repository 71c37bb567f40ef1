//! What becomes of jobs: run_if, when, allow_failure, on_failure, limits of concurrency and time, on real runs.

use crate::product::{
    Running, assert_none_left, function, given, job, jobs, output, pipeline, pipeline_with, run_json,
    statuses, statuses_of, summary,
};
use crate::scratch;

/// Four upstreams, one for each way to be final, and a job that needs `upstreams` by `run_if`.
#[track_caller]
fn check_run_if(run_if: &str, upstreams: &[&str], expected: &str) {
    let scratch = scratch();
    let depends_on = upstreams.iter().map(|id| format!("\"{id}\"")).collect::<Vec<_>>().join(", ");
    let text = given("good", "", "1")
        + &job("bad", "", "", "exit 1")
        + &job("allowed", "allow_failure = true", "", "exit 1")
        + &given("skipped", "when = false", "1")
        + &given("down", "depends_on = [\"bad\"]", "1")
        + &given("it", &format!("run_if = \"{run_if}\"\ndepends_on = [{depends_on}]"), "1");
    scratch.write("t.toml", pipeline(&text));
    let finished = run_json(&scratch, "");
    assert_eq!(jobs(&finished)["it"]["status"], expected, "{run_if} after {upstreams:?}");
    assert_eq!(jobs(&finished)["down"]["status"], "upstream_failed");
    finished.expect_code(1);
}

#[test]
fn run_if_all_succeeded() {
    check_run_if("all_succeeded", &["good"], "succeeded");
    check_run_if("all_succeeded", &["good", "bad"], "upstream_failed");
    check_run_if("all_succeeded", &["skipped", "bad"], "upstream_failed");
    check_run_if("all_succeeded", &["good", "down"], "upstream_failed");
    check_run_if("all_succeeded", &["good", "skipped"], "skipped");
    check_run_if("all_succeeded", &["good", "allowed"], "succeeded");
}

#[test]
fn run_if_none_failed() {
    check_run_if("none_failed", &["good", "skipped"], "succeeded");
    check_run_if("none_failed", &["skipped"], "succeeded");
    check_run_if("none_failed", &["allowed", "skipped"], "succeeded");
    check_run_if("none_failed", &["good", "bad"], "upstream_failed");
    check_run_if("none_failed", &["skipped", "down"], "upstream_failed");
}

#[test]
fn run_if_any_failed() {
    check_run_if("any_failed", &["good", "bad"], "succeeded");
    check_run_if("any_failed", &["down", "skipped"], "succeeded");
    check_run_if("any_failed", &["good", "skipped"], "skipped");
    check_run_if("any_failed", &["allowed"], "skipped");
}

#[test]
fn run_if_always() {
    check_run_if("always", &["bad", "skipped", "down", "allowed", "good"], "succeeded");
    check_run_if("always", &["bad"], "succeeded");
}

#[test]
fn when_is_asked_only_of_a_job_that_may_run() {
    let scratch = scratch();
    let text = job("bad", "", "", "exit 1")
        + &given("it", "depends_on = [\"bad\"]\nwhen = \"${jobs.bad.no}\"", "1")
        + &given("rescue", "depends_on = [\"bad\"]\nrun_if = \"any_failed\"\nwhen = false", "1");
    scratch.write("t.toml", pipeline(&text));
    assert_eq!(statuses(&run_json(&scratch, "")), "bad=failed it=upstream_failed rescue=skipped");
}

#[test]
fn an_allowed_failure_does_not_fail_the_session() {
    let scratch = scratch();
    let text = job("allowed", "allow_failure = true", "", "exit 1")
        + &given("after", "depends_on = [\"allowed\"]", "1");
    scratch.write("t.toml", pipeline(&text));
    let finished = run_json(&scratch, "").expect_code(0);
    assert_eq!(statuses(&finished), "allowed=failed after=succeeded");
}

/// One job fails while another runs and a third, independent one waits for room. Gives what became of them.
fn one_fails(head: &str, arguments: &str) -> String {
    let scratch = scratch();
    let text = job("bad", "", "", "while [ ! -e running ]; do sleep 0.02; done; exit 1")
        + &job("running", "", "", "touch running; while [ ! -e over ]; do sleep 0.02; done")
        + &given("waiting", "", "1")
        + &given("after", "depends_on = [\"running\"]", "1");
    scratch.write("t.toml", pipeline_with(head, &text));
    let running = Running::start(&scratch, &format!("run t.toml --max-concurrency 2 {arguments}"));
    running.wait_for("failed     bad");
    scratch.write("over", "");
    let (code, said) = running.end();
    assert_eq!(code, Some(1), "{said}");
    let shown = scratch.run("session show last --output json").expect_code(0).json();
    statuses_of(&shown)
}

#[test]
fn after_a_failure_independent_jobs_go_on() {
    assert_eq!(one_fails("", ""), "bad=failed running=succeeded waiting=succeeded after=succeeded");
}

#[test]
fn after_a_failure_nothing_new_starts_where_that_is_asked() {
    for (head, arguments) in [("on_failure = \"stop\"", ""), ("", "--fail-fast")] {
        let expected = "bad=failed running=succeeded waiting=cancelled after=cancelled";
        assert_eq!(one_fails(head, arguments), expected, "{head}{arguments}");
    }
}

#[test]
fn no_more_jobs_run_at_once_than_are_allowed() {
    for (head, arguments, most) in
        [("max_concurrency = 2", "", 2), ("max_concurrency = 5", "--max-concurrency 3", 3)]
    {
        let scratch = scratch();
        // Each counts those that run with it, then makes sure that the others could have come.
        let script = "touch run.$$; ls | grep -c '^run\\.' >> seen; sleep 0.1; rm run.$$";
        let text: String = (0..9).map(|n| job(&format!("j{n}"), "", "", script)).collect();
        scratch.write("t.toml", pipeline_with(head, &text));
        run_json(&scratch, arguments).expect_code(0);
        let seen: Vec<u32> =
            scratch.read("seen").lines().map(|line| line.parse().expect("a number")).collect();
        assert_eq!(seen.len(), 9);
        assert_eq!(seen.iter().max(), Some(&most), "{seen:?}");
    }
}

#[test]
fn an_operation_that_is_too_slow_is_ended() {
    let scratch = scratch();
    let own = "timeout = \"1s\"\nretry = { max_attempts = 1, on = [\"States.ALL\"] }";
    scratch.write("t.toml", pipeline(&job("slow", "", own, "echo begun; sleep 1000 & sleep 1000")));
    let finished = run_json(&scratch, "").expect_code(1);
    assert_eq!(statuses(&finished), "slow=timed_out");
    assert_none_left(&scratch);
    let failure = &jobs(&finished)["slow"]["failure"];
    assert_eq!(failure["error"], "States.Timeout");
    assert_eq!(failure["summary"], "its timeout of 1s ran out");
    assert_eq!(failure["log_lines"], serde_json::json!(["begun"]));
}

#[test]
fn a_function_that_is_too_slow_is_ended() {
    let scratch = scratch();
    scratch.write("t.toml", pipeline(&function("slow", "", "timeout = \"2s\"", "wait")));
    scratch.write("handlers.py", "import time\ndef wait(event, context):\n    time.sleep(1000)\n");
    let finished = run_json(&scratch, "").expect_code(1);
    assert!(["slow=timed_out", "slow=failed"].contains(&statuses(&finished).as_str()), "{}", finished.stdout);
    assert_none_left(&scratch);
}

#[test]
fn a_job_that_is_too_slow_is_ended() {
    let scratch = scratch();
    scratch.write("t.toml", pipeline(&job("slow", "timeout = \"1s\"", "", "sleep 1000 & sleep 1000")));
    let finished = run_json(&scratch, "").expect_code(1);
    assert_eq!(statuses(&finished), "slow=timed_out");
    assert_eq!(summary(&finished)["status"], "failed");
    assert_none_left(&scratch);
}

#[test]
fn a_pipeline_that_is_too_slow_is_ended() {
    let scratch = scratch();
    let text =
        job("slow", "", "", "sleep 1000 & sleep 1000") + &given("after", "depends_on = [\"slow\"]", "1");
    scratch.write("t.toml", pipeline_with("timeout = \"1s\"", &text));
    let finished = run_json(&scratch, "").expect_code(1);
    assert_eq!(statuses(&finished), "slow=timed_out after=cancelled");
    assert_eq!(summary(&finished)["status"], "timed_out");
    assert_none_left(&scratch);
}

#[test]
fn a_retry_tries_again_and_its_lines_say_which_try() {
    let scratch = scratch();
    let retry = "retry = { max_attempts = 3, interval = \"1s\", backoff_rate = 1.0, jitter = \"none\" }";
    let script = "echo tried; echo x >> tries; [ $(wc -l < tries) -eq 3 ]";
    scratch.write("t.toml", pipeline(&job("again", "", retry, script)));
    let finished = run_json(&scratch, "").expect_code(0);
    let kinds: Vec<String> = finished
        .json_lines()
        .iter()
        .filter(|event| event["operation"] == "run")
        .map(|event| format!("{} {}", event["event"].as_str().unwrap_or("?"), event["try_number"]))
        .collect();
    let expected = [
        "operation_started 1",
        "operation_retrying 1",
        "operation_started 2",
        "operation_retrying 2",
        "operation_started 3",
        "operation_succeeded 3",
    ];
    assert_eq!(kinds, expected, "{}", finished.stdout);
    let lines = scratch.run("logs last --source operation --output json").json_lines();
    let tries: Vec<_> = lines.iter().map(|line| line["try"].as_u64()).collect();
    assert_eq!(tries, [Some(1), Some(2), Some(3)]);
}

#[test]
fn tries_whose_arguments_fail_are_numbered_too() {
    let scratch = scratch();
    let retry = "retry = { max_attempts = 3, interval = \"1s\", backoff_rate = 1.0, jitter = \"none\", on = [\"States.ALL\"] }\n\
                 environment = { X = \"{% $error('never') %}\" }";
    scratch.write("t.toml", pipeline(&job("again", "", retry, "true")));
    let finished = run_json(&scratch, "").expect_code(1);
    let retries: Vec<_> = finished
        .json_lines()
        .iter()
        .filter(|event| event["event"] == "operation_retrying")
        .map(|event| event["try_number"].as_u64())
        .collect();
    assert_eq!(retries, [Some(1), Some(2)], "{}", finished.stdout);
    assert_eq!(jobs(&finished)["again"]["failure"]["tries"], 3);
    let shown = scratch.run("session show last");
    assert!(shown.stdout.contains("after 3 tries"), "{}", shown.stdout);
}

#[test]
fn a_wide_fan_out_comes_together() {
    let scratch = scratch();
    let mut text = given("start", "", "{ n = 1 }");
    let mut ids = Vec::new();
    for n in 0..300 {
        text += &given(&format!("j{n}"), "depends_on = [\"start\"]", &format!("{n}"));
        ids.push(format!("j{n}"));
    }
    let sum = ids.iter().map(|id| format!("$jobs.{id}")).collect::<Vec<_>>().join(", ");
    let names = ids.iter().map(|id| format!("\"{id}\"")).collect::<Vec<_>>().join(", ");
    text += &format!(
        "[jobs.end]\ndepends_on = [{names}]\noutput = \"{{% $sum([{sum}]) %}}\"\n\
         [[jobs.end.operations]]\nname = \"x\"\ntype = \"lambda\"\nfunction = \"x\"\nlocal = {{ result = 0 }}\n"
    );
    scratch.write("t.toml", pipeline(&text));
    let finished = run_json(&scratch, "").expect_code(0);
    assert_eq!(output(&finished, "end"), 44_850);
}

#[test]
fn a_long_chain_passes_a_value_along() {
    let scratch = scratch();
    let mut text = String::new();
    for n in 0..100 {
        let (depends_on, value) = match n {
            0 => (String::new(), "1".to_owned()),
            _ => (format!("depends_on = [\"j{}\"]", n - 1), format!("\"{{% $jobs.j{} + 1 %}}\"", n - 1)),
        };
        text += &given(&format!("j{n}"), &format!("{depends_on}\noutput = {value}"), "0");
    }
    scratch.write("t.toml", pipeline(&text));
    let finished = run_json(&scratch, "").expect_code(0);
    assert_eq!(output(&finished, "j99"), 100);
}
