//! `bunsui execute`: what it prints and how it leaves.

use serde_json::{Value as Json, json};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

struct Printed {
    code: Option<i32>,
    out: String,
    talk: String,
}

/// Runs the command in `folder`, with nothing of the environment.
fn execute(folder: &Path, arguments: &[&str], input: &str) -> Printed {
    let mut child = Command::new(env!("CARGO_BIN_EXE_bunsui"))
        .arg("execute")
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that refuses its arguments does not read.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Printed {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        talk: String::from_utf8(output.stderr).unwrap(),
    }
}

fn task_and_catch() -> Json {
    json!({ "QueryLanguage": "JSONata", "StartAt": "Fetch", "States": {
        "Fetch": { "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": { "x": "{% $states.input.x %}" },
                   "Retry": [{ "ErrorEquals": ["Busy"], "IntervalSeconds": 600 }],
                   "Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "Sorry" }], "End": true },
        "Sorry": { "Type": "Fail", "Error": "Sorry", "Cause": "{% $states.input.Error %}" },
    } })
}

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// Runs the Task definition with a mock.
fn with_mock(mock: Json, more: &[&str]) -> Printed {
    let folder = folder(&[("d.json", &task_and_catch().to_string()), ("m.json", &mock.to_string())]);
    let mut arguments = vec!["d.json", "--mock", "m.json", "--input", "{\"x\": 5}"];
    arguments.extend(more);
    execute(folder.path(), &arguments, "")
}

#[track_caller]
fn check(printed: &Printed, code: i32, expected: Json) {
    let found: Json =
        serde_json::from_str(&printed.out).unwrap_or_else(|_| panic!("{}{}", printed.out, printed.talk));
    assert_eq!((printed.code, found), (Some(code), expected), "{}", printed.talk);
    assert_eq!(printed.out.lines().count(), 1);
}

#[test]
fn a_mock_gives_results_and_errors_in_order() {
    let mock =
        json!({ "Fetch": { "0-1": { "Throw": { "Error": "Busy" } }, "2": { "Return": { "ok": true } } } });
    check(&with_mock(mock, &["--no-wait"]), 0, json!({ "status": "SUCCEEDED", "output": { "ok": true } }));
    let mock = json!({ "Fetch": { "0": { "Throw": { "Error": "Gone", "Cause": "c" } } } });
    check(&with_mock(mock, &[]), 1, json!({ "status": "FAILED", "error": "Sorry", "cause": "Gone" }));
}

#[test]
fn a_mock_that_says_too_little_cannot_pass_for_a_caught_error() {
    let mock = json!({ "Fetch": { "0": { "Throw": { "Error": "Busy" } } } });
    let cause = "the mock file has 1 answers for the Task `Fetch`, and it was called once more";
    check(
        &with_mock(mock, &["--no-wait"]),
        1,
        json!({ "status": "FAILED", "error": "States.Runtime", "cause": cause }),
    );
    check(
        &with_mock(json!({}), &[]),
        1,
        json!({ "status": "FAILED", "error": "States.Runtime", "cause": "the mock file says nothing of the Task `Fetch`" }),
    );
    let folder = folder(&[("d.json", &task_and_catch().to_string())]);
    let input = "{\"x\": 5}";
    let cause = "`Fetch` is a Task, and nothing here can do it: say what it gives with --mock FILE";
    check(
        &execute(folder.path(), &["d.json", "--input", input], ""),
        1,
        json!({ "status": "FAILED", "error": "States.Runtime", "cause": cause }),
    );
}

#[test]
fn input_comes_from_the_argument_a_file_or_standard_input() {
    let echo =
        json!({ "QueryLanguage": "JSONata", "StartAt": "S", "States": { "S": { "Type": "Succeed" } } })
            .to_string();
    let folder = folder(&[("d.json", &echo), ("i.json", "[2]")]);
    let succeeded = |output: Json| json!({ "status": "SUCCEEDED", "output": output });
    check(&execute(folder.path(), &["d.json"], ""), 0, succeeded(json!({})));
    check(&execute(folder.path(), &["d.json", "--input", "-1"], ""), 0, succeeded(json!(-1)));
    check(&execute(folder.path(), &["d.json", "--input", "@i.json"], ""), 0, succeeded(json!([2])));
    check(
        &execute(folder.path(), &["d.json", "--input", "-"], "{\"a\": 3}"),
        0,
        succeeded(json!({ "a": 3 })),
    );
    check(&execute(folder.path(), &["-"], &echo), 0, succeeded(json!({})));
}

#[test]
fn history_prints_the_events_too() {
    let mock = json!({ "Fetch": { "0": { "Return": 1 } } });
    let printed: Json = serde_json::from_str(&with_mock(mock, &["--history"]).out).unwrap();
    let kinds: Vec<&str> =
        printed["events"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "ExecutionStarted",
            "TaskStateEntered",
            "TaskScheduled",
            "TaskStarted",
            "TaskSucceeded",
            "TaskStateExited",
            "ExecutionSucceeded",
        ]
    );
    assert_eq!(printed["events"][2]["taskScheduledEventDetails"]["parameters"], json!("{\"x\":5}"));
}

#[test]
fn every_wrong_file_is_named_in_one_run() {
    let folder = folder(&[
        ("d.json", "{ \"QueryLanguage\": \"JSONPath\" }"),
        ("m.json", "[]"),
        ("x.json", "{ \"a\": }"),
    ]);
    let printed = execute(folder.path(), &["d.json", "--mock", "m.json", "--input", "{"], "");
    assert_eq!((printed.code, printed.out.as_str()), (Some(2), ""));
    for code in ["invalid_definition", "invalid_mock", "invalid_input"] {
        assert!(printed.talk.contains(&format!("bunsui::execution::{code}")), "{code}: {}", printed.talk);
    }
    let printed = execute(folder.path(), &["x.json"], "");
    assert_eq!(printed.code, Some(2));
    assert!(printed.talk.contains("this is not JSON"), "{}", printed.talk);
    let printed = execute(folder.path(), &["missing.json"], "");
    assert_eq!(printed.code, Some(2));
    assert!(printed.talk.contains("bunsui::execution::unreadable_file"), "{}", printed.talk);
}
