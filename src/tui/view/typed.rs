//! What is being typed, with its cursor; of a long text, the part around the cursor.

use super::text::width;
use crate::report::text::printable;
use crate::tui::line::Line;
use ratatui::style::{Modifier, Style};
use ratatui::text::Span;

/// The text in so many columns.
pub(super) fn typed(line: &Line, columns: usize) -> Vec<Span<'static>> {
    let (before, after) = line.parts();
    spans(&printable(before), &printable(after), columns)
}

/// The same, with a sign for each character.
pub(super) fn hidden(line: &Line, columns: usize) -> Vec<Span<'static>> {
    let (before, after) = line.parts();
    let signs = |text: &str| "•".repeat(text.chars().count());
    spans(&signs(before), &signs(after), columns)
}

fn spans(before: &str, after: &str, columns: usize) -> Vec<Span<'static>> {
    let mut rest = after.chars();
    let here = rest.next().map_or_else(|| " ".to_owned(), String::from);
    let room = columns.saturating_sub(width(&here));
    // Two thirds stay for what was typed last; what comes after it takes what is left.
    let least = room.saturating_sub(width(rest.as_str()).min(room / 3));
    let before = tail(before, least);
    let after = head(rest.as_str(), room.saturating_sub(width(before)));
    vec![
        Span::raw(before.to_owned()),
        Span::styled(here, Style::new().add_modifier(Modifier::REVERSED)),
        Span::raw(after.to_owned()),
    ]
}

/// A text that says most at its beginning and its end, as errors with their causes do.
pub(super) fn ends(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let room = columns.saturating_sub(1);
    format!("{}…{}", head(text, room / 2), tail(text, room - room / 2))
}

/// The end of a text, as much as fits.
fn tail(text: &str, columns: usize) -> &str {
    let mut places = text.char_indices().map(|(at, _)| at);
    let from =
        if width(text) <= columns { Some(0) } else { places.find(|at| width(&text[*at..]) <= columns) };
    &text[from.unwrap_or(text.len())..]
}

/// The beginning of a text, as much as fits.
fn head(text: &str, columns: usize) -> &str {
    let mut used = 0;
    let mut end = 0;
    for c in text.chars() {
        used += width(c.encode_utf8(&mut [0; 4]));
        if used > columns {
            break;
        }
        end += c.len_utf8();
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    #[track_caller]
    fn check(text: &str, lefts: usize, columns: usize, expected: &str) {
        let mut line = Line::new(text);
        for _ in 0..lefts {
            line.key(KeyEvent::new(KeyCode::Left, KeyModifiers::NONE));
        }
        let spans = typed(&line, columns);
        let shown = format!("{}[{}]{}", spans[0].content, spans[1].content, spans[2].content);
        assert_eq!(shown, expected);
        assert!(spans.iter().map(Span::width).sum::<usize>() <= columns.max(1));
    }

    #[test]
    fn the_cursor_is_always_seen() {
        check("abc", 0, 10, "abc[ ]");
        check("abc", 1, 10, "ab[c]");
        check("abcdefghij", 0, 5, "ghij[ ]");
        check("abcdefghij", 10, 5, "[a]bcde");
        check("abcdefghij", 5, 5, "cde[f]g");
        check("雨量データ", 0, 5, "ータ[ ]");
        check("雨量データ", 5, 5, "[雨]量");
        check("abc", 0, 0, "[ ]");
    }

    #[test]
    fn of_a_long_error_what_and_why_are_seen() {
        assert_eq!(ends("the store: locked", 17), "the store: locked");
        assert_eq!(ends("the store at `/srv/data`: locked", 17), "the stor…: locked");
        assert_eq!(ends("雨量データ", 6), "雨…タ");
        assert_eq!(ends("abc", 0), "…");
    }
}
