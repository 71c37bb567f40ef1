//! What the mouse does.

use super::super::keys::Action;
use super::super::message::Effect;
use super::super::state::{Dialog, Question, Screen, State};
use super::{areas, navigate};
use ratatui::crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

/// Scrolls, selects, opens.
pub(super) fn mouse(state: &mut State, event: MouseEvent) -> Vec<Effect> {
    let rows = match event.kind {
        MouseEventKind::ScrollDown => 3,
        MouseEventKind::ScrollUp => -3,
        MouseEventKind::Down(MouseButton::Left) if state.dialog.is_none() && state.prompt.is_none() => {
            state.is_stale = true;
            return click(state, Position { x: event.column, y: event.row });
        }
        _ => return Vec::new(),
    };
    state.is_stale = true;
    match &mut state.dialog {
        Some(Dialog::Help { top } | Dialog::Outcome { top, .. } | Dialog::Question(Question { top, .. })) => {
            *top = top.saturating_add_signed(rows);
        }
        Some(_) => {}
        None => navigate::step(state, rows),
    }
    Vec::new()
}

/// A click selects; one on what is selected opens it.
fn click(state: &mut State, at: Position) -> Vec<Effect> {
    let list = areas(state).list;
    if !list.contains(at) || state.screen() == Screen::Details {
        return Vec::new();
    }
    let Some((cursor, len)) = navigate::cursor(state) else { return Vec::new() };
    let row = cursor.top + usize::from(at.y - list.y);
    if row >= len {
        return Vec::new();
    }
    let by = row as isize - cursor.at as isize;
    if by == 0 {
        return navigate::go(state, Action::Open);
    }
    navigate::step(state, by);
    Vec::new()
}
