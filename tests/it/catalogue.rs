//! An operation catalogue without plugins: types like the shipped ones, and some that misbehave.

use bunsui::diagnostic::Severity;
use bunsui::pipeline::{
    CatalogueError, CheckRequest, Finding, Fragment, FragmentRequest, OperationCatalogue, OperationType,
};
use serde_json::{Value, json};

/// `lambda`, `ecs`, `checked` (has a check), `dying` (its check fails), `broken` (its schema is none), `free` (takes
/// any key).
pub(crate) struct TestCatalogue {
    types: Vec<OperationType>,
}

impl TestCatalogue {
    pub(crate) fn new() -> Self {
        let declare = |name: &str, schema: Value| OperationType {
            name: name.to_owned(),
            plugin: name.to_owned(),
            summary: format!("the type {name}"),
            schema,
            has_check: matches!(name, "checked" | "dying"),
            has_run_local: true,
            judge: Default::default(),
        };
        let numbers = json!({ "type": "object", "properties": { "a": { "type": "integer" } } });
        let types = vec![
            declare("broken", json!({ "type": "nothing" })),
            declare("checked", numbers.clone()),
            declare("dying", numbers),
            declare("ecs", ecs()),
            declare("free", json!({ "type": "object" })),
            declare("lambda", lambda()),
        ];
        Self { types }
    }
}

fn lambda() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "function": { "type": "string", "minLength": 1, "description": "Name, partial ARN or ARN of the function." },
            "qualifier": { "type": "string" },
            "payload": { "description": "What the function is given." },
            "local": {
                "x-bunsui-static": true,
                "description": "What the operation is on a laptop.",
                "type": "object",
                "properties": {
                    "handler": { "type": "string" },
                    "bootstrap": { "type": "string" },
                    "result": {},
                    "environment": { "type": "object", "additionalProperties": { "type": "string" } }
                },
                "additionalProperties": false,
                "oneOf": [
                    { "required": ["handler"] },
                    { "required": ["bootstrap"] },
                    { "required": ["result"] }
                ]
            }
        },
        "required": ["function"],
        "additionalProperties": false
    })
}

/// Optional values as `anyOf` with null and documented words as `oneOf` constants, as generators of schemas write them.
fn ecs() -> Value {
    json!({
        "type": "object",
        "properties": {
            "cluster": { "type": "string" },
            "task_definition": { "type": "string" },
            "container": { "type": "string" },
            "environment": {
                "type": "object",
                "additionalProperties": { "type": ["string", "number", "boolean"] }
            },
            "command": { "type": ["array", "null"], "items": { "type": "string" } },
            "cpu": { "type": ["integer", "null"], "minimum": 128 },
            "memory": { "anyOf": [{ "type": "integer" }, { "type": "string", "pattern": "^[0-9]+ GB$" }] },
            "launch_type": { "enum": ["EC2", "FARGATE", "EXTERNAL"] },
            "platform_version": {
                "oneOf": [{ "const": "LATEST" }, { "const": "1.4.0" }]
            },
            "network": { "anyOf": [{ "$ref": "#/$defs/Network" }, { "type": "null" }] },
            "result": { "type": "boolean" },
            "local": {
                "x-bunsui-static": true,
                "anyOf": [
                    {
                        "type": "object",
                        "properties": { "command": { "type": "array", "items": { "type": "string" }, "minItems": 1 } },
                        "required": ["command"],
                        "additionalProperties": false
                    },
                    {
                        "type": "object",
                        "properties": { "image": { "type": "string" } },
                        "required": ["image"],
                        "additionalProperties": false
                    },
                    {
                        "type": "object",
                        "properties": { "result": {} },
                        "required": ["result"],
                        "additionalProperties": false
                    }
                ]
            }
        },
        "required": ["cluster", "task_definition", "container"],
        "additionalProperties": false,
        "$defs": {
            "Network": {
                "type": "object",
                "properties": {
                    "subnets": { "type": "array", "items": { "type": "string" }, "minItems": 1, "maxItems": 16 },
                    "security_groups": { "type": "array", "items": { "type": "string" }, "uniqueItems": true },
                    "assign_public_ip": { "type": "boolean" }
                },
                "required": ["subnets"],
                "additionalProperties": false
            }
        }
    })
}

impl OperationCatalogue for TestCatalogue {
    fn operation_type(&self, name: &str) -> Option<&OperationType> {
        self.types.iter().find(|declared| declared.name == name)
    }

    fn names(&self) -> Vec<&str> {
        self.types.iter().map(|declared| declared.name.as_str()).collect()
    }

    /// `checked` wants `a` to be even, warns of a large one, and dislikes an empty operation as a whole.
    fn check(&self, requests: &[CheckRequest]) -> Result<Vec<Vec<Finding>>, CatalogueError> {
        if let Some(request) = requests.iter().find(|request| request.kind == "dying") {
            return Err(CatalogueError {
                plugin: "dying".to_owned(),
                what: "check",
                operation: request.operation.clone(),
                message: "it ended by signal 11".to_owned(),
                help: Some("start it alone: `bunsui plugin check dying`".to_owned()),
            });
        }
        Ok(requests.iter().map(|request| findings(&request.keys)).collect())
    }

    fn fragments(&self, _requests: &[FragmentRequest]) -> Result<Vec<Fragment>, CatalogueError> {
        Ok(Vec::new())
    }
}

fn findings(keys: &Value) -> Vec<Finding> {
    let finding = |severity, pointer: &str, message: &str| Finding {
        severity,
        pointer: pointer.to_owned(),
        message: message.to_owned(),
        help: None,
    };
    match keys.get("a").and_then(Value::as_i64) {
        None if keys.as_object().is_some_and(serde_json::Map::is_empty) => {
            vec![finding(Severity::Error, "", "nothing to do")]
        }
        Some(a) if a % 2 != 0 => vec![finding(Severity::Error, "/a", "`a` is odd")],
        Some(a) if a > 1000 => vec![finding(Severity::Warning, "/a#", "`a` is what everybody calls it")],
        Some(a) if a > 100 => vec![finding(Severity::Warning, "/a", "`a` is large")],
        _ => Vec::new(),
    }
}
