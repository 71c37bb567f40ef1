//! Words for what a schema says.

use crate::document::{Value, ValueKind};
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::{JsonType, ValidationError};
use serde_json::Value as Json;

/// As messages count.
pub(super) fn items(count: u64) -> &'static str {
    if count == 1 { "item" } else { "items" }
}

pub(super) fn first_sentence(text: &str) -> &str {
    let line = text.lines().next().unwrap_or_default();
    line.split_once(". ").map_or(line, |(sentence, _)| sentence).trim_end_matches('.')
}

/// A value as it reads in a message: strings without quotes.
pub(super) fn shown(json: &Json) -> String {
    match json {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The text with each `{key}` and `{}` replaced by the value that `value` finds there. Other braces stay.
pub(super) fn filled(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let is_path = |inner: &str| {
            inner.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.'))
        };
        let found = after.split_once('}').filter(|(inner, _)| is_path(inner));
        match found.and_then(|(inner, after)| Some((value(inner)?, after))) {
            Some((value, after)) => {
                filled.push_str(&value);
                rest = after;
            }
            None => {
                filled.push('{');
                rest = after;
            }
        }
    }
    filled + rest
}

/// A subschema's first example, as TOML has it.
pub(super) fn example(schema: &Json) -> Option<String> {
    fn written(json: &Json) -> Option<String> {
        match json {
            Json::Null | Json::Object(_) => None,
            Json::Array(items) => {
                let items: Vec<String> = items.iter().map(written).collect::<Option<_>>()?;
                Some(format!("[{}]", items.join(", ")))
            }
            scalar => Some(scalar.to_string()),
        }
    }
    written(schema.get("examples")?.as_array()?.first()?)
}

pub(super) fn constant(branch: &[ValidationError<'static>]) -> Option<Json> {
    match branch {
        [only] => match only.kind() {
            Kind::Constant { expected_value } => Some(expected_value.as_ref().clone()),
            _ => None,
        },
        _ => None,
    }
}

pub(super) fn type_names(kind: &TypeKind) -> Vec<&'static str> {
    let of = |kind: JsonType| match kind {
        JsonType::Array => "array",
        JsonType::Boolean => "boolean",
        JsonType::Integer => "integer",
        JsonType::Null => "null",
        JsonType::Number => "number",
        JsonType::Object => "object",
        JsonType::String => "string",
    };
    match kind {
        TypeKind::Single(kind) => vec![of(*kind)],
        TypeKind::Multiple(kinds) => kinds.iter().map(of).collect(),
    }
}

/// How the value would be written in the wanted type, where that is plain.
pub(super) fn rewrite(value: &Value, wanted: &[&str]) -> Option<String> {
    let wants = |name: &str| wanted.contains(&name);
    match &value.kind {
        ValueKind::String(text) => {
            let is_number = (wants("integer") && text.parse::<i64>().is_ok())
                || (wants("number") && text.parse::<f64>().is_ok())
                || (wants("boolean") && matches!(text.as_str(), "true" | "false"));
            if is_number {
                return Some(format!("write `{text}` without quotes"));
            }
            wants("array").then(|| format!("write `[\"{text}\"]`"))
        }
        ValueKind::Integer(_) | ValueKind::Float(_) | ValueKind::Boolean(_) | ValueKind::Datetime(_) => {
            wants("string").then(|| "put it between double quotes".to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn braces_with_a_key_are_filled() {
        let value = |key: &str| match key {
            "" => Some("whole".to_owned()),
            "a.b-c" => Some("1".to_owned()),
            _ => None,
        };
        assert_eq!(filled("`{}` has {a.b-c}", value), "`whole` has 1");
        assert_eq!(filled("{x} { a } {a.b-c", value), "{x} { a } {a.b-c");
        assert_eq!(filled("{{}}", value), "{whole}");
    }

    #[test]
    fn an_example_is_shown_where_toml_writes_it_as_json_does() {
        assert_eq!(example(&json!({"examples": ["a.py:f", 2]})), Some("\"a.py:f\"".to_owned()));
        assert_eq!(example(&json!({"examples": [["a", 1]]})), Some("[\"a\", 1]".to_owned()));
        assert_eq!(example(&json!({"examples": [{"a": 1}]})), None);
        assert_eq!(example(&json!({})), None);
    }
}
