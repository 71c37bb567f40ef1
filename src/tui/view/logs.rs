//! Log lines.

use super::text::{fit, pad, width};
use super::{Areas, Theme, line, selected};
use crate::report::text::printable;
use crate::session::LogRecord;
use crate::tui::state::{LEVELS, Logs, Pattern, State};
use ratatui::Frame;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

pub(super) fn draw(state: &State, theme: Theme, areas: Areas, frame: &mut Frame<'_>) {
    let Some(logs) = &state.logs else { return };
    line(frame, areas.head, 0, head(logs, theme));
    if logs.len() == 0 {
        let text = match logs.kept() {
            0 => "Nothing was said yet.",
            _ => "No line is of that kind; Esc shows all.",
        };
        line(frame, areas.list, 1, Line::from(format!("  {text}")));
        return;
    }
    let window = logs.lines_from(logs.cursor.top).take(usize::from(areas.list.height));
    let window: Vec<(usize, &LogRecord)> = window.collect();
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
    if logs.filter.regex.is_some() {
        parts.push(format!("with `{}`", printable(&logs.filter.text)));
    }
    if logs.search.regex.is_some() {
        let missing = if logs.is_missing { ", which no line has" } else { "" };
        parts.push(format!("searched for `{}`{missing}", printable(&logs.search.text)));
    }
    Line::styled(format!("UTC          {}", parts.join(" · ")), theme.strong())
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
    let (time, origin) = (format!("{} ", printable(time)), format!("{origin} "));
    let message = record.message.replace('\t', "    ");
    let room = columns.saturating_sub(width(&time) + width(&origin) + level.len());
    let mut spans =
        vec![Span::styled(time, theme.dim()), Span::raw(origin), Span::styled(level, theme.word(style))];
    spans.extend(marked(&fit(&printable(&message), room), &logs.search, theme.word(style)));
    Line::from(spans)
}

/// What is searched for is underlined where it stands.
fn marked(text: &str, search: &Pattern, style: Style) -> Vec<Span<'static>> {
    let mark = style.add_modifier(Modifier::UNDERLINED | Modifier::BOLD);
    let mut spans = Vec::new();
    let mut from = 0;
    let found = search.regex.iter().flat_map(|regex| regex.find_iter(text));
    for found in found.filter(|found| !found.is_empty()) {
        spans.push(Span::styled(text[from..found.start()].to_owned(), style));
        spans.push(Span::styled(found.as_str().to_owned(), mark));
        from = found.end();
    }
    spans.push(Span::styled(text[from..].to_owned(), style));
    spans
}

pub(super) fn notice(state: &State) -> String {
    let Some(logs) = &state.logs else { return String::new() };
    let all = logs.kept();
    let at = if logs.len() == 0 { 0 } else { logs.cursor.at + 1 };
    let last = if logs.is_cut() { " (the last; `bunsui logs` has those before)" } else { "" };
    let more = if logs.is_read { "" } else { "; reading on …" };
    match logs.len() {
        shown if shown == all => format!("line {at} of {all}{last}{more}"),
        shown => format!("line {at} of {shown}, of {all} in all{last}{more}"),
    }
}
