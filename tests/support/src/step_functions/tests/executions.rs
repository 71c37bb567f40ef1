//! Executions started, described, listed, stopped.

use super::*;

#[test]
fn a_start_is_idempotent_while_it_runs() {
    let fixture = Fixture::new();
    let start = json!({"stateMachineArn": fixture.version, "name": "e", "input": "{\"a\": 1}"});
    let first = fixture.ok("StartExecution", &start);
    fixture.stand_in.advance(SECOND / 2);
    assert_eq!(fixture.ok("StartExecution", &start), first);
    let mut other = start.clone();
    other["input"] = "{\"a\": 2}".into();
    assert_eq!(fixture.error("StartExecution", &other), "ExecutionAlreadyExists");
    fixture.stand_in.advance(SECOND / 2);
    assert_eq!(fixture.error("StartExecution", &start), "ExecutionAlreadyExists");
    let arn = first["executionArn"].as_str().unwrap();
    assert_eq!(arn, "arn:aws:states:ap-northeast-1:123456789012:execution:m:e");
    assert_eq!(fixture.stand_in.starts()[arn], Starts { created: 1, repeated: 1 });
    // After 90 days the name is free again; and so it is when the execution is deleted.
    fixture.stand_in.advance(90 * DAY);
    fixture.ok("StartExecution", &start);
    assert!(fixture.stand_in.delete_execution(arn));
    fixture.ok("StartExecution", &other);
    assert_eq!(fixture.stand_in.starts()[arn].created, 3);
}

#[test]
fn what_cannot_be_started_is_refused() {
    let fixture = Fixture::new();
    let error = |name: &str, input: &str| {
        let start = json!({"stateMachineArn": fixture.version, "name": name, "input": input});
        fixture.error("StartExecution", &start)
    };
    assert_eq!(error("a/b", "{}"), "InvalidName");
    assert_eq!(error(&"n".repeat(81), "{}"), "InvalidName");
    assert_eq!(error("", "{}"), "InvalidName");
    assert_eq!(error("n", "{"), "InvalidExecutionInput");
    assert_eq!(error("n", &format!("\"{}\"", "x".repeat(262_143))), "ValidationException");
    let start = |name: &str, input: &str| {
        let start = json!({"stateMachineArn": fixture.version, "name": name, "input": input});
        fixture.ok("StartExecution", &start)
    };
    start(&"n".repeat(80), &format!("\"{}\"", "x".repeat(262_142)));
    let unnamed = || fixture.ok("StartExecution", &json!({"stateMachineArn": fixture.machine}));
    assert_ne!(unnamed()["executionArn"], unnamed()["executionArn"]);
}

#[test]
fn executions_end_as_the_script_says() {
    let fixture = Fixture::new();
    fixture.stand_in.script(|started| match started.name.as_str() {
        "good" => Script::succeeded(2 * SECOND, json!({"rows": 3})),
        "bad" => Script::failed(2 * SECOND, "Lambda.Unknown", "it was too large"),
        "silent" => Script::new(2 * SECOND, End::Failed { error: None, cause: None }),
        "slow" => Script::new(2 * SECOND, End::TimedOut),
        "stopped" => Script::new(2 * SECOND, End::Aborted),
        _ => Script::endless(),
    });
    let began = fixture.now();
    let arns = ["good", "bad", "silent", "slow", "stopped", "endless"].map(|name| fixture.begin(name));
    let running = fixture.describe(&arns[0]);
    assert_eq!(running["status"], "RUNNING");
    assert_eq!(running["stopDate"], Json::Null);
    assert_eq!(running["stateMachineArn"], fixture.machine.as_str());
    assert_eq!(running["stateMachineVersionArn"], fixture.version.as_str());
    assert_eq!(running["input"], "{}");
    fixture.stand_in.advance(2 * SECOND);
    let [good, bad, silent, slow, stopped, endless] = arns.map(|arn| fixture.describe(&arn));
    is_near(&good["startDate"], began);
    is_near(&good["stopDate"], began + 2.0);
    assert_eq!((&good["status"], &good["output"]), (&"SUCCEEDED".into(), &"{\"rows\":3}".into()));
    assert_eq!((&bad["status"], &bad["output"]), (&"FAILED".into(), &Json::Null));
    assert_eq!((&bad["error"], &bad["cause"]), (&"Lambda.Unknown".into(), &"it was too large".into()));
    assert_eq!((&silent["status"], &silent["error"]), (&"FAILED".into(), &Json::Null));
    assert_eq!(slow["status"], "TIMED_OUT");
    assert_eq!(stopped["status"], "ABORTED");
    assert_eq!(endless["status"], "RUNNING");
}

#[test]
fn the_script_sees_what_starts() {
    let fixture = Fixture::new();
    fixture.stand_in.script(|started| {
        let seen = json!([
            started.machine,
            started.version,
            started.input["a"],
            started.definition["StartAt"],
            started.arn
        ]);
        Script::succeeded(Duration::ZERO, seen)
    });
    let start = json!({"stateMachineArn": fixture.version, "name": "e", "input": "{\"a\": 1}"});
    let arn = fixture.ok("StartExecution", &start)["executionArn"].clone();
    let output = fixture.describe(arn.as_str().unwrap())["output"].as_str().unwrap().to_owned();
    let output: Json = serde_json::from_str(&output).unwrap();
    assert_eq!(output, json!(["m", 1, 1, "load", arn]));
}

#[test]
fn what_was_just_started_is_not_seen_yet() {
    let fixture = Fixture::with(Options { consistency_delay: 3 * SECOND, ..Options::default() });
    fixture.stand_in.script(|_| Script::succeeded(2 * SECOND, json!({})));
    let arn = fixture.begin("e");
    let listed = || {
        let list = fixture.ok("ListExecutions", &json!({"stateMachineArn": fixture.machine}));
        list["executions"].as_array().unwrap().len()
    };
    let describe = json!({"executionArn": arn});
    assert_eq!(fixture.error("DescribeExecution", &describe), "ExecutionDoesNotExist");
    assert_eq!(listed(), 0);
    fixture.stand_in.advance(3 * SECOND);
    assert_eq!(fixture.describe(&arn)["status"], "RUNNING", "its end is not seen yet");
    assert_eq!(fixture.stand_in.executions()[0].status, Status::Succeeded);
    assert_eq!(listed(), 1);
    fixture.stand_in.advance(2 * SECOND);
    assert_eq!(fixture.describe(&arn)["status"], "SUCCEEDED");
}

#[test]
fn executions_are_listed_newest_first_by_pages() {
    let fixture = Fixture::new();
    fixture.stand_in.script(|started| match started.name.as_str() {
        "c" => Script::failed(Duration::ZERO, "E", "why"),
        _ => Script::endless(),
    });
    for name in ["a", "b", "c"] {
        fixture.begin(name);
        fixture.stand_in.advance(SECOND);
    }
    fixture.ok("StartExecution", &json!({"stateMachineArn": fixture.machine, "name": "d"}));
    let list = |mut request: Json| {
        request["stateMachineArn"] = request.get("arn").cloned().unwrap_or(fixture.machine.as_str().into());
        let page = fixture.ok("ListExecutions", &request);
        let names = page["executions"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap());
        (names.collect::<String>(), page["nextToken"].clone())
    };
    assert_eq!(list(json!({})), ("dcba".to_owned(), Json::Null));
    let (names, next) = list(json!({"maxResults": 3}));
    assert_eq!(names, "dcb");
    assert_eq!(list(json!({"maxResults": 3, "nextToken": next})), ("a".to_owned(), Json::Null));
    assert_eq!(list(json!({"statusFilter": "FAILED"})).0, "c");
    assert_eq!(list(json!({"arn": fixture.version})).0, "cba");
    assert_eq!(list(json!({"redriveFilter": "REDRIVEN"})).0, "");
    let too_many = json!({"stateMachineArn": fixture.machine, "maxResults": 1001});
    assert_eq!(fixture.error("ListExecutions", &too_many), "ValidationException");
}

#[test]
fn a_stopped_execution_is_aborted_once() {
    let fixture = Fixture::new();
    fixture.stand_in.script(|_| Script::endless());
    let (ours, theirs) = (fixture.begin("ours"), fixture.begin("theirs"));
    fixture.stand_in.advance(SECOND);
    let stop = json!({"executionArn": ours, "error": "Cancelled", "cause": "it was asked for"});
    let stopped = fixture.ok("StopExecution", &stop);
    is_near(&stopped["stopDate"], fixture.now());
    fixture.stand_in.advance(SECOND);
    assert_eq!(fixture.ok("StopExecution", &stop), stopped, "the date of its end, and no error");
    let found = fixture.describe(&ours);
    assert_eq!(found["status"], "ABORTED");
    assert_eq!((&found["error"], &found["cause"]), (&"Cancelled".into(), &"it was asked for".into()));
    fixture.stand_in.abort_execution(&theirs).unwrap();
    assert_eq!(fixture.describe(&theirs)["status"], "ABORTED");
    assert_eq!(fixture.stand_in.calls()["StopExecution"].calls, 2, "somebody else's are not counted");
    let times = fixture.stand_in.executions()[0].attempts[0];
    assert_eq!(times.ended_at, Some(times.began_at + SECOND));
    let long = json!({"executionArn": ours, "error": "e".repeat(257)});
    assert_eq!(fixture.error("StopExecution", &long), "ValidationException");
    assert_eq!(fixture.error("StopExecution", &json!({"executionArn": "e"})), "InvalidArn");
}
