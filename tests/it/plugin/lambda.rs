//! Operation type `lambda` on this machine: real Python, real Node, real bootstraps.

use super::{Alive, Ran, assert_gone, run, run_until, shipped_plugins, task};
use bunsui::plugin::{LocalRun, Plugins};
use bunsui::state_machine::TaskFailure;
use serde_json::{Value as Json, json};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;

fn folder(file: &str, text: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(file);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, text).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn invocation(folder: &Path, local: Json, payload: Json) -> LocalRun {
    let keys = json!({ "function": "etl-extract", "local": local });
    let arguments = json!({ "FunctionName": "etl-extract", "Payload": payload });
    task("lambda", folder, keys, "invoke", arguments)
}

fn handler(folder: &Path, handler: &str, payload: Json) -> LocalRun {
    invocation(folder, json!({ "handler": handler }), payload)
}

async fn python(text: &str, payload: Json) -> Ran {
    let folder = folder("etl/f.py", text);
    run(&shipped_plugins(), handler(folder.path(), "etl/f.py:main", payload)).await
}

async fn node(file: &str, text: &str, payload: Json) -> Ran {
    let folder = folder(file, text);
    run(&shipped_plugins(), handler(folder.path(), &format!("{file}:main"), payload)).await
}

fn cause(ran: &Ran) -> Json {
    serde_json::from_str(ran.failure().1).unwrap()
}

async fn summary(plugins: &Plugins, ran: &Ran) -> (String, String) {
    let (error, cause) = ran.failure();
    let failure = TaskFailure { error: error.to_owned(), cause: cause.to_owned() };
    let explanation = plugins.explain("lambda", &json!({}), &failure).await.unwrap();
    (explanation.summary, explanation.detail.unwrap_or_default())
}

#[tokio::test]
async fn a_python_function_gets_its_event_and_context() {
    let text = r#"
import os, sys
def main(event, context):
    print("línea", event["year"])
    print("oops", file=sys.stderr)
    assert 0 < context.get_remaining_time_in_millis() <= 900000
    return {"twice": event["year"] * 2, "name": context.function_name, "id": len(context.aws_request_id),
            "task": os.environ["LAMBDA_TASK_ROOT"] == os.getcwd(), "handler": os.environ["_HANDLER"],
            "é": os.environ.get("CARGO_PKG_NAME")}
"#;
    let ran = python(text, json!({"year": 2015})).await;
    assert_eq!(
        ran.output(),
        &json!({
            "Payload": {"twice": 4030, "name": "etl-extract", "id": 36, "task": true, "handler": "etl/f.py:main", "é": null},
            "StatusCode": 200,
            "ExecutedVersion": "$LATEST",
        })
    );
    let mut messages = ran.messages();
    messages.sort_unstable();
    assert_eq!(messages, ["línea 2015", "oops"]);
}

#[tokio::test]
async fn a_function_has_the_time_that_its_state_has() {
    let python = folder("f.py", "def main(event, context): return context.get_remaining_time_in_millis()\n");
    let node =
        folder("f.mjs", "export const main = (event, context) => context.getRemainingTimeInMillis();\n");
    let plugins = shipped_plugins();
    for (folder, name) in [(&python, "f.py:main"), (&node, "f.mjs:main")] {
        let timed = |seconds: u64| LocalRun {
            timeout: Some(std::time::Duration::from_secs(seconds)),
            ..handler(folder.path(), name, json!({}))
        };
        let left = run(&plugins, timed(300)).await.output()["Payload"].as_u64().unwrap();
        assert!((1..=300_000).contains(&left), "{name}: {left}");
        let left = run(&plugins, timed(86_400)).await.output()["Payload"].as_u64().unwrap();
        assert!((300_001..=900_000).contains(&left), "{name}: no function has more: {left}");
    }
}

#[tokio::test]
async fn a_python_exception_is_the_error_with_its_trace() {
    let ran = python("def main(event, context):\n    return event['year']\n", json!({})).await;
    assert_eq!(ran.failure().0, "KeyError");
    let cause = cause(&ran);
    assert_eq!((&cause["errorType"], &cause["errorMessage"]), (&json!("KeyError"), &json!("'year'")));
    assert_eq!(cause["requestId"].as_str().unwrap().len(), 36);
    let trace = cause["stackTrace"].as_array().unwrap();
    assert_eq!(trace.len(), 1, "only the function's own frames: {trace:?}");
    assert!(trace[0].as_str().unwrap().contains("etl/f.py\", line 2, in main"), "{trace:?}");
    let (summary, detail) = summary(&shipped_plugins(), &ran).await;
    assert_eq!(summary, "KeyError: 'year'");
    assert!(detail.starts_with("Traceback (most recent call last):\n  File "), "{detail}");
}

#[tokio::test]
async fn what_a_python_file_can_do_wrong_before_it_runs() {
    assert_eq!(python("def main(:\n", json!({})).await.failure().0, "Runtime.UserCodeSyntaxError");
    assert_eq!(python("import no_such_module\n", json!({})).await.failure().0, "Runtime.ImportModuleError");
    assert_eq!(python("other = 1\n", json!({})).await.failure().0, "Runtime.HandlerNotFound");
    assert_eq!(python("raise ValueError('early')\n", json!({})).await.failure().0, "ValueError");
    let ran = run(&shipped_plugins(), handler("/".as_ref(), "no/such.py:main", json!({}))).await;
    assert_eq!(ran.failure().0, "Runtime.ImportModuleError");
}

#[tokio::test]
async fn what_a_python_function_can_give_wrong() {
    let ran = python("def main(event, context):\n    return object()\n", json!({})).await;
    assert_eq!(ran.failure().0, "Runtime.MarshalError");
    let ran = python("def main(event, context):\n    return 'x' * 7_000_000\n", json!({})).await;
    assert_eq!(ran.failure().0, "Function.ResponseSizeTooLarge");
    let ran =
        python("import os\ndef main(event, context):\n    print('bye')\n    os._exit(3)\n", json!({})).await;
    assert_eq!(ran.failure().0, "Runtime.ExitError");
    assert!(cause(&ran)["errorMessage"].as_str().unwrap().ends_with("exit status 3"), "{ran:?}");
    assert_eq!(ran.messages(), ["bye"]);
}

#[tokio::test]
async fn a_payload_over_the_limit_is_refused() {
    let ran = python("def main(event, context): pass\n", json!("x".repeat(7_000_000))).await;
    assert_eq!(ran.failure().0, "Lambda.RequestTooLargeException");
}

#[tokio::test]
async fn a_node_function_gets_its_event_and_context() {
    let text = r#"
export const main = async (event, context) => {
  console.log("línea", event.year);
  return { twice: event.year * 2, name: context.functionName, time: context.getRemainingTimeInMillis() > 0 };
};
"#;
    let ran = node("f.mjs", text, json!({"year": 2015})).await;
    assert_eq!(ran.output()["Payload"], json!({"twice": 4030, "name": "etl-extract", "time": true}));
    assert_eq!(ran.messages(), ["línea 2015"]);
    let callback = "exports.main = (event, context, done) => setImmediate(() => done(null, event.a));\n";
    assert_eq!(node("f.cjs", callback, json!({"a": 1})).await.output()["Payload"], 1);
    assert_eq!(node("f.js", callback, json!({"a": 2})).await.output()["Payload"], 2);
}

#[tokio::test]
async fn a_node_error_is_the_error_with_its_trace() {
    let ran = node("f.mjs", "export const main = () => missing.year;\n", json!({})).await;
    assert_eq!(ran.failure().0, "ReferenceError");
    let cause = cause(&ran);
    assert_eq!(cause["errorMessage"], "missing is not defined");
    let trace = cause["stackTrace"].as_array().unwrap();
    assert_eq!(trace.len(), 1, "only the function's own frames: {trace:?}");
    assert_eq!(
        node("f.mjs", "export const main = (\n", json!({})).await.failure().0,
        "Runtime.UserCodeSyntaxError"
    );
    assert_eq!(
        node("f.mjs", "export const x = 1;\n", json!({})).await.failure().0,
        "Runtime.HandlerNotFound"
    );
    assert_eq!(
        node("f.mjs", "import 'no-such';\n", json!({})).await.failure().0,
        "Runtime.ImportModuleError"
    );
}

/// A runtime of its own, that says what the API answered.
const BOOTSTRAP: &str = r#"#!/usr/bin/env python3
import http.client, json, os
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
def ask(method, path, body=None):
    api.request(method, "/2018-06-01/runtime/" + path, body)
    reply = api.getresponse()
    return reply, reply.read()
while True:
    next, event = ask("GET", "invocation/next")
    id = next.headers["Lambda-Runtime-Aws-Request-Id"]
    said = {
        "headers": sorted(name.lower() for name, _ in next.getheaders() if name.lower().startswith("lambda-")),
        "event": json.loads(event),
        "wrong id": ask("POST", "invocation/wrong/response", "{}")[0].status,
        "wrong place": ask("GET", "invocation/nowhere")[0].status,
        "wrong method": ask("POST", "invocation/next")[0].status,
        "mark": os.environ.get("MARK"),
        "handler": os.environ["_HANDLER"],
    }
    reply, body = ask("POST", f"invocation/{id}/response", json.dumps(said))
    os.write(1, f"{reply.status} {body.decode()}\n".encode())
"#;

#[tokio::test]
async fn a_bootstrap_speaks_the_documented_api() {
    let folder = folder("bin/bootstrap", BOOTSTRAP);
    let local = json!({ "bootstrap": "bin/bootstrap", "environment": { "MARK": 7 } });
    let plugins = shipped_plugins();
    let ran = run(&plugins, invocation(folder.path(), local.clone(), json!({"a": 1}))).await;
    assert_eq!(
        ran.output()["Payload"],
        json!({
            "headers": [
                "lambda-runtime-aws-request-id", "lambda-runtime-deadline-ms",
                "lambda-runtime-invoked-function-arn", "lambda-runtime-trace-id",
            ],
            "event": {"a": 1},
            "wrong id": 403,
            "wrong place": 404,
            "wrong method": 405,
            "mark": "7",
            "handler": "etl-extract",
        })
    );
    // Said after the answer: in this invocation's lines or, since the process is the same, in the next one's.
    let next = run(&plugins, invocation(folder.path(), local, json!({}))).await;
    let messages: Vec<_> = ran.messages().into_iter().chain(next.messages()).collect();
    assert_eq!(messages.first(), Some(&r#"202 {"status":"OK"}"#), "{messages:?}");
}

#[tokio::test]
async fn a_bootstrap_that_cannot_be_started() {
    let plugins = shipped_plugins();
    let ran = run(&plugins, invocation("/".as_ref(), json!({"bootstrap": "no/such"}), json!({}))).await;
    assert_eq!(ran.failure().0, "Runtime.InvalidEntrypoint");
    let folder = folder("b", "#!/bin/sh\nexit 0\n");
    let ran = run(&plugins, invocation(folder.path(), json!({"bootstrap": "b"}), json!({}))).await;
    assert_eq!(ran.failure().0, "Runtime.ExitError");
}

#[tokio::test]
async fn a_program_that_is_missing_is_named() {
    let folder = folder("f.py", "def main(event, context): pass\n");
    let local = json!({ "handler": "f.py:main", "environment": { "PATH": "/no/such" } });
    let ran = run(&shipped_plugins(), invocation(folder.path(), local, json!({}))).await;
    assert_eq!(ran.failure().0, "Runtime.InvalidEntrypoint");
    assert!(ran.failure().1.contains("needs `python3`, which is not on the PATH"), "{ran:?}");
}

const COUNTS: &str = r#"
import os, time
count = 0
def main(event, context):
    global count
    count += 1
    if event:
        open(event["mark"], "w").close()
        while not os.path.exists(event["until"]):
            time.sleep(0.01)
    return [os.getpid(), count]
"#;

#[tokio::test]
async fn a_process_stays_warm_and_concurrent_ones_have_their_own() {
    let folder = folder("f.py", COUNTS);
    let plugins = shipped_plugins();
    let call = |event: Json| run(&plugins, handler(folder.path(), "f.py:main", event));
    let first = call(json!(null)).await.output()["Payload"].clone();
    let second = call(json!(null)).await.output()["Payload"].clone();
    assert_eq!((first[1].clone(), second[1].clone()), (json!(1), json!(2)));
    assert_eq!(first[0], second[0], "it is the same process");
    // Each waits until the other runs: they only end if they are two.
    let meet = |mark: &str, until: &str| {
        let at = |name: &str| folder.path().join(name);
        call(json!({ "mark": at(mark), "until": at(until) }))
    };
    let (one, other) = tokio::join!(meet("a", "b"), meet("b", "a"));
    assert_ne!(one.output()["Payload"][0], other.output()["Payload"][0]);
    let after = call(json!(null)).await.output()["Payload"].clone();
    assert!(after[1].as_u64().unwrap() >= 2, "a warm one is used: {after}");
}

#[tokio::test]
async fn an_exception_leaves_the_process_warm() {
    let text =
        "import os\ndef main(event, context):\n    if event: raise ValueError('x')\n    return os.getpid()\n";
    let folder = folder("f.py", text);
    let plugins = shipped_plugins();
    let call = |event: Json| run(&plugins, handler(folder.path(), "f.py:main", event));
    let before = call(json!(0)).await.output()["Payload"].clone();
    assert_eq!(call(json!(1)).await.failure().0, "ValueError");
    assert_eq!(call(json!(0)).await.output()["Payload"], before);
}

const WAITS: &str = r#"
import os, subprocess, time
def main(event, context):
    alive = open("alive", "w")
    subprocess.Popen(["sleep", "1000"], pass_fds=[alive.fileno()])
    print("ready")
    time.sleep(1000 if event else 0)
"#;

#[tokio::test]
async fn a_stop_ends_the_process_and_what_it_started() {
    let folder = folder("f.py", WAITS);
    let gone = Alive::in_folder(folder.path()).all_gone();
    let plugins = shipped_plugins();
    let ran = run_until(&plugins, handler(folder.path(), "f.py:main", json!(true)), "ready").await;
    assert_eq!(ran.failure().0, "States.TaskFailed");
    assert_gone(&gone);
}

#[tokio::test]
async fn a_warm_process_ends_with_the_plugins() {
    let folder = folder("f.py", WAITS);
    let gone = Alive::in_folder(folder.path()).all_gone();
    let plugins = shipped_plugins();
    run(&plugins, handler(folder.path(), "f.py:main", json!(false))).await.output();
    drop(plugins);
    assert_gone(&gone);
}

#[tokio::test]
async fn a_lot_of_output_arrives_whole_and_before_the_answer() {
    let text = "def main(event, context):\n    for i in range(20000): print('line', i)\n    print('x' * 300000, end='')\n";
    let ran = python(text, json!({})).await;
    ran.output();
    assert_eq!(ran.lines.len(), 20_002);
    assert_eq!(ran.lines[19_999].message, "line 19999");
    let tail: usize = ran.lines[20_000..].iter().map(|line| line.message.len()).sum();
    assert_eq!(tail, 300_000, "a line without end is cut, and nothing is lost");
}

#[tokio::test]
async fn a_given_result_is_the_payload() {
    let ran =
        run(&shipped_plugins(), invocation("/".as_ref(), json!({"result": {"sent": true}}), json!({}))).await;
    assert_eq!(ran.output()["Payload"], json!({"sent": true}));
}

/// Answers one event and ends.
const ONCE: &str = r#"#!/usr/bin/env python3
import http.client, os
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
api.request("GET", "/2018-06-01/runtime/invocation/next")
reply = api.getresponse()
reply.read()
id = reply.headers["Lambda-Runtime-Aws-Request-Id"]
api.request("POST", f"/2018-06-01/runtime/invocation/{id}/response", str(os.getpid()))
api.getresponse().read()
"#;

#[tokio::test]
async fn a_process_that_ends_while_it_waits_costs_no_event() {
    let folder = folder("once", ONCE);
    let plugins = shipped_plugins();
    let mut processes = std::collections::BTreeSet::new();
    for _ in 0..12 {
        let ran = run(&plugins, invocation(folder.path(), json!({ "bootstrap": "once" }), json!({}))).await;
        processes.insert(ran.output()["Payload"].as_u64().unwrap());
    }
    assert_eq!(processes.len(), 12, "each took one event");
}

#[tokio::test]
async fn another_session_sees_what_was_edited() {
    let folder = folder("f.py", "def main(event, context): return 1\n");
    let plugins = shipped_plugins();
    let of = |session: &str| LocalRun {
        session: session.to_owned(),
        ..handler(folder.path(), "f.py:main", json!({}))
    };
    assert_eq!(run(&plugins, of("one")).await.output()["Payload"], 1);
    std::fs::write(folder.path().join("f.py"), "def main(event, context): return 22\n").unwrap();
    assert_eq!(run(&plugins, of("two")).await.output()["Payload"], 22);
}

#[tokio::test]
async fn a_variable_that_cannot_be_one_is_named() {
    let folder = folder("f.py", "def main(event, context): pass\n");
    for (name, value) in [("A", "x\0y"), ("A=B", "x"), ("", "x")] {
        let local = json!({ "handler": "f.py:main", "environment": { name: value } });
        let ran = run(&shipped_plugins(), invocation(folder.path(), local, json!({}))).await;
        assert_eq!(ran.failure().0, "Runtime.InvalidEntrypoint");
        let cause = cause(&ran);
        let wanted = format!("`{name}` cannot be an environment variable with that value");
        assert_eq!(cause["errorMessage"], wanted, "of {name:?}");
    }
}
