//! What a runner is made of, how it comes to a session, and how its work ends.

use super::dispatcher::{Dispatcher, JobNode, Rules};
use super::drive::{Drive, Message};
use super::executor::{Executor, WorkerError};
use super::port::{Engine, ExecutionProgress, ObjectStore, SessionStore, StoreError, deployment_key};
use super::redaction::Redaction;
use super::request::Request;
use super::retry::RetryError;
use crate::plan::{Plan, SessionFacts};
use crate::session::{DeploymentRecord, JobRecord, SessionEvent, SessionRecord, SessionStatus};
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Somebody who wants to know what happens; told after it is stored.
pub trait EventConsumer {
    /// Takes an event.
    fn event(&mut self, event: &SessionEvent);
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
    pub(super) sender: UnboundedSender<Message>,
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

/// A session to be driven.
pub struct Assignment {
    /// What it does.
    pub plan: Arc<Plan>,
    /// What it is pinned to from here on.
    pub deployment: DeploymentRecord,
    /// Its record, with this process as the runner.
    pub session: SessionRecord,
    /// How the runner comes to it.
    pub entry: Entry,
    /// Outputs of other sessions that are not stored with it yet (see [`reused_outputs`](super::reused_outputs)).
    pub reused: Vec<JobRecord>,
}

/// How a runner comes to a session. `after` is the session's last event when nobody was seen to drive it. The lease is
/// taken by the one after: whoever else saw the same and is quicker has that number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// It is new.
    New,
    /// An earlier runner paused it, left it, or died.
    Resume {
        /// Who asked.
        by: String,
        /// See above.
        after: u64,
    },
    /// The same, to cancel it: nothing is started.
    Cancel {
        /// Who asked.
        by: String,
        /// Why.
        reason: String,
        /// See above.
        after: u64,
    },
    /// It ended, and what did not succeed is to be run again.
    Retry {
        /// Who asked.
        by: String,
        /// The jobs to begin with; none: all that did not succeed.
        jobs: Vec<String>,
        /// Executions that could go on from where they failed are not let to.
        from_start: bool,
        /// See above.
        after: u64,
    },
}

/// How long a lease holds without renewal.
pub const LEASE: Duration = Duration::from_secs(30);

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
    /// A retry that was cut off cannot be gone on with.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Retry(#[from] RetryError),
}

impl Runner {
    /// Drives a session to its end, or to a pause.
    pub async fn run(
        self,
        assignment: Assignment,
        requests: &mut UnboundedReceiver<Request>,
        consumers: &mut [&mut dyn EventConsumer],
    ) -> Result<SessionEnd, RunnerError> {
        let Assignment { plan, deployment, session, entry, reused } = assignment;
        self.pin(&deployment).await?;
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
        // A retry is another go of the session, from its first event on.
        let retry = session.retries + u32::from(matches!(entry, Entry::Retry { .. }));
        let now = (self.now)();
        let drive = Drive {
            dispatcher: dispatcher(&plan, self.max_concurrency, &session, retry),
            executor,
            engine: self.engine,
            facts,
            plan,
            active_since: Some(now),
            active_before: session.active_ms,
            session,
            objects: self.objects,
            store: self.store,
            redaction: self.redaction,
            now: self.now,
            bucket: self.bucket,
            outputs: Default::default(),
            number: 0,
            seen_requests: 0,
        };
        drive.run(entry, reused, self.inbox.receiver, requests, consumers).await
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

fn dispatcher(plan: &Plan, max_concurrency: usize, session: &SessionRecord, retry: u32) -> Dispatcher {
    let graph = &plan.pipeline.graph;
    let is_selected = |job: &usize| plan.selection.has(*job);
    let selected = |jobs: &[usize]| jobs.iter().copied().filter(is_selected).collect::<Vec<_>>();
    let nodes = plan
        .pipeline
        .jobs
        .values()
        .enumerate()
        .map(|(index, job)| JobNode {
            key: job.id.to_string(),
            upstreams: selected(&graph.upstreams[index]),
            downstreams: selected(&graph.downstreams[index]),
            run_if: job.run_if,
            allow_failure: job.allow_failure,
        })
        .collect();
    let rules = Rules {
        max_concurrency,
        on_failure: plan.pipeline.on_failure,
        execution_prefix: session.session_id.to_string(),
        retry,
    };
    Dispatcher::new(nodes, selected(&graph.order), rules)
}
