//! What a watcher knows by events: which executions are its own, what was heard of each, and how far events are relied on.
//!
//! Takes: executions that begin to be watched and end, and hints. Gives: whose a hint is, and whether looks may be rarer.
//! Deliberately does not: receive messages, or look.

use super::events::Hint;
use super::trust::Trust;
use jiff::Timestamp;
use std::collections::HashMap;
use tokio::time::Instant;

/// Of one runner.
#[derive(Debug, Default)]
pub(super) struct Hearing {
    trust: Trust,
    /// All that were ever watched, by ARN, each with what was heard of it last.
    own: HashMap<String, Option<Hint>>,
}

/// Whose execution an event tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// One that is watched here, or was.
    Own,
    /// Another's, or one that is not watched yet.
    Others,
}

impl Hearing {
    /// An execution is watched from now on. Gives what was heard of it before: after trouble it is watched again.
    pub(super) fn begins(&mut self, execution: &str) -> Option<&Hint> {
        self.own.entry(execution.to_owned()).or_default().as_ref()
    }

    /// An event came.
    pub(super) fn hears(&mut self, hint: Hint, is_watched: bool, now: Instant) -> Whose {
        let Some(last) = self.own.get_mut(&hint.execution) else { return Whose::Others };
        if !is_watched {
            self.trust.came(&hint.execution, now);
        }
        *last = Some(hint);
        Whose::Own
    }

    /// One that began, or was redriven so often and began again, at that moment was seen to have ended.
    pub(super) fn ended(&mut self, execution: &str, began: (Timestamp, u32), now: Instant) {
        let hint = self.own.get(execution).and_then(Option::as_ref);
        let was_heard = hint.is_some_and(|hint| !hint.is_of_before(began.0, began.1));
        self.trust.ended(execution, was_heard, now);
    }

    /// Nothing can be heard for now.
    pub(super) fn is_deaf(&mut self) {
        self.trust.lost();
    }

    /// Whether events told of the last ends.
    pub(super) fn is_relied_on(&mut self, now: Instant) -> bool {
        self.trust.is_proven(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(execution: &str, stopped_at: i64) -> Hint {
        let detail =
            serde_json::json!({"executionArn": execution, "status": "FAILED", "stopDate": stopped_at * 1000});
        Hint::of(&serde_json::json!({ "detail": detail }).to_string()).expect("it is one")
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("in range")
    }

    #[test]
    fn what_was_never_watched_is_anothers() {
        let (mut hearing, now) = (Hearing::default(), Instant::now());
        assert_eq!(hearing.hears(hint("a", 5), false, now), Whose::Others);
        assert_eq!(hearing.begins("a"), None);
        assert_eq!(hearing.hears(hint("a", 5), true, now), Whose::Own);
        hearing.ended("a", (at(1), 0), now);
        assert_eq!(hearing.hears(hint("a", 5), false, now), Whose::Own, "it may come twice");
        assert_eq!(hearing.begins("a"), Some(&hint("a", 5)));
    }

    #[test]
    fn only_an_event_of_that_end_counts() {
        let (mut hearing, now) = (Hearing::default(), Instant::now());
        for execution in ["a", "b", "c"] {
            hearing.begins(execution);
            hearing.hears(hint(execution, 5), true, now);
            hearing.ended(execution, (at(7), 1), now);
        }
        assert!(!hearing.is_relied_on(now), "they are of before a redrive");
        for execution in ["a", "b", "c"] {
            hearing.hears(hint(execution, 9), false, now);
        }
        assert!(hearing.is_relied_on(now));
        hearing.is_deaf();
        assert!(!hearing.is_relied_on(now));
    }
}
