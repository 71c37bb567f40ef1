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
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Lines that are read of one source at once, at most.
const MOST: usize = 10_000;
/// Where an operation said more than that, what is kept of it is not more than one more reading.
const MOST_KEPT: usize = 100_000;
/// Lines arrive in CloudWatch late: where there are none it is looked again so often, with so long between.
const LOOKS: usize = 3;
const LOOK_PAUSE: Duration = Duration::from_millis(1_200);
/// And those that are read on are looked for so long before the last one that is known, in milliseconds.
const OVERLAP: i64 = 30_000;

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

/// Lines that were read, by the operation and what they are known again by, and their times.
pub(super) type Seen = HashMap<(usize, String), i64>;

/// What is done where a quota is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quota {
    /// Waits for it.
    Wait,
    /// Takes what need not be left for others, or does without.
    IfSpare,
}

/// Where the lines of a stay in a state are, and how far they were read.
#[derive(Debug, Default)]
pub(super) struct Place {
    is_found: bool,
    /// What was known of its task by then.
    submitted: Option<Json>,
    sources: Vec<LogSource>,
    from: i64,
    /// Until then all was read, and there is more at once.
    pub(super) goes_on: Option<i64>,
}

impl Place {
    /// What is read next bears no time before.
    pub(super) fn from(&self) -> i64 {
        self.from
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

    /// What an operation said in its stays of an execution that has ended just now. Lines may not have arrived yet, and who waits for its
    /// end is not kept waiting for a quota.
    pub(super) async fn lines_at_end(
        &self,
        attempt: &Attempt<'_>,
        operation: usize,
        stays: &[&LastState],
    ) -> Vec<LogRecord> {
        let mut seen = Seen::new();
        let mut places: Vec<Place> = stays.iter().map(|_| Place::default()).collect();
        let mut lines = Vec::new();
        for look in 0..LOOKS {
            if look > 0 {
                tokio::time::sleep(LOOK_PAUSE).await;
            }
            for (stay, place) in stays.iter().zip(&mut places) {
                loop {
                    lines.extend(
                        self.read_on(attempt, operation, stay, place, &mut seen, Quota::IfSpare).await,
                    );
                    if place.goes_on.is_none() || lines.len() >= MOST_KEPT {
                        break;
                    }
                }
            }
            if !lines.is_empty() || places.iter().all(|place| place.sources.is_empty()) {
                break;
            }
        }
        lines
    }

    /// What has come since it was read last, in the order of time. Of what was seen, nothing is given again.
    pub(super) async fn read_on(
        &self,
        attempt: &Attempt<'_>,
        operation: usize,
        state: &LastState,
        place: &mut Place,
        seen: &mut Seen,
        quota: Quota,
    ) -> Vec<LogRecord> {
        let of = attempt.run(operation, state);
        let (begin, end) = state.window();
        if !place.is_found || place.submitted != state.submitted {
            let sources = self.sources(&of).await;
            *place = Place {
                is_found: true,
                submitted: state.submitted.clone(),
                sources,
                from: begin,
                goes_on: None,
            };
        }
        let mut events = Vec::new();
        let mut last_of_full = None;
        for source in &place.sources {
            let found = self.events(&of, source, (place.from, end), quota).await;
            if found.len() >= MOST {
                let last = found.iter().filter_map(|event| event.timestamp).max();
                last_of_full = last_of_full.min(last).or(last);
            }
            events.extend(found);
        }
        // What lies beyond a page that was full comes with the next one.
        events.retain(|event| last_of_full.is_none() || event.timestamp <= last_of_full);
        events.sort_by_key(|event| event.timestamp);
        let last = events.last().and_then(|event| event.timestamp);
        events.retain(|event| {
            seen.insert((operation, id(event)), event.timestamp.unwrap_or_default()).is_none()
        });
        place.goes_on = last_of_full.filter(|_| !events.is_empty());
        place.from = place.goes_on.or(last.map(|last| last - OVERLAP)).unwrap_or(begin).max(place.from);
        events.into_iter().filter_map(|event| self.record(event, attempt, &of, state)).collect()
    }

    async fn sources(&self, of: &OperationRun<'_>) -> Vec<LogSource> {
        self.plugins.log_sources(of, &self.access).await.unwrap_or_else(|error| {
            tracing::warn!("{error}");
            Vec::new()
        })
    }

    /// One source's lines; none where they cannot be read. Those that have the pattern name the stream; in it are the others of the same
    /// task.
    async fn events(
        &self,
        of: &OperationRun<'_>,
        source: &LogSource,
        window: (i64, Option<i64>),
        quota: Quota,
    ) -> Vec<FilteredLogEvent> {
        let read = async {
            let own = self.filtered(source, source.pattern.as_deref(), None, window, quota).await?;
            if source.pattern.is_none() || own.is_empty() {
                return Ok(own);
            }
            let times = || own.iter().filter_map(|event| event.timestamp);
            let span = (times().min().unwrap_or(window.0), times().max());
            let stream = own.first().and_then(|event| event.log_stream_name.clone());
            self.filtered(source, None, stream.as_deref(), span, quota).await
        };
        read.await.unwrap_or_else(|error: AwsError| {
            tracing::warn!("the log of {}.{} cannot be read: {error}", of.job, of.operation);
            Vec::new()
        })
    }

    async fn filtered(
        &self,
        source: &LogSource,
        pattern: Option<&str>,
        stream: Option<&str>,
        (from, to): (i64, Option<i64>),
        quota: Quota,
    ) -> Result<Vec<FilteredLogEvent>, AwsError> {
        let call = Call::new("logs", "FilterLogEvents", format!("log group `{}`", source.group));
        let client = self.connection.cloudwatch_logs(source.region.as_deref());
        let limiter = self.connection.limiter();
        let prefix =
            Some(source.stream_prefix.as_str()).filter(|prefix| !prefix.is_empty() && stream.is_none());
        let mut events = Vec::new();
        let mut token = None;
        loop {
            if quota == Quota::Wait {
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
                .start_time(from)
                .set_end_time(to)
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
        state: &LastState,
    ) -> Option<LogRecord> {
        let millis = event.timestamp?;
        let at = Timestamp::from_millisecond(millis).ok()?;
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
            try_number: state.try_at(millis),
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

/// By what a line is known again. Not every stand-in for AWS has ids.
fn id(event: &FilteredLogEvent) -> String {
    let own = || {
        let FilteredLogEvent { log_stream_name, timestamp, message, .. } = event;
        format!("{log_stream_name:?} {timestamp:?} {message:?}")
    };
    event.event_id.clone().unwrap_or_else(own)
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
