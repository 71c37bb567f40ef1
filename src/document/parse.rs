//! Text to [`Document`], by `toml`'s recoverable parser.

use super::bounded::{LARGEST, is_too_large};
use super::builder::build;
use super::scan::{DEEPEST, Scan, scan, scan_beginning};
use super::syntax::{Fault, MOST, faults};
use super::{Document, Entries, Entry, Table, Value, ValueKind};
use crate::diagnostic::{Diagnostic, Sink, Source, Span};
use std::cmp::Reverse;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeFloat, DeInteger, DeTable, DeValue};

/// How much of a large text with mistakes is read at first, in bytes.
const BEGINNINGS: [usize; 3] = [128 * 1024, 1024 * 1024, 4 * 1024 * 1024];
/// Of a text of more bytes a beginning is read before it is taken for one without mistakes.
const LARGE: usize = 4 * 1024 * 1024;
/// Where the parser had so much to say of a beginning, nobody reads what it has to say of the rest.
const ENOUGH: usize = 20 * MOST;

/// Bytes of a file to their text and, where nothing is wrong with it, a document.
pub fn read(name: &str, bytes: Vec<u8>, sink: &mut Sink) -> (Arc<Source>, Option<Document>) {
    let before = sink.errors();
    let source = decode(name, bytes, sink);
    let document = if sink.errors() > before { None } else { parse(&source, sink) };
    (source, document)
}

/// Bytes of a file to text; what is not UTF-8 is reported (the source then holds the text made readable).
///
/// A text that is too large may have been cut off within a character; [`parse`] refuses it.
pub fn decode(name: &str, bytes: Vec<u8>, sink: &mut Sink) -> Arc<Source> {
    if is_too_large(&bytes) {
        return Source::new(name, String::from_utf8_lossy(&bytes));
    }
    let error = match String::from_utf8(bytes) {
        Ok(text) => return Source::new(name, text),
        Err(error) => error,
    };
    let at = error.utf8_error().valid_up_to();
    let byte = error.as_bytes()[at];
    let help = match error.as_bytes() {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "the file is UTF-16; save it as UTF-8",
        _ => "save the file as UTF-8",
    };
    let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
    let span = Span { start: at, end: at + char::REPLACEMENT_CHARACTER.len_utf8() };
    sink.report(
        Diagnostic::error("bunsui::syntax::not_utf8", format!("byte {byte:#04x} is not UTF-8"))
            .label(span, "not a character")
            .help(help),
    );
    Source::new(name, text)
}

/// Parses a text; reports every syntax error and gives a document only if there was none.
pub fn parse(source: &Arc<Source>, sink: &mut Sink) -> Option<Document> {
    let before = sink.errors();
    if is_too_large(source.text.as_bytes()) {
        sink.report(too_large());
        return None;
    }
    // Where mistakes are many, a beginning has all of them that are kept.
    let [first, ..] = BEGINNINGS;
    if source.text.len() > LARGE && is_full_of_mistakes(&source.text, first, sink) {
        return None;
    }
    if let Some(root) = build(&source.text) {
        return Some(Document { source: Arc::clone(source), root });
    }
    let mut beginnings = BEGINNINGS.into_iter().filter(|least| *least < source.text.len() / 2);
    if beginnings.any(|least| is_full_of_mistakes(&source.text, least, sink)) {
        return None;
    }
    let scan = scan(&source.text);
    if let Some(at) = scan.too_deep {
        sink.report(too_deep(Span { start: at, end: at + 1 }));
        return None;
    }
    let root = parse_text(&source.text, &scan, sink);
    (sink.errors() == before).then(|| Document { source: Arc::clone(source), root })
}

/// Whether the beginning of a text has as many mistakes as are kept, which are then reported.
fn is_full_of_mistakes(text: &str, least: usize, sink: &mut Sink) -> bool {
    let (scan, cut) = scan_beginning(text, least);
    if scan.too_deep.is_some() || cut == text.len() {
        return false;
    }
    let (_, found, said) = read_text(&text[..cut], &scan);
    let is_full = found.len() >= MOST || said >= ENOUGH;
    if is_full {
        found.into_iter().for_each(|diagnostic| sink.report(diagnostic));
    }
    is_full
}

/// Where brackets and headers are not closed, they are closed in a copy, and stray lines are comments there: what follows them is then read as it was meant.
pub(super) fn parse_text(text: &str, scan: &Scan, sink: &mut Sink) -> Table {
    let (table, found, _) = read_text(text, scan);
    found.into_iter().for_each(|diagnostic| sink.report(diagnostic));
    table
}

/// The tables, what is found, and how much the parser had to say.
fn read_text(text: &str, scan: &Scan) -> (Table, Vec<Diagnostic>, usize) {
    let repair = Repair::new(text, scan);
    let (root, errors) = DeTable::parse_recoverable(&repair.text);
    let mut reader = Reader { repair: &repair, faults: Vec::new() };
    let table = reader.table(root.get_ref(), Span { start: 0, end: text.len() });
    let said = errors.into_iter().map(|error| Fault {
        message: error.message().to_owned(),
        span: error.span().map_or_else(Span::default, |span| repair.original(span.into())),
    });
    let found: Vec<Fault> = said.chain(reader.faults).collect();
    let said = found.len();
    let found = faults(text, scan, found, &table);
    (table, found, said)
}

/// A text whose open brackets are closed, and the way back to the places of the original.
struct Repair {
    text: String,
    insertions: Vec<Insertion>,
}

/// What was put into the repaired text.
struct Insertion {
    start: usize,
    end: usize,
    /// Bytes put in up to and including this one.
    total: usize,
}

impl Repair {
    fn new(text: &str, scan: &Scan) -> Self {
        // On a line of its own, lest a comment hide it; a header ends on its line, in front of a comment.
        let brackets = scan.brackets.iter().chain(&scan.open).map(|unclosed| (unclosed, "\n"));
        let headers = scan.headers.iter().map(|unclosed| (unclosed, ""));
        let closings = brackets
            .chain(headers)
            .map(|(unclosed, before)| (unclosed.end, Reverse(unclosed.open), before, unclosed.close));
        let comments = scan.lines.iter().map(|line| (line.at, Reverse(line.at), "", "#"));
        // Innermost first: two brackets that end at one place are closed in the opposite order of opening.
        let mut closings: Vec<_> = closings.chain(comments).collect();
        closings.sort_unstable();
        let mut repaired = String::with_capacity(text.len() + 2 * closings.len());
        let mut insertions: Vec<Insertion> = Vec::with_capacity(closings.len());
        let mut copied = 0;
        for (end, _, before, close) in closings {
            repaired.push_str(&text[copied..end]);
            copied = end;
            let start = repaired.len();
            repaired.push_str(before);
            repaired.push_str(close);
            insertions.push(Insertion { start, end: repaired.len(), total: repaired.len() - copied });
        }
        repaired.push_str(&text[copied..]);
        Self { text: repaired, insertions }
    }

    fn original(&self, span: Span) -> Span {
        Span { start: self.original_byte(span.start), end: self.original_byte(span.end) }
    }

    fn original_byte(&self, byte: usize) -> usize {
        let before = self.insertions.partition_point(|insertion| insertion.start < byte);
        match before.checked_sub(1).map(|last| &self.insertions[last]) {
            None => byte,
            // Inside what was put in: the place where that was done.
            Some(insertion) => byte.max(insertion.end) - insertion.total,
        }
    }
}

/// Turns the parser's tables into ours; numbers that do not fit are found here.
struct Reader<'a> {
    repair: &'a Repair,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    fn table(&mut self, table: &DeTable<'_>, span: Span) -> Table {
        let mut entries = Entries::with_capacity(table.len());
        for (key, value) in table {
            let entry = Entry { key_span: self.span(key.span()), value: self.value(value) };
            entries.insert_new(key.get_ref().to_string(), entry);
        }
        Table { span, entries }
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>) -> Value {
        let span = self.span(value.span());
        let kind = match value.get_ref() {
            DeValue::String(text) => ValueKind::String(text.to_string()),
            DeValue::Integer(integer) => ValueKind::Integer(self.integer(integer, span)),
            DeValue::Float(float) => ValueKind::Float(self.float(float, span)),
            DeValue::Boolean(boolean) => ValueKind::Boolean(*boolean),
            DeValue::Datetime(datetime) => ValueKind::Datetime(datetime.to_string()),
            DeValue::Array(items) => ValueKind::Array(items.iter().map(|item| self.value(item)).collect()),
            DeValue::Table(table) => ValueKind::Table(self.table(table, span)),
        };
        Value { span, kind }
    }

    fn span(&self, range: std::ops::Range<usize>) -> Span {
        self.repair.original(range.into())
    }

    fn integer(&mut self, integer: &DeInteger<'_>, span: Span) -> i64 {
        i64::from_str_radix(integer.as_str(), integer.radix()).unwrap_or_else(|error| {
            use std::num::IntErrorKind::{Empty, NegOverflow, PosOverflow};
            let message = match error.kind() {
                PosOverflow | NegOverflow => "integer out of range",
                Empty => "invalid number",
                // Anything else the parser has reported.
                _ => return 0,
            };
            self.faults.push(Fault { message: message.to_owned(), span });
            0
        })
    }

    fn float(&mut self, float: &DeFloat<'_>, span: Span) -> f64 {
        let value: f64 = float.as_str().parse().unwrap_or(0.0);
        if value.is_infinite() && !float.as_str().contains("inf") {
            self.faults.push(Fault { message: "number out of range".to_owned(), span });
        }
        value
    }
}

fn too_large() -> Diagnostic {
    let message = format!("the file has more than {LARGEST} bytes, and no more are read");
    Diagnostic::error("bunsui::syntax::too_large", message)
        .help("keep data out of it: put it into a file or an object that an operation reads")
}

pub(super) fn too_deep(span: Span) -> Diagnostic {
    Diagnostic::error("bunsui::syntax::too_deep", format!("values are nested more than {DEEPEST} deep"))
        .label(span, "one level too many")
        .help("bring the data into a flatter form, or put it into a file that an operation reads")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn document(text: &str) -> Document {
        let mut sink = Sink::new();
        let source = decode("test.toml", text.as_bytes().to_vec(), &mut sink);
        let document = parse(&source, &mut sink);
        assert_eq!(sink.into_sorted(), []);
        document.expect("no error, so a document")
    }

    /// Every value with its key's text and its own, in order.
    fn places(text: &str, table: &Table, found: &mut Vec<String>) {
        for entry in table.entries.values() {
            let cut = |span: Span| &text[span.start..span.end];
            found.push(format!("{} = {}", cut(entry.key_span), cut(entry.value.span)));
            if let ValueKind::Table(table) = &entry.value.kind {
                places(text, table, found);
            }
        }
    }

    #[test]
    fn keys_and_values_know_their_places() {
        let text = "\u{feff}[a.b]\nc.d = [1, 2]\r\n\"é\" = { x = 'y' }\n[[t]]\nz = 1\n";
        let mut found = Vec::new();
        places(text, &document(text).root, &mut found);
        let expected =
            ["a = a", "b = [a.b]", "c = c", "d = [1, 2]", "\"é\" = { x = 'y' }", "x = 'y'", "t = [[t]]"];
        assert_eq!(found, expected);
    }

    #[test]
    fn an_item_of_a_list_may_look_like_a_key_with_a_value() {
        let document = document("command = [\n  \"--jobs=2\",\n  \"a = b\",\n]\n");
        let kind = document.root.value("command").map(|value| &value.kind);
        assert!(matches!(kind, Some(ValueKind::Array(items)) if items.len() == 2), "{kind:?}");
    }

    #[test]
    fn values_are_decoded() {
        let document =
            document("a = 0x1f\nb = 1_000.5\nc = 1979-05-27T07:32:00Z\nd = \"\\u00e9\"\ne = -inf\n");
        let kinds: Vec<String> =
            document.root.entries.values().map(|entry| format!("{:?}", entry.value.kind)).collect();
        let expected = [
            "Integer(31)",
            "Float(1000.5)",
            "Datetime(\"1979-05-27T07:32:00Z\")",
            "String(\"é\")",
            "Float(-inf)",
        ];
        assert_eq!(kinds, expected);
    }

    #[test]
    fn places_behind_closed_brackets_are_those_of_the_original() {
        let text = "a = { b = [1\n[c]\nd = [2\n[e]\n";
        let repair = Repair::new(text, &scan(text));
        for (at, _) in text.match_indices(['c', 'd', 'e']) {
            let letter = &text[at..=at];
            let repaired = repair.text.find(letter).expect("each letter is there once");
            assert_eq!(repair.original_byte(repaired), at, "{letter}");
        }
        assert_eq!(repair.original_byte(repair.text.len()), text.len());
    }
}
