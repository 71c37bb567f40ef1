//! From a range of a decoded string back to the bytes of its literal.
//!
//! Takes: a source and the place of a string literal that is valid TOML. Gives: places inside it.
//! Deliberately does not: decode; the parser has done so, here only lengths are followed.

use crate::diagnostic::{Source, Span};
use std::ops::Range;

/// The place in the source of `range` (bytes of the decoded string) within the string literal at `literal`.
/// Escapes, multi-line and literal strings are honoured; where that fails the whole literal is given.
pub fn inner_span(source: &Source, literal: Span, range: Range<usize>) -> Span {
    StringPlaces::new(source, literal).span(range)
}

/// Where each byte of a decoded string stands: made once for a literal, asked often.
#[derive(Debug)]
pub(crate) struct StringPlaces {
    literal: Span,
    /// In order; empty where the literal could not be followed.
    pieces: Vec<Piece>,
}

/// A stretch of decoded text and its source: of equal length where it stands there as it is.
#[derive(Debug, PartialEq, Eq)]
struct Piece {
    decoded: Range<usize>,
    source: Range<usize>,
}

impl Piece {
    fn is_verbatim(&self) -> bool {
        self.decoded.len() == self.source.len()
    }
}

impl StringPlaces {
    pub(crate) fn new(source: &Source, literal: Span) -> Self {
        let pieces = source
            .text
            .get(literal.start..literal.end)
            .and_then(|text| Follower::new(text, literal.start)?.follow())
            .unwrap_or_default();
        Self { literal, pieces }
    }

    /// The place of a range of decoded bytes.
    pub(crate) fn span(&self, range: Range<usize>) -> Span {
        self.inner(range).unwrap_or(self.literal)
    }

    fn inner(&self, range: Range<usize>) -> Option<Span> {
        if range.start > range.end {
            return None;
        }
        if range.is_empty() {
            let place = self.point(range.start)?;
            return Some(Span { start: place, end: place });
        }
        let first = self.piece_at(range.start)?;
        let start = match first.is_verbatim() {
            true => first.source.start + (range.start - first.decoded.start),
            false => first.source.start,
        };
        let last = self.piece_at(range.end - 1)?;
        let end = match last.is_verbatim() {
            true => last.source.start + (range.end - last.decoded.start),
            false => last.source.end,
        };
        Some(Span { start, end })
    }

    /// Where an empty range stands: before the byte, or after the last one.
    fn point(&self, at: usize) -> Option<usize> {
        if let Some(piece) = self.piece_at(at) {
            let into = if piece.is_verbatim() { at - piece.decoded.start } else { 0 };
            return Some(piece.source.start + into);
        }
        let last = self.pieces.last()?;
        (last.decoded.end == at).then_some(last.source.end)
    }

    fn piece_at(&self, byte: usize) -> Option<&Piece> {
        let after = self.pieces.partition_point(|piece| piece.decoded.start <= byte);
        let piece = self.pieces.get(after.checked_sub(1)?)?;
        piece.decoded.contains(&byte).then_some(piece)
    }
}

/// Walks over a literal's body and notes what each stretch decodes to.
struct Follower<'a> {
    body: &'a str,
    /// Of `body` in the source.
    offset: usize,
    escapes: bool,
    at: usize,
    decoded: usize,
    pieces: Vec<Piece>,
}

impl<'a> Follower<'a> {
    /// None for what is no string literal.
    fn new(literal: &'a str, start: usize) -> Option<Self> {
        let kinds = [("\"\"\"", true), ("'''", false), ("\"", true), ("'", false)];
        let (quotes, escapes) =
            kinds.into_iter().find(|(quotes, _)| body_between(literal, quotes).is_some())?;
        let mut body = body_between(literal, quotes)?;
        let mut offset = start + quotes.len();
        if quotes.len() == 3 {
            let trimmed = body.strip_prefix("\r\n").or_else(|| body.strip_prefix('\n')).unwrap_or(body);
            offset += body.len() - trimmed.len();
            body = trimmed;
        }
        Some(Self { body, offset, escapes, at: 0, decoded: 0, pieces: Vec::new() })
    }

    /// None where an escape is not TOML's.
    fn follow(mut self) -> Option<Vec<Piece>> {
        while self.at < self.body.len() {
            let rest = &self.body[self.at..];
            let plain = if self.escapes { rest.find('\\').unwrap_or(rest.len()) } else { rest.len() };
            self.push(plain, plain);
            if plain < rest.len() {
                self.escape(&rest[plain..])?;
            }
        }
        Some(self.pieces)
    }

    fn escape(&mut self, rest: &str) -> Option<()> {
        let digits = match rest[1..].chars().next()? {
            'b' | 't' | 'n' | 'f' | 'r' | 'e' | '"' | '\\' => 0,
            'x' => 2,
            'u' => 4,
            'U' => 8,
            ' ' | '\t' | '\r' | '\n' => {
                self.at += rest.len() - rest[1..].trim_start_matches([' ', '\t', '\r', '\n']).len();
                return Some(());
            }
            _ => return None,
        };
        let decoded = match digits {
            0 => 1,
            _ => {
                let value = u32::from_str_radix(rest.get(2..2 + digits)?, 16).ok()?;
                char::from_u32(value)?.len_utf8()
            }
        };
        self.push(decoded, 2 + digits);
        Some(())
    }

    fn push(&mut self, decoded: usize, source: usize) {
        if decoded > 0 {
            let start = self.offset + self.at;
            self.pieces
                .push(Piece { decoded: self.decoded..self.decoded + decoded, source: start..start + source });
        }
        self.at += source;
        self.decoded += decoded;
    }
}

fn body_between<'a>(literal: &'a str, quotes: &str) -> Option<&'a str> {
    literal.strip_prefix(quotes)?.strip_suffix(quotes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Finds `wanted` in the decoded string of `value = <literal>` and checks that its place in the source is
    /// the text `expected`.
    #[track_caller]
    fn check(literal: &str, wanted: &str, expected: &str) {
        let text = format!("value = {literal}\n");
        let table = toml::de::DeTable::parse(&text).expect("the literal is TOML");
        let value = &table.get_ref()["value"];
        let decoded = value.get_ref().as_str().expect("a string");
        let start = decoded.find(wanted).expect("what is looked for is in the decoded string");
        let source = Source::new("test.toml", text.clone());
        let span = inner_span(&source, value.span().into(), start..start + wanted.len());
        assert_eq!(&text[span.start..span.end], expected);
    }

    #[test]
    fn a_basic_string_is_followed() {
        check(r#""say ${params.a}!""#, "${params.a}", "${params.a}");
        check(r#""日本 ${params.a}""#, "${params.a}", "${params.a}");
    }

    #[test]
    fn escapes_before_and_inside_are_counted() {
        check(r#""\t\u00e9\U0001F600\x41\e\\\"${params.a}""#, "${params.a}", "${params.a}");
        check(r#""x\u0024{params.a}y""#, "${params.a}", r"\u0024{params.a}");
        check(r#""a\u00e9b""#, "é", r"\u00e9");
        check(r#""a\u00e9b""#, "b", "b");
    }

    #[test]
    fn a_literal_string_has_no_escapes() {
        check(r"'C:\new ${params.a}'", "${params.a}", "${params.a}");
    }

    #[test]
    fn multi_line_strings_lose_their_first_newline() {
        check("\"\"\"\nfirst\n${params.a}\"\"\"", "${params.a}", "${params.a}");
        check("\"\"\"\r\nfirst\r\n${params.a}\"\"\"", "${params.a}", "${params.a}");
        check("'''\n\\t ${params.a}'''", "${params.a}", "${params.a}");
        check("'''\r\n${params.a}\r\nx'''", "\r\nx", "\r\nx");
    }

    #[test]
    fn a_backslash_at_the_end_of_a_line_joins_lines() {
        check("\"\"\"one \\\n   \n  two ${params.a}\"\"\"", "two", "two");
        check("\"\"\"one \\  \r\n  two\"\"\"", "two", "two");
        check("\"\"\"one\\\n two\"\"\"", "onetwo", "one\\\n two");
    }

    #[test]
    fn quotes_at_the_end_belong_to_the_text() {
        check("\"\"\"a\"\"\"\"\"", "a\"\"", "a\"\"");
    }

    #[test]
    fn what_cannot_be_followed_is_the_whole_literal() {
        let source = Source::new("test.toml", r#"a = "xy""#);
        let literal = Span { start: 4, end: 8 };
        for range in [0..99, 5..6, 99..100, Range { start: 2, end: 1 }] {
            assert_eq!(inner_span(&source, literal, range), literal);
        }
        let number = Span { start: 0, end: 1 };
        assert_eq!(inner_span(&source, number, 0..1), number);
        let outside = Span { start: 90, end: 99 };
        assert_eq!(inner_span(&source, outside, 0..1), outside);
        assert_eq!(inner_span(&source, literal, 2..2), Span { start: 7, end: 7 });
    }

    /// A character as one of the ways TOML's basic strings can write it.
    fn written(character: char, way: u8) -> String {
        let code = u32::from(character);
        match way {
            0 => format!("\\U{code:08x}"),
            1 if code < 0x1_0000 => format!("\\u{code:04x}"),
            2 if code < 0x100 => format!("\\x{code:02x}"),
            3 => format!("\\\n  \r\n\\U{code:08x}"),
            _ if character == '"' || character == '\\' || character.is_control() => {
                format!("\\U{code:08x}")
            }
            _ => character.to_string(),
        }
    }

    proptest! {
        #[test]
        fn every_character_is_found_where_it_was_written(
            characters in proptest::collection::vec((any::<char>(), 0_u8..8), 1..20)
        ) {
            let mut text = String::from("value = \"\"\"\n");
            let mut wanted = Vec::new();
            for (character, way) in &characters {
                let written = written(*character, *way);
                text.push_str(&written);
                let visible = if *way == 3 { 10 } else { written.len() };
                wanted.push(text.len() - visible..text.len());
            }
            text.push_str("\"\"\"\n");
            let table = toml::de::DeTable::parse(&text).expect("TOML");
            let value = &table.get_ref()["value"];
            let decoded = value.get_ref().as_str().expect("a string").to_owned();
            let source = Source::new("test.toml", text.clone());
            let found: Vec<Range<usize>> = decoded
                .char_indices()
                .map(|(at, c)| inner_span(&source, value.span().into(), at..at + c.len_utf8()))
                .map(|span| span.start..span.end)
                .collect();
            prop_assert_eq!(found, wanted);
        }

        #[test]
        fn nothing_panics(text in ".*", start in 0_usize..40, end in 0_usize..40, a in 0_usize..40, b in 0_usize..40) {
            let source = Source::new("test.toml", text);
            inner_span(&source, Span { start, end }, a..b);
        }
    }
}
