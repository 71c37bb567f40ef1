//! The operation type, asked what bunsui would ask it. Keys are JSON of what a pipeline file says in TOML.

use bunsui_plugin_sdk::testing::Harness;
use serde_json::{Value as Json, json};

use bunsui_{{library}}::Operation;

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
    operation.accepts(keys(json!({ "delay": "${params.delay}" })));
    operation.accepts(keys(json!({ "message": { "a": [1, "${jobs.j.b}"] } })));
    let refused = operation.refuses(keys(json!({ "queue": "orders" })));
    refused.at("/queue").saying("URL of a standard queue");
    let refused = operation.refuses(keys(json!({ "delay": 901 })));
    refused.at("/delay");
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
    let fragment = operation().states(keys(json!({ "delay": "${params.delay}" })));
    let send = &fragment.states["send"];
    assert_eq!(send["Resource"], "arn:aws:states:::sqs:sendMessage");
    assert_eq!(send["Arguments"]["QueueUrl"], QUEUE);
    assert_eq!(send["Arguments"]["MessageBody"], "hello");
    assert_eq!(send["Arguments"]["DelaySeconds"], "{% $params.delay %}");
}

#[test]
fn the_role_may_send_to_this_queue_alone() {
    let operation = operation();
    let resources = |more: Json| operation.permissions(keys(more))[0].resources.clone();
    let this = "arn:aws:sqs:eu-west-1:123456789012:orders";
    assert_eq!(resources(json!({})), [this]);
    // Only a run knows which one.
    let any = "arn:aws:sqs:eu-west-1:123456789012:*";
    assert_eq!(resources(json!({ "queue": "${params.queue}" })), [any]);
}

#[test]
fn here_a_message_is_a_line_of_a_file() {
    let operation = operation();
    let message = json!({ "year": "${params.year}" });
    let keys = keys(json!({ "message": message, "local": { "file": "out/sent" } }));
    // What the state's Arguments are in a run.
    let arguments = json!({ "QueueUrl": QUEUE, "MessageBody": { "year": 2015 } });
    let ran = operation.run_local(keys, arguments);
    assert_eq!(ran.output()["MessageId"], "session-job-operation");
    assert_eq!(ran.messages(), [format!("sending to {QUEUE}")]);
    let file = operation.directory().join("out/sent");
    let sent = std::fs::read_to_string(file).expect("it was written");
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
    let summary = |cause: &str| {
        let explained = operation.explain(keys(json!({})), "SQS.AmazonSQSException", cause);
        explained.map(|explanation| explanation.summary)
    };
    let denied = "User: arn:aws:sts::123456789012:assumed-role/etl/x is not authorized to perform: sqs:SendMessage";
    let who = "role `etl` may not `sqs:SendMessage`";
    assert_eq!(summary(denied).as_deref(), Some(who));
    let missing = "(Error Code: AWS.SimpleQueueService.NonExistentQueue)";
    let what = "the queue does not exist";
    assert_eq!(summary(missing).as_deref(), Some(what));
    assert_eq!(summary("Rate exceeded"), None);
}
