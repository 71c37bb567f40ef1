//! Names of events that depend on a state's type, and what their details are made of.

use super::super::definition::Kind;
use serde_json::{Map, Value as Json, json};

/// `PassStateEntered` and its like.
pub(super) fn entered(kind: &Kind) -> &'static str {
    match kind {
        Kind::Pass => "PassStateEntered",
        Kind::Succeed => "SucceedStateEntered",
        Kind::Task(_) => "TaskStateEntered",
        Kind::Choice(_) => "ChoiceStateEntered",
        Kind::Wait(_) => "WaitStateEntered",
        Kind::Fail { .. } => "FailStateEntered",
        Kind::Parallel { .. } => "ParallelStateEntered",
        Kind::Map(_) => "MapStateEntered",
    }
}

/// `PassStateExited` and its like; a Fail state is never left.
pub(super) fn exited(kind: &Kind) -> &'static str {
    match kind {
        Kind::Pass => "PassStateExited",
        Kind::Succeed => "SucceedStateExited",
        Kind::Task(_) => "TaskStateExited",
        Kind::Choice(_) => "ChoiceStateExited",
        Kind::Wait(_) => "WaitStateExited",
        Kind::Fail { .. } => "FailStateExited",
        Kind::Parallel { .. } => "ParallelStateExited",
        Kind::Map(_) => "MapStateExited",
    }
}

/// The event of a container whose last try failed.
pub(super) fn failed(kind: &Kind) -> Option<&'static str> {
    match kind {
        Kind::Parallel { .. } => Some("ParallelStateFailed"),
        Kind::Map(_) => Some("MapStateFailed"),
        Kind::Pass | Kind::Succeed | Kind::Task(_) | Kind::Choice(_) | Kind::Wait(_) | Kind::Fail { .. } => {
            None
        }
    }
}

/// Details of an event.
#[derive(Debug, Default)]
pub(super) struct Details(Map<String, Json>);

impl Details {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn from_map(map: Map<String, Json>) -> Self {
        Self(map)
    }

    pub(super) fn with(mut self, key: &str, value: impl Into<Json>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    pub(super) fn maybe(self, key: &str, value: Option<impl Into<Json>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// A payload as the API has it: JSON text, and that nothing of it was cut.
    pub(super) fn payload(self, key: &str, text: String) -> Self {
        let details = format!("{key}Details");
        self.with(key, text).with(&details, json!({ "truncated": false }))
    }

    pub(super) fn into_map(self) -> Map<String, Json> {
        self.0
    }
}

/// JSON text of a payload.
pub(super) fn text(value: &Json) -> String {
    value.to_string()
}
