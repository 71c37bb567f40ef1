//! Keys to a state in Amazon States Language.

use bunsui_plugin_sdk::{Fragment, PluginError, StatesRequest, retry};
use serde_json::{Map, json};

pub(crate) fn states(request: &StatesRequest) -> Result<Fragment, PluginError> {
    let keys = &request.keys;
    let function =
        keys.get("function").ok_or_else(|| PluginError::new("`function` is missing").at("/function"))?;
    let mut arguments = Map::new();
    arguments.insert("FunctionName".to_owned(), function.clone());
    if let Some(qualifier) = keys.get("qualifier") {
        arguments.insert("Qualifier".to_owned(), qualifier.clone());
    }
    let payload = keys.get("payload").cloned();
    let input = || "{% $states.context.Execution.Input %}".into();
    arguments.insert("Payload".to_owned(), payload.unwrap_or_else(input));
    let state = json!({
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": arguments,
        "Output": "{% $states.result.Payload %}",
        "Retry": retry::lambda(),
        "End": true,
    });
    Ok(Fragment { start_at: "invoke".to_owned(), states: Map::from_iter([("invoke".to_owned(), state)]) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value as Json;

    fn arguments(keys: Json) -> Json {
        let request = StatesRequest { job: "j".to_owned(), operation: "o".to_owned(), keys };
        states(&request).unwrap().states["invoke"]["Arguments"].clone()
    }

    #[test]
    fn the_payload_is_the_jobs_input_where_none_is_given() {
        assert_eq!(
            arguments(json!({"function": "f"})),
            json!({"FunctionName": "f", "Payload": "{% $states.context.Execution.Input %}"})
        );
        assert_eq!(
            arguments(json!({"function": "f", "qualifier": "live", "payload": {"a": "{% $params.a %}"}})),
            json!({"FunctionName": "f", "Qualifier": "live", "Payload": {"a": "{% $params.a %}"}})
        );
    }

    #[test]
    fn a_missing_function_is_an_error_that_names_it() {
        let request = StatesRequest { job: "j".to_owned(), operation: "o".to_owned(), keys: json!({}) };
        assert_eq!(states(&request).unwrap_err().pointer.as_deref(), Some("/function"));
    }
}
