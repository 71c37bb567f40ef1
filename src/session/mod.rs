//! Sessions, the jobs in them, their statuses, their events and their stored forms.
//!
//! Takes: facts. Gives: plain data with a version, as stores keep it and `--output json` prints it.
//! Deliberately does not: decide anything (the runner does) or store anything (a backend does).

mod event;
mod id;
mod log;
mod record;
mod status;

pub use event::{EventKind, SessionEvent};
pub use id::{SessionId, SessionIdError};
pub use log::{LogFilter, LogOrigin, LogRecord};
pub use record::{
    DeploymentRecord, FailureRecord, GitRecord, JobRecord, LeaseRecord, OutputRecord, PauseRecord,
    PluginRecord, RECORD_VERSION, RedriveRecord, RequestKind, RequestRecord, RetryRecord, RunnerRecord,
    SessionRecord, SliceRecord,
};
pub use status::{JobStatus, SessionStatus};
