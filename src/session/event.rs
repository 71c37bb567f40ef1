//! What happens in a session: plain data with a time and a number, in one order.

use super::{FailureRecord, JobStatus, OutputRecord, RunnerRecord, SessionStatus};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One thing that happened. The number is the fence: a store takes each number once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionEvent {
    /// From 1, without gaps.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened. `job` is a job key everywhere; attempts and tries count from 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// The session is stored.
    SessionCreated {
        /// The session.
        session: String,
        /// The pipeline's name.
        pipeline: String,
        /// How many jobs it has.
        jobs: usize,
    },
    /// A runner drives the session from here on.
    LeaseTaken {
        /// Who.
        runner: RunnerRecord,
    },
    /// Jobs may start.
    SessionStarted,
    /// The session goes on: with a later runner, or after a pause in which its runner waited.
    SessionResumed {
        /// Who asked for it.
        by: String,
    },
    /// A session that had ended is driven again, for what did not succeed.
    SessionRetried {
        /// Who asked for it.
        by: String,
        /// The go that begins, from 1.
        retry: u32,
        /// The jobs that were named; empty: all that did not succeed.
        jobs: Vec<String>,
        /// The version of the pipeline that it is pinned to from here on.
        version: String,
    },
    /// Jobs are pending again: a retry runs them. A retry of many jobs has several of these.
    JobsReset {
        /// Job keys.
        jobs: Vec<String>,
        /// Those of them whose executions go on from where they failed.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        redriven: Vec<String>,
        /// Those of them whose executions cannot, each with the reason.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        not_redriven: BTreeMap<String, String>,
    },
    /// Jobs that the session's pipeline has no more: a retry took up a file without them.
    JobsRemoved {
        /// Job keys.
        jobs: Vec<String>,
    },
    /// A job does not run: its output is another session's.
    JobReused {
        /// The job.
        job: String,
        /// That session.
        from: String,
        /// The output.
        output: OutputRecord,
    },
    /// An attempt was under way when its runner died; what it came to is not known, and another follows.
    AttemptLost {
        /// The job.
        job: String,
        /// Its attempt.
        attempt: u32,
    },
    /// An attempt of a job began.
    JobStarted {
        /// The job.
        job: String,
        /// Its attempt.
        attempt: u32,
        /// The execution's name.
        execution: String,
        /// How often the execution has gone on from where it failed, this time included; none: it is a new one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        redrive: Option<u32>,
    },
    /// A try of an operation's task began.
    OperationStarted {
        /// The job.
        job: String,
        /// Its attempt.
        attempt: u32,
        /// The operation.
        operation: String,
        /// The try.
        try_number: u32,
    },
    /// An operation's task gave its result.
    OperationSucceeded {
        /// The job.
        job: String,
        /// Its attempt.
        attempt: u32,
        /// The operation.
        operation: String,
        /// The try.
        try_number: u32,
    },
    /// A try failed, and another follows.
    OperationRetrying {
        /// The job.
        job: String,
        /// Its attempt.
        attempt: u32,
        /// The operation.
        operation: String,
        /// The try that failed.
        try_number: u32,
        /// Until the next try, in milliseconds.
        delay_ms: u64,
        /// The error's name.
        error: String,
        /// Its cause.
        cause: String,
    },
    /// A try failed, and no other follows (the job's definition may still catch the error).
    OperationFailed {
        /// The job.
        job: String,
        /// Its attempt.
        attempt: u32,
        /// The operation.
        operation: String,
        /// The try that failed.
        try_number: u32,
        /// The error's name.
        error: String,
        /// Its cause.
        cause: String,
    },
    /// A job gave its output.
    JobSucceeded {
        /// The job.
        job: String,
        /// Its attempt.
        attempt: u32,
        /// Its output.
        output: OutputRecord,
    },
    /// A job failed.
    JobFailed {
        /// The job.
        job: String,
        /// Its attempt.
        attempt: u32,
        /// Why.
        failure: FailureRecord,
        /// Its `allow_failure`: the session may still succeed.
        allowed: bool,
    },
    /// A job ran out of time.
    JobTimedOut {
        /// The job.
        job: String,
        /// Its attempt.
        attempt: u32,
        /// What ran out.
        failure: FailureRecord,
        /// Its `allow_failure`.
        allowed: bool,
    },
    /// A job was stopped, or will not start any more.
    JobCancelled {
        /// The job.
        job: String,
        /// Its attempt; 0 where it had none.
        attempt: u32,
        /// Why.
        reason: String,
    },
    /// `run_if` or `when` said no.
    JobSkipped {
        /// The job.
        job: String,
        /// Which of them, and why.
        reason: String,
    },
    /// A job that it needs failed.
    JobUpstreamFailed {
        /// The job.
        job: String,
        /// The first direct upstream that failed.
        upstream: String,
        /// What became of that one; none in events of older versions.
        #[serde(default)]
        status: Option<JobStatus>,
    },
    /// Somebody asked for a pause.
    PauseRequested {
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// Until when; then the session goes on by itself, if its runner lives.
        #[serde(default)]
        until: Option<Timestamp>,
    },
    /// Nothing runs; can be resumed.
    SessionPaused {
        /// Who asked for it.
        #[serde(default)]
        by: String,
        /// Why.
        reason: String,
        /// Until when the runner waits; none: it left.
        #[serde(default)]
        until: Option<Timestamp>,
    },
    /// Somebody asked to cancel.
    CancelRequested {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// An execution is about to be stopped.
    StopRequested {
        /// The job.
        job: String,
        /// Its attempt.
        attempt: u32,
    },
    /// An execution was stopped, and what it had left running was ended too.
    LeftoversEnded {
        /// The job.
        job: String,
        /// Its attempt.
        attempt: u32,
        /// What was ended, a line each.
        ended: Vec<String>,
    },
    /// An execution was stopped, and something of it could not be.
    StopIncomplete {
        /// The job.
        job: String,
        /// Its attempt.
        attempt: u32,
        /// What may still run, a line each.
        may_still_run: Vec<String>,
    },
    /// The pipeline's timeout ran out.
    SessionTimeoutReached,
    /// The session is final. A retry may follow.
    SessionEnded {
        /// How.
        status: SessionStatus,
    },
}

impl EventKind {
    /// The jobs that it is about.
    pub fn jobs(&self) -> &[String] {
        match self {
            Self::SessionCreated { .. }
            | Self::LeaseTaken { .. }
            | Self::SessionStarted
            | Self::SessionResumed { .. }
            | Self::SessionRetried { .. }
            | Self::PauseRequested { .. }
            | Self::SessionPaused { .. }
            | Self::CancelRequested { .. }
            | Self::SessionTimeoutReached
            | Self::SessionEnded { .. } => &[],
            Self::JobsReset { jobs, .. } | Self::JobsRemoved { jobs } => jobs,
            Self::JobReused { job, .. }
            | Self::AttemptLost { job, .. }
            | Self::JobStarted { job, .. }
            | Self::OperationStarted { job, .. }
            | Self::OperationSucceeded { job, .. }
            | Self::OperationRetrying { job, .. }
            | Self::OperationFailed { job, .. }
            | Self::JobSucceeded { job, .. }
            | Self::JobFailed { job, .. }
            | Self::JobTimedOut { job, .. }
            | Self::JobCancelled { job, .. }
            | Self::JobSkipped { job, .. }
            | Self::JobUpstreamFailed { job, .. }
            | Self::StopRequested { job, .. }
            | Self::LeftoversEnded { job, .. }
            | Self::StopIncomplete { job, .. } => std::slice::from_ref(job),
        }
    }
}
