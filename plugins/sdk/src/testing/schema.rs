//! What a schema says of keys in which references may stand, as bunsui takes it.
//!
//! Takes: a schema and keys. Gives: what is refused, and where. A verdict on a value that holds a reference is dropped, since only a run
//! knows the value. Deliberately does not: say it in bunsui's words; `bunsui validate` does.

use super::references::holds_some;
use crate::is_expression;
use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind as Kind;
use serde_json::Value as Json;

/// One thing that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) pointer: String,
    pub(super) message: String,
}

/// All that is refused.
#[track_caller]
pub(super) fn judge(schema: &Json, keys: &Json) -> Vec<Verdict> {
    let validator = jsonschema::draft202012::new(schema)
        .unwrap_or_else(|error| panic!("the schema is no JSON Schema: {error}\n{schema:#}"));
    let judge = Judge { schema, keys };
    let refused = validator.iter_errors(keys).filter(|error| judge.holds(error));
    let refused = refused.map(|error| Verdict {
        pointer: error.instance_path().as_str().to_owned(),
        message: judge.words(&error).unwrap_or_else(|| error.to_string()),
    });
    refused.chain(in_static_keys(schema, keys)).collect()
}

/// For a message.
pub(super) fn listed(verdicts: &[Verdict]) -> String {
    verdicts.iter().map(|Verdict { pointer, message }| format!("  at `{pointer}`: {message}\n")).collect()
}

/// References where none may stand.
fn in_static_keys<'a>(schema: &'a Json, keys: &'a Json) -> impl Iterator<Item = Verdict> + 'a {
    let properties = schema.get("properties").and_then(Json::as_object).into_iter().flatten();
    let is_static = |schema: &Json| schema.get("x-bunsui-static") == Some(&Json::Bool(true));
    properties
        .filter(move |(key, schema)| is_static(schema) && keys.get(key.as_str()).is_some_and(holds_some))
        .map(|(key, _)| Verdict {
            pointer: format!("/{key}"),
            message: format!("no reference may stand in `{key}`"),
        })
}

/// Each key's examples are accepted as its value; how many there are.
#[track_caller]
pub(super) fn check_examples(schema: &Json) -> usize {
    let mut count = 0;
    for (key, property) in schema.get("properties").and_then(Json::as_object).into_iter().flatten() {
        for example in property.get("examples").and_then(Json::as_array).into_iter().flatten() {
            count += 1;
            let refused = judge(property, example);
            assert!(refused.is_empty(), "`{key}` refuses its own example {example}:\n{}", listed(&refused));
        }
    }
    count
}

struct Judge<'a> {
    schema: &'a Json,
    keys: &'a Json,
}

impl Judge<'_> {
    /// Whether a verdict can be relied on although references may stand in what it speaks of.
    fn holds(&self, error: &ValidationError<'_>) -> bool {
        let value = error.instance();
        if self.is_conditional(error) {
            return false;
        }
        match (error.kind(), value.as_ref()) {
            (Kind::Type { .. }, Json::String(text)) if is_expression(text) => !is_open_text(text),
            (_, Json::String(text)) if is_expression(text) => false,
            (Kind::Not { schema }, value) => !self.is_open(schema, value, 32),
            (Kind::AnyOf { context } | Kind::OneOfNotValid { context }, _) => {
                context.iter().all(|branch| branch.iter().any(|error| self.holds(error)))
            }
            (Kind::OneOfMultipleValid { context }, value) => {
                let branches = self.schema.pointer(error.schema_path().as_str()).and_then(Json::as_array);
                let fits = context.iter().zip(branches.into_iter().flatten());
                fits.filter(|(errors, branch)| errors.is_empty() && !self.is_open(branch, value, 32)).count()
                    > 1
            }
            (Kind::Enum { .. } | Kind::Constant { .. } | Kind::Contains | Kind::UniqueItems, value) => {
                !holds_some(value)
            }
            _ => true,
        }
    }

    /// Whether it comes from a `then` or `else` whose condition looks at a value that is not known.
    fn is_conditional(&self, error: &ValidationError<'_>) -> bool {
        let path = error.schema_path().as_str();
        let conditions = path.match_indices("/then").chain(path.match_indices("/else"));
        let mut conditions =
            conditions.filter_map(|(at, _)| self.schema.pointer(&format!("{}/if", &path[..at])));
        conditions.any(|condition| self.around(error).any(|value| self.is_open(condition, value, 32)))
    }

    /// The value of a verdict, and all that it stands in.
    fn around(&self, error: &ValidationError<'_>) -> impl Iterator<Item = &Json> {
        let path = error.instance_path().as_str().to_owned();
        let ends: Vec<usize> = path.match_indices('/').map(|(at, _)| at).chain([path.len()]).collect();
        ends.into_iter().filter_map(move |end| self.keys.pointer(&path[..end]))
    }

    /// Whether what a rule says of a value can change once its references are known. Says so rather once too often.
    fn is_open(&self, rule: &Json, value: &Json, fuel: usize) -> bool {
        let Some(fuel) = fuel.checked_sub(1) else { return true };
        let Some(rule) = rule.as_object().filter(|_| holds_some(value)) else { return false };
        if value.is_string() {
            return true;
        }
        rule.iter().any(|(word, rule)| match word.as_str() {
            "$ref" => {
                let target = rule.as_str().and_then(|text| text.strip_prefix('#'));
                let target = target.and_then(|target| self.schema.pointer(target));
                target.is_none_or(|target| self.is_open(target, value, fuel))
            }
            "properties" => rule
                .as_object()
                .into_iter()
                .flatten()
                .any(|(key, rule)| value.get(key).is_some_and(|value| self.is_open(rule, value, fuel))),
            "type" | "required" | "dependentRequired" | "minProperties" | "maxProperties"
            | "propertyNames" | "title" | "description" | "default" | "examples" | "$comment" => false,
            "additionalProperties" if rule.is_boolean() => false,
            "allOf" | "anyOf" | "oneOf" => {
                rule.as_array().into_iter().flatten().any(|rule| self.is_open(rule, value, fuel))
            }
            "not" | "if" | "then" | "else" => self.is_open(rule, value, fuel),
            word => !word.starts_with("x-"),
        })
    }

    /// The innermost `x-bunsui-message` on the way to what refuses, its `{…}` left as they are.
    fn words(&self, error: &ValidationError<'_>) -> Option<String> {
        let path = error.schema_path().as_str();
        let (mut around, mut keyword) = path.rsplit_once('/')?;
        loop {
            let said = self.schema.pointer(around).and_then(|level| level.get("x-bunsui-message"));
            match said {
                Some(Json::String(text)) => return Some(text.clone()),
                Some(by_keyword) if by_keyword.get(keyword).is_some() => {
                    return by_keyword[keyword].as_str().map(ToOwned::to_owned);
                }
                _ => (around, keyword) = around.rsplit_once('/')?,
            }
        }
    }
}

/// Whether a text could become any value, and not only another text.
fn is_open_text(text: &str) -> bool {
    text.starts_with("{%") || (text.starts_with("${") && text.find('}') == Some(text.len() - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(schema: Json, keys: Json, places: &[&str]) {
        let refused = judge(&schema, &keys);
        let found: Vec<&str> = refused.iter().map(|verdict| verdict.pointer.as_str()).collect();
        assert_eq!(found, places, "{}", listed(&refused));
    }

    #[test]
    fn what_holds_a_reference_is_not_judged() {
        let schema = json!({
            "type": "object",
            "properties": {
                "count": {"type": "integer", "maximum": 9},
                "mode": {"enum": ["a", "b"]},
                "tags": {"type": "array", "maxItems": 1, "items": {"type": "string", "maxLength": 3}},
                "local": {"type": "object", "x-bunsui-static": true},
            },
            "required": ["count"],
            "additionalProperties": false,
        });
        let check = |keys: Json, places: &[&str]| check(schema.clone(), keys, places);
        check(json!({"count": 10}), &["/count"]);
        check(json!({"count": "${params.a}"}), &[]);
        check(json!({"count": "{% $params.a %}", "mode": "${params.b}"}), &[]);
        check(json!({"count": "x ${params.a}"}), &["/count"]);
        check(json!({"count": 1, "mode": "c"}), &["/mode"]);
        check(json!({"count": 1, "tags": ["${params.long}"]}), &[]);
        check(json!({"count": 1, "tags": ["${params.long}", "x"]}), &["/tags"]);
        check(json!({"cuont": "${params.a}"}), &["", ""]);
        check(json!({"count": 1, "local": {"file": ["${params.a}"]}}), &["/local"]);
        check(json!({"count": 1, "local": {"file": "$${a}"}}), &[]);
    }

    #[test]
    fn rules_about_several_keys_hold_where_they_look_at_no_unknown_value() {
        let schema = json!({
            "type": "object",
            "allOf": [
                {"not": {"required": ["a", "b"]}},
                {"not": {"required": ["c"], "properties": {"c": {"const": 1}}}},
                {"if": {"required": ["d"], "properties": {"d": {"const": 1}}}, "then": {"required": ["e"]}},
            ],
            "oneOf": [{"required": ["x"]}, {"required": ["y"]}],
        });
        let check = |keys: Json, places: &[&str]| check(schema.clone(), keys, places);
        check(json!({"x": 1}), &[]);
        check(json!({}), &[""]);
        check(json!({"x": "${params.a}", "y": 1}), &[""]);
        check(json!({"x": 1, "a": "${params.a}", "b": 1}), &[""]);
        check(json!({"x": 1, "c": 1}), &[""]);
        check(json!({"x": 1, "c": "${params.a}"}), &[]);
        check(json!({"x": 1, "d": 1}), &[""]);
        check(json!({"x": 1, "d": "${params.a}"}), &[]);
    }

    #[test]
    fn the_authors_words_are_taken() {
        let schema = json!({
            "properties": {
                "path": {"pattern": "^s3:", "type": "string", "x-bunsui-message": {"pattern": "no path"}},
                "n": {"maximum": 1, "x-bunsui-message": "too many"},
            },
        });
        let words = |keys: Json| judge(&schema, &keys)[0].message.clone();
        assert_eq!(words(json!({"path": "x"})), "no path");
        assert_eq!(words(json!({"path": 1})), "1 is not of type \"string\"");
        assert_eq!(words(json!({"n": 2})), "too many");
    }

    #[test]
    #[should_panic(expected = "`n` refuses its own example 3")]
    fn examples_are_held_to_the_schema() {
        check_examples(&json!({"properties": {"n": {"maximum": 2, "examples": [1, 3]}}}));
    }
}
