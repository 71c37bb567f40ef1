//! The table of sessions.

use super::text::{fit, pad, pad_left, width};
use super::{Areas, Theme, line, selected};
use crate::report::text::{duration, printable};
use crate::tui::source::SessionRow;
use crate::tui::state::{MOST_SESSIONS, SessionSort, State, duration_of, status_words};
use ratatui::Frame;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};

/// Columns of each column; the pipeline takes what is left.
struct Columns {
    id: usize,
    pipeline: usize,
    status: usize,
    is_wide: bool,
}

const STARTED: usize = 16;
const TOOK: usize = 8;
const JOBS: usize = 9;

impl Columns {
    fn of(columns: u16, state: &State) -> Self {
        let is_wide = columns >= 100;
        let rows = state.sessions.rows.iter().flatten();
        let status = rows.clone().map(|row| width(&status_words(row))).max().unwrap_or(0).clamp(9, 21);
        let id = if is_wide { 22 } else { 0 };
        let fixed = 2 + id + status + STARTED + TOOK + JOBS + 10;
        let left = usize::from(columns).saturating_sub(fixed).max(8);
        let longest = rows.map(|row| width(&row.record.pipeline_id)).max().unwrap_or(0).max(8);
        Self { id, pipeline: left.min(longest + 1), status, is_wide }
    }
}

pub(super) fn draw(state: &State, theme: Theme, areas: Areas, frame: &mut Frame<'_>) {
    let columns = Columns::of(areas.list.width, state);
    line(frame, areas.head, 0, heading(state, &columns, theme));
    let sessions = &state.sessions;
    let Some(rows) = &sessions.rows else { return };
    if sessions.shown.is_empty() {
        let text = if rows.is_empty() {
            "There is no session yet. `2` shows the pipelines, from where one can be started."
        } else {
            "No session holds this text; Esc shows all."
        };
        line(frame, areas.list, 1, Line::from(format!("  {text}")));
        return;
    }
    let window = sessions.shown.iter().enumerate().skip(sessions.cursor.top);
    for (at, row) in window.take(usize::from(areas.list.height)) {
        let mut drawn = row_line(state, &rows[*row], &columns, theme);
        if at == sessions.cursor.at {
            drawn = selected(drawn);
        }
        line(frame, areas.list, at - sessions.cursor.top, drawn);
    }
}

fn heading(state: &State, columns: &Columns, theme: Theme) -> Line<'static> {
    let arrow = |sort: SessionSort, is_down: bool| match state.sessions.sort == sort {
        true if state.sessions.is_reversed == is_down => " ▲",
        true => " ▼",
        false => "",
    };
    let status = pad(&format!("STATUS{}", arrow(SessionSort::Status, false)), columns.status);
    let pipeline = pad(&format!("PIPELINE{}", arrow(SessionSort::Pipeline, false)), columns.pipeline);
    let started = pad(&format!("CREATED, UTC{}", arrow(SessionSort::Newest, true)), STARTED);
    let took = pad_left(&format!("TOOK{}", arrow(SessionSort::Duration, true)), TOOK);
    let jobs = pad_left("JOBS", JOBS);
    let id = if columns.is_wide { format!("{}  ", pad("SESSION", columns.id)) } else { String::new() };
    Line::styled(
        format!(
            "  {status}  {id}{pipeline}  {started} {took} {jobs}  {}",
            if columns.is_wide { "BY" } else { "" }
        ),
        theme.dim().add_modifier(Modifier::BOLD),
    )
}

fn row_line(state: &State, row: &SessionRow, columns: &Columns, theme: Theme) -> Line<'static> {
    let record = &row.record;
    let (style, sign) = theme.session(record.status, row.is_driven);
    let status = pad(&status_words(row), columns.status);
    let started = record.created_at.strftime("%Y-%m-%d %H:%M").to_string();
    let took = duration_of(row, state.now).map_or("-".into(), duration);
    let mut spans = vec![Span::styled(format!("{sign} {status}  "), style)];
    if columns.is_wide {
        spans.push(Span::raw(format!("{}  ", pad(record.session_id.as_str(), columns.id))));
    }
    spans.push(Span::raw(pad(&printable(&record.pipeline_id), columns.pipeline)));
    spans.push(Span::raw(format!("  {started} {} ", pad_left(&took, TOOK))));
    let counts = state.sessions.counts_of(&record.session_id);
    let jobs = match counts {
        Some(counts) => format!("{}/{}", counts.done, record.jobs),
        None => record.jobs.to_string(),
    };
    spans.push(Span::raw(pad_left(&jobs, JOBS)));
    if let Some(failed) = counts.map(|counts| counts.failed).filter(|failed| *failed > 0) {
        spans.push(Span::styled(format!(" ✗{failed}"), theme.bad()));
    }
    if columns.is_wide {
        let creator = record.created_by.as_ref().unwrap_or(&record.runner);
        let mut more = format!("  {}", printable(&creator.user));
        for (key, value) in &record.labels {
            more.push_str(&printable(&format!("  {key}={value}")));
        }
        spans.push(Span::styled(fit(&more, 60), theme.dim()));
    }
    Line::from(spans)
}

pub(super) fn notice(state: &State) -> String {
    let sessions = &state.sessions;
    let all = sessions.rows.as_ref().map_or(0, Vec::len);
    let newest = if all >= MOST_SESSIONS { "the newest " } else { "" };
    let mut text = match sessions.filter.is_empty() {
        true => format!("{newest}{all} session{}", if all == 1 { "" } else { "s" }),
        false => format!(
            "{} of {newest}{all} sessions with `{}`",
            sessions.shown.len(),
            printable(&sessions.filter)
        ),
    };
    if let Some(row) = sessions.selected() {
        text.push_str(&format!("; selected: {}", row.record.session_id));
    }
    text
}
