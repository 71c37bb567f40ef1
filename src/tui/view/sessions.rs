//! The table of sessions.

use super::text::{fit, pad, pad_left, width};
use super::{Areas, Theme, line, rule, selected};
use crate::report::text::{duration, moment, pause_line, printable};
use crate::session::SessionRecord;
use crate::tui::source::SessionRow;
use crate::tui::state::{MOST_SESSIONS, SessionSort, State, duration_of, status_words};
use ratatui::Frame;
use ratatui::text::{Line, Span};

/// Columns of each column; the pipeline takes what is left.
struct Columns {
    id: usize,
    pipeline: usize,
    status: usize,
    created: usize,
    /// Who began it, and labels.
    more: usize,
    is_wide: bool,
}

const TOOK: usize = 8;
const JOBS: usize = 9;

fn is_wide(columns: u16) -> bool {
    columns >= 100
}

impl Columns {
    fn of(columns: u16, state: &State) -> Self {
        let is_wide = is_wide(columns);
        let rows = state.sessions.rows.iter().flatten();
        let status = rows.clone().map(|row| width(&status_words(row))).max().unwrap_or(0).clamp(9, 21);
        let id = if is_wide { 22 } else { 0 };
        // Of few columns the year gets none.
        let created = if is_wide { 16 } else { 14 };
        let gaps = if is_wide { 12 } else { 10 };
        let fixed = 2 + id + status + created + TOOK + JOBS + gaps;
        let left = usize::from(columns).saturating_sub(fixed).max(8);
        let longest = rows.map(|row| width(&row.record.pipeline_id)).max().unwrap_or(0).max(8);
        let pipeline = left.min(longest);
        let more = (left - pipeline).min(60);
        Self { id, pipeline, status, created, more, is_wide }
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
    aside(state, theme, areas, frame);
}

fn heading(state: &State, columns: &Columns, theme: Theme) -> Line<'static> {
    let arrow = |sort: SessionSort, is_down: bool| match state.sessions.sort == sort {
        true if state.sessions.is_reversed == is_down => " ▲",
        true => " ▼",
        false => "",
    };
    let status = pad(&format!("STATUS{}", arrow(SessionSort::Status, false)), columns.status);
    let pipeline = pad(&format!("PIPELINE{}", arrow(SessionSort::Pipeline, false)), columns.pipeline);
    let created = pad(&format!("CREATED, UTC{}", arrow(SessionSort::Newest, true)), columns.created);
    let took = pad_left(&format!("TOOK{}", arrow(SessionSort::Duration, true)), TOOK);
    let jobs = pad_left("JOBS", JOBS);
    let id = if columns.is_wide { format!("{}  ", pad("SESSION", columns.id)) } else { String::new() };
    Line::styled(
        format!(
            "  {status}  {id}{pipeline}  {created} {took} {jobs}  {}",
            if columns.is_wide { "   BY" } else { "" }
        ),
        theme.strong(),
    )
}

fn row_line(state: &State, row: &SessionRow, columns: &Columns, theme: Theme) -> Line<'static> {
    let record = &row.record;
    let (style, sign) = theme.session(record.status, row.is_driven);
    let status = pad(&status_words(row), columns.status);
    let created = record.created_at.strftime(if columns.is_wide { "%Y-%m-%d %H:%M" } else { "%m-%d %H:%M" });
    let created = pad(&created.to_string(), columns.created);
    let took = duration_of(row, state.now).map_or("-".into(), duration);
    let mut spans =
        vec![Span::styled(format!("{sign} "), style), Span::styled(format!("{status}  "), theme.word(style))];
    if columns.is_wide {
        spans.push(Span::raw(format!("{}  ", pad(record.session_id.as_str(), columns.id))));
    }
    spans.push(Span::raw(pad(&printable(&record.pipeline_id), columns.pipeline)));
    spans.push(Span::raw(format!("  {created} {} ", pad_left(&took, TOOK))));
    let counts = state.sessions.counts_of(&record.session_id);
    let jobs = match counts {
        Some(counts) => format!("{}/{}", counts.done, record.jobs),
        None => record.jobs.to_string(),
    };
    spans.push(Span::raw(pad_left(&jobs, JOBS)));
    let failed = counts.map_or(0, |counts| counts.failed);
    let failed = if failed > 0 { format!(" ✗{failed}") } else { String::new() };
    spans.push(Span::styled(pad(&failed, 4), theme.bad()));
    if columns.is_wide {
        let creator = record.created_by.as_ref().unwrap_or(&record.runner);
        let mut more = format!(" {}", printable(&creator.user));
        for (key, value) in &record.labels {
            more.push_str(&printable(&format!("  {key}={value}")));
        }
        spans.push(Span::raw(fit(&more, columns.more)));
    }
    Line::from(spans)
}

/// What the table has no column for, of the selected session.
fn aside(state: &State, theme: Theme, areas: Areas, frame: &mut Frame<'_>) {
    let Some(row) = state.sessions.selected().filter(|_| areas.aside.height > 0) else { return };
    let record = &row.record;
    rule(frame, areas.aside, record.session_id.as_str(), theme);
    let creator = record.created_by.as_ref().unwrap_or(&record.runner);
    let mut lines = vec![format!(
        "created     {} by {} on {}, from {}",
        moment(record.created_at),
        creator.user,
        creator.host,
        record.file
    )];
    lines.extend(record.pause.as_ref().map(pause_line));
    if row.is_driven {
        let runner = &record.runner;
        lines.push(format!("driven by   {} on {} (process {})", runner.user, runner.host, runner.pid));
    }
    let parameters = parameters(record);
    if !parameters.is_empty() {
        lines.push(format!("parameters  {}", parameters.join(" · ")));
    }
    if !record.labels.is_empty() {
        let labels: Vec<String> = record.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        lines.push(format!("labels      {}", labels.join(" · ")));
    }
    for (at, text) in lines.into_iter().enumerate() {
        let text = fit(&printable(&text), usize::from(areas.aside.width));
        line(frame, areas.aside, at + 1, Line::from(text));
    }
}

/// `year=2015`, and that there are secrets.
pub(super) fn parameters(record: &SessionRecord) -> Vec<String> {
    let known = record.parameters.iter().map(|(name, value)| format!("{name}={value}"));
    known.chain(record.secrets.iter().map(|name| format!("{name}=[secret]"))).collect()
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
    // On a wide terminal it is a column.
    if let Some(row) = sessions.selected().filter(|_| !is_wide(state.size.width)) {
        text.push_str(&format!("; selected: {}", row.record.session_id));
    }
    text
}
