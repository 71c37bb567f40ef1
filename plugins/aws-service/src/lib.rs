//! Operation type `aws-service`: any action of an AWS service that Step Functions can call.
//!
//! On AWS it is one Task state: Step Functions' own form of an action where there is one, `aws-sdk:` where not. Here it is what
//! `local.result` says. Names are checked when the file is, permissions are derived of the arguments.
//! Deliberately does not: ask AWS anything, so nothing of its SDK is linked.

mod check;
mod explain;
mod integration;
mod job;
mod keys;
mod logs;
mod optimised;
mod permissions;
mod states;
mod stop;
mod table;
mod texts;

use bunsui_plugin_sdk::{
    CheckRequest, ExplainRequest, Explanation, Finding, Fragment, LogSource, LogsRequest, OperationType,
    PermissionsRequest, PluginError, Statement, StatesRequest, StopReport, StopRequest, export_plugin,
    schema,
};
use serde_json::Value as Json;

export_plugin! { name: "aws-service", version: env!("CARGO_PKG_VERSION"), operation_types: [AwsService] }

struct AwsService;

impl OperationType for AwsService {
    fn name(&self) -> &'static str {
        "aws-service"
    }

    fn summary(&self) -> &'static str {
        "any action of an AWS service; here what `local.result` says"
    }

    fn schema(&self) -> Json {
        schema::of::<keys::Keys>()
    }

    /// Which actions there are would make the schema larger than the plugin.
    fn has_check(&self) -> bool {
        true
    }

    fn check(&self, request: &CheckRequest) -> Result<Vec<Finding>, PluginError> {
        Ok(check::check(&request.keys))
    }

    fn states(&self, request: &StatesRequest) -> Result<Fragment, PluginError> {
        states::states(request)
    }

    fn permissions(&self, request: &PermissionsRequest) -> Result<Vec<Statement>, PluginError> {
        Ok(permissions::permissions(request))
    }

    fn stop(&self, request: &StopRequest) -> Result<StopReport, PluginError> {
        Ok(stop::stop(request))
    }

    fn explain(&self, request: &ExplainRequest) -> Option<Explanation> {
        explain::explain(request)
    }

    fn logs(&self, request: &LogsRequest) -> Result<Vec<LogSource>, PluginError> {
        Ok(logs::logs(request))
    }
}
