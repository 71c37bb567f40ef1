//! Each behaviour, asked for over HTTP.

mod executions;
mod histories;
mod machines;
mod redrives;

use super::*;
use crate::ask;
use serde_json::{Value as Json, json};

/// A stand-in whose time stands still, without quotas, with a state machine `m` of one version.
struct Fixture {
    stand_in: StandIn,
    machine: String,
    version: String,
}

const DEFINITION: &str = r#"{"StartAt": "load", "States": {"load": {"Type": "Task"}}}"#;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 3600);

impl Fixture {
    fn new() -> Self {
        Self::with(Options::default())
    }

    fn with(options: Options) -> Self {
        let quotas = options.quotas.or(Some(Quotas::unlimited()));
        let stand_in = StandIn::start(Options { speed: 0.0, quotas, ..options });
        let made = reply(&stand_in, "CreateStateMachine", &machine("m", DEFINITION));
        let text = |member: &str| made[member].as_str().unwrap().to_owned();
        Self { machine: text("stateMachineArn"), version: text("stateMachineVersionArn"), stand_in }
    }

    fn ok(&self, api: &str, request: &Json) -> Json {
        reply(&self.stand_in, api, request)
    }

    /// The name of the error that a call is refused with.
    fn error(&self, api: &str, request: &Json) -> String {
        let answer = ask::call(&self.stand_in.address, &format!("AWSStepFunctions.{api}"), request).unwrap();
        assert_eq!(answer.status, 400, "{}", answer.body);
        answer.json()["__type"].as_str().unwrap().to_owned()
    }

    /// Starts an execution of the version, and gives its ARN.
    fn begin(&self, name: &str) -> String {
        let started = self.ok("StartExecution", &json!({"stateMachineArn": self.version, "name": name}));
        started["executionArn"].as_str().unwrap().to_owned()
    }

    fn describe(&self, arn: &str) -> Json {
        self.ok("DescribeExecution", &json!({"executionArn": arn}))
    }

    fn now(&self) -> f64 {
        self.stand_in.now().as_secs_f64()
    }
}

fn machine(name: &str, definition: &str) -> Json {
    json!({
        "name": name,
        "definition": definition,
        "roleArn": "arn:aws:iam::123456789012:role/r",
        "publish": true,
        "tags": [{"key": "owner", "value": "etl"}],
    })
}

#[track_caller]
fn reply(stand_in: &StandIn, api: &str, request: &Json) -> Json {
    let answer = ask::call(&stand_in.address, &format!("AWSStepFunctions.{api}"), request).unwrap();
    assert_eq!(answer.status, 200, "{api}: {}", answer.body);
    assert!(answer.head.contains("content-type: application/x-amz-json-1.0"), "{}", answer.head);
    answer.json()
}

#[track_caller]
fn is_near(found: &Json, wanted: f64) {
    assert!((found.as_f64().unwrap() - wanted).abs() < 0.002, "{found} is not {wanted}");
}

#[test]
fn sts_says_whose_account_it_is() {
    let fixture = Fixture::new();
    let form = "Content-Type: application/x-www-form-urlencoded";
    let body = "Action=GetCallerIdentity&Version=2011-06-15";
    let answer = ask::ask(&fixture.stand_in.address, "POST /", &[form], body).unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("<Account>123456789012</Account>"), "{}", answer.body);
    assert_eq!(ask::ask(&fixture.stand_in.address, "GET /", &[], "").unwrap().status, 404);
    assert_eq!(fixture.error("CreateActivity", &json!({})), "UnknownOperationException");
}

#[test]
fn calls_beyond_the_quota_are_throttled_and_counted_apart() {
    let quotas = Quotas::unlimited().with("ListStateMachines", Quota::new(2.0, 0.5));
    let fixture = Fixture::with(Options { quotas: Some(quotas), ..Options::default() });
    let list = || {
        let target = "AWSStepFunctions.ListStateMachines";
        ask::call(&fixture.stand_in.address, target, &json!({})).unwrap()
    };
    let statuses: Vec<u16> = (0..4).map(|_| list().status).collect();
    assert_eq!(statuses, [200, 200, 400, 400]);
    assert_eq!(list().json(), json!({"__type": "ThrottlingException", "message": "Rate exceeded"}));
    fixture.stand_in.advance(4 * SECOND);
    assert_eq!(list().status, 200);
    fixture.stand_in.drain("ListStateMachines");
    assert_eq!(list().status, 400);
    let calls = &fixture.stand_in.calls()["ListStateMachines"];
    assert_eq!((calls.calls, calls.throttled, calls.each.len()), (7, 4, 7));
    assert_eq!(calls.each[5].at - calls.each[0].at, 4 * SECOND);
    fixture.stand_in.forget_calls();
    assert!(fixture.stand_in.calls().is_empty());
}

#[test]
fn time_runs_at_the_speed_that_was_asked_for() {
    let stand_in = StandIn::start(Options { speed: 1000.0, ..Options::default() });
    let (began, began_there) = (std::time::Instant::now(), stand_in.now());
    std::thread::sleep(Duration::from_millis(20));
    let passed = stand_in.now() - began_there;
    assert!(passed >= 20 * SECOND && passed <= began.elapsed() * 1001, "{passed:?}");
}
