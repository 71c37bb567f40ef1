//! Log lines: which are shown, and what is searched for in them.

use super::holds;
use crate::session::LogRecord;
use crate::tui::list::Cursor;
use crate::tui::message::LogsOf;

/// Log lines.
#[derive(Debug)]
pub(in crate::tui) struct Logs {
    pub(in crate::tui) of: LogsOf,
    pub(in crate::tui) records: Option<Vec<LogRecord>>,
    pub(in crate::tui) known: u64,
    /// Records that are shown.
    pub(in crate::tui) shown: Vec<usize>,
    pub(in crate::tui) cursor: Cursor,
    pub(in crate::tui) is_following: bool,
    pub(in crate::tui) filter: String,
    pub(in crate::tui) search: String,
    /// Index into [`LEVELS`].
    pub(in crate::tui) level: usize,
}

/// What log lines can be cut down to.
pub(in crate::tui) const LEVELS: [&str; 4] = ["debug", "info", "warn", "error"];

impl Logs {
    pub(in crate::tui) fn new(of: LogsOf) -> Self {
        Self {
            of,
            records: None,
            known: 0,
            shown: Vec::new(),
            cursor: Cursor::default(),
            is_following: true,
            filter: String::new(),
            search: String::new(),
            level: 0,
        }
    }

    pub(in crate::tui) fn arrange(&mut self) {
        let selected = self.shown.get(self.cursor.at).copied();
        let Some(records) = &self.records else { return };
        let level = crate::session::LogFilter {
            level: (self.level > 0).then(|| LEVELS[self.level].to_owned()),
            ..Default::default()
        };
        let wanted = self.filter.to_lowercase();
        let is_shown = |record: &LogRecord| {
            level.wants(record)
                && (wanted.is_empty()
                    || holds(&wanted, &record.message)
                    || holds(&wanted, &record.job_id)
                    || holds(&wanted, &record.operation))
        };
        self.shown = (0..records.len()).filter(|at| is_shown(&records[*at])).collect();
        if self.is_following {
            self.cursor.at = self.shown.len().saturating_sub(1);
        } else if let Some(selected) = selected {
            self.cursor.at = self.shown.partition_point(|at| *at < selected);
        }
    }

    /// The next line, or the one before, that holds what is searched for.
    pub(in crate::tui) fn seek(&mut self, is_forward: bool) {
        let Some(records) = self.records.as_ref().filter(|_| !self.search.is_empty()) else { return };
        let wanted = self.search.to_lowercase();
        let is_hit = |at: &usize| holds(&wanted, &records[self.shown[*at]].message);
        let (at, len) = (self.cursor.at, self.shown.len());
        let found = if is_forward {
            (at + 1..len).chain(0..(at + 1).min(len)).find(is_hit)
        } else {
            (0..at.min(len)).rev().chain((at.min(len)..len).rev()).find(is_hit)
        };
        if let Some(found) = found {
            self.is_following = false;
            self.cursor.at = found;
        }
    }
}
