//! What is on the screen, and what is known.

use super::form::{Form, Line};
use super::jobs::Jobs;
use super::keys::Place;
use super::list::Cursor;
use super::message::LogsOf;
use super::source::{Command, Counts, Found, Problem, SessionRow};
use crate::pipeline::Pipeline;
use crate::session::{JobStatus, LogRecord, SessionId, SessionStatus};
use jiff::Timestamp;
use ratatui::layout::Size;
use std::collections::HashMap;
use std::sync::Arc;

/// Sessions that are listed at most.
pub(super) const MOST_SESSIONS: usize = 500;

/// All of it.
#[derive(Debug)]
pub(super) struct State {
    pub(super) now: Timestamp,
    pub(super) size: Size,
    /// Where sessions are kept, in a few words.
    pub(super) place: String,
    /// Every look costs requests over the network: there are fewer.
    pub(super) is_remote: bool,
    /// The screens, the one that is seen last; never empty.
    pub(super) screens: Vec<Screen>,
    pub(super) sessions: Sessions,
    pub(super) session: Option<Session>,
    pub(super) logs: Option<Logs>,
    pub(super) pipelines: Pipelines,
    pub(super) dialog: Option<Dialog>,
    /// A line that is being typed at the foot of the screen.
    pub(super) prompt: Option<Prompt>,
    /// The store could not be read: why, and since when.
    pub(super) trouble: Option<(Problem, Timestamp)>,
    /// What was to be read is on its way.
    pub(super) is_reading: bool,
    pub(super) read_at: Option<Timestamp>,
    /// Something to be seen has changed.
    pub(super) is_stale: bool,
}

/// A screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Screen {
    Sessions,
    Session,
    Details,
    Logs,
    Pipelines,
}

/// The table of sessions.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    /// None before the first answer.
    pub(super) rows: Option<Vec<SessionRow>>,
    /// How far sessions are, and which status they had when that was asked.
    pub(super) counts: HashMap<SessionId, (SessionStatus, Counts)>,
    /// Rows that are shown, in their order.
    pub(super) shown: Vec<usize>,
    pub(super) filter: String,
    pub(super) sort: SessionSort,
    pub(super) is_reversed: bool,
    /// Rows came into sight of which it is not known how far they are.
    pub(super) is_uncounted: bool,
    pub(super) cursor: Cursor,
}

/// By what sessions are sorted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum SessionSort {
    #[default]
    Newest,
    Pipeline,
    Status,
    Duration,
}

/// The session that is looked at.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    /// None before the first answer.
    pub(super) row: Option<SessionRow>,
    pub(super) pipeline: Option<Arc<Pipeline>>,
    /// The version that `pipeline` is of.
    pub(super) version: String,
    pub(super) jobs: Jobs,
    /// Jobs in the graph's order with what is drawn before each.
    pub(super) drawing: Vec<Drawn>,
    pub(super) shown: Vec<Drawn>,
    pub(super) filter: String,
    pub(super) sort: JobSort,
    pub(super) cursor: Cursor,
    /// All of it was read once; only then it is known where to look first.
    pub(super) is_read: bool,
    pub(super) details: usize,
}

/// A line of the list of jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Drawn {
    pub(super) lanes: String,
    /// None: only lanes.
    pub(super) job: Option<String>,
}

/// By what jobs are sorted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum JobSort {
    #[default]
    Graph,
    Failed,
    Longest,
}

/// Log lines.
#[derive(Debug)]
pub(super) struct Logs {
    pub(super) of: LogsOf,
    pub(super) records: Option<Vec<LogRecord>>,
    pub(super) known: u64,
    /// Records that are shown.
    pub(super) shown: Vec<usize>,
    pub(super) cursor: Cursor,
    pub(super) is_following: bool,
    pub(super) filter: String,
    pub(super) search: String,
    /// Index into [`LEVELS`].
    pub(super) level: usize,
}

/// What log lines can be cut down to.
pub(super) const LEVELS: [&str; 4] = ["debug", "info", "warn", "error"];

/// The pipelines.
#[derive(Debug, Default)]
pub(super) struct Pipelines {
    pub(super) found: Option<Vec<Found>>,
    pub(super) shown: Vec<Branch>,
    pub(super) unfolded: Vec<String>,
    pub(super) filter: String,
    pub(super) cursor: Cursor,
}

/// A line of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Branch {
    Pipeline(usize),
    /// Of a pipeline, by index into its jobs.
    Job(usize, usize),
}

/// What is in front of the screen.
#[derive(Debug)]
pub(super) enum Dialog {
    Help {
        top: usize,
    },
    /// What will be done, before it is.
    Confirm(Confirm),
    /// Parameters are asked for.
    Form(Form),
    /// Something is done.
    Busy {
        title: String,
    },
    /// What came of it.
    Outcome {
        title: String,
        text: String,
        top: usize,
    },
}

/// To be confirmed.
#[derive(Debug)]
pub(super) struct Confirm {
    pub(super) title: String,
    pub(super) lines: Vec<String>,
    /// Why it is done, where the command keeps that.
    pub(super) reason: Option<Line>,
    pub(super) command: Command,
    /// Secrets that have to be given again.
    pub(super) secrets: Vec<String>,
}

/// What is typed at the foot of the screen.
#[derive(Debug)]
pub(super) struct Prompt {
    pub(super) kind: PromptKind,
    pub(super) line: Line,
    /// What there was before, for who changes their mind.
    pub(super) before: String,
}

/// What it is typed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PromptKind {
    Filter,
    Search,
}

impl State {
    /// Nothing is known yet.
    pub(super) fn new(place: String, size: Size, now: Timestamp) -> Self {
        Self {
            now,
            size,
            place,
            is_remote: false,
            screens: vec![Screen::Sessions],
            sessions: Sessions::default(),
            session: None,
            logs: None,
            pipelines: Pipelines::default(),
            dialog: None,
            prompt: None,
            trouble: None,
            is_reading: false,
            read_at: None,
            is_stale: true,
        }
    }

    pub(super) fn screen(&self) -> Screen {
        self.screens.last().copied().unwrap_or(Screen::Sessions)
    }

    /// Whose keys are heard.
    pub(super) fn keys_of(&self) -> Place {
        match self.screen() {
            Screen::Sessions => Place::Sessions,
            Screen::Session => Place::Session,
            Screen::Details => Place::Details,
            Screen::Logs => Place::Logs,
            Screen::Pipelines => Place::Pipelines,
        }
    }

    /// The session that a control is for.
    pub(super) fn meant(&self) -> Option<&SessionRow> {
        match self.screen() {
            Screen::Sessions => self.sessions.selected(),
            Screen::Session | Screen::Details | Screen::Logs => self.session.as_ref()?.row.as_ref(),
            Screen::Pipelines => None,
        }
    }

    /// Whether times on the screen move.
    pub(super) fn is_moving(&self) -> bool {
        let is_live = |row: &SessionRow| row.is_driven && !row.record.status.is_final();
        match self.screen() {
            Screen::Sessions => self.sessions.rows.iter().flatten().any(is_live),
            Screen::Session | Screen::Details => {
                self.session.as_ref().and_then(|session| session.row.as_ref()).is_some_and(is_live)
            }
            Screen::Logs | Screen::Pipelines => false,
        }
    }
}

impl Sessions {
    /// How far a session is, as far as that is known.
    pub(super) fn counts_of(&self, id: &SessionId) -> Option<Counts> {
        self.counts.get(id).map(|(_, counts)| *counts)
    }

    /// Whether it has to be asked how far a session is.
    pub(super) fn is_uncounted(&self, row: &SessionRow) -> bool {
        let status = row.record.status;
        !status.is_final() || self.counts.get(&row.record.session_id).is_none_or(|(then, _)| *then != status)
    }

    /// Keeps how far sessions are.
    pub(super) fn count(&mut self, counts: Vec<(SessionId, Counts)>) {
        for (id, counts) in counts {
            let mut rows = self.rows.iter().flatten();
            if let Some(row) = rows.find(|row| row.record.session_id == id) {
                self.counts.insert(id, (row.record.status, counts));
            }
        }
    }

    pub(super) fn selected(&self) -> Option<&SessionRow> {
        self.rows.as_ref()?.get(*self.shown.get(self.cursor.at)?)
    }

    /// Filters and sorts; what was selected stays so.
    pub(super) fn arrange(&mut self, now: Timestamp) {
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

/// Whether a text is in one of others, whatever its case.
fn holds(wanted: &str, words: &str) -> bool {
    wanted.is_empty() || words.to_lowercase().contains(wanted)
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
pub(super) fn status_words(row: &SessionRow) -> String {
    let status = row.record.status;
    let word = status.name().replace('_', " ");
    let is_left = !status.is_final() && status != SessionStatus::Paused && !row.is_driven;
    if is_left { format!("{word}, runner gone") } else { word }
}

/// How long a session took, or has taken.
pub(super) fn duration_of(row: &SessionRow, now: Timestamp) -> Option<jiff::SignedDuration> {
    let from = row.record.started_at?;
    let to = match row.record.ended_at {
        Some(ended) => ended,
        None if row.is_driven => now,
        None => return None,
    };
    Some(to.duration_since(from))
}

impl Session {
    pub(super) fn new(id: SessionId) -> Self {
        Self {
            id,
            row: None,
            pipeline: None,
            version: String::new(),
            jobs: Jobs::default(),
            drawing: Vec::new(),
            shown: Vec::new(),
            filter: String::new(),
            sort: JobSort::default(),
            cursor: Cursor::default(),
            is_read: false,
            details: 0,
        }
    }

    pub(super) fn selected(&self) -> Option<&str> {
        self.shown.get(self.cursor.at)?.job.as_deref()
    }

    /// What the graph is drawn as, for jobs that are known.
    pub(super) fn draw(&mut self) {
        let mut drawing = match &self.pipeline {
            Some(pipeline) => crate::report::graph::rows(pipeline)
                .into_iter()
                .map(|(lanes, job)| Drawn { lanes, job: job.map(|job| pipeline.jobs[job].id.to_string()) })
                .collect(),
            None => Vec::new(),
        };
        // Of a part of a pipeline only the jobs that it has; then the lanes would lead to nothing.
        let is_part = self.row.as_ref().is_some_and(|row| row.record.slice.is_some());
        if is_part || drawing.is_empty() {
            let order = drawing.iter().filter_map(|drawn: &Drawn| drawn.job.clone());
            let mut keys: Vec<String> = order.filter(|job| self.jobs.rows.contains_key(job)).collect();
            let known: std::collections::HashSet<String> = keys.iter().cloned().collect();
            keys.extend(self.jobs.rows.keys().filter(|key| !known.contains(*key)).cloned());
            drawing = keys.into_iter().map(|job| Drawn { lanes: String::new(), job: Some(job) }).collect();
        }
        self.drawing = drawing;
    }

    /// Filters and sorts; what was selected stays so.
    pub(super) fn arrange(&mut self, now: Timestamp) {
        let selected = self.selected().map(str::to_owned);
        let is_plain = self.filter.is_empty() && self.sort == JobSort::Graph;
        if is_plain {
            self.shown = self.drawing.clone();
        } else {
            let wanted = self.filter.to_lowercase();
            let jobs = &self.jobs.rows;
            let words = |job: &str| {
                let status = jobs.get(job).map_or(JobStatus::Pending, |row| row.record.status);
                format!("{job} {}", status.name().replace('_', " "))
            };
            let found = self.drawing.iter().filter_map(|drawn| drawn.job.as_deref());
            let mut found: Vec<&str> = found.filter(|job| holds(&wanted, &words(job))).collect();
            match self.sort {
                JobSort::Graph => {}
                JobSort::Failed => {
                    found.sort_by_key(|job| jobs.get(*job).map_or(9, |row| job_rank(row.record.status)));
                }
                JobSort::Longest => found.sort_by_key(|job| {
                    let took = jobs.get(*job).and_then(|row| {
                        let from = row.record.started_at?;
                        Some(row.record.ended_at.unwrap_or(now).duration_since(from))
                    });
                    std::cmp::Reverse(took)
                }),
            }
            let drawn = |job: &str| Drawn { lanes: String::new(), job: Some(job.to_owned()) };
            self.shown = found.into_iter().map(drawn).collect();
        }
        if let Some(job) = selected
            && let Some(at) = self.shown.iter().position(|drawn| drawn.job.as_deref() == Some(&job))
        {
            self.cursor.at = at;
        }
    }

    /// The selection moves over jobs, not over what is drawn between them.
    pub(super) fn skip_lanes(&mut self, is_up: bool) {
        while self.shown.get(self.cursor.at).is_some_and(|drawn| drawn.job.is_none()) {
            if is_up && self.cursor.at > 0 { self.cursor.at -= 1 } else { self.cursor.at += 1 }
        }
        self.cursor.at = self.cursor.at.min(self.shown.len().saturating_sub(1));
    }
}

fn job_rank(status: JobStatus) -> usize {
    match status {
        JobStatus::Failed | JobStatus::TimedOut => 0,
        JobStatus::Running => 1,
        JobStatus::Cancelled => 2,
        JobStatus::UpstreamFailed => 3,
        JobStatus::Pending => 4,
        JobStatus::Skipped => 5,
        JobStatus::Succeeded => 6,
    }
}

impl Logs {
    pub(super) fn new(of: LogsOf) -> Self {
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

    pub(super) fn arrange(&mut self) {
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
    pub(super) fn seek(&mut self, is_forward: bool) {
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

impl Pipelines {
    pub(super) fn selected(&self) -> Option<&Found> {
        let (Branch::Pipeline(at) | Branch::Job(at, _)) = self.shown.get(self.cursor.at)?;
        self.found.as_ref()?.get(*at)
    }

    pub(super) fn arrange(&mut self) {
        let Some(found) = &self.found else { return };
        let wanted = self.filter.to_lowercase();
        self.shown.clear();
        for (at, pipeline) in found.iter().enumerate() {
            let file = pipeline.file.as_deref().unwrap_or_default();
            if !holds(&wanted, &pipeline.name) && !holds(&wanted, file) {
                continue;
            }
            self.shown.push(Branch::Pipeline(at));
            let is_unfolded = self.unfolded.contains(&pipeline.name);
            if let Some(known) = pipeline.pipeline.as_ref().filter(|_| is_unfolded) {
                self.shown.extend(known.graph.order.iter().map(|job| Branch::Job(at, *job)));
            }
        }
    }
}
