//! Calls that go wrong cost themselves and nothing else.

use super::{Ran, example, folder_of, options, run, run_until, task};
use bunsui::pipeline::{CheckRequest, FragmentRequest, OperationCatalogue};
use bunsui::plugin::{LocalRun, Plugins, Runnable};
use bunsui::state_machine::TaskFailure;
use serde_json::json;
use std::path::Path;
use tempfile::TempDir;

fn misbehaving() -> (TempDir, Plugins) {
    let folder = folder_of(&[("libbunsui_misbehaving.so", example("bad_calls"))]);
    let plugins = Plugins::find(options(folder.path()));
    (folder, plugins)
}

fn sin(sin: &str) -> LocalRun {
    let keys = json!({ "local": { "sin": sin } });
    task("misbehave", Path::new("/"), keys, "s", json!({}))
}

async fn check(name: &str, error: &str, cause: &[&str]) {
    let (_folder, plugins) = misbehaving();
    let ran = run(&plugins, sin(name)).await;
    let found = ran.failure();
    assert_eq!(found.0, error, "{found:?}");
    for part in cause {
        assert!(found.1.contains(part), "{found:?}");
    }
    let next = run(&plugins, sin("none")).await;
    assert_eq!(next.output(), &json!({"done": "op"}), "the next call works");
}

#[tokio::test]
async fn a_panic_is_an_error_with_its_place() {
    check(
        "panic",
        "Plugin.Failed",
        &["plugin `misbehaving` failed: panicked at ", "bad_calls.rs", "boom 42"],
    )
    .await;
}

#[tokio::test]
async fn a_crash_names_the_plugin_and_the_signal() {
    check("segfault", "Plugin.Crashed", &["plugin `misbehaving` crashed", "signal 11 (SIGSEGV)"]).await;
    check("abort", "Plugin.Crashed", &["signal 6 (SIGABRT)", "about to abort"]).await;
    check("exit", "Plugin.Crashed", &["left with exit code 7"]).await;
}

#[tokio::test]
async fn a_crash_fails_the_calls_in_it() {
    let (_folder, plugins) = misbehaving();
    let (log, mut said) = tokio::sync::mpsc::channel(100_000);
    let waiting = plugins.run_local(sin("wait"), log, Default::default());
    let crash = async {
        said.recv().await.expect("the other call runs");
        run(&plugins, sin("segfault")).await
    };
    let (waited, crashed) = tokio::join!(waiting, crash);
    assert_eq!(waited.unwrap_err().error, "Plugin.Crashed");
    assert_eq!(crashed.failure().0, "Plugin.Crashed");
}

#[tokio::test]
async fn prints_do_not_break_the_protocol() {
    let (_folder, plugins) = misbehaving();
    assert_eq!(run(&plugins, sin("print")).await.output(), &json!({"done": "op"}));
    assert_eq!(run(&plugins, sin("none")).await.output(), &json!({"done": "op"}));
}

#[tokio::test]
async fn a_stop_reaches_the_plugin() {
    let (_folder, plugins) = misbehaving();
    let Ran { result, .. } = run_until(&plugins, sin("wait"), "waiting").await;
    let stopped = TaskFailure { error: "Stopped".to_owned(), cause: "Politely".to_owned() };
    assert_eq!(result, Err(stopped));
}

#[tokio::test]
async fn a_task_that_does_not_stop_is_given_up() {
    let folder = folder_of(&[("libbunsui_misbehaving.so", example("bad_calls"))]);
    let plugins = Plugins::find_within(options(folder.path()), std::time::Duration::from_secs(4));
    let ran = run_until(&plugins, sin("never stop"), "stuck").await;
    assert_eq!(ran.failure().0, "Plugin.Hung");
    assert_eq!(run(&plugins, sin("none")).await.output(), &json!({"done": "op"}), "in a fresh host");
}

#[tokio::test]
async fn many_calls_run_at_once() {
    let (_folder, plugins) = misbehaving();
    let cancelled = tokio_util::sync::CancellationToken::new();
    let (log, mut said) = tokio::sync::mpsc::channel(100_000);
    let calls = (0..100).map(|_| plugins.run_local(sin("wait"), log.clone(), cancelled.clone()));
    let all = futures::future::join_all(calls);
    let stop = async {
        for _ in 0..100 {
            said.recv().await.expect("each call waits while the others do");
        }
        cancelled.cancel();
    };
    let (results, ()) = tokio::join!(all, stop);
    assert!(results.into_iter().all(|result| result.unwrap_err().error == "Stopped"));
}

fn check_request(operation: &str, sin: &str) -> CheckRequest {
    CheckRequest {
        kind: "misbehave".to_owned(),
        operation: operation.to_owned(),
        keys: json!({"local": {"sin": sin}}),
    }
}

#[test]
fn checks_are_answered_in_order() {
    let (_folder, plugins) = misbehaving();
    let requests: Vec<_> = (0..50).map(|number| check_request(&number.to_string(), "none")).collect();
    let findings = plugins.check(&requests).unwrap();
    let said: Vec<_> = findings.iter().map(|findings| findings[0].message.clone()).collect();
    assert_eq!(said, (0..50).map(|number| format!("`{number}` was looked at")).collect::<Vec<_>>());
}

#[test]
fn a_check_that_crashes_names_its_operation() {
    let (_folder, plugins) = misbehaving();
    let requests = [check_request("a", "none"), check_request("b", "segfault"), check_request("c", "none")];
    let error = plugins.check(&requests).unwrap_err();
    assert_eq!((error.operation.as_str(), error.what), ("b", "check"));
    assert!(error.message.contains("SIGSEGV"), "{error}");
}

#[test]
fn a_check_that_hangs_is_an_error() {
    let folder = folder_of(&[("libbunsui_misbehaving.so", example("bad_calls"))]);
    let plugins = Plugins::find_within(options(folder.path()), std::time::Duration::from_secs(4));
    let error = plugins.check(&[check_request("a", "hang")]).unwrap_err();
    assert!(error.message.contains("no answer within"), "{error}");
    assert!(plugins.check(&[check_request("a", "none")]).is_ok(), "a fresh host answers");
}

#[test]
fn an_error_of_the_plugin_is_said_with_its_help() {
    let (_folder, plugins) = misbehaving();
    let request = FragmentRequest {
        kind: "misbehave".to_owned(),
        job: "j".to_owned(),
        operation: "o".to_owned(),
        keys: json!({}),
    };
    let error = plugins.fragments(&[request]).unwrap_err();
    assert_eq!(error.operation, "j.o");
    assert_eq!(error.message, "it has no states (at `/x`)");
    assert_eq!(error.help.as_deref(), Some("use another type"));
}

#[test]
fn what_can_be_done_here() {
    let (_folder, plugins) = misbehaving();
    assert_eq!(plugins.runnable("misbehave", &json!({"local": {}})), Runnable::ByPlugin);
    assert_eq!(plugins.runnable("misbehave", &json!({})), Runnable::No);
    assert_eq!(plugins.runnable("other", &json!({"local": {"result": 1}})), Runnable::ByResult);
}
