//! Operation type `lambda`: a function on AWS Lambda, a process that speaks the Lambda Runtime API on a laptop.
//!
//! On AWS it is `lambda:invoke`; its result is what the function returned. Here a real Runtime API (2018-06-01) on loopback serves any
//! client (`local.bootstrap`), and bundled clients run Python and Node handlers (`local.handler`).
//! Deliberately does not read the function's log: where that is, is for `logs` to say.

mod api;
mod explain;
mod keys;
mod local;
mod permissions;
#[cfg(feature = "aws")]
mod preflight;
mod program;
mod sandbox;
mod states;

use bunsui_plugin_sdk::{
    ExplainRequest, Explanation, Fragment, Host, LocalTask, OperationType, PermissionsRequest, PluginError,
    Statement, StatesRequest, TaskFailure, export_plugin, schema,
};
#[cfg(feature = "aws")]
use bunsui_plugin_sdk::{Finding, PreflightRequest};
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

    #[cfg(feature = "aws")]
    fn preflight(&self, request: &PreflightRequest) -> Result<Vec<Finding>, PluginError> {
        preflight::preflight(request)
    }

    fn run_local(&self, task: &LocalTask, host: &Host<'_>) -> Result<Json, TaskFailure> {
        local::run(task, host)
    }

    fn explain(&self, request: &ExplainRequest) -> Option<Explanation> {
        explain::explain(request)
    }
}
