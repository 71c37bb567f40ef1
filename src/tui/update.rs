//! What follows from a message: a changed state, and what is to be asked.
//!
//! Deliberately does not: read a store, a clock or a terminal.

mod control;
mod navigate;

use super::form::Line;
use super::keys::{self, Action};
use super::list::Cursor;
use super::message::{Answer, Effect, LogsOf, Message, Purpose, Request};
use super::source::Problem;
use super::state::{Dialog, JobSort, Logs, PromptKind, Screen, Session, SessionSort, State};
use super::view::areas;
use jiff::{SignedDuration, Timestamp};
use ratatui::crossterm::event::{
    KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use ratatui::layout::{Position, Size};

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
        Message::Mouse(event) => mouse(state, event),
        Message::Resize(width, height) => {
            state.size = Size { width, height };
            state.is_stale = true;
            Vec::new()
        }
        Message::Tick(now) => tick(state, now),
        Message::Answer(answer) => self::answer(state, answer),
    };
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
        (Screen::Logs, _, Some(logs)) => Request::Logs(logs.of.clone(), logs.known),
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

fn answer(state: &mut State, answer: Answer) -> Vec<Effect> {
    match answer {
        Answer::Said(purpose, said) => return control::said(state, purpose, said),
        Answer::Counts(Ok(counts)) => {
            state.is_stale = true;
            state.sessions.count(counts);
            return Vec::new();
        }
        Answer::Counts(Err(_)) => return Vec::new(), // the sessions' own answer says it
        Answer::Sessions(found) => {
            if let Some(rows) = heard(state, found) {
                state.sessions.rows = Some(rows);
                state.sessions.is_uncounted = true;
                state.sessions.arrange(state.now);
            }
        }
        Answer::Opened(id, found) => return opened(state, &id, *found),
        Answer::Page(id, page) => return paged(state, &id, *page),
        Answer::Logs(of, found) => {
            let records = heard(state, found);
            let logs = state.logs.as_mut().filter(|logs| logs.of == of);
            if let Some((logs, Some((known, records)))) = logs.zip(records) {
                logs.known = known;
                logs.records = Some(records);
                logs.arrange();
            }
        }
        Answer::Pipelines(found) => {
            if let Some(found) = heard(state, found) {
                state.pipelines.found = Some(found);
                state.pipelines.arrange();
            }
        }
    }
    Vec::new()
}

fn opened(
    state: &mut State,
    id: &crate::session::SessionId,
    found: Result<super::source::Opened, Problem>,
) -> Vec<Effect> {
    let found = heard(state, found);
    let Some(session) = state.session.as_mut().filter(|session| session.id == *id) else { return Vec::new() };
    let Some(opened) = found else { return Vec::new() };
    session.version.clone_from(&opened.row.record.version);
    session.row = Some(opened.row);
    session.pipeline = opened.pipeline;
    session.jobs.learn(&opened.jobs);
    session.draw();
    session.arrange(state.now);
    read(state)
}

fn paged(
    state: &mut State,
    id: &crate::session::SessionId,
    page: Result<super::source::Page, Problem>,
) -> Vec<Effect> {
    let page = heard(state, page);
    let Some(session) = state.session.as_mut().filter(|session| session.id == *id) else { return Vec::new() };
    let Some(page) = page else { return Vec::new() };
    let known = session.jobs.rows.len();
    for event in &page.events {
        session.jobs.apply(event);
    }
    // A retry may have taken up another file.
    let is_other = page.row.record.version != session.version;
    session.row = Some(page.row);
    if session.jobs.rows.len() != known {
        session.draw();
    }
    if is_other {
        state.is_reading = true;
        return vec![Effect::Ask(Request::Open(id.clone()))];
    }
    session.arrange(state.now);
    if page.has_more {
        return read(state);
    }
    // What failed is what one comes for.
    if !std::mem::replace(&mut session.is_read, true)
        && session.cursor.at == 0
        && session.jobs.counts().failed > 0
    {
        session.sort = JobSort::Graph;
        navigate::seek(session);
    }
    Vec::new()
}

/// An answer came. What went wrong is kept until something is heard again.
fn heard<T>(state: &mut State, answer: Result<T, Problem>) -> Option<T> {
    state.is_reading = false;
    state.is_stale = true;
    match answer {
        Ok(answer) => {
            state.trouble = None;
            Some(answer)
        }
        Err(problem) => {
            let since = state.trouble.take().map_or(state.now, |(_, since)| since);
            state.trouble = Some((problem, since));
            None
        }
    }
}

fn key(state: &mut State, event: KeyEvent) -> Vec<Effect> {
    let is_interrupt = event.code == KeyCode::Char('c') && event.modifiers.contains(KeyModifiers::CONTROL);
    if is_interrupt {
        return vec![Effect::Quit];
    }
    if state.dialog.is_some() {
        return control::dialog_key(state, event);
    }
    if state.prompt.is_some() {
        prompt_key(state, event);
        return Vec::new();
    }
    match keys::action(state.keys_of(), event) {
        Some(action) => act(state, action),
        None => Vec::new(),
    }
}

/// What is typed takes effect as it is typed; Esc takes it back.
fn prompt_key(state: &mut State, event: KeyEvent) {
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

fn act(state: &mut State, action: Action) -> Vec<Effect> {
    match action {
        Action::Help => state.dialog = Some(Dialog::Help { top: 0 }),
        Action::Quit => return vec![Effect::Quit],
        Action::Filter => navigate::prompt(state, PromptKind::Filter),
        Action::Search => navigate::prompt(state, PromptKind::Search),
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

fn mouse(state: &mut State, event: MouseEvent) -> Vec<Effect> {
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
        Some(Dialog::Help { top } | Dialog::Outcome { top, .. }) => *top = top.saturating_add_signed(rows),
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

/// Keeps what is selected in sight.
fn settle(state: &mut State) {
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
                logs.cursor.settle(height, logs.shown.len());
            }
        }
        Screen::Pipelines => {
            let len = state.pipelines.shown.len();
            state.pipelines.cursor.settle(height, len);
        }
        Screen::Details => {
            let lines = super::view::detail_lines(state).len();
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

/// A prompt with what is there.
fn typed(text: &str) -> Line {
    Line { text: text.to_owned() }
}

/// A command to be started.
fn start(purpose: Purpose, command: super::source::Command) -> Vec<Effect> {
    vec![Effect::Ask(Request::Command(purpose, command))]
}
