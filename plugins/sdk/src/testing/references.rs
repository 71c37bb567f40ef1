//! References as the harness makes them JSONata: enough for an operation type, which never reads an expression.

use crate::is_expression;
use serde_json::{Value as Json, json};

/// Whether a reference stands somewhere in the value.
pub(super) fn holds_some(value: &Json) -> bool {
    match value {
        Json::String(text) => is_expression(text),
        Json::Array(items) => items.iter().any(holds_some),
        Json::Object(entries) => entries.values().any(holds_some),
        _ => false,
    }
}

/// `${params.a}` to `{% $params.a %}`, a text around it to a concatenation, `$${` to `${`.
pub(super) fn compile(value: &Json) -> Json {
    match value {
        Json::String(text) => Json::String(compile_text(text)),
        Json::Array(items) => items.iter().map(compile).collect(),
        Json::Object(entries) => {
            Json::Object(entries.iter().map(|(key, value)| (key.clone(), compile(value))).collect())
        }
        other => other.clone(),
    }
}

fn compile_text(text: &str) -> String {
    if !is_expression(text) {
        return text.replace("$${", "${");
    }
    if text.starts_with("{%") {
        return text.to_owned();
    }
    let parts: Vec<String> = pieces(text).iter().map(Piece::operand).collect();
    format!("{{% {} %}}", parts.join(" & "))
}

#[derive(Debug, PartialEq)]
enum Piece {
    Literal(String),
    Reference(String),
}

impl Piece {
    fn operand(&self) -> String {
        match self {
            // JSONata's strings have JSON's escapes.
            Self::Literal(text) => json!(text).to_string(),
            Self::Reference(path) => format!("${path}"),
        }
    }
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        if let Some(before) = before.strip_suffix('$') {
            literal.push_str(before);
            literal.push_str("${");
            rest = after;
            continue;
        }
        literal.push_str(before);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(std::mem::take(&mut literal)));
        }
        let (path, after) = after.split_once('}').unwrap_or((after, ""));
        pieces.push(Piece::Reference(path.to_owned()));
        rest = after;
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_become_jsonata() {
        let keys = json!({
            "a": "${params.a}", "b": ["x-${jobs.j.n}-$${y}"], "c": "$${z}", "d": "{% 1 %}", "e": 1,
        });
        assert!(holds_some(&keys) && !holds_some(&json!({"c": "$${z}"})));
        let compiled = json!({
            "a": "{% $params.a %}", "b": [r#"{% "x-" & $jobs.j.n & "-${y}" %}"#], "c": "${z}", "d": "{% 1 %}", "e": 1,
        });
        assert_eq!(compile(&keys), compiled);
    }
}
