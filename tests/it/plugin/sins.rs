//! What plugins must not do: each sin ends in a diagnostic of its own, and costs its call and nothing else.

use super::left_over::host_of;
use super::{example, folder_of, options, run, task};
use bunsui::pipeline::{
    AccountPlace, CheckRequest, FragmentRequest, OperationCatalogue, PermissionsRequest, PreflightRequest,
};
use bunsui::plugin::{AwsAccess, OperationRun, Plugins, PluginsOptions};
use bunsui::state_machine::TaskFailure;
use serde_json::{Value as Json, json};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// Long enough for a host to start on a busy machine.
const DEADLINE: Duration = Duration::from_secs(4);

/// The plugin whose calls are sins.
fn sinful() -> (TempDir, Plugins) {
    let folder = folder_of(&[("libbunsui_misbehaving.so", example("bad_calls"))]);
    let options = PluginsOptions { memory_limit: Some(256 << 20), ..options(folder.path()) };
    let plugins = Plugins::find_within(options, DEADLINE);
    (folder, plugins)
}

fn keys(sin: &str) -> Json {
    json!({ "local": { "sin": sin } })
}

fn place() -> AccountPlace {
    AccountPlace {
        region: "eu-west-1".to_owned(),
        account: "123456789012".to_owned(),
        bucket: "lake".to_owned(),
    }
}

/// What each call says when its plugin sins in it.
async fn all_calls(plugins: &Plugins, keys: &Json) -> Vec<(&'static str, String)> {
    let (kind, job, operation) = ("misbehave".to_owned(), "j".to_owned(), "o".to_owned());
    let check = CheckRequest { kind: kind.clone(), operation: operation.clone(), keys: keys.clone() };
    let states = FragmentRequest {
        kind: kind.clone(),
        job: job.clone(),
        operation: operation.clone(),
        keys: keys.clone(),
    };
    let permissions = PermissionsRequest {
        kind: kind.clone(),
        job: job.clone(),
        operation: operation.clone(),
        keys: keys.clone(),
    };
    let preflight = PreflightRequest { kind, job, operation, keys: keys.clone(), timeout: None };
    let of = OperationRun { kind: "misbehave", job: "j", operation: "o", keys, submitted: None };
    let aws = AwsAccess::default();
    let preflight = plugins.preflight(&[preflight], &aws).await.remove(0);
    let ran = run(plugins, task("misbehave", Path::new("/"), keys.clone(), "s", json!({}))).await;
    vec![
        ("check", plugins.check(&[check]).unwrap_err().to_string()),
        ("states", plugins.fragments(&[states]).unwrap_err().to_string()),
        ("permissions", plugins.permissions(&[permissions], &place()).unwrap_err().to_string()),
        ("preflight", preflight.unwrap_err().to_string()),
        ("run_local", ran.failure().1.to_owned()),
        ("stop", plugins.stop(&of, "arn", &aws).await.unwrap_err().to_string()),
        ("logs", plugins.log_sources(&of, &aws).await.unwrap_err().to_string()),
    ]
}

/// Each call that sins says so, with the plugin's name; the one after it is answered.
async fn check_all_calls(sin: &str, part: &str) {
    let (_folder, plugins) = sinful();
    for (call, said) in all_calls(&plugins, &keys(sin)).await {
        assert!(said.contains("plugin `misbehaving`"), "{call}: {said}");
        assert!(said.contains(part), "{call}: {said}");
    }
    let failure = TaskFailure { error: "E".to_owned(), cause: "c".to_owned() };
    assert_eq!(
        plugins.explain("misbehave", &keys(sin), &failure).await,
        None,
        "who explains nothing says so"
    );
    let innocent = CheckRequest { kind: "misbehave".into(), operation: "o".into(), keys: json!({}) };
    assert_eq!(plugins.check(&[innocent]).unwrap()[0][0].message, "`o` was looked at");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_each_call() {
    check_all_calls("panic", "boom 42").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_segfault_in_each_call() {
    check_all_calls("segfault", "signal 11 (SIGSEGV)").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abort_in_each_call() {
    check_all_calls("abort", "signal 6 (SIGABRT)").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_that_is_freed_twice_in_each_call() {
    check_all_calls("free twice", "signal 6 (SIGABRT)").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_without_end_in_each_call() {
    check_all_calls("leak", "MiB of memory, and `[plugins] memory` allows 256").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_what_is_not_its_own_in_each_call() {
    check_all_calls("close everything", "closed its way to bunsui").await;
}

/// A call that never ends, by what it waits for.
#[track_caller]
fn check_endless(sin: &str) {
    let (folder, plugins) = sinful();
    let request = |keys: Json| CheckRequest { kind: "misbehave".into(), operation: "o".into(), keys };
    let error = plugins.check(&[request(keys(sin))]).unwrap_err().to_string();
    assert!(
        error.contains("plugin `misbehaving`") && error.contains("no answer within 4 seconds"),
        "{error}"
    );
    assert!(plugins.check(&[request(json!({}))]).is_ok(), "a fresh host answers");
    drop(plugins);
    let library = folder.path().join("libbunsui_misbehaving.so");
    assert_no_host_of(&library);
}

/// No process has this library.
#[track_caller]
fn assert_no_host_of(library: &Path) {
    let found = std::panic::catch_unwind(|| host_of(library));
    assert!(found.is_err(), "a host is left: {found:?}");
}

#[test]
fn a_loop_without_end() {
    check_endless("spin");
}

#[test]
fn a_deadlock() {
    check_endless("deadlock");
}

#[tokio::test]
async fn a_plugin_that_forks_leaves_nothing() {
    let (folder, plugins) = sinful();
    let ran = run(&plugins, task("misbehave", Path::new("/"), keys("fork"), "s", json!({}))).await;
    assert_eq!(ran.output(), &json!({"done": "op"}), "the parent answers, once");
    let crashed = run(&plugins, task("misbehave", Path::new("/"), keys("segfault"), "s", json!({}))).await;
    assert!(crashed.failure().1.contains("SIGSEGV"), "though a child has its pipes: {:?}", crashed.failure());
    drop(plugins);
    assert_no_host_of(&folder.path().join("libbunsui_misbehaving.so"));
}

#[tokio::test]
async fn a_plugin_that_closes_its_standard_output_still_answers() {
    let (_folder, plugins) = sinful();
    let ran = run(&plugins, task("misbehave", Path::new("/"), keys("close stdout"), "s", json!({}))).await;
    assert_eq!(ran.output(), &json!({"done": "op"}));
    assert_eq!(
        run(&plugins, task("misbehave", Path::new("/"), keys("print"), "s", json!({}))).await.output(),
        &json!({"done": "op"})
    );
}

#[tokio::test]
async fn a_plugin_that_writes_into_its_hosts_pipes_is_ended() {
    let (_folder, plugins) = sinful();
    let sin = keys("write into everything");
    let ran = run(&plugins, task("misbehave", Path::new("/"), sin, "s", json!({}))).await;
    assert_eq!(ran.failure().0, "Plugin.Crashed");
    assert!(ran.failure().1.contains("what it said was not of bunsui"), "{:?}", ran.failure());
}

/// A flood is heard as fast as its lines are taken, and a stop reaches who says them.
#[tokio::test]
async fn a_flood_of_lines_waits_for_who_hears_it() {
    let (_folder, plugins) = sinful();
    let (log, mut said) = tokio::sync::mpsc::channel(16);
    let cancelled = tokio_util::sync::CancellationToken::new();
    let flood = task("misbehave", Path::new("/"), keys("flood"), "s", json!({}));
    let running = plugins.run_local(flood, log, cancelled.clone());
    tokio::pin!(running);
    let mut heard = 0;
    let result = loop {
        tokio::select! {
            result = &mut running => break result,
            Some(line) = said.recv() => {
                assert_eq!(line.message, "and another line");
                heard += 1;
                if heard == 10_000 {
                    cancelled.cancel();
                }
            }
        }
    };
    assert_eq!(result.unwrap(), json!({"done": "op"}));
    assert!(heard >= 10_000, "{heard}");
}

#[tokio::test]
async fn a_line_that_is_too_long_is_said_as_several() {
    let (_folder, plugins) = sinful();
    let ran = run(&plugins, task("misbehave", Path::new("/"), keys("a long line"), "s", json!({}))).await;
    let text: String = ran.lines.iter().map(|line| line.message.as_str()).collect();
    assert_eq!((ran.lines.len(), text.chars().count()), (3, 300_000));
    assert_eq!(ran.lines[0].fields["left_out"], "1000010 bytes of fields");
    assert!(ran.lines[1].fields.is_empty());
}

/// A reply that cannot be used, in the plugin's own table of functions.
#[track_caller]
fn check_reply(reply: &str, part: &str) {
    let folder = folder_of(&[("libbunsui_replies.so", example("bad_table"))]);
    let plugins = Plugins::find_within(options(folder.path()), DEADLINE);
    let request = |keys: Json| CheckRequest { kind: "misbehave".into(), operation: "o".into(), keys };
    let error = plugins.check(&[request(json!({ "reply": reply }))]).unwrap_err().to_string();
    assert!(error.contains("plugin `rival` could not check operation `o`"), "{error}");
    assert!(error.contains(part), "{error}");
    assert_eq!(plugins.check(&[request(json!({}))]).unwrap(), [[]], "the next is answered");
}

#[test]
fn replies_that_cannot_be_used() {
    check_reply("not JSON", "its answer is not JSON: EOF");
    check_reply("not UTF-8", "its answer is not JSON: ");
    check_reply("100 MB", "its answer says that it has 100000000 bytes");
    check_reply("a wrong length", "its answer says that it has 18446744073709551615 bytes");
    check_reply("no pointer", "its answer has no bytes");
    check_reply("nothing", "its answer has no bytes");
    check_reply("an unknown status", "it answered with status 77 and `77`");
    check_reply("an error that is none", "it answered with status 1 and `{}`");
    check_reply("another form", "its answer is not understood");
}

/// A state that is none, in words of its own.
#[track_caller]
fn check_states(state: Json, part: &str) {
    let (_folder, plugins) = sinful();
    let text = format!(
        "[pipeline]\nname = \"t\"\n[jobs.j]\n[[jobs.j.operations]]\nname = \"o\"\ntype = \"misbehave\"\nstate = {}\n",
        toml(&state)
    );
    let error = compile(&text, &plugins).unwrap_err();
    let code = miette::Diagnostic::code(&error).unwrap().to_string();
    assert_eq!(code, "bunsui::plugin::unusable_states", "{error}");
    assert!(error.to_string().contains("operation type `misbehave` gave for `j.o`"), "{error}");
    assert!(error.to_string().contains(part), "{error}");
}

fn compile(
    text: &str,
    plugins: &Plugins,
) -> Result<Vec<bunsui::state_machine::StateMachine>, bunsui::state_machine::CompileError> {
    let source = std::sync::Arc::new(bunsui::diagnostic::Source::new("t.toml", text));
    let mut sink = bunsui::diagnostic::Sink::default();
    let document = bunsui::document::parse(&source, &mut sink).expect("it is TOML");
    let pipeline = bunsui::pipeline::validate(&document, plugins, &mut sink).expect("it is valid");
    bunsui::state_machine::compile(&pipeline, plugins)
}

fn toml(value: &Json) -> String {
    match value {
        Json::Object(object) => {
            let members: Vec<String> =
                object.iter().map(|(key, value)| format!("{key} = {}", toml(value))).collect();
            format!("{{ {} }}", members.join(", "))
        }
        other => other.to_string(),
    }
}

#[test]
fn states_that_are_none() {
    check_states(json!(7), "state `s` is no object");
    check_states(json!({"Type": "Pass"}), "no state has `\"End\": true`");
    check_states(json!({"Type": "Pass", "Next": "t", "End": true}), "which is not there");
    check_states(json!({"Type": "Dance", "End": true}), "`Dance`");
    check_states(json!({"Type": "Task", "End": true}), "`Resource`");
    check_states(json!({"End": true}), "`Type`");
}

/// Permissions that no role is given.
#[track_caller]
fn check_permissions(actions: Json, resources: Json, part: &str) {
    let (_folder, plugins) = sinful();
    let keys = json!({ "actions": actions, "resources": resources });
    let request =
        PermissionsRequest { kind: "misbehave".into(), job: "j".into(), operation: "o".into(), keys };
    let error = plugins.permissions(&[request], &place()).unwrap_err();
    let code = miette::Diagnostic::code(&error).unwrap().to_string();
    assert_eq!(code, "bunsui::plugin::unusable_permissions", "{error}");
    assert!(
        error.to_string().contains("plugin `misbehaving`") && error.to_string().contains("`j.o`"),
        "{error}"
    );
    assert!(error.to_string().contains(part), "{error}");
}

#[test]
fn permissions_for_everything() {
    check_permissions(json!(["*"]), json!(["arn:aws:s3:::lake/*"]), "action `*` is every action");
    check_permissions(json!(["*:*"]), json!(["*"]), "action `*:*` is every action");
    check_permissions(json!(["s3:*"]), json!(["*"]), "action `s3:*` is every action of `s3`");
    check_permissions(json!(["s3:GetObject"]), json!(["everything"]), "resource `everything` is no ARN");
    check_permissions(json!(["GetObject"]), json!(["*"]), "action `GetObject` names no service");
    check_permissions(json!([]), json!(["*"]), "no action");
    check_permissions(json!(["s3:GetObject"]), json!([]), "no resource");
}
