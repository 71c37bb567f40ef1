//! Every screen at 80x24 as it is drawn, and what keys lead to. Nothing is read: answers are given by the test.

mod details;
mod forms;
mod known;
mod logs;
mod look;
mod retry;
mod typing;

use super::keys::{Place, bindings};
use super::message::{Answer, Effect, LogsOf, Message, Purpose, Request};
use super::source::{Command, Counts, Found, Listed, Opened, Page, Pipelines, Problem, Said, SessionRow};
use super::state::State;
use super::update::update;
use super::view::{Theme, view};
use crate::session::{
    EventKind, FailureRecord, JobStatus, LogRecord, OutputRecord, RunnerRecord, SessionEvent, SessionId,
    SessionRecord, SessionStatus,
};
use jiff::{SignedDuration, Timestamp};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Size;
use std::collections::BTreeMap;

const IDS: [&str; 3] = ["20261125-080000-aaaaaa", "20261125-070000-bbbbbb", "20261125-060000-cccccc"];

fn at(seconds: i64) -> Timestamp {
    let start: Timestamp = "2026-11-25T08:00:00Z".parse().expect("a time");
    start + SignedDuration::from_secs(seconds)
}

fn id(at: usize) -> SessionId {
    SessionId::new(IDS[at]).expect("an id")
}

fn record(number: usize, pipeline: &str, status: SessionStatus) -> SessionRecord {
    let runner = RunnerRecord { host: "here".into(), pid: 7, user: "ann".into(), bunsui: "0.1.0".into() };
    let created = at(-3600 * number as i64);
    let mut record = SessionRecord::new(id(number), (pipeline.into(), "v1".into()), runner, created);
    record.status = status;
    record.started_at = Some(created);
    record.ended_at = status.is_final().then(|| created + SignedDuration::from_secs(75));
    record.jobs = 4;
    record.parameters.insert("year".into(), 2015.into());
    record
}

fn rows() -> Vec<SessionRow> {
    vec![
        SessionRow { record: record(0, "etl", SessionStatus::Running), is_driven: true },
        SessionRow { record: record(1, "雨量データ", SessionStatus::Failed), is_driven: false },
        SessionRow { record: record(2, "etl", SessionStatus::Running), is_driven: false },
    ]
}

fn listed(rows: Vec<SessionRow>) -> Listed {
    Listed { rows, damaged: Vec::new() }
}

/// The state of a terminal, with what the test lets happen to it.
struct Screen {
    state: State,
    asked: Vec<Request>,
    has_left: bool,
    /// What was asked of the terminal itself.
    of_terminal: Vec<Effect>,
}

impl Screen {
    fn new(width: u16, height: u16) -> Self {
        let state = State::new("local .bunsui".into(), Size { width, height }, at(30));
        let mut screen = Self { state, asked: Vec::new(), has_left: false, of_terminal: Vec::new() };
        screen.take(Message::Tick(at(30)));
        screen
    }

    fn with_sessions(width: u16, height: u16) -> Self {
        let mut screen = Self::new(width, height);
        screen.hears(Answer::Sessions(Ok(listed(rows()))));
        let counts = vec![
            (id(0), Counts { done: 2, running: 1, failed: 0 }),
            (id(1), Counts { done: 4, running: 0, failed: 1 }),
        ];
        screen.hears(Answer::Counts(Ok(counts)));
        screen
    }

    /// At the session that fails, with its events.
    fn with_session(width: u16, height: u16) -> Self {
        let mut screen = Self::with_sessions(width, height);
        screen.types("j");
        screen.press(KeyCode::Enter);
        let row = rows().swap_remove(1);
        let jobs = ["extract", "check", "load", "report"].map(str::to_owned).to_vec();
        let opened = Opened { row: row.clone(), jobs, pipeline: None };
        screen.hears(Answer::Opened(id(1), Box::new(Ok(opened))));
        screen.hears(Answer::Page(id(1), Box::new(Ok(Page { row, events: events(), has_more: false }))));
        screen
    }

    fn take(&mut self, message: Message) {
        for effect in update(&mut self.state, message) {
            match effect {
                Effect::Quit => self.has_left = true,
                Effect::Suspend | Effect::Redraw => self.of_terminal.push(effect),
                Effect::Ask(request) => self.asked.push(request),
            }
        }
    }

    fn hears(&mut self, answer: Answer) {
        self.take(Message::Answer(answer));
    }

    /// A command that was asked for ends.
    fn says(&mut self, purpose: Purpose, said: Said) {
        let of_purpose = |request: &&Request| matches!(request, Request::Command(of, _) if *of == purpose);
        let Some(Request::Command(_, command)) = self.asked.iter().rfind(of_purpose) else {
            panic!("none was started")
        };
        let command = command.clone();
        self.hears(Answer::Said(purpose, command, Ok(said)));
    }

    fn press(&mut self, code: KeyCode) {
        self.take(Message::Key(KeyEvent::new(code, KeyModifiers::NONE)));
    }

    fn control(&mut self, c: char) {
        self.take(Message::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL)));
    }

    fn types(&mut self, text: &str) {
        for c in text.chars() {
            self.press(KeyCode::Char(c));
        }
    }

    fn last_asked(&self) -> &Request {
        self.asked.last().expect("something was asked")
    }

    /// The cells as text; those at the right of a wide character are not there.
    fn drawn(&self) -> String {
        self.cells().backend().to_string()
    }

    fn cells(&self) -> Terminal<TestBackend> {
        let Size { width, height } = self.state.size;
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("it is memory");
        terminal.draw(|frame| view(&self.state, Theme::Colour, frame)).expect("it is memory");
        terminal
    }
}

fn events() -> Vec<SessionEvent> {
    let started = |job: &str| EventKind::JobStarted {
        job: job.into(),
        attempt: 1,
        execution: format!("{job}-1"),
        redrive: None,
    };
    let failure = FailureRecord {
        operation: Some("run".into()),
        error: Some("ProcessFailed".into()),
        summary: Some("exit code 3".into()),
        log_lines: vec!["no such table: \u{1b}[31mrain".into()],
        tries: 2,
        ..FailureRecord::default()
    };
    let output = OutputRecord::Inline(serde_json::json!({"rows": 365, "target": "out/雨.csv"}));
    let kinds = [
        (0, EventKind::SessionStarted),
        (0, started("extract")),
        (
            1,
            EventKind::OperationStarted {
                job: "extract".into(),
                attempt: 1,
                operation: "run".into(),
                try_number: 1,
            },
        ),
        (20, EventKind::JobSucceeded { job: "extract".into(), attempt: 1, output }),
        (20, started("check")),
        (
            21,
            EventKind::OperationStarted {
                job: "check".into(),
                attempt: 1,
                operation: "run".into(),
                try_number: 2,
            },
        ),
        (
            50,
            EventKind::OperationFailed {
                job: "check".into(),
                attempt: 1,
                operation: "run".into(),
                try_number: 2,
                error: "ProcessFailed".into(),
                cause: String::new(),
            },
        ),
        (50, EventKind::JobFailed { job: "check".into(), attempt: 1, failure, allowed: false }),
        (50, EventKind::JobUpstreamFailed { job: "load".into(), upstream: "check".into(), status: None }),
        (50, EventKind::JobSkipped { job: "report".into(), reason: "`run_if` is `any_failed`".into() }),
    ];
    let numbered = kinds.into_iter().zip(1..);
    numbered.map(|((seconds, kind), number)| SessionEvent { number, at: at(seconds - 3600), kind }).collect()
}

fn log(job: &str, level: &str, message: &str) -> LogRecord {
    LogRecord {
        ts: "2026-11-25T07:00:20.125Z".into(),
        level: level.into(),
        source: crate::session::LogOrigin::Operation,
        session_id: IDS[1].into(),
        job_id: job.into(),
        operation: "run".into(),
        attempt: 1,
        try_number: 1,
        message: message.into(),
        fields: serde_json::Map::new(),
    }
}

fn found(name: &str) -> Found {
    Found { name: name.into(), file: Some(format!("pipelines/{name}.toml")), ..Found::default() }
}

/// What was found where the store answers.
fn pipelines(found: Vec<Found>) -> Answer {
    Answer::Pipelines(Pipelines { found, trouble: None })
}

#[test]
fn the_table_of_sessions() {
    insta::assert_snapshot!(Screen::with_sessions(80, 24).drawn());
}

#[test]
fn the_table_of_sessions_on_a_large_terminal() {
    insta::assert_snapshot!(Screen::with_sessions(200, 60).drawn());
}

#[test]
fn a_session() {
    insta::assert_snapshot!(Screen::with_session(80, 24).drawn());
}

#[test]
fn a_session_on_a_large_terminal() {
    insta::assert_snapshot!(Screen::with_session(200, 60).drawn());
}

#[test]
fn a_job() {
    let mut screen = Screen::with_session(80, 24);
    screen.types("n");
    screen.press(KeyCode::Enter);
    insta::assert_snapshot!(screen.drawn());
}

#[test]
fn the_pipelines() {
    let mut screen = Screen::with_sessions(80, 24);
    screen.types("2");
    assert_eq!(*screen.last_asked(), Request::Pipelines);
    let last = rows().swap_remove(1);
    let broken = Found {
        errors: 1,
        findings: "bunsui::syntax::invalid\n\n  × a key is wanted".into(),
        ..found("broken")
    };
    let jobs = BTreeMap::from([("check".into(), JobStatus::Failed), ("load".into(), JobStatus::Pending)]);
    let gone = Found { file: None, last: Some(last.clone()), jobs, ..found("gone") };
    screen.hears(pipelines(vec![broken, Found { last: Some(last), ..found("etl") }, gone, found("new")]));
    // One of the store alone has jobs, too.
    screen.types("jj ");
    insta::assert_snapshot!(screen.drawn());
}

#[test]
fn files_are_seen_where_the_store_is_not() {
    let trouble = Some(Problem { message: "the store is away".into(), help: None });
    let unheard = |found| Answer::Pipelines(Pipelines { found, trouble: trouble.clone() });
    let mut screen = Screen::new(80, 24);
    screen.types("2");
    screen.hears(unheard(Vec::new()));
    assert!(!screen.drawn().contains("nothing has run"), "{}", screen.drawn());
    screen.hears(unheard(vec![found("etl")]));
    let drawn = screen.drawn();
    assert!(
        drawn.contains("etl") && drawn.contains("not known") && drawn.contains("the store is away"),
        "{drawn}"
    );
    let last = Some(rows().swap_remove(1));
    let gone = Found { file: None, last: last.clone(), ..found("gone") };
    screen.hears(pipelines(vec![Found { last, ..found("etl") }, gone, found("deleted")]));
    assert!(!screen.drawn().contains("not known"));
    // What was known of the store stays, files are as they are now.
    screen.hears(unheard(vec![Found { errors: 1, ..found("etl") }]));
    let drawn = screen.drawn();
    let line = |name: &str| drawn.lines().find(|line| line.contains(name)).unwrap_or_default();
    assert!(line(" etl ").contains("✗ 1 error") && line(" etl ").contains("failed"), "{drawn}");
    assert!(line("gone").contains("no file here") && line("deleted").is_empty(), "{drawn}");
}

#[test]
fn a_store_that_cannot_be_read_is_a_screen_that_tries_again() {
    let mut screen = Screen::new(80, 24);
    let problem = || Problem {
        message: "the store at `.bunsui` cannot be used: permission denied".into(),
        help: Some("look at the folder's owner".into()),
    };
    screen.hears(Answer::Sessions(Err(problem())));
    insta::assert_snapshot!(screen.drawn());
    let asked = screen.asked.len();
    screen.take(Message::Tick(at(34)));
    assert_eq!(screen.asked.len(), asked + 1, "it tries again");
    screen.hears(Answer::Sessions(Ok(listed(rows()))));
    assert!(screen.drawn().contains("3 sessions"));
    // What was read once stays, and that it may be old is said.
    screen.take(Message::Tick(at(40)));
    screen.hears(Answer::Sessions(Err(problem())));
    let drawn = screen.drawn();
    assert!(drawn.contains("not heard") && drawn.contains("runner gone"), "{drawn}");
}

#[test]
fn a_session_that_cannot_be_read_is_said_and_hides_no_other() {
    let mut screen = Screen::new(80, 24);
    let message = "what is stored at `bunsui.db` under `20261125-0` cannot be read: EOF".into();
    let damaged = vec![Problem { message, help: None }, Problem { message: "b".into(), help: None }];
    screen.hears(Answer::Sessions(Ok(Listed { rows: rows(), damaged })));
    let drawn = screen.drawn();
    assert!(drawn.contains("cannot be read: EOF; and 1 more") && drawn.contains("runner gone"), "{drawn}");
}

#[test]
fn help_has_the_keys_of_the_screen() {
    let mut screen = Screen::with_sessions(80, 40);
    screen.types("?");
    insta::assert_snapshot!(screen.drawn());
    screen.types("x");
    assert!(screen.state.dialog.is_none());
}

#[test]
fn what_a_cancel_does_is_said_before_it_is_done() {
    let mut screen = Screen::with_sessions(80, 24);
    screen.types("c");
    screen.types("disk full");
    insta::assert_snapshot!(screen.drawn());
    assert!(!screen.asked.iter().any(|asked| matches!(asked, Request::Command(..))), "nothing is done yet");
    screen.press(KeyCode::Enter);
    let command = Command::new(["session", "cancel", IDS[0], "--reason=disk full"]);
    assert_eq!(*screen.last_asked(), Request::Command(Purpose::Do, command));
    let said = Said { code: Some(0), stdout: String::new(), stderr: "session is cancelled\n".into() };
    screen.says(Purpose::Do, said);
    let drawn = screen.drawn();
    assert!(drawn.contains("session is cancelled") && drawn.contains("done"), "{drawn}");
}

#[test]
fn a_confirmation_can_be_left() {
    let mut screen = Screen::with_sessions(80, 24);
    screen.types("p");
    screen.press(KeyCode::Esc);
    assert!(screen.state.dialog.is_none());
    assert!(!screen.asked.iter().any(|asked| matches!(asked, Request::Command(..))));
}

#[test]
fn esc_and_a_key_right_after_it_are_two_keys() {
    let mut screen = Screen::with_sessions(80, 24);
    screen.types("?");
    screen.take(Message::Key(KeyEvent::new(KeyCode::Char('q'), KeyModifiers::ALT)));
    assert!(screen.state.dialog.is_none() && screen.has_left);
}

#[test]
fn what_cannot_be_done_is_said() {
    let mut screen = Screen::with_sessions(120, 24);
    for (keys, words) in [("r", "somebody drives it"), ("jp", "it has ended"), ("jt", "it has not ended")] {
        screen.types(keys);
        let drawn = screen.drawn();
        assert!(drawn.contains("not now") && drawn.contains(words), "{keys}: {drawn}");
        screen.press(KeyCode::Esc);
    }
}

#[test]
fn a_filter_takes_effect_as_it_is_typed_and_esc_takes_it_back() {
    let mut screen = Screen::with_sessions(80, 24);
    screen.types("/雨量");
    assert_eq!(screen.state.sessions.shown.len(), 1);
    screen.press(KeyCode::Esc);
    assert_eq!(screen.state.sessions.shown.len(), 3);
    screen.types("/gone");
    screen.press(KeyCode::Enter);
    assert!(screen.drawn().contains("1 of 3 sessions with `gone`"));
    screen.press(KeyCode::Esc);
    assert_eq!(screen.state.sessions.shown.len(), 3);
}

#[test]
fn sessions_are_sorted_by_what_goes_on_first() {
    let mut screen = Screen::with_sessions(80, 24);
    screen.types("ss");
    let statuses = |screen: &Screen| {
        let rows = screen.state.sessions.rows.as_ref().expect("they are there");
        screen.state.sessions.shown.iter().map(|at| rows[*at].record.status).collect::<Vec<_>>()
    };
    assert_eq!(statuses(&screen), [SessionStatus::Running, SessionStatus::Running, SessionStatus::Failed]);
    screen.types("S");
    assert_eq!(statuses(&screen)[0], SessionStatus::Failed);
}

#[test]
fn a_click_selects_and_one_more_opens() {
    let mut screen = Screen::with_sessions(80, 24);
    let click = MouseEvent {
        kind: MouseEventKind::Down(MouseButton::Left),
        column: 5,
        row: 3,
        modifiers: KeyModifiers::NONE,
    };
    screen.take(Message::Mouse(click));
    assert_eq!(screen.state.sessions.cursor.at, 1);
    screen.take(Message::Mouse(click));
    assert_eq!(*screen.last_asked(), Request::Open(id(1)));
}

#[test]
fn nothing_is_drawn_while_nothing_happens() {
    let mut screen = Screen::with_session(80, 24);
    screen.state.is_stale = false;
    for tenths in 0..20 {
        screen.take(Message::Tick(at(31) + SignedDuration::from_millis(100 * tenths)));
    }
    assert!(!screen.state.is_stale);
}

#[test]
fn an_event_is_taken_once() {
    let mut screen = Screen::with_session(80, 24);
    let row = rows().swap_remove(1);
    screen.hears(Answer::Page(id(1), Box::new(Ok(Page { row, events: events(), has_more: false }))));
    let jobs = &screen.state.session.as_ref().expect("it is looked at").jobs;
    assert_eq!(jobs.counts(), Counts { done: 4, running: 0, failed: 1 });
    assert_eq!(jobs.seen, 10);
}

#[test]
fn every_screen_fits_any_size() {
    for (width, height) in [(0, 0), (1, 1), (3, 1), (1, 40), (10, 3), (20, 5), (40, 10), (79, 23), (300, 100)]
    {
        let mut screen = Screen::with_session(width, height);
        for keys in ["", "?", "n", "L", "L/(", "L&x", "2", "2/雨", "1p", "1jt", "1/雨"] {
            screen.press(KeyCode::Esc);
            screen.types(keys);
            screen.cells();
        }
    }
}

#[test]
fn the_documentation_has_the_keys() {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/tui.md")).expect("it is there");
    for place in
        [Place::Everywhere, Place::Sessions, Place::Session, Place::Details, Place::Logs, Place::Pipelines]
    {
        let mut table = format!("### {}\n\n| keys | what they do |\n|---|---|\n", place.title());
        for binding in bindings(place) {
            let keys: Vec<String> = binding.keys.iter().map(|key| format!("`{key}`")).collect();
            table.push_str(&format!("| {} | {} |\n", keys.join(" "), binding.what));
        }
        assert!(text.contains(&table), "docs/tui.md has not:\n{table}");
    }
}
