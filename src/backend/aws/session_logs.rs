//! All that a session on AWS said: what is kept in S3, and the rest where it is.
//!
//! Takes: a session's events, which tell of its attempts. Gives: a source of lines for each object that is kept, and for each attempt
//! of which something is not: its history, and what CloudWatch has of its operations.
//! Deliberately does not: read an attempt before its time has come in the stream, or more of one than is wanted.

use super::client::Connection;
use super::engine::execution_arn;
use super::error::AwsError;
use super::history::History;
use super::logs::{Attempt, HISTORY, OperationLogs, Place, Quota, Seen, history_line};
use crate::backend::{FoundSources, LineSource, LineSources, Stores};
use crate::pipeline::Pipeline;
use crate::plugin::{AwsAccess, Plugins};
use crate::runner::Redaction;
use crate::runner::port::{ObjectStore, StoreError, logs_key};
use crate::session::{EventKind, LogFilter, LogOrigin, LogRecord, SessionEvent, SessionId};
use crate::state_machine::StateMachine;
use async_trait::async_trait;
use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Events that are read at once.
const PAGE: usize = 500;
/// Clocks differ: what an attempt says may bear a time before that at which its start was stored.
const EARLIER: SignedDuration = SignedDuration::from_secs(2);
/// Lines arrive in CloudWatch late: what has ended is read once more after so long.
const LATE: Duration = Duration::from_secs(5);

/// A session whose lines are read.
pub struct LoggedSession {
    /// Its id.
    pub id: SessionId,
    /// Its pipeline.
    pub pipeline: Arc<Pipeline>,
    /// One a job, in the order of the file.
    pub machines: Vec<StateMachine>,
    /// The ARN of each job's state machine version, by job.
    pub versions: IndexMap<String, String>,
}

/// Finds the sources of a session's lines.
pub struct SessionLogs {
    shared: Arc<Shared>,
    stores: Stores,
    seen: u64,
    attempts: IndexMap<(String, u32), Found>,
    keys: HashSet<String>,
}

/// What all sources of a session need.
struct Shared {
    logs: OperationLogs,
    connection: Connection,
    session: LoggedSession,
    filter: Arc<LogFilter>,
}

/// An attempt that events have told of.
struct Found {
    execution: String,
    redrive: u32,
    began: String,
    is_given: bool,
}

impl SessionLogs {
    /// Of a session, as far as lines are wanted.
    pub fn new(
        connection: &Connection,
        plugins: Arc<Plugins>,
        access: AwsAccess,
        stores: &Stores,
        session: LoggedSession,
        filter: Arc<LogFilter>,
    ) -> Self {
        // Secrets' values are not known here, and nothing is written.
        let redaction = Arc::new(Redaction::new(Vec::new()));
        let logs = OperationLogs::new(connection.clone(), plugins, access, redaction);
        let connection = connection.clone();
        Self {
            shared: Arc::new(Shared { logs, connection, session, filter }),
            stores: stores.clone(),
            seen: 0,
            attempts: IndexMap::new(),
            keys: HashSet::new(),
        }
    }

    /// Learns of attempts from events.
    async fn learn(&mut self) -> Result<(), StoreError> {
        loop {
            let id = &self.shared.session.id;
            let events = self.stores.sessions.events(id, self.seen, PAGE).await?;
            for event in &events {
                self.note(event);
                self.seen = event.number;
            }
            if events.len() < PAGE {
                return Ok(());
            }
        }
    }

    fn note(&mut self, event: &SessionEvent) {
        let EventKind::JobStarted { job, attempt, execution, redrive } = &event.kind else { return };
        let began = event.at.checked_sub(EARLIER).unwrap_or(Timestamp::UNIX_EPOCH);
        let found = Found {
            execution: execution.clone(),
            redrive: redrive.unwrap_or(0),
            began: format!("{began:.3}"),
            is_given: false,
        };
        self.attempts.insert((job.clone(), *attempt), found);
    }

    /// Objects that are kept of attempts that are not read already, each with what it holds.
    async fn kept(&mut self) -> Result<Vec<(String, Speaker)>, StoreError> {
        let root = logs_key(&self.shared.session.id) + "/";
        let mut found = Vec::new();
        for key in self.stores.objects.list(&root).await? {
            let Some(speaker) = key.strip_prefix(&root).and_then(Speaker::of) else { continue };
            let is_read =
                self.attempts.get(&(speaker.job.clone(), speaker.attempt)).is_some_and(|one| one.is_given);
            if !is_read && self.shared.wants(&speaker) && self.keys.insert(key.clone()) {
                found.push((key, speaker));
            }
        }
        Ok(found)
    }
}

#[async_trait]
impl LineSources for SessionLogs {
    async fn next(&mut self) -> Result<FoundSources, StoreError> {
        self.learn().await?;
        let kept = self.kept().await?;
        let mut sources: Vec<Box<dyn LineSource>> = Vec::new();
        for ((job, number), found) in &mut self.attempts {
            let is_of = |speaker: &&Speaker| speaker.job == *job && speaker.attempt == *number;
            let kept: HashSet<String> = kept
                .iter()
                .map(|(_, speaker)| speaker)
                .filter(is_of)
                .map(|speaker| speaker.operation.clone())
                .collect();
            if std::mem::replace(&mut found.is_given, true) || !self.shared.is_to_read(job, *number, &kept) {
                continue;
            }
            sources.push(Box::new(LiveAttempt {
                shared: self.shared.clone(),
                job: job.clone(),
                number: *number,
                execution: found.execution.clone(),
                redrive: found.redrive,
                began: found.began.clone(),
                kept,
                history: History::default(),
                heard: HashMap::new(),
                seen: Seen::new(),
                ready: Vec::new(),
                has_given: false,
                is_done: false,
            }));
        }
        for (key, speaker) in kept {
            let began = self.attempts.get(&(speaker.job, speaker.attempt)).map(|found| found.began.clone());
            sources.push(Box::new(KeptObject {
                objects: self.stores.objects.clone(),
                filter: self.shared.filter.clone(),
                key: Some(key),
                began: began.unwrap_or_default(),
            }));
        }
        Ok(FoundSources { sources, rest_from: None })
    }
}

impl Shared {
    fn wants(&self, speaker: &Speaker) -> bool {
        let filter = &self.filter;
        filter.wants_job(&speaker.job)
            && filter.wants_attempt(speaker.attempt)
            && if speaker.operation == HISTORY {
                filter.wants_source(LogOrigin::StepFunctions)
            } else {
                filter.wants_source(LogOrigin::Operation) && filter.wants_operation(&speaker.operation)
            }
    }

    /// Whether something of an attempt is wanted that is not kept. A history alone is read only for who asks for it.
    fn is_to_read(&self, job: &str, attempt: u32, kept: &HashSet<String>) -> bool {
        let Some(found) = self.session.pipeline.jobs.get(job) else { return false };
        let filter = &self.filter;
        if !filter.wants_job(job) || !filter.wants_attempt(attempt) {
            return false;
        }
        let asks_for_history = filter.sources.contains(&LogOrigin::StepFunctions);
        let is_missing = |name: &str| filter.wants_operation(name) && !kept.contains(name);
        (asks_for_history && !kept.contains(HISTORY))
            || (filter.wants_source(LogOrigin::Operation)
                && found.operations.iter().any(|operation| is_missing(operation.name.as_str())))
    }
}

/// An object of lines.
struct KeptObject {
    objects: Arc<dyn ObjectStore>,
    filter: Arc<LogFilter>,
    /// None once it was read: it does not grow.
    key: Option<String>,
    began: String,
}

#[async_trait]
impl LineSource for KeptObject {
    fn not_before(&self) -> &str {
        &self.began
    }

    async fn next(&mut self) -> Result<Vec<LogRecord>, StoreError> {
        let Some(key) = self.key.take() else { return Ok(Vec::new()) };
        let bytes = self.objects.get(&key).await?.unwrap_or_default();
        let lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
        Ok(lines.filter(|line| self.filter.wants(line)).collect())
    }
}

/// What is not kept of an attempt, read where it is; and read on, where it still runs and is followed.
struct LiveAttempt {
    shared: Arc<Shared>,
    job: String,
    number: u32,
    execution: String,
    redrive: u32,
    began: String,
    kept: HashSet<String>,
    history: History,
    /// How far the lines of its stays in states were read.
    heard: HashMap<usize, Heard>,
    /// Lines of operations that were read, as far as they may be read again, and their times.
    seen: Seen,
    /// Lines that wait for earlier ones.
    ready: Vec<LogRecord>,
    /// It gave its lines, and ends for now.
    has_given: bool,
    is_done: bool,
}

/// How far the lines of a stay were read.
#[derive(Default)]
struct Heard {
    place: Place,
    /// When it was read for the first time after its end.
    ended: Option<Instant>,
    is_done: bool,
}

#[async_trait]
impl LineSource for LiveAttempt {
    fn not_before(&self) -> &str {
        &self.began
    }

    async fn next(&mut self) -> Result<Vec<LogRecord>, StoreError> {
        if std::mem::take(&mut self.has_given) || self.is_done {
            return Ok(Vec::new());
        }
        loop {
            let read_to = self.read().await?.map(|at| format!("{at:.3}"));
            self.ready.sort_by(|a, b| a.ts.cmp(&b.ts));
            let count = self.ready.partition_point(|line| read_to.as_ref().is_none_or(|to| line.ts <= *to));
            let lines: Vec<_> =
                self.ready.drain(..count).filter(|line| self.shared.filter.wants(line)).collect();
            self.has_given = read_to.is_none() && !lines.is_empty();
            if read_to.is_none() || !lines.is_empty() {
                return Ok(lines);
            }
        }
    }
}

impl LiveAttempt {
    /// Reads on. Where there is more at once: the time until which all was read.
    async fn read(&mut self) -> Result<Option<Timestamp>, StoreError> {
        let shared = self.shared.clone();
        let Shared { logs, session, filter, .. } = &*shared;
        let found = session.pipeline.jobs.get_full(self.job.as_str());
        let Some(((index, _, job), version)) = found.zip(session.versions.get(&self.job)) else {
            return Ok(None);
        };
        let job_key = self.job.clone();
        let machine = &session.machines[index];
        let attempt = Attempt { session: &session.id, job_key: &job_key, job, machine, number: self.number };
        let goes_on = self.heard.values().any(|heard| heard.place.goes_on.is_some());
        if !goes_on && !self.history.is_over(self.redrive) {
            self.read_history(&attempt, &execution_arn(version, &self.execution)).await?;
        }
        let mut read_to = None;
        for (number, stay) in self.history.stays().iter().enumerate() {
            let Some(operation) = attempt.operation_of(stay).filter(|_| stay.redrive == self.redrive) else {
                continue;
            };
            let name = job.operations[operation].name.as_str();
            let is_wanted = !self.kept.contains(name)
                && filter.wants_operation(name)
                && filter.wants_source(LogOrigin::Operation);
            if !is_wanted {
                continue;
            }
            let heard = self.heard.entry(number).or_default();
            if heard.is_done || (goes_on && heard.place.goes_on.is_none()) {
                continue;
            }
            let place = &mut heard.place;
            let said = logs.read_on(&attempt, operation, stay, place, &mut self.seen, Quota::Wait).await;
            self.ready.extend(said);
            match heard.place.goes_on {
                Some(at) => read_to = Some(read_to.map_or(at, |to: i64| to.min(at))),
                None if stay.is_over => {
                    heard.is_done = heard.ended.get_or_insert_with(Instant::now).elapsed() >= LATE;
                }
                None => {}
            }
        }
        self.is_done = self.history.is_over(self.redrive) && self.heard.values().all(|heard| heard.is_done);
        let oldest = self.heard.values().filter(|heard| !heard.is_done).map(|heard| heard.place.from()).min();
        self.seen.retain(|_, at| oldest.is_some_and(|oldest| *at >= oldest));
        Ok(read_to.and_then(|at| Timestamp::from_millisecond(at).ok()))
    }

    async fn read_history(&mut self, attempt: &Attempt<'_>, arn: &str) -> Result<(), StoreError> {
        let Shared { connection, filter, .. } = &*self.shared;
        let is_wanted = filter.wants_source(LogOrigin::StepFunctions) && !self.kept.contains(HISTORY);
        let (ready, own) = (&mut self.ready, self.redrive);
        let mut hear = |event: &_, state: Option<&_>, redrive| {
            if is_wanted && redrive == own {
                ready.extend(history_line(event, state, attempt));
            }
        };
        let (client, limiter) = (connection.step_functions(), connection.limiter());
        match self.history.read_on(&client, &limiter, arn, &mut hear).await {
            // Step Functions keeps a history for 90 days.
            Err(AwsError::NotFound { .. }) => Ok(()),
            read => Ok(read?),
        }
    }
}

/// Whose lines an object holds.
#[derive(Debug, PartialEq, Eq)]
struct Speaker {
    job: String,
    operation: String,
    attempt: u32,
}

impl Speaker {
    /// `JOB/OPERATION.ATTEMPT-PART.jsonl`
    fn of(name: &str) -> Option<Self> {
        let (job, file) = name.split_once('/')?;
        let (operation, rest) = file.strip_suffix(".jsonl")?.rsplit_once('.')?;
        let attempt = rest.split_once('-').map_or(rest, |(attempt, _)| attempt).parse().ok()?;
        Some(Self { job: job.to_owned(), operation: operation.to_owned(), attempt })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_objects_name_says_whose_it_is() {
        let speaker =
            |operation: &str| Speaker { job: "load".into(), operation: operation.into(), attempt: 2 };
        assert_eq!(Speaker::of("load/copy.2-1.jsonl"), Some(speaker("copy")));
        assert_eq!(Speaker::of("load/@step-functions.2-1.jsonl"), Some(speaker(HISTORY)));
        assert_eq!(Speaker::of("load/copy.jsonl"), None);
    }
}
