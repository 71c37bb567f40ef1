//! The trait a plugin's author implements.

use crate::{
    CheckRequest, ExplainRequest, Explanation, Finding, Fragment, Host, LocalTask, LogSource, LogsRequest,
    PermissionsRequest, PluginError, PreflightRequest, Statement, StatesRequest, StopReport, StopRequest,
    TaskFailure,
};
use serde_json::Value as Json;

/// One operation type. A value lives as long as the process; methods are called from many threads at once.
///
/// Keys arrive as the pipeline file has them, with one difference: from [`states`](Self::states) on, every string that held a
/// reference is JSONata, `{% … %}`. Properties whose schema says `"x-bunsui-static": true` never hold one.
///
/// Everything that is known of an operation comes with each request, so the type itself holds nothing:
///
/// ```
/// use bunsui_plugin_sdk::serde_json::{Value as Json, json};
/// use bunsui_plugin_sdk::{
///     Fragment, Host, LocalTask, OperationType, PermissionsRequest, PluginError, Statement, StatesRequest, TaskFailure, Value,
///     schema,
/// };
/// use schemars::JsonSchema;
/// use serde::Deserialize;
///
/// /// Keys of an operation of type `announce`.
/// #[derive(Deserialize, JsonSchema)]
/// #[serde(deny_unknown_fields)]
/// struct Keys {
///     /// ARN of the topic
///     topic: Value<String>,
///     /// What is announced
///     message: Value<Json>,
///     /// What this operation is on a laptop
///     #[schemars(extend("x-bunsui-static" = true))]
///     local: Option<Local>,
/// }
///
/// #[derive(Deserialize, JsonSchema)]
/// #[serde(deny_unknown_fields)]
/// struct Local {
///     /// A word before each line
///     mark: String,
/// }
///
/// struct Announce;
///
/// impl OperationType for Announce {
///     fn name(&self) -> &'static str {
///         "announce"
///     }
///
///     fn summary(&self) -> &'static str {
///         "tells subscribers of a topic; here a log line"
///     }
///
///     fn schema(&self) -> Json {
///         schema::of::<Keys>()
///     }
///
///     fn has_run_local(&self) -> bool {
///         true
///     }
///
///     fn states(&self, request: &StatesRequest) -> Result<Fragment, PluginError> {
///         let keys: Keys = request.keys_as()?;
///         let arguments = json!({ "TopicArn": keys.topic, "Message": keys.message });
///         Ok(Fragment::task("publish", "arn:aws:states:::sns:publish", arguments))
///     }
///
///     fn permissions(&self, request: &PermissionsRequest) -> Result<Vec<Statement>, PluginError> {
///         let keys: Keys = request.keys_as()?;
///         let PermissionsRequest { partition, region, account, .. } = request;
///         let any = || format!("arn:{partition}:sns:{region}:{account}:*");
///         let resource = keys.topic.literal().cloned().unwrap_or_else(any);
///         Ok(vec![Statement::allow(["sns:Publish"], [resource])])
///     }
///
///     fn run_local(&self, task: &LocalTask, host: &Host<'_>) -> Result<Json, TaskFailure> {
///         let keys: Keys = task.keys_as()?;
///         let mark = keys.local.map(|local| local.mark).unwrap_or_default();
///         // Keys may hold expressions; arguments are evaluated.
///         host.info(&format!("{mark} {}", task.arguments["Message"]));
///         Ok(json!({ "MessageId": format!("{}-{}", task.session, task.operation) }))
///     }
/// }
/// # bunsui_plugin_sdk::export_plugin! { name: "announce", version: "0.1.0", operation_types: [Announce] }
/// ```
///
/// `bunsui plugin new` writes a crate with all of this, and tests; docs/plugin-guide.md goes through it.
pub trait OperationType: Send + Sync + 'static {
    /// What `type = "…"` says.
    fn name(&self) -> &'static str;

    /// One line for people.
    fn summary(&self) -> &'static str;

    /// JSON Schema (2020-12) of the operation's keys; [`schema::of`](crate::schema::of) derives one.
    fn schema(&self) -> Json;

    /// Whether [`check`](Self::check) has something to say. If not, validating a file starts no process for this type.
    fn has_check(&self) -> bool {
        false
    }

    /// Whether [`run_local`](Self::run_local) is there.
    fn has_run_local(&self) -> bool {
        false
    }

    /// What a schema cannot say; what it can belongs there, where editors see it too. Strings may hold `${…}`; says nothing about those.
    fn check(&self, _request: &CheckRequest) -> Result<Vec<Finding>, PluginError> {
        Ok(Vec::new())
    }

    /// What the operation compiles to.
    fn states(&self, request: &StatesRequest) -> Result<Fragment, PluginError>;

    /// The IAM statements the states need, as narrow as the keys allow.
    fn permissions(&self, _request: &PermissionsRequest) -> Result<Vec<Statement>, PluginError> {
        Ok(Vec::new())
    }

    /// Whether what the keys name exists in AWS and fits. Asks AWS with a client of its own.
    fn preflight(&self, _request: &PreflightRequest) -> Result<Vec<Finding>, PluginError> {
        Ok(Vec::new())
    }

    /// Does one task here and gives what the service would: the value that the state's `$states.result` is.
    ///
    /// Says log lines to `host` as they come, and ends what it started and returns when `host` says so.
    fn run_local(&self, _task: &LocalTask, _host: &Host<'_>) -> Result<Json, TaskFailure> {
        Err(TaskFailure::new(
            "Plugin.NoLocalForm",
            format!("operation type `{}` has no local form", self.name()),
        ))
    }

    /// After an execution was stopped: ends what Step Functions may have left, and reports what cannot be ended.
    fn stop(&self, _request: &StopRequest) -> Result<StopReport, PluginError> {
        Ok(StopReport::default())
    }

    /// What an error means; none where the service's own words say it best.
    fn explain(&self, _request: &ExplainRequest) -> Option<Explanation> {
        None
    }

    /// Where AWS keeps the operation's output.
    fn logs(&self, _request: &LogsRequest) -> Result<Vec<LogSource>, PluginError> {
        Ok(Vec::new())
    }
}
