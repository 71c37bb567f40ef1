//! Deployed, run, failed, cancelled: pipelines on Step Functions.

use super::{functions, job, make_function, scratch_on_aws, sdk_config, variable};
use crate::product::Running;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_is_deployed_and_runs_on_step_functions() {
    let Some(scratch) = scratch_on_aws().await else { return };
    make_function(&scratch, "first", "def handler(event, context):\n    return {'n': event['n'] + 1}\n");
    make_function(&scratch, "second", "def handler(event, context):\n    return {'n': event['n'] * 10}\n");
    let text = functions(
        &(job("first", "", "payload = { n = 1 }")
            + &job("second", "depends_on = [\"first\"]", "payload = { n = \"${jobs.first.n}\" }")),
    );
    scratch.write("t.toml", &text);
    let refused = scratch.run("run t.toml").expect_code(2);
    assert!(refused.stderr.contains("bunsui::aws::not_deployed"), "{}", refused.stderr);
    let dry = scratch.run("deploy t.toml --dry-run").expect_code(0);
    assert!(
        dry.stderr.contains("create  first") && dry.stderr.contains("nothing was done"),
        "{}",
        dry.stderr
    );
    let deployed = scratch.run("deploy t.toml").expect_code(0);
    assert!(deployed.stderr.contains("pipeline t is deployed: version 1"), "{}", deployed.stderr);
    let again = scratch.run("deploy t.toml").expect_code(0);
    assert!(again.stderr.contains("is deployed as it is: version 1"), "{}", again.stderr);
    let finished = scratch.run("run t.toml --output json").expect_code(0);
    assert_eq!(crate::product::output(&finished, "second")["n"], 20);
    assert_eq!(crate::product::summary(&finished)["version"], "1");
    let shown = scratch.run("session show last").expect_code(0).stdout;
    assert!(shown.contains("2 jobs: 2 succeeded"), "{shown}");
    assert!(scratch.run("session list").stdout.contains("succeeded"));
    assert!(!scratch.directory().join(".bunsui").exists(), "nothing is kept here");
    // A change is another version; what has not changed keeps its state machine.
    scratch.write("t.toml", text.replace("n = 1 ", "n = 2 "));
    let planned = scratch.run("plan t.toml").expect_code(0).stdout;
    assert!(
        planned.contains(
            "deployed: version 1; a deployment would\n  update  first: its definition is another\n"
        ),
        "{planned}"
    );
    assert!(!scratch.run("plan t.toml --offline").expect_code(0).stdout.contains("deployed"));
    let refused = scratch.run("run t.toml").expect_code(2);
    assert!(refused.stderr.contains("t.toml is not what version 1"), "{}", refused.stderr);
    let finished = scratch.run("run t.toml --deploy --output json").expect_code(0);
    assert!(finished.stderr.contains("1 of 2 state machines change"), "{}", finished.stderr);
    assert_eq!(crate::product::output(&finished, "second")["n"], 30);
    // What version 1 alone needed can go; then the pipeline as a whole.
    let pruned = scratch.run("deploy t.toml --prune").expect_code(0).stderr;
    assert!(pruned.contains("deleted  arn:aws:states:") && pruned.contains(":bunsui-t--first:1"), "{pruned}");
    assert!(!pruned.contains("bunsui-t--second"), "both versions use it: {pruned}");
    let again = scratch.run("run t.toml --output json").expect_code(0);
    assert_eq!(crate::product::output(&again, "second")["n"], 30);
    let listed = scratch.run("pipeline list --output json").expect_code(0).json();
    assert_eq!(
        (&listed["pipelines"][0]["pipeline"], &listed["pipelines"][0]["versions"]),
        (&"t".into(), &2.into())
    );
    let shown = scratch.run("pipeline show t").expect_code(0).stdout;
    assert!(shown.lines().nth(1).is_some_and(|line| line.starts_with("2 ")), "the newest first: {shown}");
    let unknown = scratch.run("pipeline show tt").expect_code(2).stderr;
    assert!(unknown.contains("bunsui::pipeline::not_known"), "{unknown}");
    let dry = scratch.run("pipeline delete t --dry-run").expect_code(0).stderr;
    assert_eq!(dry.matches("would go").count(), 2, "{dry}");
    scratch.run("pipeline delete t").expect_code(0);
    scratch.run("pipeline show t").expect_code(2);
    let refused = scratch.run("run t.toml").expect_code(2);
    assert!(refused.stderr.contains("pipeline `t` is not deployed"), "{}", refused.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_on_step_functions_is_shown_at_its_lines_and_can_be_retried() {
    let Some(scratch) = scratch_on_aws().await else { return };
    make_function(&scratch, "bad", "def handler(event, context):\n    raise ValueError('no good')\n");
    make_function(&scratch, "after", "def handler(event, context):\n    return 1\n");
    let retry = "retry = { max_attempts = 1 }";
    scratch.write(
        "t.toml",
        functions(&(job("bad", "", retry) + &job("after", "depends_on = [\"bad\"]", retry))),
    );
    let failed = scratch.run("run t.toml --deploy").expect_code(1);
    assert!(failed.stderr.contains("operation `call` of job `bad` failed"), "{}", failed.stderr);
    assert!(failed.stderr.contains("[t.toml:"), "{}", failed.stderr);
    let retried = scratch.run("session retry last").expect_code(1);
    assert!(retried.stderr.contains("run again: bad, after"), "{}", retried.stderr);
    assert!(retried.stderr.contains("started    bad (attempt 2)"), "{}", retried.stderr);
    // What sessions of this machine are pinned to is not for sessions on AWS to forget.
    let pinned = ".bunsui/plugins/of-a-local-session/libplugin.so";
    scratch.write(pinned, "");
    scratch.run("session delete last").expect_code(0);
    assert_eq!(scratch.read(pinned), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_execution_survives_its_runner_and_is_taken_up() {
    let Some(scratch) = scratch_on_aws().await else { return };
    make_function(
        &scratch,
        "slow",
        "import time\ndef handler(event, context):\n    time.sleep(3)\n    return {'n': 7}\n",
    );
    make_function(&scratch, "after", "def handler(event, context):\n    return event\n");
    let text = job("slow", "", "")
        + &job("after", "depends_on = [\"slow\"]", "payload = { n = \"${jobs.slow.n}\" }");
    scratch.write("t.toml", functions(&text));
    scratch.run("deploy t.toml").expect_code(0);
    let running = Running::start(&scratch, "run t.toml");
    running.wait_for("started    slow");
    running.signal(rustix::process::Signal::KILL);
    running.end();
    let finished = scratch.run("session resume last --output json").expect_code(0);
    let jobs = crate::product::jobs(&finished);
    assert_eq!(
        (&jobs["slow"]["attempt"], &jobs["after"]["attempt"]),
        (&1.into(), &1.into()),
        "no second attempt"
    );
    assert_eq!(jobs["after"]["output"]["inline"]["n"], 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_whose_runner_died_is_cancelled_with_what_runs() {
    let Some(scratch) = scratch_on_aws().await else { return };
    make_function(&scratch, "slow", "import time\ndef handler(event, context):\n    time.sleep(15)\n");
    make_function(&scratch, "after", "def handler(event, context):\n    return 1\n");
    scratch.write("t.toml", functions(&(job("slow", "", "") + &job("after", "depends_on = [\"slow\"]", ""))));
    scratch.run("deploy t.toml").expect_code(0);
    let running = Running::start(&scratch, "run t.toml");
    running.wait_for("started    slow");
    std::thread::sleep(Duration::from_millis(800));
    running.signal(rustix::process::Signal::KILL);
    running.end();
    let receipt = scratch.run("session cancel last --output json").expect_code(0).json();
    assert_eq!(receipt["status"], "cancelled");
    assert_eq!(receipt["stopped"][0]["job"], "slow");
    assert_eq!(receipt["never_started"][0], "after");
    let left = receipt["may_still_run"].to_string();
    assert!(left.contains("operation `call` (lambda) of job `slow`"), "{receipt}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_machine_of_somebody_elses_is_not_touched() {
    let Some(scratch) = scratch_on_aws().await else { return };
    scratch.write("t.toml", functions(&job("a", "", "")));
    let account = variable(&scratch, "AWS_ACCESS_KEY_ID");
    let config = sdk_config(&account).await;
    let create = aws_sdk_sfn::Client::new(&config).create_state_machine().name("bunsui-t--a");
    let theirs = r#"{"StartAt": "X", "States": {"X": {"Type": "Succeed"}}}"#;
    create.definition(theirs).role_arn("arn:aws:iam::1:role/x").send().await.expect("made");
    let refused = scratch.run("deploy t.toml").expect_code(3);
    assert!(refused.stderr.contains("bunsui::aws::other_owner"), "{}", refused.stderr);
    assert!(refused.stderr.contains("state machine `bunsui-t--a` is of no pipeline"), "{}", refused.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_secret_does_not_reach_aws() {
    let Some(scratch) = scratch_on_aws().await else { return };
    let text = functions(&job("a", "", "payload = { t = \"${params.token}\" }"))
        .replace("\n\n[jobs", "\n[params]\ntoken = { type = \"string\", secret = true }\n[jobs");
    scratch.write("t.toml", text);
    let refused = scratch.run("run t.toml --deploy --param token=hunter22").expect_code(2);
    assert!(refused.stderr.contains("bunsui::param::plain_secret"), "{}", refused.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_several_who_deploy_at_once_each_has_a_version_of_its_own() {
    let Some(scratch) = scratch_on_aws().await else { return };
    make_function(&scratch, "a", "def handler(event, context):\n    return event\n");
    let files = ["1", "2", "3", "4"];
    for file in files {
        let text = functions(&job("a", "", &format!("payload = {{ n = {file} }}")));
        scratch.write(&format!("d{file}.toml"), text);
    }
    let mut runs: Vec<_> =
        files.iter().map(|file| scratch.command(["deploy", &format!("d{file}.toml"), "--prune"])).collect();
    std::thread::scope(|scope| {
        for run in &mut runs {
            let scratch = &scratch;
            scope.spawn(move || scratch.finish(run).expect_code(0));
        }
    });
    let shown = scratch.run("pipeline show t --output json").expect_code(0).json();
    let versions = shown["versions"].as_array().expect("a list");
    let of = |key: &str| -> std::collections::BTreeSet<String> {
        versions.iter().map(|one| one[key].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((versions.len(), of("file").len(), of("version").len()), (4, 4, 4), "{shown}");
    // Whatever was pruned meanwhile, the last one's is there. Which definition ran cannot be asked here: ministack's versions do
    // not keep theirs.
    let last = of("version").pop_last().unwrap();
    let file = versions.iter().find(|one| one["version"] == last.as_str()).unwrap()["file"].as_str().unwrap();
    scratch.run(&format!("run {file} --output json")).expect_code(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_failed_can_be_tried_again_after_a_prune() {
    let Some(scratch) = scratch_on_aws().await else { return };
    make_function(&scratch, "bad", "def handler(event, context):\n    raise ValueError('no good')\n");
    let retry = "retry = { max_attempts = 1 }";
    scratch.write("t.toml", functions(&job("bad", "", retry)));
    scratch.run("run t.toml --deploy").expect_code(1);
    scratch.write("t.toml", functions(&job("bad", "", &format!("{retry}\npayload = 1"))));
    let pruned = scratch.run("deploy t.toml --prune").expect_code(0).stderr;
    assert!(pruned.contains("-  ") || pruned.contains("+"), "how the definition differs is shown: {pruned}");
    assert!(pruned.contains("nothing is left of earlier deployments"), "{pruned}");
    assert!(scratch.run("session retry last").expect_code(1).stderr.contains("bad (attempt 2)"));
    // With the session goes what it needed; and a version that is gone is said to be.
    let version = "aws:states:ap-northeast-1";
    scratch.run("session delete last").expect_code(0);
    let pruned = scratch.run("deploy t.toml --prune").expect_code(0).stderr;
    assert!(pruned.contains("deleted") && pruned.contains(version), "{pruned}");
    let again = scratch.run("deploy t.toml --prune").expect_code(0).stderr;
    assert!(again.contains("nothing is left"), "it is deleted once: {again}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_missing_stops_before_anything_is_made() {
    let Some(scratch) = scratch_on_aws().await else { return };
    scratch.write("t.toml", functions(&job("a", "", "")));
    let scratch = scratch.with_variable("BUNSUI_AWS__BUCKET", "there-is-no-such-bucket");
    let refused = scratch.run("deploy t.toml").expect_code(3).stderr;
    assert!(refused.contains("bucket `there-is-no-such-bucket`") && !refused.contains("1/1"), "{refused}");
    assert!(
        refused.contains("there is no function `a`"),
        "what plugins find is said, and stops nothing: {refused}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_changed_beside_bunsui_is_seen_and_mended() {
    let Some(scratch) = scratch_on_aws().await else { return };
    scratch.write("t.toml", functions(&(job("a", "", "") + &job("b", "", ""))));
    scratch.run("deploy t.toml").expect_code(0);
    make_function(&scratch, "a", "def handler(event, context):\n    return 1\n");
    make_function(&scratch, "b", "def handler(event, context):\n    return 1\n");
    // Somebody deletes a version by hand, and takes a tag away.
    let account = variable(&scratch, "AWS_ACCESS_KEY_ID");
    let client = aws_sdk_sfn::Client::new(&sdk_config(&account).await);
    let machine = |job: &str| format!("arn:aws:states:ap-northeast-1:{account}:stateMachine:bunsui-t--{job}");
    let version = format!("{}:1", machine("a"));
    client.delete_state_machine_version().state_machine_version_arn(version).send().await.expect("deleted");
    client.untag_resource().resource_arn(machine("a")).tag_keys("bunsui:job").send().await.expect("untagged");
    let planned = scratch.run("plan t.toml --output json").expect_code(0).json();
    let jobs = &planned["deployed"]["jobs"];
    assert_eq!(jobs["a"]["reason"], "its version is gone from Step Functions");
    assert_eq!(jobs["b"]["change"], "same");
    let deployed = scratch.run("deploy t.toml").expect_code(0).stderr;
    assert!(deployed.contains("1 of 2 state machines change"), "{deployed}");
    assert!(deployed.contains("update  a: its version is gone"), "{deployed}");
    let tags =
        client.list_tags_for_resource().resource_arn(machine("a")).send().await.expect("it is there").tags;
    let has = |key: &str, value: &str| {
        tags.iter().flatten().any(|tag| (tag.key(), tag.value()) == (Some(key), Some(value)))
    };
    assert!(has("bunsui:pipeline", "t") && has("bunsui:job", "a"), "{tags:?}");
    // Another role is another version of each.
    let role = format!("arn:aws:iam::{account}:role/bunsui/another");
    let scratch = scratch.with_variable("BUNSUI_AWS__EXECUTION_ROLE", &role);
    let deployed = scratch.run("deploy t.toml").expect_code(0).stderr;
    assert_eq!(deployed.matches("its role is another").count(), 2, "{deployed}");
    let found =
        client.describe_state_machine().state_machine_arn(machine("b")).send().await.expect("it is there");
    assert_eq!(found.role_arn, role);
    assert!(scratch.run("deploy t.toml").expect_code(0).stderr.contains("is deployed as it is: version 3"));
}
