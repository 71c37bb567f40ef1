//! Operation types without plugins.

use bunsui::diagnostic::Severity;
use bunsui::pipeline::{
    CatalogueError, CheckRequest, Finding, Fragment, FragmentRequest, OperationCatalogue, OperationType,
    SchemaJudge,
};
use serde_json::{Map, Value as Json, json};
use std::sync::LazyLock;

/// Made once: making a schema ready costs more than most files.
static TYPES: LazyLock<[OperationType; 2]> =
    LazyLock::new(|| [operation_type("free", json!({ "type": "object" })), operation_type("task", task())]);

/// `task` has a schema like those of shipped types; `free` takes any key and has a check.
#[derive(Default)]
pub struct Catalogue {
    /// What plugins answer; where there is none, what a plugin without mistakes would.
    pub replies: Replies,
}

/// What a plugin answers to every request.
#[derive(Default)]
pub struct Replies {
    /// To `check`.
    pub findings: Option<Vec<Finding>>,
    /// To `states`.
    pub fragment: Option<Fragment>,
}

fn operation_type(name: &str, schema: Json) -> OperationType {
    OperationType {
        name: name.to_owned(),
        plugin: name.to_owned(),
        summary: String::new(),
        schema,
        has_check: name == "free",
        has_run_local: true,
        judge: SchemaJudge::default(),
    }
}

fn task() -> Json {
    json!({
        "type": "object",
        "properties": {
            "function": { "type": "string", "minLength": 1, "pattern": "^[a-zA-Z0-9-]*$" },
            "count": { "type": ["integer", "null"], "minimum": 1 },
            "payload": {},
            "environment": { "type": "object", "additionalProperties": { "type": ["string", "number"] } },
            "kind": { "oneOf": [{ "const": "one" }, { "enum": ["two", "three"] }] },
            "local": {
                "x-bunsui-static": true,
                "type": "object",
                "properties": { "command": { "type": "array", "items": { "type": "string" }, "minItems": 1 }, "result": {} },
                "additionalProperties": false,
                "oneOf": [{ "required": ["command"] }, { "required": ["result"] }]
            }
        },
        "required": ["function"],
        "additionalProperties": false
    })
}

impl OperationCatalogue for Catalogue {
    fn operation_type(&self, name: &str) -> Option<&OperationType> {
        TYPES.iter().find(|declared| declared.name == name)
    }

    fn names(&self) -> Vec<&str> {
        TYPES.iter().map(|declared| declared.name.as_str()).collect()
    }

    fn check(&self, requests: &[CheckRequest]) -> Result<Vec<Vec<Finding>>, CatalogueError> {
        let check =
            |request: &CheckRequest| self.replies.findings.clone().unwrap_or_else(|| findings(&request.keys));
        Ok(requests.iter().map(check).collect())
    }

    fn fragments(&self, requests: &[FragmentRequest]) -> Result<Vec<Fragment>, CatalogueError> {
        let compile = |request: &FragmentRequest| {
            self.replies.fragment.clone().unwrap_or_else(|| fragment(&request.keys))
        };
        Ok(requests.iter().map(compile).collect())
    }
}

/// A warning of each key.
fn findings(keys: &Json) -> Vec<Finding> {
    let warn = |key: &String| Finding {
        severity: Severity::Warning,
        pointer: format!("/{}", key.replace('~', "~0").replace('/', "~1")),
        message: "a key".to_owned(),
        help: None,
    };
    keys.as_object().into_iter().flat_map(Map::keys).map(warn).collect()
}

/// A Task that is given all keys, and one that follows it.
fn fragment(keys: &Json) -> Fragment {
    let states = json!({
        "Do": { "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": keys, "Next": "Look" },
        "Look": { "Type": "Pass", "Output": "{% $states.input %}", "End": true },
    });
    let Json::Object(states) = states else { unreachable!("it is written as an object") };
    Fragment { start_at: "Do".to_owned(), states }
}
