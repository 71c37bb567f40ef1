//! What a session's runner did, as log lines.
//!
//! Takes: a session's events. Gives: a line for each, in the form of those of operations.
//! Deliberately does not: repeat what an event holds: `fields` has its number and name, and `session attach --output json` the rest.

use super::lines::brief_cause;
use super::text::{moment, one_line};
use crate::backend::LineSource;
use crate::runner::port::{SessionStore, StoreError};
use crate::session::{
    EventKind, FailureRecord, JobStatus, LogFilter, LogOrigin, LogRecord, SessionEvent, SessionId,
    SessionStatus,
};
use async_trait::async_trait;
use serde_json::json;
use std::sync::Arc;

/// Events that are read at once.
const PAGE: usize = 500;

/// A session's events as lines, read as they are needed.
pub struct RunnerLines {
    store: Arc<dyn SessionStore>,
    session: SessionId,
    filter: Arc<LogFilter>,
    seen: u64,
}

impl RunnerLines {
    /// From the first event on.
    pub fn new(store: Arc<dyn SessionStore>, session: SessionId, filter: Arc<LogFilter>) -> Self {
        Self { store, session, filter, seen: 0 }
    }
}

#[async_trait]
impl LineSource for RunnerLines {
    fn not_before(&self) -> &str {
        ""
    }

    async fn next(&mut self) -> Result<Vec<LogRecord>, StoreError> {
        if !self.filter.wants_source(LogOrigin::Runner) {
            return Ok(Vec::new());
        }
        loop {
            let events = self.store.events(&self.session, self.seen, PAGE).await?;
            let Some(last) = events.last() else { return Ok(Vec::new()) };
            self.seen = last.number;
            let lines = events.iter().map(|event| runner_line(&self.session, event));
            let lines: Vec<LogRecord> = lines.filter(|line| self.filter.wants(line)).collect();
            if !lines.is_empty() {
                return Ok(lines);
            }
        }
    }
}

/// The line of an event.
pub fn runner_line(session: &SessionId, event: &SessionEvent) -> LogRecord {
    let about = About::of(&event.kind);
    let (level, message) = said(&event.kind);
    let name = serde_json::to_value(&event.kind).map(|event| event["event"].clone()).unwrap_or_default();
    LogRecord {
        ts: format!("{:.3}", event.at),
        level: level.to_owned(),
        source: LogOrigin::Runner,
        session_id: session.to_string(),
        job_id: about.job.to_owned(),
        operation: about.operation.to_owned(),
        attempt: about.attempt,
        try_number: about.try_number,
        message,
        fields: match json!({"number": event.number, "event": name}) {
            serde_json::Value::Object(fields) => fields,
            _ => serde_json::Map::new(),
        },
    }
}

/// What an event is about; empty and 0 where it is about none.
#[derive(Default)]
struct About<'a> {
    job: &'a str,
    operation: &'a str,
    attempt: u32,
    try_number: u32,
}

impl<'a> About<'a> {
    fn of(event: &'a EventKind) -> Self {
        match event {
            EventKind::OperationStarted { job, attempt, operation, try_number }
            | EventKind::OperationSucceeded { job, attempt, operation, try_number }
            | EventKind::OperationRetrying { job, attempt, operation, try_number, .. }
            | EventKind::OperationFailed { job, attempt, operation, try_number, .. } => {
                Self { job, operation, attempt: *attempt, try_number: *try_number }
            }
            EventKind::AttemptLost { job, attempt }
            | EventKind::JobStarted { job, attempt, .. }
            | EventKind::JobSucceeded { job, attempt, .. }
            | EventKind::JobFailed { job, attempt, .. }
            | EventKind::JobTimedOut { job, attempt, .. }
            | EventKind::JobCancelled { job, attempt, .. }
            | EventKind::StopRequested { job, attempt }
            | EventKind::LeftoversEnded { job, attempt, .. }
            | EventKind::StopIncomplete { job, attempt, .. } => {
                Self { job, attempt: *attempt, ..Self::default() }
            }
            EventKind::JobReused { job, .. }
            | EventKind::JobSkipped { job, .. }
            | EventKind::JobUpstreamFailed { job, .. } => Self { job, ..Self::default() },
            EventKind::SessionCreated { .. }
            | EventKind::LeaseTaken { .. }
            | EventKind::SessionStarted
            | EventKind::SessionResumed { .. }
            | EventKind::SessionRetried { .. }
            | EventKind::JobsReset { .. }
            | EventKind::JobsRemoved { .. }
            | EventKind::PauseRequested { .. }
            | EventKind::SessionPaused { .. }
            | EventKind::CancelRequested { .. }
            | EventKind::SessionTimeoutReached
            | EventKind::SessionEnded { .. } => Self::default(),
        }
    }
}

/// An event's level and words.
fn said(event: &EventKind) -> (&'static str, String) {
    match event {
        EventKind::SessionCreated { session, pipeline, jobs } => {
            ("info", format!("session {session} of {pipeline}: {}", counted(*jobs, "job")))
        }
        EventKind::LeaseTaken { runner } => {
            ("debug", format!("driven by {} on {} (process {})", runner.user, runner.host, runner.pid))
        }
        EventKind::SessionStarted => ("debug", "jobs may start".into()),
        EventKind::SessionResumed { by } => ("info", format!("session resumed by {by}")),
        EventKind::SessionRetried { by, retry, .. } => ("info", format!("retry {retry}, asked for by {by}")),
        EventKind::JobsReset { jobs, .. } => ("debug", format!("pending again: {}", listed(jobs))),
        EventKind::JobsRemoved { jobs } => {
            ("debug", format!("not in the pipeline any more: {}", listed(jobs)))
        }
        EventKind::PauseRequested { by, reason, .. } => {
            ("info", format!("pause asked for by {by}: {reason}"))
        }
        EventKind::SessionPaused { reason, until, .. } => {
            let until = until.map(|until| format!(", until {}", moment(until))).unwrap_or_default();
            ("info", format!("session paused: {reason}{until}"))
        }
        EventKind::CancelRequested { by, reason } => ("warn", format!("cancel asked for by {by}: {reason}")),
        EventKind::SessionTimeoutReached => ("error", "the pipeline's timeout ran out".into()),
        EventKind::SessionEnded { status: SessionStatus::Succeeded } => ("info", "session succeeded".into()),
        EventKind::SessionEnded { status } => {
            ("error", format!("session {}", status.name().replace('_', " ")))
        }
        of_job => said_of_job(of_job),
    }
}

fn said_of_job(event: &EventKind) -> (&'static str, String) {
    match event {
        EventKind::JobStarted { job, attempt, redrive, .. } => {
            let again = if *attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
            let redriven = if redrive.is_some() { ", redriven" } else { "" };
            ("info", format!("{job} started{again}{redriven}"))
        }
        EventKind::JobSucceeded { job, .. } => ("info", format!("{job} succeeded")),
        EventKind::JobFailed { job, failure, allowed, .. } => failed(job, "failed", failure, *allowed),
        EventKind::JobTimedOut { job, failure, allowed, .. } => failed(job, "timed out", failure, *allowed),
        EventKind::JobCancelled { job, reason, .. } => ("warn", format!("{job} cancelled: {reason}")),
        EventKind::JobSkipped { job, reason } => ("info", format!("{job} skipped: {reason}")),
        EventKind::JobUpstreamFailed { job, upstream, status } => {
            let what = status.unwrap_or(JobStatus::Failed).past();
            ("warn", format!("{job} not run: `{upstream}` {what}"))
        }
        EventKind::JobReused { job, from, .. } => {
            ("info", format!("{job} reuses the output of session {from}"))
        }
        EventKind::AttemptLost { job, attempt } => {
            ("warn", format!("{job} cut off: attempt {attempt} ended with its runner"))
        }
        EventKind::StopRequested { job, .. } => ("debug", format!("{job} is stopped")),
        EventKind::LeftoversEnded { job, ended, .. } => {
            ("info", format!("{job} ended too: {}", ended.join("; ")))
        }
        EventKind::StopIncomplete { job, may_still_run, .. } => {
            ("warn", format!("{job} not ended: {}", may_still_run.join("; ")))
        }
        of_operation => said_of_operation(of_operation),
    }
}

fn said_of_operation(event: &EventKind) -> (&'static str, String) {
    match event {
        EventKind::OperationStarted { job, operation, try_number, .. } => {
            ("debug", format!("{job}/{operation} started, try {try_number}"))
        }
        EventKind::OperationSucceeded { job, operation, try_number, .. } => {
            ("debug", format!("{job}/{operation} succeeded, try {try_number}"))
        }
        EventKind::OperationRetrying { job, operation, try_number, delay_ms, error, cause, .. } => {
            let delay = *delay_ms as f64 / 1000.0;
            let cause = in_brackets(cause);
            (
                "warn",
                format!(
                    "{job}/{operation}: try {try_number} failed with {error}, the next in {delay:.1}s{cause}"
                ),
            )
        }
        EventKind::OperationFailed { job, operation, try_number, error, cause, .. } => {
            let cause = in_brackets(cause);
            ("debug", format!("{job}/{operation}: try {try_number} failed with {error}{cause}"))
        }
        // All others are said above.
        _ => ("debug", String::new()),
    }
}

fn failed(job: &str, how: &str, failure: &FailureRecord, allowed: bool) -> (&'static str, String) {
    let text = failure.summary.as_deref().or(failure.error.as_deref()).unwrap_or("it says nothing more");
    let text = one_line(text, 400);
    if allowed {
        ("warn", format!("{job} {how}, which is allowed: {text}"))
    } else {
        ("error", format!("{job} {how}: {text}"))
    }
}

fn in_brackets(cause: &str) -> String {
    brief_cause(cause).map(|cause| format!(" ({cause})")).unwrap_or_default()
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn listed(jobs: &[String]) -> String {
    one_line(&jobs.join(", "), 400)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    #[track_caller]
    fn check(kind: EventKind, expected: (&str, &str, &str, u32)) {
        let event = SessionEvent { number: 7, at: Timestamp::UNIX_EPOCH, kind };
        let line = runner_line(&SessionId::new("20261122-091530-9f9qa0").unwrap(), &event);
        assert_eq!(
            (line.level.as_str(), line.message.as_str(), line.job_id.as_str(), line.attempt),
            expected
        );
        assert_eq!((line.ts.as_str(), line.source), ("1970-01-01T00:00:00.000Z", LogOrigin::Runner));
    }

    #[test]
    fn events_are_lines_with_a_level() {
        let job = || "load".to_owned();
        check(EventKind::SessionStarted, ("debug", "jobs may start", "", 0));
        let redrive = Some(1);
        let started = EventKind::JobStarted { job: job(), attempt: 2, execution: "x".into(), redrive };
        check(started, ("info", "load started, attempt 2, redriven", "load", 2));
        let failure =
            || FailureRecord { summary: Some("KeyError: 'year'\nmore".into()), ..FailureRecord::default() };
        let failed = |allowed| EventKind::JobFailed { job: job(), attempt: 1, failure: failure(), allowed };
        check(failed(false), ("error", "load failed: KeyError: 'year'…", "load", 1));
        check(failed(true), ("warn", "load failed, which is allowed: KeyError: 'year'…", "load", 1));
        let retrying = EventKind::OperationRetrying {
            job: job(),
            attempt: 1,
            operation: "copy".into(),
            try_number: 1,
            delay_ms: 5000,
            error: "States.TaskFailed".into(),
            cause: r#"{"errorMessage": "no good"}"#.into(),
        };
        check(
            retrying,
            ("warn", "load/copy: try 1 failed with States.TaskFailed, the next in 5.0s (no good)", "load", 1),
        );
        check(
            EventKind::SessionEnded { status: SessionStatus::TimedOut },
            ("error", "session timed out", "", 0),
        );
    }
}
