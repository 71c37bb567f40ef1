//! A line that is typed at the foot of the screen: filters and searches.

use super::super::line::Line;
use super::super::state::{Pattern, Prompt, PromptKind, Screen, State};
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
            Some(logs) if kind == PromptKind::Filter => &logs.filter.text,
            Some(logs) => &logs.search.text,
            None => return,
        },
        (Screen::Details, _) => return,
    };
    let before = before.clone();
    state.prompt = Some(Prompt { kind, line: Line::new(&before), before, refusal: None });
}

/// What is typed takes effect as it is typed; Esc takes it back.
pub(super) fn key(state: &mut State, event: KeyEvent) {
    let Some(mut prompt) = state.prompt.take() else { return };
    match event.code {
        KeyCode::Esc => {
            let _ = set_text(state, prompt.kind, prompt.before);
        }
        KeyCode::Enter if prompt.refusal.is_none() => {
            if let Some(logs) = state.logs.as_mut().filter(|_| prompt.kind == PromptKind::Search) {
                logs.seek(true);
            }
        }
        KeyCode::Enter => state.prompt = Some(prompt),
        _ => {
            prompt.line.key(event);
            typed(state, prompt);
        }
    }
}

/// What is pasted is as if it were typed.
pub(super) fn paste(state: &mut State, text: &str) {
    let Some(mut prompt) = state.prompt.take() else { return };
    prompt.line.paste(text);
    typed(state, prompt);
}

/// What is wrong with it is said beside it; what was in effect stays until it is right.
fn typed(state: &mut State, mut prompt: Prompt) {
    prompt.refusal = set_text(state, prompt.kind, prompt.line.text().to_owned()).err();
    state.prompt = Some(prompt);
}

fn set_text(state: &mut State, kind: PromptKind, text: String) -> Result<(), String> {
    let now = state.now;
    match (state.screen(), kind) {
        (Screen::Logs, kind) => {
            let pattern = Pattern::of(text)?;
            if let Some(logs) = &mut state.logs {
                if kind == PromptKind::Search {
                    logs.look_for(pattern);
                } else {
                    logs.filter = pattern;
                    logs.arrange();
                }
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
    Ok(())
}
