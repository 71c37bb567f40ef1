//! The JSON Schema (2020-12) of bunsui.toml, for editors.

use super::key::{KEYS, Key, Kind, sections};
use serde_json::{Map, Value as Json, json};

/// The schema of bunsui.toml.
pub fn settings_schema() -> Json {
    let all = Json::Object(properties(""));
    let mut with_environments = all.clone();
    with_environments["env"] = json!({
        "description": "settings that hold with `--env NAME`",
        "type": "object",
        "additionalProperties": {"type": "object", "properties": all, "additionalProperties": false},
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "bunsui settings",
        "description": "Settings of a project, in its bunsui.toml",
        "type": "object",
        "properties": with_environments,
        "additionalProperties": false,
    })
}

/// The keys of a section, and the sections in it.
fn properties(section: &str) -> Map<String, Json> {
    let own = KEYS.iter().filter(|key| key.section == section);
    let mut properties: Map<String, Json> = own.map(|key| (key.name.to_owned(), property(key))).collect();
    for inner in sections(section) {
        let path = if section.is_empty() { inner.to_owned() } else { format!("{section}.{inner}") };
        let table =
            json!({"type": "object", "properties": self::properties(&path), "additionalProperties": false});
        properties.insert(inner.to_owned(), table);
    }
    properties
}

fn property(key: &Key) -> Json {
    let mut property = match key.kind {
        Kind::Text(_) | Kind::Path => json!({"type": "string"}),
        Kind::Choice(words) => json!({"enum": words}),
        Kind::Switch(_) => json!({"type": ["boolean", "string"]}),
        Kind::Paths | Kind::Texts(_) => json!({"type": "array", "items": {"type": "string"}}),
    };
    property["description"] = key.about.into();
    property
}
