//! `${root.path}` in a text.
//!
//! A path is made of keys after `.` (letters, digits, `_`, `-`, or in quotes), and of `[0]`, `[-1]` or `["key"]`.
//! `$${` is a literal `${`.

use super::{Reference, Root, Segment};
use crate::diagnostic::{Diagnostic, nearest};
use crate::document::StringPlaces;
use std::ops::Range;

/// A stretch of a text.
#[derive(Debug)]
pub(super) enum Piece<'a> {
    Literal(&'a str),
    Reference(Reference),
}

/// Goes over a text; after a malformed reference it goes on behind it.
pub(super) struct TextPieces<'a> {
    text: &'a str,
    at: usize,
    places: &'a StringPlaces,
}

impl<'a> TextPieces<'a> {
    pub(super) fn new(text: &'a str, places: &'a StringPlaces) -> Self {
        Self { text, at: 0, places }
    }

    /// Plain text up to the next `${` or `$${`.
    fn plain(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let end = match rest.find("${") {
            Some(open) if rest[..open].ends_with('$') => open - 1,
            Some(open) => open,
            None => rest.len(),
        };
        self.at += end;
        &rest[..end]
    }

    fn reference(&mut self) -> Result<Piece<'a>, Box<Diagnostic>> {
        let start = self.at;
        let mut cursor = Cursor { text: self.text, start, at: start + 2 };
        match cursor.reference() {
            Ok((root, path)) => {
                self.at = cursor.at;
                Ok(Piece::Reference(Reference { root, path, span: self.places.span(start..cursor.at) }))
            }
            Err(malformed) => {
                self.at = self.resume(malformed.range.end.max(start + 2));
                Err(Box::new(malformed.diagnostic(self.places)))
            }
        }
    }

    /// Behind the `}` of a malformed reference, or where the next one begins.
    fn resume(&self, from: usize) -> usize {
        // A finding may underline the closing brace already.
        if self.text[..from].ends_with('}') {
            return from;
        }
        let rest = &self.text[from..];
        let close = rest.find('}').map(|at| at + 1);
        let next = rest.find("${");
        from + match (close, next) {
            (Some(close), Some(next)) => close.min(next),
            (Some(close), None) => close,
            (None, Some(next)) => next,
            (None, None) => rest.len(),
        }
    }
}

impl<'a> Iterator for TextPieces<'a> {
    type Item = Result<Piece<'a>, Box<Diagnostic>>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = &self.text[self.at..];
        if rest.is_empty() {
            None
        } else if rest.starts_with("$${") {
            self.at += 3;
            Some(Ok(Piece::Literal(&rest[1..3])))
        } else if rest.starts_with("${") {
            Some(self.reference())
        } else {
            Some(Ok(Piece::Literal(self.plain())))
        }
    }
}

/// Why a `${` begins no reference; the range is in the decoded text.
struct Malformed {
    code: &'static str,
    range: Range<usize>,
    message: String,
    label: String,
    help: String,
}

impl Malformed {
    fn diagnostic(self, places: &StringPlaces) -> Diagnostic {
        Diagnostic::error(self.code, self.message).label(places.span(self.range), self.label).help(self.help)
    }

    fn syntax(range: Range<usize>, message: impl Into<String>, label: &str, help: &str) -> Self {
        Self {
            code: "bunsui::reference::malformed",
            range,
            message: message.into(),
            label: label.into(),
            help: help.into(),
        }
    }
}

const LITERAL_HELP: &str = "a literal `${` is written `$${`";

/// Reads one reference, from behind its `${`.
struct Cursor<'a> {
    text: &'a str,
    /// Of `${`.
    start: usize,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn reference(&mut self) -> Result<(Root, Vec<Segment>), Malformed> {
        self.check_closed()?;
        let root = self.root()?;
        let mut path = Vec::new();
        loop {
            match self.peek() {
                Some('}') => {
                    self.at += 1;
                    break;
                }
                Some('.') => path.push(self.key()?),
                Some('[') => path.push(self.bracket()?),
                _ => return Err(self.unexpected()),
            }
        }
        self.check_complete(root, &path)?;
        Ok((root, path))
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    /// A `}` must come before the next `${`; what stands between may still be wrong.
    fn check_closed(&self) -> Result<(), Malformed> {
        let rest = &self.text[self.at..];
        let until = rest.find("${").unwrap_or(rest.len());
        if rest[..until].contains('}') {
            return Ok(());
        }
        Err(Malformed {
            code: "bunsui::reference::unclosed",
            range: self.start..self.start + 2,
            message: "`${` is not closed".into(),
            label: "no `}` follows".into(),
            help: format!("a reference ends with `}}`; {LITERAL_HELP}"),
        })
    }

    fn root(&mut self) -> Result<Root, Malformed> {
        let start = self.at;
        let word = self.word();
        if let Some(root) = Root::by_name(word) {
            return Ok(root);
        }
        if word.is_empty() {
            return Err(match self.peek() {
                Some('}') => Malformed {
                    code: "bunsui::reference::empty",
                    range: self.start..self.at + 1,
                    message: "`${}` refers to nothing".into(),
                    label: "empty".into(),
                    help: format!("name what is meant, as in `${{params.year}}`; {LITERAL_HELP}"),
                },
                _ => self.unexpected(),
            });
        }
        let known = "params, jobs, operations, session or pipeline";
        let help = match nearest(word, Root::ALL.map(Root::name)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("a reference starts with {known}; {LITERAL_HELP}"),
        };
        Err(Malformed {
            code: "bunsui::reference::unknown_root",
            range: start..self.at,
            message: format!("`{word}` is nothing that can be referred to"),
            label: format!("not one of {known}"),
            help,
        })
    }

    /// Letters, digits, `_` and `-`.
    fn word(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-')).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// `.key` or `."key"`
    fn key(&mut self) -> Result<Segment, Malformed> {
        let dot = self.at;
        self.at += 1;
        if matches!(self.peek(), Some('"' | '\'')) {
            return self.quoted();
        }
        let word = self.word().to_owned();
        match self.peek() {
            _ if !word.is_empty() => Ok(Segment::Key(word)),
            Some(c) if !matches!(c, '.' | '[' | '}') => Err(self.unexpected()),
            _ => Err(Malformed::syntax(
                dot..dot + 1,
                "`.` is not followed by a key",
                "a key is wanted after this",
                "write a key, as in `${params.year}`, or take the `.` away",
            )),
        }
    }

    /// `[0]`, `[-1]` or `["key"]`
    fn bracket(&mut self) -> Result<Segment, Malformed> {
        let open = self.at;
        self.at += 1;
        let segment = if matches!(self.peek(), Some('"' | '\'')) {
            Some(self.quoted()?)
        } else {
            let word = self.word();
            let is_number =
                word.len() <= 16 && word.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit());
            word.parse().ok().filter(|_| is_number).map(Segment::Index)
        };
        let closed = self.peek() == Some(']');
        match segment {
            Some(segment) if closed => {
                self.at += 1;
                Ok(segment)
            }
            Some(_) => Err(self.bad_bracket(open..self.at, "is not closed", "`]` is wanted here")),
            None => {
                let rest = &self.text[open..];
                let end = match rest.find([']', '}']) {
                    Some(at) if rest[at..].starts_with(']') => open + at + 1,
                    Some(at) => open + at,
                    None => self.at,
                };
                Err(self.bad_bracket(open..end, "is no position", "a whole number or a quoted key is wanted"))
            }
        }
    }

    fn bad_bracket(&self, range: Range<usize>, what: &str, label: &str) -> Malformed {
        let message = format!("`{}` {what}", &self.text[range.clone()]);
        Malformed::syntax(
            range,
            message,
            label,
            "positions count from 0, from the end with a minus: `[0]`, `[-1]`; keys are quoted: `[\"key\"]`",
        )
    }

    /// A key in quotes; nothing is escaped in it.
    fn quoted(&mut self) -> Result<Segment, Malformed> {
        let open = self.at;
        let quote = &self.text[open..=open];
        let rest = &self.text[open + 1..];
        let Some(length) = rest.find(quote) else {
            let end = rest.find('}').map_or(self.text.len(), |at| open + 1 + at + 1);
            let help = "end the key with the quote it began with";
            return Err(Malformed::syntax(open..end, "the quoted key is not closed", "starts here", help));
        };
        self.at = open + 1 + length + 1;
        let key = &rest[..length];
        if key.is_empty() {
            let help = "write the key between the quotes";
            return Err(Malformed::syntax(open..self.at, "the quoted key is empty", "no key", help));
        }
        // JSONata quotes names with backticks and has no escape for them.
        if key.contains('`') {
            let help = "JSONata cannot name such a key; use `{% $lookup(…) %}`";
            return Err(Malformed::syntax(open..self.at, "a key may not hold a backtick", "holds one", help));
        }
        Ok(Segment::Key(key.to_owned()))
    }

    fn unexpected(&self) -> Malformed {
        let found = self.peek().unwrap_or('}');
        let rest = &self.text[self.at..];
        if found.is_whitespace() {
            let length = rest.len() - rest.trim_start().len();
            return Malformed::syntax(
                self.at..self.at + length,
                "a reference may not hold blanks",
                "blank",
                "take the blanks away: `${params.year}`; for more than a path use `{% … %}`",
            );
        }
        Malformed::syntax(
            self.at..self.at + found.len_utf8().min(rest.len()),
            format!("`{found}` may not stand in a reference"),
            "not part of a path",
            "a reference is a path, as in `${jobs.extract.rows[0]}`; keys with other characters are quoted; \
             for more than a path use `{% … %}`; a literal `${` is written `$${`",
        )
    }

    fn check_complete(&self, root: Root, path: &[Segment]) -> Result<(), Malformed> {
        let (what, example) = match root {
            Root::Jobs => ("job", "${jobs.extract}"),
            Root::Operations => ("operation", "${operations.fetch}"),
            Root::Params => ("parameter", "${params.year}"),
            Root::Session => ("key of the session", "${session.id}"),
            Root::Pipeline => ("key of the pipeline", "${pipeline.name}"),
        };
        let complete = match path.first() {
            Some(Segment::Key(_)) => true,
            Some(Segment::Index(_)) => false,
            None => !matches!(root, Root::Jobs | Root::Operations),
        };
        if complete {
            return Ok(());
        }
        let range = self.start..self.at;
        Err(Malformed {
            code: "bunsui::reference::incomplete",
            message: format!("`{}` names no {what}", &self.text[range.clone()]),
            range,
            label: format!("which {what}?"),
            help: format!("name the {what}, as in `{example}`"),
        })
    }
}
