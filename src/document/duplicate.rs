//! A key that is set twice: where was it set first?
//!
//! Takes: the text, the tables that the parser made of it and the place of the second key. Gives: the place of the first.
//! Deliberately does not: find duplicates; the parser does.

use super::syntax::line_start;
use super::{Table, Value, ValueKind};
use crate::diagnostic::{Diagnostic, Span};
use std::collections::HashMap;

/// The finding for a key that is there twice.
pub(super) fn duplicate_key(text: &str, span: Span, first: Option<Span>) -> Diagnostic {
    let name = text[span.start..span.end].trim_matches(['"', '\'']);
    let diagnostic = Diagnostic::error("bunsui::syntax::duplicate_key", format!("`{name}` is set twice"))
        .label(span, "set again here");
    match first {
        Some(first) => diagnostic.label(first, "first set here"),
        None => diagnostic,
    }
    .help("keep one of the two")
}

/// Every key of the parsed tables by name: the first of two that are the same is among them.
pub(super) struct Keys {
    by_name: HashMap<String, Vec<(Span, Option<Span>)>>,
    headers: Vec<usize>,
}

impl Keys {
    pub(super) fn of(text: &str, root: &Table) -> Self {
        let mut keys = Self { by_name: HashMap::new(), headers: Vec::new() };
        keys.collect(text, root, None);
        keys.headers.sort_unstable();
        keys.headers.dedup();
        keys
    }

    /// `braces` is the inline table around the keys.
    fn collect(&mut self, text: &str, table: &Table, braces: Option<Span>) {
        for (name, entry) in &table.entries {
            self.by_name.entry(name.clone()).or_default().push((entry.key_span, braces));
            self.collect_value(text, &entry.value, braces);
        }
    }

    fn collect_value(&mut self, text: &str, value: &Value, braces: Option<Span>) {
        let first = text.as_bytes().get(value.span.start);
        match &value.kind {
            ValueKind::Table(table) if first == Some(&b'{') => self.collect(text, table, Some(value.span)),
            ValueKind::Table(table) => {
                if first == Some(&b'[') {
                    self.headers.push(value.span.start);
                }
                self.collect(text, table, braces);
            }
            ValueKind::Array(items) => items.iter().for_each(|item| self.collect_value(text, item, braces)),
            _ => {}
        }
    }

    /// The earlier key with the same path in the same section and braces, or the earlier header of the same path.
    pub(super) fn first(&self, text: &str, span: Span) -> Option<Span> {
        let name = text[span.start..span.end].trim_matches(['"', '\'']);
        let path = key_path(text, span);
        let section = |at: usize| self.headers.partition_point(|header| *header < at);
        let candidates =
            || self.by_name.get(name).into_iter().flatten().filter(|(key, _)| key.start < span.start);
        if path.starts_with('[') {
            // The parser keeps the later of two headers.
            return first_header(text, span, &path).or_else(|| candidates().map(|(key, _)| *key).next());
        }
        candidates()
            .filter(|(key, _)| section(key.start) == section(span.start))
            .filter(|(key, _)| key_path(text, *key) == path)
            .filter(|(_, braces)| {
                braces.is_none_or(|braces| (braces.start..braces.end).contains(&span.start))
            })
            .map(|(key, _)| *key)
            .next_back()
    }
}

/// The first header with a path, before the one at `span`.
fn first_header(text: &str, span: Span, path: &str) -> Option<Span> {
    let mut at = 0;
    for line in text[..line_start(text, span.start)].split_inclusive('\n') {
        let trimmed = line.trim();
        if trimmed.starts_with('[') {
            let inner = trimmed.split('#').next().unwrap_or_default().trim_matches(['[', ']', ' ']);
            let normal: String =
                inner.chars().filter(|c| !c.is_whitespace() && *c != '"' && *c != '\'').collect();
            if normal == path[1..] {
                let start = at + line.find(inner)?;
                let last = inner.rfind('.').map_or(0, |dot| dot + 1);
                return Some(Span { start: start + last, end: start + inner.len() });
            }
        }
        at += line.len();
    }
    None
}

/// The dotted key up to and including `span`, without blanks and quotes; `[` first where it stands in a header.
fn key_path(text: &str, span: Span) -> String {
    let before = &text[line_start(text, span.start)..span.start];
    let from = before.rfind(['{', ',']).map_or(0, |at| at + 1);
    let path = before[from..].chars().chain(text[span.start..span.end].chars());
    let path: String = path.filter(|c| !c.is_whitespace() && *c != '"' && *c != '\'').collect();
    match path.trim_start_matches('[') {
        inner if inner.len() < path.len() => format!("[{inner}"),
        _ => path,
    }
}
