//! The operation type, asked what bunsui would ask it. Keys are JSON of what a pipeline file says in TOML.

use bunsui_plugin_sdk::testing::Harness;
use bunsui_{{library}}::Operation;
use serde_json::{Value as Json, json};

const QUEUE: &str = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders";

fn operation() -> Harness {
    Harness::new(&Operation)
}

fn keys(more: Json) -> Json {
    let mut keys = json!({ "queue": QUEUE, "message": "hello" });
    let more = more.as_object().expect("a table").clone();
    keys.as_object_mut().expect("a table").extend(more);
    keys
}

#[test]
fn keys_are_accepted_or_refused() {
    let operation = operation();
    operation.examples();
    operation.accepts(keys(json!({ "delay": "${params.delay}", "message": { "a": [1, "${jobs.j.b}"] } })));
    operation.refuses(keys(json!({ "queue": "orders" }))).at("/queue").saying("URL of a standard queue");
    operation.refuses(keys(json!({ "delay": 901 }))).at("/delay");
    operation.refuses(keys(json!({ "colour": "red" })));
    operation.refuses(json!({ "message": "to nobody" }));
}

#[test]
fn a_message_that_is_too_large_is_found() {
    let operation = operation();
    assert_eq!(operation.check(keys(json!({}))), []);
    let findings = operation.check(keys(json!({ "message": "é".repeat(140_000) })));
    assert_eq!(findings[0].pointer, "/message");
    assert!(findings[0].message.contains("280002 bytes"), "{findings:?}");
}

#[test]
fn it_compiles_to_one_task() {
    let states = operation().states(keys(json!({ "delay": "${params.delay}" }))).states;
    assert_eq!(states["send"]["Resource"], "arn:aws:states:::sqs:sendMessage");
    let arguments = json!({ "QueueUrl": QUEUE, "MessageBody": "hello", "DelaySeconds": "{% $params.delay %}" });
    assert_eq!(states["send"]["Arguments"], arguments);
}

#[test]
fn the_role_may_send_to_this_queue_alone() {
    let operation = operation();
    let resources = |keys: Json| operation.permissions(keys)[0].resources.clone();
    assert_eq!(resources(keys(json!({}))), ["arn:aws:sqs:eu-west-1:123456789012:orders"]);
    // Only a run knows which one.
    assert_eq!(resources(keys(json!({ "queue": "${params.queue}" }))), ["arn:aws:sqs:eu-west-1:123456789012:*"]);
}

#[test]
fn here_a_message_is_a_line_of_a_file() {
    let operation = operation();
    let keys = keys(json!({ "message": { "year": "${params.year}" }, "local": { "file": "out/sent" } }));
    // What the state's Arguments are in a run.
    let arguments = json!({ "QueueUrl": QUEUE, "MessageBody": { "year": 2015 } });
    let ran = operation.run_local(keys, arguments);
    assert_eq!(ran.output(), &json!({ "MessageId": "session-job-operation-1" }));
    assert_eq!(ran.messages(), [format!("sending to {QUEUE}")]);
    let sent = std::fs::read_to_string(operation.directory().join("out/sent")).expect("it was written");
    assert_eq!(sent, "{\"year\":2015}\n");
}

#[test]
fn what_is_stopped_sends_nothing() {
    let operation = operation();
    let task = operation.task(keys(json!({ "local": { "file": "sent", "takes": 600 } })));
    let ran = task.stop_at_line(&format!("sending to {QUEUE}")).run();
    assert_eq!(ran.failure().error, "States.TaskFailed");
    assert!(!operation.directory().join("sent").exists());
}

#[test]
fn errors_are_explained() {
    let operation = operation();
    let summary = |error: &str, cause: &str| operation.explain(keys(json!({})), error, cause).map(|it| it.summary);
    let denied = "User: arn:aws:sts::123456789012:assumed-role/etl/x is not authorized to perform: sqs:SendMessage on resource: \
                  arn:aws:sqs:eu-west-1:123456789012:orders because no identity-based policy allows the sqs:SendMessage action";
    let who = "role `etl` may not `sqs:SendMessage` on `arn:aws:sqs:eu-west-1:123456789012:orders`";
    assert_eq!(summary("SQS.AmazonSQSException", denied).as_deref(), Some(who));
    let missing = "The specified queue does not exist. (Error Code: AWS.SimpleQueueService.NonExistentQueue)";
    assert_eq!(summary("SQS.AmazonSQSException", missing).as_deref(), Some("the queue does not exist"));
    assert_eq!(summary("States.Timeout", ""), None);
}
