//! What is stored of a session and of each job in it.

use super::{JobStatus, SessionId, SessionStatus};
use indexmap::IndexMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// The version of the forms below. Readers refuse a greater one.
pub const RECORD_VERSION: u32 = 1;

/// A session. Nothing in it grows with the number of jobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// [`RECORD_VERSION`] of who wrote it.
    pub record_version: u32,
    /// Its id.
    pub session_id: SessionId,
    /// The pipeline's name.
    pub pipeline_id: String,
    /// The version of the pipeline it is pinned to: the key of its [`DeploymentRecord`].
    pub version: String,
    /// The file, as it was given.
    pub file: String,
    /// The folder of the file: working directory of local processes.
    pub directory: String,
    /// Where it stands.
    pub status: SessionStatus,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When its first runner began.
    pub started_at: Option<Timestamp>,
    /// When it became final.
    pub ended_at: Option<Timestamp>,
    /// `--label`.
    pub labels: IndexMap<String, String>,
    /// Parameters without secrets.
    pub parameters: serde_json::Map<String, Json>,
    /// Names of those that were given; the others had their defaults.
    #[serde(default)]
    pub given: Vec<String>,
    /// Names of the secrets that were given; their values are stored nowhere.
    pub secrets: Vec<String>,
    /// Who drives it, or did last.
    pub runner: RunnerRecord,
    /// What the runner holds while it drives; none where nobody does.
    #[serde(default)]
    pub lease: Option<LeaseRecord>,
    /// How long runners have driven it, in milliseconds: what counts against the pipeline's timeout. Paused time does not.
    #[serde(default)]
    pub active_ms: u64,
    /// How many jobs it has.
    pub jobs: usize,
    /// Who asked for it, where, and with which bunsui; `runner` is who drives it now. None in records of older versions.
    #[serde(default)]
    pub created_by: Option<RunnerRecord>,
    /// What the folder of the file was at in git; none where it is in no repository.
    #[serde(default)]
    pub git: Option<GitRecord>,
    /// The plugins that its operations need.
    #[serde(default)]
    pub plugins: Vec<PluginRecord>,
    /// Where it runs a part of the pipeline only.
    #[serde(default)]
    pub slice: Option<SliceRecord>,
    /// Its key, where the pipeline says `exclusive`: no other session of the same key is driven while this one is.
    #[serde(default)]
    pub exclusive: Option<String>,
    /// Who paused it, from the moment that it was asked for until it goes on.
    #[serde(default)]
    pub pause: Option<PauseRecord>,
    /// How often it was retried: the session's present go, from 0.
    #[serde(default)]
    pub retries: u32,
    /// A retry whose jobs are not all set back yet: whoever drives finishes that first.
    #[serde(default)]
    pub retrying: Option<RetryRecord>,
}

impl SessionRecord {
    /// A session that begins, of a pipeline and the version that it is pinned to. Nothing else is known of it yet.
    pub fn new(
        session_id: SessionId,
        (pipeline_id, version): (String, String),
        runner: RunnerRecord,
        created_at: Timestamp,
    ) -> Self {
        Self {
            record_version: RECORD_VERSION,
            session_id,
            pipeline_id,
            version,
            file: String::new(),
            directory: String::new(),
            status: SessionStatus::Created,
            created_at,
            started_at: None,
            ended_at: None,
            labels: IndexMap::new(),
            parameters: serde_json::Map::new(),
            given: Vec::new(),
            secrets: Vec::new(),
            created_by: Some(runner.clone()),
            runner,
            lease: None,
            active_ms: 0,
            jobs: 0,
            git: None,
            plugins: Vec::new(),
            slice: None,
            exclusive: None,
            pause: None,
            retries: 0,
            retrying: None,
        }
    }
}

/// Where the pipeline file's folder stood in git when the session began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitRecord {
    /// The commit's full name.
    pub revision: String,
    /// The branch; none where none is checked out.
    pub branch: Option<String>,
    /// Files that git tracks differed from the commit.
    pub is_dirty: bool,
}

/// A plugin that a session is pinned to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginRecord {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of its library, in hexadecimal digits.
    pub sha256: String,
}

/// Which part of a pipeline a session runs, as it was asked for. Empty lists and none mean no bound.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SliceRecord {
    /// `--only`: these jobs and no others.
    #[serde(default)]
    pub only: Vec<String>,
    /// `--from`: this job and everything downstream.
    #[serde(default)]
    pub from: Option<String>,
    /// `--until`: this job and everything upstream.
    #[serde(default)]
    pub until: Option<String>,
    /// `--outputs-of`: where outputs of jobs outside of the part come from.
    #[serde(default)]
    pub outputs_of: Option<SessionId>,
}

/// A pause that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseRecord {
    /// Who asked.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// Until when, where the runner waits and goes on by itself.
    pub until: Option<Timestamp>,
}

/// Which jobs a retry begins with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RetryRecord {
    /// `--job`; empty: all that did not succeed.
    pub jobs: Vec<String>,
    /// `--from-start`: executions that could go on from where they failed are not let to.
    #[serde(default)]
    pub from_start: bool,
}

/// An execution that goes on from where it failed: the job's next attempt is no new one, but this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedriveRecord {
    /// The execution's name.
    pub execution: String,
    /// The attempt whose execution it was at first.
    pub attempt: u32,
    /// How often it had gone on before. Where the service says more, this was done.
    pub count: u32,
    /// SHA-256 of its input, hexadecimal: with another input it cannot go on.
    pub input_sha256: String,
}

/// The right to drive a session. It is renewed while its runner lives, and free for others once it expired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRecord {
    /// The number of the event that took it: no other lease of the session has it.
    pub event: u64,
    /// Since when it is held.
    pub taken_at: Timestamp,
    /// Until when it holds without renewal.
    pub expires_at: Timestamp,
}

/// What somebody asks of whoever drives a session; kept by the store, so that any machine can ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRecord {
    /// What is asked.
    pub kind: RequestKind,
    /// Who asks.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// Of a pause: when it ends by itself.
    #[serde(default)]
    pub until: Option<Timestamp>,
}

/// What can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestKind {
    /// Start nothing new; running jobs finish.
    Pause,
    /// Go on after a pause whose runner waits, or take back one that is not reached yet.
    Resume,
    /// Stop what runs; end the session.
    Cancel,
}

/// A runner of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunnerRecord {
    /// The host's name.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// The user who started it.
    pub user: String,
    /// Its bunsui version.
    pub bunsui: String,
}

/// A job in a session. A job without a record is pending.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobRecord {
    /// [`RECORD_VERSION`] of who wrote it.
    pub record_version: u32,
    /// The job key: `job`, later `job[index]`.
    pub job_key: String,
    /// Where it stands.
    pub status: JobStatus,
    /// The latest attempt, from 1; 0 before the first.
    pub attempt: u32,
    /// The execution of the latest attempt.
    pub execution: Option<String>,
    /// When the latest attempt began.
    pub started_at: Option<Timestamp>,
    /// When it became final.
    pub ended_at: Option<Timestamp>,
    /// Its output, where it succeeded.
    pub output: Option<OutputRecord>,
    /// Why it failed.
    pub failure: Option<FailureRecord>,
    /// Why it was skipped, cancelled or not tried.
    pub reason: Option<String>,
    /// The go of the session (see [`SessionRecord::retries`]) in which this was written.
    #[serde(default)]
    pub retry: u32,
    /// The session that its output was taken from (`--outputs-of`): it does not run in this one.
    #[serde(default)]
    pub reused_from: Option<SessionId>,
    /// What was ended besides its execution when its attempt was stopped: a line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ended_besides: Vec<String>,
    /// What could not be stopped when its attempt was: a line each, with the name by which to find it.
    #[serde(default)]
    pub may_still_run: Vec<String>,
    /// The latest attempt, or the next one of a pending job, is an earlier execution that goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redrive: Option<RedriveRecord>,
}

impl JobRecord {
    /// A job about which nothing is known yet.
    pub fn pending(job_key: &str) -> Self {
        Self {
            record_version: RECORD_VERSION,
            job_key: job_key.to_owned(),
            status: JobStatus::Pending,
            attempt: 0,
            execution: None,
            started_at: None,
            ended_at: None,
            output: None,
            failure: None,
            reason: None,
            retry: 0,
            reused_from: None,
            ended_besides: Vec::new(),
            may_still_run: Vec::new(),
            redrive: None,
        }
    }
}

/// An output: in the record where it is small, else an object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputRecord {
    /// The output itself.
    Inline(Json),
    /// The key of the object that holds it, and its bytes.
    Object {
        /// Object key.
        key: String,
        /// Bytes.
        size: usize,
    },
}

/// Why an attempt failed, with all that a reader needs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FailureRecord {
    /// The operation in which it failed.
    pub operation: Option<String>,
    /// The error's name, as the service gave it.
    pub error: Option<String>,
    /// The cause, as the service gave it.
    pub cause: Option<String>,
    /// One line that says what happened.
    pub summary: Option<String>,
    /// The cause made readable: a stack trace, an exit code.
    pub detail: Option<String>,
    /// Whether trying again can help.
    pub recoverable: Option<bool>,
    /// What to do.
    pub help: Option<String>,
    /// The operation's last log lines.
    pub log_lines: Vec<String>,
    /// Tries of the task.
    pub tries: u32,
}

/// What a session is pinned to, kept as one object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeploymentRecord {
    /// [`RECORD_VERSION`] of who wrote it.
    pub record_version: u32,
    /// The pipeline's name.
    pub pipeline_id: String,
    /// Of this text with these definitions.
    pub version: String,
    /// The file's name, as it was given.
    pub file: String,
    /// The file's text.
    pub text: String,
    /// Job ids in the order of the file.
    pub jobs: Vec<String>,
    /// SHA-256 of each job's definition, by job.
    pub definitions: IndexMap<String, String>,
    /// `name version` of each plugin.
    pub plugins: Vec<String>,
    /// On AWS: the ARN of each job's state machine version, by job.
    #[serde(default)]
    pub machines: IndexMap<String, String>,
    /// On AWS: the ARN of the role that they take on.
    #[serde(default)]
    pub role: Option<String>,
    /// When it was first used.
    pub created_at: Timestamp,
}
