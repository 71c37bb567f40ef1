//! All about a job: when it ran, what its operations did, what it was given and gave, and why it failed.

use super::text::{fit, pad};
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
use ratatui::text::Line;

pub(super) fn draw(state: &State, areas: Areas, frame: &mut Frame<'_>) {
    let Some(session) = &state.session else { return };
    let lines = detail_lines(state);
    let window = lines.iter().skip(session.details).take(usize::from(areas.list.height));
    for (at, text) in window.enumerate() {
        line(frame, areas.list, at, Line::from(fit(text, usize::from(areas.list.width))));
    }
}

/// What there is to say of the selected job, the most important first.
pub(in crate::tui) fn detail_lines(state: &State) -> Vec<String> {
    let Some(session) = &state.session else { return Vec::new() };
    let Some(row) = session.selected().and_then(|job| session.jobs.rows.get(job)) else { return Vec::new() };
    let columns = usize::from(state.size.width);
    let key = row.record.job_key.as_str();
    let job = session.pipeline.as_ref().and_then(|pipeline| pipeline.jobs.get(key));
    let mut lines = facts(row, job, session, state.now);
    failed(row, session, columns, &mut lines);
    operations(row, job, state.now, &mut lines);
    inputs(job, session, columns, &mut lines);
    output(row, columns, &mut lines);
    lines
}

fn facts(row: &JobRow, job: Option<&Job>, session: &Session, now: Timestamp) -> Vec<String> {
    let record = &row.record;
    let mut lines = Vec::new();
    if let Some(description) = job.and_then(|job| job.description.as_deref()) {
        lines.push(one_line(description, 400));
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
    lines.push(format!("status      {status}{attempt}{when}"));
    if let Some(failure) = &record.failure {
        let (error, summary) = (failure.error.as_deref(), failure.summary.as_deref());
        let is_said = error.zip(summary).is_some_and(|(error, summary)| summary.starts_with(error));
        let said: Vec<&str> = error.filter(|_| !is_said).into_iter().chain(summary).collect();
        lines.push(format!("because     {}", one_line(&said.join(": "), 400)));
    }
    if let Some(reason) = &record.reason {
        lines.push(format!("because     {}", one_line(reason, 400)));
    }
    if let Some(from) = &record.reused_from {
        lines.push(format!("output of   session {from}"));
    }
    let [upstreams, downstreams] = session.neighbours(&record.job_key);
    for (what, jobs) in [("waits for", upstreams), ("needed by", downstreams)] {
        if !jobs.is_empty() {
            lines.push(format!("{what:<12}{}", standing(&jobs, session)));
        }
    }
    lines.extend(row.earlier.iter().map(|earlier| format!("before      {}", one_line(earlier, 400))));
    if let Some(execution) = &record.execution {
        lines.push(format!("execution   {}", printable(execution)));
    }
    let besides = record.ended_besides.iter().map(|line| format!("ended too   {}", one_line(line, 400)));
    lines.extend(besides);
    lines.extend(record.may_still_run.iter().map(|line| format!("not ended   {}", one_line(line, 400))));
    lines
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
fn failed(row: &JobRow, session: &Session, columns: usize, lines: &mut Vec<String>) {
    let Some(failure) = &row.record.failure else { return };
    lines.push(String::new());
    if let Some(pipeline) = &session.pipeline {
        let failed = FailedJob {
            session: session.id.as_str(),
            job_key: &row.record.job_key,
            status: row.record.status,
            failure,
        };
        let text = failure::render(failed, pipeline, false, columns.clamp(40, 120));
        lines.extend(text.trim_end().lines().map(str::to_owned));
        return;
    }
    let parts = [&failure.error, &failure.summary, &failure.detail, &failure.help];
    lines.extend(
        parts
            .into_iter()
            .flatten()
            .flat_map(|text| printable_lines(text).lines().map(str::to_owned).collect::<Vec<_>>()),
    );
    lines.extend(failure.log_lines.iter().map(|line| one_line(line, 400)));
}

fn operations(row: &JobRow, job: Option<&Job>, now: Timestamp, lines: &mut Vec<String>) {
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
    lines.push(String::new());
    lines.push("operations".into());
    let longest = names.iter().map(|(name, _)| super::text::width(name)).max().unwrap_or(0);
    for (name, kind) in names {
        let state = match row.operations.get(&name) {
            Some(operation) => operation_words(operation, row.record.status, now),
            None => "not begun".to_owned(),
        };
        lines.push(format!("  {}  {}  {state}", pad(&printable(&name), longest), pad(&kind, 11)));
        let earlier = row.operations.get(&name).into_iter().flat_map(|operation| &operation.earlier);
        lines.extend(
            earlier.map(|(number, error)| format!("      try {number} failed: {}", one_line(error, 200))),
        );
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
fn inputs(job: Option<&Job>, session: &Session, columns: usize, lines: &mut Vec<String>) {
    let found = job.map(|job| inputs::inputs(job, session)).unwrap_or_default();
    if found.is_empty() {
        return;
    }
    lines.push(String::new());
    lines.push("inputs".into());
    for input in found {
        let value = match input.value {
            Known::Value(value) => format!(" = {}", one_line(&value.to_string(), 400)),
            Known::Not(why) => format!(": {}", printable(&why)),
        };
        lines.push(fit(&format!("  {}{value}", printable(&input.reference)), columns));
    }
}

fn output(row: &JobRow, columns: usize, lines: &mut Vec<String>) {
    let Some(output) = &row.record.output else { return };
    lines.push(String::new());
    match output {
        OutputRecord::Object { key, size } => {
            lines.push(format!("output: {size} bytes in {}", printable(key)));
        }
        OutputRecord::Inline(value) => {
            lines.push("output".into());
            let text = serde_json::to_string_pretty(value).unwrap_or_default();
            lines.extend(printable_lines(&text).lines().map(|text| fit(&format!("  {text}"), columns)));
        }
    }
}
