//! The state as cells of a terminal. The same state always gives the same frame.
//!
//! Deliberately does not: change anything, or look at what is not to be seen: of a long list the lines of the window are made.

mod dialog;
mod job;
mod logs;
mod pipelines;
mod session;
mod sessions;
mod text;
mod theme;
mod typed;

pub(super) use dialog::last_top;
pub(super) use job::details;
pub(crate) use theme::Theme;

use super::keys::{self, Action};
use super::source::Problem;
use super::state::{PromptKind, Screen, State};
use super::update::refusal;
use crate::report::text::{duration, printable, printable_lines};
use crate::session::SessionStatus;
use ratatui::Frame;
use ratatui::layout::{Rect, Size};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};
use text::fit;

/// Where the parts of a screen are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Areas {
    /// What the screen is, in the first line.
    title: Rect,
    /// Facts and headings, above the list.
    head: Rect,
    /// The list, or what is read.
    pub(super) list: Rect,
    /// More about what is selected; of no height where there is no room.
    aside: Rect,
    /// What is typed or what is wrong.
    notice: Rect,
    /// Keys.
    foot: Rect,
}

/// Divides a screen.
pub(super) fn areas(state: &State) -> Areas {
    let (screen, Size { width, height }) = (state.screen(), state.size);
    let row = |y: u16, rows: u16| Rect {
        x: 0,
        y: y.min(height),
        width,
        height: rows.min(height.saturating_sub(y)),
    };
    let head = match screen {
        Screen::Sessions | Screen::Logs | Screen::Pipelines => 1,
        Screen::Session => 3,
        Screen::Details => 0,
    };
    let body = height.saturating_sub(3 + head);
    let rows = match screen {
        Screen::Session => state.session.as_ref().map_or(0, |session| session.shown.len()),
        _ => state.pipelines.shown.len(),
    };
    // A short list leaves the rest to what is said of its selected line.
    let list = u16::try_from(rows + 1).unwrap_or(u16::MAX).clamp(4, (body * 3 / 5).max(4));
    let aside = match screen {
        Screen::Session | Screen::Pipelines if body >= 14 => body - list,
        // The table itself is what one looks at here.
        Screen::Sessions if body >= 24 => 6,
        _ => 0,
    };
    Areas {
        title: row(0, 1),
        head: row(1, head),
        list: row(1 + head, body - aside),
        aside: row(1 + head + body - aside, aside),
        notice: row(height.saturating_sub(2), 1),
        foot: row(height.saturating_sub(1), 1),
    }
}

/// Draws it.
pub(super) fn view(state: &State, theme: Theme, frame: &mut Frame<'_>) {
    let areas = areas(state);
    title(state, areas.title, frame);
    let is_empty = is_unknown(state);
    match &state.trouble {
        Some((problem, _)) if is_empty => unreachable(problem, state, theme, areas, frame),
        _ if is_empty => line(frame, areas.list, 0, Line::from("reading …")),
        _ => match state.screen() {
            Screen::Sessions => sessions::draw(state, theme, areas, frame),
            Screen::Session => session::draw(state, theme, areas, frame),
            Screen::Details => job::draw(state, theme, areas, frame),
            Screen::Logs => logs::draw(state, theme, areas, frame),
            Screen::Pipelines => pipelines::draw(state, theme, areas, frame),
        },
    }
    if !is_empty {
        notice(state, theme, areas.notice, frame);
    }
    // What is in front has keys of its own.
    if state.dialog.is_none() {
        foot(state, areas.foot, frame);
    }
    dialog::draw(state, theme, frame);
}

/// Whether nothing is known yet of what the screen shows.
fn is_unknown(state: &State) -> bool {
    match state.screen() {
        Screen::Sessions => state.sessions.rows.is_none(),
        Screen::Session | Screen::Details => {
            state.session.as_ref().is_none_or(|session| session.row.is_none())
        }
        Screen::Logs => state.logs.as_ref().is_none_or(|logs| !logs.is_read && logs.kept() == 0),
        Screen::Pipelines => {
            state.pipelines.found.as_ref().is_none_or(|found| found.is_empty() && state.trouble.is_some())
        }
    }
}

/// One line of an area; what is below it is not drawn.
fn line(frame: &mut Frame<'_>, area: Rect, row: usize, line: Line<'_>) {
    let Ok(row) = u16::try_from(row) else { return };
    if row < area.height {
        frame.render_widget(line, Rect { y: area.y + row, height: 1, ..area });
    }
}

/// The line above an aside, with what it is about.
fn rule(frame: &mut Frame<'_>, area: Rect, about: &str, theme: Theme) {
    let about = fit(&printable(about), usize::from(area.width).saturating_sub(8));
    let rest = "─".repeat(usize::from(area.width).saturating_sub(text::width(&about) + 4));
    let spans = [("── ", theme.dim()), (&about, theme.strong()), (" ", theme.dim()), (&rest, theme.dim())];
    let spans = spans.map(|(text, style)| Span::styled(text, style));
    line(frame, area, 0, Line::from(spans.to_vec()));
}

/// A line that is selected: reversed as a whole, for colours would make patches of it. What is marked in it stays so.
fn selected(line: Line<'static>) -> Line<'static> {
    let reversed = Style::new().add_modifier(Modifier::REVERSED);
    let of = |style: Style| reversed.add_modifier(style.add_modifier & Modifier::UNDERLINED);
    let spans: Vec<_> =
        line.spans.into_iter().map(|span| Span::styled(span.content, of(span.style))).collect();
    Line::from(spans).style(reversed)
}

fn title(state: &State, area: Rect, frame: &mut Frame<'_>) {
    let session = || state.session.as_ref();
    let name = match state.screen() {
        Screen::Sessions => "sessions".to_owned(),
        Screen::Pipelines => "pipelines".to_owned(),
        Screen::Session => session().map_or_else(String::new, |session| {
            let row = session.row.as_ref();
            let of =
                row.map_or_else(String::new, |row| format!(" of {}", printable(&row.record.pipeline_id)));
            format!("session {}{of}", session.id)
        }),
        Screen::Details => session().map_or_else(String::new, |session| {
            format!("job {} of {}", printable(session.selected().unwrap_or_default()), session.id)
        }),
        Screen::Logs => state.logs.as_ref().map_or_else(String::new, |logs| match &logs.of.job {
            Some(job) => format!("log lines of {} in {}", printable(job), logs.of.session),
            None => format!("log lines of {}", logs.of.session),
        }),
    };
    let (left, right) = (format!(" bunsui  {name} "), format!(" {} ", state.place));
    let width = usize::from(area.width);
    // Where it is matters as much as what it is: the one is cut so that the other has room.
    let right = fit(&right, width / 2);
    let text = text::pad(&left, width.saturating_sub(text::width(&right))) + &right;
    line(frame, area, 0, Line::styled(text, Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD)));
}

/// The store cannot be read, and nothing of it is known: this is the screen.
fn unreachable(problem: &Problem, state: &State, theme: Theme, areas: Areas, frame: &mut Frame<'_>) {
    let height = areas.list.height + areas.aside.height;
    let area = Rect { x: 2, width: areas.list.width.saturating_sub(4), height, ..areas.list };
    let mut lines = vec![
        Line::default(),
        Line::styled("This cannot be read:", theme.bad().add_modifier(Modifier::BOLD)),
        Line::default(),
    ];
    lines.extend(printable_lines(&problem.message).lines().map(|line| Line::from(line.to_owned())));
    if let Some(help) = &problem.help {
        lines.push(Line::default());
        lines.extend(printable_lines(help).lines().map(|line| Line::from(line.to_owned())));
    }
    lines.push(Line::default());
    lines.push(Line::from(tried(state)));
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }), area);
}

/// Since when it has not been heard, and that it is tried again.
fn tried(state: &State) -> String {
    format!("Tried again every few seconds, for {} now.", since(state))
}

fn since(state: &State) -> String {
    let since = state.trouble.as_ref().map_or(state.now, |(_, since)| *since);
    duration(state.now.duration_since(since))
}

fn notice(state: &State, theme: Theme, area: Rect, frame: &mut Frame<'_>) {
    if let Some(prompt) = &state.prompt {
        let label = match prompt.kind {
            PromptKind::Filter => "filter",
            PromptKind::Search => "search",
        };
        let after = match &prompt.refusal {
            Some(refusal) => Span::styled(format!("  {}", printable(refusal)), theme.bad()),
            None => Span::styled("  Enter keeps it, Esc takes it back", theme.dim()),
        };
        let columns = usize::from(area.width).saturating_sub(label.len() + 2);
        // What is wrong must be seen; what is typed needs no more than a half for that.
        let room = if prompt.refusal.is_some() {
            columns.saturating_sub(after.width()).max(columns / 2)
        } else {
            columns
        };
        let mut spans = vec![Span::raw(format!("{label}: "))];
        spans.extend(typed::typed(&prompt.line, room));
        spans.push(after);
        line(frame, area, 0, Line::from(spans));
        return;
    }
    if let Some((problem, _)) = &state.trouble {
        let message = problem.message.lines().next().unwrap_or_default();
        let about = format!("may be old, not heard for {}: ", since(state));
        let room = usize::from(area.width).saturating_sub(text::width(&about));
        let text = format!("{about}{}", typed::ends(&printable(message), room));
        line(frame, area, 0, Line::styled(fit(&text, usize::from(area.width)), theme.bad()));
        return;
    }
    // As long as it is so: what cannot be read does not go away by itself.
    if let (Screen::Sessions, [problem, more @ ..]) = (state.screen(), state.sessions.damaged.as_slice()) {
        let more = if more.is_empty() { String::new() } else { format!("; and {} more", more.len()) };
        let text = format!("{}{more}", printable(problem.message.lines().next().unwrap_or_default()));
        line(frame, area, 0, Line::styled(fit(&text, usize::from(area.width)), theme.bad()));
        return;
    }
    let text = match state.screen() {
        Screen::Sessions => sessions::notice(state),
        Screen::Session => session::notice(state),
        Screen::Logs => logs::notice(state),
        Screen::Pipelines => pipelines::notice(state),
        Screen::Details => job::notice(state, usize::from(areas(state).list.height)),
    };
    line(frame, area, 0, Line::from(fit(&text, usize::from(area.width))));
}

/// Whether a key does something: a control to the session that is meant, others where there is something to be seen.
fn can(state: &State, action: Action) -> bool {
    let meant = || state.meant();
    match action {
        // A pause of what is paused only changes the reason.
        Action::Pause if meant().is_some_and(|row| row.record.status == SessionStatus::Paused) => false,
        Action::Pause | Action::Resume | Action::Cancel | Action::Retry => {
            meant().is_some_and(|row| refusal(row, action).is_none())
        }
        Action::Help | Action::Quit => true,
        _ => !is_unknown(state),
    }
}

/// The keys that do something as things stand; those in front that are left out last.
fn foot(state: &State, area: Rect, frame: &mut Frame<'_>) {
    let mut spans = Vec::new();
    let mut used = 0;
    for binding in keys::hints(state.keys_of()).filter(|binding| can(state, binding.action)) {
        let (key, hint) = (binding.keys[0], binding.hint);
        let room = text::width(key) + text::width(hint) + 1;
        if used + room > usize::from(area.width) {
            break;
        }
        used += room + 2;
        spans.push(Span::styled(key, Style::new().add_modifier(Modifier::BOLD)));
        spans.push(Span::raw(format!(" {hint}  ")));
    }
    line(frame, area, 0, Line::from(spans));
}
