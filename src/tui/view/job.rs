//! All about a job: when it ran, what its operations did, what it was given and gave, and why it failed.

use super::text::{fit, pad, width};
use super::{Areas, Theme, line};
use crate::pipeline::Job;
use crate::report::failure::{self, FailedJob};
use crate::report::text::{between, moment, one_line, printable, printable_lines};
use crate::session::{JobStatus, OutputRecord};
use crate::tui::inputs::{self, Known};
use crate::tui::jobs::{JobRow, OperationRow, OperationState};
use crate::tui::state::{Session, State};
use jiff::Timestamp;
use ratatui::Frame;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

pub(super) fn draw(state: &State, theme: Theme, areas: Areas, frame: &mut Frame<'_>) {
    let Some(session) = &state.session else { return };
    let columns = usize::from(areas.list.width);
    let window = details(state).into_iter().skip(session.details).take(usize::from(areas.list.height));
    for (at, detail) in window.enumerate() {
        line(frame, areas.list, at, detail.drawn(columns, theme));
    }
}

/// How much of it is seen.
pub(super) fn notice(state: &State, height: usize) -> String {
    let (top, all) = (state.session.as_ref().map_or(0, |session| session.details), details(state).len());
    if all <= height {
        return String::new();
    }
    format!("lines {} to {} of {all}; j and k scroll", top + 1, (top + height).min(all))
}

/// A line about a job.
#[derive(Debug)]
pub(in crate::tui) enum Detail {
    /// Above lines of a kind.
    Heading(&'static str),
    /// A name, and what is known of it.
    Fact(&'static str, String),
    /// Why it failed.
    Bad(&'static str, String),
    Text(String),
}

impl Detail {
    pub(super) fn drawn(self, columns: usize, theme: Theme) -> Line<'static> {
        const NAME: usize = 12;
        let named = |name: &str, value: &str, style: Style| {
            let value = Span::styled(fit(value, columns.saturating_sub(NAME)), style);
            Line::from(vec![Span::raw(pad(name, NAME)), value])
        };
        match self {
            Self::Heading(text) => Line::styled(text, theme.strong()),
            Self::Fact(name, value) => named(name, &value, Style::new()),
            Self::Bad(name, value) => named(name, &value, theme.bad()),
            Self::Text(text) => Line::from(fit(&text, columns)),
        }
    }
}

fn empty() -> Detail {
    Detail::Text(String::new())
}

/// What there is to say of the selected job, the most important first.
pub(in crate::tui) fn details(state: &State) -> Vec<Detail> {
    let Some(session) = &state.session else { return Vec::new() };
    let Some(row) = session.selected().and_then(|job| session.jobs.rows.get(job)) else { return Vec::new() };
    let columns = usize::from(state.size.width);
    let key = row.record.job_key.as_str();
    let job = session.pipeline.as_ref().and_then(|pipeline| pipeline.jobs.get(key));
    let mut lines = facts(row, job, state.now);
    failed(row, session, columns, &mut lines);
    operations(row, job, state.now, &mut lines);
    inputs(job, session, &mut lines);
    output(row, &mut lines);
    execution(row, session, &mut lines);
    lines
}

fn facts(row: &JobRow, job: Option<&Job>, now: Timestamp) -> Vec<Detail> {
    let record = &row.record;
    let mut lines = Vec::new();
    if let Some(description) = job.and_then(|job| job.description.as_deref()) {
        lines.push(Detail::Text(one_line(description, 400)));
    }
    let status = record.status.name().replace('_', " ");
    let when = match (record.started_at, record.ended_at) {
        (Some(from), Some(to)) => {
            format!(", {} to {}, {}", moment(from), to.strftime("%H:%M:%S"), between(from, to))
        }
        (Some(from), None) => format!(", since {}, {}", moment(from), between(from, now)),
        _ => String::new(),
    };
    let attempt = if record.attempt > 0 { format!(", attempt {}", record.attempt) } else { String::new() };
    lines.push(Detail::Fact("status", format!("{status}{attempt}{when}")));
    if let Some(failure) = &record.failure {
        let (error, summary) = (failure.error.as_deref(), failure.summary.as_deref());
        let is_said = error.zip(summary).is_some_and(|(error, summary)| summary.starts_with(error));
        let said: Vec<&str> = error.filter(|_| !is_said).into_iter().chain(summary).collect();
        lines.push(Detail::Bad("because", one_line(&said.join(": "), 400)));
        lines.extend(failure.log_lines.last().map(|last| Detail::Fact("said last", one_line(last, 400))));
    }
    if let Some(reason) = &record.reason {
        lines.push(Detail::Fact("because", one_line(reason, 400)));
    }
    if let Some(from) = &record.reused_from {
        lines.push(Detail::Fact("output of", format!("session {from}")));
    }
    lines.extend(row.earlier.iter().map(|earlier| Detail::Fact("before", one_line(earlier, 400))));
    lines.extend(record.may_still_run.iter().map(|line| Detail::Bad("not ended", one_line(line, 400))));
    lines
}

/// What it waits for, what waits for it, and by what name it is known elsewhere.
fn execution(row: &JobRow, session: &Session, lines: &mut Vec<Detail>) {
    let mut more = Vec::new();
    let [upstreams, downstreams] = session.neighbours(&row.record.job_key);
    for (what, jobs) in [("waits for", upstreams), ("needed by", downstreams)] {
        if !jobs.is_empty() {
            more.push(Detail::Fact(what, standing(&jobs, session)));
        }
    }
    if let Some(execution) = &row.record.execution {
        more.push(Detail::Fact("execution", printable(execution).into_owned()));
    }
    let besides = row.record.ended_besides.iter();
    more.extend(besides.map(|line| Detail::Fact("ended too", one_line(line, 400))));
    if !more.is_empty() {
        lines.push(empty());
        lines.extend(more);
    }
}

/// Jobs with how they stand; of many the first, what failed and what runs before the others.
fn standing(jobs: &[&str], session: &Session) -> String {
    const MOST: usize = 40;
    let status = |job: &str| session.jobs.rows.get(job).map_or(JobStatus::Pending, |row| row.record.status);
    let mut jobs: Vec<&str> = jobs.to_vec();
    jobs.sort_by_key(|job| match status(job) {
        JobStatus::Failed | JobStatus::TimedOut => 0,
        JobStatus::Running => 1,
        _ => 2,
    });
    let named = |job: &&str| format!("{} {}", Theme::Plain.job(status(job)).1, printable(job));
    let mut text = jobs.iter().take(MOST).map(named).collect::<Vec<_>>().join(", ");
    if jobs.len() > MOST {
        text.push_str(&format!(" and {} more", jobs.len() - MOST));
    }
    text
}

/// The error at its lines of the pipeline file.
fn failed(row: &JobRow, session: &Session, columns: usize, lines: &mut Vec<Detail>) {
    let Some(failure) = &row.record.failure else { return };
    lines.push(empty());
    if let Some(pipeline) = &session.pipeline {
        let failed = FailedJob {
            session: session.id.as_str(),
            job_key: &row.record.job_key,
            status: row.record.status,
            failure,
        };
        let text = failure::render(failed, pipeline, false, columns.clamp(40, 120));
        lines.extend(text.trim_end().lines().map(|line| Detail::Text(line.to_owned())));
        return;
    }
    let parts = [&failure.error, &failure.summary, &failure.detail, &failure.help];
    let parts = parts.into_iter().flatten().map(|text| printable_lines(text));
    let said = failure.log_lines.iter().map(|line| one_line(line, 400));
    for text in parts.chain(said) {
        lines.extend(text.lines().map(|line| Detail::Text(line.to_owned())));
    }
}

fn operations(row: &JobRow, job: Option<&Job>, now: Timestamp, lines: &mut Vec<Detail>) {
    let known = job
        .iter()
        .flat_map(|job| &job.operations)
        .map(|operation| (operation.name.to_string(), &operation.kind));
    let mut names: Vec<(String, String)> = known.map(|(name, kind)| (name, kind.clone())).collect();
    for name in row.operations.keys() {
        if !names.iter().any(|(known, _)| known == name) {
            names.push((name.clone(), String::new()));
        }
    }
    if names.is_empty() {
        return;
    }
    lines.extend([empty(), Detail::Heading("operations")]);
    let longest = |texts: &mut dyn Iterator<Item = &String>| texts.map(|text| width(text)).max().unwrap_or(0);
    let name_columns = longest(&mut names.iter().map(|(name, _)| name));
    let kind_columns = longest(&mut names.iter().map(|(_, kind)| kind));
    let all: Vec<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
    for (name, kind) in &names {
        let tried = row.operations.get(name);
        let state = match tried {
            Some(operation) => operation_words(operation, row.record.status, now),
            None => one_line(&row.untold(name, &all), 200),
        };
        let (name, kind) = (pad(&printable(name), name_columns), pad(kind, kind_columns));
        lines.push(Detail::Text(format!("  {name}  {kind}  {state}")));
        let earlier = tried.into_iter().flat_map(|operation| &operation.earlier);
        let said =
            |(number, error): &(u32, String)| format!("      try {number} failed: {}", one_line(error, 200));
        lines.extend(earlier.map(|try_of| Detail::Text(said(try_of))));
    }
}

fn operation_words(operation: &OperationRow, job: JobStatus, now: Timestamp) -> String {
    let word = match operation.state {
        OperationState::Running if job == JobStatus::Running => "running",
        OperationState::Running => "not heard of any more",
        OperationState::Waiting => "will be tried again",
        OperationState::Succeeded => "succeeded",
        OperationState::Failed => "failed",
    };
    let tries =
        if operation.try_number > 1 { format!(", try {}", operation.try_number) } else { String::new() };
    let took = match operation.ended_at {
        Some(ended) => format!(", {}", between(operation.started_at, ended)),
        None if job == JobStatus::Running => format!(", {}", between(operation.started_at, now)),
        None => String::new(),
    };
    let error =
        operation.error.as_deref().map(|error| format!(", {}", one_line(error, 80))).unwrap_or_default();
    format!("{word}{tries}{took}{error}")
}

/// What the job refers to, with the values that are known.
fn inputs(job: Option<&Job>, session: &Session, lines: &mut Vec<Detail>) {
    let found = job.map(|job| inputs::inputs(job, session)).unwrap_or_default();
    if found.is_empty() {
        return;
    }
    lines.extend([empty(), Detail::Heading("inputs")]);
    for input in found {
        let value = match input.value {
            Known::Value(value) => format!(" = {}", one_line(&value.to_string(), 400)),
            Known::Not(why) => format!(": {}", printable(&why)),
        };
        lines.push(Detail::Text(format!("  {}{value}", printable(&input.reference))));
    }
}

fn output(row: &JobRow, lines: &mut Vec<Detail>) {
    let Some(output) = &row.record.output else { return };
    lines.extend([empty(), Detail::Heading("output")]);
    match output {
        OutputRecord::Object { key, size } => {
            lines.push(Detail::Text(format!("  {size} bytes in {}", printable(key))));
        }
        OutputRecord::Inline(value) => {
            let text = serde_json::to_string_pretty(value).unwrap_or_default();
            lines.extend(printable_lines(&text).lines().map(|text| Detail::Text(format!("  {text}"))));
        }
    }
}
