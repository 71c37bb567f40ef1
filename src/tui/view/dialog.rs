//! What is in front of a screen: help, what will be done, a form, what came of it.

use super::Theme;
use super::text::{fit, pad, width};
use crate::report::text::{printable, printable_lines};
use crate::tui::form::Form;
use crate::tui::keys::{Place, bindings};
use crate::tui::state::{Confirm, Dialog, State};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Wrap};

pub(super) fn draw(state: &State, theme: Theme, frame: &mut Frame<'_>) {
    match &state.dialog {
        None => {}
        Some(Dialog::Help { top }) => {
            framed("keys", "any other key closes", help(state), *top, state, frame);
        }
        Some(Dialog::Busy { title }) => {
            framed(title, "Esc looks away; it goes on", vec![Line::from("under way …")], 0, state, frame);
        }
        Some(Dialog::Outcome { title, text, top }) => {
            let lines = printable_lines(text).lines().map(|line| Line::from(line.to_owned())).collect();
            framed(title, "any other key closes", lines, *top, state, frame);
        }
        Some(Dialog::Confirm(confirm)) => {
            let lines = confirm_lines(confirm, theme);
            framed(&confirm.title, "Enter does it, Esc does not", lines, 0, state, frame);
        }
        Some(Dialog::Form(form)) => {
            let hint = "Enter: the next, at the last one start; Esc: do not";
            let top = (form.lines.len() + 1 + form.at * 3).saturating_sub(usize::from(state.size.height) / 2);
            framed(
                &form.title,
                hint,
                form_lines(form, usize::from(state.size.width), theme),
                top,
                state,
                frame,
            );
        }
    }
}

/// A box in the middle, as large as what is in it.
fn framed(title: &str, hint: &str, lines: Vec<Line<'_>>, top: usize, state: &State, frame: &mut Frame<'_>) {
    let (columns, rows) = (state.size.width, state.size.height);
    let widest = lines.iter().map(Line::width).max().unwrap_or(0).max(width(title) + 4).max(width(hint) + 4);
    let box_width = u16::try_from(widest + 4).unwrap_or(columns).min(columns.saturating_sub(2));
    let inside = box_width.saturating_sub(4).max(1);
    let wrapped: usize = lines.iter().map(|line| line.width().max(1).div_ceil(usize::from(inside))).sum();
    let box_height = u16::try_from(wrapped + 2).unwrap_or(rows).min(rows.saturating_sub(2));
    let area = Rect {
        x: columns.saturating_sub(box_width) / 2,
        y: rows.saturating_sub(box_height) / 2,
        width: box_width,
        height: box_height,
    };
    let room = usize::from(box_height.saturating_sub(2));
    let last = wrapped.saturating_sub(room);
    let top = top.min(last);
    let more = if top < last { " · more below" } else { "" };
    frame.render_widget(Clear, area);
    let block = Block::bordered()
        .title(Line::styled(
            format!(" {} ", fit(title, usize::from(inside))),
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

fn confirm_lines(confirm: &Confirm, theme: Theme) -> Vec<Line<'static>> {
    let mut lines: Vec<Line<'static>> =
        confirm.lines.iter().map(|line| Line::from(printable(line).into_owned())).collect();
    lines.push(Line::default());
    if let Some(reason) = &confirm.reason {
        lines.push(Line::from(vec![
            Span::raw("why: "),
            Span::raw(printable(&reason.text).into_owned()),
            Span::styled(" ", Style::new().add_modifier(Modifier::REVERSED)),
            Span::styled(if reason.text.is_empty() { " (kept with the session)" } else { "" }, theme.dim()),
        ]));
        lines.push(Line::default());
    }
    lines.push(Line::styled(format!("$ bunsui {}", confirm.command.arguments.join(" ")), theme.dim()));
    lines
}

fn form_lines(form: &Form, columns: usize, theme: Theme) -> Vec<Line<'static>> {
    let mut lines: Vec<Line<'static>> =
        form.lines.iter().map(|line| Line::from(printable(line).into_owned())).collect();
    lines.push(Line::default());
    for (at, field) in form.fields.iter().enumerate() {
        let is_here = at == form.at;
        let mark = if is_here { "▸ " } else { "  " };
        let about = field
            .description
            .as_ref()
            .map_or_else(|| field.about.clone(), |description| format!("{}; {description}", field.about));
        let bold = if is_here { Style::new().add_modifier(Modifier::BOLD) } else { Style::new() };
        lines.push(Line::from(vec![
            Span::raw(mark),
            Span::styled(field.name.clone(), bold),
            Span::styled(
                fit(&format!("  {about}"), columns.saturating_sub(10 + width(&field.name))),
                theme.dim(),
            ),
        ]));
        lines.push(value_line(field, is_here, theme));
        let refusal = field.refusal().filter(|_| is_here || !field.line.text.is_empty());
        lines.push(Line::styled(format!("    {}", refusal.unwrap_or_default()), theme.bad()));
    }
    lines.push(Line::styled(format!("$ bunsui {}", form.command.arguments.join(" ")), theme.dim()));
    lines
}

fn value_line(field: &crate::tui::form::Field, is_here: bool, theme: Theme) -> Line<'static> {
    let text = if field.is_secret {
        "•".repeat(field.line.text.chars().count())
    } else {
        printable(&field.line.text).into_owned()
    };
    let mut spans = vec![Span::raw("    "), Span::raw(text)];
    if is_here {
        spans.push(Span::styled(" ", Style::new().add_modifier(Modifier::REVERSED)));
    }
    if let Some(default) = field.default.as_ref().filter(|_| field.line.text.is_empty()) {
        spans.push(Span::styled(format!(" {} (default)", printable(default)), theme.dim()));
    }
    Line::from(spans)
}
