//! A line that is typed at the foot of the screen: filters and searches.

use super::super::form::Line;
use super::super::state::{Prompt, PromptKind, Screen, State};
use ratatui::crossterm::event::{KeyCode, KeyEvent};

/// A line is typed at the foot of the screen.
pub(super) fn open(state: &mut State, kind: PromptKind) {
    let before = match (state.screen(), kind) {
        (Screen::Sessions, _) => &state.sessions.filter,
        (Screen::Pipelines, _) => &state.pipelines.filter,
        (Screen::Session, _) => match &state.session {
            Some(session) => &session.filter,
            None => return,
        },
        (Screen::Logs, kind) => match &state.logs {
            Some(logs) if kind == PromptKind::Filter => &logs.filter,
            Some(logs) => &logs.search,
            None => return,
        },
        (Screen::Details, _) => return,
    };
    let before = before.clone();
    state.prompt = Some(Prompt { kind, line: Line { text: before.clone() }, before });
}

/// What is typed takes effect as it is typed; Esc takes it back.
pub(super) fn key(state: &mut State, event: KeyEvent) {
    let Some(mut prompt) = state.prompt.take() else { return };
    let kind = prompt.kind;
    match event.code {
        KeyCode::Enter => set_text(state, kind, prompt.line.text, true),
        KeyCode::Esc => set_text(state, kind, prompt.before, false),
        _ => {
            prompt.line.key(event);
            set_text(state, kind, prompt.line.text.clone(), false);
            state.prompt = Some(prompt);
        }
    }
}

fn set_text(state: &mut State, kind: PromptKind, text: String, is_done: bool) {
    let now = state.now;
    match (state.screen(), kind) {
        (Screen::Logs, PromptKind::Search) => {
            if let Some(logs) = &mut state.logs {
                logs.search = text;
                if is_done {
                    logs.seek(true);
                }
            }
        }
        (Screen::Logs, PromptKind::Filter) => {
            if let Some(logs) = &mut state.logs {
                logs.filter = text;
                logs.arrange();
            }
        }
        (Screen::Sessions, _) => {
            state.sessions.filter = text;
            state.sessions.is_uncounted = true;
            state.sessions.arrange(now);
        }
        (Screen::Session, _) => {
            if let Some(session) = &mut state.session {
                session.filter = text;
                session.arrange(now);
            }
        }
        (Screen::Pipelines, _) => {
            state.pipelines.filter = text;
            state.pipelines.arrange();
        }
        (Screen::Details, _) => {}
    }
}
