//! All that a session on AWS said: what is kept in S3, and the rest where it is.
//!
//! Takes: a session's events, which tell of its attempts. Gives: a source of lines for each object that is kept, and for each attempt
//! of which something is not: its history, and what CloudWatch has of its operations.
//! Deliberately does not: read an attempt before its time has come in the stream, or more of one than is wanted.

use super::client::Connection;
use super::engine::execution_arn;
use super::error::AwsError;
use super::history::visits;
use super::logs::{Attempt, HISTORY, OperationLogs, history_line};
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
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Events that are read at once.
const PAGE: usize = 500;
/// Clocks differ: what an attempt says may bear a time before that at which its start was stored.
const EARLIER: SignedDuration = SignedDuration::from_secs(2);
/// Lines arrive in CloudWatch late: an attempt that has ended is read once more after so long.
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
    /// Attempts that have ended, and when that was learnt.
    over: Mutex<IndexMap<(String, u32), Instant>>,
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
        let (connection, over) = (connection.clone(), Mutex::default());
        Self {
            shared: Arc::new(Shared { logs, connection, session, filter, over }),
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
        match &event.kind {
            EventKind::JobStarted { job, attempt, execution, redrive } => {
                let began = event.at.checked_sub(EARLIER).unwrap_or(Timestamp::UNIX_EPOCH);
                let found = Found {
                    execution: execution.clone(),
                    redrive: redrive.unwrap_or(0),
                    began: format!("{began:.3}"),
                    is_given: false,
                };
                self.attempts.insert((job.clone(), *attempt), found);
            }
            EventKind::JobSucceeded { job, attempt, .. }
            | EventKind::JobFailed { job, attempt, .. }
            | EventKind::JobTimedOut { job, attempt, .. }
            | EventKind::JobCancelled { job, attempt, .. }
            | EventKind::AttemptLost { job, attempt } => {
                self.shared.over().insert((job.clone(), *attempt), Instant::now());
            }
            _ => {}
        }
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
                seen: HashSet::new(),
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
    fn over(&self) -> std::sync::MutexGuard<'_, IndexMap<(String, u32), Instant>> {
        self.over.lock().unwrap_or_else(PoisonError::into_inner)
    }

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

/// What is not kept of an attempt, read where it is; again and again, where it still runs and is followed.
struct LiveAttempt {
    shared: Arc<Shared>,
    job: String,
    number: u32,
    execution: String,
    redrive: u32,
    began: String,
    kept: HashSet<String>,
    /// What it has given: a line, and the how manieth of its kind. Each reading finds all lines again, and more.
    seen: HashSet<(u64, u32)>,
    /// It gave its lines, and ends for now.
    has_given: bool,
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
        let over = self.shared.over().get(&(self.job.clone(), self.number)).copied();
        self.is_done = over.is_some_and(|over| over.elapsed() >= LATE);
        let mut lines = self.read().await?;
        let mut times_said = HashMap::new();
        lines.retain(|line| {
            let said = digest(line);
            let times = times_said.entry(said).or_insert(0_u32);
            *times += 1;
            self.seen.insert((said, *times)) && self.shared.filter.wants(line)
        });
        lines.sort_by(|a, b| a.ts.cmp(&b.ts));
        self.has_given = !lines.is_empty();
        Ok(lines)
    }
}

impl LiveAttempt {
    async fn read(&self) -> Result<Vec<LogRecord>, StoreError> {
        let Shared { logs, connection, session, filter, .. } = &*self.shared;
        let found = session.pipeline.jobs.get_full(self.job.as_str());
        let Some(((index, _, job), version)) = found.zip(session.versions.get(&self.job)) else {
            return Ok(Vec::new());
        };
        let machine = &session.machines[index];
        let attempt = Attempt { session: &session.id, job_key: &self.job, job, machine, number: self.number };
        let arn = execution_arn(version, &self.execution);
        let mut lines = Vec::new();
        let is_history_wanted = filter.wants_source(LogOrigin::StepFunctions) && !self.kept.contains(HISTORY);
        let mut hear = |event: &_, state: Option<&_>, redrive| {
            if is_history_wanted && redrive == self.redrive {
                lines.extend(history_line(event, state, &attempt));
            }
        };
        let visits = visits(&connection.step_functions(), &connection.limiter(), &arn, &mut hear).await;
        let visits = match visits {
            Ok(visits) => visits,
            // Step Functions keeps a history for 90 days.
            Err(AwsError::NotFound { .. }) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        for visit in visits.iter().filter(|visit| visit.redrive == self.redrive) {
            let Some(operation) = attempt.operation_of(visit) else { continue };
            let name = job.operations[operation].name.as_str();
            if !self.kept.contains(name)
                && filter.wants_operation(name)
                && filter.wants_source(LogOrigin::Operation)
            {
                lines.extend(logs.lines(&attempt, operation, visit, false).await);
            }
        }
        Ok(lines)
    }
}

/// By what a line is known again: who said it, when, and what.
fn digest(line: &LogRecord) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    (&line.operation, &line.ts, &line.message, line.source == LogOrigin::Operation).hash(&mut hasher);
    hasher.finish()
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
