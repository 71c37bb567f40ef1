//! Keys to a state in Amazon States Language.

use crate::integration::Integration;
use crate::optimised::Pattern;
use crate::texts;
use bunsui_plugin_sdk::{Fragment, PluginError, StatesRequest, retry};
use serde_json::{Map, Value as Json, json};

/// The only state.
const CALL: &str = "call";

pub(crate) fn states(request: &StatesRequest) -> Result<Fragment, PluginError> {
    let keys = &request.keys;
    let integration = Integration::of(keys)
        .ok_or_else(|| PluginError::new("`action` is no `service:action`").at("/action"))?;
    let mut state = Map::new();
    state.insert("Type".to_owned(), "Task".into());
    state.insert("Resource".to_owned(), integration.resource(Pattern::of(keys)).into());
    // Without Arguments the state's input would be sent.
    let mut arguments = keys.get("arguments").cloned().unwrap_or_else(|| json!({}));
    texts::make(&integration, &mut arguments);
    state.insert("Arguments".to_owned(), arguments);
    if let Some(role) = keys.get("role") {
        state.insert("Credentials".to_owned(), json!({ "RoleArn": role }));
    }
    if let Some(result) = keys.get("result") {
        state.insert("Output".to_owned(), result.clone());
    }
    // Of no other service the guide says so.
    if integration.is("lambda", "invoke") {
        state.insert("Retry".to_owned(), retry::lambda());
    }
    state.insert("End".to_owned(), true.into());
    Ok(Fragment {
        start_at: CALL.to_owned(),
        states: Map::from_iter([(CALL.to_owned(), Json::Object(state))]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled(keys: Json) -> Json {
        let request = StatesRequest { job: "j".to_owned(), operation: "op".to_owned(), keys };
        states(&request).unwrap().states["call"].clone()
    }

    #[test]
    fn an_operation_is_one_task() {
        assert_eq!(
            compiled(json!({
                "action": "glue:startJobRun", "sync": true,
                "arguments": {"JobName": "nightly", "Arguments": {"--year": "{% $params.year %}"}},
                "local": {"result": {}},
            })),
            json!({
                "Type": "Task",
                "Resource": "arn:aws:states:::glue:startJobRun.sync",
                "Arguments": {"JobName": "nightly", "Arguments": {"--year": "{% $string($params.year) %}"}},
                "End": true,
            })
        );
    }

    #[test]
    fn without_arguments_none_are_sent() {
        assert_eq!(compiled(json!({"action": "ec2:describeInstances"}))["Arguments"], json!({}));
    }

    #[test]
    fn a_part_of_the_result_and_a_role_are_taken_as_they_are_written() {
        let state = compiled(json!({
            "action": "s3:getObject", "arguments": {"Bucket": "b", "Key": "k"},
            "result": "{% $parse($states.result.Body) %}", "role": "arn:aws:iam::1:role/other",
        }));
        assert_eq!(state["Output"], "{% $parse($states.result.Body) %}");
        assert_eq!(state["Credentials"], json!({"RoleArn": "arn:aws:iam::1:role/other"}));
        assert_eq!(state.get("Retry"), None);
    }

    #[test]
    fn only_lambdas_transient_errors_are_retried_unasked() {
        let retried = |action: &str| compiled(json!({"action": action})).get("Retry").is_some();
        assert!(retried("lambda:invoke"));
        assert!(retried("aws-sdk:lambda:invoke"));
        assert!(!retried("dynamodb:putItem"));
    }

    #[test]
    fn what_is_no_action_is_an_error_that_names_the_key() {
        let request = |keys| StatesRequest { job: "j".to_owned(), operation: "op".to_owned(), keys };
        for keys in [json!({}), json!({"action": "glue"})] {
            assert_eq!(states(&request(keys)).unwrap_err().pointer.as_deref(), Some("/action"));
        }
    }
}
