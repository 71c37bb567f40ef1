//! Log lines: which are kept and shown, and what is searched for in them.

use crate::session::{LogFilter, LogRecord};
use crate::tui::list::Cursor;
use crate::tui::message::LogsOf;
use crate::tui::source::LogPage;
use regex::Regex;
use std::collections::VecDeque;

/// Lines that are kept, and bytes that they may say: the last ones.
const MOST_LINES: usize = 100_000;
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// Log lines.
#[derive(Debug)]
pub(in crate::tui) struct Logs {
    pub(in crate::tui) of: LogsOf,
    records: VecDeque<LogRecord>,
    /// How many came before the first that is kept.
    dropped: u64,
    bytes: usize,
    /// All that there were at some time are here.
    pub(in crate::tui) is_read: bool,
    /// Numbers of the records that are shown, counted from the first that came.
    shown: VecDeque<u64>,
    pub(in crate::tui) cursor: Cursor,
    pub(in crate::tui) is_following: bool,
    pub(in crate::tui) filter: Pattern,
    pub(in crate::tui) search: Pattern,
    /// No line that is shown has what was searched for.
    pub(in crate::tui) is_missing: bool,
    /// Index into [`LEVELS`].
    pub(in crate::tui) level: usize,
}

/// What log lines can be cut down to.
pub(in crate::tui) const LEVELS: [&str; 4] = ["debug", "info", "warn", "error"];

/// A regular expression as it is written, and as it is understood.
#[derive(Debug, Clone, Default)]
pub(in crate::tui) struct Pattern {
    pub(in crate::tui) text: String,
    /// None for an empty text.
    pub(in crate::tui) regex: Option<Regex>,
}

impl Pattern {
    /// Or what is wrong with it.
    pub(in crate::tui) fn of(text: String) -> Result<Self, String> {
        let regex = if text.is_empty() { None } else { Some(LogFilter::regex(&text, false)?) };
        Ok(Self { text, regex })
    }
}

impl Logs {
    pub(in crate::tui) fn new(of: LogsOf) -> Self {
        Self {
            of,
            records: VecDeque::new(),
            dropped: 0,
            bytes: 0,
            is_read: false,
            shown: VecDeque::new(),
            cursor: Cursor::default(),
            is_following: true,
            filter: Pattern::default(),
            search: Pattern::default(),
            is_missing: false,
            level: 0,
        }
    }

    /// How many have come.
    pub(in crate::tui) fn given(&self) -> u64 {
        self.dropped + self.records.len() as u64
    }

    /// How many are kept, and how many of those are shown.
    pub(in crate::tui) fn kept(&self) -> usize {
        self.records.len()
    }

    pub(in crate::tui) fn len(&self) -> usize {
        self.shown.len()
    }

    /// Whether older ones than are kept have come.
    pub(in crate::tui) fn is_cut(&self) -> bool {
        self.dropped > 0
    }

    /// What is shown, from a line on.
    pub(in crate::tui) fn lines_from(&self, at: usize) -> impl Iterator<Item = (usize, &LogRecord)> {
        let numbers = self.shown.iter().enumerate().skip(at);
        numbers.filter_map(|(at, number)| Some((at, self.record(*number)?)))
    }

    pub(in crate::tui) fn selected(&self) -> Option<&LogRecord> {
        self.record(*self.shown.get(self.cursor.at)?)
    }

    fn record(&self, number: u64) -> Option<&LogRecord> {
        self.records.get(usize::try_from(number.checked_sub(self.dropped)?).ok()?)
    }

    /// Takes what came: added to what is here, or anew from the beginning.
    pub(in crate::tui) fn take(&mut self, page: LogPage) {
        if page.before != self.given() {
            self.records.clear();
            self.shown.clear();
            (self.dropped, self.bytes) = (page.before, 0);
        }
        let filter = self.level_filter();
        for record in page.records {
            if self.wants(&filter, &record) {
                self.shown.push_back(self.given());
            }
            self.bytes += weight(&record);
            self.records.push_back(record);
        }
        self.is_read |= !page.has_more;
        self.drop_oldest();
        if self.is_following {
            self.cursor.at = self.shown.len().saturating_sub(1);
        }
    }

    fn drop_oldest(&mut self) {
        while self.records.len() > MOST_LINES || (self.bytes > MOST_BYTES && self.records.len() > 1) {
            let Some(gone) = self.records.pop_front() else { return };
            self.bytes -= weight(&gone);
            if self.shown.front() == Some(&self.dropped) {
                self.shown.pop_front();
                // What is looked at stays where it is.
                self.cursor.at = self.cursor.at.saturating_sub(1);
                self.cursor.top = self.cursor.top.saturating_sub(1);
            }
            self.dropped += 1;
        }
    }

    fn level_filter(&self) -> LogFilter {
        LogFilter { level: (self.level > 0).then(|| LEVELS[self.level].to_owned()), ..LogFilter::default() }
    }

    fn wants(&self, level: &LogFilter, record: &LogRecord) -> bool {
        level.wants(record) && self.filter.regex.as_ref().is_none_or(|regex| regex.is_match(&record.message))
    }

    /// Filters; what was selected stays so, or what comes after it.
    pub(in crate::tui) fn arrange(&mut self) {
        let selected = self.shown.get(self.cursor.at).copied();
        let filter = self.level_filter();
        let numbered = (self.dropped..).zip(&self.records);
        self.shown = numbered.filter(|(_, record)| self.wants(&filter, record)).map(|(at, _)| at).collect();
        if self.is_following {
            self.cursor.at = self.shown.len().saturating_sub(1);
        } else if let Some(selected) = selected {
            self.cursor.at = self.shown.partition_point(|at| *at < selected);
        }
    }

    /// Marks what has it; [`Self::seek`] goes there.
    pub(in crate::tui) fn look_for(&mut self, pattern: Pattern) {
        self.search = pattern;
        self.is_missing = false;
    }

    /// The next line, or the one before, that has what is searched for.
    pub(in crate::tui) fn seek(&mut self, is_forward: bool) {
        let Some(regex) = &self.search.regex else { return };
        let is_hit =
            |at: &usize| self.record(self.shown[*at]).is_some_and(|record| regex.is_match(&record.message));
        let (at, len) = (self.cursor.at, self.shown.len());
        let found = if is_forward {
            (at + 1..len).chain(0..(at + 1).min(len)).find(is_hit)
        } else {
            (0..at.min(len)).rev().chain((at.min(len)..len).rev()).find(is_hit)
        };
        self.is_missing = found.is_none();
        if let Some(found) = found {
            self.is_following = false;
            self.cursor.at = found;
        }
    }
}

/// What a line takes, about.
fn weight(record: &LogRecord) -> usize {
    const FIELD: usize = 64;
    record.message.len() + record.fields.len() * FIELD
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{LogOrigin, SessionId};

    fn logs() -> Logs {
        let session = SessionId::new("20261125-080000-aaaaaa").unwrap();
        Logs::new(LogsOf { session, job: None })
    }

    fn page(before: u64, messages: impl IntoIterator<Item = String>) -> LogPage {
        let record = |message: String| LogRecord {
            ts: "2026-11-25T07:00:20.125Z".into(),
            level: if message.contains("bad") { "error".into() } else { "info".into() },
            source: LogOrigin::Operation,
            session_id: String::new(),
            job_id: "load".into(),
            operation: "run".into(),
            attempt: 1,
            try_number: 1,
            message,
            fields: serde_json::Map::new(),
        };
        LogPage { before, records: messages.into_iter().map(record).collect(), has_more: false }
    }

    fn shown(logs: &Logs) -> Vec<&str> {
        logs.lines_from(0).map(|(_, record)| record.message.as_str()).collect()
    }

    #[test]
    fn what_came_is_added_and_filtered_alone() {
        let mut logs = logs();
        logs.filter = Pattern::of("row [0-9]+$".into()).unwrap();
        logs.take(page(0, ["row 1", "a row"].map(String::from)));
        logs.take(page(2, ["row 2", "bad row 3"].map(String::from)));
        assert_eq!(shown(&logs), ["row 1", "row 2", "bad row 3"]);
        assert_eq!((logs.given(), logs.cursor.at), (4, 2), "it follows");
        // Combined with a level.
        logs.level = 3;
        logs.arrange();
        assert_eq!(shown(&logs), ["bad row 3"]);
        // Whoever reads began anew: so does this.
        logs.take(page(0, ["row 1", "bad row 3"].map(String::from)));
        assert_eq!((shown(&logs), logs.given()), (vec!["bad row 3"], 2));
    }

    #[test]
    fn the_last_lines_are_kept_and_what_is_looked_at_stays() {
        let mut logs = logs();
        logs.take(page(0, (0..MOST_LINES).map(|at| format!("line {at}"))));
        logs.is_following = false;
        (logs.cursor.at, logs.cursor.top) = (500, 490);
        logs.take(page(MOST_LINES as u64, (0..300).map(|at| format!("more {at}"))));
        assert_eq!(
            (logs.kept(), logs.len(), logs.given()),
            (MOST_LINES, MOST_LINES, MOST_LINES as u64 + 300)
        );
        assert_eq!(logs.selected().map(|record| record.message.as_str()), Some("line 500"));
        assert_eq!(logs.cursor.top, 190);
        logs.look_for(Pattern::of("^more 299$".into()).unwrap());
        logs.seek(true);
        assert_eq!((logs.cursor.at, logs.is_missing), (MOST_LINES - 1, false));
        logs.look_for(Pattern::of("nowhere".into()).unwrap());
        logs.seek(true);
        assert!(logs.is_missing);
    }

    #[test]
    fn long_lines_are_bounded_by_what_they_say() {
        let mut logs = logs();
        let long = "x".repeat(MOST_BYTES / 4);
        logs.take(page(0, (0..6).map(|at| format!("{at}{long}"))));
        assert!(logs.kept() < 4 && logs.given() == 6, "{}", logs.kept());
        assert!(logs.bytes <= MOST_BYTES);
    }

    #[test]
    fn a_pattern_is_that_of_grep() {
        assert!(Pattern::of("(".into()).unwrap_err().contains("unclosed group"));
        let pattern = Pattern::of("a.c".into()).unwrap();
        let matches = |text: &str| pattern.regex.as_ref().is_some_and(|regex| regex.is_match(text));
        assert!(matches("xabcx") && !matches("ABC"));
    }
}
