//! Lines of many sources as one stream, in the order of time.
//!
//! Takes: sources, each of which gives its own lines in order, some at a time. Gives: one line after another.
//! Deliberately does not: hold more of a source than it gave at once, or look for one or open it before its time has come: a session may
//! have ten thousand files of a million lines.

use crate::runner::port::StoreError;
use crate::session::{LogOrigin, LogRecord};
use async_trait::async_trait;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// Where lines come from.
#[async_trait]
pub trait LineSource: Send {
    /// A time, as [`LogRecord::ts`] is written, before which it has no line; empty where that is not known.
    fn not_before(&self) -> &str;

    /// The next lines; none at the end, which for a source that still grows is an end for now.
    async fn next(&mut self) -> Result<Vec<LogRecord>, StoreError>;
}

/// Where a session's sources are found.
#[async_trait]
pub trait LineSources: Send {
    /// Sources that it has not given yet, as many as it finds at once. Asked again after its end, those that have come since.
    async fn next(&mut self) -> Result<FoundSources, StoreError>;
}

/// Sources that were found.
#[derive(Default)]
pub struct FoundSources {
    /// The sources.
    pub sources: Vec<Box<dyn LineSource>>,
    /// A time before which none of those that are still to be found has a line; none where there are no more, for now.
    pub rest_from: Option<String>,
}

/// Sources as one stream.
#[derive(Default)]
pub struct Lines {
    finder: Option<Box<dyn LineSources>>,
    /// The time from which on sources are still to be found.
    rest_from: Option<String>,
    sources: Vec<Queue>,
    /// The time, rank and number of each source that is not at its end: the one whose turn it is comes first.
    turns: BinaryHeap<Reverse<(String, u8, usize)>>,
}

struct Queue {
    source: Box<dyn LineSource>,
    lines: VecDeque<LogRecord>,
    /// It was not asked yet.
    is_new: bool,
}

impl Queue {
    async fn fill(&mut self) -> Result<(), StoreError> {
        self.is_new = false;
        self.lines = self.source.next().await?.into();
        Ok(())
    }
}

impl Lines {
    /// Of the sources that are found, and those that are added.
    pub fn of(finder: Option<Box<dyn LineSources>>) -> Self {
        Self { rest_from: finder.as_ref().map(|_| String::new()), finder, ..Self::default() }
    }

    /// Adds a source.
    pub fn add(&mut self, source: Box<dyn LineSource>) {
        self.turns.push(Reverse((source.not_before().to_owned(), 0, self.sources.len())));
        self.sources.push(Queue { source, lines: VecDeque::new(), is_new: true });
    }

    /// Asks all sources again that had come to an end, in the order in which they were added: they may have grown, and there may be more.
    pub async fn again(&mut self) -> Result<(), StoreError> {
        self.rest_from = self.finder.as_ref().map(|_| String::new());
        self.turns.clear();
        for number in 0..self.sources.len() {
            let queue = &mut self.sources[number];
            // One whose time has not come yet stays unopened: there may be thousands of them.
            if queue.is_new && !queue.source.not_before().is_empty() {
                self.turns.push(Reverse((queue.source.not_before().to_owned(), 0, number)));
                continue;
            }
            if queue.lines.is_empty() {
                queue.fill().await?;
            }
            self.put(number);
        }
        Ok(())
    }

    /// The next line; none where all sources are at their ends, or what comes next is later than `horizon`.
    pub async fn next(&mut self, horizon: Option<&str>) -> Result<Option<LogRecord>, StoreError> {
        let is_near = |time: &str| horizon.is_none_or(|horizon| time <= horizon);
        self.find(is_near).await?;
        while self.turns.peek().is_some_and(|Reverse((time, ..))| is_near(time))
            && let Some(Reverse((.., number))) = self.turns.pop()
        {
            let queue = &mut self.sources[number];
            let Some(line) = queue.lines.pop_front() else {
                queue.fill().await?;
                self.put(number);
                self.find(is_near).await?;
                continue;
            };
            if queue.lines.is_empty() {
                queue.fill().await?;
            }
            self.put(number);
            return Ok(Some(line));
        }
        Ok(None)
    }

    /// Finds the sources whose time may be that of the next line.
    async fn find(&mut self, is_near: impl Fn(&str) -> bool) -> Result<(), StoreError> {
        while let (Some(from), Some(finder)) = (&self.rest_from, &mut self.finder)
            && is_near(from)
            && self.turns.peek().is_none_or(|Reverse((time, ..))| from <= time)
        {
            let found = finder.next().await?;
            self.rest_from = found.rest_from;
            found.sources.into_iter().for_each(|source| self.add(source));
        }
        Ok(())
    }

    fn put(&mut self, number: usize) {
        if let Some(line) = self.sources[number].lines.front() {
            self.turns.push(Reverse((line.ts.clone(), rank(line), number)));
        }
    }
}

/// Of lines of the same millisecond: what begins, what is said, what ends.
fn rank(line: &LogRecord) -> u8 {
    const BEGINNINGS: [&str; 7] = [
        "session_created",
        "lease_taken",
        "session_started",
        "session_resumed",
        "session_retried",
        "job_started",
        "operation_started",
    ];
    let event = line.fields.get("event").and_then(|event| event.as_str()).unwrap_or_default();
    match line.source {
        LogOrigin::Runner if BEGINNINGS.contains(&event) => 0,
        LogOrigin::Operation | LogOrigin::StepFunctions => 1,
        LogOrigin::Runner => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Gives what is written, a batch at a time, and counts how many of its kind have been asked.
    struct Written {
        not_before: &'static str,
        batches: VecDeque<Vec<LogRecord>>,
        asked: Arc<AtomicUsize>,
        is_new: bool,
    }

    #[async_trait]
    impl LineSource for Written {
        fn not_before(&self) -> &str {
            self.not_before
        }

        async fn next(&mut self) -> Result<Vec<LogRecord>, StoreError> {
            if std::mem::take(&mut self.is_new) {
                self.asked.fetch_add(1, Ordering::Relaxed);
            }
            Ok(self.batches.pop_front().unwrap_or_default())
        }
    }

    /// `time message`, or `time event!` of a runner's.
    fn line(text: &str) -> LogRecord {
        let (ts, message) = text.split_once(' ').unwrap();
        let event = message.strip_suffix('!');
        serde_json::from_value(json!({
            "ts": ts, "level": "info", "source": if event.is_some() { "runner" } else { "operation" },
            "session_id": "", "job_id": "", "operation": "", "attempt": 1, "try": 1, "message": message,
            "fields": event.map_or(json!({}), |event| json!({"event": event})),
        }))
        .unwrap()
    }

    fn written(not_before: &'static str, batches: &[&[&str]], asked: &Arc<AtomicUsize>) -> Box<Written> {
        let batches = batches.iter().map(|batch| batch.iter().map(|text| line(text)).collect()).collect();
        Box::new(Written { not_before, batches, asked: asked.clone(), is_new: true })
    }

    async fn rest(lines: &mut Lines) -> Vec<String> {
        let mut found = Vec::new();
        while let Some(line) = lines.next(None).await.unwrap() {
            found.push(line.message);
        }
        found
    }

    #[tokio::test]
    async fn lines_come_in_the_order_of_time() {
        let asked = Arc::default();
        let mut lines = Lines::default();
        lines.add(written("", &[&["1 a", "4 d"], &["6 f"]], &asked));
        lines.add(written("2", &[&["2 b", "3 c", "5 e"]], &asked));
        lines.add(written("", &[], &asked));
        assert_eq!(rest(&mut lines).await, ["a", "b", "c", "d", "e", "f"]);
    }

    #[tokio::test]
    async fn within_a_millisecond_what_is_said_stands_between_beginning_and_end() {
        let asked = Arc::default();
        let mut lines = Lines::default();
        lines.add(written("", &[&["1 said"]], &asked));
        lines.add(written("", &[&["1 job_started!", "1 job_succeeded!"]], &asked));
        assert_eq!(rest(&mut lines).await, ["job_started!", "said", "job_succeeded!"]);
    }

    #[tokio::test]
    async fn a_source_is_not_asked_before_its_time() {
        let asked: Arc<AtomicUsize> = Arc::default();
        let mut lines = Lines::default();
        lines.add(written("1", &[&["1 a", "2 b"]], &asked));
        lines.add(written("3", &[&["3 c"]], &asked));
        lines.next(None).await.unwrap();
        lines.next(None).await.unwrap();
        lines.again().await.unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        assert_eq!(rest(&mut lines).await, ["c"]);
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    /// Finds sources a time at a time, and counts how often it is asked.
    struct Finder {
        found: VecDeque<FoundSources>,
        asked: Arc<AtomicUsize>,
    }

    #[async_trait]
    impl LineSources for Finder {
        async fn next(&mut self) -> Result<FoundSources, StoreError> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            Ok(self.found.pop_front().unwrap_or_default())
        }
    }

    #[tokio::test]
    async fn sources_are_looked_for_when_their_time_comes() {
        let (read, looked): (Arc<AtomicUsize>, Arc<AtomicUsize>) = Default::default();
        let found = |sources: Vec<Box<Written>>, rest_from: Option<&str>| FoundSources {
            sources: sources.into_iter().map(|source| source as Box<dyn LineSource>).collect(),
            rest_from: rest_from.map(str::to_owned),
        };
        let finder = Finder {
            found: VecDeque::from([
                found(vec![written("1", &[&["1 b", "5 g"]], &read)], Some("2")),
                // Of the same time as the turn that comes next: what begins stands first.
                found(vec![], Some("3")),
                found(vec![written("3", &[&["3 d!", "4 f"]], &read)], None),
                found(vec![written("6", &[&["6 h"]], &read)], None),
            ]),
            asked: looked.clone(),
        };
        let mut lines = Lines::of(Some(Box::new(finder)));
        lines.add(written("", &[&["0 a", "2 c", "3 job_started!"]], &read));
        let mut next = async || lines.next(Some("9")).await.unwrap().map(|line| line.message);
        assert_eq!((next().await, next().await).1.as_deref(), Some("b"));
        assert_eq!(looked.load(Ordering::Relaxed), 1, "what comes later is not looked for");
        assert_eq!(next().await.as_deref(), Some("c"));
        assert_eq!(rest(&mut lines).await, ["job_started!", "d!", "f", "g"]);
        assert_eq!(looked.load(Ordering::Relaxed), 3);
        lines.again().await.unwrap();
        assert_eq!(rest(&mut lines).await, ["h"]);
    }

    #[tokio::test]
    async fn what_lies_beyond_the_horizon_comes_later() {
        let asked = Arc::default();
        let mut lines = Lines::default();
        lines.add(written("", &[&["1 a", "3 c"]], &asked));
        assert_eq!(lines.next(Some("2")).await.unwrap().map(|line| line.message).as_deref(), Some("a"));
        assert_eq!(lines.next(Some("2")).await.unwrap(), None);
        lines.again().await.unwrap();
        lines.add(written("", &[&["2 b"]], &asked));
        assert_eq!(rest(&mut lines).await, ["b", "c"]);
    }

    #[tokio::test]
    async fn sources_that_have_grown_are_read_on() {
        let asked = Arc::default();
        let mut lines = Lines::default();
        lines.add(written("", &[&["1 a"], &[], &["3 c"]], &asked));
        assert_eq!(rest(&mut lines).await, ["a"]);
        lines.again().await.unwrap();
        lines.add(written("", &[&["2 b"]], &asked));
        assert_eq!(rest(&mut lines).await, ["b", "c"]);
    }
}
