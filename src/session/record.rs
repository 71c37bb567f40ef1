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
}

/// What can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestKind {
    /// Start nothing new; running jobs finish.
    Pause,
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
    /// When it was first used.
    pub created_at: Timestamp,
}
