//! Operation type `{{name}}`: puts a message into a queue of Amazon SQS.
//!
//! On AWS it is `sqs:sendMessage`, and its result is `{message_id}`. Here the message becomes a line of a file, and the result has
//! the same form.

use bunsui_plugin_sdk::{
    CheckRequest, ExplainRequest, Explanation, Finding, Fragment, Host, LocalTask, OperationType,
    PermissionsRequest, PluginError, Statement, StatesRequest, Stop, TaskFailure, Value, cause, export_plugin,
    schema,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

export_plugin! { name: "{{name}}", version: env!("CARGO_PKG_VERSION"), operation_types: [Operation] }

/// Step Functions passes no more than this to a service.
const LARGEST: usize = 256 * 1024;

/// What a pipeline file may say of an operation of type `{{name}}`. Comments are the descriptions that editors show.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = example())]
struct Keys {
    /// URL of the queue
    #[schemars(
        regex(pattern = r"^https?://[^/]+/[0-9]{12}/[A-Za-z0-9_-]{1,80}$"),
        extend("x-bunsui-message" = { "pattern": "`{}` is not the URL of a standard queue" }),
        extend("x-bunsui-help" = { "pattern": "it has the form https://sqs.REGION.amazonaws.com/ACCOUNT/NAME" })
    )]
    queue: Value<String>,
    /// What is sent: a text, or a value that becomes JSON
    message: Value<Json>,
    /// Seconds until it can be received
    #[schemars(range(max = 900))]
    delay: Option<Value<u32>>,
    /// What this operation is on a laptop
    #[schemars(extend("x-bunsui-static" = true))]
    local: Option<Local>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Local {
    /// The file that gets a line for each message, relative to the pipeline file
    #[schemars(length(min = 1), example = &"out/messages.jsonl")]
    file: String,
    /// Seconds that sending takes here, to try timeouts and stops with
    takes: Option<u64>,
}

fn example() -> Json {
    json!({
        "queue": "https://sqs.eu-west-1.amazonaws.com/123456789012/orders",
        "message": { "year": 2015 },
        "local": { "file": "out/messages.jsonl" },
    })
}

/// The operation type.
pub struct Operation;

impl OperationType for Operation {
    fn name(&self) -> &'static str {
        "{{name}}"
    }

    fn summary(&self) -> &'static str {
        "a message to a queue of Amazon SQS; here a line of a file"
    }

    fn schema(&self) -> Json {
        schema::of::<Keys>()
    }

    /// Without a check, `bunsui validate` starts no process for this type.
    fn has_check(&self) -> bool {
        true
    }

    fn has_run_local(&self) -> bool {
        true
    }

    /// Only what the schema cannot say: it counts characters, not bytes.
    fn check(&self, request: &CheckRequest) -> Result<Vec<Finding>, PluginError> {
        let keys: Keys = request.keys_as()?;
        let size = keys.message.literal().map_or(0, |message| message.to_string().len());
        if size <= LARGEST {
            return Ok(Vec::new());
        }
        let message = format!("the message is {size} bytes long, and at most {LARGEST} are passed on");
        Ok(vec![Finding::error("/message", message).help("leave it in S3, and send where it is")])
    }

    fn states(&self, request: &StatesRequest) -> Result<Fragment, PluginError> {
        let keys: Keys = request.keys_as()?;
        let arguments = json!({
            "QueueUrl": keys.queue,
            "MessageBody": keys.message,
            "DelaySeconds": keys.delay,
        });
        Ok(Fragment::task("send", "arn:aws:states:::sqs:sendMessage", arguments)
            .output("{% { 'message_id': $states.result.MessageId } %}"))
    }

    fn permissions(&self, request: &PermissionsRequest) -> Result<Vec<Statement>, PluginError> {
        let keys: Keys = request.keys_as()?;
        let PermissionsRequest { partition, region, account, .. } = request;
        let named = keys.queue.literal().and_then(|url| arn(url, partition, region));
        let any = || format!("arn:{partition}:sqs:{region}:{account}:*");
        Ok(vec![Statement::allow(["sqs:SendMessage"], [named.unwrap_or_else(any)])])
    }

    /// Gives what SQS would: the state's `Output` is made of it, here as on AWS.
    fn run_local(&self, task: &LocalTask, host: &Host<'_>) -> Result<Json, TaskFailure> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Arguments {
            queue_url: String,
            message_body: Json,
        }
        // The keys may hold expressions; the arguments are evaluated.
        let arguments: Arguments = task.arguments_as()?;
        let Some(local) = task.keys_as::<Keys>()?.local else {
            return Err(TaskFailure::new("Plugin.NoLocalForm", "the operation has no `local`"));
        };
        host.info(&format!("sending to {}", arguments.queue_url));
        if host.wait_for_stop(Duration::from_secs(local.takes.unwrap_or_default())) != Stop::No {
            return Err(TaskFailure::new("States.TaskFailed", "stopped before the message was sent"));
        }
        let file = task.directory.join(&local.file);
        append(&file, &arguments.message_body)
            .map_err(|error| TaskFailure::new("SQS.NotWritten", format!("{}: {error}", file.display())))?;
        let id = format!("{}-{}-{}-{}", task.session, task.job, task.operation, task.attempt);
        Ok(json!({ "MessageId": id }))
    }

    fn explain(&self, request: &ExplainRequest) -> Option<Explanation> {
        if let Some(denied) = cause::Denied::of(&request.cause) {
            return Some(Explanation {
                summary: denied.to_string(),
                recoverable: Some(false),
                help: Some("the queue's own policy, or the key that encrypts it, may have to allow it too".to_owned()),
                ..Explanation::default()
            });
        }
        let said = format!("{} {}", request.error, request.cause);
        if ["NonExistentQueue", "QueueDoesNotExist"].iter().any(|name| said.contains(name)) {
            return Some(Explanation {
                summary: "the queue does not exist".to_owned(),
                recoverable: Some(false),
                help: Some("`queue` is the URL that `aws sqs list-queues` shows".to_owned()),
                ..Explanation::default()
            });
        }
        None
    }
}

/// `https://sqs.REGION.amazonaws.com/ACCOUNT/NAME` as an ARN; of another host, in `region`.
fn arn(url: &str, partition: &str, region: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let (host, queue) = rest.split_once('/')?;
    let (account, name) = queue.split_once('/')?;
    let of_host = host.strip_prefix("sqs.").and_then(|rest| rest.split('.').next());
    Some(format!("arn:{partition}:sqs:{}:{account}:{name}", of_host.unwrap_or(region)))
}

/// In one write: lines of tasks that run at once do not mix.
fn append(file: &Path, message: &Json) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let line = format!("{message}\n");
    std::fs::File::options().create(true).append(true).open(file)?.write_all(line.as_bytes())
}
