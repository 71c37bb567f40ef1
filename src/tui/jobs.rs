//! What a session's events say of its jobs.
//!
//! Takes: events, in order. Gives: each job's record and what happened in it.
//! Deliberately does not: read a store.

use super::source::Counts;
use crate::session::{EventKind, JobRecord, JobStatus, SessionEvent};
use indexmap::IndexMap;
use jiff::Timestamp;
use std::collections::VecDeque;

/// A job as its events tell.
#[derive(Debug, Clone)]
pub(super) struct JobRow {
    pub(super) record: JobRecord,
    /// In the order in which they began.
    pub(super) operations: IndexMap<String, OperationRow>,
    /// A line each: attempts that came before, and how they ended.
    pub(super) earlier: Vec<String>,
}

/// An operation in the latest attempt.
#[derive(Debug, Clone)]
pub(super) struct OperationRow {
    pub(super) state: OperationState,
    pub(super) try_number: u32,
    pub(super) started_at: Timestamp,
    pub(super) ended_at: Option<Timestamp>,
    /// The last error's name.
    pub(super) error: Option<String>,
    /// Tries that came before, of many the last: which, and what was wrong.
    pub(super) earlier: VecDeque<(u32, String)>,
}

/// Earlier tries of an operation that are told of.
const MOST_TRIES: usize = 10;

/// Where an operation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OperationState {
    Running,
    Waiting,
    Succeeded,
    Failed,
}

/// All jobs of a session.
#[derive(Debug, Clone, Default)]
pub(super) struct Jobs {
    pub(super) rows: IndexMap<String, JobRow>,
    /// The number of the last event.
    pub(super) seen: u64,
    /// When its present go began, where that is not the first.
    pub(super) retried_at: Option<Timestamp>,
}

impl Jobs {
    /// Of these keys; more may come with events.
    pub(super) fn new(keys: &[String]) -> Self {
        let mut jobs = Self::default();
        jobs.learn(keys);
        jobs
    }

    /// There are these jobs, too.
    pub(super) fn learn(&mut self, keys: &[String]) {
        for key in keys {
            self.row(key);
        }
    }

    fn row(&mut self, job: &str) -> &mut JobRow {
        if !self.rows.contains_key(job) {
            self.rows.insert(job.to_owned(), JobRow::pending(job));
        }
        &mut self.rows[job]
    }

    /// Takes the next event; one that was taken before changes nothing.
    pub(super) fn apply(&mut self, event: &SessionEvent) {
        if event.number <= self.seen {
            return;
        }
        self.seen = event.number;
        let at = event.at;
        match &event.kind {
            EventKind::JobsReset { jobs, .. } => {
                for job in jobs {
                    let row = self.row(job);
                    let JobRow { record, .. } = JobRow::pending(job);
                    row.keep_attempt();
                    let attempt = row.record.attempt;
                    row.record = JobRecord { attempt, ..record };
                    row.operations.clear();
                }
            }
            EventKind::SessionRetried { .. } => self.retried_at = Some(at),
            EventKind::JobsRemoved { jobs } => {
                for job in jobs {
                    self.rows.shift_remove(job);
                }
            }
            kind => {
                if let [job] = kind.jobs() {
                    self.row(job).apply(kind, at);
                }
            }
        }
    }

    /// How many are where.
    pub(super) fn counts(&self) -> Counts {
        let count =
            |is: fn(JobStatus) -> bool| self.rows.values().filter(|row| is(row.record.status)).count();
        Counts {
            done: count(JobStatus::is_final),
            running: count(|status| status == JobStatus::Running),
            failed: count(|status| matches!(status, JobStatus::Failed | JobStatus::TimedOut)),
        }
    }
}

impl JobRow {
    fn pending(key: &str) -> Self {
        Self { record: JobRecord::pending(key), operations: IndexMap::new(), earlier: Vec::new() }
    }

    /// How an operation stands of which no event tells, of all that the job has in their order. Step Functions tells of none as
    /// it goes; what the job's end says of them is known.
    pub(super) fn untold(&self, operation: &str, all: &[&str]) -> String {
        let record = &self.record;
        let is_told = !self.operations.is_empty();
        let place = |name: &str| all.iter().position(|known| *known == name);
        let failure = record.failure.as_ref();
        match record.status {
            _ if is_told => "not begun".into(),
            JobStatus::Pending | JobStatus::Skipped | JobStatus::UpstreamFailed => "not begun".into(),
            JobStatus::Running => "known when the job has ended".into(),
            JobStatus::Succeeded if record.reused_from.is_some() => "not run".into(),
            JobStatus::Succeeded => "succeeded".into(),
            _ => match failure.and_then(|failure| Some((failure, failure.operation.as_deref()?))) {
                Some((_, failed)) if place(operation) < place(failed) => "succeeded".into(),
                Some((_, failed)) if place(operation) > place(failed) => "not begun".into(),
                Some((failure, _)) => {
                    let tries =
                        if failure.tries > 1 { format!(", try {}", failure.tries) } else { String::new() };
                    let error =
                        failure.error.as_deref().map(|error| format!(", {error}")).unwrap_or_default();
                    format!("failed{tries}{error}")
                }
                None => "not known".into(),
            },
        }
    }

    fn keep_attempt(&mut self) {
        let record = &self.record;
        if record.attempt == 0 || record.status == JobStatus::Pending {
            return;
        }
        let error = record.failure.as_ref().and_then(|failure| failure.error.as_deref());
        let error = error.map(|error| format!(": {error}")).unwrap_or_default();
        self.earlier.push(format!("attempt {} {}{error}", record.attempt, record.status.past()));
    }

    fn apply(&mut self, kind: &EventKind, at: Timestamp) {
        match kind {
            EventKind::JobReused { from, output, .. } => {
                self.record.reused_from = crate::session::SessionId::new(from).ok();
                self.record.output = Some(output.clone());
                self.record.status = JobStatus::Succeeded;
            }
            EventKind::AttemptLost { attempt, .. } => {
                self.earlier.push(format!("attempt {attempt} was cut off with its runner"));
                self.record.status = JobStatus::Pending;
            }
            EventKind::JobStarted { attempt, execution, .. } => {
                let pending = JobRecord::pending(&self.record.job_key);
                self.operations.clear();
                self.record = JobRecord {
                    status: JobStatus::Running,
                    attempt: *attempt,
                    execution: Some(execution.clone()),
                    started_at: Some(at),
                    ..pending
                };
            }
            EventKind::JobSucceeded { output, .. } => {
                self.record.output = Some(output.clone());
                self.end(JobStatus::Succeeded, at);
            }
            EventKind::JobFailed { failure, .. } => {
                self.record.failure = Some(failure.clone());
                self.end(JobStatus::Failed, at);
            }
            EventKind::JobTimedOut { failure, .. } => {
                self.record.failure = Some(failure.clone());
                self.end(JobStatus::TimedOut, at);
            }
            EventKind::JobCancelled { reason, .. } => {
                self.record.reason = Some(reason.clone());
                self.end(JobStatus::Cancelled, at);
            }
            EventKind::JobSkipped { reason, .. } => {
                self.record.reason = Some(reason.clone());
                self.end(JobStatus::Skipped, at);
            }
            EventKind::JobUpstreamFailed { upstream, status, .. } => {
                let what = status.unwrap_or(JobStatus::Failed).past();
                self.record.reason = Some(format!("`{upstream}` {what}"));
                self.end(JobStatus::UpstreamFailed, at);
            }
            EventKind::LeftoversEnded { ended, .. } => {
                self.record.ended_besides.extend(ended.iter().cloned());
            }
            EventKind::StopIncomplete { may_still_run, .. } => {
                self.record.may_still_run.extend(may_still_run.iter().cloned());
            }
            other => self.apply_operation(other, at),
        }
    }

    fn apply_operation(&mut self, kind: &EventKind, at: Timestamp) {
        let (operation, number, state, error) = match kind {
            EventKind::OperationStarted { operation, try_number, .. } => {
                (operation, try_number, OperationState::Running, None)
            }
            EventKind::OperationSucceeded { operation, try_number, .. } => {
                (operation, try_number, OperationState::Succeeded, None)
            }
            EventKind::OperationRetrying { operation, try_number, error, .. } => {
                (operation, try_number, OperationState::Waiting, Some(error))
            }
            EventKind::OperationFailed { operation, try_number, error, .. } => {
                (operation, try_number, OperationState::Failed, Some(error))
            }
            _ => return,
        };
        let is_over = matches!(state, OperationState::Succeeded | OperationState::Failed);
        let row = self.operations.entry(operation.clone()).or_insert(OperationRow {
            state,
            try_number: *number,
            started_at: at,
            ended_at: None,
            error: None,
            earlier: VecDeque::new(),
        });
        if row.try_number < *number
            && let Some(error) = row.error.take()
        {
            row.earlier.push_back((row.try_number, error));
            if row.earlier.len() > MOST_TRIES {
                row.earlier.pop_front();
            }
        }
        row.state = state;
        row.try_number = *number;
        row.ended_at = is_over.then_some(at);
        if let Some(error) = error {
            row.error = Some(error.clone());
        }
    }

    fn end(&mut self, status: JobStatus, at: Timestamp) {
        self.record.status = status;
        self.record.ended_at = Some(at);
    }
}
