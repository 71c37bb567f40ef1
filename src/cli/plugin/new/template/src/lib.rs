//! Operation type `{{name}}`: puts a message into a queue of Amazon SQS.
//!
//! On AWS it is `sqs:sendMessage`, and its result is `{message_id}`. Here the message becomes a line of a file, and the result has
//! the same form.

use bunsui_plugin_sdk::{
    CheckRequest, ExplainRequest, Explanation, Finding, Fragment, Host, LocalTask, OperationType,
    PermissionsRequest, PluginError, Statement, StatesRequest, Stop, TaskFailure, Value, cause,
    export_plugin, schema,
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
        let message = keys.message.literal();
        let size = message.map_or(0, |message| message.to_string().len());
        if size <= LARGEST {
            return Ok(Vec::new());
        }
        let what = format!("the message is {size} bytes long, and at most {LARGEST} are passed on");
        let finding = Finding::error("/message", what);
        Ok(vec![finding.help("leave it in S3, and send where it is")])
    }

    fn states(&self, request: &StatesRequest) -> Result<Fragment, PluginError> {
        let keys: Keys = request.keys_as()?;
        let arguments = json!({
            "QueueUrl": keys.queue,
            "MessageBody": keys.message,
            "DelaySeconds": keys.delay,
        });
        let send = Fragment::task("send", "arn:aws:states:::sqs:sendMessage", arguments);
        Ok(send.output("{% { 'message_id': $states.result.MessageId } %}"))
    }

    fn permissions(&self, request: &PermissionsRequest) -> Result<Vec<Statement>, PluginError> {
        let keys: Keys = request.keys_as()?;
        let known = keys.queue.literal().and_then(|url| arn(url, request));
        let any = || arn_of("*", &request.account, &request.region, request);
        let queue = known.unwrap_or_else(any);
        Ok(vec![Statement::allow(["sqs:SendMessage"], [queue])])
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
            let cause = "the operation has no `local`";
            return Err(TaskFailure::new("Plugin.NoLocalForm", cause));
        };
        host.info(&format!("sending to {}", arguments.queue_url));
        if host.wait_for_stop(Duration::from_secs(local.takes.unwrap_or_default())) != Stop::No {
            let cause = "stopped before the message was sent";
            return Err(TaskFailure::new("States.TaskFailed", cause));
        }
        let file = task.directory.join(&local.file);
        if let Err(error) = append(&file, &arguments.message_body) {
            let cause = format!("{}: {error}", file.display());
            return Err(TaskFailure::new("SQS.NotWritten", cause));
        }
        let id = format!("{}-{}-{}", task.session, task.job, task.operation);
        Ok(json!({ "MessageId": id }))
    }

    fn explain(&self, request: &ExplainRequest) -> Option<Explanation> {
        if let Some(denied) = cause::Denied::of(&request.cause) {
            let explained = Explanation::new(denied.to_string()).recoverable(false);
            return Some(explained.help("the queue's own policy may have to allow it too"));
        }
        let said = format!("{} {}", request.error, request.cause);
        let names = ["NonExistentQueue", "QueueDoesNotExist"];
        if names.iter().any(|name| said.contains(name)) {
            let explained = Explanation::new("the queue does not exist").recoverable(false);
            return Some(explained.help("`aws sqs list-queues` shows the URLs of those that do"));
        }
        None
    }
}

/// `https://sqs.REGION.amazonaws.com/ACCOUNT/NAME` as an ARN; of another host, in the run's Region.
fn arn(url: &str, request: &PermissionsRequest) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let (host, queue) = rest.split_once('/')?;
    let (account, name) = queue.split_once('/')?;
    let of_sqs = host.strip_prefix("sqs.");
    let region = of_sqs.and_then(|rest| rest.split('.').next());
    let region = region.unwrap_or(&request.region);
    Some(arn_of(name, account, region, request))
}

fn arn_of(name: &str, account: &str, region: &str, request: &PermissionsRequest) -> String {
    format!("arn:{}:sqs:{region}:{account}:{name}", request.partition)
}

/// In one write: lines of tasks that run at once do not mix.
fn append(file: &Path, message: &Json) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let line = format!("{message}\n");
    std::fs::File::options()
        .create(true)
        .append(true)
        .open(file)?
        .write_all(line.as_bytes())
}
