//! The table of sessions: which are shown, in which order, and in which words.

use super::holds;
use crate::session::{SessionId, SessionStatus};
use crate::tui::list::Cursor;
use crate::tui::source::{Counts, Problem, SessionRow};
use jiff::Timestamp;
use std::collections::HashMap;

/// Sessions that are listed at most.
pub(in crate::tui) const MOST_SESSIONS: usize = 500;

/// The table of sessions.
#[derive(Debug, Default)]
pub(in crate::tui) struct Sessions {
    /// None before the first answer.
    pub(in crate::tui) rows: Option<Vec<SessionRow>>,
    /// What is wrong with those that are there and cannot be read.
    pub(in crate::tui) damaged: Vec<Problem>,
    /// How far sessions are, and which status they had when that was asked.
    pub(in crate::tui) counts: HashMap<SessionId, (SessionStatus, Counts)>,
    /// Rows that are shown, in their order.
    pub(in crate::tui) shown: Vec<usize>,
    pub(in crate::tui) filter: String,
    pub(in crate::tui) sort: SessionSort,
    pub(in crate::tui) is_reversed: bool,
    /// Rows came into sight of which it is not known how far they are.
    pub(in crate::tui) is_uncounted: bool,
    pub(in crate::tui) cursor: Cursor,
}

/// By what sessions are sorted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::tui) enum SessionSort {
    #[default]
    Newest,
    Pipeline,
    Status,
    Duration,
}

impl Sessions {
    /// How far a session is, as far as that is known.
    pub(in crate::tui) fn counts_of(&self, id: &SessionId) -> Option<Counts> {
        self.counts.get(id).map(|(_, counts)| *counts)
    }

    /// Whether it has to be asked how far a session is.
    pub(in crate::tui) fn is_uncounted(&self, row: &SessionRow) -> bool {
        let status = row.record.status;
        !status.is_final() || self.counts.get(&row.record.session_id).is_none_or(|(then, _)| *then != status)
    }

    /// Keeps how far sessions are.
    pub(in crate::tui) fn count(&mut self, counts: Vec<(SessionId, Counts)>) {
        for (id, counts) in counts {
            let mut rows = self.rows.iter().flatten();
            if let Some(row) = rows.find(|row| row.record.session_id == id) {
                self.counts.insert(id, (row.record.status, counts));
            }
        }
    }

    pub(in crate::tui) fn selected(&self) -> Option<&SessionRow> {
        self.rows.as_ref()?.get(*self.shown.get(self.cursor.at)?)
    }

    /// Filters and sorts; what was selected stays so.
    pub(in crate::tui) fn arrange(&mut self, now: Timestamp) {
        let selected = self.selected().map(|row| row.record.session_id.clone());
        let Some(rows) = &self.rows else { return };
        let wanted = self.filter.to_lowercase();
        let mut shown: Vec<usize> =
            (0..rows.len()).filter(|at| holds(&wanted, &session_words(&rows[*at]))).collect();
        let took = |at: usize| duration_of(&rows[at], now);
        match self.sort {
            SessionSort::Newest => {}
            SessionSort::Pipeline => {
                shown.sort_by(|a, b| rows[*a].record.pipeline_id.cmp(&rows[*b].record.pipeline_id));
            }
            SessionSort::Status => shown.sort_by_key(|at| rank(rows[*at].record.status)),
            SessionSort::Duration => shown.sort_by_key(|at| std::cmp::Reverse(took(*at))),
        }
        if self.is_reversed {
            shown.reverse();
        }
        if let Some(at) = selected
            .and_then(|id| shown.iter().position(|row| rows[*row].record.session_id == id))
            .filter(|_| self.cursor.at > 0 || self.sort != SessionSort::Newest)
        {
            self.cursor.at = at;
        }
        self.shown = shown;
    }
}

fn session_words(row: &SessionRow) -> String {
    let record = &row.record;
    let mut words = format!("{} {} {}", record.session_id, record.pipeline_id, status_words(row));
    let creator = record.created_by.as_ref().unwrap_or(&record.runner);
    words.push_str(&format!(" {}", creator.user));
    for (key, value) in &record.labels {
        words.push_str(&format!(" {key}={value}"));
    }
    words
}

/// What is going on comes first, then what went wrong.
fn rank(status: SessionStatus) -> usize {
    match status {
        SessionStatus::Running | SessionStatus::Created => 0,
        SessionStatus::Pausing | SessionStatus::Cancelling => 1,
        SessionStatus::Paused => 2,
        SessionStatus::Failed | SessionStatus::TimedOut => 3,
        SessionStatus::Cancelled => 4,
        SessionStatus::Succeeded => 5,
    }
}

/// `running`, `timed out`; with `runner gone` where nobody drives what should be.
pub(in crate::tui) fn status_words(row: &SessionRow) -> String {
    let status = row.record.status;
    let word = status.name().replace('_', " ");
    let is_left = !status.is_final() && status != SessionStatus::Paused && !row.is_driven;
    if is_left { format!("{word}, runner gone") } else { word }
}

/// How long a session took, or has taken.
pub(in crate::tui) fn duration_of(row: &SessionRow, now: Timestamp) -> Option<jiff::SignedDuration> {
    let from = row.record.started_at?;
    let to = match row.record.ended_at {
        Some(ended) => ended,
        None if row.is_driven => now,
        None => return None,
    };
    Some(to.duration_since(from))
}
