//! The keys of an operation, as a schema.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// Keys of an operation of type `lambda`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("allOf" = [one_version()], "examples" = examples()))]
#[expect(dead_code, reason = "values may be references, so keys are read as JSON; this gives their schema")]
pub(crate) struct Keys {
    /// The function: name, partial ARN or ARN
    #[schemars(length(min = 1, max = 170))]
    function: String,
    /// Version or alias
    #[schemars(length(min = 1, max = 128))]
    qualifier: Option<String>,
    /// What the function gets; the job's input if not given
    payload: Option<Json>,
    /// What this operation is on a laptop
    #[schemars(extend("x-bunsui-static" = true))]
    local: Option<Local>,
}

/// Whole operations.
fn examples() -> Json {
    json!([{
        "function": "etl-extract",
        "qualifier": "live",
        "payload": { "year": 2015 },
        "local": { "result": { "rows": 365 } }
    }])
}

/// A version or alias is said in the function or beside it.
fn one_version() -> Json {
    json!({
        "not": {
            "required": ["function", "qualifier"],
            "properties": {
                // `name:alias`, `123456789012:function:name:alias` and the whole ARN.
                "function": { "type": "string", "pattern": r"^(.*function:)?[A-Za-z0-9_-]+:(\$LATEST|[A-Za-z0-9_-]+)$" }
            }
        },
        "x-bunsui-message": "function `{function}` already ends in a version or alias",
        "x-bunsui-help": "say it once: in `function` or in `qualifier`",
        "x-bunsui-at": "/qualifier"
    })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    { "required": ["handler"] },
    { "required": ["bootstrap"] },
    { "required": ["result"] },
]))]
#[expect(dead_code, reason = "only its schema is used")]
struct Local {
    /// A function in a Python or Node file: `file.py:function`, `file.mjs:function`
    #[schemars(
        regex(pattern = r"^.+\.(py|mjs|js|cjs):[^:]+$"),
        example = "etl/extract.py:handler",
        extend("x-bunsui-message" = { "pattern": "`{}` does not name a function of a Python or Node file" }),
        extend("x-bunsui-help" = {
            "pattern": "a handler is `file.py:function` or `file.mjs:function`, relative to the pipeline file"
        }),
    )]
    handler: Option<String>,
    /// A program that speaks the Lambda Runtime API
    #[schemars(length(min = 1), example = "bin/bootstrap")]
    bootstrap: Option<String>,
    /// What the function gives here, without being there
    result: Option<Json>,
    /// Environment variables of the function, only here
    #[schemars(extend("propertyNames" = variable_name()))]
    environment: Option<BTreeMap<String, Scalar>>,
}

/// No process can have a variable of another name.
fn variable_name() -> Json {
    json!({
        "pattern": r"^[^=\x00]+$",
        "x-bunsui-message": "`{}` cannot be the name of an environment variable",
        "x-bunsui-help": "a name is not empty, and holds neither `=` nor the character NUL"
    })
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Scalar {
    Text(String),
    Number(f64),
    Boolean(bool),
}

#[cfg(test)]
mod tests {
    use bunsui_plugin_sdk::schema;
    use serde_json::{Value as Json, json};

    /// Whether the schema accepts the keys, `function` given.
    #[track_caller]
    fn check(keys: Json, is_accepted: bool) {
        let validator = jsonschema::draft202012::new(&schema::of::<super::Keys>()).unwrap();
        let mut keys = keys;
        keys.as_object_mut().unwrap().entry("function").or_insert_with(|| "f".into());
        assert_eq!(validator.is_valid(&keys), is_accepted, "of {keys}");
    }

    #[test]
    fn a_version_is_said_once() {
        check(json!({"qualifier": "live"}), true);
        check(json!({"function": "f:live"}), true);
        check(json!({"function": "f:live", "qualifier": "live"}), false);
        check(json!({"function": "f:$LATEST", "qualifier": "live"}), false);
        check(json!({"function": "123456789012:function:f", "qualifier": "live"}), true);
        check(json!({"function": "123456789012:function:f:1", "qualifier": "live"}), false);
        let arn = "arn:aws:lambda:eu-west-1:123456789012:function:f";
        check(json!({"function": arn, "qualifier": "live"}), true);
        check(json!({"function": format!("{arn}:1"), "qualifier": "live"}), false);
        check(json!({"function": "${params.f}", "qualifier": "live"}), true);
        check(json!({"function": "{% $params.f & ':1' %}", "qualifier": "live"}), true);
    }

    #[test]
    fn local_says_one_thing() {
        check(json!({"local": {}}), false);
        check(json!({"local": {"environment": {"A": "1"}}}), false);
        check(json!({"local": {"result": null}}), true);
        check(json!({"local": {"handler": "a/b.py:main", "environment": {}}}), true);
        check(json!({"local": {"handler": "a.mjs:x.y"}}), true);
        for name in ["", "A=B", "A\0"] {
            check(json!({"local": {"handler": "a.py:f", "environment": {name: "x"}}}), false);
        }
        check(json!({"local": {"bootstrap": "b", "handler": "a.py:x"}}), false);
        for handler in ["", "a.py", "a.rb:main", "a.py:", ":main", ".py:main"] {
            check(json!({"local": {"handler": handler}}), false);
        }
    }
}
