//! Any bytes as a pipeline file's syntax: `document::decode` and `document::parse`.
#![no_main]

use bunsui::diagnostic::{Diagnostic, Span};
use bunsui::document::{Table, Value, ValueKind, inner_span};
use bunsui_fuzz::{findings, pipeline, toml_reader};
use libfuzzer_sys::fuzz_target;

/// What TOML's grammar allows and bunsui refuses.
const BEYOND_TOML: [&str; 3] =
    ["bunsui::syntax::too_deep", "bunsui::syntax::number_out_of_range", "bunsui::syntax::invalid_number"];

fuzz_target!(|bytes: &[u8]| {
    let (source, found, document) = pipeline::read(bytes);
    let (_, again, _) = pipeline::read(bytes);
    assert_eq!(found, again, "the same findings each time");
    findings::check(&source, &found);
    let is_text = std::str::from_utf8(bytes).is_ok();
    match document {
        Some(document) => {
            assert!(findings::refuse(&found) != is_text, "a document, if and only if there is no error");
            assert!(toml_reader::agrees(&source.text, &document.root), "what TOML says it is");
            check_places(&source, &document.root);
        }
        None => {
            assert!(findings::refuse(&found), "no document and no reason");
            let is_beyond = |finding: &Diagnostic| BEYOND_TOML.contains(&finding.code);
            assert!(
                found.iter().any(is_beyond) || !toml_reader::is_toml(&source.text),
                "TOML is refused: {found:?}"
            );
        }
    }
});

fn check_places(source: &bunsui::diagnostic::Source, table: &Table) {
    let cut = |span: Span| source.text.get(span.start..span.end).expect("a place in the text");
    cut(table.span);
    for entry in table.entries.values() {
        cut(entry.key_span);
        check_value(source, &entry.value);
    }
}

fn check_value(source: &bunsui::diagnostic::Source, value: &Value) {
    let text = source.text.get(value.span.start..value.span.end).expect("a place in the text");
    match &value.kind {
        ValueKind::String(decoded) => check_inside(source, value.span, decoded),
        ValueKind::Array(items) => items.iter().for_each(|item| check_value(source, item)),
        ValueKind::Table(table) => check_places(source, table),
        ValueKind::Boolean(boolean) => assert_eq!(text, boolean.to_string()),
        ValueKind::Integer(_) | ValueKind::Float(_) | ValueKind::Datetime(_) => assert!(!text.is_empty()),
    }
}

/// Every character of a string stands within its literal, one behind the other.
fn check_inside(source: &bunsui::diagnostic::Source, literal: Span, decoded: &str) {
    let mut before = literal.start;
    for (at, character) in decoded.char_indices().take(64) {
        let place = inner_span(source, literal, at..at + character.len_utf8());
        assert!(
            before <= place.start && place.start < place.end && place.end <= literal.end,
            "{decoded:?} {at}"
        );
        assert!(source.text.get(place.start..place.end).is_some(), "{decoded:?} {at}");
        before = place.end;
    }
}
