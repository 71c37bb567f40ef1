//! Every screen at 80x24 as it is drawn, and what keys lead to. Nothing is read: answers are given by the test.

use super::form::Form;
use super::keys::{Place, bindings};
use super::message::{Answer, Effect, LogsOf, Message, Purpose, Request};
use super::source::{Command, Counts, Found, Opened, Page, Problem, Said, SessionRow};
use super::state::{Dialog, State};
use super::update::update;
use super::view::{Theme, view};
use crate::session::{
    EventKind, FailureRecord, LogRecord, OutputRecord, RunnerRecord, SessionEvent, SessionId, SessionRecord,
    SessionStatus,
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

/// The state of a terminal, with what the test lets happen to it.
struct Screen {
    state: State,
    asked: Vec<Request>,
    has_left: bool,
}

impl Screen {
    fn new(width: u16, height: u16) -> Self {
        let state = State::new("local .bunsui".into(), Size { width, height }, at(30));
        let mut screen = Self { state, asked: Vec::new(), has_left: false };
        screen.take(Message::Tick(at(30)));
        screen
    }

    fn with_sessions(width: u16, height: u16) -> Self {
        let mut screen = Self::new(width, height);
        screen.hears(Answer::Sessions(Ok(rows())));
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
                Effect::Ask(request) => self.asked.push(request),
            }
        }
    }

    fn hears(&mut self, answer: Answer) {
        self.take(Message::Answer(answer));
    }

    fn press(&mut self, code: KeyCode) {
        self.take(Message::Key(KeyEvent::new(code, KeyModifiers::NONE)));
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
        let Size { width, height } = self.state.size;
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("it is memory");
        terminal.draw(|frame| view(&self.state, Theme::Colour, frame)).expect("it is memory");
        terminal.backend().to_string()
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
    Found {
        name: name.into(),
        file: Some(format!("pipelines/{name}.toml")),
        findings: String::new(),
        errors: 0,
        warnings: 0,
        pipeline: None,
        last: None,
        jobs: BTreeMap::new(),
    }
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
fn log_lines_are_filtered_and_searched() {
    let mut screen = Screen::with_session(80, 24);
    screen.types("L");
    assert_eq!(*screen.last_asked(), Request::Logs(LogsOf { session: id(1), job: None }, 0));
    let of = LogsOf { session: id(1), job: None };
    let records = vec![
        log("extract", "info", "365 rows"),
        log("check", "warn", "a\tgap of 雨 at row 12"),
        log("check", "error", "no such table: \u{1b}[31mrain"),
    ];
    screen.hears(Answer::Logs(of, Ok(Some((100, records)))));
    screen.types("/ROW");
    screen.press(KeyCode::Enter);
    insta::assert_snapshot!(screen.drawn());
    screen.types("vv");
    let drawn = screen.drawn();
    assert!(drawn.contains("warn and worse") && !drawn.contains("365 rows"), "{drawn}");
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
    let gone = Found { file: None, last: Some(last.clone()), ..found("gone") };
    screen.hears(Answer::Pipelines(Ok(vec![
        broken,
        Found { last: Some(last), ..found("etl") },
        gone,
        found("new"),
    ])));
    insta::assert_snapshot!(screen.drawn());
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
    screen.hears(Answer::Sessions(Ok(rows())));
    assert!(screen.drawn().contains("3 sessions"));
    // What was read once stays, and that it may be old is said.
    screen.take(Message::Tick(at(40)));
    screen.hears(Answer::Sessions(Err(problem())));
    let drawn = screen.drawn();
    assert!(drawn.contains("not heard") && drawn.contains("runner gone"), "{drawn}");
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
    screen.hears(Answer::Said(Purpose::Do, Ok(said)));
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
fn what_a_retry_would_do_is_asked_of_the_command() {
    let mut screen = Screen::with_session(80, 24);
    screen.types("t");
    let dry = Command::new(["session", "retry", IDS[1], "--dry-run"]);
    assert_eq!(*screen.last_asked(), Request::Command(Purpose::Ask, dry));
    let stderr = "2 jobs run again: check, load\nnothing was done (`--dry-run`)\n".into();
    screen.hears(Answer::Said(Purpose::Ask, Ok(Said { code: Some(0), stdout: String::new(), stderr })));
    let drawn = screen.drawn();
    assert!(
        drawn.contains("2 jobs run again: check, load") && !drawn.contains("nothing was done"),
        "{drawn}"
    );
    screen.press(KeyCode::Enter);
    let command = Command::new(["session", "retry", IDS[1], "--detach"]);
    assert_eq!(*screen.last_asked(), Request::Command(Purpose::Do, command));
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
fn secrets_are_given_again_and_never_shown() {
    let mut screen = Screen::with_sessions(80, 24);
    let mut rows = rows();
    rows[2].record.secrets = vec!["api-key".into()];
    screen.hears(Answer::Sessions(Ok(rows)));
    screen.types("Gr");
    screen.press(KeyCode::Enter);
    screen.types("hunter2");
    let drawn = screen.drawn();
    assert!(drawn.contains("•••••••") && !drawn.contains("hunter2"), "{drawn}");
    screen.press(KeyCode::Enter);
    let Request::Command(Purpose::Do, command) = screen.last_asked() else { panic!("a command is started") };
    assert_eq!(command.arguments, ["session", "resume", IDS[2], "--detach"]);
    assert_eq!(command.environment.get("BUNSUI_PARAM_API_KEY").map(String::as_str), Some("hunter2"));
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
    for (width, height) in [(1, 1), (10, 3), (20, 5), (40, 10), (79, 23), (300, 100)] {
        let mut screen = Screen::with_session(width, height);
        for keys in ["", "?", "n", "L", "2", "1p"] {
            screen.press(KeyCode::Esc);
            screen.types(keys);
            screen.drawn();
        }
    }
}

#[test]
fn a_form_checks_what_is_typed() {
    let mut form = Form {
        title: "start".into(),
        lines: Vec::new(),
        fields: vec![super::form::Field::secret("token")],
        at: 0,
        command: Command::new(["run", "x.toml", "--detach"]),
    };
    assert!(form.command().is_none(), "it has to be given");
    form.fields[0].line.text = "t".into();
    let command = form.command().expect("all is given");
    assert_eq!(command.environment["BUNSUI_PARAM_TOKEN"], "t");
    assert_eq!(command.arguments, ["run", "x.toml", "--detach"]);
    let _ = Dialog::Form(form);
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
