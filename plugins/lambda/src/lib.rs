//! Operation type `lambda`: a function on AWS Lambda, a process that speaks the Lambda Runtime API on a laptop.
//!
//! On AWS it is `lambda:invoke`; its result is what the function returned. Here a real Runtime API (2018-06-01) on loopback serves any
//! client (`local.bootstrap`), and bundled clients run Python and Node handlers (`local.handler`).
//! Deliberately does not ask AWS anything yet: that is `preflight` and `logs`.

mod api;
mod explain;
mod keys;
mod local;
mod permissions;
mod program;
mod sandbox;
mod states;

use bunsui_plugin_sdk::{
    ExplainRequest, Explanation, Fragment, Host, LocalTask, OperationType, PermissionsRequest, PluginError,
    Statement, StatesRequest, TaskFailure, export_plugin, schema,
};
use serde_json::Value as Json;

export_plugin! { name: "lambda", version: env!("CARGO_PKG_VERSION"), operation_types: [Lambda] }

struct Lambda;

impl OperationType for Lambda {
    fn name(&self) -> &'static str {
        "lambda"
    }

    fn summary(&self) -> &'static str {
        "a function on AWS Lambda; here a process that speaks the Lambda Runtime API"
    }

    fn schema(&self) -> Json {
        schema::of::<keys::Keys>()
    }

    fn has_run_local(&self) -> bool {
        true
    }

    fn states(&self, request: &StatesRequest) -> Result<Fragment, PluginError> {
        states::states(request)
    }

    fn permissions(&self, request: &PermissionsRequest) -> Result<Vec<Statement>, PluginError> {
        Ok(permissions::permissions(request))
    }

    fn run_local(&self, task: &LocalTask, host: &Host<'_>) -> Result<Json, TaskFailure> {
        local::run(task, host)
    }

    fn explain(&self, request: &ExplainRequest) -> Option<Explanation> {
        explain::explain(&request.error, &request.cause)
    }
}
