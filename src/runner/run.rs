//! The loop: hears workers, requests and the timeout, asks the dispatcher, stores, tells, acts - in this order.

use super::dispatcher::{Conditions, Dispatcher, Effects, Ended, Input, JobNode, Start, execution_name};
use super::executor::{Executor, Report, WorkerError};
use super::explanation::explain;
use super::port::{
    Commit, Engine, ExecutionProgress, ObjectStore, OperationUpdate, SessionStore, StartExecution,
    StoreError, deployment_key, places_key,
};
use super::redaction::Redaction;
use super::request::Request;
use crate::expression::EvaluationError;
use crate::plan::{ConditionError, Outputs, Plan, SessionFacts};
use crate::session::{
    DeploymentRecord, EventKind, FailureRecord, JobRecord, LeaseRecord, OutputRecord, RequestKind,
    RequestRecord, SessionEvent, SessionRecord, SessionStatus,
};
use indexmap::IndexMap;
use jiff::Timestamp;
use serde_json::Value as Json;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Messages taken in one turn: they are stored in one transaction.
const BATCH: usize = 512;

/// Somebody who wants to know what happens; told after it is stored.
pub trait EventConsumer {
    /// Takes an event.
    fn event(&mut self, event: &SessionEvent);
}

/// What reaches the loop from workers and engines.
#[derive(Debug)]
pub(super) enum Message {
    Progress(ExecutionProgress),
    Ended(Report),
}

/// Takes progress from an engine.
#[derive(Debug, Clone)]
pub struct ProgressSender(UnboundedSender<Message>);

impl ProgressSender {
    /// Passes it on, in order; after the runner is gone, nowhere.
    pub fn send(&self, progress: ExecutionProgress) {
        let _ = self.0.send(Message::Progress(progress));
    }
}

/// The runner's ear: made before the engine, since the engine speaks into it.
#[derive(Debug)]
pub struct Inbox {
    sender: UnboundedSender<Message>,
    receiver: UnboundedReceiver<Message>,
}

impl Default for Inbox {
    fn default() -> Self {
        let (sender, receiver) = unbounded_channel();
        Self { sender, receiver }
    }
}

impl Inbox {
    /// For an engine.
    pub fn progress(&self) -> ProgressSender {
        ProgressSender(self.sender.clone())
    }
}

/// A backend, and what a runner needs besides.
pub struct Runner {
    /// Starts executions.
    pub engine: Arc<dyn Engine>,
    /// Keeps sessions.
    pub store: Arc<dyn SessionStore>,
    /// Keeps what is large.
    pub objects: Arc<dyn ObjectStore>,
    /// Knows the secrets.
    pub redaction: Arc<Redaction>,
    /// Tells the time.
    pub now: fn() -> Timestamp,
    /// Jobs in flight, at most.
    pub max_concurrency: usize,
    /// What hears engine and workers.
    pub inbox: Inbox,
    /// Where executions may leave objects: `s3://<bucket>`.
    pub bucket: String,
}

/// How a runner comes to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// It is new.
    New,
    /// An earlier runner paused it, left it, or died.
    Resume {
        /// Who asked.
        by: String,
        /// The session's last event when nobody was seen to drive it. The lease is taken by the one after: whoever else
        /// saw the same and is quicker has that number.
        after: u64,
    },
    /// The same, to cancel it: nothing is started.
    Cancel {
        /// Who asked.
        by: String,
        /// Why.
        reason: String,
        /// As of `Resume`.
        after: u64,
    },
}

/// How long a lease holds without renewal.
pub const LEASE: Duration = Duration::from_secs(30);

/// How often it is renewed.
const RENEWAL: Duration = Duration::from_secs(10);

/// How often the store is asked for requests.
const REQUEST_INTERVAL: Duration = Duration::from_millis(500);

/// How a runner's work ended.
#[derive(Debug, Clone, PartialEq)]
pub enum SessionEnd {
    /// The session has this status: final, or paused.
    Status(SessionStatus),
    /// The runner was told to leave; the session can be resumed.
    Left,
}

/// A runner could not go on.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum RunnerError {
    /// A store failed; what had been said to be stored is stored.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
    /// A worker's surroundings failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Worker(#[from] WorkerError),
}

/// The outputs that dependants will read.
#[derive(Debug, Default)]
struct KnownOutputs(HashMap<String, Arc<Json>>);

impl Outputs for KnownOutputs {
    fn output(&self, job: &str) -> Option<Arc<Json>> {
        self.0.get(job).cloned()
    }
}

impl Runner {
    /// Drives a session to its end, or to a pause.
    pub async fn run(
        self,
        plan: Arc<Plan>,
        deployment: &DeploymentRecord,
        session: SessionRecord,
        entry: Entry,
        requests: &mut UnboundedReceiver<Request>,
        consumers: &mut [&mut dyn EventConsumer],
    ) -> Result<SessionEnd, RunnerError> {
        if entry == Entry::New {
            self.pin(deployment).await?;
        }
        let executor = Executor {
            engine: self.engine.clone(),
            objects: self.objects.clone(),
            redaction: self.redaction.clone(),
            messages: self.inbox.sender.clone(),
        };
        let facts = SessionFacts {
            id: session.session_id.to_string(),
            started_at: session.created_at.to_string(),
            pipeline: session.pipeline_id.clone(),
            version: session.version.clone(),
        };
        let drive = Drive {
            dispatcher: dispatcher(&plan, self.max_concurrency, &session),
            executor,
            outputs: KnownOutputs::default(),
            facts,
            number: 0,
            plan,
            driven_since: (self.now)(),
            active_before: session.active_ms,
            seen_requests: 0,
            session,
            objects: self.objects,
            store: self.store,
            redaction: self.redaction,
            now: self.now,
            bucket: self.bucket,
        };
        drive.run(entry, self.inbox.receiver, requests, consumers).await
    }

    async fn pin(&self, deployment: &DeploymentRecord) -> Result<(), StoreError> {
        let key = deployment_key(&deployment.pipeline_id, &deployment.version);
        if self.objects.get(&key).await?.is_some() {
            return Ok(());
        }
        let bytes = serde_json::to_vec_pretty(deployment).unwrap_or_default();
        self.objects.put(&key, bytes).await
    }
}

fn dispatcher(plan: &Plan, max_concurrency: usize, session: &SessionRecord) -> Dispatcher {
    let graph = &plan.pipeline.graph;
    let nodes = plan
        .pipeline
        .jobs
        .values()
        .enumerate()
        .map(|(index, job)| JobNode {
            key: job.id.to_string(),
            upstreams: graph.upstreams[index].clone(),
            downstreams: graph.downstreams[index].clone(),
            run_if: job.run_if,
            allow_failure: job.allow_failure,
        })
        .collect();
    let prefix = session.session_id.to_string();
    Dispatcher::new(nodes, graph.order.clone(), max_concurrency, plan.pipeline.on_failure, prefix)
}

/// One session being driven.
struct Drive {
    plan: Arc<Plan>,
    session: SessionRecord,
    store: Arc<dyn SessionStore>,
    objects: Arc<dyn ObjectStore>,
    redaction: Arc<Redaction>,
    executor: Executor,
    dispatcher: Dispatcher,
    outputs: KnownOutputs,
    facts: SessionFacts,
    number: u64,
    now: fn() -> Timestamp,
    bucket: String,
    /// Since when this runner drives, and for how long earlier ones had by then.
    driven_since: Timestamp,
    active_before: u64,
    /// The number of the last stored request that was heard.
    seen_requests: u64,
}

impl Drive {
    async fn run(
        mut self,
        entry: Entry,
        mut messages: UnboundedReceiver<Message>,
        requests: &mut UnboundedReceiver<Request>,
        consumers: &mut [&mut dyn EventConsumer],
    ) -> Result<SessionEnd, RunnerError> {
        let mut inputs = vec![self.enter(entry, consumers).await?];
        let deadline = self.plan.pipeline.timeout.map(|timeout| {
            tokio::time::Instant::now() + timeout.saturating_sub(Duration::from_millis(self.active_before))
        });
        let mut is_deadline_past = false;
        let mut renewal = interval(RENEWAL);
        let mut stored_requests = interval(REQUEST_INTERVAL);
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            if self.turn(std::mem::take(&mut inputs), consumers).await? {
                return Ok(SessionEnd::Status(self.session.status));
            }
            // Requests first: a flood of messages must not keep an interrupt waiting.
            tokio::select! {
                biased;
                Some(request) = requests.recv() => match request {
                    Request::Leave => return Ok(SessionEnd::Left),
                    Request::Pause { by, reason } => inputs.push(Input::Pause { by, reason }),
                    Request::Cancel { by, reason } => inputs.push(Input::Cancel { by, reason }),
                },
                () = until(deadline), if !is_deadline_past => {
                    is_deadline_past = true;
                    inputs.push(Input::TimeoutReached);
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

    /// Takes the lease, by an event whose number nobody else can put.
    async fn enter(
        &mut self,
        entry: Entry,
        consumers: &mut [&mut dyn EventConsumer],
    ) -> Result<Input, StoreError> {
        // What was asked of an earlier runner is not asked of this one.
        let session_id = self.session.session_id.clone();
        if let Some((number, _)) = self.store.requests(&session_id, 0).await?.last() {
            self.seen_requests = *number;
        }
        match entry {
            Entry::New => {
                self.create(consumers).await?;
                Ok(Input::Begin)
            }
            Entry::Resume { by, after } => {
                self.take_over(after, consumers).await?;
                Ok(Input::Resume { by })
            }
            Entry::Cancel { by, reason, after } => {
                self.take_over(after, consumers).await?;
                Ok(Input::Cancel { by, reason })
            }
        }
    }

    /// Takes over what an earlier runner stored.
    async fn take_over(
        &mut self,
        after: u64,
        consumers: &mut [&mut dyn EventConsumer],
    ) -> Result<(), StoreError> {
        let session_id = self.session.session_id.clone();
        self.number = after;
        let records = self.store.jobs(&session_id).await?;
        self.load_outputs(&records).await?;
        let lost = self.dispatcher.restore(&records);
        let mut kinds = vec![EventKind::LeaseTaken { runner: self.session.runner.clone() }];
        kinds.extend(lost.iter().map(|lost| EventKind::AttemptLost {
            job: self.plan.pipeline.jobs[lost.job].id.to_string(),
            attempt: lost.attempt,
        }));
        let now = (self.now)();
        self.hold_lease(self.number + 1, now);
        let events = self.numbered(kinds, now);
        let commit = Commit {
            session: Some(self.session.clone()),
            session_id: Some(session_id),
            events: events.clone(),
            jobs: Vec::new(),
        };
        self.store.append(commit).await?;
        tell(&events, consumers);
        Ok(())
    }

    /// The outputs that dependants will read, from records and objects.
    async fn load_outputs(&mut self, records: &[JobRecord]) -> Result<(), StoreError> {
        for record in records.iter().filter(|record| self.plan.is_output_read(&record.job_key)) {
            let output = match &record.output {
                None => continue,
                Some(OutputRecord::Inline(output)) => output.clone(),
                Some(OutputRecord::Object { key, .. }) => self.read_output(key).await?,
            };
            self.outputs.0.insert(record.job_key.clone(), Arc::new(output));
        }
        Ok(())
    }

    async fn read_output(&self, key: &str) -> Result<Json, StoreError> {
        let damaged =
            |message: String| StoreError::Damaged { place: "objects".into(), key: key.to_owned(), message };
        let bytes = self.objects.get(key).await?.ok_or_else(|| damaged("it is not there".into()))?;
        serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))
    }

    fn hold_lease(&mut self, event: u64, now: Timestamp) {
        self.session.lease = Some(LeaseRecord { event, taken_at: now, expires_at: now + LEASE });
    }

    /// Says that this runner lives. Refused where another has taken the lease: then this one writes nothing more.
    async fn renew(&mut self) -> Result<(), StoreError> {
        let now = (self.now)();
        self.count_active(now);
        if let Some(lease) = &mut self.session.lease {
            lease.expires_at = now + LEASE;
        }
        self.store.renew(&self.session).await
    }

    fn count_active(&mut self, now: Timestamp) {
        let driven = now.duration_since(self.driven_since).as_millis();
        self.session.active_ms = self.active_before + u64::try_from(driven).unwrap_or_default();
    }

    async fn stored_requests(&mut self) -> Result<Vec<Input>, StoreError> {
        let requests = self.store.requests(&self.session.session_id, self.seen_requests).await?;
        let mut inputs = Vec::new();
        for (number, RequestRecord { kind, by, reason, .. }) in requests {
            self.seen_requests = number;
            inputs.push(match kind {
                RequestKind::Pause => Input::Pause { by, reason },
                RequestKind::Cancel => Input::Cancel { by, reason },
            });
        }
        Ok(inputs)
    }

    async fn create(&mut self, consumers: &mut [&mut dyn EventConsumer]) -> Result<(), StoreError> {
        let now = (self.now)();
        // The second of the first events takes it.
        self.hold_lease(2, now);
        let kinds = vec![
            EventKind::SessionCreated {
                session: self.session.session_id.to_string(),
                pipeline: self.session.pipeline_id.clone(),
                jobs: self.session.jobs,
            },
            EventKind::LeaseTaken { runner: self.session.runner.clone() },
        ];
        let events = self.numbered(kinds, now);
        self.store.create(&self.session, &events).await?;
        tell(&events, consumers);
        Ok(())
    }

    /// Decides, stores, tells, acts. True when the runner's work is done.
    async fn turn(
        &mut self,
        inputs: Vec<Input>,
        consumers: &mut [&mut dyn EventConsumer],
    ) -> Result<bool, StoreError> {
        let now = (self.now)();
        let mut all = Effects::default();
        let mut refused: std::collections::VecDeque<Input> = inputs.into();
        let mut executions = Vec::new();
        while let Some(input) = refused.pop_front() {
            let mut conditions = PlanConditions {
                plan: &self.plan,
                redaction: &self.redaction,
                outputs: &self.outputs,
                facts: &self.facts,
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
                        refused.push_front(Input::JobEnded { job: start.job, ended });
                    }
                }
            }
        }
        self.store_and_tell(all.events, all.jobs, all.status, now, consumers).await?;
        for execution in executions {
            self.executor.start(execution);
        }
        for Start { job, attempt } in all.stops {
            let key = self.plan.pipeline.jobs[job].id.as_str();
            self.executor.stop(execution_name(self.session.session_id.as_str(), key, attempt));
        }
        Ok(all.is_over)
    }

    async fn store_and_tell(
        &mut self,
        kinds: Vec<EventKind>,
        jobs: Vec<JobRecord>,
        status: Option<SessionStatus>,
        now: Timestamp,
        consumers: &mut [&mut dyn EventConsumer],
    ) -> Result<(), StoreError> {
        if kinds.is_empty() {
            return Ok(());
        }
        if let Some(status) = status {
            self.session.status = status;
            if status == SessionStatus::Running {
                self.session.started_at.get_or_insert(now);
            }
            if status.is_final() {
                self.session.ended_at = Some(now);
            }
            if status.is_final() || status == SessionStatus::Paused {
                self.session.lease = None;
            }
            self.count_active(now);
        }
        let events = self.numbered(kinds, now);
        let commit = Commit {
            session: status.map(|_| self.session.clone()),
            session_id: Some(self.session.session_id.clone()),
            events: events.clone(),
            jobs,
        };
        self.store.append(commit).await?;
        tell(&events, consumers);
        Ok(())
    }

    fn numbered(&mut self, kinds: Vec<EventKind>, at: Timestamp) -> Vec<SessionEvent> {
        kinds
            .into_iter()
            .map(|kind| {
                self.number += 1;
                SessionEvent { number: self.number, at, kind }
            })
            .collect()
    }

    fn execution(&self, start: Start) -> Result<StartExecution, Box<FailureRecord>> {
        let session = &self.session.session_id;
        let key = self.plan.pipeline.jobs[start.job].id.as_str();
        let places = format!("{}/{}", self.bucket, places_key(session, key, start.attempt));
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
            name: execution_name(session.as_str(), key, start.attempt),
            session: session.clone(),
            job: start.job,
            job_key: key.to_owned(),
            attempt: start.attempt,
            machine: self.plan.machines[start.job].clone(),
            input,
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
                Ok(Input::JobEnded { job: report.job, ended: report.ended? })
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
    let mut interval = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    interval
}

async fn until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// The plan's conditions, over the outputs that are known.
struct PlanConditions<'a> {
    plan: &'a Plan,
    redaction: &'a Redaction,
    outputs: &'a KnownOutputs,
    facts: &'a SessionFacts,
}

impl Conditions for PlanConditions<'_> {
    fn condition(&mut self, job: usize) -> Result<bool, Box<FailureRecord>> {
        self.plan
            .condition(job, self.outputs, self.facts)
            .map_err(|error| Box::new(condition_failure(&error, self.plan, job, self.redaction)))
    }
}

fn condition_failure(
    error: &ConditionError,
    plan: &Plan,
    job: usize,
    redaction: &Redaction,
) -> FailureRecord {
    const ERROR: &str = "States.QueryEvaluationError";
    // The value that a condition gave may hold a secret.
    let clean = |text: String| redaction.text(&text).into_owned();
    let mut failure = FailureRecord {
        error: Some(ERROR.into()),
        summary: Some(clean(error.to_string())),
        recoverable: Some(false),
        ..FailureRecord::default()
    };
    if let ConditionError::Evaluation(error) = error {
        let cause = EvaluationError { path: "when".into(), ..error.clone() }.cause();
        let pipeline = &plan.pipeline;
        if let Some(explained) = explain(pipeline, &pipeline.jobs[job], None, ERROR, &cause) {
            failure.summary = Some(clean(format!("its `when` cannot be evaluated: {}", explained.summary)));
            failure.help = explained.help;
        }
        failure.cause = Some(clean(cause));
    }
    failure
}

/// A deployment of this text with these definitions; its version is their digest.
pub fn deployment_record(plan: &Plan, file: &str, plugins: Vec<String>, now: Timestamp) -> DeploymentRecord {
    use sha2::{Digest, Sha256};
    let hex = |digest: &[u8]| digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let pipeline = &plan.pipeline;
    let definitions: IndexMap<String, String> = pipeline
        .jobs
        .keys()
        .zip(&plan.machines)
        .map(|(job, machine)| (job.to_string(), hex(&Sha256::digest(machine.text().as_bytes()))))
        .collect();
    let mut whole = Sha256::new();
    whole.update(pipeline.source.text.as_bytes());
    for (job, digest) in &definitions {
        whole.update(job.as_bytes());
        whole.update(digest.as_bytes());
    }
    DeploymentRecord {
        record_version: crate::session::RECORD_VERSION,
        pipeline_id: pipeline.name.to_string(),
        version: hex(&whole.finalize())[..12].to_owned(),
        file: file.to_owned(),
        text: pipeline.source.text.clone(),
        jobs: pipeline.jobs.keys().map(ToString::to_string).collect(),
        definitions,
        plugins,
        created_at: now,
    }
}
