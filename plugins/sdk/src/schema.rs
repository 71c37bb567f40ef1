//! JSON Schema of an operation's keys, derived from a struct.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value as Json;

/// The schema of `T`'s fields, as bunsui wants it: nothing is referred to, and null, which TOML does not have, is nowhere.
///
/// Give `T` `#[serde(deny_unknown_fields)]`, doc comments for descriptions, and mark what may hold no reference with
/// `#[schemars(extend("x-bunsui-static" = true))]`. Rules about several keys are JSON Schema too: `extend("oneOf" = […])`, with the words
/// of docs/plugin-abi.md (`x-bunsui-message`, `x-bunsui-help`, `x-bunsui-at`) where bunsui's own do not say it well.
pub fn of<T: JsonSchema>() -> Json {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    if let Some(object) = schema.as_object_mut() {
        object.shift_remove("title");
    }
    without_null(&mut schema);
    schema
}

fn without_null(schema: &mut Json) {
    match schema {
        Json::Array(items) => items.iter_mut().for_each(without_null),
        Json::Object(object) => {
            object.values_mut().for_each(without_null);
            if object.get("default").is_some_and(Json::is_null) {
                object.shift_remove("default");
            }
            // Widths of Rust's integers mean nothing to a reader of the file.
            if object.get("format").and_then(Json::as_str).is_some_and(|format| format.contains("int")) {
                object.shift_remove("format");
            }
            if let Some(Json::Array(types)) = object.get_mut("type") {
                types.retain(|kind| kind != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    object.insert("type".to_owned(), only);
                }
            }
            if let Some(Json::Array(options)) = object.get_mut("anyOf") {
                options.retain(|option| option.get("type").is_none_or(|kind| kind != "null"));
                if let [Json::Object(only)] = options.as_slice() {
                    let only = only.clone();
                    object.shift_remove("anyOf");
                    for (key, value) in only {
                        object.entry(key).or_insert(value);
                    }
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Keys {
        /// how many
        count: Option<u32>,
        #[schemars(extend("x-bunsui-static" = true))]
        local: Option<Local>,
    }

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Local {
        result: Option<Json>,
    }

    #[test]
    fn optional_fields_allow_no_null_and_nothing_is_referred_to() {
        let schema = of::<Keys>();
        assert_eq!(
            schema["properties"]["count"],
            json!({"description": "how many", "type": "integer", "minimum": 0})
        );
        assert_eq!(schema["properties"]["local"]["type"], "object");
        assert_eq!(schema["properties"]["local"]["x-bunsui-static"], true);
        assert_eq!(schema["additionalProperties"], false);
        assert!(!schema.to_string().contains("$ref"));
    }
}
