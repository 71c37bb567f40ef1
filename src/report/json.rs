//! Events as JSON lines.

use crate::runner::{EventConsumer, Surroundings};
use crate::session::SessionEvent;
use jiff::Timestamp;
use serde_json::json;

/// Gives each event as one line of JSON to `print`.
pub struct JsonLines<F> {
    print: F,
}

impl<F: FnMut(String)> JsonLines<F> {
    /// Prints by `print`.
    pub fn new(print: F) -> Self {
        Self { print }
    }
}

impl<F: FnMut(String)> EventConsumer for JsonLines<F> {
    fn event(&mut self, event: &SessionEvent) {
        (self.print)(serde_json::to_string(event).unwrap_or_default());
    }
}

/// What is said of the surroundings, in the form of an event: it is stored nowhere and has no number.
pub fn surroundings(surroundings: &Surroundings, at: Timestamp) -> String {
    match surroundings {
        Surroundings::Waiting { error, code, help, limit } => json!({
            "event": "waiting", "at": at, "error": error, "code": code, "help": help, "limit_seconds": limit.as_secs(),
        }),
        Surroundings::Back { after } => {
            json!({"event": "surroundings_back", "at": at, "after_seconds": after.as_secs()})
        }
    }
    .to_string()
}
