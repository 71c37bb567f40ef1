//! Events as JSON lines.

use crate::runner::EventConsumer;
use crate::session::SessionEvent;

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
