//! Where in a schema a verdict comes from: which annotations and conditions stand around it there, and whether it can
//! change once references are known.
//!
//! Takes: a verdict's way through the schema. Gives: the author's words for it. Deliberately does not: report.

use super::keys::{Keys, steps};
use super::schema::TypeSchema;
use crate::expression::Template;
use serde_json::Value as Json;

/// A subschema on the way to a verdict.
#[derive(Debug, Clone)]
pub(super) struct Level<'c> {
    pub(super) schema: &'c Json,
    /// How many steps of the verdict's place lead to what this is applied to.
    pub(super) depth: usize,
    /// The keyword by which the way goes on.
    keyword: String,
    /// What follows the keyword: a key, a number.
    inner: Option<String>,
}

/// The subschemas from the whole to the one whose keyword refused something.
pub(super) fn way<'c>(schema: &TypeSchema<'c>, evaluation_path: &str) -> Vec<Level<'c>> {
    let steps = steps(evaluation_path);
    let mut rest = steps.as_slice();
    let mut levels = Vec::new();
    let (mut at, mut depth) = (&schema.declared.schema, 0);
    while let Some((keyword, after)) = rest.split_first() {
        let inner = after.first().cloned();
        levels.push(Level { schema: at, depth, keyword: keyword.clone(), inner: inner.clone() });
        let (next, taken) = match keyword.as_str() {
            "$ref" => (Some(schema.resolve(at)), 1),
            "properties" | "patternProperties" | "prefixItems" | "allOf" | "anyOf" | "oneOf"
            | "dependentSchemas" => (inner.and_then(|inner| step(at.get(keyword)?, &inner)), 2),
            _ => (at.get(keyword).filter(|inner| inner.is_object()), 1),
        };
        depth += usize::from(matches!(
            keyword.as_str(),
            "properties"
                | "patternProperties"
                | "prefixItems"
                | "items"
                | "additionalProperties"
                | "unevaluatedProperties"
                | "unevaluatedItems"
        ));
        let (Some(next), Some(after)) = (next, rest.get(taken..)) else { break };
        (at, rest) = (next, after);
    }
    levels
}

fn step<'c>(container: &'c Json, step: &str) -> Option<&'c Json> {
    match container {
        Json::Array(items) => items.get(step.parse::<usize>().ok()?),
        container => container.get(step),
    }
}

/// What a schema's author says of a verdict.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said<'c> {
    pub(super) text: &'c str,
    /// Where it points, from what the subschema is applied to.
    pub(super) at: Option<&'c str>,
    pub(super) depth: usize,
}

/// The innermost annotation of that name around a verdict: text for whatever fails within its subschema, or a table of
/// texts by keyword.
pub(super) fn said<'c>(way: &[Level<'c>], name: &str) -> Option<Said<'c>> {
    way.iter().rev().find_map(|level| {
        let text = match level.schema.get(name)? {
            Json::String(text) => text,
            by_keyword => by_keyword.get(&level.keyword)?.as_str()?,
        };
        let at = level.schema.get("x-bunsui-at").and_then(Json::as_str);
        Some(Said { text, at, depth: level.depth })
    })
}

/// The condition of each `then` and `else` on the way.
pub(super) fn conditions<'a, 'c>(
    way: &'a [Level<'c>],
) -> impl Iterator<Item = (&'c Json, usize)> + use<'a, 'c> {
    way.iter().filter(|level| matches!(level.keyword.as_str(), "then" | "else")).filter_map(|level| {
        let condition = level.schema.get("if")?;
        Some((condition, level.depth))
    })
}

/// The key for whose sake another is refused, and the depth of the table that holds it.
pub(super) fn dependent_on<'a>(way: &'a [Level<'_>]) -> Option<(&'a str, usize)> {
    let level = way.iter().rev().find(|level| level.keyword == "dependentSchemas")?;
    Some((level.inner.as_deref()?, level.depth))
}

/// The keys for whose sake another may be wanted, with the depth of the table that holds them.
pub(super) fn needing<'a>(way: &'a [Level<'_>], wanted: &str) -> Vec<(&'a str, usize)> {
    if let Some(other) = dependent_on(way) {
        return vec![other];
    }
    let Some(level) = way.iter().rev().find(|level| level.keyword == "dependentRequired") else {
        return Vec::new();
    };
    let lists = level.schema.get("dependentRequired").and_then(Json::as_object).into_iter().flatten();
    lists
        .filter(|(_, list)| list.as_array().is_some_and(|list| list.iter().any(|key| key == wanted)))
        .map(|(key, _)| (key.as_str(), level.depth))
        .collect()
}

/// The keys that `not` refuses together, where it says nothing else.
pub(super) fn refused_together(schema: &Json) -> Option<Vec<&str>> {
    let object = schema.as_object()?;
    let is_plain =
        object.keys().all(|word| matches!(word.as_str(), "type" | "required") || is_annotation(word));
    let keys: Vec<&str> = object.get("required")?.as_array()?.iter().filter_map(Json::as_str).collect();
    (is_plain && !keys.is_empty()).then_some(keys)
}

/// Whether what a subschema says of a place can change once references are known. Says so rather once too often.
pub(super) fn is_open(schema: &TypeSchema<'_>, rule: &Json, keys: &Keys<'_>, path: &[String]) -> bool {
    let found = path.iter().try_fold(Found::Keys(keys), |found, step| found.child(step));
    found.is_some_and(|found| found.is_open(schema, rule, 32))
}

/// What stands at a place.
#[derive(Clone, Copy)]
enum Found<'a> {
    Keys(&'a Keys<'a>),
    Value(&'a Template),
    /// Could not be read.
    Unreadable,
}

impl<'a> Found<'a> {
    fn child(self, step: &str) -> Option<Self> {
        match self {
            Self::Keys(keys) => {
                let template = keys.entries.get(step)?.template.as_ref();
                Some(template.map_or(Self::Unreadable, Found::Value))
            }
            Self::Value(Template::Table(table)) => table.get(step).map(Found::Value),
            Self::Value(Template::List(items)) => items.get(step.parse::<usize>().ok()?).map(Found::Value),
            // Known to its end, or unknown as a whole.
            Self::Value(_) | Self::Unreadable => Some(self),
        }
    }

    fn is_known(self) -> bool {
        match self {
            Self::Keys(keys) => {
                keys.entries.values().all(|key| matches!(key.template, Some(Template::Literal(_))))
            }
            Self::Value(template) => matches!(template, Template::Literal(_)),
            Self::Unreadable => false,
        }
    }

    fn is_open(self, schema: &TypeSchema<'_>, rule: &Json, fuel: usize) -> bool {
        let Some(fuel) = fuel.checked_sub(1) else { return true };
        let Some(rule) = rule.as_object().filter(|_| !self.is_known()) else { return false };
        let inner = |rule: &Json| self.is_open(schema, rule, fuel);
        let is_whole = matches!(self, Self::Keys(_) | Self::Value(Template::Table(_)));
        let is_unknown =
            matches!(self, Self::Unreadable | Self::Value(Template::Reference(_) | Template::Jsonata(_)));
        rule.iter().filter(|(word, _)| !is_annotation(word)).any(|(word, rule)| match word.as_str() {
            _ if is_unknown => true,
            "$ref" => {
                let target = rule.as_str().and_then(|text| text.strip_prefix('#'));
                target.and_then(|target| schema.declared.schema.pointer(target)).is_none_or(inner)
            }
            "type" => false,
            "properties" => rule.as_object().into_iter().flatten().any(|(key, rule)| {
                is_whole && self.child(key).is_some_and(|found| found.is_open(schema, rule, fuel))
            }),
            "required" | "dependentRequired" | "minProperties" | "maxProperties" | "propertyNames" => false,
            "additionalProperties" | "unevaluatedProperties" if rule.is_boolean() => false,
            "allOf" | "anyOf" | "oneOf" => rule.as_array().into_iter().flatten().any(inner),
            "dependentSchemas" => rule.as_object().into_iter().flatten().any(|(_, rule)| inner(rule)),
            "not" | "if" | "then" | "else" => inner(rule),
            _ => true,
        })
    }
}

fn is_annotation(word: &str) -> bool {
    const WORDS: [&str; 11] = [
        "title",
        "description",
        "default",
        "examples",
        "deprecated",
        "readOnly",
        "writeOnly",
        "$comment",
        "$schema",
        "$id",
        "$defs",
    ];
    word.starts_with("x-") || WORDS.contains(&word)
}
