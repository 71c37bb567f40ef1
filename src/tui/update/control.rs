//! A hand on a session: what would be done is said first. What does it is bunsui's own command in a process of its own.

use super::super::form::{Field, Form, Line};
use super::super::keys::Action;
use super::super::message::{Effect, Purpose};
use super::super::source::{Command, Counts, Problem, Said, SessionRow};
use super::super::state::{Confirm, Dialog, State, status_words};
use super::{read, start as start_command};
use crate::session::SessionStatus;
use ratatui::crossterm::event::{KeyCode, KeyEvent};

/// Says what would be done with the session that is meant.
pub(super) fn ask(state: &mut State, action: Action) -> Vec<Effect> {
    let Some(row) = state.meant().cloned() else { return Vec::new() };
    if let Some(text) = refusal(&row, action) {
        state.dialog = Some(Dialog::Outcome { title: "not now".into(), text, top: 0 });
        return Vec::new();
    }
    let id = row.record.session_id.as_str();
    if action == Action::Retry && row.record.secrets.is_empty() {
        // Only the command knows: which jobs those are depends on the file, what is stored, and on AWS on executions.
        state.dialog = Some(Dialog::Busy { title: format!("what a retry of {id} would do") });
        return start_command(Purpose::Ask, Command::new(["session", "retry", id, "--dry-run"]));
    }
    let (verb, command) = match action {
        Action::Pause => ("pause", Command::new(["session", "pause", id])),
        Action::Cancel => ("cancel", Command::new(["session", "cancel", id])),
        Action::Retry => ("retry", Command::new(["session", "retry", id, "--detach"])),
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
fn refusal(row: &SessionRow, action: Action) -> Option<String> {
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
        Action::Retry => lines.push("What did not succeed runs again, and everything downstream of it.".into()),
        _ if row.is_driven => lines.push(format!("Its runner waits in a pause, and will go on: {waiting} left.")),
        _ => lines.push(format!(
            "A new runner in the background goes on with it, with the file and parameters that it began with: {waiting} left."
        )),
    }
    lines
}

/// A form for the parameters of the selected pipeline.
pub(super) fn start(state: &mut State) -> Vec<Effect> {
    let Some(found) = state.pipelines.selected() else { return Vec::new() };
    state.dialog = Some(match (&found.pipeline, &found.file) {
        (Some(pipeline), Some(file)) => Dialog::Form(Form::start(pipeline, file)),
        (_, None) => Dialog::Outcome {
            title: "not now".into(),
            text: format!("No file of this project is pipeline `{}`.", found.name),
            top: 0,
        },
        (None, Some(_)) => Dialog::Outcome { title: "not now".into(), text: found.findings.clone(), top: 0 },
    });
    Vec::new()
}

/// A key while a dialog is in front.
pub(super) fn dialog_key(state: &mut State, event: KeyEvent) -> Vec<Effect> {
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
        Some(Dialog::Form(form)) => return form_key(state, form, event),
        Some(Dialog::Busy { .. }) | None => {}
    }
    Vec::new()
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
    if let Some(reason) = confirm.reason.filter(|reason| !reason.text.is_empty()) {
        command.arguments.push(format!("--reason={}", reason.text));
    }
    if !confirm.secrets.is_empty() {
        state.dialog = Some(Dialog::Form(Form {
            title: confirm.title,
            lines: vec!["Its secrets are stored nowhere, and have to be given again.".into()],
            fields: confirm.secrets.iter().map(|name| Field::secret(name)).collect(),
            at: 0,
            command,
        }));
        return Vec::new();
    }
    state.dialog = Some(Dialog::Busy { title: confirm.title });
    start_command(Purpose::Do, command)
}

fn form_key(state: &mut State, mut form: Form, event: KeyEvent) -> Vec<Effect> {
    match event.code {
        KeyCode::Esc => return Vec::new(),
        KeyCode::Down | KeyCode::Tab => form.step(1),
        KeyCode::Up | KeyCode::BackTab => form.step(-1),
        KeyCode::Enter if form.at + 1 < form.fields.len() => form.step(1),
        KeyCode::Enter => match form.command() {
            Some(command) => {
                state.dialog = Some(Dialog::Busy { title: form.title });
                return start_command(Purpose::Do, command);
            }
            None => {
                form.at = form.fields.iter().position(|field| field.refusal().is_some()).unwrap_or(0);
            }
        },
        _ => {
            if let Some(field) = form.fields.get_mut(form.at) {
                field.line.key(event);
            }
        }
    }
    state.dialog = Some(Dialog::Form(form));
    Vec::new()
}

/// A command has ended.
pub(super) fn said(state: &mut State, purpose: Purpose, said: Result<Said, Problem>) -> Vec<Effect> {
    state.is_stale = true;
    // Who looked away from it is not disturbed by what it would do, but by what it did.
    let is_waited_for = matches!(state.dialog, Some(Dialog::Busy { .. }));
    let said = match said {
        Ok(said) => said,
        Err(problem) => {
            let help = problem.help.map(|help| format!("\n{help}")).unwrap_or_default();
            let text = format!("{}{help}", problem.message);
            state.dialog = Some(Dialog::Outcome { title: "it could not be started".into(), text, top: 0 });
            return Vec::new();
        }
    };
    let text = [said.stderr.trim_end(), said.stdout.trim_end()].join("\n").trim().to_owned();
    if purpose == Purpose::Ask && said.code == Some(0) {
        let meant = state.meant().filter(|_| is_waited_for).map(|row| row.record.clone());
        if let Some(record) = meant {
            state.dialog = Some(Dialog::Confirm(Confirm {
                title: format!("retry {} of {}", record.session_id, record.pipeline_id),
                lines: text.lines().filter(|line| !line.contains("--dry-run")).map(str::to_owned).collect(),
                reason: None,
                command: Command::new(["session", "retry", record.session_id.as_str(), "--detach"]),
                secrets: record.secrets,
            }));
        }
        return Vec::new();
    }
    let title = match said.code {
        Some(0 | 4) => "done".to_owned(),
        Some(code) => format!("refused, with exit code {code}"),
        None => "ended by a signal".to_owned(),
    };
    state.dialog = Some(Dialog::Outcome { title, text, top: 0 });
    if state.is_reading { Vec::new() } else { read(state) }
}
