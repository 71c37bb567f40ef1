//! What follows from a message: a changed state, and what is to be asked.
//!
//! Deliberately does not: read a store, a clock or a terminal.

mod answer;
mod control;
mod dialog;
mod mouse;
mod navigate;
mod prompt;

pub(super) use control::refusal;

use super::keys::{self, Action};
use super::list::Cursor;
use super::message::{Effect, LogsOf, Message, Request};
use super::state::{Dialog, JobSort, Logs, PromptKind, Screen, Session, SessionSort, State};
use super::view::areas;
use jiff::{SignedDuration, Timestamp};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::Size;

/// How often what is looked at is read while something moves, and while nothing does.
const LOOK: SignedDuration = SignedDuration::from_millis(900);
const LOOK_IDLE: SignedDuration = SignedDuration::from_secs(3);

/// Takes a message.
pub(super) fn update(state: &mut State, message: Message) -> Vec<Effect> {
    let mut effects = match message {
        Message::Key(event) if event.kind == KeyEventKind::Release => Vec::new(),
        // Esc and a key right after it are one to terminals; here they are two.
        Message::Key(event) if event.modifiers.contains(KeyModifiers::ALT) => {
            state.is_stale = true;
            let mut effects = key(state, KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE));
            effects.extend(key(state, KeyEvent::new(event.code, event.modifiers - KeyModifiers::ALT)));
            effects
        }
        Message::Key(event) => {
            state.is_stale = true;
            key(state, event)
        }
        Message::Paste(text) => {
            state.is_stale = true;
            match state.dialog {
                Some(_) => dialog::paste(state, &text),
                None => prompt::paste(state, &text),
            }
            Vec::new()
        }
        Message::Mouse(event) => mouse::mouse(state, event),
        Message::Resize(width, height) => {
            state.size = Size { width, height };
            if let Some(session) = &mut state.session {
                session.draw(width);
                session.arrange(state.now);
            }
            state.is_stale = true;
            Vec::new()
        }
        Message::Tick(now) => tick(state, now),
        Message::Answer(answer) => answer::answer(state, answer),
    };
    // What came of a command waits until nothing is in front that somebody is busy with.
    if state.dialog.is_none() && state.prompt.is_none() && !state.outcomes.is_empty() {
        state.dialog = Some(state.outcomes.remove(0));
    }
    settle(state);
    effects.extend(uncounted(state));
    effects
}

/// Time passed: what is looked at is read again when that is due.
fn tick(state: &mut State, now: Timestamp) -> Vec<Effect> {
    state.is_stale |=
        now.as_second() != state.now.as_second() && (state.is_moving() || state.trouble.is_some());
    state.now = now;
    let is_following =
        state.screen() == Screen::Logs && state.logs.as_ref().is_some_and(|logs| logs.is_following);
    let pause = if state.is_moving() || is_following { LOOK } else { LOOK_IDLE };
    let pause = if state.is_remote { pause * 3 } else { pause };
    let is_due = state.read_at.is_none_or(|read| now.duration_since(read) >= pause);
    if state.is_reading || !is_due { Vec::new() } else { read(state) }
}

/// Reads what the screen shows.
fn read(state: &mut State) -> Vec<Effect> {
    let request = match (state.screen(), &state.session, &state.logs) {
        (Screen::Session | Screen::Details, Some(session), _) if session.row.is_none() => {
            Request::Open(session.id.clone())
        }
        (Screen::Session | Screen::Details, Some(session), _) => {
            Request::Page(session.id.clone(), session.jobs.seen)
        }
        (Screen::Logs, _, Some(logs)) => Request::Logs(logs.of.clone(), logs.given()),
        (Screen::Pipelines, ..) => Request::Pipelines,
        _ => Request::Sessions,
    };
    state.is_reading = true;
    state.read_at = Some(state.now);
    vec![Effect::Ask(request)]
}

/// Sessions that are to be seen, and of which it is not known how far they are.
fn uncounted(state: &mut State) -> Vec<Effect> {
    if state.screen() != Screen::Sessions || !state.sessions.is_uncounted {
        return Vec::new();
    }
    state.sessions.is_uncounted = false;
    let height = usize::from(areas(state).list.height);
    let sessions = &state.sessions;
    let Some(rows) = &sessions.rows else { return Vec::new() };
    let seen = sessions.shown.iter().skip(sessions.cursor.top).take(height).map(|at| &rows[*at]);
    let ids: Vec<_> =
        seen.filter(|row| sessions.is_uncounted(row)).map(|row| row.record.session_id.clone()).collect();
    if ids.is_empty() { Vec::new() } else { vec![Effect::Ask(Request::Counts(ids))] }
}

fn key(state: &mut State, event: KeyEvent) -> Vec<Effect> {
    // Whatever is in front.
    if let Some(effect) = of_terminal(event) {
        return vec![effect];
    }
    if state.dialog.is_some() {
        return dialog::key(state, event);
    }
    if state.prompt.is_some() {
        prompt::key(state, event);
        return Vec::new();
    }
    match keys::action(state.keys_of(), event) {
        Some(action) => act(state, action),
        None => Vec::new(),
    }
}

/// What is asked of the terminal, and not of what it shows.
fn of_terminal(event: KeyEvent) -> Option<Effect> {
    let is_control = event.modifiers.contains(KeyModifiers::CONTROL);
    match event.code {
        KeyCode::Char('c') if is_control => Some(Effect::Quit),
        KeyCode::Char('z') if is_control => Some(Effect::Suspend),
        KeyCode::Char('l') if is_control => Some(Effect::Redraw),
        _ => None,
    }
}

fn act(state: &mut State, action: Action) -> Vec<Effect> {
    match action {
        Action::Help => state.dialog = Some(Dialog::Help { top: 0 }),
        Action::Quit => return vec![Effect::Quit],
        Action::Suspend => return vec![Effect::Suspend],
        Action::Redraw => return vec![Effect::Redraw],
        Action::Filter => prompt::open(state, PromptKind::Filter),
        Action::Search => prompt::open(state, PromptKind::Search),
        Action::Sort | Action::Reverse => sort(state, action),
        Action::Level => {
            if let Some(logs) = &mut state.logs {
                logs.level = (logs.level + 1) % super::state::LEVELS.len();
                logs.arrange();
            }
        }
        Action::Follow => {
            if let Some(logs) = &mut state.logs {
                logs.is_following = !logs.is_following;
                logs.arrange();
            }
        }
        Action::NextHit | Action::LastHit => {
            if let Some(logs) = &mut state.logs {
                logs.seek(action == Action::NextHit);
            }
        }
        Action::Pause | Action::Resume | Action::Cancel | Action::Retry => {
            return control::ask(state, action);
        }
        Action::Start => return control::start(state),
        Action::Deploy => return control::deploy(state),
        _ => return navigate::go(state, action),
    }
    Vec::new()
}

fn sort(state: &mut State, action: Action) {
    match state.screen() {
        Screen::Sessions if action == Action::Reverse => {
            state.sessions.is_reversed = !state.sessions.is_reversed;
        }
        Screen::Sessions => {
            state.sessions.sort = match state.sessions.sort {
                SessionSort::Newest => SessionSort::Pipeline,
                SessionSort::Pipeline => SessionSort::Status,
                SessionSort::Status => SessionSort::Duration,
                SessionSort::Duration => SessionSort::Newest,
            };
        }
        _ => {
            let Some(session) = &mut state.session else { return };
            session.sort = match session.sort {
                JobSort::Graph => JobSort::Failed,
                JobSort::Failed => JobSort::Longest,
                JobSort::Longest => JobSort::Graph,
            };
            session.arrange(state.now);
            session.cursor = Cursor::default();
            return;
        }
    }
    state.sessions.is_uncounted = true;
    state.sessions.arrange(state.now);
    state.sessions.cursor = Cursor::default();
}

/// Keeps what is selected in sight.
fn settle(state: &mut State) {
    let last = super::view::last_top(state);
    match &mut state.dialog {
        Some(Dialog::Help { top } | Dialog::Outcome { top, .. }) => *top = (*top).min(last),
        Some(Dialog::Question(question)) => question.top = question.top.min(last),
        _ => {}
    }
    let height = usize::from(areas(state).list.height);
    match state.screen() {
        Screen::Sessions => {
            let len = state.sessions.shown.len();
            let before = state.sessions.cursor.top;
            state.sessions.cursor.settle(height, len);
            state.sessions.is_uncounted |= before != state.sessions.cursor.top;
        }
        Screen::Session => {
            if let Some(session) = &mut state.session {
                session.cursor.settle(height, session.shown.len());
                session.skip_lanes(false);
                session.cursor.settle(height, session.shown.len());
            }
        }
        Screen::Logs => {
            if let Some(logs) = &mut state.logs {
                let len = logs.len();
                logs.cursor.settle(height, len);
            }
        }
        Screen::Pipelines => {
            let len = state.pipelines.shown.len();
            state.pipelines.cursor.settle(height, len);
        }
        Screen::Details => {
            let lines = super::view::details(state).len();
            if let Some(session) = &mut state.session {
                session.details = session.details.min(lines.saturating_sub(height));
            }
        }
    }
}

/// Looks at a session.
fn look_at(state: &mut State, id: crate::session::SessionId) -> Vec<Effect> {
    if state.session.as_ref().is_none_or(|session| session.id != id) {
        state.session = Some(Session::new(id));
    }
    state.screens.push(Screen::Session);
    read(state)
}

/// Looks at log lines.
fn look_at_logs(state: &mut State, of: LogsOf) -> Vec<Effect> {
    state.logs = Some(Logs::new(of));
    state.screens.push(Screen::Logs);
    read(state)
}
