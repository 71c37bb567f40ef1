//! The parser's remarks made into findings: one a mistake, in sentences, with the place where it was made.

use super::Table;
use super::duplicate::{Keys, duplicate_key};
use super::scan::{Scan, Unclosed};
use crate::diagnostic::{Diagnostic, Lines, Span};
use std::collections::HashSet;

/// What the parser said of a place.
pub(super) struct Fault {
    pub(super) message: String,
    pub(super) span: Span,
}

/// More findings than this of one text, or of one line, are left out: nobody reads them, and hostile text has millions.
pub(super) const MOST: usize = 500;
const MOST_OF_A_LINE: usize = 20;

/// All findings of a text. What only follows from something unclosed is left out.
pub(super) fn faults(text: &str, scan: &Scan, found: Vec<Fault>, root: &Table) -> Vec<Diagnostic> {
    let is_sound = scan.brackets.is_empty() && scan.strings.is_empty() && scan.headers.is_empty();
    if found.is_empty() && is_sound && scan.lines.is_empty() {
        return Vec::new();
    }
    let unreadable = Unreadable::new(text, scan);
    let brackets = scan.brackets.iter().filter(|open| !unreadable.contains(open.open)).take(MOST);
    let mut diagnostics: Vec<Diagnostic> =
        scan.strings.iter().take(MOST).map(|open| unclosed_string(text, open)).collect();
    diagnostics.extend(brackets.map(|open| unclosed_bracket(text, open)));
    let headers = scan.headers.iter().filter(|open| !unreadable.contains(open.open)).take(MOST);
    diagnostics.extend(headers.map(|open| unclosed_header(text, open.open)));
    let lines = scan.lines.iter().filter(|line| !unreadable.contains(line.at)).take(MOST);
    diagnostics.extend(lines.map(|line| match line.is_key {
        true => missing_value(text, line.at),
        false => explain(text, "invalid key", Span { start: line.at, end: line.at }),
    }));
    let mut known = None;
    for fault in unreadable.readable(text, found) {
        if fault.message != "duplicate key" {
            diagnostics.push(explain(text, &fault.message, fault.span));
            continue;
        }
        let keys = known.get_or_insert_with(|| Keys::of(text, root));
        let first = keys.first(text, fault.span);
        // Where no key is, the parser makes an empty one up, and finds it again where the next one is missing.
        let is_written = |span: Span| !matches!(&text[span.start..span.end], "" | "=");
        if is_written(fault.span) && first.is_none_or(is_written) {
            diagnostics.push(duplicate_key(text, fault.span, first));
        }
    }
    let place = |diagnostic: &Diagnostic| diagnostic.labels.first().map(|label| label.span);
    diagnostics.sort_by_key(place);
    diagnostics.dedup_by(|a, b| a.code == b.code && place(a) == place(b));
    diagnostics.truncate(MOST);
    without_consequences(text, diagnostics)
}

/// What an open string takes with it: the rest of its line, after three quotes the rest of the file.
struct Unreadable<'a> {
    lines: Lines<'a>,
    of_strings: HashSet<usize>,
    from: usize,
}

impl<'a> Unreadable<'a> {
    fn new(text: &'a str, scan: &Scan) -> Self {
        let lines = Lines::new(text);
        let of_strings = scan.strings.iter().map(|string| lines.line_of(string.open)).collect();
        let swallows = scan.strings.iter().find(|string| string.close.len() == 3);
        Self { lines, of_strings, from: swallows.map_or(usize::MAX, |string| string.open) }
    }

    fn contains(&self, at: usize) -> bool {
        at >= self.from || self.of_strings.contains(&self.lines.line_of(at))
    }

    /// The remarks that can be relied on, in the order of the file, a bounded number of them.
    fn readable(&self, text: &str, mut found: Vec<Fault>) -> Vec<Fault> {
        for fault in &mut found {
            fault.span.start = text.floor_char_boundary(fault.span.start.min(text.len()));
            fault.span.end = text.ceil_char_boundary(fault.span.end.clamp(fault.span.start, text.len()));
        }
        found.sort_by_key(|fault| fault.span);
        let mut line = (usize::MAX, 0);
        found.retain(|fault| {
            let at = self.lines.line_of(fault.span.start);
            line = if line.0 == at { (at, line.1 + 1) } else { (at, 0) };
            line.1 < MOST_OF_A_LINE && !self.contains(fault.span.start)
        });
        found.truncate(MOST);
        found
    }
}

/// After one of these the rest of a line is guesswork.
const STOPPING: &[&str] = &[
    "bunsui::syntax::unexpected_text",
    "bunsui::syntax::invalid_key",
    "bunsui::syntax::invalid_character",
    "bunsui::syntax::missing_value",
];

fn without_consequences(text: &str, diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut stopped_line = None;
    let mut kept = Vec::with_capacity(diagnostics.len());
    for diagnostic in diagnostics {
        let span = diagnostic.labels.first().map_or_else(Span::default, |label| label.span);
        let line = line_start(text, span.start);
        if stopped_line == Some(line) {
            continue;
        }
        let is_run_together =
            diagnostic.code.ends_with("unquoted_value") && text[span.start..span.end].contains(' ');
        if is_run_together || STOPPING.contains(&diagnostic.code) {
            stopped_line = Some(line);
        }
        kept.push(diagnostic);
    }
    kept
}

pub(super) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

fn unclosed_string(text: &str, string: &Unclosed) -> Diagnostic {
    let help = match string.close.len() {
        1 => format!(
            "end it with `{}` on the same line; text of several lines stands between `\"\"\"`",
            string.close
        ),
        _ => format!("end it with `{}`", string.close),
    };
    let end = text[string.open..string.end].find('\n').map_or(string.end, |newline| string.open + newline);
    Diagnostic::error("bunsui::syntax::unclosed_string", "this string is not closed")
        .label(Span { start: string.open, end }, format!("a closing `{}` is missing", string.close))
        .help(help)
}

fn unclosed_bracket(text: &str, bracket: &Unclosed) -> Diagnostic {
    let (open, what) = if bracket.close == "]" { ("[", "list") } else { ("{", "table") };
    let next = bracket.end + text[bracket.end..].len() - text[bracket.end..].trim_start().len();
    let mut diagnostic =
        Diagnostic::error("bunsui::syntax::unclosed_bracket", format!("this {what} is not closed")).label(
            Span { start: bracket.open, end: bracket.open + 1 },
            format!("`{open}` without `{}`", bracket.close),
        );
    if next < text.len() {
        diagnostic = diagnostic.label(token(text, next), "the next one begins here");
    }
    diagnostic.help(format!("end the {what} with `{}`", bracket.close))
}

fn unclosed_header(text: &str, at: usize) -> Diagnostic {
    let line = header_line(text, at);
    let close = if text[line.start..].starts_with("[[") { "]]" } else { "]" };
    Diagnostic::error("bunsui::syntax::unclosed_bracket", "this header is not closed")
        .label(line, format!("a closing `{close}` is missing"))
        .help(format!("end the header with `{close}`"))
}

/// The word or sign at a place, for labels that would otherwise be empty.
fn token(text: &str, at: usize) -> Span {
    let is_word = |c: char| {
        c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '+' | ':' | '(' | ')' | '/' | '*' | '$')
    };
    let rest = &text[at..];
    let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
    let sign = rest.chars().next().filter(|c| !c.is_whitespace()).map_or(0, char::len_utf8);
    Span { start: at, end: at + word.max(sign) }
}

/// Words of the parser's remarks about numbers.
const NUMBER: &[&str] = &[
    "number",
    "leading zero",
    "radix",
    "`_` may only",
    "sign",
    "integer",
    "float",
    "mantissa",
    "fraction",
    "exponent",
];

/// From the backslash before a place to the end of the word.
fn escape(text: &str, at: usize) -> Span {
    let start = text[..at].rfind('\\').filter(|start| *start >= line_start(text, at)).unwrap_or(at);
    let length = text[start..]
        .char_indices()
        .skip(1)
        .find(|(_, c)| !c.is_ascii_alphanumeric())
        .map_or(1, |(at, _)| at);
    Span { start, end: (start + length.min(10)).max(text.ceil_char_boundary(at)) }
}

fn explain(text: &str, message: &str, span: Span) -> Diagnostic {
    let (start, end) = (span.start, span.end);
    let span = if start == end { token(text, start) } else { Span { start, end } };
    let found = &text[span.start..span.end];
    let (said, wanted) = message.split_once(", expected ").unwrap_or((message, ""));
    let wanted = wanted.replace('\n', " ");
    let said = said.replace('\n', " ");
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));

    let is_word = found.starts_with(|c: char| c.is_alphabetic());
    if says(&["cannot extend"]) {
        return Diagnostic::error(
            "bunsui::syntax::not_a_table",
            format!("`{found}` is no table that can be extended"),
        )
        .label(span, "already has a value, or is complete between its braces")
        .help("set everything of the table in one place");
    }
    if says(&["missing value", "with no value"]) {
        return missing_value(text, start);
    }
    if says(&["must be quoted", "invalid literal string"]) && start == end {
        // The parser made a value up where none is: what stands there instead is labelled.
        return missing_value(text, start);
    }
    if says(&["must be quoted", "invalid boolean"]) || (says(&["invalid float"]) && is_word) {
        return unquoted_value(found, span);
    }
    if says(&["escape", "unicode"]) || wanted.contains("unicode") {
        return Diagnostic::error("bunsui::syntax::invalid_escape", "this escape is not known")
            .label(escape(text, start), "not an escape")
            .help("write `\\\\` for a backslash, or put the text between single quotes, where nothing is escaped");
    }
    if says(&["out of range"]) {
        return Diagnostic::error(
            "bunsui::syntax::number_out_of_range",
            format!("`{}` does not fit", shorten(found)),
        )
        .label(span, "too large a number")
        .help("integers have 64 bits and numbers are doubles; write a longer one as a string");
    }
    if says(&["recursion", "recurse"]) {
        return super::parse::too_deep(span);
    }
    if says(&["invalid date", "invalid time", "invalid offset"]) {
        let label = if wanted.is_empty() { said } else { format!("expected {wanted}") };
        return Diagnostic::error("bunsui::syntax::invalid_date", format!("`{}` is no date", shorten(found)))
            .label(span, label)
            .help("dates are written `2026-11-22`, times `07:32:00`, both together `2026-11-22T07:32:00Z`");
    }
    if says(NUMBER) {
        return invalid_number(text, &said, span);
    }
    if says(&["string"]) && !wanted.contains("character") {
        return Diagnostic::error("bunsui::syntax::unclosed_string", "this string is not closed")
            .label(span, format!("expected {wanted}"))
            .help("end it with the quotes that it begins with");
    }
    if says(&["carriage return", "comment character", "string"]) {
        return Diagnostic::error(
            "bunsui::syntax::invalid_character",
            "a control character may not stand here",
        )
        .label(span, "not printable")
        .help("remove it, or in a string of double quotes write it as an escape such as `\\u0000`");
    }
    if says(&["unclosed table", "unclosed array table"]) {
        return unclosed_header(text, span.start);
    }
    if says(&["key"]) && !says(&["unexpected key or value", "key-value pairs"]) {
        return Diagnostic::error("bunsui::syntax::invalid_key", format!("`{}` is no key", shorten(found)))
            .label(span, "a key is expected here")
            .help("keys are letters, digits, `_` and `-`; any other text needs double quotes");
    }
    unexpected(text, &wanted, span)
}

fn unquoted_value(found: &str, span: Span) -> Diagnostic {
    let help = match found.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => "the boolean is written `true`".to_owned(),
        "false" | "no" | "off" => "the boolean is written `false`".to_owned(),
        "null" | "none" | "nil" => "TOML has no null: leave the key out".to_owned(),
        _ if found.contains(' ') => {
            format!(
                "write `\"{}\"`; several values are separated by `,` or stand on lines of their own",
                shorten(found)
            )
        }
        _ => format!("write `\"{}\"`", shorten(found)),
    };
    Diagnostic::error("bunsui::syntax::unquoted_value", format!("`{}` is not quoted", shorten(found)))
        .label(span, "a string needs quotes")
        .help(help)
}

fn invalid_number(text: &str, said: &str, span: Span) -> Diagnostic {
    // The parser points inside the literal; a reader wants all of it.
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '+' | '-');
    let start = text[..span.start].rfind(|c| !is_part(c)).map_or(0, |at| text.ceil_char_boundary(at + 1));
    let whole = Span { start, end: token(text, start).end.max(span.end) };
    let number = shorten(&text[whole.start..whole.end]);
    let why = match said {
        "unexpected leading zero" => "it begins with a zero",
        "`_` may only go between digits" => "`_` may stand only between digits",
        "redundant numeric sign" => "it has a sign too many",
        "integers with a radix cannot be signed" => "a number with a base has no sign",
        "radix must be lowercase" => "its base is written in lower case: `0x`, `0o`, `0b`",
        _ => "not a number",
    };
    Diagnostic::error("bunsui::syntax::invalid_number", format!("`{number}` is no number"))
        .label(whole, why)
        .help(format!("if it is meant as text, write `\"{number}\"`"))
}

fn missing_value(text: &str, at: usize) -> Diagnostic {
    let start = line_start(text, at);
    let line = text[start..].lines().next().unwrap_or_default();
    let is_inline = text[start..at].contains(['{', '[']);
    let key = line.split(['=', '#']).next().unwrap_or_default().trim();
    if is_inline || key.is_empty() {
        let before = text[..at].trim_end().len();
        return Diagnostic::error("bunsui::syntax::missing_value", "a key has no value")
            .label(
                Span { start: text.floor_char_boundary(before.saturating_sub(1)), end: before },
                "a value is missing after this",
            )
            .help("write `key = value`");
    }
    let from = start + line.len() - line.trim_start().len();
    if key.contains([' ', '\t']) && !key.contains([':', '"', '\'']) && line.contains('=') {
        return Diagnostic::error("bunsui::syntax::invalid_key", format!("`{}` is no key", shorten(key)))
            .label(Span { start: from, end: from + key.len() }, "a key holds no blanks")
            .help("keys are letters, digits, `_` and `-`; any other text needs double quotes");
    }
    // As other languages have it.
    let (key, value) = match key.split_once(':') {
        Some((name, value)) if !name.is_empty() && !name.contains(' ') => (name, value.trim()),
        _ => (key, ""),
    };
    if !value.is_empty() {
        return Diagnostic::error(
            "bunsui::syntax::missing_value",
            format!("`{}` has no value", shorten(key)),
        )
        .label(Span { start: from, end: from + key.len() }, "a value comes after `=`")
        .help(format!("write `{} = {}`", shorten(key), shorten(value)));
    }
    Diagnostic::error("bunsui::syntax::missing_value", format!("`{}` has no value", shorten(key)))
        .label(Span { start: from, end: from + key.len() }, "a value is missing")
        .help(format!("write `{} = …`", shorten(key)))
}

fn header_line(text: &str, at: usize) -> Span {
    let start = line_start(text, at);
    let line = text[start..].lines().next().unwrap_or_default();
    let line = line.split('#').next().unwrap_or_default();
    let from = start + line.len() - line.trim_start().len();
    Span { start: from, end: (start + line.trim_end().len()).max(from) }
}

fn unexpected(text: &str, wanted: &str, span: Span) -> Diagnostic {
    let found = shorten(&text[span.start..span.end]);
    let message = match found.trim() {
        "" => "the text ends too early".to_owned(),
        _ => format!("`{found}` is unexpected here"),
    };
    let help = match wanted {
        "" | "nothing" => "remove it".to_owned(),
        wanted if wanted.contains("newline") => "each `key = value` stands on a line of its own".to_owned(),
        "value" => "a value is expected here".to_owned(),
        "key" => "a key is expected here".to_owned(),
        wanted => format!("{wanted} is expected here"),
    };
    Diagnostic::error("bunsui::syntax::unexpected_text", message).label(span, "not expected").help(help)
}

/// Enough of a text to know it again.
fn shorten(text: &str) -> String {
    let text = text.lines().next().unwrap_or_default();
    match text.char_indices().nth(40) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
