//! What operations and executions said: read from CloudWatch where their plugins say it is, and kept in S3.
//!
//! Takes: an operation of an execution, and when it ran; an event of its history. Gives: lines, in the form in which they are stored.
//! Nothing but time, stream and pattern tells the lines of one task from those of others in the same group.
//! Deliberately does not: follow, or keep an end waiting for quotas: what cannot be read then can be read later.

use super::client::Connection;
use super::error::{AwsError, Call, classify};
use super::history::LastState;
use crate::pipeline::Job;
use crate::plugin::{AwsAccess, LogSource, OperationRun, Plugins};
use crate::runner::Redaction;
use crate::runner::port::{ObjectStore, StoreError, logs_key};
use crate::session::{LogOrigin, LogRecord, SessionId};
use crate::state_machine::StateMachine;
use aws_sdk_cloudwatchlogs::types::FilteredLogEvent;
use aws_sdk_sfn::types::HistoryEvent;
use jiff::Timestamp;
use serde_json::{Map, Value as Json};
use std::sync::Arc;
use std::time::Duration;

/// Lines that are read of one operation, at most.
const MOST: usize = 10_000;
/// Clocks differ, and what is said at the end is written a moment later, in milliseconds.
const MARGIN: (i64, i64) = (1_000, 3_000);
/// Lines arrive in CloudWatch late: where there are none it is looked again so often, with so long between.
const LOOKS: usize = 3;
const LOOK_PAUSE: Duration = Duration::from_millis(1_200);

/// What the lines of an attempt's history are kept as: no operation has such a name.
pub(super) const HISTORY: &str = "@step-functions";

/// Reads the lines of operations.
pub(super) struct OperationLogs {
    connection: Connection,
    plugins: Arc<Plugins>,
    access: AwsAccess,
    redaction: Arc<Redaction>,
}

/// An attempt of a job, whose operations say something.
pub(super) struct Attempt<'a> {
    pub(super) session: &'a SessionId,
    pub(super) job_key: &'a str,
    pub(super) job: &'a Job,
    pub(super) machine: &'a StateMachine,
    pub(super) number: u32,
}

impl<'a> Attempt<'a> {
    /// The operation whose state it is, by index.
    pub(super) fn operation_of(&self, state: &LastState) -> Option<usize> {
        self.machine.states.get(&state.name).map(|(index, _)| *index)
    }

    /// What its plugin is to know of an operation.
    pub(super) fn run(&self, operation: usize, state: &'a LastState) -> OperationRun<'a> {
        let found = &self.job.operations[operation];
        OperationRun {
            kind: &found.kind,
            job: self.job_key,
            operation: found.name.as_str(),
            keys: &self.machine.keys[operation],
            submitted: state.submitted.as_ref(),
        }
    }

    /// Where lines of it are kept.
    fn key(&self, speaker: &str) -> String {
        format!("{}/{}/{speaker}.{}-1.jsonl", logs_key(self.session), self.job_key, self.number)
    }
}

impl OperationLogs {
    pub(super) fn new(
        connection: Connection,
        plugins: Arc<Plugins>,
        access: AwsAccess,
        redaction: Arc<Redaction>,
    ) -> Self {
        Self { connection, plugins, access, redaction }
    }

    /// What an operation said while it was in a state. Where the execution has ended just now (`is_fresh`), lines may not have arrived
    /// yet; and who waits for its end is not kept waiting for a quota.
    pub(super) async fn lines(
        &self,
        attempt: &Attempt<'_>,
        operation: usize,
        state: &LastState,
        is_fresh: bool,
    ) -> Vec<LogRecord> {
        let of = attempt.run(operation, state);
        let sources = self.plugins.log_sources(&of, &self.access).await.unwrap_or_else(|error| {
            tracing::warn!("{error}");
            Vec::new()
        });
        let mut events = Vec::new();
        for look in 0..if is_fresh && !sources.is_empty() { LOOKS } else { 1 } {
            if look > 0 {
                tokio::time::sleep(LOOK_PAUSE).await;
            }
            for source in &sources {
                match self.events(source, state.span, is_fresh).await {
                    Ok(found) => events.extend(found),
                    Err(error) => {
                        tracing::warn!("the log of {}.{} cannot be read: {error}", of.job, of.operation);
                    }
                }
            }
            if !events.is_empty() {
                break;
            }
        }
        events.sort_by_key(|event| event.timestamp);
        events.into_iter().filter_map(|event| self.record(event, attempt, &of, state.tries)).collect()
    }

    /// One source's lines. Those that have the pattern name the stream; in it are the others of the same task.
    async fn events(
        &self,
        source: &LogSource,
        span: (i64, i64),
        is_fresh: bool,
    ) -> Result<Vec<FilteredLogEvent>, AwsError> {
        let own = self.filtered(source, source.pattern.as_deref(), None, span, is_fresh).await?;
        if source.pattern.is_none() || own.is_empty() {
            return Ok(own);
        }
        let at = |event: &FilteredLogEvent| event.timestamp.unwrap_or_default();
        let (first, last) = own
            .iter()
            .fold((i64::MAX, i64::MIN), |(first, last), event| (first.min(at(event)), last.max(at(event))));
        let stream = own.first().and_then(|event| event.log_stream_name.clone());
        self.filtered(source, None, stream.as_deref(), (first + MARGIN.0, last - MARGIN.1), is_fresh).await
    }

    async fn filtered(
        &self,
        source: &LogSource,
        pattern: Option<&str>,
        stream: Option<&str>,
        (from, to): (i64, i64),
        is_fresh: bool,
    ) -> Result<Vec<FilteredLogEvent>, AwsError> {
        let call = Call::new("logs", "FilterLogEvents", format!("log group `{}`", source.group));
        let client = self.connection.cloudwatch_logs(source.region.as_deref());
        let limiter = self.connection.limiter();
        let prefix =
            Some(source.stream_prefix.as_str()).filter(|prefix| !prefix.is_empty() && stream.is_none());
        let mut events = Vec::new();
        let mut token = None;
        loop {
            if !is_fresh {
                limiter.take("FilterLogEvents").await;
            } else if !limiter.take_spare("FilterLogEvents", tokio::time::Instant::now()) {
                return Err(AwsError::Throttled {
                    action: call.action(),
                    resource: format!("log group `{}`", source.group),
                    message: "its quota is used up; `bunsui logs` reads the lines later".to_owned(),
                    request: String::new(),
                });
            }
            let page = client
                .filter_log_events()
                .log_group_name(&source.group)
                .set_log_stream_name_prefix(prefix.map(str::to_owned))
                .set_log_stream_names(stream.map(|stream| vec![stream.to_owned()]))
                .set_filter_pattern(pattern.map(str::to_owned))
                .start_time(from - MARGIN.0)
                .end_time(to + MARGIN.1)
                .set_next_token(token)
                .send()
                .await;
            let page = match page.map_err(|error| classify(error, &call)) {
                Ok(page) => page,
                // A function that never said anything has no group.
                Err(AwsError::NotFound { .. }) => return Ok(events),
                Err(error) => return Err(error),
            };
            events.extend(page.events.unwrap_or_default());
            token = page.next_token;
            if token.is_none() || events.len() >= MOST {
                events.truncate(MOST);
                return Ok(events);
            }
        }
    }

    fn record(
        &self,
        event: FilteredLogEvent,
        attempt: &Attempt<'_>,
        of: &OperationRun<'_>,
        tries: u32,
    ) -> Option<LogRecord> {
        let at = Timestamp::from_millisecond(event.timestamp?).ok()?;
        let message = event.message?;
        let message = message.trim_end_matches(['\n', '\r']);
        Some(LogRecord {
            ts: format!("{at:.3}"),
            level: level(message).to_owned(),
            source: LogOrigin::Operation,
            session_id: attempt.session.to_string(),
            job_id: of.job.to_owned(),
            operation: of.operation.to_owned(),
            attempt: attempt.number,
            try_number: tries.max(1),
            message: self.redaction.text(message).into_owned(),
            fields: Map::new(),
        })
    }

    /// The line without secrets.
    pub(super) fn clean(&self, mut line: LogRecord) -> LogRecord {
        line.message = self.redaction.text(&line.message).into_owned();
        line
    }
}

/// A line of a history; none for events that say nothing to a reader of logs.
pub(super) fn history_line(
    event: &HistoryEvent,
    state: Option<&LastState>,
    attempt: &Attempt<'_>,
) -> Option<LogRecord> {
    let at = Timestamp::from_millisecond(event.timestamp().to_millis().ok()?).ok()?;
    let kind = event.r#type().as_str();
    let operation = state.and_then(|state| attempt.operation_of(state));
    let mut message = kind.to_owned();
    if let Some(state) = state {
        message.push_str(&format!(" in state {}", state.name));
    }
    let (error, cause) = event_error(event);
    let said: Vec<&str> = [error, cause].into_iter().flatten().filter(|text| !text.is_empty()).collect();
    if !said.is_empty() {
        message.push_str(&format!(": {}", said.join(": ")));
    }
    Some(LogRecord {
        ts: format!("{at:.3}"),
        level: history_level(kind).to_owned(),
        source: LogOrigin::StepFunctions,
        session_id: attempt.session.to_string(),
        job_id: attempt.job_key.to_owned(),
        operation: operation.map_or("", |index| attempt.job.operations[index].name.as_str()).to_owned(),
        attempt: attempt.number,
        try_number: state.map_or(0, |state| state.tries),
        message,
        fields: Map::from_iter([
            ("event_id".to_owned(), event.id().into()),
            ("type".to_owned(), kind.into()),
        ]),
    })
}

/// What fails an execution is an error; what fails in it may be tried again or caught.
fn history_level(kind: &str) -> &'static str {
    match kind {
        "ExecutionFailed" | "ExecutionTimedOut" | "ExecutionAborted" => "error",
        "ExecutionStarted" | "ExecutionSucceeded" | "ExecutionRedriven" => "info",
        kind if kind.ends_with("Failed") || kind.ends_with("TimedOut") => "warn",
        _ => "debug",
    }
}

/// Error and cause, as far as an event has them.
fn event_error(event: &HistoryEvent) -> (Option<&str>, Option<&str>) {
    macro_rules! first_of {
        ($($details:ident),* $(,)?) => {
            $(if let Some(details) = event.$details() {
                return (details.error(), details.cause());
            })*
        };
    }
    first_of!(
        task_failed_event_details,
        task_timed_out_event_details,
        task_start_failed_event_details,
        task_submit_failed_event_details,
        lambda_function_failed_event_details,
        lambda_function_timed_out_event_details,
        lambda_function_start_failed_event_details,
        lambda_function_schedule_failed_event_details,
        map_run_failed_event_details,
        execution_failed_event_details,
        execution_timed_out_event_details,
        execution_aborted_event_details,
    );
    (None, None)
}

/// Keeps lines of an attempt: an operation's, or its history's.
pub(super) async fn keep(
    objects: &dyn ObjectStore,
    attempt: &Attempt<'_>,
    speaker: &str,
    lines: &[LogRecord],
) -> Result<(), StoreError> {
    let mut bytes = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut bytes, line).unwrap_or_default();
        bytes.push(b'\n');
    }
    objects.put(&attempt.key(speaker), bytes).await
}

/// The level that a line says of itself: as JSON, or in brackets as Lambda's Python has it, or as Node's, between tabs.
fn level(message: &str) -> &'static str {
    let said = match serde_json::from_str::<Json>(message) {
        Ok(Json::Object(fields)) => {
            fields.get("level").and_then(Json::as_str).unwrap_or_default().to_uppercase()
        }
        _ => {
            let start: String = message.chars().take(100).collect::<String>().to_uppercase();
            let words = start.split(|c: char| !c.is_ascii_alphabetic());
            let known =
                ["TRACE", "DEBUG", "INFO", "WARN", "WARNING", "ERROR", "FATAL", "CRITICAL", "TRACEBACK"];
            words.into_iter().find(|word| known.contains(word)).unwrap_or_default().to_owned()
        }
    };
    match said.as_str() {
        "TRACE" | "DEBUG" => "debug",
        "WARN" | "WARNING" => "warn",
        "ERROR" | "FATAL" | "CRITICAL" | "TRACEBACK" => "error",
        _ => "info",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_their_level() {
        for (line, expected) in [
            ("[ERROR] KeyError: 'year'", "error"),
            ("2026-11-25T04:00:00Z\t1-2\tWARN\tslow", "warn"),
            (r#"{"level": "debug", "message": "x"}"#, "debug"),
            ("loaded 12 rows", "info"),
            ("Traceback (most recent call last):", "error"),
            ("START RequestId: 1-2 Version: $LATEST", "info"),
        ] {
            assert_eq!(level(line), expected, "{line}");
        }
    }
}
