//! The viewer of log lines.

use super::*;
use crate::tui::source::LogPage;

fn of() -> LogsOf {
    LogsOf { session: id(1), job: None }
}

/// At the log lines of a session, none of which has come.
fn screen() -> Screen {
    let mut screen = Screen::with_session(80, 24);
    screen.types("L");
    screen
}

fn hears(screen: &mut Screen, before: u64, records: Vec<LogRecord>, has_more: bool) {
    screen.hears(Answer::Logs(of(), Ok(LogPage { before, records, has_more })));
}

#[test]
fn log_lines_are_filtered_and_searched() {
    let mut screen = Screen::with_session(80, 24);
    screen.types("L");
    assert_eq!(*screen.last_asked(), Request::Logs(of(), 0));
    let records = vec![
        log("extract", "info", "365 rows"),
        log("check", "warn", "a\tgap of 雨 at row 12"),
        log("check", "error", "no such table: \u{1b}[31mrain"),
    ];
    screen.hears(Answer::Logs(of(), Ok(LogPage { before: 0, records, has_more: false })));
    screen.types("/[Rr]ow");
    screen.press(KeyCode::Enter);
    insta::assert_snapshot!(screen.drawn());
    screen.types("vv");
    let drawn = screen.drawn();
    assert!(drawn.contains("warn and worse") && !drawn.contains("365 rows"), "{drawn}");
}

#[test]
fn only_what_is_new_is_asked_for_and_more_at_once_where_there_is_more() {
    let mut screen = screen();
    hears(&mut screen, 0, vec![log("extract", "info", "one"), log("extract", "info", "two")], true);
    assert_eq!(*screen.last_asked(), Request::Logs(of(), 2));
    assert!(screen.drawn().contains("reading on"));
    hears(&mut screen, 2, vec![log("extract", "info", "three")], false);
    let drawn = screen.drawn();
    assert!(drawn.contains("one") && drawn.contains("three") && drawn.contains("line 3 of 3"), "{drawn}");
    let asked = screen.asked.len();
    screen.take(Message::Tick(at(60)));
    assert_eq!(screen.asked[asked..], [Request::Logs(of(), 3)]);
    // Whoever reads had to begin anew.
    hears(&mut screen, 0, vec![log("extract", "info", "one")], false);
    assert!(screen.drawn().contains("line 1 of 1"));
}

#[test]
fn a_pattern_that_is_none_is_said_while_it_is_typed_and_what_was_stays() {
    let mut screen = screen();
    hears(&mut screen, 0, vec![log("check", "info", "row 12"), log("check", "error", "no table")], false);
    screen.types("&row (");
    let drawn = screen.drawn();
    assert!(drawn.contains("filter: row (") && drawn.contains("unclosed group"), "{drawn}");
    assert!(drawn.contains("row 12") && !drawn.contains("no table"), "{drawn}");
    screen.press(KeyCode::Enter);
    assert!(screen.state.prompt.is_some(), "it is not taken");
    screen.press(KeyCode::Backspace);
    screen.types("[0-9]+$");
    screen.press(KeyCode::Enter);
    let drawn = screen.drawn();
    assert!(screen.state.prompt.is_none() && drawn.contains("with `row [0-9]+$`"), "{drawn}");
    // With a level, too.
    screen.types("vvv");
    assert!(screen.drawn().contains("No line is of that kind"));
    screen.press(KeyCode::Esc);
    assert!(screen.drawn().contains("no table"));
}

#[test]
fn what_no_line_has_is_said() {
    let mut screen = screen();
    hears(&mut screen, 0, vec![log("check", "info", "row 12")], false);
    screen.types("/ROW");
    screen.press(KeyCode::Enter);
    assert!(screen.drawn().contains("searched for `ROW`, which no line has"));
}

#[test]
fn a_flood_is_taken_in_while_keys_are_heard() {
    let mut screen = screen();
    let lines =
        |from: u64| (from..from + 5000).map(|at| log("check", "info", &format!("row {at}"))).collect();
    for page in 0..25 {
        hears(&mut screen, page * 5000, lines(page * 5000), page < 24);
    }
    assert!(screen.drawn().contains("line 100000 of 100000 (the last"), "{}", screen.drawn());
    screen.types("g");
    assert!(screen.drawn().contains(" row 25000 "), "{}", screen.drawn());
}
