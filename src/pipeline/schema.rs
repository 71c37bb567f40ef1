//! The JSON Schema (2020-12) of pipeline files, for editors: what `validate` says of keys, types and words, with every operation type's own.
//!
//! Takes: a catalogue. Gives: one schema with nothing to look up elsewhere. Where a reference may stand, it allows one. Deliberately does
//! not: say what only a whole file can tell - names that have to exist, rules across keys, what `[defaults]` may fill in.

use super::{OperationCatalogue, OperationType, ParamType};
use serde_json::{Map, Value as Json, json};

/// A reference or JSONata: `"${params.year}"`, `"{% $params.year + 1 %}"`.
const REFERENCE: &str = r"\$\{|\{%";

/// Rules that hold for a type's keys together; `[defaults.<type>]` may fill in what they ask for.
const ACROSS_KEYS: [&str; 9] =
    ["allOf", "anyOf", "oneOf", "not", "if", "then", "else", "required", "dependentRequired"];

/// The schema of pipeline files.
pub fn pipeline_schema(catalogue: &dyn OperationCatalogue) -> Json {
    let mut schema = closed_schema(catalogue);
    open_any_values(&mut schema);
    schema
}

/// What may be any value may be a table with any keys: some editors want that said.
fn open_any_values(schema: &mut Json) {
    const SAYS: [&str; 6] = ["type", "enum", "const", "anyOf", "oneOf", "$ref"];
    match schema {
        Json::Array(items) => items.iter_mut().for_each(open_any_values),
        Json::Object(object) => {
            object.values_mut().for_each(open_any_values);
            for (_, inner) in object.get_mut("properties").and_then(Json::as_object_mut).into_iter().flatten()
            {
                let Json::Object(inner) = inner else { continue };
                if !SAYS.iter().any(|key| inner.contains_key(*key)) {
                    inner.insert("additionalProperties".to_owned(), true.into());
                }
            }
        }
        _ => {}
    }
}

fn closed_schema(catalogue: &dyn OperationCatalogue) -> Json {
    let types: Vec<&OperationType> =
        catalogue.names().into_iter().filter_map(|name| catalogue.operation_type(name)).collect();
    let mut defaults =
        json!({"timeout": duration("of every operation that has none"), "retry": {"$ref": "#/$defs/retry"}});
    for kind in &types {
        let keys = keys(kind);
        defaults[&kind.name] = json!({
            "description": format!("keys of every operation of type {}", kind.name),
            "type": "object",
            "properties": keys,
            "additionalProperties": takes_any_key(kind),
        });
    }
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "bunsui pipeline",
        "description": "A pipeline of bunsui: jobs on AWS Step Functions, or on this machine",
        "type": "object",
        "required": ["pipeline", "jobs"],
        "additionalProperties": false,
        "properties": {
            "pipeline": head(),
            "params": {
                "description": "what is given to a run",
                "type": "object",
                "propertyNames": {"$ref": "#/$defs/id"},
                "additionalProperties": {"$ref": "#/$defs/param"},
            },
            "defaults": {
                "description": "what holds for every operation that does not say otherwise",
                "type": "object",
                "properties": defaults,
                "additionalProperties": false,
            },
            "jobs": {
                "description": "by id; each becomes one state machine",
                "type": "object",
                "minProperties": 1,
                "propertyNames": {"$ref": "#/$defs/id"},
                "additionalProperties": {"$ref": "#/$defs/job"},
            },
        },
        "$defs": {
            "id": {
                "description": "a letter, then letters, digits, `_` and single `-`",
                "type": "string",
                "pattern": "^[A-Za-z][A-Za-z0-9_]*(-[A-Za-z0-9_]+)*$",
                "maxLength": 64,
            },
            "reference": {
                "description": "a reference `${…}`, or JSONata `{% … %}`",
                "type": "string",
                "pattern": REFERENCE,
            },
            "retry": retry(),
            "param": param(),
            "job": job(),
            "operation": operation(&types),
        },
    });
    if let Some(all) = schema["$defs"].as_object_mut() {
        all.extend(definitions(&types));
    }
    schema
}

fn duration(description: &str) -> Json {
    json!({
        "description": format!("{description}: `90s`, `15m`, `1h30m`, `1d`"),
        "type": "string",
        "pattern": "^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$",
        "minLength": 2,
    })
}

fn text(description: &str) -> Json {
    json!({"description": description, "type": "string"})
}

fn head() -> Json {
    json!({
        "description": "the pipeline as a whole",
        "type": "object",
        "required": ["name"],
        "additionalProperties": false,
        "properties": {
            "name": {"description": "its id", "$ref": "#/$defs/id"},
            "description": text("for people"),
            "timeout": duration("of a whole session"),
            "max_concurrency": {"description": "jobs in flight", "type": "integer", "minimum": 1},
            "on_failure": {
                "description": "after a failure, independent jobs go on (`finish`), or nothing new starts (`stop`)",
                "enum": ["finish", "stop"],
                "default": "finish",
            },
            "exclusive": {
                "description": "one session at a time: of the pipeline (`true`), or for each value of a text such as `${params.year}`",
                "type": ["boolean", "string"],
            },
        },
    })
}

fn param() -> Json {
    json!({
        "type": "object",
        "required": ["type"],
        "additionalProperties": false,
        "properties": {
            "type": {"description": "what it takes", "enum": ParamType::ALL.map(ParamType::name)},
            "default": {"description": "its value where none is given; it satisfies all else that is said here"},
            "description": text("for people"),
            "min": {"description": "the least value, date or length"},
            "max": {"description": "the greatest value, date or length"},
            "pattern": {"description": "a regular expression for strings", "type": "string"},
            "one_of": {"description": "the only values", "type": "array", "minItems": 1},
            "required": {"description": "whether a value has to be given; yes, where there is no default", "type": "boolean"},
            "secret": {"description": "never written anywhere; on AWS a reference such as `ssm:/path`", "type": "boolean"},
        },
    })
}

fn retry() -> Json {
    json!({
        "description": "how a failed task is tried again",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "max_attempts": {"description": "all tries counted: 1 means no retry", "type": "integer", "minimum": 1, "default": 3},
            "interval": duration("before the second try"),
            "backoff_rate": {"description": "each wait is so many times the one before", "type": "number", "minimum": 1, "default": 2},
            "max_delay": duration("no wait is longer"),
            "jitter": {"description": "waits are random between 0 and their length (`full`), or as they are (`none`)", "enum": ["full", "none"], "default": "none"},
            "on": {"description": "names of errors, such as `States.TaskFailed`", "type": "array", "items": {"type": "string"}},
        },
    })
}

fn job() -> Json {
    json!({
        "description": "a node of the graph",
        "type": "object",
        "required": ["operations"],
        "additionalProperties": false,
        "properties": {
            "description": text("for people"),
            "depends_on": {"description": "jobs that come before this one", "type": "array", "items": {"$ref": "#/$defs/id"}, "uniqueItems": true},
            "run_if": {
                "description": "which outcomes of those let it run",
                "enum": ["all_succeeded", "none_failed", "any_failed", "always"],
                "default": "all_succeeded",
            },
            "when": {"description": "false skips it", "anyOf": [{"type": "boolean"}, {"$ref": "#/$defs/reference"}]},
            "allow_failure": {"description": "its failure does not fail the session", "type": "boolean", "default": false},
            "timeout": duration("of one execution"),
            "output": {"description": "its output, where that is not its last operation's result"},
            "operations": {"description": "what it does, in order", "type": "array", "minItems": 1, "items": {"$ref": "#/$defs/operation"}},
        },
    })
}

fn takes_any_key(kind: &OperationType) -> bool {
    kind.schema.get("additionalProperties") != Some(&Json::Bool(false))
}

/// One of the types, each with all of its keys: so editors know which keys to offer.
fn operation(types: &[&OperationType]) -> Json {
    let variant = |kind: &&OperationType| {
        let mut properties = json!({
            "name": {"description": "unique in its job", "$ref": "#/$defs/id"},
            "type": {"description": kind.summary, "const": kind.name},
            "description": text("for people"),
            "timeout": duration("of each task"),
            "retry": {"$ref": "#/$defs/retry"},
        });
        if let (Some(all), Json::Object(keys)) = (properties.as_object_mut(), keys(kind)) {
            all.extend(keys);
        }
        json!({
            "title": kind.name,
            "description": kind.summary,
            "type": "object",
            "required": ["name", "type"],
            "properties": properties,
            "additionalProperties": takes_any_key(kind),
        })
    };
    json!({"description": "one piece of work", "oneOf": types.iter().map(variant).collect::<Vec<_>>()})
}

/// What the types' schemas refer to, under names that no two of them share.
fn definitions(types: &[&OperationType]) -> Map<String, Json> {
    let of_type = |kind: &&OperationType| {
        let defs = kind.schema.get("$defs").and_then(Json::as_object).cloned().unwrap_or_default();
        let name = kind.name.clone();
        defs.into_iter().map(move |(key, schema)| {
            let plain = with_own_names(&without_extensions(&schema), &name);
            (format!("{name}.{key}"), with_references(&plain))
        })
    };
    types.iter().flat_map(of_type).collect()
}

/// `#/$defs/X` as `#/$defs/<type>.X`.
fn with_own_names(schema: &Json, kind: &str) -> Json {
    const DEFS: &str = "#/$defs/";
    match schema {
        Json::Object(object) => object
            .iter()
            .map(|(key, value)| match value.as_str().and_then(|text| text.strip_prefix(DEFS)) {
                Some(name) if key == "$ref" => (key.clone(), format!("{DEFS}{kind}.{name}").into()),
                _ => (key.clone(), with_own_names(value, kind)),
            })
            .collect::<Map<_, _>>()
            .into(),
        Json::Array(items) => items.iter().map(|item| with_own_names(item, kind)).collect(),
        other => other.clone(),
    }
}

/// The keys of a type. What the schema says of several together is left to `validate`.
fn keys(kind: &OperationType) -> Json {
    let properties = kind.schema.get("properties").and_then(Json::as_object);
    let keys = properties.into_iter().flatten().map(|(name, schema)| {
        let is_static = schema.get("x-bunsui-static") == Some(&Json::Bool(true));
        let plain = with_own_names(&without_extensions(schema), &kind.name);
        (name.clone(), if is_static { plain } else { with_references(&plain) })
    });
    Json::Object(keys.collect())
}

/// Without what only bunsui reads.
fn without_extensions(schema: &Json) -> Json {
    match schema {
        Json::Object(object) => object
            .iter()
            .filter(|(key, _)| !key.starts_with("x-bunsui-"))
            .map(|(key, value)| (key.clone(), without_extensions(value)))
            .collect::<Map<_, _>>()
            .into(),
        Json::Array(items) => items.iter().map(without_extensions).collect(),
        other => other.clone(),
    }
}

/// A schema that takes a reference in the place of any value. What describes it stays on the outside, where editors look.
fn with_references(schema: &Json) -> Json {
    let Json::Object(object) = schema else { return schema.clone() };
    let mut outer = Map::new();
    let mut inner = Map::new();
    for (key, value) in object {
        match key.as_str() {
            "description" | "title" | "default" | "examples" => {
                outer.insert(key.clone(), value.clone());
            }
            "properties" | "patternProperties" | "$defs" => {
                let each = value.as_object().into_iter().flatten();
                let each = each.map(|(name, schema)| (name.clone(), with_references(schema)));
                inner.insert(key.clone(), each.collect::<Map<_, _>>().into());
            }
            "items" | "additionalProperties" | "contains" => {
                inner.insert(key.clone(), with_references(value));
            }
            // Values inside may be references, which no such rule knows of.
            across
                if ACROSS_KEYS.contains(&across)
                    && across != "required"
                    && object.contains_key("properties") => {}
            _ => {
                inner.insert(key.clone(), value.clone());
            }
        }
    }
    // A text that nothing more is said of takes a reference as it is.
    let is_any_text = inner.get("type") == Some(&json!("string")) && inner.len() == 1;
    if inner.is_empty() || is_any_text {
        outer.extend(inner);
    } else {
        outer.insert("anyOf".to_owned(), json!([inner, {"$ref": "#/$defs/reference"}]));
    }
    Json::Object(outer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_taken_wherever_a_value_is() {
        let schema = json!({
            "description": "how many", "type": "object", "required": ["a"],
            "properties": {"a": {"type": "integer"}, "b": {"type": "string"}, "c": {"enum": ["x"]}},
        });
        let reference = json!({"$ref": "#/$defs/reference"});
        assert_eq!(
            with_references(&schema),
            json!({"description": "how many", "anyOf": [{
                "type": "object", "required": ["a"],
                "properties": {
                    "a": {"anyOf": [{"type": "integer"}, reference]},
                    "b": {"type": "string"},
                    "c": {"anyOf": [{"enum": ["x"]}, reference]},
                },
            }, reference]})
        );
    }
}
