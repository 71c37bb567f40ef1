//! Log lines of operations, as they are stored: JSON Lines, an object an operation and attempt or more.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// One stored line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogRecord {
    /// RFC 3339, UTC, milliseconds.
    pub ts: String,
    /// `debug`, `info`, `warn`, `error`.
    pub level: String,
    /// The session.
    pub session_id: String,
    /// The job key.
    pub job_id: String,
    /// The operation.
    pub operation: String,
    /// The job's attempt, from 1.
    pub attempt: u32,
    /// The task's try, from 1.
    #[serde(rename = "try")]
    pub try_number: u32,
    /// The line.
    pub message: String,
    /// More, where the operation says more.
    #[serde(default)]
    pub fields: Map<String, Json>,
}

/// Which lines to read.
#[derive(Debug, Clone, Default)]
pub struct LogFilter {
    /// Of one job key.
    pub job: Option<String>,
    /// Of one operation.
    pub operation: Option<String>,
    /// At least as bad as this.
    pub level: Option<String>,
}

impl LogFilter {
    /// Whether lines of a job are wanted.
    pub fn wants_job(&self, job: &str) -> bool {
        self.job.as_ref().is_none_or(|wanted| wanted == job)
    }

    /// Whether lines of operations of that name are wanted.
    pub fn wants_operation(&self, operation: &str) -> bool {
        self.operation.as_ref().is_none_or(|wanted| wanted == operation)
    }

    /// Whether a line is wanted.
    pub fn wants(&self, record: &LogRecord) -> bool {
        self.wants_job(&record.job_id)
            && self.wants_operation(&record.operation)
            && self.level.as_ref().is_none_or(|least| rank(&record.level) >= rank(least))
    }
}

fn rank(level: &str) -> usize {
    ["debug", "info", "warn", "error"].iter().position(|known| *known == level).unwrap_or(1)
}
