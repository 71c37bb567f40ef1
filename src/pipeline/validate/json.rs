//! Document values as JSON, as written.

use crate::diagnostic::{Diagnostic, Sink};
use crate::document::{Table, Value, ValueKind};
use serde_json::{Map, Value as Json};

/// The largest integer of 15 digits: every one up to it is exact as a double, which JSONata's numbers are.
const LARGEST: u64 = 999_999_999_999_999;

/// The value as JSON; nan and inf, which `parse_template` reports, become null.
pub(super) fn as_written(value: &Value) -> Json {
    match &value.kind {
        ValueKind::String(text) | ValueKind::Datetime(text) => Json::String(text.clone()),
        ValueKind::Integer(number) => Json::from(*number),
        ValueKind::Float(number) => Json::from(*number),
        ValueKind::Boolean(boolean) => Json::Bool(*boolean),
        ValueKind::Array(items) => items.iter().map(as_written).collect(),
        ValueKind::Table(table) => Json::Object(table_as_written(table)),
    }
}

pub(super) fn table_as_written(table: &Table) -> Map<String, Json> {
    table.entries.iter().map(|(key, entry)| (key.clone(), as_written(&entry.value))).collect()
}

/// A value in which no reference may stand; numbers that JSONata cannot hold are reported.
pub(super) fn literal(value: &Value, what: &str, sink: &mut Sink) -> Option<Json> {
    let before = sink.errors();
    check(value, what, sink);
    (sink.errors() == before).then(|| as_written(value))
}

fn check(value: &Value, what: &str, sink: &mut Sink) {
    let report = |message: String, label: &str, help: &str| {
        Diagnostic::error("bunsui::pipeline::number_not_exact", message).label(value.span, label).help(help)
    };
    match &value.kind {
        ValueKind::Integer(number) if number.unsigned_abs() > LARGEST => sink.report(report(
            format!("`{number}` has more than 15 digits and would not stay exact"),
            "more than 15 digits",
            "put it in quotes: a string keeps every digit",
        )),
        ValueKind::Float(number) if !number.is_finite() => sink.report(report(
            format!("`{number}` is no number in JSON"),
            "cannot be passed on",
            "leave it out, or put it in quotes where a text is meant",
        )),
        ValueKind::String(text) if text.contains("${") => sink.report(
            Diagnostic::error("bunsui::reference::not_here", format!("no reference may stand in {what}"))
                .label(value.span, "holds `${`")
                .help("references stand in an operation's keys, in `output` and in `when`"),
        ),
        ValueKind::Array(items) => items.iter().for_each(|item| check(item, what, sink)),
        ValueKind::Table(table) => table.entries.values().for_each(|entry| check(&entry.value, what, sink)),
        _ => {}
    }
}
