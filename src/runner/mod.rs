//! Carries a plan out: the dispatcher decides, the executor acts, the runner stores and tells.
//!
//! Takes: a plan, a new session, a backend through the traits of [`port`]. Gives: session events, in one order, and the
//! session's end.
//! Deliberately does not: know a backend, print, or read signals (whoever runs it sends [`Request`]s).

pub mod port;

mod dispatcher;
mod executor;
mod explanation;
mod redaction;
mod request;
mod run;

pub use dispatcher::{Conditions, Dispatcher, Effects, Ended, Input, JobNode, Lost, Start};
pub use executor::WorkerError;
pub(crate) use explanation::{explain, missing_reference};
pub use redaction::Redaction;
pub use request::Request;
pub use run::{
    Entry, EventConsumer, Inbox, LEASE, ProgressSender, Runner, RunnerError, SessionEnd, deployment_record,
};
