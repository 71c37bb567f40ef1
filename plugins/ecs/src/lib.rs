//! Operation type `ecs`: a container on Amazon ECS, a process on a laptop.
//!
//! On AWS it is `ecs:runTask.sync`; its result is `{exit_code, task_arn}`, or what the container left at `$BUNSUI_OUTPUT`.
//! Here it is a process of `local.command`, or a container of `local.image`, with the same environment and the same result.
//! Deliberately does not read a container's log: `logs` only says where it is.

#[cfg(all(test, feature = "aws"))]
mod answers;
mod container;
#[cfg(feature = "aws")]
mod ec2;
mod explain;
mod keys;
mod local;
#[cfg(feature = "aws")]
mod logs;
mod output;
mod permissions;
#[cfg(feature = "aws")]
mod preflight;
mod states;
#[cfg(feature = "aws")]
mod stop;
#[cfg(feature = "aws")]
mod submitted;

use bunsui_plugin_sdk::{
    ExplainRequest, Explanation, Fragment, Host, LocalTask, OperationType, PermissionsRequest, PluginError,
    Statement, StatesRequest, TaskFailure, export_plugin, schema,
};
#[cfg(feature = "aws")]
use bunsui_plugin_sdk::{Finding, LogSource, LogsRequest, PreflightRequest, StopReport, StopRequest};
use serde_json::Value as Json;

export_plugin! { name: "ecs", version: env!("CARGO_PKG_VERSION"), operation_types: [Ecs] }

struct Ecs;

impl OperationType for Ecs {
    fn name(&self) -> &'static str {
        "ecs"
    }

    fn summary(&self) -> &'static str {
        "a container on Amazon ECS; here a process or a container"
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

    #[cfg(feature = "aws")]
    fn stop(&self, request: &StopRequest) -> Result<StopReport, PluginError> {
        stop::stop(request)
    }

    fn explain(&self, request: &ExplainRequest) -> Option<Explanation> {
        explain::explain(request)
    }

    #[cfg(feature = "aws")]
    fn logs(&self, request: &LogsRequest) -> Result<Vec<LogSource>, PluginError> {
        logs::logs(request)
    }
}

/// The text of a key, where no run decides it.
fn known<'a>(keys: &'a Json, key: &str) -> Option<&'a str> {
    keys.get(key)?.as_str().filter(|text| !text.contains("{%"))
}
