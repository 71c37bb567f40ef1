//! A session: facts, the graph of its jobs with how each stands and when it ran, and more about the selected one.

use super::sessions::parameters;
use super::text::{fit, pad, pad_left, width};
use super::{Areas, Theme, line, rule, selected};
use crate::report::text::{between, duration, pause_line, printable};
use crate::session::JobStatus;
use crate::tui::jobs::JobRow;
use crate::tui::state::{Beside, Drawn, JobSort, Session, State, duration_of, status_words};
use jiff::Timestamp;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

const STATUS: usize = 15;
const TOOK: usize = 8;
/// Where the graph is not drawn: how each job stands to the selected one.
const MARK: usize = 1;

/// Columns of the list, and the span of time that its bars are of.
struct Columns {
    lanes: usize,
    name: usize,
    bar: usize,
    from: Timestamp,
    to: Timestamp,
}

impl Columns {
    fn of(session: &Session, columns: u16, now: Timestamp) -> Self {
        let columns = usize::from(columns);
        let lanes = session.shown.iter().map(|drawn| width(drawn.lanes.trim_end())).max().unwrap_or(0);
        let lanes = if session.pipeline.is_some() { lanes.max(MARK) } else { 0 };
        let left = columns.saturating_sub(lanes + STATUS + TOOK + 9);
        let longest = session.jobs.rows.keys().map(|job| width(job)).max().unwrap_or(0).max(8);
        let name = longest.min(left * 3 / 5);
        let row = session.row.as_ref();
        // Between two goes of a session there may be days, beside which bars would be nothing.
        let started = row.and_then(|row| row.record.started_at);
        let from = session.jobs.retried_at.or(started).unwrap_or(now);
        let to = match row {
            Some(row) if row.is_driven => now,
            Some(row) => row.record.ended_at.unwrap_or_else(|| last_of(session, from)),
            None => now,
        };
        Self { lanes, name, bar: left.saturating_sub(name), from, to }
    }
}

fn last_of(session: &Session, from: Timestamp) -> Timestamp {
    session.jobs.rows.values().filter_map(|row| row.record.ended_at).max().unwrap_or(from)
}

pub(super) fn draw(state: &State, theme: Theme, areas: Areas, frame: &mut Frame<'_>) {
    let Some(session) = &state.session else { return };
    head(session, state.now, theme, areas.head, frame);
    let columns = Columns::of(session, areas.list.width, state.now);
    line(frame, areas.head, 2, heading(session, &columns, theme));
    if session.shown.is_empty() {
        let text = if session.filter.is_empty() {
            "It has no jobs yet."
        } else {
            "No job holds this text; Esc shows all."
        };
        line(frame, areas.list, 1, Line::from(format!("  {text}")));
    }
    let window = session.shown.iter().enumerate().skip(session.cursor.top);
    for (at, drawn) in window.take(usize::from(areas.list.height)) {
        let mut row = job_line(session, drawn, &columns, state.now, theme);
        if at == session.cursor.at {
            // The bar is drawn with what reversed would be a gap.
            let bar = row.spans.pop();
            row = selected(row).style(Style::new());
            row.spans.extend(bar);
        }
        line(frame, areas.list, at - session.cursor.top, row);
    }
    aside(state, session, theme, areas.aside, frame);
}

/// Two lines of facts.
fn head(session: &Session, now: Timestamp, theme: Theme, area: Rect, frame: &mut Frame<'_>) {
    let Some(row) = &session.row else { return };
    let (style, sign) = theme.session(row.record.status, row.is_driven);
    let took = duration_of(row, now).map(|took| format!(" · {}", duration(took))).unwrap_or_default();
    let counts = session.jobs.counts();
    let all = session.jobs.rows.len().max(row.record.jobs);
    let mut facts = format!("{took} · {} of {all} jobs done", counts.done);
    if counts.running > 0 || !row.record.status.is_final() {
        facts.push_str(&format!(", {} running", counts.running));
    }
    let failed = if counts.failed > 0 { format!(", {} failed", counts.failed) } else { String::new() };
    let spans = vec![
        Span::styled(format!(" {sign} "), style),
        Span::styled(status_words(row), theme.word(style).add_modifier(Modifier::BOLD)),
        Span::raw(facts),
        Span::styled(failed, theme.bad()),
    ];
    line(frame, area, 0, Line::from(spans));
    let mut words: Vec<String> = Vec::new();
    if let Some(pause) = &row.record.pause {
        words.push(pause_line(pause));
    } else if row.is_driven {
        let runner = &row.record.runner;
        words.push(format!("driven by {} on {} (process {})", runner.user, runner.host, runner.pid));
    }
    words.extend(parameters(&row.record));
    let text = fit(&printable(&words.join(" · ")), usize::from(area.width).saturating_sub(3));
    line(frame, area, 1, Line::from(format!("   {text}")));
}

fn heading(session: &Session, columns: &Columns, theme: Theme) -> Line<'static> {
    let sort = match session.sort {
        JobSort::Graph => "",
        JobSort::Failed => ", failed first",
        JobSort::Longest => ", longest first",
    };
    let name = pad(&format!("JOB{sort}"), columns.name);
    let bar = if columns.bar >= 16 {
        let from = if session.jobs.retried_at.is_some() { "retry" } else { "0" };
        let to = format!("+{}", between(columns.from, columns.to));
        pad(&format!("{}{to}", pad(from, columns.bar.saturating_sub(width(&to)))), columns.bar)
    } else {
        String::new()
    };
    let status = pad("STATUS", STATUS);
    let took = pad_left("TOOK", TOOK);
    let text = format!("  {} {name}  {status} {took}  {bar}", " ".repeat(columns.lanes));
    Line::styled(text, theme.strong())
}

fn job_line(
    session: &Session,
    drawn: &Drawn,
    columns: &Columns,
    now: Timestamp,
    theme: Theme,
) -> Line<'static> {
    // Where the graph is not drawn, it is shown around the selected job.
    let beside = drawn.job.as_deref().filter(|_| drawn.lanes.is_empty()).and_then(|job| session.beside(job));
    let lanes = match beside {
        Some(Beside::Before) => "↑",
        Some(Beside::After) => "↓",
        None => drawn.lanes.trim_end(),
    };
    let lanes = pad(lanes, columns.lanes);
    let lanes = Span::styled(lanes, theme.dim());
    let Some(job) = &drawn.job else { return Line::from(vec![lanes]) };
    let row = session.jobs.rows.get(job);
    let status = row.map_or(JobStatus::Pending, |row| row.record.status);
    let (style, sign) = theme.job(status);
    let word = match row {
        Some(row) if row.record.reused_from.is_some() => "reused".to_owned(),
        Some(row) if row.record.attempt > 1 => {
            format!("{} ({})", status.name().replace('_', " "), row.record.attempt)
        }
        _ => status.name().replace('_', " "),
    };
    let took = row.and_then(|row| span_of(row, now)).map_or("-".into(), |(from, to)| between(from, to));
    let bar = row.map(|row| bar(row, columns, now)).unwrap_or_default();
    Line::from(vec![
        lanes,
        Span::styled(format!(" {sign} "), style),
        Span::raw(format!("{}  ", pad(&printable(job), columns.name))),
        Span::styled(pad(&word, STATUS), theme.word(style)),
        Span::raw(format!(" {} ", pad_left(&took, TOOK))),
        Span::styled(format!(" {bar}"), style),
    ])
}

fn span_of(row: &JobRow, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
    let from = row.record.started_at?;
    match row.record.ended_at {
        Some(ended) => Some((from, ended)),
        None if row.record.status == JobStatus::Running => Some((from, now)),
        None => None,
    }
}

/// When it ran, of the time that the session has taken.
fn bar(row: &JobRow, columns: &Columns, now: Timestamp) -> String {
    let Some((from, to)) = span_of(row, now).filter(|(_, to)| *to >= columns.from) else {
        return String::new();
    };
    let all = columns.to.duration_since(columns.from).as_millis().max(1);
    let place = |at: Timestamp| {
        let since = at.duration_since(columns.from).as_millis().clamp(0, all);
        since as usize * columns.bar / all as usize
    };
    let start = place(from).min(columns.bar.saturating_sub(1));
    let end = place(to).max(start + 1).min(columns.bar);
    // What still grows looks other than what has ended, also where there is no colour.
    let cell = if row.record.ended_at.is_some() { "█" } else { "▒" };
    format!("{}{}", " ".repeat(start), cell.repeat(end.saturating_sub(start)))
}

/// The first of what there is to say of the selected job.
fn aside(state: &State, session: &Session, theme: Theme, area: Rect, frame: &mut Frame<'_>) {
    if area.height == 0 {
        return;
    }
    rule(frame, area, session.selected().unwrap_or_default(), theme);
    let details = super::details(state);
    let room = usize::from(area.height) - 1;
    let is_cut = details.len() > room;
    let shown = if is_cut { room.saturating_sub(1) } else { room };
    let left_out = details.len().saturating_sub(shown);
    for (at, detail) in details.into_iter().take(shown).enumerate() {
        line(frame, area, at + 1, detail.drawn(usize::from(area.width), theme));
    }
    if is_cut {
        line(frame, area, room, Line::from(format!("… {left_out} more lines: Enter")));
    }
}

pub(super) fn notice(state: &State) -> String {
    let Some(session) = &state.session else { return String::new() };
    let mut text = match session.filter.is_empty() {
        true => String::new(),
        false => {
            let (shown, all) = (session.shown.len(), session.jobs.rows.len());
            format!("{shown} of {all} jobs with `{}`; ", printable(&session.filter))
        }
    };
    let is_left = session.row.as_ref().is_some_and(|row| !row.record.status.is_final() && !row.is_driven);
    if is_left {
        text.push_str("nobody drives it: `r` goes on with it, `c` cancels it");
    } else if session.row.as_ref().is_some_and(|row| row.record.status.is_final())
        && session.jobs.counts().failed > 0
    {
        text.push_str("`n` goes to what failed, `t` runs it again");
    }
    text
}
