//! Events of an execution, with the names that GetExecutionHistory uses.

use super::timestamp;
use serde_json::{Map, Value as Json, json};

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryEvent {
    /// From 1.
    pub id: u64,
    /// The event that led to it; 0 for none.
    pub previous_id: u64,
    /// When.
    pub timestamp: jiff::Timestamp,
    /// `TaskStateEntered`, `TaskScheduled`, `TaskFailed` …
    pub kind: &'static str,
    /// The state it belongs to, where it belongs to one. (Not a field of the API for every kind; kept here for readers
    /// of progress.)
    pub state: Option<String>,
    /// The fields of the event's details, as the API names them (`name`, `input`, `output`, `error`, `cause`, `resource` …).
    pub details: Map<String, Json>,
}

impl HistoryEvent {
    /// As GetExecutionHistory gives it: `{"id", "previousEventId", "timestamp", "type", "…EventDetails"}`.
    pub fn to_json(&self) -> Json {
        let mut event = json!({
            "id": self.id,
            "previousEventId": self.previous_id,
            "timestamp": timestamp::print(self.timestamp),
            "type": self.kind,
        });
        if !self.details.is_empty() {
            event[self.details_key()] = Json::Object(self.details.clone());
        }
        event
    }

    /// The key of the details: all states share `stateEnteredEventDetails` and `stateExitedEventDetails`.
    fn details_key(&self) -> String {
        if self.kind.ends_with("StateEntered") {
            return "stateEnteredEventDetails".to_owned();
        }
        if self.kind.ends_with("StateExited") {
            return "stateExitedEventDetails".to_owned();
        }
        let (first, rest) = self.kind.split_at(1);
        format!("{}{rest}EventDetails", first.to_lowercase())
    }
}
