//! What operations said: read from CloudWatch where their plugins say it is, and kept in S3.
//!
//! Takes: an operation of an execution, and when it ran. Gives: its lines, in the form in which they are stored.
//! Nothing but time, stream and pattern tells the lines of one task from those of others in the same group.
//! Deliberately does not: follow, or keep an end waiting for quotas: what cannot be read then can be read later.

use super::client::Connection;
use super::engine::execution_arn;
use super::error::{AwsError, Call, classify};
use super::history::{LastState, visits};
use crate::pipeline::{Job, Pipeline};
use crate::plugin::{AwsAccess, LogSource, OperationRun, Plugins};
use crate::runner::Redaction;
use crate::runner::port::{ObjectStore, StoreError, logs_key};
use crate::session::{JobRecord, LogFilter, LogRecord, SessionId};
use crate::state_machine::StateMachine;
use aws_sdk_cloudwatchlogs::types::FilteredLogEvent;
use indexmap::IndexMap;
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

    /// Where an operation's lines are kept.
    fn key(&self, operation: usize) -> String {
        let name = &self.job.operations[operation].name;
        format!("{}/{}/{name}.{}-1.jsonl", logs_key(self.session), self.job_key, self.number)
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
            session_id: attempt.session.to_string(),
            job_id: of.job.to_owned(),
            operation: of.operation.to_owned(),
            attempt: attempt.number,
            try_number: tries.max(1),
            message: self.redaction.text(message).into_owned(),
            fields: Map::new(),
        })
    }
}

/// A session whose lines are read.
pub struct LoggedSession<'a> {
    /// Its id.
    pub id: &'a SessionId,
    /// Its pipeline.
    pub pipeline: &'a Pipeline,
    /// One a job, in the order of the file.
    pub machines: &'a [StateMachine],
    /// The ARN of each job's state machine version, by job.
    pub versions: &'a IndexMap<String, String>,
    /// Its jobs.
    pub jobs: &'a [JobRecord],
}

/// The lines of a session, in the order of time: those that are kept, and what CloudWatch has of the rest.
pub async fn session_logs(
    connection: &Connection,
    plugins: Arc<Plugins>,
    access: AwsAccess,
    objects: &dyn ObjectStore,
    session: LoggedSession<'_>,
    filter: &LogFilter,
) -> Result<Vec<LogRecord>, StoreError> {
    let (mut records, kept) = kept(objects, session.id, filter).await?;
    let redaction = Arc::new(Redaction::new(Vec::new()));
    let logs = OperationLogs::new(connection.clone(), plugins, access, redaction);
    for record in session.jobs.iter().filter(|record| filter.wants_job(&record.job_key)) {
        let Some((index, _, job)) = session.pipeline.jobs.get_full(record.job_key.as_str()) else { continue };
        let Some((execution, version)) = record.execution.as_ref().zip(session.versions.get(&record.job_key))
        else {
            continue;
        };
        let attempt = Attempt {
            session: session.id,
            job_key: &record.job_key,
            job,
            machine: &session.machines[index],
            number: record.attempt,
        };
        let is_kept = |operation: &str| {
            kept.iter().any(|(job, name, attempt)| {
                (job, name.as_str(), *attempt) == (&record.job_key, operation, record.attempt)
            })
        };
        if job.operations.iter().all(|operation| is_kept(operation.name.as_str())) {
            continue;
        }
        let arn = execution_arn(version, execution);
        let found = visits(&connection.step_functions(), &connection.limiter(), &arn).await;
        let found = match found {
            Ok(found) => found,
            // Step Functions keeps a history for 90 days.
            Err(AwsError::NotFound { .. }) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        for visit in found {
            let Some(operation) = attempt.operation_of(&visit) else { continue };
            let name = job.operations[operation].name.as_str();
            if is_kept(name) || !filter.wants_operation(name) {
                continue;
            }
            let lines = logs.lines(&attempt, operation, &visit, false).await;
            records.extend(lines.into_iter().filter(|line| filter.wants(line)));
        }
    }
    records.sort_by(|a, b| a.ts.cmp(&b.ts));
    Ok(records)
}

/// Keeps the lines of an operation.
pub(super) async fn keep(
    objects: &dyn ObjectStore,
    attempt: &Attempt<'_>,
    operation: usize,
    lines: &[LogRecord],
) -> Result<(), StoreError> {
    let mut bytes = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut bytes, line).unwrap_or_default();
        bytes.push(b'\n');
    }
    objects.put(&attempt.key(operation), bytes).await
}

/// The lines that are kept of a session, and the `(job, operation, attempt)` of each object.
async fn kept(
    objects: &dyn ObjectStore,
    session: &SessionId,
    filter: &LogFilter,
) -> Result<(Vec<LogRecord>, Vec<(String, String, u32)>), StoreError> {
    let root = logs_key(session) + "/";
    let (mut records, mut whose) = (Vec::new(), Vec::new());
    for key in objects.list(&root).await? {
        let Some(speaker) = key.strip_prefix(&root).and_then(speaker_of) else { continue };
        if filter.wants_job(&speaker.0) && filter.wants_operation(&speaker.1) {
            let bytes = objects.get(&key).await?.unwrap_or_default();
            let lines =
                bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
            records.extend(lines.filter(|record: &LogRecord| filter.wants(record)));
            whose.push(speaker);
        }
    }
    Ok((records, whose))
}

/// `JOB/OPERATION.ATTEMPT-PART.jsonl`
fn speaker_of(name: &str) -> Option<(String, String, u32)> {
    let (job, file) = name.split_once('/')?;
    let (operation, rest) = file.strip_suffix(".jsonl")?.rsplit_once('.')?;
    let attempt = rest.split_once('-').map_or(rest, |(attempt, _)| attempt).parse().ok()?;
    Some((job.to_owned(), operation.to_owned(), attempt))
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

    #[test]
    fn an_objects_name_says_whose_it_is() {
        assert_eq!(speaker_of("load/copy.2-1.jsonl"), Some(("load".into(), "copy".into(), 2)));
        assert_eq!(speaker_of("load/copy.jsonl"), None);
    }
}
