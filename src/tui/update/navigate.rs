//! From line to line, and from screen to screen.

use super::super::keys::Action;
use super::super::list::Cursor;
use super::super::message::{Effect, LogsOf};
use super::super::state::{Dialog, Logs, Pattern, Screen, State};
use super::{areas, look_at, look_at_logs, read};
use crate::session::JobStatus;

pub(super) fn go(state: &mut State, action: Action) -> Vec<Effect> {
    let page = isize::from(areas(state).list.height as i16).max(1);
    match action {
        Action::Up => step(state, -1),
        Action::Down => step(state, 1),
        Action::PageUp => step(state, -page),
        Action::PageDown => step(state, page),
        Action::First => step(state, isize::MIN + 1),
        Action::Last => step(state, isize::MAX),
        Action::FailedNext => next_failed(state),
        Action::Back => return back(state),
        Action::Sessions => return switch(state, Screen::Sessions),
        Action::Pipelines => return switch(state, Screen::Pipelines),
        Action::Open => return open(state),
        Action::Logs | Action::JobLogs => return logs(state, action),
        Action::Fold => fold(state),
        _ => {}
    }
    Vec::new()
}

/// The list's cursor and length, where the screen has a list.
pub(super) fn cursor(state: &mut State) -> Option<(&mut Cursor, usize)> {
    match state.screen() {
        Screen::Sessions => {
            let len = state.sessions.shown.len();
            Some((&mut state.sessions.cursor, len))
        }
        Screen::Session => {
            let session = state.session.as_mut()?;
            Some((&mut session.cursor, session.shown.len()))
        }
        Screen::Logs => {
            let logs = state.logs.as_mut()?;
            let len = logs.len();
            Some((&mut logs.cursor, len))
        }
        Screen::Pipelines => {
            let len = state.pipelines.shown.len();
            Some((&mut state.pipelines.cursor, len))
        }
        Screen::Details => None,
    }
}

pub(super) fn step(state: &mut State, by: isize) {
    if state.screen() == Screen::Details {
        if let Some(session) = &mut state.session {
            session.details = session.details.saturating_add_signed(by);
        }
        return;
    }
    let Some((cursor, len)) = cursor(state) else { return };
    cursor.step(by, len);
    let is_last = cursor.at + 1 >= len;
    match state.screen() {
        Screen::Session => {
            if let Some(session) = &mut state.session {
                session.skip_lanes(by < 0);
            }
        }
        // Who goes up looks at something; who comes to the end follows again.
        Screen::Logs => {
            if let Some(logs) = &mut state.logs {
                logs.is_following = is_last && by > 0;
            }
        }
        _ => {}
    }
}

fn next_failed(state: &mut State) {
    if let Some(session) = &mut state.session {
        seek(session);
    }
}

/// Goes to the next job that failed or runs.
pub(super) fn seek(session: &mut super::super::state::Session) {
    let jobs = &session.jobs.rows;
    let is_wanted = |at: &usize| {
        let job = session.shown[*at].job.as_deref().and_then(|job| jobs.get(job));
        job.is_some_and(|row| {
            matches!(row.record.status, JobStatus::Failed | JobStatus::TimedOut | JobStatus::Running)
        })
    };
    let (at, len) = (session.cursor.at, session.shown.len());
    if let Some(found) = (at + 1..len).chain(0..at.min(len)).find(is_wanted) {
        session.cursor.at = found;
    }
}

/// First the filter goes, then the screen.
fn back(state: &mut State) -> Vec<Effect> {
    let now = state.now;
    match state.screen() {
        Screen::Sessions if !state.sessions.filter.is_empty() => {
            state.sessions.filter.clear();
            state.sessions.is_uncounted = true;
            state.sessions.arrange(now);
            return Vec::new();
        }
        Screen::Pipelines if !state.pipelines.filter.is_empty() => {
            state.pipelines.filter.clear();
            state.pipelines.arrange();
            return Vec::new();
        }
        Screen::Session => {
            if let Some(session) = state.session.as_mut().filter(|session| !session.filter.is_empty()) {
                session.filter.clear();
                session.arrange(now);
                return Vec::new();
            }
        }
        Screen::Logs => {
            let is_cut = |logs: &&mut Logs| !(logs.filter.text.is_empty() && logs.search.text.is_empty());
            if let Some(logs) = state.logs.as_mut().filter(is_cut) {
                logs.filter = Pattern::default();
                logs.look_for(Pattern::default());
                logs.arrange();
                return Vec::new();
            }
        }
        _ => {}
    }
    if state.screens.len() > 1 {
        state.screens.pop();
        return read(state);
    }
    Vec::new()
}

fn switch(state: &mut State, screen: Screen) -> Vec<Effect> {
    state.screens = vec![screen];
    read(state)
}

fn open(state: &mut State) -> Vec<Effect> {
    match state.screen() {
        Screen::Sessions => match state.sessions.selected() {
            Some(row) => {
                let id = row.record.session_id.clone();
                look_at(state, id)
            }
            None => Vec::new(),
        },
        Screen::Session => {
            if let Some(session) = state.session.as_mut().filter(|session| session.selected().is_some()) {
                session.details = 0;
                state.screens.push(Screen::Details);
            }
            Vec::new()
        }
        Screen::Pipelines => {
            let last = state.pipelines.selected().and_then(|found| found.last.as_ref());
            match last.map(|row| row.record.session_id.clone()) {
                Some(id) => look_at(state, id),
                None => Vec::new(),
            }
        }
        Screen::Logs => {
            state.dialog = state.logs.as_ref().and_then(whole_line);
            Vec::new()
        }
        Screen::Details => Vec::new(),
    }
}

/// The selected line without an end.
fn whole_line(logs: &Logs) -> Option<Dialog> {
    let record = logs.selected()?;
    let mut text = format!("{}\n", record.message);
    for (name, value) in &record.fields {
        text.push_str(&format!("\n{name} = {value}"));
    }
    let place = format!(
        "{}/{}, attempt {}, try {}",
        record.job_id, record.operation, record.attempt, record.try_number
    );
    text.push_str(&format!("\n{} {place}", record.level));
    Some(Dialog::Outcome { title: record.ts.clone(), text, top: 0 })
}

fn logs(state: &mut State, action: Action) -> Vec<Effect> {
    let (session, job) = match state.screen() {
        Screen::Sessions => match state.sessions.selected() {
            Some(row) => (row.record.session_id.clone(), None),
            None => return Vec::new(),
        },
        _ => match &state.session {
            Some(session) => (session.id.clone(), session.selected().map(str::to_owned)),
            None => return Vec::new(),
        },
    };
    let job = job.filter(|_| action == Action::JobLogs);
    look_at_logs(state, LogsOf { session, job })
}

fn fold(state: &mut State) {
    let Some(name) = state.pipelines.selected().map(|found| found.name.clone()) else { return };
    let pipelines = &mut state.pipelines;
    match pipelines.unfolded.iter().position(|unfolded| *unfolded == name) {
        Some(at) => {
            pipelines.unfolded.remove(at);
        }
        None => pipelines.unfolded.push(name.clone()),
    }
    pipelines.arrange();
    // Of one that is folded up, the jobs are gone that may have been selected.
    let is_it = |branch: &super::super::state::Branch| match branch {
        super::super::state::Branch::Pipeline(at) => {
            pipelines.found.as_ref().is_some_and(|found| found[*at].name == name)
        }
        super::super::state::Branch::Job(..) => false,
    };
    if let Some(at) = pipelines.shown.iter().position(is_it) {
        pipelines.cursor.at = at;
    }
}
