//! What is in front of a screen: help, what will be done, a form, what came of it.

use super::Theme;
use super::text::{fit, pad, rows_of, width};
use super::typed::{hidden, typed};
use crate::report::text::{printable, printable_lines};
use crate::tui::form::{Field, FieldKind, Form, Goal, Standing};
use crate::tui::keys::{Place, bindings};
use crate::tui::state::{Confirm, Dialog, Question, State};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Wrap};

/// A box in front of the screen.
struct Boxed<'t> {
    title: &'t str,
    hint: &'static str,
    lines: Vec<Line<'static>>,
    /// The first line that is seen.
    top: usize,
}

pub(super) fn draw(state: &State, theme: Theme, frame: &mut Frame<'_>) {
    if let Some(boxed) = boxed(state, theme) {
        framed(boxed, state, frame);
    }
}

/// Down to where what is in front can be scrolled.
pub(in crate::tui) fn last_top(state: &State) -> usize {
    boxed(state, Theme::Plain).map_or(0, |boxed| placed(&boxed, state).1)
}

fn boxed(state: &State, theme: Theme) -> Option<Boxed<'_>> {
    let columns = usize::from(state.size.width);
    Some(match state.dialog.as_ref()? {
        Dialog::Help { top } => {
            Boxed { title: "keys", hint: "any other key closes", lines: help(state), top: *top }
        }
        Dialog::Busy { title } => {
            let lines = vec![Line::from("under way …")];
            Boxed { title, hint: "Esc looks away; it goes on", lines, top: 0 }
        }
        Dialog::Outcome { title, text, top } => {
            let lines = printable_lines(text).lines().map(|line| Line::from(line.to_owned())).collect();
            Boxed { title, hint: "any other key closes", lines, top: *top }
        }
        Dialog::Confirm(confirm) => {
            let lines = confirm_lines(confirm, columns, theme);
            Boxed { title: &confirm.title, hint: "Enter does it, Esc does not", lines, top: 0 }
        }
        Dialog::Question(question) => {
            let way = &question.ways[question.at];
            let hint = match (way.is_open(), question.ways.len()) {
                (true, 1) => "Enter does it, Esc does not",
                (true, _) => "Enter does it, Esc does not; Tab: the other way",
                (false, 1) => "Esc: back",
                (false, _) => "Tab: the other way; Esc: back",
            };
            let lines = question_lines(question, theme);
            Boxed { title: &question.title, hint, lines, top: question.top }
        }
        Dialog::Form(form) => {
            let hint = match (&form.goal, form.has_next()) {
                (_, true) => "Enter: the next parameter; Tab, arrows: any; Esc: do not",
                (Goal::Do(_), false) => "Enter: start; Tab, arrows: any; Esc: do not",
                (Goal::Ask(_), false) => "Enter: what would be done; Esc: do not",
            };
            let top = (form.lines.len() + form.at * 3).saturating_sub(usize::from(state.size.height) / 2);
            Boxed { title: &form.title, hint, lines: form_lines(form, columns, theme), top }
        }
    })
}

/// In the middle, as large as what is in it; and the last line that can be the first one.
fn placed(boxed: &Boxed<'_>, state: &State) -> (Rect, usize) {
    let (columns, rows) = (state.size.width, state.size.height);
    let of_lines = boxed.lines.iter().map(Line::width).max().unwrap_or(0);
    let widest = of_lines.max(width(boxed.title) + 4).max(width(boxed.hint) + 4);
    let box_width = u16::try_from(widest + 4).unwrap_or(columns).min(columns.saturating_sub(2));
    let inside = usize::from(box_width.saturating_sub(4).max(1));
    let wrapped: usize = boxed.lines.iter().map(|line| rows_of(&line.to_string(), inside)).sum();
    let box_height = u16::try_from(wrapped + 2).unwrap_or(rows).min(rows.saturating_sub(2));
    let area = Rect {
        x: columns.saturating_sub(box_width) / 2,
        y: rows.saturating_sub(box_height) / 2,
        width: box_width,
        height: box_height,
    };
    (area, wrapped.saturating_sub(usize::from(box_height.saturating_sub(2))))
}

fn framed(boxed: Boxed<'_>, state: &State, frame: &mut Frame<'_>) {
    let (area, last) = placed(&boxed, state);
    let Boxed { title, hint, lines, top } = boxed;
    let top = top.min(last);
    let more = match (last, top < last) {
        (0, _) => "",
        (_, true) => " · more below: j",
        (_, false) => " · more above: k",
    };
    frame.render_widget(Clear, area);
    let block = Block::bordered()
        .title(Line::styled(
            format!(" {} ", fit(title, usize::from(area.width.saturating_sub(4)))),
            Style::new().add_modifier(Modifier::BOLD),
        ))
        .title_bottom(Line::from(format!(" {hint}{more} ")))
        .padding(ratatui::widgets::Padding::horizontal(1));
    let top = u16::try_from(top).unwrap_or(u16::MAX);
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }).scroll((top, 0)).block(block), area);
}

/// The keys of this screen, then those of all.
fn help(state: &State) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for place in [state.keys_of(), Place::Everywhere] {
        if !lines.is_empty() {
            lines.push(Line::default());
        }
        lines.push(Line::styled(place.title(), Style::new().add_modifier(Modifier::BOLD)));
        for binding in bindings(place) {
            let keys = pad(&binding.keys.join(", "), 18);
            lines.push(Line::from(format!("{keys} {}", binding.what)));
        }
    }
    lines
}

fn confirm_lines(confirm: &Confirm, columns: usize, theme: Theme) -> Vec<Line<'static>> {
    let mut lines: Vec<Line<'static>> =
        confirm.lines.iter().map(|line| Line::from(printable(line).into_owned())).collect();
    lines.push(Line::default());
    if let Some(reason) = &confirm.reason {
        let mut spans = vec![Span::raw("why: ")];
        spans.extend(typed(reason, columns.saturating_sub(12)));
        let hint = if reason.is_empty() { " (kept with the session)" } else { "" };
        spans.push(Span::styled(hint, theme.dim()));
        lines.push(Line::from(spans));
        lines.push(Line::default());
    }
    lines.push(command_line(&confirm.command.arguments, theme));
    lines
}

fn question_lines(question: &Question, theme: Theme) -> Vec<Line<'static>> {
    let way = &question.ways[question.at];
    let mut lines = Vec::new();
    if question.ways.len() > 1 {
        for (at, way) in question.ways.iter().enumerate() {
            let (mark, style) = match at == question.at {
                true => ("▸ ", Style::new().add_modifier(Modifier::BOLD)),
                false => ("  ", theme.dim()),
            };
            lines.push(Line::styled(format!("{mark}{}", way.name), style));
        }
        lines.push(Line::default());
    }
    match way.text() {
        None => lines.push(Line::from("What would be done is being asked …")),
        Some(text) => {
            if !way.is_open() {
                let refused = Style::new().add_modifier(Modifier::BOLD).patch(theme.bad());
                lines.push(Line::styled("It cannot be done this way:", refused));
            }
            lines.extend(printable_lines(&text).lines().map(|line| Line::from(line.to_owned())));
        }
    }
    lines.push(Line::default());
    lines.push(command_line(&way.command.arguments, theme));
    lines
}

/// What will be started, as it would be typed.
fn command_line(arguments: &[String], theme: Theme) -> Line<'static> {
    Line::styled(printable(&format!("$ bunsui {}", arguments.join(" "))).into_owned(), theme.dim())
}

fn form_lines(form: &Form, columns: usize, theme: Theme) -> Vec<Line<'static>> {
    let mut lines: Vec<Line<'static>> =
        form.lines.iter().map(|line| Line::from(printable(line).into_owned())).collect();
    let mut was_parameter = false;
    for (at, field) in form.fields.iter().enumerate() {
        // Parameters have a line for what is wrong with them; how it is started takes a line each.
        if !field.is_parameter() && (was_parameter || at == 0) {
            lines.push(Line::default());
        }
        was_parameter = field.is_parameter();
        lines.extend(if was_parameter {
            parameter_lines(field, at == form.at, columns, theme)
        } else {
            vec![option_line(field, at == form.at, columns, theme)]
        });
    }
    lines.push(Line::default());
    let command = match &form.goal {
        Goal::Do(command) => command,
        Goal::Ask(question) => &question.ways[question.at].dry,
    };
    let arguments: Vec<String> = command.arguments.iter().cloned().chain(form.arguments()).collect();
    lines.push(command_line(&arguments, theme));
    lines
}

/// Its name in front; bold where it is typed.
fn name_of(field: &Field, is_here: bool) -> [Span<'static>; 2] {
    let bold = if is_here { Style::new().add_modifier(Modifier::BOLD) } else { Style::new() };
    [Span::raw(if is_here { "▸ " } else { "  " }), Span::styled(field.name.clone(), bold)]
}

fn parameter_lines(field: &Field, is_here: bool, columns: usize, theme: Theme) -> Vec<Line<'static>> {
    let about = match &field.description {
        Some(description) => format!("{}; {description}", field.about),
        None => field.about.clone(),
    };
    let about = fit(&format!("  {about}"), columns.saturating_sub(10 + width(&field.name)));
    let mut head = Vec::from(name_of(field, is_here));
    head.push(Span::styled(about, theme.dim()));
    let mut lines =
        vec![Line::default(), Line::from(head), Line::from(value(field, is_here, columns, theme))];
    let refusal = field.refusal().filter(|_| is_here || !field.line.is_empty());
    lines.extend(refusal.map(|refusal| Line::styled(format!("    {}", printable(&refusal)), theme.bad())));
    lines
}

fn option_line(field: &Field, is_here: bool, columns: usize, theme: Theme) -> Line<'static> {
    const NAME: usize = 12;
    let mut spans = Vec::from(name_of(field, is_here));
    spans.push(Span::raw(" ".repeat(NAME.saturating_sub(width(&field.name)))));
    if let FieldKind::Switch { is_on, .. } = field.kind {
        spans.push(Span::raw(if is_on { "[x] " } else { "[ ] " }));
        let hint = if is_here { "  Space turns it" } else { "" };
        spans.push(Span::styled(format!("{}{hint}", field.about), theme.dim()));
        return Line::from(spans);
    }
    let room = columns.saturating_sub(NAME + 10);
    if is_here {
        spans.extend(typed(&field.line, room));
    } else {
        spans.push(Span::raw(fit(&printable(field.line.text()), room)));
    }
    let after = match field.refusal() {
        Some(refusal) => Span::styled(format!("  {}", printable(&refusal)), theme.bad()),
        None if field.line.is_empty() => Span::styled(field.about.clone(), theme.dim()),
        None => Span::raw(""),
    };
    spans.push(after);
    Line::from(spans)
}

fn value(field: &Field, is_here: bool, columns: usize, theme: Theme) -> Vec<Span<'static>> {
    let room = columns.saturating_sub(12);
    let mut spans = vec![Span::raw("    ")];
    match (field.is_secret(), is_here) {
        (true, true) => spans.extend(hidden(&field.line, room)),
        (false, true) => spans.extend(typed(&field.line, room)),
        (true, false) => spans.push(Span::raw(fit(&"•".repeat(field.line.text().chars().count()), room))),
        (false, false) => spans.push(Span::raw(fit(&printable(field.line.text()), room))),
    }
    if let Some(Standing { text, variable }) = field.default.as_ref().filter(|_| field.line.is_empty()) {
        let text = if field.is_secret() { "•••".into() } else { printable(text) };
        let origin = variable.as_deref().unwrap_or("default");
        spans.push(Span::styled(format!(" {text} ({origin})"), theme.dim()));
    }
    spans
}
