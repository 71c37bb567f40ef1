//! What somebody asks of a runner.

/// A request. Each says who asks and why; both are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// No new jobs; wait for the running ones; the session is paused.
    Pause {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Stop what runs; the session is cancelled.
    Cancel {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Leave at once; resume, or finish the cancel, later.
    Leave,
}
