//! A plugin as a team writes one: a schema with rules in its author's words, and a check for what no schema can say.

use bunsui_plugin_sdk::{
    CheckRequest, Finding, Fragment, OperationType, PluginError, StatesRequest, export_plugin,
};
use serde_json::{Map, Value as Json, json};

export_plugin! { name: "query", version: "2.0.1", operation_types: [Query] }

struct Query;

impl OperationType for Query {
    fn name(&self) -> &'static str {
        "query"
    }

    fn summary(&self) -> &'static str {
        "a statement on the warehouse"
    }

    fn schema(&self) -> Json {
        json!({
            "type": "object",
            "properties": {
                "statement": { "type": "string", "examples": ["select 1"], "description": "What to ask" },
                "file": { "type": "string", "description": "A file that holds the statement" },
                "database": { "type": "string", "minLength": 1 },
                "mode": { "enum": ["append", "replace", "merge"] },
                "merge_on": { "type": "array", "items": { "type": "string" }, "minItems": 1 },
                "limit": { "type": "integer", "x-bunsui-message": "`limit` says how many rows, not {}" },
                "schedule": {
                    "type": "object",
                    "properties": { "start": { "type": "integer" }, "end": { "type": "integer" } },
                    "dependentRequired": { "end": ["start"] },
                    "additionalProperties": false
                },
                "sources": { "type": "array", "items": { "$ref": "#/$defs/Source" } },
                "cache": { "type": "boolean" },
                "fresh": { "type": "boolean" }
            },
            "additionalProperties": false,
            "$defs": {
                "Source": {
                    "type": "object",
                    "properties": {
                        "table": { "type": "string" },
                        "path": {
                            "type": "string",
                            "pattern": "^s3://",
                            "x-bunsui-message": { "pattern": "`{}` is no s3:// path" }
                        },
                        "format": { "type": "string" }
                    },
                    "additionalProperties": false,
                    "oneOf": [{ "required": ["table"] }, { "required": ["path"] }],
                    "allOf": [{
                        "not": { "type": "object", "required": ["table", "format"] },
                        "x-bunsui-message": "table `{table}` has a format of its own",
                        "x-bunsui-help": "remove `format = \"{format}\"`",
                        "x-bunsui-at": "/format"
                    }]
                }
            },
            "oneOf": [{ "required": ["statement"] }, { "required": ["file"] }],
            "dependentSchemas": { "cache": { "properties": { "fresh": false } } },
            "allOf": [
                {
                    "if": { "properties": { "mode": { "const": "merge" } }, "required": ["mode"] },
                    "then": { "required": ["merge_on"] },
                    "x-bunsui-message": { "then": "mode `{mode}` needs `merge_on`" },
                    "x-bunsui-help": "name the columns that tell rows apart: `merge_on = [\"id\"]`",
                    "x-bunsui-at": "/mode"
                },
                {
                    "not": {
                        "required": ["database"],
                        "properties": { "database": { "pattern": "^tmp" } }
                    },
                    "x-bunsui-message": "database `{database}` is emptied every night",
                    "x-bunsui-at": "/database"
                }
            ]
        })
    }

    fn has_check(&self) -> bool {
        true
    }

    fn check(&self, request: &CheckRequest) -> Result<Vec<Finding>, PluginError> {
        let statement = request.keys.get("statement").and_then(Json::as_str).unwrap_or_default();
        if statement.matches('(').count() != statement.matches(')').count() {
            let message = format!("the parentheses of `{}` do not match", request.operation);
            return Ok(vec![Finding::error("/statement", message).help("count them")]);
        }
        let is_slow = statement.contains('*');
        Ok(Vec::from_iter(is_slow.then(|| Finding::warning("/statement", "`*` reads every column"))))
    }

    fn states(&self, _request: &StatesRequest) -> Result<Fragment, PluginError> {
        let state = json!({ "Type": "Pass", "End": true });
        Ok(Fragment { start_at: "ask".to_owned(), states: Map::from_iter([("ask".to_owned(), state)]) })
    }
}
