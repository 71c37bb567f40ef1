//! Where a text can be cut, so that what stands between two cuts can be read alone.
//!
//! Takes: any text. Gives: ranges that are the text. A cut is a guess from one line: what looks like a header may stand in a
//! string of several lines. That string is then open at the cut, which is for who reads to notice.

use std::num::NonZero;
use std::ops::Range;

/// What one thread reads: pieces that follow each other.
pub(super) type Part = Vec<Range<usize>>;

/// Bytes of a piece: what is made of it while it is read fits into a processor's cache.
const PIECE: usize = 32 * 1024;

/// Fewer bytes than this are not worth a thread.
const BYTES_OF_A_THREAD: usize = 256 * 1024;

/// The parts of a text, at least one; as many as there are processors where there is enough to do.
pub(super) fn of(text: &str) -> Vec<Part> {
    let count = match text.len() / BYTES_OF_A_THREAD {
        // To ask how many processors there are takes longer than to read a small file.
        0 | 1 => 1,
        count => count.min(std::thread::available_parallelism().map_or(1, NonZero::get)),
    };
    cut(text, count, PIECE)
}

pub(super) fn cut(text: &str, count: usize, piece: usize) -> Vec<Part> {
    let mut parts = vec![Part::new()];
    let mut start = 0;
    while start < text.len() || parts.iter().all(Part::is_empty) {
        let end = next_header(text, start.saturating_add(piece));
        if let Some(part) = parts.last_mut() {
            part.push(start..end);
        }
        start = end;
        let is_full = start >= text.len() / count * parts.len();
        if is_full && parts.len() < count && begins_afresh(&text[start..]) {
            parts.push(Part::new());
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// The next line that begins with `[` and a letter, as no item of a list does; else the end.
fn next_header(text: &str, from: usize) -> usize {
    let rest = text.as_bytes().get(from..).unwrap_or_default();
    let is_header = |bytes: &[u8]| bytes.starts_with(b"\n[") && bytes[2].is_ascii_alphabetic();
    rest.windows(3).position(is_header).map_or(text.len(), |at| from + at + 1)
}

/// Whether a header is likely to add nothing to what was there before: that of an outer table.
fn begins_afresh(text: &str) -> bool {
    text.lines().next().unwrap_or_default().bytes().filter(|byte| *byte == b'.').count() <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, count: usize, piece: usize, expected: &[&[&str]]) {
        let parts = cut(text, count, piece);
        let parts: Vec<Vec<&str>> =
            parts.iter().map(|part| part.iter().map(|piece| &text[piece.clone()]).collect()).collect();
        assert_eq!(parts, expected);
    }

    #[test]
    fn cuts_are_before_headers() {
        let text = "a = 1\n[b]\n[[b.c]]\n[d]\n[e]";
        check(text, 1, 0, &[&["a = 1\n", "[b]\n[[b.c]]\n", "[d]\n", "[e]"]]);
        check(text, 1, 100, &[&[text]]);
        check(text, 2, 0, &[&["a = 1\n", "[b]\n[[b.c]]\n"], &["[d]\n", "[e]"]]);
    }

    #[test]
    fn a_part_begins_with_an_outer_table() {
        check("[a]\n[a.b.c]\n[a.b]\n", 2, 0, &[&["[a]\n", "[a.b.c]\n"], &["[a.b]\n"]]);
    }

    #[test]
    fn what_has_no_headers_is_one_piece() {
        check("", 4, 0, &[&[""]]);
        check("a = [\n[1],\n['x'],\n]\n[", 4, 0, &[&["a = [\n[1],\n['x'],\n]\n["]]);
    }
}
