//! Log lines.

use super::text::{fit, pad, width};
use super::{Areas, Theme, line, selected};
use crate::report::text::printable;
use crate::session::LogRecord;
use crate::tui::state::{LEVELS, Logs, State};
use ratatui::Frame;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

pub(super) fn draw(state: &State, theme: Theme, areas: Areas, frame: &mut Frame<'_>) {
    let Some(logs) = &state.logs else { return };
    line(frame, areas.head, 0, head(logs, theme));
    let Some(records) = &logs.records else { return };
    if logs.shown.is_empty() {
        let text = if records.is_empty() {
            "Nothing was said yet."
        } else {
            "No line is of that kind; Esc shows all."
        };
        line(frame, areas.list, 1, Line::from(format!("  {text}")));
        return;
    }
    let window = logs.shown.iter().enumerate().skip(logs.cursor.top).take(usize::from(areas.list.height));
    let window: Vec<(usize, &LogRecord)> = window.map(|(at, record)| (at, &records[*record])).collect();
    let longest = window.iter().map(|(_, record)| width(&origin(logs, record))).max().unwrap_or(0).min(32);
    for (at, record) in window {
        let mut drawn = record_line(logs, record, longest, usize::from(areas.list.width), theme);
        if at == logs.cursor.at {
            drawn = selected(drawn);
        }
        line(frame, areas.list, at - logs.cursor.top, drawn);
    }
}

fn head(logs: &Logs, theme: Theme) -> Line<'static> {
    let mode = if logs.is_following { "following" } else { "standing still; f follows" };
    let level = match logs.level {
        0 => "all levels".to_owned(),
        level => format!("{} and worse", LEVELS[level]),
    };
    let mut parts = vec![mode.to_owned(), level];
    if !logs.filter.is_empty() {
        parts.push(format!("with `{}`", printable(&logs.filter)));
    }
    if !logs.search.is_empty() {
        parts.push(format!("searched for `{}`", printable(&logs.search)));
    }
    Line::styled(format!(" {}", parts.join(" · ")), theme.dim())
}

/// Whose line it is: of the whole session with the job, of a job without.
fn origin(logs: &Logs, record: &LogRecord) -> String {
    let of = match logs.of.job {
        None if record.operation.is_empty() => record.job_id.clone(),
        None => format!("{}/{}", record.job_id, record.operation),
        Some(_) => record.operation.clone(),
    };
    match (record.attempt, record.try_number) {
        (0 | 1, 0 | 1) => of,
        (attempt, tried) => format!("{of} {attempt}.{tried}"),
    }
}

fn record_line(
    logs: &Logs,
    record: &LogRecord,
    longest: usize,
    columns: usize,
    theme: Theme,
) -> Line<'static> {
    let time = record.ts.split_once('T').map_or(record.ts.as_str(), |(_, time)| time.trim_end_matches('Z'));
    let (style, level) = match record.level.as_str() {
        "error" => (theme.bad(), "ERROR "),
        "warn" => (theme.warn(), "WARN  "),
        "debug" => (theme.dim(), "DEBUG "),
        _ => (Style::new(), "      "),
    };
    let origin = pad(&printable(&origin(logs, record)), longest);
    let head = format!("{} {origin} ", printable(time));
    let message = record.message.replace('\t', "    ");
    let room = columns.saturating_sub(width(&head) + level.len());
    let mut spans = vec![Span::styled(head, theme.dim()), Span::styled(level, style)];
    spans.extend(marked(&fit(&printable(&message), room), &logs.search, style));
    Line::from(spans)
}

/// What is searched for is underlined where it stands.
fn marked(text: &str, search: &str, style: Style) -> Vec<Span<'static>> {
    let lowered = text.to_lowercase();
    // Where case changes lengths, places would not fit.
    if search.is_empty() || lowered.len() != text.len() {
        return vec![Span::styled(text.to_owned(), style)];
    }
    let mut spans = Vec::new();
    let mut from = 0;
    for (at, found) in lowered.match_indices(&search.to_lowercase()) {
        if !text.is_char_boundary(at) || !text.is_char_boundary(at + found.len()) {
            continue;
        }
        spans.push(Span::styled(text[from..at].to_owned(), style));
        let mark = style.add_modifier(Modifier::UNDERLINED | Modifier::BOLD);
        spans.push(Span::styled(text[at..at + found.len()].to_owned(), mark));
        from = at + found.len();
    }
    spans.push(Span::styled(text[from..].to_owned(), style));
    spans
}

pub(super) fn notice(state: &State) -> String {
    let Some(logs) = &state.logs else { return String::new() };
    let all = logs.records.as_ref().map_or(0, Vec::len);
    let at = if logs.shown.is_empty() { 0 } else { logs.cursor.at + 1 };
    match logs.shown.len() {
        shown if shown == all => format!("line {at} of {all}"),
        shown => format!("line {at} of {shown}, of {all} in all"),
    }
}
