//! A hand on a session: what would be done is said first. What does it is bunsui's own command in a process of its own.

use super::super::form::{Form, Goal};
use super::super::keys::Action;
use super::super::line::Line;
use super::super::message::Effect;
use super::super::source::{Command, Counts, SessionRow};
use super::super::state::{Confirm, Dialog, Question, State, Way, status_words};
use super::dialog;
use crate::pipeline::Pipeline;
use crate::session::SessionStatus;
use std::sync::Arc;

/// Says what would be done with the session that is meant.
pub(super) fn ask(state: &mut State, action: Action) -> Vec<Effect> {
    let Some(row) = state.meant().cloned() else { return Vec::new() };
    if let Some(text) = refusal(&row, action) {
        state.dialog = Some(not_now(text));
        return Vec::new();
    }
    let id = row.record.session_id.as_str();
    if action == Action::Retry {
        return retry(state, &row);
    }
    let (verb, command) = match action {
        Action::Pause => ("pause", Command::new(["session", "pause", id])),
        Action::Cancel => ("cancel", Command::new(["session", "cancel", id])),
        _ => ("resume", Command::new(["session", "resume", id, "--detach"])),
    };
    let counts = counts_of(state, &row);
    let is_reasoned = matches!(action, Action::Pause | Action::Cancel);
    let is_waiting = row.is_driven && row.record.pause.is_some();
    let needs_secrets = !(is_reasoned || is_waiting);
    state.dialog = Some(Dialog::Confirm(Confirm {
        title: format!("{verb} {} of {}", row.record.session_id, row.record.pipeline_id),
        lines: foretold(&row, action, counts),
        reason: is_reasoned.then(Line::default),
        command,
        secrets: if needs_secrets { row.record.secrets.clone() } else { Vec::new() },
    }));
    Vec::new()
}

/// Why it cannot be done as the session stands.
pub(in crate::tui) fn refusal(row: &SessionRow, action: Action) -> Option<String> {
    let status = row.record.status;
    let is_waiting = row.is_driven && row.record.pause.is_some();
    let is_refused = match action {
        Action::Pause => status.is_final() || status == SessionStatus::Cancelling,
        Action::Cancel => status.is_final(),
        Action::Resume => status.is_final() || (row.is_driven && !is_waiting),
        _ => !status.is_final() || status == SessionStatus::Succeeded,
    };
    is_refused.then(|| {
        let what = match action {
            Action::Pause => "paused",
            Action::Cancel => "cancelled",
            Action::Resume => "resumed",
            _ => "retried",
        };
        let why = match action {
            Action::Retry if status == SessionStatus::Succeeded => "there is nothing that did not succeed",
            Action::Retry => "it has not ended",
            Action::Resume if !status.is_final() => "it goes on: somebody drives it",
            Action::Pause if !status.is_final() => "it is being cancelled",
            _ => "it has ended",
        };
        format!("The session is {}; it cannot be {what}: {why}.", status_words(row))
    })
}

fn counts_of(state: &State, row: &SessionRow) -> Option<Counts> {
    let id = &row.record.session_id;
    match state.session.as_ref().filter(|session| session.id == *id && session.jobs.seen > 0) {
        Some(session) => Some(session.jobs.counts()),
        None => state.sessions.counts_of(id),
    }
}

/// What will happen.
fn foretold(row: &SessionRow, action: Action, counts: Option<Counts>) -> Vec<String> {
    let jobs = |count: usize| format!("{count} job{}", if count == 1 { "" } else { "s" });
    let total = row.record.jobs;
    let running = counts.map_or("what runs".into(), |counts| format!("{} running", jobs(counts.running)));
    let waiting =
        counts.map_or("the others".into(), |counts| jobs(total.saturating_sub(counts.done + counts.running)));
    let mut lines = vec![format!("It is {}.", status_words(row))];
    match action {
        Action::Pause if row.is_driven => {
            lines.push(format!("Nothing new starts; {running} may finish; {waiting} will wait for a resume."));
        }
        Action::Pause => lines.push("Nobody drives it. It will be marked as paused, with your reason.".into()),
        Action::Cancel => {
            let done = counts.map_or("what has ended".into(), |counts| jobs(counts.done));
            lines.push(format!(
                "Stopped: {running}. Never started: {waiting}. Outputs of {done} stay. A retry can go on later."
            ));
        }
        _ if row.is_driven => lines.push(format!("Its runner waits in a pause, and will go on: {waiting} left.")),
        _ => lines.push(format!(
            "A new runner in the background goes on with it, with the file and parameters that it began with: {waiting} left."
        )),
    }
    lines
}

/// Only the command knows which jobs run again: that depends on the file, on what is stored, and on AWS on executions.
fn retry(state: &mut State, row: &SessionRow) -> Vec<Effect> {
    let record = &row.record;
    let words = ["session", "retry", record.session_id.as_str()];
    let current = ["session", "retry", record.session_id.as_str(), "--with-current"];
    let title = format!("retry {} of {}", record.session_id, record.pipeline_id);
    let question = Question {
        title: title.clone(),
        ways: vec![
            Way::new("with the file that it ran", &words, &["--detach"]),
            Way::new("with the file as it is now", &current, &["--detach"]),
        ],
        at: 0,
        top: 0,
    };
    if record.secrets.is_empty() {
        return dialog::question(state, question);
    }
    state.dialog = Some(Dialog::Form(Form::secrets(title, &record.secrets, Goal::Ask(question))));
    Vec::new()
}

/// A form for the parameters of the selected pipeline.
pub(super) fn start(state: &mut State) -> Vec<Effect> {
    if let Some((pipeline, file)) = startable(state) {
        let given = state.pipelines.selected().map(|found| found.given.clone()).unwrap_or_default();
        state.dialog = Some(Dialog::Form(Form::start(&pipeline, &file, &given, state.is_remote)));
    }
    Vec::new()
}

/// What a deployment of the selected pipeline would change.
pub(super) fn deploy(state: &mut State) -> Vec<Effect> {
    if !state.is_remote {
        let text = "Nothing is deployed here: a session on this machine runs the file as it is.";
        state.dialog = Some(not_now(text.into()));
        return Vec::new();
    }
    let Some((pipeline, file)) = startable(state) else { return Vec::new() };
    let ways = vec![Way::new(&file, &["deploy", &file], &[])];
    dialog::question(state, Question { title: format!("deploy {}", pipeline.name), ways, at: 0, top: 0 })
}

/// The selected pipeline, if there is a valid file of it; else it is said why not.
fn startable(state: &mut State) -> Option<(Arc<Pipeline>, String)> {
    let found = state.pipelines.selected()?;
    let text = match (&found.pipeline, &found.file) {
        (Some(pipeline), Some(file)) => return Some((pipeline.clone(), file.clone())),
        (_, None) => format!("No file of this project is pipeline `{}`.", found.name),
        (None, Some(_)) => found.findings.clone(),
    };
    state.dialog = Some(not_now(text));
    None
}

fn not_now(text: String) -> Dialog {
    Dialog::Outcome { title: "not now".into(), text, top: 0 }
}
