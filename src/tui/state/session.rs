//! The session that is looked at: its jobs, which of them are shown, and in which order.

use super::holds;
use crate::pipeline::Pipeline;
use crate::session::{JobStatus, SessionId};
use crate::tui::jobs::Jobs;
use crate::tui::list::Cursor;
use crate::tui::source::SessionRow;
use jiff::Timestamp;
use std::sync::Arc;

/// The session that is looked at.
#[derive(Debug)]
pub(in crate::tui) struct Session {
    pub(in crate::tui) id: SessionId,
    /// None before the first answer.
    pub(in crate::tui) row: Option<SessionRow>,
    pub(in crate::tui) pipeline: Option<Arc<Pipeline>>,
    /// The version that `pipeline` is of.
    pub(in crate::tui) version: String,
    pub(in crate::tui) jobs: Jobs,
    /// The pipeline's graph, as wide as it is.
    graph: Vec<Drawn>,
    /// Jobs in the graph's order with what is drawn before each.
    pub(in crate::tui) drawing: Vec<Drawn>,
    pub(in crate::tui) shown: Vec<Drawn>,
    pub(in crate::tui) filter: String,
    pub(in crate::tui) sort: JobSort,
    pub(in crate::tui) cursor: Cursor,
    /// All of it was read once; only then it is known where to look first.
    pub(in crate::tui) is_read: bool,
    pub(in crate::tui) details: usize,
}

/// A line of the list of jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::tui) struct Drawn {
    pub(in crate::tui) lanes: String,
    /// None: only lanes.
    pub(in crate::tui) job: Option<String>,
}

/// Where a job is, seen from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::tui) enum Beside {
    /// It is waited for.
    Before,
    /// It waits.
    After,
}

/// By what jobs are sorted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::tui) enum JobSort {
    #[default]
    Graph,
    Failed,
    Longest,
}

impl Session {
    pub(in crate::tui) fn new(id: SessionId) -> Self {
        Self {
            id,
            row: None,
            pipeline: None,
            version: String::new(),
            jobs: Jobs::default(),
            graph: Vec::new(),
            drawing: Vec::new(),
            shown: Vec::new(),
            filter: String::new(),
            sort: JobSort::default(),
            cursor: Cursor::default(),
            is_read: false,
            details: 0,
        }
    }

    pub(in crate::tui) fn selected(&self) -> Option<&str> {
        self.shown.get(self.cursor.at)?.job.as_deref()
    }

    /// How another job stands to the selected one, where it is known.
    pub(in crate::tui) fn beside(&self, job: &str) -> Option<Beside> {
        let pipeline = self.pipeline.as_ref()?;
        let selected = pipeline.jobs.get_index_of(self.selected()?)?;
        let job = pipeline.jobs.get_index_of(job)?;
        if pipeline.graph.upstreams[selected].contains(&job) {
            Some(Beside::Before)
        } else if pipeline.graph.upstreams[job].contains(&selected) {
            Some(Beside::After)
        } else {
            None
        }
    }

    /// Jobs that a job waits for, and those that wait for it; of this session.
    pub(in crate::tui) fn neighbours(&self, job: &str) -> [Vec<&str>; 2] {
        let Some(pipeline) = &self.pipeline else { return Default::default() };
        let Some(at) = pipeline.jobs.get_index_of(job) else { return Default::default() };
        [&pipeline.graph.upstreams[at], &pipeline.graph.downstreams[at]].map(|jobs| {
            let names = jobs.iter().map(|job| pipeline.jobs[*job].id.as_str());
            names.filter(|job| self.jobs.rows.contains_key(*job)).collect()
        })
    }

    /// The pipeline that it has now.
    pub(in crate::tui) fn take_pipeline(&mut self, pipeline: Option<Arc<Pipeline>>) {
        let rows = pipeline.iter().flat_map(|pipeline| {
            let named = |job: usize| pipeline.jobs[job].id.to_string();
            let rows = crate::report::graph::rows(pipeline).into_iter();
            rows.map(move |(lanes, job)| Drawn { lanes, job: job.map(named) })
        });
        self.graph = rows.collect();
        self.pipeline = pipeline;
    }

    /// What the graph is drawn as, for jobs that are known: a list where it is too wide for the terminal.
    pub(in crate::tui) fn draw(&mut self, columns: u16) {
        let mut drawing = self.graph.clone();
        let lanes = drawing.iter().map(|drawn: &Drawn| drawn.lanes.trim_end().chars().count()).max();
        if lanes.is_some_and(|lanes| lanes > usize::from(columns) / 4) {
            drawing.retain(|drawn| drawn.job.is_some());
            drawing.iter_mut().for_each(|drawn| drawn.lanes.clear());
        }
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
    pub(in crate::tui) fn arrange(&mut self, now: Timestamp) {
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
    pub(in crate::tui) fn skip_lanes(&mut self, is_up: bool) {
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
