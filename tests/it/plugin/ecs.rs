//! Operation type `ecs` on this machine.

use super::{Alive, assert_gone, ecs, ecs_with, run, run_until, shipped_plugins, task};
use bunsui::state_machine::TaskFailure;
use serde_json::{Value as Json, json};

fn sh(script: &str) -> Json {
    json!(["sh", "-c", script])
}

#[tokio::test]
async fn a_process_has_the_tasks_environment_and_folder_and_says_lines() {
    let folder = tempfile::tempdir().unwrap();
    let script = "echo $SOURCE; echo ${CARGO_PKG_NAME-unset}; pwd; echo 'é…' >&2; printf 'no end'";
    let environment = json!([{"Name": "SOURCE", "Value": "s3://x"}]);
    let ran = run(&shipped_plugins(), ecs_with(folder.path(), sh(script), environment)).await;
    let mut messages = ran.messages();
    messages.sort_unstable();
    let pwd = folder.path().canonicalize().unwrap();
    let mut expected = ["s3://x", "unset", pwd.to_str().unwrap(), "é…", "no end"];
    expected.sort_unstable();
    assert_eq!(messages, expected);
    let container = &ran.output()["Containers"][0];
    assert_eq!((&container["Name"], &container["ExitCode"]), (&json!("main"), &json!(0)));
    assert!(ran.output()["TaskArn"].as_str().unwrap().starts_with("arn:aws:ecs:"));
    let stream = |message: &str| {
        ran.lines.iter().find(|line| line.message == message).unwrap().fields["stream"].clone()
    };
    assert_eq!((stream("é…"), stream("unset")), (json!("stderr"), json!("stdout")));
}

#[tokio::test]
async fn an_exit_code_fails_the_task_as_ecs_does() {
    let plugins = shipped_plugins();
    let ran = run(&plugins, ecs("/".as_ref(), sh("echo last words; exit 3"))).await;
    assert_eq!(ran.messages(), ["last words"]);
    let (error, cause) = ran.failure();
    assert_eq!(error, "States.TaskFailed");
    let cause_json: Json = serde_json::from_str(cause).unwrap();
    assert_eq!(cause_json["Containers"][0]["ExitCode"], 3);
    assert_eq!(cause_json["StoppedReason"], "Essential container in task exited");
    let failure = TaskFailure { error: error.to_owned(), cause: cause.to_owned() };
    let explanation = plugins.explain("ecs", &json!({}), &failure).await.unwrap();
    assert_eq!(explanation.summary, "container `main` exited with code 3");
    let ran = run(&plugins, ecs("/".as_ref(), sh("kill -9 $$"))).await;
    let cause: Json = serde_json::from_str(ran.failure().1).unwrap();
    assert_eq!(cause["Containers"][0]["ExitCode"], 137);
}

#[tokio::test]
async fn a_command_that_is_not_there_did_not_start() {
    let plugins = shipped_plugins();
    let ran = run(&plugins, ecs("/".as_ref(), json!(["no-such-command"]))).await;
    assert_eq!(ran.failure(), ("ECS.TaskFailedToStart", "command not found: `no-such-command`"));
    let ran = run(&plugins, ecs("/".as_ref(), json!(["./none"]))).await;
    assert_eq!(ran.failure(), ("ECS.TaskFailedToStart", "command not found: `./none`"));
}

#[tokio::test]
async fn a_lot_of_output_arrives_whole() {
    let script = "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done";
    let ran = run(&shipped_plugins(), ecs("/".as_ref(), sh(script))).await;
    assert_eq!(ran.lines.len(), 20_000);
    assert_eq!(ran.lines.last().unwrap().message, "line 19999");
}

#[tokio::test]
async fn what_is_left_in_the_background_ends_with_the_task() {
    let folder = tempfile::tempdir().unwrap();
    let alive = Alive::in_folder(folder.path());
    let gone = alive.all_gone();
    let ran = run(&shipped_plugins(), ecs(folder.path(), sh("exec 3>alive; sleep 1000 & echo done"))).await;
    assert_eq!(ran.messages(), ["done"]);
    assert_gone(&gone);
}

#[tokio::test]
async fn a_stop_is_polite_first_and_then_final() {
    let folder = tempfile::tempdir().unwrap();
    let alive = Alive::in_folder(folder.path());
    let plugins = shipped_plugins();
    let gone = alive.all_gone();
    let script = "exec 3>alive; trap 'echo asked; exit 0' TERM; echo ready; sleep 1000 & wait";
    let ran = run_until(&plugins, ecs(folder.path(), sh(script)), "ready").await;
    assert_eq!(ran.messages(), ["ready", "asked"]);
    assert_eq!(ran.failure().0, "States.TaskFailed");
    assert_gone(&gone);
    let gone = alive.all_gone();
    let script = "exec 3>alive; trap '' TERM; echo ready; while true; do sleep 1000; done";
    let ran = run_until(&plugins, ecs(folder.path(), sh(script)), "ready").await;
    assert_eq!(ran.failure().0, "States.TaskFailed");
    assert_gone(&gone);
}

fn with_result(folder: &std::path::Path, local: Json, state: &str) -> bunsui::plugin::LocalRun {
    let keys = json!({ "task_definition": "t", "container": "main", "result": true, "local": local });
    let place = "outputs/s1/job.1/op.json";
    let arguments = if state == "task" {
        let variable = json!({ "Name": "BUNSUI_OUTPUT", "Value": format!("s3://local/{place}") });
        json!({ "Overrides": { "ContainerOverrides": [{ "Name": "main", "Environment": [variable] }] } })
    } else {
        json!({ "Bucket": "local", "Key": place })
    };
    task("ecs", folder, keys, state, arguments)
}

#[tokio::test]
async fn a_result_is_a_file_that_the_second_state_reads() {
    let folder = tempfile::tempdir().unwrap();
    let plugins = shipped_plugins();
    let local = |script: &str| json!({ "command": sh(script) });
    let writes = local(r#"echo '{"rows": 3}' > $BUNSUI_OUTPUT"#);
    run(&plugins, with_result(folder.path(), writes.clone(), "task")).await.output();
    assert!(folder.path().join("objects/outputs/s1/job.1/op.json").is_file());
    let ran = run(&plugins, with_result(folder.path(), writes.clone(), "result")).await;
    assert_eq!(ran.output()["Body"], "{\"rows\": 3}\n");
    // What an earlier try left does not count.
    run(&plugins, with_result(folder.path(), local("true"), "task")).await.output();
    let ran = run(&plugins, with_result(folder.path(), writes, "result")).await;
    assert!(ran.failure().1.contains("left no file at $BUNSUI_OUTPUT"), "{ran:?}");
    let garbage = local("echo rows > $BUNSUI_OUTPUT");
    run(&plugins, with_result(folder.path(), garbage.clone(), "task")).await.output();
    let ran = run(&plugins, with_result(folder.path(), garbage, "result")).await;
    assert!(ran.failure().1.contains("is not JSON"), "{ran:?}");
}

#[tokio::test]
async fn a_given_result_does_nothing() {
    let plugins = shipped_plugins();
    let local = json!({ "result": { "rows": 1 } });
    let ran = run(&plugins, with_result("/".as_ref(), local.clone(), "task")).await;
    assert_eq!(ran.output()["Containers"][0]["ExitCode"], 0);
    let ran = run(&plugins, with_result("/".as_ref(), local, "result")).await;
    assert_eq!(ran.output()["Body"], "{\"rows\":1}");
}

#[tokio::test]
async fn bytes_that_no_command_can_have_are_said() {
    let plugins = shipped_plugins();
    let ran = run(&plugins, ecs("/".as_ref(), json!(["echo", "a\0b"]))).await;
    let wanted = "`a\\0b` of `local.command` holds a zero byte, which no command can";
    assert_eq!(ran.failure(), ("ECS.TaskFailedToStart", wanted));
    let environment = json!([{ "Name": "A", "Value": "x\0y" }]);
    let ran = run(&plugins, ecs_with("/".as_ref(), sh("true"), environment)).await;
    let wanted = "`A` cannot be an environment variable with that value";
    assert_eq!(ran.failure(), ("ECS.TaskFailedToStart", wanted));
}

#[tokio::test]
async fn odd_lines_arrive_as_lines() {
    let script = r"printf '\n\n\377\376\na\000b\n\r\n'";
    let ran = run(&shipped_plugins(), ecs("/".as_ref(), sh(script))).await;
    assert_eq!(ran.messages(), ["", "", "\u{FFFD}\u{FFFD}", "a\0b", ""]);
}

#[tokio::test]
async fn who_left_the_group_keeps_no_task_open() {
    let folder = tempfile::tempdir().unwrap();
    let alive = Alive::in_folder(folder.path());
    let gone = alive.all_gone();
    let plugins = shipped_plugins();
    // It holds both outputs, in a session of its own.
    let script = "exec 3>alive; setsid sleep 1000 & echo done";
    let ran = run(&plugins, ecs(folder.path(), sh(script))).await;
    assert_eq!(ran.messages(), ["done"]);
    ran.output();
    drop(plugins);
    assert_gone(&gone);
}

/// Megabytes that a process has had at most.
fn peak(process: rustix::process::Pid) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.as_raw_pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

#[tokio::test]
async fn a_flood_of_output_is_no_flood_of_memory_in_the_host() {
    use super::left_over::host_of;
    let libraries =
        super::folder_of(&[("libbunsui_ecs.so", super::shipped().join("libbunsui_plugin_ecs.so"))]);
    let plugins = bunsui::plugin::Plugins::find(super::options(libraries.path()));
    let line = "x".repeat(999);
    let script = format!("yes {line} | head -c 100000000");
    let (log, mut said) = tokio::sync::mpsc::channel(100_000);
    let running = plugins.run_local(ecs("/".as_ref(), sh(&script)), log, Default::default());
    let count = async {
        let mut bytes = 0;
        while let Some(line) = said.recv().await {
            bytes += line.message.len() + 1;
        }
        bytes
    };
    let (result, bytes) = tokio::join!(running, count);
    result.unwrap();
    assert_eq!(bytes, 100_000_000);
    let peak = peak(host_of(&libraries.path().join("libbunsui_ecs.so")));
    assert!(peak < 64, "the host had {peak} MB");
}
