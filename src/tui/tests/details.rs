//! A job among others, and all about it.

use super::known::{four_jobs, pipeline};
use super::*;
use crate::pipeline::Pipeline;
use std::fmt::Write;
use std::sync::Arc;

/// At a session of this pipeline, in which this has happened.
fn screen(pipeline: Arc<Pipeline>, size: (u16, u16), kinds: Vec<EventKind>) -> Screen {
    let mut screen = Screen::with_sessions(size.0, size.1);
    screen.types("j");
    screen.press(KeyCode::Enter);
    let mut row = rows().swap_remove(1);
    row.record.secrets = vec!["token".into()];
    row.record.parameters.insert("bucket".into(), "weather-lake".into());
    let jobs = pipeline.jobs.keys().map(ToString::to_string).collect();
    let opened = Opened { row: row.clone(), jobs, pipeline: Some(pipeline) };
    screen.hears(Answer::Opened(id(1), Box::new(Ok(opened))));
    let numbered = (1..).zip(kinds);
    let events = numbered.map(|(number, kind)| SessionEvent { number, at: at(number as i64 - 3600), kind });
    let page = Page { row, events: events.collect(), has_more: false };
    screen.hears(Answer::Page(id(1), Box::new(Ok(page))));
    screen
}

fn started(job: &str) -> EventKind {
    EventKind::JobStarted { job: job.into(), attempt: 1, execution: format!("{job}-1"), redrive: None }
}

fn begun(operation: &str, try_number: u32) -> EventKind {
    EventKind::OperationStarted { job: "check".into(), attempt: 1, operation: operation.into(), try_number }
}

fn happened() -> Vec<EventKind> {
    let output = OutputRecord::Inline(serde_json::json!({"rows": 365}));
    let retrying = |try_number, error: &str| EventKind::OperationRetrying {
        job: "check".into(),
        attempt: 1,
        operation: "run".into(),
        try_number,
        delay_ms: 5000,
        error: error.into(),
        cause: String::new(),
    };
    let failure = FailureRecord {
        operation: Some("run".into()),
        error: Some("ProcessFailed".into()),
        summary: Some("exit code 3".into()),
        tries: 3,
        ..FailureRecord::default()
    };
    vec![
        started("extract"),
        EventKind::JobSucceeded { job: "extract".into(), attempt: 1, output },
        started("check"),
        begun("run", 1),
        retrying(1, "States.Timeout"),
        begun("run", 2),
        retrying(2, "ProcessFailed"),
        begun("run", 3),
        EventKind::OperationFailed {
            job: "check".into(),
            attempt: 1,
            operation: "run".into(),
            try_number: 3,
            error: "ProcessFailed".into(),
            cause: String::new(),
        },
        EventKind::JobFailed { job: "check".into(), attempt: 1, failure, allowed: false },
        EventKind::JobUpstreamFailed { job: "load".into(), upstream: "check".into(), status: None },
    ]
}

#[test]
fn a_job_is_shown_with_its_neighbours_tries_and_inputs() {
    let mut screen = screen(four_jobs(), (80, 40), happened());
    screen.press(KeyCode::Enter);
    insta::assert_snapshot!(screen.drawn());
}

#[test]
fn what_is_not_known_of_an_input_is_said() {
    let mut screen = screen(four_jobs(), (80, 40), happened());
    screen.types("g");
    screen.press(KeyCode::Enter);
    let drawn = screen.drawn();
    for words in [
        "${params.year} = 2015",
        "${params.token}: secret, stored nowhere",
        "${session.id} = \"20261125-070000-bbbbbb\"",
        "needed by   ✗ check, ! load",
    ] {
        assert!(drawn.contains(words), "{words}: {drawn}");
    }
}

/// Twenty jobs that all wait for one, and one that waits for all of them: too many lanes to draw.
fn wide() -> Arc<Pipeline> {
    let mut text =
        "[pipeline]\nname = \"t\"\n[[jobs.first.operations]]\nname = \"run\"\ntype = \"any\"\n".to_owned();
    let job = |name: &str, upstreams: &str| {
        format!(
            "[jobs.{name}]\ndepends_on = [{upstreams}]\n[[jobs.{name}.operations]]\nname = \"run\"\ntype = \"any\"\n"
        )
    };
    let mut all = String::new();
    for number in 0..20 {
        text.push_str(&job(&format!("part-{number}"), "\"first\""));
        let _ = write!(all, "\"part-{number}\", ");
    }
    pipeline(&(text + &job("last", &all)))
}

#[test]
fn dependencies_are_seen_where_the_graph_is_too_wide_to_draw() {
    let output = OutputRecord::Inline(serde_json::json!({}));
    let kinds = vec![
        started("first"),
        EventKind::JobSucceeded { job: "first".into(), attempt: 1, output },
        started("part-7"),
    ];
    let mut screen = screen(wide(), (80, 24), kinds);
    screen.types("jj");
    insta::assert_snapshot!(screen.drawn());
    screen.types("G");
    let drawn = screen.drawn();
    assert!(drawn.contains("waits for   ▶ part-7, · part-0"), "{drawn}");
    // Without room for anything below, all about the job has them.
    screen.take(Message::Resize(80, 12));
    screen.press(KeyCode::Enter);
    assert!(screen.drawn().contains("waits for   ▶ part-7"));
}

#[test]
fn a_graph_is_a_list_where_the_terminal_is_too_narrow_for_it() {
    let mut screen = screen(four_jobs(), (80, 24), happened());
    let is_drawn = |screen: &Screen| {
        let session = screen.state.session.as_ref().expect("it is looked at");
        session.shown.iter().any(|drawn| !drawn.lanes.is_empty())
    };
    assert!(is_drawn(&screen));
    screen.take(Message::Resize(7, 24));
    assert!(!is_drawn(&screen));
    screen.take(Message::Resize(80, 24));
    assert!(is_drawn(&screen));
}

#[test]
fn operations_are_known_from_the_jobs_end_where_no_event_tells_of_them() {
    let check = |kinds: Vec<EventKind>, expected: [&str; 2]| {
        let mut screen = screen(four_jobs(), (80, 40), kinds);
        screen.types("gj");
        screen.press(KeyCode::Enter);
        let drawn = screen.drawn();
        let line = |name: &str| drawn.lines().find(|line| line.contains(name)).unwrap_or_default().to_owned();
        assert!(line("  run   any ").contains(expected[0]), "{drawn}");
        assert!(line("  tell  any ").contains(expected[1]), "{drawn}");
    };
    let failed = |operation: Option<&str>| {
        let operation = operation.map(str::to_owned);
        let failure =
            FailureRecord { operation, error: Some("NoTable".into()), tries: 2, ..FailureRecord::default() };
        vec![
            started("check"),
            EventKind::JobFailed { job: "check".into(), attempt: 1, failure, allowed: false },
        ]
    };
    let output = OutputRecord::Inline(serde_json::json!({}));
    let succeeded = EventKind::JobSucceeded { job: "check".into(), attempt: 1, output };
    check(Vec::new(), ["not begun", "not begun"]);
    check(vec![started("check")], ["known when the job has ended", "known when the job has ended"]);
    check(vec![started("check"), succeeded], ["succeeded", "succeeded"]);
    check(failed(Some("run")), ["failed, try 2, NoTable", "not begun"]);
    check(failed(Some("tell")), ["succeeded", "failed, try 2, NoTable"]);
    check(failed(None), ["not known", "not known"]);
}
