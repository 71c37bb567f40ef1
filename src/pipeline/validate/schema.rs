//! A type's JSON Schema, compiled once, and what can be read from it.

use crate::pipeline::OperationType;
use jsonschema::Validator;
use serde_json::Value as Json;

/// One operation type, ready to judge.
pub(super) struct TypeSchema<'c> {
    pub(super) declared: &'c OperationType,
    /// Or why the schema cannot be used.
    pub(super) validator: &'c Result<Validator, String>,
    static_keys: Vec<&'c str>,
}

impl<'c> TypeSchema<'c> {
    pub(super) fn new(declared: &'c OperationType) -> Self {
        let properties = declared.schema.get("properties").and_then(Json::as_object).into_iter().flatten();
        let is_static = |property: &Json| property.get("x-bunsui-static") == Some(&Json::Bool(true));
        Self {
            declared,
            validator: declared.judge.of(&declared.schema),
            static_keys: properties
                .filter(|(_, schema)| is_static(schema))
                .map(|(key, _)| key.as_str())
                .collect(),
        }
    }

    /// Whether the type says that no reference may stand in the key.
    pub(super) fn is_static(&self, key: &str) -> bool {
        self.static_keys.contains(&key)
    }

    /// The schema of a place, where a plain way of properties and items leads there.
    pub(super) fn at(&self, path: &[impl AsRef<str>]) -> Option<&'c Json> {
        path.iter().try_fold(&self.declared.schema, |schema, step| self.step(schema, step.as_ref()))
    }

    fn step(&self, schema: &'c Json, step: &str) -> Option<&'c Json> {
        let schema = self.resolve(schema);
        let property = schema.get("properties").and_then(|properties| properties.get(step));
        let other = || match step.parse::<usize>() {
            Ok(_) if schema.get("items").is_some() => schema.get("items"),
            _ => schema.get("additionalProperties").filter(|schema| schema.is_object()),
        };
        property.or_else(other).or_else(|| {
            // Within alternatives, the first that knows the step.
            self.branches(schema).into_iter().find_map(|branch| self.step(branch, step))
        })
    }

    fn branches(&self, schema: &'c Json) -> Vec<&'c Json> {
        ["anyOf", "oneOf", "allOf"].iter().filter_map(|word| schema.get(word)?.as_array()).flatten().collect()
    }

    /// Follows references within the schema.
    pub(super) fn resolve(&self, schema: &'c Json) -> &'c Json {
        let mut schema = schema;
        // A schema may refer to itself; no honest one does so more often than this.
        for _ in 0..16 {
            let target = schema.get("$ref").and_then(Json::as_str).and_then(|text| text.strip_prefix('#'));
            match target.and_then(|pointer| self.declared.schema.pointer(pointer)) {
                Some(target) => schema = target,
                None => break,
            }
        }
        schema
    }

    /// The alternatives that a verdict of `anyOf` or `oneOf` speaks of.
    pub(super) fn alternatives(&self, schema_path: &str) -> Vec<&'c Json> {
        let branches = self.declared.schema.pointer(schema_path).and_then(Json::as_array);
        branches.into_iter().flatten().map(|branch| self.resolve(branch)).collect()
    }

    /// The keys that a table at a place may have, alternatives included.
    pub(super) fn keys_at(&self, path: &[String]) -> Vec<&'c str> {
        let mut keys = Vec::new();
        if let Some(schema) = self.at(path) {
            self.collect_keys(schema, 8, &mut keys);
        }
        keys
    }

    fn collect_keys(&self, schema: &'c Json, depth: usize, keys: &mut Vec<&'c str>) {
        let schema = self.resolve(schema);
        for key in
            schema.get("properties").and_then(Json::as_object).into_iter().flat_map(|table| table.keys())
        {
            if !keys.contains(&key.as_str()) {
                keys.push(key);
            }
        }
        if depth > 0 {
            for branch in self.branches(schema) {
                self.collect_keys(branch, depth - 1, keys);
            }
        }
    }

    /// The JSON types that a place takes; none where the schema does not say so plainly.
    pub(super) fn types_at(&self, path: &[impl AsRef<str>]) -> Option<Vec<&'c str>> {
        self.types(self.at(path)?, 8)
    }

    fn types(&self, schema: &'c Json, depth: usize) -> Option<Vec<&'c str>> {
        let schema = self.resolve(schema);
        match schema.get("type") {
            Some(Json::String(name)) => return Some(vec![name]),
            Some(Json::Array(names)) => return Some(names.iter().filter_map(Json::as_str).collect()),
            _ => {}
        }
        let branches = ["anyOf", "oneOf"].iter().find_map(|word| schema.get(word)?.as_array())?;
        let depth = depth.checked_sub(1)?;
        let mut types = Vec::new();
        for branch in branches {
            types.extend(self.types(branch, depth)?);
        }
        Some(types)
    }
}

/// `required` of an alternative.
pub(super) fn required(branch: &Json) -> impl Iterator<Item = &str> {
    branch.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str)
}

/// With its article, as TOML calls it; a list of them as `a string or an integer`.
pub(super) fn describe(types: &[&str]) -> String {
    let mut words: Vec<&str> = Vec::new();
    for name in types {
        let word = match *name {
            "string" => "a string",
            "integer" => "an integer",
            "number" => "a number",
            "boolean" => "a boolean",
            "array" => "a list",
            "object" => "a table",
            // TOML has no null: a schema's optional value is a key left out.
            _ => continue,
        };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    match words.as_slice() {
        [] => "left out".to_owned(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
