//! Redrives, and who may have one.

use super::*;

/// Fails on its first attempt, and succeeds on the next.
fn fails_once(fixture: &Fixture) -> String {
    fixture.stand_in.script(|started| match started.redrives {
        0 => Script::failed(SECOND, "E", "why").through(["extract", "load"]),
        _ => Script::succeeded(SECOND, json!({})),
    });
    let arn = fixture.begin("e");
    fixture.stand_in.advance(SECOND);
    arn
}

#[track_caller]
fn is_refused(fixture: &Fixture, arn: &str, reason: &str) {
    let found = fixture.describe(arn);
    assert_eq!(
        (&found["redriveStatus"], &found["redriveStatusReason"]),
        (&"NOT_REDRIVABLE".into(), &reason.into())
    );
    let redrive = json!({"executionArn": arn, "clientToken": "another"});
    assert_eq!(fixture.error("RedriveExecution", &redrive), "ExecutionNotRedrivable");
}

#[test]
fn a_failed_execution_runs_again_from_where_it_failed() {
    let fixture = Fixture::new();
    let arn = fails_once(&fixture);
    let failed = fixture.describe(&arn);
    assert_eq!((&failed["redriveStatus"], &failed["redriveCount"]), (&"REDRIVABLE".into(), &0.into()));
    let redriven = fixture.ok("RedriveExecution", &json!({"executionArn": arn, "clientToken": "t"}));
    let running = fixture.describe(&arn);
    assert_eq!((&running["status"], &running["redriveCount"]), (&"RUNNING".into(), &1.into()));
    assert_eq!(running["redriveDate"], redriven["redriveDate"]);
    assert_eq!(running["stopDate"], Json::Null);
    fixture.stand_in.advance(SECOND);
    assert_eq!(fixture.describe(&arn)["status"], "SUCCEEDED");
    let request = json!({"executionArn": arn, "reverseOrder": true});
    let page = fixture.ok("GetExecutionHistory", &request);
    let kinds: Vec<&str> =
        page["events"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect();
    let last = ["ExecutionSucceeded", "TaskStateExited", "TaskSucceeded", "TaskStarted", "TaskScheduled"];
    assert_eq!(kinds[..5], last);
    assert_eq!(kinds[5..7], ["ExecutionRedriven", "ExecutionFailed"]);
    let entered = page["events"].as_array().unwrap().iter().find(|event| event["type"] == "TaskStateEntered");
    assert_eq!(page["events"][4]["previousEventId"], entered.unwrap()["id"], "its state was entered before");
    assert_eq!(page["events"][5]["previousEventId"], page["events"][6]["id"]);
    assert_eq!(page["events"][1]["stateExitedEventDetails"]["name"], "load");
    assert_eq!(page["events"][5]["executionRedrivenEventDetails"], json!({"redriveCount": 1}));
    assert_eq!(fixture.stand_in.executions()[0].attempts.len(), 2);
    assert_eq!(fixture.stand_in.starts()[&arn], Starts { created: 1, repeated: 0 });
}

#[test]
fn a_client_token_redrives_once() {
    let fixture = Fixture::new();
    let arn = fails_once(&fixture);
    let redrive = json!({"executionArn": arn, "clientToken": "t"});
    let first = fixture.ok("RedriveExecution", &redrive);
    fixture.stand_in.advance(5 * SECOND);
    assert_eq!(fixture.ok("RedriveExecution", &redrive), first);
    assert_eq!(fixture.describe(&arn)["redriveCount"], 1);
    // After fifteen minutes it is a token as any other, and what succeeded is not redriven.
    fixture.stand_in.advance(900 * SECOND);
    assert_eq!(fixture.error("RedriveExecution", &redrive), "ExecutionNotRedrivable");
}

#[test]
fn only_what_ended_badly_is_redriven() {
    let fixture = Fixture::new();
    fixture.stand_in.script(|started| match started.name.as_str() {
        "good" => Script::succeeded(Duration::ZERO, json!({})),
        "slow" => Script::new(Duration::ZERO, End::TimedOut),
        _ => Script::endless(),
    });
    let [good, slow, endless] = ["good", "slow", "endless"].map(|name| fixture.begin(name));
    is_refused(&fixture, &good, "Execution is SUCCEEDED and cannot be redriven");
    is_refused(&fixture, &endless, "Execution is RUNNING and cannot be redriven");
    assert_eq!(fixture.describe(&slow)["redriveStatus"], "REDRIVABLE");
    fixture.stand_in.abort_execution(&endless).unwrap();
    fixture.stand_in.redrive_execution(&endless).unwrap();
    assert_eq!(fixture.describe(&endless)["status"], "RUNNING");
}

#[test]
fn it_is_redriven_within_fourteen_days() {
    let fixture = Fixture::new();
    let arn = fails_once(&fixture);
    fixture.stand_in.advance(14 * DAY);
    assert_eq!(fixture.describe(&arn)["redriveStatus"], "REDRIVABLE");
    fixture.stand_in.advance(SECOND);
    is_refused(&fixture, &arn, "Execution redrivable period exceeded");
}

#[test]
fn a_history_that_is_full_is_not_added_to() {
    let fixture = Fixture::new();
    // With these come ExecutionStarted, TaskStateEntered, three of the last try and ExecutionFailed.
    let tries = |events: usize| (events - 6) / 3;
    fixture.stand_in.script(move |started| {
        let events = if started.name == "full" { 24_999 } else { 24_996 };
        Script::failed(Duration::ZERO, "E", "why").after_failed_tries(tries(events))
    });
    let (full, almost) = (fixture.begin("full"), fixture.begin("almost"));
    is_refused(&fixture, &full, "Execution history event limit exceeded");
    assert_eq!(fixture.describe(&almost)["redriveStatus"], "REDRIVABLE");
}

#[test]
fn a_redrive_is_seen_late() {
    let fixture = Fixture::with(Options { consistency_delay: 3 * SECOND, ..Options::default() });
    let arn = fails_once(&fixture);
    fixture.stand_in.advance(3 * SECOND);
    fixture.ok("RedriveExecution", &json!({"executionArn": arn}));
    let found = fixture.describe(&arn);
    assert_eq!((&found["status"], &found["redriveCount"]), (&"FAILED".into(), &0.into()));
    fixture.stand_in.advance(3 * SECOND);
    let found = fixture.describe(&arn);
    assert_eq!((&found["status"], &found["redriveCount"]), (&"RUNNING".into(), &1.into()));
}
