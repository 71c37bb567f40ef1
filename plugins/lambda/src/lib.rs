//! Operation type `lambda`: a function on AWS Lambda, a process that speaks the Lambda Runtime API on a laptop.
//!
//! On AWS it is `lambda:invoke`; its result is what the function returned. Here a real Runtime API (2018-06-01) on loopback serves any
//! client (`local.bootstrap`), and bundled clients run Python and Node handlers (`local.handler`).
//! Deliberately does not read the function's log: `logs` only says where it is.

mod api;
mod explain;
mod function;
mod keys;
mod local;
mod logs;
mod permissions;
#[cfg(feature = "aws")]
mod preflight;
mod program;
mod sandbox;
mod states;

use bunsui_plugin_sdk::{
    ExplainRequest, Explanation, Fragment, Host, LocalTask, LogSource, LogsRequest, OperationType,
    PermissionsRequest, PluginError, Statement, StatesRequest, StopReport, StopRequest, TaskFailure, cause,
    export_plugin, schema,
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

    /// Nothing ends an invocation but itself.
    fn stop(&self, request: &StopRequest) -> Result<StopReport, PluginError> {
        let submitted = request.submitted.as_ref().map(cause::open_value);
        let function = function::Named::of(&request.keys, submitted.as_ref());
        let function = function.map_or_else(|| "a function".to_owned(), |it| format!("function {}", it.name));
        let left = format!("invocation of {function} goes on until its own timeout");
        Ok(StopReport { ended: Vec::new(), left: vec![left] })
    }

    fn explain(&self, request: &ExplainRequest) -> Option<Explanation> {
        explain::explain(request)
    }

    fn logs(&self, request: &LogsRequest) -> Result<Vec<LogSource>, PluginError> {
        Ok(logs::logs(request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_stop_says_what_it_cannot_end() {
        let left = |keys: Json| {
            let request =
                json!({"keys": keys, "execution_arn": "arn:aws:states:eu-west-1:1:execution:m:e", "aws": {}});
            let report = Lambda.stop(&serde_json::from_value(request).unwrap()).unwrap();
            assert_eq!(report.ended, Vec::<String>::new());
            report.left
        };
        assert_eq!(
            left(json!({"function": "etl:live"})),
            ["invocation of function etl goes on until its own timeout"]
        );
        assert_eq!(
            left(json!({"function": "{% $params.f %}"})),
            ["invocation of a function goes on until its own timeout"]
        );
    }
}
