//! Reading the host's own keys: each reader reports what is wrong with a key and gives its value if nothing is.

use crate::diagnostic::{Diagnostic, Sink, Span, nearest};
pub(super) use crate::diagnostic::{known_names, name_list as list};
use crate::document::{Table, Value, ValueKind};
use crate::pipeline::{Id, parse_duration};
use std::num::NonZeroU32;
use std::time::Duration;

/// The most that Step Functions takes as a count.
const MOST: u32 = 99_999_999;

/// Kept for later features: an error that says so, wherever they stand.
const RESERVED: &[&str] = &["for_each", "matrix", "schedule", "notify"];

pub(super) const PIPELINE_KEYS: &[&str] =
    &["name", "description", "timeout", "max_concurrency", "on_failure", "exclusive"];
pub(super) const JOB_KEYS: &[&str] =
    &["description", "depends_on", "run_if", "when", "allow_failure", "timeout", "output", "operations"];
pub(super) const OPERATION_KEYS: &[&str] = &["name", "type", "description", "timeout", "retry"];

/// A table of the file and how messages name it: `job `extract``.
#[derive(Clone, Copy)]
pub(super) struct Place<'a, 'd> {
    pub(super) table: &'d Table,
    pub(super) what: &'a str,
    /// What is labelled when a key is missing.
    pub(super) header: Span,
}

/// Reports every key that is not known.
pub(super) fn refuse_unknown(place: Place<'_, '_>, known: &[&str], sink: &mut Sink) {
    for (key, entry) in &place.table.entries {
        if !known.contains(&key.as_str()) {
            sink.report(unknown_key(key, entry.key_span, place.what, known));
        }
    }
}

/// The finding for one unknown key, whichever of the levels it stands in.
pub(super) fn unknown_key(key: &str, span: Span, what: &str, known: &[&str]) -> Diagnostic {
    if RESERVED.contains(&key) {
        return Diagnostic::error(
            "bunsui::pipeline::reserved_key",
            format!("`{key}` is reserved for a later version"),
        )
        .label(span, "not available yet")
        .help("remove it; a job key of this name will get a meaning in a later version");
    }
    let diagnostic =
        Diagnostic::error("bunsui::pipeline::unknown_key", format!("unknown key `{key}` in {what}"));
    let help = match (nearest(key, known.iter().copied()), home_of(key, known)) {
        (_, Some(home)) => format!("`{key}` belongs to {home}"),
        (Some(near), None) => format!("did you mean `{near}`?"),
        (None, None) if known.is_empty() => "it has no keys".to_owned(),
        (None, None) => format!("known keys: {}", list(known.iter().copied())),
    };
    diagnostic.label(span, "unknown key").help(help)
}

/// The level that has this very key, for a key that stands at the wrong one.
fn home_of(key: &str, known: &[&str]) -> Option<&'static str> {
    let levels: [(&[&str], &str); 4] = [
        (&["params", "defaults", "jobs"], "the top level of the file"),
        (&["depends_on", "run_if", "when", "allow_failure", "output", "operations"], "a job: `[jobs.<id>]`"),
        (&["max_concurrency", "on_failure", "exclusive"], "the pipeline: `[pipeline]`"),
        (&["retry"], "an operation, or to `[defaults]`"),
    ];
    let home = levels.iter().find(|(keys, _)| keys.contains(&key));
    home.filter(|_| !known.contains(&key)).map(|(_, home)| *home)
}

pub(super) fn missing_key(place: Place<'_, '_>, key: &str, help: impl Into<String>) -> Diagnostic {
    Diagnostic::error("bunsui::pipeline::missing_key", format!("{} has no `{key}`", place.what))
        .label(place.header, format!("`{key}` is missing"))
        .help(help)
}

pub(super) fn wrong_type(key: &str, value: &Value, wanted: &str) -> Diagnostic {
    let found = value.kind.description();
    Diagnostic::error("bunsui::pipeline::wrong_type", format!("`{key}` must be {wanted}, found {found}"))
        .label(value.span, found)
}

pub(super) fn table<'a>(key: &str, value: &'a Value, sink: &mut Sink) -> Option<&'a Table> {
    match &value.kind {
        ValueKind::Table(table) => Some(table),
        _ => {
            sink.report(wrong_type(key, value, "a table"));
            None
        }
    }
}

pub(super) fn string<'d>(place: Place<'_, 'd>, key: &str, sink: &mut Sink) -> Option<(&'d str, &'d Value)> {
    let value = place.table.value(key)?;
    match &value.kind {
        ValueKind::String(text) => Some((text, value)),
        _ => {
            let diagnostic = wrong_type(key, value, "a string");
            sink.report(match &value.kind {
                ValueKind::Integer(_)
                | ValueKind::Float(_)
                | ValueKind::Boolean(_)
                | ValueKind::Datetime(_) => diagnostic.help("put it between double quotes"),
                _ => diagnostic,
            });
            None
        }
    }
}

pub(super) fn text(place: Place<'_, '_>, key: &str, sink: &mut Sink) -> Option<String> {
    string(place, key, sink).map(|(text, _)| text.to_owned())
}

pub(super) fn boolean(place: Place<'_, '_>, key: &str, sink: &mut Sink) -> Option<bool> {
    let value = place.table.value(key)?;
    match &value.kind {
        ValueKind::Boolean(boolean) => Some(*boolean),
        _ => {
            let diagnostic = wrong_type(key, value, "a boolean");
            sink.report(match &value.kind {
                ValueKind::String(text) if matches!(text.as_str(), "true" | "false") => {
                    diagnostic.help(format!("write `{text}` without quotes"))
                }
                _ => diagnostic.help("write `true` or `false`"),
            });
            None
        }
    }
}

pub(super) fn duration(place: Place<'_, '_>, key: &str, sink: &mut Sink) -> Option<Duration> {
    const HELP: &str = "durations are whole seconds, written `\"90s\"`, `\"15m\"`, `\"1h30m\"` or `\"1d\"`";
    let value = place.table.value(key)?;
    let ValueKind::String(text) = &value.kind else {
        let help = match &value.kind {
            ValueKind::Integer(number) if *number > 0 => format!("write `\"{number}s\"` for seconds"),
            _ => HELP.to_owned(),
        };
        sink.report(wrong_type(key, value, "a duration").help(help));
        return None;
    };
    match parse_duration(text) {
        Ok(duration) => Some(duration),
        Err(fault) => {
            sink.report(
                Diagnostic::error("bunsui::pipeline::invalid_duration", fault)
                    .label(value.span, format!("`{key}` is a duration"))
                    .help(HELP),
            );
            None
        }
    }
}

/// A whole number of at least 1.
pub(super) fn count(place: Place<'_, '_>, key: &str, sink: &mut Sink) -> Option<NonZeroU32> {
    let value = place.table.value(key)?;
    let ValueKind::Integer(number) = value.kind else {
        sink.report(wrong_type(key, value, "an integer"));
        return None;
    };
    let count = u32::try_from(number).ok().and_then(NonZeroU32::new).filter(|count| count.get() <= MOST);
    if count.is_none() {
        sink.report(out_of_range(key, value, number, &format!("1 to {MOST}")));
    }
    count
}

pub(super) fn out_of_range(
    key: &str,
    value: &Value,
    found: impl std::fmt::Display,
    range: &str,
) -> Diagnostic {
    Diagnostic::error("bunsui::pipeline::out_of_range", format!("`{key}` is {found}, which is not {range}"))
        .label(value.span, format!("must be {range}"))
}

/// One of a few words.
pub(super) fn choice<T: Copy>(
    place: Place<'_, '_>,
    key: &str,
    words: &[(&str, T)],
    sink: &mut Sink,
) -> Option<T> {
    let value = place.table.value(key)?;
    let names = words.iter().map(|(word, _)| *word);
    let ValueKind::String(text) = &value.kind else {
        sink.report(wrong_type(key, value, "a string").help(format!("it is one of {}", list(names))));
        return None;
    };
    if let Some((_, choice)) = words.iter().find(|(word, _)| *word == text) {
        return Some(*choice);
    }
    // `int` for `integer`, `bool` for `boolean`
    let begins = names.clone().find(|word| !text.is_empty() && word.starts_with(text.as_str()));
    let help = match nearest(text, names.clone()).or(begins) {
        Some(near) => format!("did you mean `\"{near}\"`? It is one of {}", list(names)),
        None => format!("it is one of {}", list(names)),
    };
    sink.report(
        Diagnostic::error("bunsui::pipeline::unknown_value", format!("`{key}` cannot be `{text}`"))
            .label(value.span, "not a known word")
            .help(help),
    );
    None
}

/// A name of a pipeline, job, operation or param.
pub(super) fn id(text: &str, what: &str, span: Span, sink: &mut Sink) -> Option<Id> {
    match Id::new(text) {
        Ok(id) => Some(id),
        Err(error) => {
            let message = match text {
                "" => format!("the name of {what} is empty"),
                text => format!("`{text}` is no name for {what}"),
            };
            let diagnostic =
                Diagnostic::error("bunsui::pipeline::invalid_id", message).label(span, error.to_string());
            sink.report(match suggestion(text) {
                Some(near) => diagnostic.help(format!("`{near}` would do")),
                None => diagnostic.help("a name is a letter, then letters, digits, `_` and single `-`"),
            });
            None
        }
    }
}

/// The text with what a name may not hold taken out, if that makes a name.
fn suggestion(text: &str) -> Option<String> {
    let mut near = String::new();
    for c in text.chars().skip_while(|c| !c.is_ascii_alphabetic()).take(64) {
        match c {
            c if c.is_ascii_alphanumeric() || c == '_' => near.push(c),
            _ if !near.ends_with('-') => near.push('-'),
            _ => {}
        }
    }
    let near = near.trim_end_matches('-');
    Id::new(near).ok().map(|id| id.to_string())
}

/// The items of a list of strings, each with its place; others are reported.
pub(super) fn strings<'a>(key: &str, value: &'a Value, sink: &mut Sink) -> Vec<(&'a str, Span)> {
    let ValueKind::Array(items) = &value.kind else {
        let diagnostic = wrong_type(key, value, "a list of strings");
        sink.report(match &value.kind {
            ValueKind::String(text) => diagnostic.help(format!("write `[\"{text}\"]`")),
            _ => diagnostic,
        });
        return Vec::new();
    };
    let mut texts = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        match &item.kind {
            ValueKind::String(text) => texts.push((text.as_str(), item.span)),
            _ => sink.report(wrong_type(&format!("{key}[{at}]"), item, "a string")),
        }
    }
    texts
}

/// The key's place of an entry, or the header where there is none.
pub(super) fn key_span(place: Place<'_, '_>, key: &str) -> Span {
    place.table.entries.get(key).map_or(place.header, |entry| entry.key_span)
}
