//! What is typed and pasted, and keys for the terminal itself.

use super::*;

#[test]
fn a_filter_is_edited_and_pasted_into() {
    let mut screen = Screen::with_sessions(80, 24);
    screen.types("/gne");
    screen.press(KeyCode::Left);
    screen.press(KeyCode::Left);
    screen.take(Message::Paste("o\n".into()));
    let drawn = screen.drawn();
    assert!(drawn.contains("filter: gone") && screen.state.sessions.shown.len() == 1, "{drawn}");
    screen.control('u');
    assert_eq!(screen.state.sessions.filter, "ne");
    screen.control('w');
    screen.control('k');
    assert_eq!(screen.state.sessions.shown.len(), 3);
}

#[test]
fn what_is_pasted_where_nothing_is_typed_is_nothing() {
    let mut screen = Screen::with_sessions(80, 24);
    screen.take(Message::Paste("q\nc\n".into()));
    assert!(!screen.has_left && screen.state.dialog.is_none());
}

#[test]
fn a_long_filter_shows_where_it_is_typed() {
    let mut screen = Screen::with_sessions(40, 10);
    screen.types(&format!("/{}end", "雨".repeat(60)));
    let last = screen.drawn().lines().rev().nth(1).unwrap_or_default().to_owned();
    assert!(last.contains("filter: 雨") && last.contains("end"), "{last}");
}

#[test]
fn the_terminals_own_keys_are_heard_whatever_is_in_front() {
    let mut screen = Screen::with_sessions(80, 24);
    screen.types("p");
    screen.control('l');
    screen.control('z');
    assert_eq!(screen.of_terminal, [Effect::Redraw, Effect::Suspend]);
    assert!(screen.state.dialog.is_some());
}
