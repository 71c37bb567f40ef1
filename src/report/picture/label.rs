//! Texts of pictures and pages: what may be shown of them, and how much room they take.

use crate::report::text::is_harmful;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns of a terminal that a text takes: two for each wide character of East Asia.
pub(in crate::report) fn columns(text: &str) -> usize {
    text.width()
}

/// At most so many columns of a text, with `…` where something is left out.
pub(in crate::report) fn cut(text: &str, most: usize) -> String {
    if columns(text) <= most {
        return text.to_owned();
    }
    let mut width = 1;
    let kept: String = text
        .chars()
        .take_while(|c| {
            width += c.width().unwrap_or(0);
            width <= most
        })
        .collect();
    format!("{}…", kept.trim_end())
}

/// The same with what is left out in the middle: names that begin alike end otherwise.
pub(in crate::report) fn cut_middle(text: &str, most: usize) -> String {
    if columns(text) <= most {
        return text.to_owned();
    }
    let mut width = 0;
    let ended = text.char_indices().rev().take_while(|(_, c)| {
        width += c.width().unwrap_or(0);
        width <= most / 2
    });
    let from = ended.last().map_or(text.len(), |(at, _)| at);
    cut(text, most - columns(&text[from..])) + &text[from..]
}

/// A text of anybody's as it may stand in a page: control characters, and those that turn the direction of what follows, as
/// terminals are shown them; at most so many bytes.
pub(in crate::report) fn shown(text: &str, most: usize) -> String {
    let kept = &text[..text.floor_char_boundary(most)];
    let mut shown = String::with_capacity(kept.len());
    let mut chars = kept.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' => shown.push('\n'),
            // No character of XML.
            '\u{fffe}' | '\u{ffff}' => shown.push('\u{fffd}'),
            '\t' => shown.push('\t'),
            harmful if is_harmful(harmful) => shown.extend(harmful.escape_default()),
            other => shown.push(other),
        }
    }
    if kept.len() < text.len() {
        shown.push_str(&format!("… ({} bytes more)", text.len() - kept.len()));
    }
    shown
}

/// The same of a text's first line, within so many columns.
pub(in crate::report) fn shown_line(text: &str, most: usize) -> String {
    let first = text.lines().next().unwrap_or_default();
    let is_cut = first.len() < text.trim_end().len();
    let line = cut(&shown(&first[..first.floor_char_boundary(most * 8)], usize::MAX), most);
    if is_cut && !line.ends_with('…') { line + " …" } else { line }
}
