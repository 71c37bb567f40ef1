//! Engines and stores behind the traits of [`runner::port`](crate::runner).

#[cfg(feature = "aws")]
pub mod aws;
mod failure;
mod lines;
pub mod local;

pub use lines::{FoundSources, LineSource, LineSources, Lines};

use crate::runner::port::{ObjectStore, SessionStore};
use std::sync::Arc;

/// Where a backend keeps sessions, and what is large.
#[derive(Clone)]
pub struct Stores {
    /// Sessions, their jobs and events.
    pub sessions: Arc<dyn SessionStore>,
    /// Objects, by key.
    pub objects: Arc<dyn ObjectStore>,
}
