//! What a runner needs of a backend. Backends implement these; the same conformance tests run against each.

use super::dispatcher::Executions;
use crate::session::{
    DeploymentRecord, FailureRecord, JobRecord, RedriveRecord, RequestRecord, SessionEvent, SessionId,
    SessionRecord, SessionStatus,
};
use crate::state_machine::StateMachine;
use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Starts executions, waits for their ends, stops them.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Starts an execution. Idempotent by name: a second start of the same name and input is the same execution.
    async fn start(&self, start: StartExecution) -> Result<(), EngineError>;

    /// Takes up an execution that an earlier runner started, or meant to: false where it is not there. Then it was never
    /// started, and [`Self::start`] may do that. Only where executions survive their runner.
    async fn take_up(&self, start: StartExecution) -> Result<bool, EngineError>;

    /// Whether an execution of a job that failed can go on from where it failed, with the same definition. What starts one is
    /// [`Self::start`], with a [`StartExecution::redrive`].
    async fn redrivable(&self, _job: usize, _execution: &str) -> Result<Redrivable, EngineError> {
        Ok(Redrivable::No { reason: None })
    }

    /// Waits for the end of an execution that was started.
    async fn wait(&self, execution: &str) -> Result<ExecutionEnd, EngineError>;

    /// Ends an execution and what it started, as far as can be; its `wait` then gives [`ExecutionEnd::Aborted`].
    async fn stop(&self, execution: &str) -> Result<Leftovers, EngineError>;

    /// What becomes of executions when their runner dies.
    fn executions(&self) -> Executions;

    /// The runner's work is done: keeps what is of use to later ones. That it could not be kept is no failure.
    async fn finish(&self) {}

    /// What was used of the service's quotas so far, by API; nothing where there are none.
    fn used(&self) -> BTreeMap<&'static str, ApiUse> {
        BTreeMap::new()
    }
}

/// What an execution that was stopped had started, and did not end with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// What was ended besides, a line each: a task of ECS.
    pub ended: Vec<String>,
    /// What may still run, a line each, with the name by which to find it.
    pub may_still_run: Vec<String>,
}

/// What was used of a quota on calls of an API.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ApiUse {
    /// Calls that were made; one that was tried again at once counts once.
    pub calls: u64,
    /// Times that the service said it was too much, where that was heard.
    pub throttled: u64,
    /// Milliseconds that calls waited for their turn, all together.
    pub waited_ms: u64,
}

/// One execution to be started.
#[derive(Debug, Clone)]
pub struct StartExecution {
    /// Derived from session, job key and attempt; no other execution has it.
    pub name: String,
    /// The session.
    pub session: SessionId,
    /// The job, by index into the pipeline's jobs.
    pub job: usize,
    /// The job's key.
    pub job_key: String,
    /// Its attempt.
    pub attempt: u32,
    /// Its state machine.
    pub machine: Arc<StateMachine>,
    /// Its input.
    pub input: Json,
    /// It is there already, and is to go on from where it failed.
    pub redrive: Option<RedriveRecord>,
}

/// Whether an execution can go on from where it failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redrivable {
    /// It can.
    Yes {
        /// How often it did before.
        count: u32,
        /// SHA-256 of its input, hexadecimal.
        input_sha256: String,
    },
    /// It cannot.
    No {
        /// Why; none where executions never can.
        reason: Option<String>,
    },
}

/// SHA-256 of an execution's input, hexadecimal.
pub fn input_sha256(input: &Json) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(input.to_string()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How an execution ended.
#[derive(Debug, Clone, PartialEq)]
pub enum ExecutionEnd {
    /// With an output.
    Succeeded(Json),
    /// With an error, explained as far as the backend can.
    Failed(FailureRecord),
    /// Out of time, its own or a task's.
    TimedOut(FailureRecord),
    /// Stopped.
    Aborted,
}

/// What happens inside an execution, for progress; told by the engine to whoever made it.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutionProgress {
    /// The job, by index.
    pub job: usize,
    /// Its attempt.
    pub attempt: u32,
    /// What happened.
    pub update: OperationUpdate,
}

/// What happened to an operation.
#[derive(Debug, Clone, PartialEq)]
pub enum OperationUpdate {
    /// A try began.
    Started {
        /// The operation's name.
        operation: String,
        /// From 1.
        try_number: u32,
    },
    /// A task gave its result.
    Succeeded {
        /// The operation's name.
        operation: String,
        /// From 1.
        try_number: u32,
    },
    /// A try failed and another follows.
    Retrying {
        /// The operation's name.
        operation: String,
        /// The one that failed.
        try_number: u32,
        /// Milliseconds until the next.
        delay_ms: u64,
        /// The error's name.
        error: String,
        /// Its cause.
        cause: String,
    },
    /// A try failed and none follows.
    Failed {
        /// The operation's name.
        operation: String,
        /// The one that failed.
        try_number: u32,
        /// The error's name.
        error: String,
        /// Its cause.
        cause: String,
    },
}

/// An engine could not do what it was asked.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum EngineError {
    /// The execution is not known.
    #[error("execution `{execution}` is not known to the engine")]
    #[diagnostic(code("bunsui::execution::not_found"))]
    NotFound {
        /// Its name.
        execution: String,
    },
    /// An execution of that name is another's: it has another input.
    #[error("execution `{execution}` exists, and has another input than job `{job}` would give it")]
    #[diagnostic(
        code("bunsui::execution::other_input"),
        help("nothing was started; look at it in Step Functions, and run the pipeline anew")
    )]
    OtherInput {
        /// Its name.
        execution: String,
        /// The job.
        job: String,
    },
    /// The service that carries executions out does not take this start. Those of other jobs it may.
    #[error("the execution of job `{job}` could not be started: {error}: {cause}")]
    #[diagnostic(code("bunsui::execution::start_refused"))]
    StartRefused {
        /// The job.
        job: String,
        /// The service's name of the error.
        error: String,
        /// Its words.
        cause: String,
    },
    /// The service that carries executions out could not do what it was asked.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Service(Box<dyn miette::Diagnostic + Send + Sync>),
    /// The same, for what passes by itself or is mended elsewhere: a lost network, credentials that have expired.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Outage(Box<dyn miette::Diagnostic + Send + Sync>),
    /// The definition was refused.
    #[error("the definition of job `{job}` was refused: {reason}")]
    #[diagnostic(code("bunsui::execution::definition_refused"))]
    DefinitionRefused {
        /// The job.
        job: String,
        /// Why.
        reason: String,
    },
}

/// Keeps sessions, their jobs and their events.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Stores a new session with its first events.
    async fn create(&self, session: &SessionRecord, events: &[SessionEvent]) -> Result<(), StoreError> {
        self.append(Commit {
            session: Some(session.clone()),
            session_id: Some(session.session_id.clone()),
            events: events.to_vec(),
            ..Commit::default()
        })
        .await
    }

    /// Stores events and the records that they change, all or nothing. Refused as [`StoreError::Fenced`] if any of the
    /// events' numbers is taken: somebody else drives the session. Refused as [`StoreError::Gone`] if the event before the
    /// first is not there: the session was deleted.
    ///
    /// A session's record with an `exclusive` key and a lease takes the key's hold until the lease expires, or is refused as
    /// [`StoreError::Held`] while another session's hold of the key has not expired; without a lease it gives the hold back.
    async fn append(&self, commit: Commit) -> Result<(), StoreError>;

    /// Stores a session's record alone, if the lease that it holds is still the stored one; else
    /// [`StoreError::Fenced`]. Renews the lease, and the hold of its `exclusive` key as [`Self::append`] does.
    async fn renew(&self, session: &SessionRecord) -> Result<(), StoreError>;

    /// Who holds an `exclusive` key, be it expired or not.
    async fn hold(&self, key: &str) -> Result<Option<HoldRecord>, StoreError>;

    /// Ends a hold whose session's runner is known to be gone, if it is still as it was seen.
    async fn end_hold(&self, key: &str, hold: &HoldRecord) -> Result<(), StoreError>;

    /// Deletes a session with its jobs, events and requests, if its last event has this number; else
    /// [`StoreError::Fenced`]. One that is not there is deleted already.
    async fn delete(&self, id: &SessionId, last_event: u64) -> Result<(), StoreError>;

    /// Keeps a request for whoever drives the session.
    async fn put_request(&self, id: &SessionId, request: &RequestRecord) -> Result<(), StoreError>;

    /// Requests after a number, in order, each with its number.
    async fn requests(&self, id: &SessionId, after: u64) -> Result<Vec<(u64, RequestRecord)>, StoreError>;

    /// The number of a session's last event; 0 where it has none.
    async fn last_event(&self, id: &SessionId) -> Result<u64, StoreError>;

    /// One session.
    async fn session(&self, id: &SessionId) -> Result<Option<SessionRecord>, StoreError>;

    /// The newest sessions first.
    async fn sessions(&self, filter: &SessionFilter) -> Result<Vec<SessionRecord>, StoreError> {
        let Readable { sessions, damaged } = self.readable_sessions(filter).await?;
        damaged.into_iter().next().map_or(Ok(sessions), Err)
    }

    /// The same, where one that cannot be read keeps no other from being seen.
    async fn readable_sessions(&self, filter: &SessionFilter) -> Result<Readable, StoreError>;

    /// The jobs of a session that have a record, in no order.
    async fn jobs(&self, id: &SessionId) -> Result<Vec<JobRecord>, StoreError>;

    /// Events after a number, in order, at most `limit`.
    async fn events(&self, id: &SessionId, after: u64, limit: usize)
    -> Result<Vec<SessionEvent>, StoreError>;
}

/// Events and the records that they change.
#[derive(Debug, Clone, Default)]
pub struct Commit {
    /// The session, where its record changed.
    pub session: Option<SessionRecord>,
    /// Its id.
    pub session_id: Option<SessionId>,
    /// In order, numbers without gaps.
    pub events: Vec<SessionEvent>,
    /// Jobs whose records changed.
    pub jobs: Vec<JobRecord>,
    /// Keys of jobs whose records go.
    pub removed_jobs: Vec<String>,
}

/// Who holds the key of an exclusive pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldRecord {
    /// The session.
    pub session_id: SessionId,
    /// Until when, without renewal.
    pub expires_at: Timestamp,
}

/// Which sessions to list.
#[derive(Debug, Clone, Default)]
pub struct SessionFilter {
    /// Of one pipeline.
    pub pipeline: Option<String>,
    /// In one of these statuses; empty: in any.
    pub statuses: Vec<SessionStatus>,
    /// Whose id holds this.
    pub id_part: Option<String>,
    /// Created then or later.
    pub created_since: Option<Timestamp>,
    /// Created before this.
    pub created_before: Option<Timestamp>,
    /// With these labels.
    pub labels: Vec<(String, String)>,
    /// With these parameters, as text or as JSON. No secret is stored, so none can be asked for.
    pub parameters: Vec<(String, String)>,
    /// At most so many.
    pub limit: usize,
}

impl SessionFilter {
    /// Whether a session is one of those.
    pub fn wants(&self, session: &SessionRecord) -> bool {
        self.pipeline.as_ref().is_none_or(|pipeline| session.pipeline_id == *pipeline)
            && (self.statuses.is_empty() || self.statuses.contains(&session.status))
            && self.id_part.as_ref().is_none_or(|part| session.session_id.as_str().contains(part.as_str()))
            && self.created_since.is_none_or(|since| session.created_at >= since)
            && self.created_before.is_none_or(|before| session.created_at < before)
            && self.labels.iter().all(|(key, value)| session.labels.get(key) == Some(value))
            && self
                .parameters
                .iter()
                .all(|(name, text)| session.parameters.get(name).is_some_and(|value| is_written(value, text)))
    }
}

/// Whether a text stands for a value: the text itself, or its JSON.
fn is_written(value: &Json, text: &str) -> bool {
    value.as_str() == Some(text) || serde_json::from_str::<Json>(text).is_ok_and(|wanted| wanted == *value)
}

/// Keeps what is large, by key. Keys are those of docs/data-model.md, with `/` between their parts.
#[async_trait]
pub trait ObjectStore: Send + Sync {
    /// Stores an object, whole or not at all; replaces one of the same key.
    async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), StoreError>;

    /// Stores an object if there is none of that key; false where there is one, which stays as it is. Of several who try at once,
    /// one does.
    async fn put_new(&self, key: &str, bytes: Vec<u8>) -> Result<bool, StoreError>;

    /// Reads an object.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Keys that start with `prefix`, sorted.
    async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError>;

    /// Deletes an object; one that is not there is deleted already.
    async fn delete(&self, key: &str) -> Result<(), StoreError>;
}

/// A store could not do what it was asked.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum StoreError {
    /// Another runner has put an event of that number.
    #[error("session `{session}` is driven by somebody else: event {number} is already stored")]
    #[diagnostic(
        code("bunsui::store::fenced"),
        help("this runner has stopped writing; `bunsui session show {session}` says who drives it")
    )]
    Fenced {
        /// The session.
        session: String,
        /// The number that was taken.
        number: u64,
    },
    /// Its session was deleted while a runner drove it.
    #[error("session `{session}` is not there any more: it was deleted")]
    #[diagnostic(
        code("bunsui::store::session_gone"),
        help("this runner has stopped writing, and ended what it had started")
    )]
    Gone {
        /// The session.
        session: String,
    },
    /// Another session holds the key of an exclusive pipeline.
    #[error("session {session} of the same pipeline holds `{key}`: only one at a time is driven")]
    #[diagnostic(
        code("bunsui::store::held"),
        help("follow it with `bunsui session attach {session}`, or wait for its end")
    )]
    Held {
        /// The key.
        key: String,
        /// The session that holds it.
        session: String,
    },
    /// The place cannot be used.
    #[error("the store at `{place}` cannot be used: {message}")]
    #[diagnostic(code("bunsui::store::unusable"))]
    Unusable {
        /// A path.
        place: String,
        /// Why.
        message: String,
        /// What to do.
        #[help]
        help: Option<String>,
    },
    /// The store was written by a newer bunsui.
    #[error("the store at `{place}` has version {found}, and this bunsui knows version {known}")]
    #[diagnostic(
        code("bunsui::store::newer_version"),
        help("use the bunsui that wrote it, or another `[local] state` folder")
    )]
    Newer {
        /// A path.
        place: String,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// A service that keeps it could not do what it was asked.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Service(Box<dyn miette::Diagnostic + Send + Sync>),
    /// The same, for what passes by itself or is mended elsewhere: a lost network, credentials that have expired.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Outage(Box<dyn miette::Diagnostic + Send + Sync>),
    /// A stored form cannot be read.
    #[error("what is stored at `{place}` under `{key}` cannot be read: {message}")]
    #[diagnostic(
        code("bunsui::store::damaged"),
        help(
            "the rest of the store is not touched; keep a copy of the folder before you change anything in it"
        )
    )]
    Damaged {
        /// A path.
        place: String,
        /// Session or object.
        key: String,
        /// Why.
        message: String,
    },
}

/// Sessions, and what is wrong with those among them that cannot be read.
#[derive(Debug, Default)]
pub struct Readable {
    /// The newest first.
    pub sessions: Vec<SessionRecord>,
    /// An error each.
    pub damaged: Vec<StoreError>,
}

/// What the keys of deployments begin with.
pub const DEPLOYMENTS: &str = "configs/pipelines/";

/// The key of a session's pinned deployment.
pub fn deployment_key(pipeline: &str, version: &str) -> String {
    format!("{DEPLOYMENTS}{pipeline}/{version}.json")
}

/// The pipeline and the version of a deployment's key.
pub fn deployment_of(key: &str) -> Option<(&str, &str)> {
    key.strip_prefix(DEPLOYMENTS)?.strip_suffix(".json")?.split_once('/')
}

/// The key of a job's output.
pub fn output_key(session: &SessionId, job_key: &str, attempt: u32) -> String {
    format!("outputs/{session}/{job_key}.{attempt}.json")
}

/// Where the operations of an attempt may leave objects.
pub fn places_key(session: &str, job_key: &str, attempt: u32) -> String {
    format!("outputs/{session}/{job_key}.{attempt}")
}

/// The prefix of all that a session's executions leave.
pub fn outputs_key(session: &SessionId) -> String {
    format!("outputs/{session}/")
}

/// The key of a session's report.
pub fn report_key(session: &SessionId) -> String {
    format!("reports/{}/{session}.html", session.day_path())
}

/// The key of what is known of how long a pipeline's jobs take.
pub fn durations_key(pipeline: &str) -> String {
    format!("durations/{pipeline}.json")
}

/// The prefix of a session's logs.
pub fn logs_key(session: &SessionId) -> String {
    format!("logs/{}/{session}", session.day_path())
}

/// Reads a pinned deployment.
pub async fn deployment(
    objects: &dyn ObjectStore,
    session: &SessionRecord,
) -> Result<Option<DeploymentRecord>, StoreError> {
    let key = deployment_key(&session.pipeline_id, &session.version);
    let Some(bytes) = objects.get(&key).await? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| StoreError::Damaged {
        place: "objects".into(),
        key,
        message: error.to_string(),
    })
}
