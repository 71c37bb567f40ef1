//! For tests: strings of a file to templates, and JSONata to values.

use super::{Template, parse_template};
use crate::diagnostic::{Sink, Source, Span};
use crate::document::{Entry, Table, Value, ValueKind};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The value of the file `value = <literal>`.
pub(super) fn parse_value(literal: &str) -> (Value, Arc<Source>) {
    let source = Source::new("test.toml", format!("value = {literal}"));
    let table = DeTable::parse(&source.text).expect("TOML");
    let value = value(&table.get_ref()["value"]);
    (value, source)
}

/// The template of a literal, and its findings as `message @ underlined text`.
pub(super) fn parse(literal: &str) -> (Option<Template>, Vec<String>) {
    let (value, source) = parse_value(literal);
    let mut sink = Sink::new();
    let template = parse_template(&value, &source, &mut sink);
    let found = sink.into_sorted().into_iter().map(|diagnostic| {
        let span = diagnostic.labels[0].span;
        format!("{} @ {}", diagnostic.message, &source.text[span.start..span.end])
    });
    (template, found.collect())
}

/// A literal as JSON, nothing in it understood.
pub(super) fn as_json(literal: &str) -> Json {
    fn json(value: &Value) -> Json {
        match &value.kind {
            ValueKind::String(text) | ValueKind::Datetime(text) => json!(text),
            ValueKind::Integer(number) => json!(number),
            ValueKind::Float(number) => json!(number),
            ValueKind::Boolean(boolean) => json!(boolean),
            ValueKind::Array(items) => items.iter().map(json).collect(),
            ValueKind::Table(table) => {
                Json::Object(table.entries.iter().map(|(k, e)| (k.clone(), json(&e.value))).collect())
            }
        }
    }
    json(&parse_value(literal).0)
}

fn value(value: &Spanned<DeValue<'_>>) -> Value {
    let span: Span = value.span().into();
    let kind = match value.get_ref() {
        DeValue::String(text) => ValueKind::String(text.to_string()),
        DeValue::Integer(number) => ValueKind::Integer(number.as_str().parse().expect("decimal")),
        DeValue::Float(number) => ValueKind::Float(number.as_str().parse().expect("a number")),
        DeValue::Boolean(boolean) => ValueKind::Boolean(*boolean),
        DeValue::Datetime(time) => ValueKind::Datetime(time.to_string()),
        DeValue::Array(items) => ValueKind::Array(items.iter().map(self::value).collect()),
        DeValue::Table(table) => ValueKind::Table(Table {
            span,
            entries: table
                .iter()
                .map(|(key, value)| {
                    let entry = Entry { key_span: key.span().into(), value: self::value(value) };
                    (key.get_ref().to_string(), entry)
                })
                .collect(),
        }),
    };
    Value { span, kind }
}

/// What JSONata text gives with variables bound; undefined and errors are texts.
pub(super) fn evaluate(source: &str, bindings: &[(&str, Json)]) -> Result<Json, String> {
    use jsonata_core::evaluator::{Context, Evaluator};
    use jsonata_core::value::JValue;
    let ast = jsonata_core::parser::parse(source).map_err(|error| error.to_string())?;
    let mut context = Context::new();
    for (name, value) in bindings {
        let value = JValue::from_json_str(&value.to_string()).map_err(|error| error.to_string())?;
        context.bind((*name).to_owned(), value);
    }
    let value = Evaluator::with_context(context)
        .evaluate(&ast, &JValue::from_json_str("{}").expect("JSON"))
        .map_err(|error| error.to_string())?;
    if value.is_undefined() {
        return Err("undefined".into());
    }
    let text = value.to_json_string().map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}
