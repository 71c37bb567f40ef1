//! Keys while something is in front of a screen, and what comes of commands.

use super::super::form::{Form, Goal};
use super::super::message::{Effect, Purpose, Request};
use super::super::source::{Command, Problem, Said};
use super::super::state::{Confirm, Dialog, Question, State};
use super::read;
use ratatui::crossterm::event::{KeyCode, KeyEvent};

/// A key while a dialog is in front.
pub(super) fn key(state: &mut State, event: KeyEvent) -> Vec<Effect> {
    match state.dialog.take() {
        Some(Dialog::Help { top }) => state.dialog = scrolled(event, top).map(|top| Dialog::Help { top }),
        Some(Dialog::Outcome { title, text, top }) => {
            state.dialog = scrolled(event, top).map(|top| Dialog::Outcome { title, text, top });
        }
        // What is under way goes on whatever is pressed; Esc only looks away.
        Some(Dialog::Busy { title }) if event.code != KeyCode::Esc => {
            state.dialog = Some(Dialog::Busy { title });
        }
        Some(Dialog::Confirm(confirm)) => return confirm_key(state, confirm, event),
        Some(Dialog::Question(question)) => return question_key(state, question, event),
        Some(Dialog::Form(form)) => return form_key(state, form, event),
        Some(Dialog::Busy { .. }) | None => {}
    }
    Vec::new()
}

/// A text is pasted while a dialog is in front.
pub(super) fn paste(state: &mut State, text: &str) {
    match &mut state.dialog {
        Some(Dialog::Confirm(Confirm { reason: Some(reason), .. })) => reason.paste(text),
        Some(Dialog::Form(form)) => form.paste(text),
        _ => {}
    }
}

/// Where a text that is read is scrolled to; none: it was read.
fn scrolled(event: KeyEvent, top: usize) -> Option<usize> {
    match event.code {
        KeyCode::Char('j') | KeyCode::Down => Some(top + 1),
        KeyCode::Char('k') | KeyCode::Up => Some(top.saturating_sub(1)),
        KeyCode::PageDown | KeyCode::Char(' ') => Some(top + 10),
        KeyCode::PageUp => Some(top.saturating_sub(10)),
        _ => None,
    }
}

fn confirm_key(state: &mut State, mut confirm: Confirm, event: KeyEvent) -> Vec<Effect> {
    match event.code {
        KeyCode::Esc => return Vec::new(),
        KeyCode::Enter => {}
        _ => {
            if let Some(reason) = &mut confirm.reason {
                reason.key(event);
            }
            state.dialog = Some(Dialog::Confirm(confirm));
            return Vec::new();
        }
    }
    let mut command = confirm.command;
    if let Some(reason) = confirm.reason.filter(|reason| !reason.is_empty()) {
        command.arguments.push(format!("--reason={}", reason.text()));
    }
    if !confirm.secrets.is_empty() {
        let form = Form::secrets(confirm.title, &confirm.secrets, Goal::Do(command));
        state.dialog = Some(Dialog::Form(form));
        return Vec::new();
    }
    start(state, confirm.title, command)
}

/// Asks of each way what it would do.
pub(super) fn question(state: &mut State, question: Question) -> Vec<Effect> {
    let asked = question.ways.iter().map(|way| Request::Command(Purpose::Ask, way.dry.clone()));
    let effects = asked.map(Effect::Ask).collect();
    state.dialog = Some(Dialog::Question(question));
    effects
}

fn question_key(state: &mut State, mut question: Question, event: KeyEvent) -> Vec<Effect> {
    let len = question.ways.len();
    match event.code {
        KeyCode::Esc => return Vec::new(),
        KeyCode::Enter if question.ways[question.at].is_open() => {
            let way = question.ways.swap_remove(question.at);
            return start(state, question.title, way.command);
        }
        KeyCode::Tab | KeyCode::Right | KeyCode::Char('l') => {
            (question.at, question.top) = ((question.at + 1) % len, 0);
        }
        KeyCode::BackTab | KeyCode::Left | KeyCode::Char('h') => {
            (question.at, question.top) = ((question.at + len - 1) % len, 0);
        }
        _ => question.top = scrolled(event, question.top).unwrap_or(question.top),
    }
    state.dialog = Some(Dialog::Question(question));
    Vec::new()
}

fn form_key(state: &mut State, mut form: Form, event: KeyEvent) -> Vec<Effect> {
    match event.code {
        KeyCode::Esc => return Vec::new(),
        KeyCode::Down | KeyCode::Tab => form.step(1),
        KeyCode::Up | KeyCode::BackTab => form.step(-1),
        KeyCode::Enter if form.has_next() => form.step(1),
        KeyCode::Enter => match form.environment() {
            Some(environment) => {
                let arguments = form.arguments();
                let fill = |command: &mut Command| {
                    command.arguments.extend(arguments.iter().cloned());
                    command.environment.extend(environment.clone());
                };
                match form.goal {
                    Goal::Do(mut command) => {
                        fill(&mut command);
                        return start(state, form.title, command);
                    }
                    Goal::Ask(mut asked) => {
                        asked.ways.iter_mut().for_each(|way| {
                            fill(&mut way.dry);
                            fill(&mut way.command);
                        });
                        return question(state, asked);
                    }
                }
            }
            None => {
                form.at = form.fields.iter().position(|field| field.refusal().is_some()).unwrap_or(0);
            }
        },
        _ => form.key(event),
    }
    state.dialog = Some(Dialog::Form(form));
    Vec::new()
}

/// What was agreed to is done.
fn start(state: &mut State, title: String, command: Command) -> Vec<Effect> {
    state.dialog = Some(Dialog::Busy { title });
    vec![Effect::Ask(Request::Command(Purpose::Do, command))]
}

/// A command has ended.
pub(super) fn said(
    state: &mut State,
    purpose: Purpose,
    command: &Command,
    said: Result<Said, Problem>,
) -> Vec<Effect> {
    state.is_stale = true;
    if purpose == Purpose::Ask {
        // Who looked away from it is not disturbed by what it would do, but by what it did.
        if let Some(Dialog::Question(question)) = &mut state.dialog
            && let Some(way) = question.ways.iter_mut().find(|way| way.dry == *command)
        {
            way.said = Some(said);
        }
        return Vec::new();
    }
    let (title, text) = match said {
        Ok(said) => {
            let title = match said.code {
                Some(0 | 4) => "done".to_owned(),
                Some(code) => format!("refused, with exit code {code}"),
                None => "ended by a signal".to_owned(),
            };
            (title, said.text())
        }
        Err(problem) => ("it could not be started".into(), problem.text()),
    };
    // What was done is said last, after what was said before it was done.
    let top = if title == "done" { usize::MAX } else { 0 };
    state.outcomes.push(Dialog::Outcome { title, text, top });
    if matches!(state.dialog, Some(Dialog::Busy { .. })) {
        state.dialog = None;
    }
    if state.is_reading { Vec::new() } else { read(state) }
}
