//! What an error of a task, or of ECS, means.
//!
//! Takes: an error and its cause as Step Functions gives them, or as `run_local` does. Gives: a line, container and reason, whether trying
//! again helps, what to do.
//! Deliberately does not: explain Step Functions' own errors (`States.Timeout`); bunsui knows the limit that ran out.

mod reason;
mod task;

use bunsui_plugin_sdk::cause::{self, Denied, Sentence};
use bunsui_plugin_sdk::{ExplainRequest, Explanation};
use reason::reason_of;
use serde_json::Value as Json;
use task::Task;

pub(crate) fn explain(request: &ExplainRequest) -> Option<Explanation> {
    let ExplainRequest { error, cause, keys } = request;
    if error == "ECS.TaskFailedToStart" {
        return Some(not_started(cause));
    }
    if let Some(explanation) = of_result(error, cause) {
        return Some(explanation);
    }
    let own = crate::known(keys, "container");
    let value = cause::open(cause);
    if let Some(failure) =
        value.get("Failures").and_then(Json::as_array).and_then(|failures| failures.first())
    {
        return Some(not_placed(failure));
    }
    let task = value.pointer("/Tasks/0").unwrap_or(&value);
    if let Some(task) = Task::of(task, own) {
        return task.explain();
    }
    let is_of_ecs = ["ECS.", "Ecs.", "AmazonECS."].iter().any(|prefix| error.starts_with(prefix));
    (is_of_ecs || Denied::of(cause).is_some()).then(|| refused(error, value.as_str().unwrap_or(cause), own))
}

fn not_started(cause: &str) -> Explanation {
    let help = if cause.starts_with("command not found") {
        Some(
            "a name is looked for in the PATH, a path with a `/` starts at the pipeline file's folder"
                .to_owned(),
        )
    } else if cause.contains("needs Docker or Podman") {
        Some("install one of them, or give `local` a `command` instead of an `image`".to_owned())
    } else {
        None
    };
    Explanation { summary: cause.to_owned(), recoverable: Some(false), help, ..Explanation::default() }
}

/// What the container left at `$BUNSUI_OUTPUT`, or did not.
fn of_result(error: &str, cause: &str) -> Option<Explanation> {
    let is_of_s3 = error.starts_with("S3.");
    // Who may not list a bucket is told that, and not that the object is missing.
    let is_missing = is_of_s3
        && (error.starts_with("S3.NoSuchKey")
            || Denied::of(cause).is_some_and(|denied| denied.action == "s3:ListBucket"));
    if is_missing || error == "States.QueryEvaluationError" && cause.contains("$BUNSUI_OUTPUT") {
        let is_told = cause.contains("$BUNSUI_OUTPUT");
        let summary = if is_told { cause } else { "the container left nothing at $BUNSUI_OUTPUT" };
        let help = "write JSON to the file that $BUNSUI_OUTPUT names, or remove `result = true`";
        return Some(Explanation {
            summary: summary.to_owned(),
            detail: (!is_told).then(|| cause.to_owned()),
            recoverable: Some(false),
            help: Some(help.to_owned()),
        });
    }
    if error == "States.QueryEvaluationError" && cause.contains("$parse($states.result.Body)") {
        return Some(Explanation {
            summary: "what the container left at $BUNSUI_OUTPUT is not JSON".to_owned(),
            detail: Some(cause.to_owned()),
            recoverable: Some(false),
            help: Some("write JSON to the object that $BUNSUI_OUTPUT names".to_owned()),
        });
    }
    let is_denied = Denied::of(cause).is_some() || cause.contains("Access Denied");
    (is_of_s3 && is_denied).then(|| Explanation {
        summary: "what the container left at $BUNSUI_OUTPUT cannot be read, or it left nothing".to_owned(),
        detail: Some(cause.to_owned()),
        recoverable: Some(false),
        help: Some(
            "the container has to write to the object that $BUNSUI_OUTPUT names; the state machine's role needs `s3:GetObject` on it"
                .to_owned(),
        ),
    })
}

/// A failure of RunTask: `{"Arn", "Reason", "Detail"}`.
fn not_placed(failure: &Json) -> Explanation {
    let text = |key| failure.get(key).and_then(Json::as_str).filter(|text| !text.is_empty());
    let said = text("Reason").unwrap_or("ECS does not say why");
    let known = reason_of(said);
    let summary =
        known.map_or_else(|| said.to_owned(), |known| known.summary.replace("{container}", "container"));
    let parts: Vec<&str> = [Some(said), text("Detail"), text("Arn")].into_iter().flatten().collect();
    Explanation {
        summary: format!("the task was not placed: {summary}"),
        detail: Some(parts.join(": ")),
        recoverable: known.and_then(|known| known.recoverable),
        help: known.and_then(reason::Reason::help),
    }
}

/// What RunTask says instead of starting a task.
fn refused(error: &str, text: &str, own: Option<&str>) -> Explanation {
    let message = Sentence::of(text).message;
    let detail = Some(text.to_owned());
    if let Some(denied) = Denied::of(message) {
        let help = match denied.action {
            _ if denied.is_explicit => {
                "a policy denies it explicitly: of the role, of a boundary or of the organization"
            }
            "iam:PassRole" => {
                "the state machine's role may pass roles of its own account to tasks, and `bunsui deploy` makes one that may; is this \
                 role of that account?"
            }
            _ => "the role is that of the state machine; `bunsui deploy` makes one that may",
        };
        let help = Some(help.to_owned());
        return Explanation { summary: denied.to_string(), detail, recoverable: Some(false), help };
    }
    if let Some(known) = reason_of(message) {
        let container = own.map_or_else(|| "such container".to_owned(), |own| format!("container `{own}`"));
        let summary = known.summary.replace("{container}", &container).replace("{image}", "the image");
        return Explanation { summary, detail, recoverable: known.recoverable, help: known.help() };
    }
    let recoverable = error.ends_with("ServerException").then_some(true);
    let summary = if message.is_empty() { error.to_owned() } else { format!("{error}: {message}") };
    Explanation { summary, recoverable, ..Explanation::default() }
}

#[cfg(test)]
mod tests;
