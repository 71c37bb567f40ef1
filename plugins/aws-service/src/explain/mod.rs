//! What an error of a call, or of a job that was waited for, means.
//!
//! Takes: an error and its cause as Step Functions gives them. Gives: a line, what the service said, whether trying again helps, what to do.
//! Deliberately does not: explain Step Functions' own errors (`States.Timeout`), but for those that say what the service did.

mod ended;
mod refused;

use bunsui_plugin_sdk::{ExplainRequest, Explanation};
use serde_json::Value as Json;

pub(crate) fn explain(request: &ExplainRequest) -> Option<Explanation> {
    let ExplainRequest { keys, error, cause } = request;
    let action = keys.get("action").and_then(Json::as_str).unwrap_or("the call");
    if let Some(status) = error.strip_prefix("States.Http.StatusCode.") {
        return Some(refused::by_status(action, status, cause));
    }
    if error == "States.DataLimitExceeded" && cause.contains("returned a result") {
        return Some(too_large(action, cause));
    }
    let job: Option<Json> = serde_json::from_str(cause).ok().filter(Json::is_object);
    match job {
        Some(job) if error == "States.TaskFailed" || !error.starts_with("States.") => {
            ended::explain(action, error, &job)
        }
        _ if error == "States.Permissions" || !error.starts_with("States.") => {
            Some(refused::explain(action, error, cause))
        }
        _ => None,
    }
}

fn too_large(action: &str, cause: &str) -> Explanation {
    Explanation {
        summary: format!("`{action}` answered with more than the 262144 bytes that a state may take"),
        detail: Some(cause.to_owned()),
        recoverable: Some(false),
        help: Some(
            "ask for less at a time (`MaxResults`, `Limit`), or have the service leave it in S3".to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests;
