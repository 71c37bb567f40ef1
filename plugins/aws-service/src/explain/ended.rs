//! A job that was waited for and did not succeed.
//!
//! Takes: the job as its service describes it, which is the cause. Gives: how it ended and why, in the service's own words.
//! Deliberately does not: know every service: reasons are found under the names that services have for them.

use crate::job::{at_any_depth, text};
use bunsui_plugin_sdk::{Explanation, cause};
use serde_json::Value as Json;

/// Names of how a job ended.
const STATES: [&str; 11] = [
    "JobRunState",
    "BuildStatus",
    "BuildBatchStatus",
    "TrainingJobStatus",
    "ProcessingJobStatus",
    "TransformJobStatus",
    "LabelingJobStatus",
    "HyperParameterTuningJobStatus",
    "LastStatus",
    "Status",
    "State",
];

/// Names of why, the most telling first.
const REASONS: [&str; 12] = [
    "ErrorMessage",
    "StateChangeReason",
    "FailureReason",
    "ExitMessage",
    "FailureMessage",
    "StatusReason",
    "StateDetails",
    "StoppedReason",
    "FailureDetails",
    "StatusMessage",
    "Message",
    "Reason",
];

pub(super) fn explain(action: &str, error: &str, job: &Json) -> Option<Explanation> {
    if let Some(explanation) = of_execution(action, job) {
        return Some(explanation);
    }
    if let Some(explanation) = of_container(action, job).or_else(|| of_build(action, job)) {
        return Some(explanation);
    }
    let reason = reason(job);
    let state = text(job, &STATES).or_else(|| text(at_any_depth(job, "Status")?, &["State"]));
    if reason.is_none() && state.is_none() {
        return None;
    }
    let how = match state {
        Some(state) => format!("what `{action}` began ended {state}"),
        None => format!("`{action}` failed: {error}"),
    };
    let first = reason.and_then(|reason| reason.lines().find(|line| !line.trim().is_empty()));
    let summary = first.map_or_else(|| how.clone(), |first| format!("{how}: {}", first.trim()));
    let (recoverable, help) = advice(state.unwrap_or_default(), reason.unwrap_or_default(), job);
    Some(Explanation {
        summary,
        detail: reason.filter(|reason| reason.trim().contains('\n')).map(ToOwned::to_owned),
        recoverable,
        help: help.map(ToOwned::to_owned),
    })
}

/// A reason is a text, or a table with one in it.
fn reason(job: &Json) -> Option<&str> {
    REASONS.iter().find_map(|name| {
        let found = at_any_depth(job, name)?;
        let found = found.as_str().or_else(|| text(found, &["Message", "Reason", "Code"]))?;
        Some(found).filter(|found| !found.trim().is_empty())
    })
}

fn advice(state: &str, reason: &str, job: &Json) -> (Option<bool>, Option<&'static str>) {
    let says = |word: &str| reason.contains(word);
    match state.to_ascii_uppercase().as_str() {
        "STOPPED" | "CANCELLED" | "ABORTED" | "CANCELED" => {
            (None, Some("somebody, or something, stopped it"))
        }
        "TIMEOUT" | "TIMED_OUT" => {
            (Some(false), Some("give the job a longer timeout of its own, or less to do"))
        }
        _ if at_any_depth(job, "Retryable").is_some_and(Json::is_boolean) => {
            (at_any_depth(job, "Retryable").and_then(Json::as_bool), None)
        }
        _ if says("is not authorized to perform") || says("Access Denied") || says("AccessDenied") => {
            (Some(false), Some("what the job may do is decided by its own role, not by the state machine's"))
        }
        _ if says("OutOfMemory") || says("out of memory") || says("exit code 137") => {
            (Some(false), Some("give the job more memory, or larger workers"))
        }
        _ => (None, None),
    }
}

/// Another state machine's execution.
fn of_execution(action: &str, job: &Json) -> Option<Explanation> {
    let arn = job.get("ExecutionArn")?.as_str()?;
    let status = text(job, &["Status"]).unwrap_or("FAILED");
    let name = arn.split(':').nth(6).unwrap_or(arn);
    let error = job.get("Error").and_then(Json::as_str).filter(|error| !error.is_empty());
    let inner = job.get("Cause").and_then(Json::as_str).map(cause::open);
    let said = inner.as_ref().and_then(|inner| {
        inner.as_str().or_else(|| inner.get("errorMessage")?.as_str()).or_else(|| reason(inner))
    });
    let first = said.and_then(|said| said.lines().next());
    let why: Vec<&str> = error.into_iter().chain(first).collect();
    let why = if why.is_empty() { String::new() } else { format!(": {}", why.join(": ")) };
    Some(Explanation {
        summary: format!("the execution of `{name}` that `{action}` started ended {status}{why}"),
        detail: said.filter(|said| said.contains('\n')).map(ToOwned::to_owned),
        recoverable: None,
        help: Some(format!(
            "its history says more: aws stepfunctions get-execution-history --execution-arn {arn}"
        )),
    })
}

/// A container of Batch or ECS.
fn of_container(action: &str, job: &Json) -> Option<Explanation> {
    let code = at_any_depth(job, "ExitCode")?.as_i64()?;
    let own = at_any_depth(job, "Container").unwrap_or(job);
    let of_container = text(own, &["Reason"]);
    let why = of_container.or_else(|| text(job, &["StatusReason", "StoppedReason"]));
    let said = why.map(|why| format!(" ({why})")).unwrap_or_default();
    let is_lost = why.is_some_and(|why| why.contains("Host EC2") || why.contains("Spot"));
    let (recoverable, help) = match code {
        _ if is_lost => (Some(true), Some("its host was taken away: a `retry` starts it again")),
        137 => (None, Some("it was killed: by lack of memory, unless somebody stopped it")),
        0 => (None, None),
        _ => (None, Some("its log says why: `bunsui logs last`")),
    };
    Some(Explanation {
        summary: format!("the container of `{action}` exited with code {code}{said}"),
        recoverable,
        help: help.map(ToOwned::to_owned),
        ..Explanation::default()
    })
}

/// The phase of a build that failed.
fn of_build(action: &str, job: &Json) -> Option<Explanation> {
    let phases = at_any_depth(job, "Phases")?.as_array()?;
    let is_failed = |phase: &&Json| {
        text(phase, &["PhaseStatus"]).is_some_and(|status| !["SUCCEEDED", "IN_PROGRESS"].contains(&status))
    };
    let phase = phases.iter().find(is_failed)?;
    let (kind, status) = (text(phase, &["PhaseType"])?, text(phase, &["PhaseStatus"])?);
    let message =
        at_any_depth(phase, "Contexts").and_then(|contexts| text(contexts, &["Message", "StatusCode"]));
    let message = message.map(|message| format!(": {message}")).unwrap_or_default();
    Some(Explanation {
        summary: format!("phase {kind} of the build that `{action}` started ended {status}{message}"),
        recoverable: None,
        help: Some("the build's log says more: `bunsui logs last`".to_owned()),
        ..Explanation::default()
    })
}
