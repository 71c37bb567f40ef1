//! Carries a plan out: the dispatcher decides, the executor acts, the runner stores and tells.
//!
//! Takes: a plan, a new session, a backend through the traits of [`port`]. Gives: session events, in one order, and the
//! session's end.
//! Deliberately does not: know a backend, print, or read signals (whoever runs it sends [`Request`]s).

pub mod port;

mod condition;
mod deployment;
mod dispatcher;
mod drive;
mod enter;
mod executor;
mod explanation;
mod failpoint;
mod patience;
mod redaction;
mod request;
mod retry;
mod reuse;
mod run;

pub use deployment::deployment_record;
pub use dispatcher::{
    Conditions, Dispatcher, Effects, Ended, Executions, Input, JobNode, Restored, Rules, Start,
};
pub use executor::WorkerError;
pub(crate) use explanation::{explain, missing_reference};
pub use patience::{Patience, Surroundings};
pub use redaction::Redaction;
pub use request::Request;
pub use retry::{Retry, RetryError};
pub use reuse::{ReuseError, reused_outputs};
pub use run::{
    Assignment, Entry, EventConsumer, Inbox, LEASE, ProgressSender, Runner, RunnerError, SessionEnd,
};
