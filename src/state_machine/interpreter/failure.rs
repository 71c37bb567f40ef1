//! Why a branch did not come to its end.

use super::super::definition::{Kind, State};
use serde_json::{Value as Json, json};

/// Longest error name that Step Functions keeps.
const ERROR_LENGTH: usize = 256;
/// Longest cause that Step Functions keeps.
const CAUSE_LENGTH: usize = 32_768;

pub(super) const DATA_LIMIT_EXCEEDED: &str = "States.DataLimitExceeded";
pub(super) const RUNTIME: &str = "States.Runtime";
pub(super) const TIMEOUT: &str = "States.Timeout";
pub(super) const QUERY_EVALUATION: &str = "States.QueryEvaluationError";
pub(super) const THRESHOLD: &str = "States.ExceedToleratedFailureThreshold";

/// How a branch stopped early.
#[derive(Debug)]
pub(super) enum Stop {
    /// A state failed and nothing caught it.
    Failed(Box<Failure>),
    /// It was told to: the `…StateAborted` events of the states that it was in, innermost first.
    Halted(Vec<Aborted>),
}

/// A state that was cut off: its `…StateAborted`, and its name.
pub(super) type Aborted = (&'static str, String);

/// A state's failure.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    /// A Fail state may name none.
    pub(super) error: Option<String>,
    /// A timeout has none.
    pub(super) cause: Option<String>,
    /// The innermost state that failed.
    pub(super) state: String,
    /// The event that told of it.
    pub(super) event: u64,
    /// Whether a Task failed, and no container around it has told of that yet: it then says that the Task was aborted.
    pub(super) is_task: bool,
    /// Whether Retry and Catch see it at all.
    pub(super) is_catchable: bool,
}

impl Failure {
    /// Cuts error and cause to what Step Functions keeps.
    pub(super) fn new(error: Option<String>, cause: Option<String>, state: &str, event: u64) -> Self {
        Self {
            error: error.map(|error| truncate(error, ERROR_LENGTH)),
            cause: cause.map(|cause| truncate(cause, CAUSE_LENGTH)),
            state: state.to_owned(),
            event,
            is_task: false,
            is_catchable: true,
        }
    }

    /// An error that ends the execution, whatever Catch says.
    pub(super) fn terminal(mut self) -> Self {
        self.is_catchable = false;
        self
    }

    /// The failed Task, as the container around it tells of it.
    pub(super) fn aborted(&self) -> Option<Aborted> {
        self.is_task.then(|| ("TaskStateAborted", self.state.clone()))
    }

    /// `$states.errorOutput`, and what Catch passes on where it has no Output.
    pub(super) fn error_output(&self) -> Json {
        json!({ "Error": self.error.as_deref().unwrap_or_default(), "Cause": self.cause.as_deref().unwrap_or_default() })
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }
}

/// The event that says a state was cut off; states that never pause have none.
pub(super) fn aborted(state: &State) -> Option<Aborted> {
    let kind = match &state.kind {
        Kind::Task(_) => "TaskStateAborted",
        Kind::Wait(_) => "WaitStateAborted",
        Kind::Parallel { .. } => "ParallelStateAborted",
        Kind::Map(_) => "MapStateAborted",
        Kind::Pass | Kind::Succeed | Kind::Choice(_) | Kind::Fail { .. } => return None,
    };
    Some((kind, state.name.clone()))
}

fn truncate(mut text: String, length: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(length) {
        text.truncate(end);
    }
    text
}
