//! Requests and replies, as they cross in JSON.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What a plugin says of itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Declaration {
    /// The plugin's name.
    pub name: String,
    /// The plugin's version.
    pub version: String,
    /// At least one.
    pub operation_types: Vec<OperationTypeDeclaration>,
}

/// What a plugin says of one operation type.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OperationTypeDeclaration {
    /// What `type = "…"` says.
    pub name: String,
    /// One line.
    pub summary: String,
    /// JSON Schema of its keys.
    pub schema: Json,
    /// Whether `check` has something to say.
    #[serde(default)]
    pub has_check: bool,
    /// Whether `run_local` is there.
    #[serde(default)]
    pub has_run_local: bool,
}

/// Of [`OperationType::check`](crate::OperationType::check).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CheckRequest {
    /// The operation's name.
    pub operation: String,
    /// Its keys, as written.
    pub keys: Json,
}

/// Something wrong, or odd, about an operation's keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Error or warning.
    pub severity: Severity,
    /// JSON pointer into the keys: `/local/command/0`; `/environment/NAME#` is the key, not its value; empty for the operation
    /// as a whole.
    pub pointer: String,
    /// Lower case, no full stop, values in backticks.
    pub message: String,
    /// What the reader can do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The reader should look.
    Warning,
}

impl Finding {
    /// An error at `pointer`.
    pub fn error(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, pointer: pointer.into(), message: message.into(), help: None }
    }

    /// A warning at `pointer`.
    pub fn warning(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(pointer, message) }
    }

    /// Says what the reader can do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Of [`OperationType::states`](crate::OperationType::states).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StatesRequest {
    /// The job.
    pub job: String,
    /// The operation's name.
    pub operation: String,
    /// Its keys, references already `{% … %}`.
    pub keys: Json,
}

/// The states of one operation, under names of the plugin's own. The last has `"End": true`; its output is the
/// operation's result. The host adds TimeoutSeconds, and replaces Retry by the user's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fragment {
    /// The first state's name.
    pub start_at: String,
    /// Name to state, in order.
    pub states: Map<String, Json>,
}

/// Of [`OperationType::permissions`](crate::OperationType::permissions).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PermissionsRequest {
    /// The job.
    pub job: String,
    /// The operation's name.
    pub operation: String,
    /// Its keys, references already `{% … %}`.
    pub keys: Json,
    /// `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: String,
    /// The Region.
    pub region: String,
    /// The account.
    pub account: String,
    /// The bucket of outputs.
    pub bucket: String,
}

/// An IAM statement that allows something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// `lambda:InvokeFunction`
    pub actions: Vec<String>,
    /// ARNs.
    pub resources: Vec<String>,
    /// An IAM condition block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Json>,
}

impl Statement {
    /// Allows actions on resources.
    ///
    /// ```
    /// # use bunsui_plugin_sdk::Statement;
    /// let statement = Statement::allow(["sqs:SendMessage"], ["arn:aws:sqs:eu-west-1:123456789012:orders"]);
    /// assert_eq!(statement.condition, None);
    /// ```
    pub fn allow<A: Into<String>, R: Into<String>>(
        actions: impl IntoIterator<Item = A>,
        resources: impl IntoIterator<Item = R>,
    ) -> Self {
        Self {
            actions: actions.into_iter().map(Into::into).collect(),
            resources: resources.into_iter().map(Into::into).collect(),
            condition: None,
        }
    }
}

/// How to reach AWS: what the host's own clients use.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Aws {
    /// The Region.
    pub region: Option<String>,
    /// Named profile.
    pub profile: Option<String>,
    /// Role to assume.
    pub role: Option<String>,
    /// Where every service is, instead of AWS.
    pub endpoint_url: Option<String>,
    /// Where single services are, by the name that `AWS_ENDPOINT_URL_<SERVICE>` has for each.
    #[serde(default)]
    pub endpoint_urls: BTreeMap<String, String>,
}

impl Aws {
    /// The same, and where no Region is set, that of an ARN.
    #[must_use]
    pub fn or_region_of(&self, arn: &str) -> Self {
        let of_arn = || arn.starts_with("arn:").then(|| arn.split(':').nth(3)).flatten();
        let of_arn = || of_arn().filter(|region| !region.is_empty()).map(ToOwned::to_owned);
        Self { region: self.region.clone().or_else(of_arn), ..self.clone() }
    }
}

/// Of [`OperationType::preflight`](crate::OperationType::preflight).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PreflightRequest {
    /// The job.
    pub job: String,
    /// The operation's name.
    pub operation: String,
    /// Its keys, references already `{% … %}`.
    pub keys: Json,
    /// The operation's `timeout`, where it has one.
    #[serde(default)]
    pub timeout_seconds: Option<u64>,
    /// How to reach AWS.
    pub aws: Aws,
}

/// One try of one Task state, to be done here.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LocalTask {
    /// The operation's keys; `local` is among them as written.
    pub keys: Json,
    /// The plugin's own name of the state.
    pub state: String,
    /// Its evaluated Arguments.
    pub arguments: Json,
    /// The pipeline file's folder: working directory of processes, base of relative paths.
    pub directory: PathBuf,
    /// `s3://local/KEY` is the file `KEY` below this folder.
    pub objects: PathBuf,
    /// The session's id.
    pub session: String,
    /// The job.
    pub job: String,
    /// The operation's name.
    pub operation: String,
    /// The job's attempt, from 1.
    pub attempt: u32,
    /// The task's try, from 1.
    pub try_number: u32,
    /// How long the state may take, if it says so; bunsui ends the task then.
    #[serde(default)]
    pub timeout_seconds: Option<u64>,
}

impl LocalTask {
    /// The operation's `local` key, or one of its members.
    pub fn local(&self, member: &str) -> Option<&Json> {
        self.keys.get("local")?.get(member)
    }
}

/// Why a task failed, as Step Functions would have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskFailure {
    /// The error's name: what `retry.on` and Catch compare.
    pub error: String,
    /// What the service would say; often JSON.
    pub cause: String,
}

impl TaskFailure {
    /// A failure.
    pub fn new(error: impl Into<String>, cause: impl Into<String>) -> Self {
        Self { error: error.into(), cause: cause.into() }
    }
}

/// Of [`OperationType::stop`](crate::OperationType::stop).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StopRequest {
    /// The operation's keys.
    pub keys: Json,
    /// The stopped execution.
    pub execution_arn: String,
    /// What the state's submission returned, where it is known.
    pub submitted: Option<Json>,
    /// How to reach AWS.
    pub aws: Aws,
}

/// What a stop did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopReport {
    /// What was ended.
    pub ended: Vec<String>,
    /// What may still run, and why.
    pub left: Vec<String>,
}

/// Of [`OperationType::explain`](crate::OperationType::explain).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExplainRequest {
    /// The operation's keys.
    pub keys: Json,
    /// The error's name.
    pub error: String,
    /// Its cause.
    pub cause: String,
}

/// What an error means.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// One line: what happened.
    pub summary: String,
    /// The cause, made readable; several lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Whether trying again can help; none: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recoverable: Option<bool>,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Explanation {
    /// One line: what happened.
    ///
    /// ```
    /// # use bunsui_plugin_sdk::Explanation;
    /// let explanation = Explanation::new("the queue is full").recoverable(true).help("let somebody empty it");
    /// assert_eq!(explanation.recoverable, Some(true));
    /// ```
    pub fn new(summary: impl Into<String>) -> Self {
        Self { summary: summary.into(), ..Self::default() }
    }

    /// The cause, made readable; several lines.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Whether trying again, without a change, can help.
    #[must_use]
    pub fn recoverable(mut self, is_recoverable: bool) -> Self {
        self.recoverable = Some(is_recoverable);
        self
    }

    /// What to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Of [`OperationType::logs`](crate::OperationType::logs).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LogsRequest {
    /// The operation's keys.
    pub keys: Json,
    /// What the state returned or its submission said, where it is known.
    pub submitted: Option<Json>,
    /// How to reach AWS.
    #[serde(default)]
    pub aws: Aws,
}

/// A place in CloudWatch Logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSource {
    /// Log group.
    pub group: String,
    /// Streams that begin so; all, where it is empty.
    pub stream_prefix: String,
    /// A filter pattern of CloudWatch Logs that picks the task's own lines, where others write to the same streams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// The Region, where it is not the host's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

/// A call could not be answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginError {
    /// Lower case, no full stop.
    pub message: String,
    /// JSON pointer into the keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// A code of the plugin's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What the reader can do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl PluginError {
    /// An error.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), pointer: None, code: None, help: None }
    }

    /// Gives it a code of the plugin's own, for who searches for it: `query::unknown_table`.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Says which key is meant.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = Some(pointer.into());
        self
    }

    /// Says what the reader can do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl std::fmt::Display for PluginError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        match self.pointer.as_deref() {
            Some(pointer) if !pointer.is_empty() => write!(f, " at `{pointer}`"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for PluginError {}

/// Without a pointer; [`keys::read`](crate::keys::read) gives one.
impl From<serde_json::Error> for PluginError {
    fn from(error: serde_json::Error) -> Self {
        Self::new(error.to_string())
    }
}

/// As `Plugin.Failed`, which bunsui explains as a fault of the plugin; for what `?` passes on in
/// [`run_local`](crate::OperationType::run_local).
impl From<PluginError> for TaskFailure {
    fn from(error: PluginError) -> Self {
        Self::new("Plugin.Failed", error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arns_region_holds_where_none_is_set() {
        let region = |set: Option<&str>, arn| {
            let aws = Aws { region: set.map(ToOwned::to_owned), ..Aws::default() };
            aws.or_region_of(arn).region
        };
        let arn = "arn:aws:states:eu-west-1:123456789012:execution:m:e";
        assert_eq!(region(None, arn).as_deref(), Some("eu-west-1"));
        assert_eq!(region(Some("us-east-1"), arn).as_deref(), Some("us-east-1"));
        assert_eq!(region(None, "arn:aws:s3:::lake"), None);
        assert_eq!(region(None, "a:b:c:d"), None);
    }

    #[test]
    fn an_error_says_where_it_is() {
        let error = PluginError::new("it is no table").code("query::table").help("name one");
        assert_eq!(error.to_string(), "it is no table");
        let error = error.at("/table");
        assert_eq!(error.to_string(), "it is no table at `/table`");
        assert_eq!(TaskFailure::from(error), TaskFailure::new("Plugin.Failed", "it is no table at `/table`"));
    }

    #[test]
    fn a_request_of_an_older_host_has_no_way_to_aws() {
        let request: LogsRequest = serde_json::from_str(r#"{"keys": {}, "submitted": null}"#).unwrap();
        assert_eq!(request.aws.region, None);
        let source =
            LogSource { group: "g".to_owned(), stream_prefix: String::new(), pattern: None, region: None };
        assert_eq!(serde_json::to_string(&source).unwrap(), r#"{"group":"g","stream_prefix":""}"#);
    }
}
