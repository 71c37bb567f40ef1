//! What a plugin declares of an operation type, as its users meet it: in the editor, in messages, in `plugin show`.

use super::{Outcome, Verdict};
use crate::pipeline::OperationCatalogue;
use crate::plugin::Plugins;
use serde_json::Value as Json;

/// Looks at one type's declaration.
pub(super) fn try_type(plugins: &Plugins, kind: &str, say: &mut impl FnMut(Verdict)) {
    let Some(declared) = plugins.operation_type(kind) else { return };
    let summary = declared.summary.trim();
    let is_one_line = !summary.is_empty() && !summary.contains('\n');
    let said = format!("its summary is `{}`", declared.summary);
    say(wanted(kind, "a summary of one line", is_one_line, said));
    let schema = &declared.schema;
    let is_of_tables = schema["type"] == "object";
    let said = "the schema has no `\"type\": \"object\"` at its root: the keys of an operation are a table";
    say(wanted(kind, "a schema of a table", is_of_tables, said.to_owned()));
    let is_closed = [&schema["additionalProperties"], &schema["unevaluatedProperties"]]
        .iter()
        .any(|rule| matches!(rule, Json::Bool(false) | Json::Object(_)));
    let said = "a key that is misspelt is not noticed: the schema has no `\"additionalProperties\": false`";
    say(wanted(kind, "unknown keys are refused", is_closed, said.to_owned()));
    let silent = without_description(schema);
    let said = format!("these have no `description`, which editors show: {}", silent.join(", "));
    say(wanted(kind, "every key is described", silent.is_empty(), said));
    if declared.has_run_local {
        let local = &schema["properties"]["local"];
        let tried = match local {
            Json::Null => Err("it has a local form, and no key `local` that would say what it is".to_owned()),
            _ => Ok(()),
        };
        say(Verdict::of(format!("`{kind}`: its local form can be asked for"), tried));
        let is_static = local["x-bunsui-static"] == true || *local == Json::Null;
        let said =
            "`local` is handed on as it is written, so its schema should have `\"x-bunsui-static\": true`";
        say(wanted(kind, "`local` holds no reference", is_static, said.to_owned()));
    }
}

fn wanted(kind: &str, claim: &str, is_so: bool, otherwise: String) -> Verdict {
    let outcome = if is_so { Outcome::Passed } else { Outcome::Warning };
    Verdict::new(format!("`{kind}`: {claim}"), outcome, (!is_so).then_some(otherwise))
}

fn without_description(schema: &Json) -> Vec<String> {
    let properties = schema["properties"].as_object().into_iter().flatten();
    let silent = properties.filter(|(_, property)| !property["description"].is_string());
    silent.map(|(key, _)| format!("`{key}`")).collect()
}
