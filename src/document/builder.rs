//! A text without mistakes to its tables, straight from the parser's events.
//!
//! Takes: a text. Gives: its root table, the same as [`super::parse`] makes of it, or none where anything is wrong or unusual.
//! A large text is read in parts, on several threads.
//! Deliberately does not: say what is wrong. That is for `toml`'s recoverable parser, which makes tables of its own on the
//! way, and takes several times as long.

use super::part::{self, Part};
use super::scan::DEEPEST;
use super::{Entry, Table, Value, ValueKind};
use crate::diagnostic::Span;
use std::panic::resume_unwind;
use toml::de::DeValue;
use toml_parser::decoder::{Encoding, ScalarKind};
use toml_parser::lexer::Token;
use toml_parser::parser::{EventReceiver, ValidateWhitespace, parse_document};
use toml_parser::{ErrorSink, ParseError, Raw, Source};

/// The root table of a text in which nothing is wrong.
pub(super) fn build(text: &str) -> Option<Table> {
    build_parts(text, &part::of(text))
}

fn build_parts(text: &str, parts: &[Part]) -> Option<Table> {
    let (own, others) = parts.split_first()?;
    let tables: Vec<Option<Table>> = std::thread::scope(|scope| {
        let others: Vec<_> = others.iter().map(|part| scope.spawn(|| build_part(text, part))).collect();
        let own = build_part(text, own);
        let joined =
            others.into_iter().map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        std::iter::once(own).chain(joined).collect()
    });
    let mut tables = tables.into_iter();
    let mut root = tables.next()??;
    for later in tables {
        merge(text, &mut root, later?)?;
    }
    root.span = Span { start: 0, end: text.len() };
    Some(root)
}

/// The tables of a part alone, as if nothing stood before it.
fn build_part(text: &str, part: &Part) -> Option<Table> {
    let mut builder = Builder { text, ..Builder::default() };
    let mut tokens: Vec<Token> = Vec::new();
    for piece in part {
        let source = Source::new(&text[piece.clone()]);
        tokens.clear();
        tokens.extend(source.lex());
        builder.offset = piece.start;
        let mut error: Option<ParseError> = None;
        parse_document(&tokens, &mut ValidateWhitespace::new(&mut builder, source), &mut error);
        if error.is_some() || !builder.open.is_empty() || builder.is_refused {
            return None;
        }
    }
    builder.finish_section()?;
    Some(builder.root)
}

/// Makes tables of what the parser says.
#[derive(Default)]
struct Builder<'t> {
    text: &'t str,
    /// Where the piece begins that the parser reads.
    offset: usize,
    root: Table,
    /// What stands below the last header, or above the first.
    section: OpenTable,
    header: Option<Header>,
    /// Lists and inline tables around the place that is read.
    open: Vec<Open>,
    /// The key that is read.
    key: DottedKey,
    is_refused: bool,
}

/// `[a.b]`, `[[a.b]]`
struct Header {
    key: DottedKey,
    span: Span,
    is_list: bool,
}

/// `a.b.c`
#[derive(Default)]
struct DottedKey {
    parents: Vec<Key>,
    last: Option<Key>,
}

struct Key {
    name: String,
    span: Span,
}

struct Open {
    start: usize,
    /// Nesting up to and including this one, dotted keys counted.
    depth: usize,
    content: Content,
}

enum Content {
    List(Vec<Value>),
    Table(OpenTable),
}

/// A table, and the key whose value comes next.
#[derive(Default)]
struct OpenTable {
    table: Table,
    key: DottedKey,
}

impl OpenTable {
    fn put(&mut self, text: &str, value: Value) -> Option<()> {
        let DottedKey { parents, last } = std::mem::take(&mut self.key);
        descend(text, &mut self.table, parents)?.put_new(last?, value)
    }
}

impl Table {
    fn put_new(&mut self, key: Key, value: Value) -> Option<()> {
        self.entries.insert_new(key.name, Entry { key_span: key.span, value }).then_some(())
    }
}

/// The table that dotted keys lead to; those on the way come into being.
fn descend<'a>(text: &str, table: &'a mut Table, keys: Vec<Key>) -> Option<&'a mut Table> {
    keys.into_iter().try_fold(table, |table, key| {
        let position = match table.entries.get_index_of(&key.name) {
            Some(position) => position,
            None => {
                let implied = Table { span: key.span, ..Table::default() };
                table.put_new(key, Value { span: implied.span, kind: ValueKind::Table(implied) })?;
                table.entries.len() - 1
            }
        };
        extensible(text, &mut table.entries.value_mut(position)?.value)
    })
}

/// The table that later keys and headers may add to: none that is complete between its braces; of `[[…]]` the last one.
fn extensible<'a>(text: &str, value: &'a mut Value) -> Option<&'a mut Table> {
    let is_list = is_list_of_headers(value);
    match &mut value.kind {
        ValueKind::Table(table) if !starts_with(text, table.span, b'{') => Some(table),
        ValueKind::Array(items) if is_list => match &mut items.last_mut()?.kind {
            ValueKind::Table(table) => Some(table),
            _ => None,
        },
        _ => None,
    }
}

fn starts_with(text: &str, span: Span, byte: u8) -> bool {
    text.as_bytes().get(span.start) == Some(&byte)
}

/// Whether a value is of `[[…]]`: the place of such a list is its first header.
fn is_list_of_headers(value: &Value) -> bool {
    match &value.kind {
        ValueKind::Array(items) => items.first().is_some_and(|first| first.span == value.span),
        _ => false,
    }
}

/// Adds what a later part says.
fn merge(text: &str, table: &mut Table, later: Table) -> Option<()> {
    for (name, entry) in later.entries {
        match table.entries.get_mut(&name) {
            Some(known) => merge_value(text, &mut known.value, entry.value)?,
            None => _ = table.entries.insert_new(name, entry),
        }
    }
    Some(())
}

fn merge_value(text: &str, value: &mut Value, later: Value) -> Option<()> {
    let are_lists = is_list_of_headers(value) && is_list_of_headers(&later);
    match (&mut value.kind, later.kind) {
        (ValueKind::Array(items), ValueKind::Array(more)) if are_lists => {
            items.extend(more);
            Some(())
        }
        // There it came into being on the way to another.
        (_, ValueKind::Table(later)) if !starts_with(text, later.span, b'[') => {
            merge(text, extensible(text, value)?, later)
        }
        _ => None,
    }
}

impl Builder<'_> {
    fn span(&self, span: toml_parser::Span) -> Span {
        Span { start: self.offset + span.start(), end: self.offset + span.end() }
    }

    fn raw(&self, span: toml_parser::Span, encoding: Option<Encoding>) -> Raw<'_> {
        let Span { start, end } = self.span(span);
        Raw::new_unchecked(&self.text[start..end], encoding, span)
    }

    fn refuse_unless(&mut self, done: Option<()>) {
        self.is_refused |= done.is_none();
    }

    fn begin_section(&mut self, span: toml_parser::Span, is_list: bool) {
        let done = self.finish_section();
        self.refuse_unless(done);
        self.header = Some(Header { key: DottedKey::default(), span: self.span(span), is_list });
    }

    fn end_header(&mut self, span: toml_parser::Span) {
        let end = self.span(span).end;
        if let Some(header) = &mut self.header {
            header.key = std::mem::take(&mut self.key);
            header.span.end = end;
            self.section.table.span = header.span;
        }
    }

    /// Puts the section's table where its header says.
    fn finish_section(&mut self) -> Option<()> {
        if self.is_refused {
            return None;
        }
        let OpenTable { table, .. } = std::mem::take(&mut self.section);
        let Some(Header { key, span, is_list }) = self.header.take() else {
            self.root = table;
            return Some(());
        };
        let parent = descend(self.text, &mut self.root, key.parents)?;
        let (key, value) = (key.last?, Value { span, kind: ValueKind::Table(table) });
        if !is_list {
            return parent.put_new(key, value);
        }
        let Some(known) = parent.entries.get_mut(&key.name) else {
            return parent.put_new(key, Value { span, kind: ValueKind::Array(vec![value]) });
        };
        let is_list = is_list_of_headers(&known.value);
        match &mut known.value.kind {
            ValueKind::Array(items) if is_list => items.push(value),
            _ => return None,
        }
        Some(())
    }

    /// Opens a list or table; whether it may be entered.
    fn open(&mut self, span: toml_parser::Span, content: Content) -> bool {
        let around = match self.open.last() {
            Some(Open { depth, content: Content::Table(table), .. }) => depth + table.key.parents.len(),
            Some(Open { depth, content: Content::List(_), .. }) => *depth,
            None => self.section.key.parents.len(),
        };
        self.open.push(Open { start: self.span(span).start, depth: around + 1, content });
        // What comes near the limit is left to who knows it exactly.
        self.is_refused |= around + 1 > DEEPEST / 2;
        !self.is_refused
    }

    fn close(&mut self, span: toml_parser::Span) {
        let Some(Open { start, content, .. }) = self.open.pop() else { return self.refuse_unless(None) };
        let span = Span { start, end: self.span(span).end };
        let kind = match content {
            Content::List(mut items) => {
                items.shrink_to_fit();
                ValueKind::Array(items)
            }
            Content::Table(OpenTable { table, .. }) => ValueKind::Table(Table { span, ..table }),
        };
        self.put(Value { span, kind });
    }

    /// Puts a value that was read into what is around it.
    fn put(&mut self, value: Value) {
        // A key that was refused for its depth shall not become tables: taking them apart is as deep.
        if self.is_refused {
            return;
        }
        let table = match self.open.last_mut().map(|open| &mut open.content) {
            Some(Content::List(items)) => return items.push(value),
            Some(Content::Table(table)) => table,
            None => &mut self.section,
        };
        let done = table.put(self.text, value);
        self.refuse_unless(done);
    }
}

fn scalar(raw: Raw<'_>, error: &mut dyn ErrorSink) -> Option<ValueKind> {
    let mut text = String::new();
    Some(match raw.decode_scalar(&mut text, error) {
        ScalarKind::String => ValueKind::String(text),
        ScalarKind::Boolean(boolean) => ValueKind::Boolean(boolean),
        ScalarKind::DateTime => ValueKind::Datetime(datetime(raw.as_str())?),
        ScalarKind::Float => ValueKind::Float(float(&text)?),
        ScalarKind::Integer(radix) => ValueKind::Integer(i64::from_str_radix(&text, radix.value()).ok()?),
    })
}

fn datetime(literal: &str) -> Option<String> {
    match DeValue::parse(literal).ok()?.into_inner() {
        DeValue::Datetime(datetime) => Some(datetime.to_string()),
        _ => None,
    }
}

fn float(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    (!number.is_infinite() || text.contains("inf")).then_some(number)
}

impl EventReceiver for Builder<'_> {
    fn std_table_open(&mut self, span: toml_parser::Span, _: &mut dyn ErrorSink) {
        self.begin_section(span, false);
    }

    fn std_table_close(&mut self, span: toml_parser::Span, _: &mut dyn ErrorSink) {
        self.end_header(span);
    }

    fn array_table_open(&mut self, span: toml_parser::Span, _: &mut dyn ErrorSink) {
        self.begin_section(span, true);
    }

    fn array_table_close(&mut self, span: toml_parser::Span, _: &mut dyn ErrorSink) {
        self.end_header(span);
    }

    fn inline_table_open(&mut self, span: toml_parser::Span, _: &mut dyn ErrorSink) -> bool {
        self.open(span, Content::Table(OpenTable::default()))
    }

    fn inline_table_close(&mut self, span: toml_parser::Span, _: &mut dyn ErrorSink) {
        self.close(span);
    }

    fn array_open(&mut self, span: toml_parser::Span, _: &mut dyn ErrorSink) -> bool {
        self.open(span, Content::List(Vec::new()))
    }

    fn array_close(&mut self, span: toml_parser::Span, _: &mut dyn ErrorSink) {
        self.close(span);
    }

    fn simple_key(&mut self, span: toml_parser::Span, encoding: Option<Encoding>, error: &mut dyn ErrorSink) {
        let mut name = String::new();
        self.raw(span, encoding).decode_key(&mut name, error);
        let key = Key { name, span: self.span(span) };
        if let Some(parent) = self.key.last.replace(key) {
            self.key.parents.push(parent);
            self.is_refused |= self.key.parents.len() > DEEPEST / 4;
        }
    }

    fn key_val_sep(&mut self, _: toml_parser::Span, _: &mut dyn ErrorSink) {
        let key = std::mem::take(&mut self.key);
        match self.open.last_mut().map(|open| &mut open.content) {
            Some(Content::Table(table)) => table.key = key,
            Some(Content::List(_)) => self.is_refused = true,
            None => self.section.key = key,
        }
    }

    fn scalar(&mut self, span: toml_parser::Span, encoding: Option<Encoding>, error: &mut dyn ErrorSink) {
        match scalar(self.raw(span, encoding), error) {
            Some(kind) => self.put(Value { span: self.span(span), kind }),
            None => self.is_refused = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse::parse_text;
    use super::super::scan::Scan;
    use super::*;
    use crate::diagnostic::Sink;
    use proptest::prelude::*;
    use std::path::Path;

    /// What `toml` makes of a text, if it finds nothing wrong.
    fn by_toml(text: &str) -> Option<Table> {
        let mut sink = Sink::new();
        let table = parse_text(text, &Scan::default(), &mut sink);
        (!sink.has_errors()).then_some(table)
    }

    /// Holds what is built, in one part and in several, to what `toml` makes of the text; whether it was built in one.
    #[track_caller]
    fn check(text: &str) -> bool {
        let expected = format!("{:?}", by_toml(text));
        let mut is_built = false;
        for (parts, piece) in [(1, usize::MAX), (1, 0), (2, 0), (3, 20)] {
            let built = build_parts(text, &part::cut(text, parts, piece));
            assert!(built.is_none() || format!("{built:?}") == expected, "{text}\n{built:?}\n{expected}");
            is_built |= piece == usize::MAX && built.is_some();
        }
        is_built
    }

    #[test]
    fn the_projects_own_files_are_built_if_nothing_is_wrong_with_them() {
        let mut built = 0;
        for folder in ["pipelines", "tests/cases", "tests/cases/plugins", "."] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
            for entry in folder.read_dir().unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_some_and(|extension| extension == "toml") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    built += usize::from(check(&text));
                }
            }
        }
        assert!(built > 5, "{built}");
    }

    #[test]
    fn everything_usual_is_built() {
        for text in [
            "",
            "a = 1\nb.c = 2\nb.d = 0x1f\n[t]\n[t.u]\n[t.u.v]\nx = -inf\n",
            "\u{feff}[[t]]\na = [ [1], { b = 1.5, c.d = true } ]\n[[t]]\n[t.u]\nv = '''\n[x]\n'''\n",
            "[a]\nb.c = 1\n[a.b.d]\n\"é\" = 2024-01-02 # [\n[[a.b.e]]\n",
            "x = [\n  '--a=b',\n  1, # ]\n]\r\n",
        ] {
            assert!(check(text), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_not_built() {
        for text in [
            "a = 1\na = 2\n",
            "[a]\n[a]\n",
            "[[a]]\n[a]\n",
            "a = [{}]\n[[a]]\n",
            "a = {}\na.b = 1\n",
            "a = {}\n[a.b]\n",
            "a.b = 1\na.b.c = 1\n",
            "a = { b = 1, b = 2 }\n",
            "a = { b = {}, b.c = 2 }\n",
            "a = \"x\n",
            "a = [1\n",
            "a = 99999999999999999999\n",
            "a = 1e999\n",
            "a = 2024-13-01\n",
            "a = \u{1}\n",
            "# \u{1}\n",
            "a\n",
        ] {
            assert!(!check(text), "{text}");
        }
    }

    #[test]
    fn nesting_near_the_limit_is_left_to_the_other_parser() {
        assert!(!check(&format!("x = {}{}", "[".repeat(60), "]".repeat(60))));
        for deep in ["x = [", "[a.", "a.", "x = {a=", "x = [{a.b="] {
            let (start, more) = deep.split_at(deep.len() - deep.trim_start_matches("x = ").len());
            assert!(build(&format!("{start}{}", more.repeat(100_000))).is_none());
        }
        assert!(build(&format!("[{}x]\n", "a.".repeat(100_000))).is_none());
        assert!(build(&format!("{}x = 1\n", "a.".repeat(100_000))).is_none());
        assert!(!check(&format!("{}a = 1", "a.".repeat(60))));
        assert!(!check(&format!("[{}a]", "a.".repeat(60))));
    }

    proptest! {
        #[test]
        fn texts_of_all_kinds_are_built_as_toml_reads_them(
            lines in proptest::collection::vec(
                prop_oneof![
                    "\\[[ab]\\]",
                    "\\[[ab](\\.[ab]){1,2}\\] ?(# [a\\[]?)?",
                    "\\[\\[[ab](\\.[ab]){0,2}\\]\\]",
                    "[a-d] = (1|-2\\.5|true|'x'|\"y\\\\n\"|2024-01-02T03:04:05Z)",
                    "[a-c]\\.[a-c](\\.[a-c])? = (\\{\\}|\\[\\]|0b11)",
                    "[a-d] = \\{ ?[ab] = 1, [ab]\\.[ab] = \\[\\[1\\], \\{[ab] = 2\\}\\] ?\\}",
                    "[a-d] = \\[\n?(\\[[ab]\\]|'[ab]=',|1,|\\{ [ab] = 1 \\},)\n?\\]",
                    "[a-d] = '''\n\\[[ab]\\]\n'''",
                    "[a-d=\\[\\]{}'\". ]{0,5}",
                ],
                0..10,
            )
        ) {
            check(&lines.join("\n"));
        }

        #[test]
        fn nothing_panics(text in "[a-c=\\[\\]{}'\".#\n1é ]{0,60}") {
            check(&text);
        }
    }
}
