//! How far events can be relied on: as far as they told of the ends that were seen lately.
//!
//! Takes: ends that were seen, events that came, and moments. Gives: whether looks may be rarer.
//! Deliberately does not: hear or look, or believe an event that nothing was seen of.

use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// So many ends in a row that events told of are proof.
const PROOF: u32 = 3;
/// An event that comes so much later than a look found the end is no help.
const GRACE: Duration = Duration::from_secs(20);

/// What events were good for.
#[derive(Debug, Default)]
pub(super) struct Trust {
    /// Ends in a row that events told of.
    came: u32,
    /// Ends that a look found before an event came, and when.
    awaited: HashMap<String, Instant>,
}

impl Trust {
    /// An execution was seen to have ended, after an event said so or before.
    pub(super) fn ended(&mut self, execution: &str, was_heard: bool, now: Instant) {
        if was_heard {
            self.came += 1;
        } else {
            self.awaited.insert(execution.to_owned(), now);
        }
    }

    /// An event told of an end that was seen already.
    pub(super) fn came(&mut self, execution: &str, now: Instant) {
        let seen = self.awaited.remove(execution);
        match seen {
            Some(seen) if now.duration_since(seen) <= GRACE => self.came += 1,
            Some(_) => self.lost(),
            // It told of that before.
            None => {}
        }
    }

    /// Nothing can be heard.
    pub(super) fn lost(&mut self) {
        self.came = 0;
    }

    /// Whether events told of the last ends, and of each of them in time.
    pub(super) fn is_proven(&mut self, now: Instant) -> bool {
        let before = self.awaited.len();
        self.awaited.retain(|_, seen| now.duration_since(*seen) <= GRACE);
        if self.awaited.len() < before {
            self.lost();
        }
        self.came >= PROOF
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_ends_in_a_row_are_proof() {
        let (mut trust, now) = (Trust::default(), Instant::now());
        trust.ended("a", true, now);
        trust.ended("b", false, now);
        assert!(!trust.is_proven(now));
        trust.came("b", now + GRACE / 2);
        assert!(!trust.is_proven(now + GRACE / 2));
        // Once more is no more.
        trust.came("b", now + GRACE / 2);
        assert!(!trust.is_proven(now + GRACE / 2));
        trust.ended("c", true, now + GRACE / 2);
        assert!(trust.is_proven(now + GRACE / 2));
    }

    #[test]
    fn one_end_that_no_event_told_of_in_time_takes_it_away() {
        let (mut trust, now) = (Trust::default(), Instant::now());
        ["a", "b", "c", "d"].iter().for_each(|execution| trust.ended(execution, true, now));
        trust.ended("e", false, now);
        assert!(trust.is_proven(now + GRACE), "it may still come");
        let late = now + GRACE * 2;
        assert!(!trust.is_proven(late));
        trust.came("e", late);
        assert!(!trust.is_proven(late), "what comes late is no proof");
        ["f", "g", "h"].iter().for_each(|execution| trust.ended(execution, true, late));
        assert!(trust.is_proven(late), "it can be had back");
        trust.lost();
        assert!(!trust.is_proven(late));
    }
}
