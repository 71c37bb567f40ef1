//! Decides: which jobs start, which are skipped, and how the session ends. No clock, no I/O, no tokio.

use super::port::{Leftovers, OperationUpdate};
use crate::pipeline::{OnFailure, RunIf};
use crate::session::{
    EventKind, FailureRecord, JobRecord, JobStatus, OutputRecord, RECORD_VERSION, RedriveRecord,
    SessionStatus,
};
use jiff::Timestamp;
use std::collections::{BTreeSet, HashMap, VecDeque};

/// A job, as far as deciding needs it.
#[derive(Debug, Clone)]
pub struct JobNode {
    /// The job's key.
    pub key: String,
    /// Direct upstreams, by index.
    pub upstreams: Vec<usize>,
    /// Direct downstreams, by index.
    pub downstreams: Vec<usize>,
    /// Which statuses of the upstreams let it run.
    pub run_if: RunIf,
    /// Its failure counts as success for others and for the session.
    pub allow_failure: bool,
}

/// Something that happened or was asked.
#[derive(Debug, Clone)]
pub enum Input {
    /// The session begins.
    Begin,
    /// The session goes on: with a later runner, after [`Dispatcher::restore`], or after a pause, be it reached or not.
    Resume {
        /// Who asks.
        by: String,
    },
    /// A session that had ended is driven again, after [`Dispatcher::restore`].
    Retry,
    /// Inside a job's execution.
    Progress {
        /// The job.
        job: usize,
        /// Its attempt.
        attempt: u32,
        /// What happened.
        update: OperationUpdate,
    },
    /// An attempt of a job ended.
    JobEnded {
        /// The job.
        job: usize,
        /// How.
        ended: Ended,
    },
    /// No new jobs.
    Pause {
        /// Who asks.
        by: String,
        /// Why.
        reason: String,
        /// When the pause ends by itself: until then this runner waits.
        until: Option<Timestamp>,
    },
    /// An execution that was to be stopped is, or cannot be.
    Stopped {
        /// The job.
        job: usize,
        /// Its attempt.
        attempt: u32,
        /// What it had started besides.
        left: Leftovers,
    },
    /// Stop what runs.
    Cancel {
        /// Who asks.
        by: String,
        /// Why.
        reason: String,
    },
    /// The pipeline's timeout ran out.
    TimeoutReached,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    /// With an output.
    Succeeded(OutputRecord),
    /// With an error.
    Failed(FailureRecord),
    /// Out of time.
    TimedOut(FailureRecord),
    /// Stopped, by us or by somebody else.
    Aborted,
}

/// What is to be done, in this order: store events and records, tell consumers, then start and stop.
#[derive(Debug, Default)]
pub struct Effects {
    /// In order.
    pub events: Vec<EventKind>,
    /// Jobs whose records changed; a later one of the same job replaces an earlier.
    pub jobs: Vec<JobRecord>,
    /// To be started.
    pub starts: Vec<Start>,
    /// Running attempts to be stopped.
    pub stops: Vec<Start>,
    /// The session's new status, if it changed.
    pub status: Option<SessionStatus>,
    /// The runner's work is done: the session is final, or paused.
    pub is_over: bool,
}

/// An attempt of a job, to be started or stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// The job.
    pub job: usize,
    /// The attempt.
    pub attempt: u32,
}

/// What becomes of executions when their runner dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Executions {
    /// They end with it: what they came to is not known.
    EndWithRunner,
    /// They go on, and a later runner takes them up by their names.
    Survive,
}

/// Attempts that an earlier runner left under way.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Ended with their runner: the next attempt follows.
    pub lost: Vec<Start>,
    /// Go on: to be started under their names again, which adopts them.
    pub adopted: Vec<Start>,
}

/// What holds for a whole session.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Jobs in flight, at most.
    pub max_concurrency: usize,
    /// What a failure does to jobs that do not depend on it.
    pub on_failure: OnFailure,
    /// What every execution's name begins with.
    pub execution_prefix: String,
    /// How often the session was retried. A failure of an earlier go stops nothing in this one.
    pub retry: u32,
}

/// Evaluates a job's `when`. An error fails the job.
pub trait Conditions {
    /// Whether the job may run.
    fn condition(&mut self, job: usize) -> Result<bool, Box<FailureRecord>>;

    /// Whether an execution that could go on has the input that the job's next one would have.
    fn has_same_input(&mut self, job: usize, redrive: &RedriveRecord) -> bool;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Running,
    Pausing,
    /// Paused, and waiting for the end of the pause.
    Waiting,
    Cancelling,
    TimingOut,
    Over,
}

/// A pause as it was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Pause {
    by: String,
    reason: String,
    until: Option<Timestamp>,
}

#[derive(Debug, Clone)]
struct JobState {
    status: JobStatus,
    attempt: u32,
    open_upstreams: usize,
    started_at: Option<Timestamp>,
    /// Of an attempt that was to be stopped.
    left: Leftovers,
    /// The final record of an attempt that was stopped before it was known what of it may still run.
    stopped_record: Option<Box<JobRecord>>,
    /// The execution that is, or will be, its attempt, where that is no new one.
    redrive: Option<RedriveRecord>,
}

/// Holds the state of every job of a session and decides what follows from each input.
#[derive(Debug)]
pub struct Dispatcher {
    nodes: Vec<JobNode>,
    jobs: Vec<JobState>,
    /// Position of each job in the plan's order: ties are decided by it.
    ranks: Vec<usize>,
    order: Vec<usize>,
    /// Ranks of jobs that may start as soon as there is room.
    ready: BTreeSet<usize>,
    running: usize,
    /// Jobs that are not final yet.
    open: usize,
    /// Executions that were to be stopped and of which it is not known yet whether they are.
    stopping: usize,
    rules: Rules,
    mode: Mode,
    has_failed: bool,
    /// The same in the session's present go.
    has_failed_now: bool,
    pause: Pause,
}

impl Dispatcher {
    /// Nothing decided yet. `order` holds the jobs that are selected, each after its upstreams; `nodes` all of the pipeline,
    /// with edges between selected ones only.
    pub fn new(nodes: Vec<JobNode>, order: Vec<usize>, rules: Rules) -> Self {
        let jobs = nodes
            .iter()
            .map(|node| JobState {
                status: JobStatus::Pending,
                attempt: 0,
                open_upstreams: node.upstreams.len(),
                started_at: None,
                left: Leftovers::default(),
                stopped_record: None,
                redrive: None,
            })
            .collect();
        let mut ranks = vec![0; nodes.len()];
        for (rank, job) in order.iter().enumerate() {
            ranks[*job] = rank;
        }
        Self {
            open: order.len(),
            stopping: 0,
            nodes,
            jobs,
            ranks,
            order,
            ready: BTreeSet::new(),
            running: 0,
            rules,
            mode: Mode::Running,
            has_failed: false,
            has_failed_now: false,
            pause: Pause::default(),
        }
    }

    /// The status of a job.
    pub fn status(&self, job: usize) -> JobStatus {
        self.jobs[job].status
    }

    /// The execution of a job's present attempt: its name, and the earlier one that goes on as it.
    pub(super) fn execution(&self, job: usize) -> (String, Option<&RedriveRecord>) {
        let state = &self.jobs[job];
        let name = match &state.redrive {
            Some(redrive) => redrive.execution.clone(),
            None => execution_name(&self.rules.execution_prefix, &self.nodes[job].key, state.attempt),
        };
        (name, state.redrive.as_ref())
    }

    /// How many jobs run.
    pub fn running(&self) -> usize {
        self.running
    }

    /// Takes one input and decides all that follows from it.
    pub fn handle(&mut self, input: Input, now: Timestamp, conditions: &mut dyn Conditions) -> Effects {
        let mut effects = Effects::default();
        if self.mode == Mode::Over {
            return effects;
        }
        match input {
            Input::Begin => {
                effects.events.push(EventKind::SessionStarted);
                effects.status = Some(SessionStatus::Running);
                self.go_on(now, conditions, &mut effects);
            }
            Input::Resume { by } => {
                if matches!(self.mode, Mode::Running | Mode::Pausing | Mode::Waiting) {
                    self.mode = Mode::Running;
                    effects.events.push(EventKind::SessionResumed { by });
                    effects.status = Some(SessionStatus::Running);
                    self.go_on(now, conditions, &mut effects);
                }
            }
            Input::Retry => {
                effects.status = Some(SessionStatus::Running);
                self.go_on(now, conditions, &mut effects);
            }
            Input::Progress { job, attempt, update } => {
                effects.events.push(progress_event(&self.nodes[job].key, attempt, update));
                return effects;
            }
            Input::JobEnded { job, ended } => self.job_ended(job, ended, now, conditions, &mut effects),
            Input::Pause { by, reason, until } => self.pause(Pause { by, reason, until }, &mut effects),
            Input::Stopped { job, attempt, left } => {
                self.stopped(job, attempt, left, &mut effects);
            }
            Input::Cancel { by, reason } => {
                if self.mode != Mode::Cancelling {
                    effects.events.push(EventKind::CancelRequested { by, reason });
                    effects.status = Some(SessionStatus::Cancelling);
                    self.stop_all(Mode::Cancelling, now, conditions, &mut effects);
                }
            }
            Input::TimeoutReached => {
                if matches!(self.mode, Mode::Running | Mode::Pausing) {
                    effects.events.push(EventKind::SessionTimeoutReached);
                    self.stop_all(Mode::TimingOut, now, conditions, &mut effects);
                }
            }
        }
        self.start_ready(now, conditions, &mut effects);
        self.conclude(&mut effects);
        effects
    }

    /// Takes over what an earlier runner stored. An attempt that ended with its runner leaves its job pending, and the
    /// job's next attempt has the next number; one that goes on runs. To be called before any input.
    pub fn restore(&mut self, records: &[JobRecord], executions: Executions) -> Restored {
        let indices: HashMap<String, usize> =
            self.order.iter().map(|job| (self.nodes[*job].key.clone(), *job)).collect();
        let mut restored = Restored::default();
        for record in records {
            let Some(job) = indices.get(&record.job_key).copied() else { continue };
            let state = &mut self.jobs[job];
            state.attempt = record.attempt;
            state.started_at = record.started_at;
            state.redrive.clone_from(&record.redrive);
            let start = Start { job, attempt: record.attempt };
            match (record.status, executions) {
                (JobStatus::Pending, _) => state.started_at = None,
                (JobStatus::Running, Executions::EndWithRunner) => restored.lost.push(start),
                (JobStatus::Running, Executions::Survive) => {
                    state.status = JobStatus::Running;
                    self.running += 1;
                    restored.adopted.push(start);
                }
                (status, _) => {
                    let had_failed = self.has_failed_now;
                    self.settle(job, status);
                    self.has_failed_now = had_failed
                        || record.retry == self.rules.retry
                            && status.is_failure()
                            && !self.nodes[job].allow_failure;
                }
            }
        }
        restored
    }

    /// Decides all that is open and waits for nothing.
    fn go_on(&mut self, now: Timestamp, conditions: &mut dyn Conditions, effects: &mut Effects) {
        let is_open =
            |job: &usize| self.jobs[*job].status == JobStatus::Pending && self.jobs[*job].open_upstreams == 0;
        // Those that only waited for room are decided again with the others.
        self.ready.clear();
        let open: VecDeque<usize> = self.order.iter().copied().filter(is_open).collect();
        self.decide(open, now, conditions, effects);
    }

    /// One that is paused already, or will be, takes up another time or reason.
    fn pause(&mut self, pause: Pause, effects: &mut Effects) {
        let is_new = match self.mode {
            Mode::Running => true,
            Mode::Pausing | Mode::Waiting => pause != self.pause,
            Mode::Cancelling | Mode::TimingOut | Mode::Over => false,
        };
        if is_new {
            self.mode = Mode::Pausing;
            self.pause = pause.clone();
            let Pause { by, reason, until } = pause;
            effects.events.push(EventKind::PauseRequested { by, reason, until });
            effects.status = Some(SessionStatus::Pausing);
        }
    }

    fn stopped(&mut self, job: usize, attempt: u32, left: Leftovers, effects: &mut Effects) {
        self.stopping = self.stopping.saturating_sub(1);
        if left == Leftovers::default() {
            return;
        }
        let key = || self.nodes[job].key.clone();
        let Leftovers { ended, may_still_run } = left.clone();
        if !ended.is_empty() {
            effects.events.push(EventKind::LeftoversEnded { job: key(), attempt, ended });
        }
        if !may_still_run.is_empty() {
            effects.events.push(EventKind::StopIncomplete { job: key(), attempt, may_still_run });
        }
        // A record that is final already is told what was found only now.
        if let Some(mut record) = self.jobs[job].stopped_record.take() {
            record.ended_besides.clone_from(&left.ended);
            record.may_still_run.clone_from(&left.may_still_run);
            effects.jobs.push(*record);
        }
        self.jobs[job].left = left;
    }

    fn stop_all(
        &mut self,
        mode: Mode,
        now: Timestamp,
        conditions: &mut dyn Conditions,
        effects: &mut Effects,
    ) {
        self.mode = mode;
        for job in self.order.clone() {
            if self.jobs[job].status == JobStatus::Running {
                // The intent is an event of its own, stored before the stop is made: whoever goes on after a crash
                // knows that the execution was to end.
                let attempt = self.jobs[job].attempt;
                effects.events.push(EventKind::StopRequested { job: self.nodes[job].key.clone(), attempt });
                effects.stops.push(Start { job, attempt });
                self.stopping += 1;
            }
        }
        self.go_on(now, conditions, effects);
    }

    fn job_ended(
        &mut self,
        job: usize,
        ended: Ended,
        now: Timestamp,
        conditions: &mut dyn Conditions,
        effects: &mut Effects,
    ) {
        if self.jobs[job].status != JobStatus::Running {
            return;
        }
        self.running -= 1;
        let attempt = self.jobs[job].attempt;
        let key = self.nodes[job].key.clone();
        let allowed = self.nodes[job].allow_failure;
        let mut record = self.record(job);
        record.ended_at = Some(now);
        let (status, event) = match ended {
            Ended::Succeeded(output) => {
                record.output = Some(output.clone());
                (JobStatus::Succeeded, EventKind::JobSucceeded { job: key, attempt, output })
            }
            Ended::Failed(failure) => {
                record.failure = Some(failure.clone());
                (JobStatus::Failed, EventKind::JobFailed { job: key, attempt, failure, allowed })
            }
            Ended::TimedOut(failure) => {
                record.failure = Some(failure.clone());
                (JobStatus::TimedOut, EventKind::JobTimedOut { job: key, attempt, failure, allowed })
            }
            Ended::Aborted if self.mode == Mode::TimingOut => {
                let failure = FailureRecord {
                    error: Some("States.Timeout".into()),
                    summary: Some("the pipeline's timeout ran out".into()),
                    recoverable: Some(true),
                    help: Some("give the pipeline a longer `timeout`; a retry has all of it again".into()),
                    ..FailureRecord::default()
                };
                record.failure = Some(failure.clone());
                (JobStatus::TimedOut, EventKind::JobTimedOut { job: key, attempt, failure, allowed })
            }
            Ended::Aborted => {
                let reason = match self.mode {
                    Mode::Cancelling => "the session was cancelled",
                    _ => "its execution was stopped by somebody else",
                };
                record.reason = Some(reason.into());
                let event = EventKind::JobCancelled { job: key, attempt, reason: reason.into() };
                (JobStatus::Cancelled, event)
            }
        };
        record.status = status;
        effects.events.push(event);
        if self.stopping > 0 {
            self.jobs[job].stopped_record = Some(Box::new(record.clone()));
        }
        effects.jobs.push(record);
        debug_assert!(JobStatus::Running.may_become(status));
        let released = self.settle(job, status);
        self.decide(released, now, conditions, effects);
    }

    /// Makes a job final and gives those that can be decided now.
    fn settle(&mut self, job: usize, status: JobStatus) -> VecDeque<usize> {
        self.jobs[job].status = status;
        self.open -= 1;
        if status.is_failure() && !self.nodes[job].allow_failure {
            self.has_failed = true;
            self.has_failed_now = true;
        }
        let mut released = VecDeque::new();
        for at in 0..self.nodes[job].downstreams.len() {
            let downstream = self.nodes[job].downstreams[at];
            self.jobs[downstream].open_upstreams -= 1;
            if self.jobs[downstream].open_upstreams == 0 {
                released.push_back(downstream);
            }
        }
        released
    }

    /// Decides jobs whose upstreams are all final, and those that are final by that. A queue, not recursion: a chain may
    /// have thousands of jobs.
    fn decide(
        &mut self,
        mut undecided: VecDeque<usize>,
        now: Timestamp,
        conditions: &mut dyn Conditions,
        effects: &mut Effects,
    ) {
        while let Some(job) = undecided.pop_front() {
            if let Some((status, event)) = self.verdict(job, conditions) {
                let mut record = self.record(job);
                record.status = status;
                record.ended_at = Some(now);
                match &event {
                    EventKind::JobSkipped { reason, .. } | EventKind::JobCancelled { reason, .. } => {
                        record.reason = Some(reason.clone());
                    }
                    EventKind::JobUpstreamFailed { upstream, status: of, .. } => {
                        let what = of.unwrap_or(JobStatus::Failed).past();
                        record.reason = Some(format!("`{upstream}` {what}"));
                    }
                    EventKind::JobFailed { failure, .. } => record.failure = Some(failure.clone()),
                    _ => {}
                }
                effects.events.push(event);
                effects.jobs.push(record);
                debug_assert!(self.jobs[job].status.may_become(status));
                undecided.extend(self.settle(job, status));
            } else {
                self.ready.insert(self.ranks[job]);
            }
        }
    }

    /// The final status of a job that does not run; none for one that may start.
    fn verdict(&self, job: usize, conditions: &mut dyn Conditions) -> Option<(JobStatus, EventKind)> {
        let key = || self.nodes[job].key.clone();
        let attempt = self.jobs[job].attempt;
        let cancelled = |reason: String| {
            Some((JobStatus::Cancelled, EventKind::JobCancelled { job: key(), attempt, reason }))
        };
        // One whose attempt was lost with its runner had started.
        let when = if attempt == 0 { " before it started" } else { "" };
        match self.mode {
            Mode::Cancelling => return cancelled(format!("the session was cancelled{when}")),
            Mode::TimingOut => return cancelled(format!("the pipeline's timeout ran out{when}")),
            Mode::Running | Mode::Pausing | Mode::Waiting | Mode::Over => {}
        }
        if let Some(verdict) = self.run_if_verdict(job) {
            return Some(verdict);
        }
        if self.is_halted() {
            return cancelled("nothing new starts after a failure (`on_failure = \"stop\"`)".into());
        }
        match conditions.condition(job) {
            Ok(true) => None,
            Ok(false) => {
                let event = EventKind::JobSkipped { job: key(), reason: "`when` is false".into() };
                Some((JobStatus::Skipped, event))
            }
            Err(failure) => {
                let allowed = self.nodes[job].allow_failure;
                let event = EventKind::JobFailed { job: key(), attempt: 0, failure: *failure, allowed };
                Some((JobStatus::Failed, event))
            }
        }
    }

    fn run_if_verdict(&self, job: usize) -> Option<(JobStatus, EventKind)> {
        let node = &self.nodes[job];
        let counts_as_failed = |upstream: &&usize| {
            self.jobs[**upstream].status.is_failure() && !self.nodes[**upstream].allow_failure
        };
        let failed = node.upstreams.iter().find(counts_as_failed);
        let skipped =
            node.upstreams.iter().find(|upstream| self.jobs[**upstream].status == JobStatus::Skipped);
        let skip = |reason: String| {
            Some((JobStatus::Skipped, EventKind::JobSkipped { job: node.key.clone(), reason }))
        };
        match (node.run_if, failed, skipped) {
            (RunIf::AllSucceeded | RunIf::NoneFailed, Some(upstream), _) => {
                let status = Some(self.jobs[*upstream].status);
                let upstream = self.nodes[*upstream].key.clone();
                let event = EventKind::JobUpstreamFailed { job: node.key.clone(), upstream, status };
                Some((JobStatus::UpstreamFailed, event))
            }
            (RunIf::AllSucceeded, None, Some(upstream)) => {
                skip(format!("`{}` was skipped", self.nodes[*upstream].key))
            }
            (RunIf::AnyFailed, None, _) => {
                skip("nothing that it depends on failed (`run_if = \"any_failed\"`)".into())
            }
            (RunIf::AllSucceeded | RunIf::NoneFailed, None, _)
            | (RunIf::AnyFailed, Some(_), _)
            | (RunIf::Always, _, _) => None,
        }
    }

    fn is_halted(&self) -> bool {
        self.has_failed_now && self.rules.on_failure == OnFailure::Stop
    }

    fn start_ready(&mut self, now: Timestamp, conditions: &mut dyn Conditions, effects: &mut Effects) {
        if self.mode != Mode::Running {
            return;
        }
        if self.is_halted() && !self.ready.is_empty() {
            let waiting = std::mem::take(&mut self.ready).into_iter().map(|rank| self.order[rank]).collect();
            self.decide(waiting, now, &mut NoConditions, effects);
            return;
        }
        while self.running < self.rules.max_concurrency.max(1) {
            let Some(rank) = self.ready.pop_first() else { break };
            let job = self.order[rank];
            let state = &mut self.jobs[job];
            state.status = JobStatus::Running;
            state.attempt += 1;
            state.started_at = Some(now);
            self.running += 1;
            if state.redrive.as_ref().is_some_and(|redrive| !conditions.has_same_input(job, redrive)) {
                state.redrive = None;
            }
            let record = self.record(job);
            effects.events.push(EventKind::JobStarted {
                job: record.job_key.clone(),
                attempt: record.attempt,
                execution: record.execution.clone().unwrap_or_default(),
                redrive: record.redrive.as_ref().map(|redrive| redrive.count + 1),
            });
            effects.starts.push(Start { job, attempt: record.attempt });
            effects.jobs.push(record);
        }
    }

    fn conclude(&mut self, effects: &mut Effects) {
        // What an execution left behind is part of how the session ended.
        if self.open == 0 && self.stopping == 0 {
            let status = match self.mode {
                Mode::Cancelling => SessionStatus::Cancelled,
                Mode::TimingOut => SessionStatus::TimedOut,
                _ if self.has_failed => SessionStatus::Failed,
                _ => SessionStatus::Succeeded,
            };
            effects.events.push(EventKind::SessionEnded { status });
            effects.status = Some(status);
            effects.is_over = true;
            self.mode = Mode::Over;
        } else if self.mode == Mode::Pausing && self.running == 0 {
            let Pause { by, reason, until } = self.pause.clone();
            effects.events.push(EventKind::SessionPaused { by, reason, until });
            effects.status = Some(SessionStatus::Paused);
            effects.is_over = until.is_none();
            self.mode = if until.is_none() { Mode::Over } else { Mode::Waiting };
        }
    }

    fn record(&self, job: usize) -> JobRecord {
        let state = &self.jobs[job];
        JobRecord {
            record_version: RECORD_VERSION,
            job_key: self.nodes[job].key.clone(),
            status: state.status,
            attempt: state.attempt,
            execution: (state.attempt > 0).then(|| self.execution(job).0),
            started_at: state.started_at,
            ended_at: None,
            output: None,
            failure: None,
            reason: None,
            retry: self.rules.retry,
            reused_from: None,
            ended_besides: state.left.ended.clone(),
            may_still_run: state.left.may_still_run.clone(),
            redrive: state.redrive.clone(),
        }
    }
}

/// For jobs that will not start whatever their condition says.
struct NoConditions;

impl Conditions for NoConditions {
    fn condition(&mut self, _job: usize) -> Result<bool, Box<FailureRecord>> {
        Ok(true)
    }

    fn has_same_input(&mut self, _job: usize, _redrive: &RedriveRecord) -> bool {
        false
    }
}

/// `<session>--<job>-<attempt>`, at most 80 characters: the job's part is shortened with a hash where it must be.
pub(super) fn execution_name(session: &str, job_key: &str, attempt: u32) -> String {
    const LIMIT: usize = 80;
    let clean: String = job_key
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' })
        .collect();
    let name = format!("{session}--{clean}-{attempt}");
    if name.len() <= LIMIT && clean == job_key {
        return name;
    }
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(job_key.as_bytes());
    let tail = format!("-{:02x}{:02x}{:02x}{:02x}-{attempt}", digest[0], digest[1], digest[2], digest[3]);
    let room = LIMIT.saturating_sub(session.len() + 2 + tail.len());
    format!("{session}--{}{tail}", &clean[..clean.len().min(room)])
}

fn progress_event(job: &str, attempt: u32, update: OperationUpdate) -> EventKind {
    let job = job.to_owned();
    match update {
        OperationUpdate::Started { operation, try_number } => {
            EventKind::OperationStarted { job, attempt, operation, try_number }
        }
        OperationUpdate::Succeeded { operation, try_number } => {
            EventKind::OperationSucceeded { job, attempt, operation, try_number }
        }
        OperationUpdate::Retrying { operation, try_number, delay_ms, error, cause } => {
            EventKind::OperationRetrying { job, attempt, operation, try_number, delay_ms, error, cause }
        }
        OperationUpdate::Failed { operation, try_number, error, cause } => {
            EventKind::OperationFailed { job, attempt, operation, try_number, error, cause }
        }
    }
}

#[cfg(test)]
mod tests;
