//! Histories of executions.

use super::*;

/// The types of all events, in the order that was asked for, by pages of `size`.
fn kinds(fixture: &Fixture, arn: &str, size: usize, is_reverse: bool) -> Vec<String> {
    let mut token = Json::Null;
    let mut kinds = Vec::new();
    loop {
        let request =
            json!({"executionArn": arn, "maxResults": size, "reverseOrder": is_reverse, "nextToken": token});
        let page = fixture.ok("GetExecutionHistory", &request);
        let events = page["events"].as_array().unwrap();
        kinds.extend(events.iter().map(|event| event["type"].as_str().unwrap().to_owned()));
        token = page["nextToken"].clone();
        if token.is_null() {
            return kinds;
        }
        assert_eq!(events.len(), size);
    }
}

#[test]
fn a_failed_execution_tells_where() {
    let fixture = Fixture::new();
    let failed = Script::failed(4 * SECOND, "E", "why").through(["extract", "load"]).after_failed_tries(1);
    fixture.stand_in.script(move |_| failed.clone());
    let arn = fixture.begin("e");
    let beginning =
        ["ExecutionStarted", "TaskStateEntered", "TaskScheduled", "TaskStarted"].map(str::to_owned);
    assert_eq!(kinds(&fixture, &arn, 100, false), beginning, "the rest has not happened yet");
    fixture.stand_in.advance(4 * SECOND);
    let all = kinds(&fixture, &arn, 100, false);
    let rest = [
        "TaskSucceeded",
        "TaskStateExited",
        "TaskStateEntered",
        "TaskScheduled",
        "TaskStarted",
        "TaskFailed",
        "TaskScheduled",
        "TaskStarted",
        "TaskFailed",
        "ExecutionFailed",
    ];
    assert_eq!(all, [beginning.as_slice(), &rest.map(str::to_owned)].concat());
    let mut backwards = kinds(&fixture, &arn, 5, true);
    backwards.reverse();
    assert_eq!(backwards, all);
    assert_eq!(kinds(&fixture, &arn, 5, false), all);
    let last = fixture.ok(
        "GetExecutionHistory",
        &json!({"executionArn": arn, "maxResults": 20, "reverseOrder": true, "includeExecutionData": false}),
    );
    let events = last["events"].as_array().unwrap();
    assert_eq!(events[0]["id"], 14);
    assert_eq!(events[0]["previousEventId"], 13);
    assert_eq!(events[0]["executionFailedEventDetails"], json!({"error": "E", "cause": "why"}));
    let entered = events.iter().find(|event| event["type"] == "TaskStateEntered").unwrap();
    assert_eq!(entered["stateEnteredEventDetails"], json!({"name": "load"}));
    is_near(&entered["timestamp"], fixture.now() - 2.0);
    assert_eq!(events[13]["executionStartedEventDetails"]["input"], Json::Null);
}

#[test]
fn inputs_and_outputs_are_told_unless_they_are_not_asked_for() {
    let fixture = Fixture::new();
    fixture.stand_in.script(|_| Script::succeeded(SECOND, json!({"rows": 3})));
    let start = json!({"stateMachineArn": fixture.version, "name": "e", "input": "{\"a\": 1}"});
    let arn = fixture.ok("StartExecution", &start)["executionArn"].clone();
    fixture.stand_in.advance(SECOND);
    let page = fixture.ok("GetExecutionHistory", &json!({"executionArn": arn}));
    assert_eq!(page["events"][0]["executionStartedEventDetails"]["input"], "{\"a\": 1}");
    assert_eq!(
        page["events"][1]["stateEnteredEventDetails"]["name"], "load",
        "StartAt, as nothing is scripted"
    );
    assert_eq!(page["events"][6]["type"], "ExecutionSucceeded");
    assert_eq!(page["events"][6]["executionSucceededEventDetails"]["output"], "{\"rows\":3}");
    let request = json!({"executionArn": arn, "includeExecutionData": false});
    let page = fixture.ok("GetExecutionHistory", &request);
    assert_eq!(page["events"][6]["executionSucceededEventDetails"], json!({}));
    assert_eq!(fixture.error("GetExecutionHistory", &json!({"executionArn": "e"})), "InvalidArn");
    let wrong = json!({"executionArn": arn, "nextToken": "second"});
    assert_eq!(fixture.error("GetExecutionHistory", &wrong), "InvalidToken");
}

#[test]
fn what_was_stopped_or_timed_out_says_so() {
    let fixture = Fixture::new();
    fixture.stand_in.script(|started| match started.name.as_str() {
        "slow" => Script::new(SECOND, End::TimedOut),
        _ => Script::endless(),
    });
    let (slow, stopped) = (fixture.begin("slow"), fixture.begin("stopped"));
    fixture.stand_in.advance(SECOND);
    fixture.ok("StopExecution", &json!({"executionArn": stopped}));
    assert_eq!(kinds(&fixture, &slow, 100, true)[0], "ExecutionTimedOut");
    assert_eq!(kinds(&fixture, &stopped, 100, true)[0], "ExecutionAborted");
    assert_eq!(kinds(&fixture, &stopped, 100, true)[1], "TaskStarted");
}

#[test]
fn a_history_may_be_late_as_well() {
    let fixture = Fixture::with(Options { history_delay: 3 * SECOND, ..Options::default() });
    let arn = fixture.begin("e");
    let history = json!({"executionArn": arn});
    assert_eq!(fixture.error("GetExecutionHistory", &history), "ExecutionDoesNotExist");
    fixture.stand_in.advance(3 * SECOND);
    assert_eq!(fixture.describe(&arn)["status"], "SUCCEEDED");
    assert_eq!(kinds(&fixture, &arn, 100, true)[0], "TaskStarted", "its end is not seen yet");
    fixture.stand_in.advance(SECOND);
    assert_eq!(kinds(&fixture, &arn, 100, true)[0], "ExecutionSucceeded");
}

#[test]
fn a_task_that_is_waited_for_was_submitted() {
    let fixture = Fixture::new();
    let definition = json!({
        "StartAt": "load",
        "States": {"load": {"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask.sync"}},
    });
    fixture.stand_in.update_state_machine(&fixture.machine, &definition.to_string()).unwrap();
    fixture.stand_in.script(|_| Script::endless().submitted(json!({"Tasks": ["t"]})));
    let started = fixture.ok("StartExecution", &json!({"stateMachineArn": fixture.machine, "name": "e"}));
    let request = json!({"executionArn": started["executionArn"], "reverseOrder": true, "maxResults": 1});
    let page = fixture.ok("GetExecutionHistory", &request);
    assert_eq!(page["events"][0]["type"], "TaskSubmitted");
    let details = &page["events"][0]["taskSubmittedEventDetails"];
    let said = [&details["resourceType"], &details["resource"], &details["output"]];
    assert_eq!(said, ["ecs", "runTask.sync", "{\"Tasks\":[\"t\"]}"]);
}
