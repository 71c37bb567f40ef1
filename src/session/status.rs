//! Statuses and the legal transitions between them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionStatus {
    /// Stored, nothing started.
    Created,
    /// A runner drives it.
    Running,
    /// Nothing new starts; running jobs finish.
    Pausing,
    /// Nothing runs; can be resumed.
    Paused,
    /// Running jobs are being stopped.
    Cancelling,
    /// Final: every job that must succeed did.
    Succeeded,
    /// Final: a job without allow_failure failed.
    Failed,
    /// Final: the pipeline's timeout ran out.
    TimedOut,
    /// Final: somebody cancelled it.
    Cancelled,
}

/// Of a job in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// Not decided yet.
    Pending,
    /// An attempt is under way.
    Running,
    /// Final.
    Succeeded,
    /// Final.
    Failed,
    /// Final: its own, an operation's or the pipeline's timeout ran out.
    TimedOut,
    /// Final: stopped, or never started because nothing new was to start.
    Cancelled,
    /// Final: its `run_if` or `when` said no.
    Skipped,
    /// Final: a job that it needs failed.
    UpstreamFailed,
}

impl SessionStatus {
    /// Whether the session is over. Only a retry leads on from here, to `running`.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::TimedOut | Self::Cancelled)
    }

    /// Whether a session may go from this status to `next`.
    pub fn may_become(self, next: Self) -> bool {
        use SessionStatus::{
            Cancelled, Cancelling, Created, Failed, Paused, Pausing, Running, Succeeded, TimedOut,
        };
        match self {
            Created => matches!(next, Running | Pausing | Paused | Cancelling | Cancelled),
            Running => matches!(next, Pausing | Paused | Cancelling | Succeeded | Failed | TimedOut),
            Pausing => matches!(next, Paused | Running | Cancelling | Succeeded | Failed | TimedOut),
            // A pause in which its runner waits can be asked for again, with another end.
            Paused => matches!(next, Running | Pausing | Cancelling | Cancelled),
            Cancelling => matches!(next, Cancelled),
            Succeeded | Failed | TimedOut | Cancelled => next == Running,
        }
    }

    /// As stored and printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Pausing => "pausing",
            Self::Paused => "paused",
            Self::Cancelling => "cancelling",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
        }
    }
}

impl JobStatus {
    /// Whether nothing can follow within the session's present run.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }

    /// Whether dependants see a failure.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::TimedOut | Self::Cancelled | Self::UpstreamFailed)
    }

    /// Whether a job may go from this status to `next`.
    pub fn may_become(self, next: Self) -> bool {
        match self {
            Self::Pending => !matches!(next, Self::Pending | Self::Succeeded),
            Self::Running => {
                matches!(next, Self::Succeeded | Self::Failed | Self::TimedOut | Self::Cancelled)
            }
            _ => false,
        }
    }

    /// What became of the job, in a sentence: `` `load` did not run ``.
    pub fn past(self) -> &'static str {
        match self {
            Self::Pending => "is not decided",
            Self::Running => "runs",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed out",
            Self::Cancelled => "was cancelled",
            Self::Skipped => "was skipped",
            Self::UpstreamFailed => "did not run",
        }
    }

    /// As stored and printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
            Self::UpstreamFailed => "upstream_failed",
        }
    }
}

impl fmt::Display for SessionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for JobStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn final_statuses_lead_only_to_a_retry() {
        use SessionStatus::*;
        let all = [Created, Running, Pausing, Paused, Cancelling, Succeeded, Failed, TimedOut, Cancelled];
        for from in all {
            let next: Vec<SessionStatus> = all.into_iter().filter(|next| from.may_become(*next)).collect();
            assert_eq!(next == [Running], from.is_final(), "{from}");
        }
    }

    #[test]
    fn names_are_those_that_serde_writes() {
        for status in [JobStatus::TimedOut, JobStatus::UpstreamFailed, JobStatus::Skipped] {
            assert_eq!(serde_json::to_value(status).unwrap(), status.name());
        }
        assert_eq!(serde_json::to_value(SessionStatus::TimedOut).unwrap(), SessionStatus::TimedOut.name());
    }
}
