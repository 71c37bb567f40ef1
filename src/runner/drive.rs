//! The loop: hears workers, requests and the clock, asks the dispatcher, stores, tells, acts - in this order.

use super::condition::PlanConditions;
use super::dispatcher::{Dispatcher, Effects, Ended, Input, Start};
use super::executor::{Executor, Report, WorkerError};
use super::failpoint;
use super::port::{
    Commit, Engine, ExecutionProgress, Leftovers, ObjectStore, OperationUpdate, SessionStore, StartExecution,
    StoreError, places_key,
};
use super::redaction::Redaction;
use super::request::Request;
use super::run::{Entry, EventConsumer, LEASE, RunnerError, SessionEnd};
use crate::plan::{Outputs, Plan, SessionFacts};
use crate::session::{
    EventKind, FailureRecord, JobRecord, LeaseRecord, PauseRecord, RequestKind, RequestRecord, SessionEvent,
    SessionRecord, SessionStatus,
};
use jiff::Timestamp;
use serde_json::Value as Json;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

/// Messages taken in one turn: they are stored in one transaction.
const BATCH: usize = 512;

/// How often the lease is renewed.
pub(super) const RENEWAL: Duration = Duration::from_secs(10);

/// How often the store is asked for requests.
const REQUEST_INTERVAL: Duration = Duration::from_millis(500);

/// What reaches the loop from workers and engines.
#[derive(Debug)]
pub(super) enum Message {
    Progress(ExecutionProgress),
    Ended(Report),
    Stopped { start: Start, left: Leftovers },
}

/// The outputs that dependants will read.
#[derive(Debug, Default)]
pub(super) struct KnownOutputs(pub(super) HashMap<String, Arc<Json>>);

impl Outputs for KnownOutputs {
    fn output(&self, job: &str) -> Option<Arc<Json>> {
        self.0.get(job).cloned()
    }
}

/// One session being driven.
pub(super) struct Drive {
    pub(super) plan: Arc<Plan>,
    pub(super) session: SessionRecord,
    pub(super) store: Arc<dyn SessionStore>,
    pub(super) objects: Arc<dyn ObjectStore>,
    pub(super) redaction: Arc<Redaction>,
    pub(super) engine: Arc<dyn Engine>,
    pub(super) executor: Executor,
    pub(super) dispatcher: Dispatcher,
    pub(super) outputs: KnownOutputs,
    pub(super) facts: SessionFacts,
    /// Of the last event that was stored.
    pub(super) number: u64,
    pub(super) now: fn() -> Timestamp,
    pub(super) bucket: String,
    /// Since when this runner drives without a pause; none while it waits in one.
    pub(super) active_since: Option<Timestamp>,
    /// For how long the session had been driven by then, in milliseconds.
    pub(super) active_before: u64,
    /// The number of the last stored request that was heard.
    pub(super) seen_requests: u64,
}

impl Drive {
    pub(super) async fn run(
        mut self,
        entry: Entry,
        reused: Vec<JobRecord>,
        mut messages: UnboundedReceiver<Message>,
        requests: &mut UnboundedReceiver<Request>,
        consumers: &mut [&mut dyn EventConsumer],
    ) -> Result<SessionEnd, RunnerError> {
        let mut inputs = vec![self.enter(entry, reused, consumers).await?];
        let mut renewal = interval(RENEWAL);
        let mut stored_requests = interval(REQUEST_INTERVAL);
        let mut batch = Vec::with_capacity(BATCH);
        let mut is_timed_out = false;
        loop {
            if self.turn(std::mem::take(&mut inputs), consumers).await? {
                return Ok(SessionEnd::Status(self.session.status));
            }
            let deadline = self.deadline().filter(|_| !is_timed_out);
            // Requests first: a flood of messages must not keep an interrupt waiting.
            tokio::select! {
                biased;
                Some(request) = requests.recv() => match request {
                    Request::Leave => return Ok(SessionEnd::Left),
                    Request::Pause { by, reason } => inputs.push(Input::Pause { by, reason, until: None }),
                    Request::Cancel { by, reason } => inputs.push(Input::Cancel { by, reason }),
                },
                () = until(deadline) => {
                    is_timed_out = true;
                    inputs.push(Input::TimeoutReached);
                }
                () = until(self.pause_end()) => {
                    inputs.push(Input::Resume { by: "the end of the pause".into() });
                }
                _ = renewal.tick() => self.renew().await?,
                _ = stored_requests.tick() => inputs.extend(self.stored_requests().await?),
                _ = messages.recv_many(&mut batch, BATCH) => {
                    for message in batch.drain(..) {
                        inputs.push(self.input(message)?);
                    }
                }
            }
        }
    }

    /// When the pipeline's timeout runs out; none while the session is paused, or without one.
    fn deadline(&self) -> Option<Instant> {
        let since = self.active_since?;
        let left = self.plan.pipeline.timeout?.saturating_sub(Duration::from_millis(self.active_before));
        Some(self.instant(since + left))
    }

    /// When the pause in which this runner waits ends by itself.
    fn pause_end(&self) -> Option<Instant> {
        let pause = self.session.pause.as_ref().filter(|_| self.session.status == SessionStatus::Paused)?;
        Some(self.instant(pause.until?))
    }

    fn instant(&self, at: Timestamp) -> Instant {
        let from_now = at.duration_since((self.now)());
        Instant::now() + Duration::try_from(from_now).unwrap_or_default()
    }

    pub(super) fn hold_lease(&mut self, event: u64, now: Timestamp) {
        self.session.lease = Some(LeaseRecord { event, taken_at: now, expires_at: now + LEASE });
    }

    /// Says that this runner lives. Refused where another has taken the lease: then this one writes nothing more.
    pub(super) async fn renew(&mut self) -> Result<(), StoreError> {
        let now = (self.now)();
        self.count_active(now);
        if let Some(lease) = &mut self.session.lease {
            lease.expires_at = now + LEASE;
        }
        self.store.renew(&self.session).await
    }

    fn count_active(&mut self, now: Timestamp) {
        let driven = self.active_since.map_or(0, |since| now.duration_since(since).as_millis());
        self.session.active_ms = self.active_before + u64::try_from(driven).unwrap_or_default();
    }

    async fn stored_requests(&mut self) -> Result<Vec<Input>, StoreError> {
        let requests = self.store.requests(&self.session.session_id, self.seen_requests).await?;
        let mut inputs = Vec::new();
        for (number, RequestRecord { kind, by, reason, until, .. }) in requests {
            self.seen_requests = number;
            inputs.push(match kind {
                RequestKind::Pause => Input::Pause { by, reason, until },
                RequestKind::Resume => Input::Resume { by },
                RequestKind::Cancel => Input::Cancel { by, reason },
            });
        }
        Ok(inputs)
    }

    /// Decides, stores, tells, acts. True when the runner's work is done.
    async fn turn(
        &mut self,
        inputs: Vec<Input>,
        consumers: &mut [&mut dyn EventConsumer],
    ) -> Result<bool, StoreError> {
        let now = (self.now)();
        let mut all = Effects::default();
        let mut waiting: VecDeque<Input> = inputs.into();
        let mut executions = Vec::new();
        while let Some(input) = waiting.pop_front() {
            let mut conditions = PlanConditions {
                plan: &self.plan,
                redaction: &self.redaction,
                outputs: &self.outputs,
                facts: &self.facts,
                bucket: &self.bucket,
            };
            let effects = self.dispatcher.handle(input, now, &mut conditions);
            all.events.extend(effects.events);
            all.jobs.extend(effects.jobs);
            all.stops.extend(effects.stops);
            all.status = effects.status.or(all.status);
            all.is_over |= effects.is_over;
            for start in effects.starts {
                match self.execution(start) {
                    Ok(execution) => executions.push(execution),
                    Err(failure) => {
                        let ended = Ended::Failed(*failure);
                        waiting.push_front(Input::JobEnded { job: start.job, ended });
                    }
                }
            }
        }
        failpoint::reach("decided");
        self.store_and_tell(all.events, all.jobs, all.status, all.is_over, now, consumers).await?;
        failpoint::reach("told");
        for execution in executions {
            self.executor.start(execution);
            failpoint::reach("started");
        }
        for stop in all.stops {
            self.executor.stop(stop, self.dispatcher.execution(stop.job).0);
            failpoint::reach("stopped");
        }
        Ok(all.is_over)
    }

    async fn store_and_tell(
        &mut self,
        kinds: Vec<EventKind>,
        jobs: Vec<JobRecord>,
        status: Option<SessionStatus>,
        is_over: bool,
        now: Timestamp,
        consumers: &mut [&mut dyn EventConsumer],
    ) -> Result<(), StoreError> {
        if kinds.is_empty() {
            return Ok(());
        }
        if let Some(status) = status {
            self.become_status(status, is_over, now);
            self.note_pause(&kinds, now);
        }
        let commit = Commit { session: status.map(|_| self.session.clone()), jobs, ..Commit::default() };
        self.commit(kinds, commit, now, consumers).await
    }

    fn become_status(&mut self, status: SessionStatus, is_over: bool, now: Timestamp) {
        self.session.status = status;
        self.count_active(now);
        if status == SessionStatus::Running {
            self.session.started_at.get_or_insert(now);
            self.active_since.get_or_insert(now);
        }
        if status.is_final() {
            self.session.ended_at = Some(now);
        }
        if status == SessionStatus::Paused {
            // Paused time does not count.
            self.active_before = self.session.active_ms;
            self.active_since = None;
        }
        if is_over {
            self.session.lease = None;
        }
    }

    /// Keeps in the session's record who paused it.
    fn note_pause(&mut self, kinds: &[EventKind], now: Timestamp) {
        for kind in kinds {
            match kind {
                EventKind::PauseRequested { by, reason, until } => {
                    let (by, reason, until) = (by.clone(), reason.clone(), *until);
                    self.session.pause = Some(PauseRecord { by, reason, at: now, until });
                }
                EventKind::SessionResumed { .. }
                | EventKind::CancelRequested { .. }
                | EventKind::SessionEnded { .. } => self.session.pause = None,
                _ => {}
            }
        }
    }

    /// Stores events with what they change, then tells them.
    pub(super) async fn commit(
        &mut self,
        kinds: Vec<EventKind>,
        commit: Commit,
        now: Timestamp,
        consumers: &mut [&mut dyn EventConsumer],
    ) -> Result<(), StoreError> {
        let first = self.number + 1;
        let events: Vec<SessionEvent> =
            (first..).zip(kinds).map(|(number, kind)| SessionEvent { number, at: now, kind }).collect();
        self.number += events.len() as u64;
        let session_id = Some(self.session.session_id.clone());
        self.store.append(Commit { session_id, events: events.clone(), ..commit }).await?;
        failpoint::reach("stored");
        tell(&events, consumers);
        Ok(())
    }

    /// What starts a job's execution, or takes one up that goes on.
    pub(super) fn execution(&self, start: Start) -> Result<StartExecution, Box<FailureRecord>> {
        let session = &self.session.session_id;
        let key = self.plan.pipeline.jobs[start.job].id.as_str();
        let (name, redrive) = self.dispatcher.execution(start.job);
        // One that goes on has the places that it had.
        let attempt = redrive.map_or(start.attempt, |redrive| redrive.attempt);
        let places = format!("{}/{}", self.bucket, places_key(session.as_str(), key, attempt));
        let input =
            self.plan.execution_input(start.job, &self.outputs, &self.facts, &places).map_err(|error| {
                Box::new(FailureRecord {
                    error: Some("States.DataLimitExceeded".into()),
                    summary: Some(error.to_string()),
                    recoverable: Some(false),
                    help: Some(format!(
                        "pass `{}` by reference: store it, and give its place as the output",
                        error.largest
                    )),
                    ..FailureRecord::default()
                })
            })?;
        Ok(StartExecution {
            name,
            session: session.clone(),
            job: start.job,
            job_key: key.to_owned(),
            attempt: start.attempt,
            machine: self.plan.machines[start.job].clone(),
            input,
            redrive: redrive.cloned(),
        })
    }

    fn input(&mut self, message: Message) -> Result<Input, WorkerError> {
        match message {
            Message::Progress(progress) => Ok(Input::Progress {
                job: progress.job,
                attempt: progress.attempt,
                update: self.redacted(progress.update),
            }),
            Message::Ended(report) => {
                let key = self.plan.pipeline.jobs[report.job].id.as_str();
                if let Some(output) = report.output.filter(|_| self.plan.is_output_read(key)) {
                    self.outputs.0.insert(key.to_owned(), output);
                }
                failpoint::reach("ended");
                Ok(Input::JobEnded { job: report.job, ended: report.ended? })
            }
            Message::Stopped { start, left } => {
                Ok(Input::Stopped { job: start.job, attempt: start.attempt, left })
            }
        }
    }

    fn redacted(&self, update: OperationUpdate) -> OperationUpdate {
        let clean = |text: String| self.redaction.text(&text).into_owned();
        match update {
            OperationUpdate::Retrying { operation, try_number, delay_ms, error, cause } => {
                OperationUpdate::Retrying {
                    operation,
                    try_number,
                    delay_ms,
                    error: clean(error),
                    cause: clean(cause),
                }
            }
            OperationUpdate::Failed { operation, try_number, error, cause } => {
                OperationUpdate::Failed { operation, try_number, error: clean(error), cause: clean(cause) }
            }
            other => other,
        }
    }
}

fn tell(events: &[SessionEvent], consumers: &mut [&mut dyn EventConsumer]) {
    for event in events {
        for consumer in &mut *consumers {
            consumer.event(event);
        }
    }
}

/// Ticks after each period; a loop that was busy for several hears of one.
fn interval(period: Duration) -> tokio::time::Interval {
    let mut interval = tokio::time::interval_at(Instant::now() + period, period);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    interval
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
