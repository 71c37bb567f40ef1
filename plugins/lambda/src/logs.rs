//! Where AWS keeps a function's log lines.
//!
//! Takes: the keys and what was submitted; asks Lambda for the function's log group. Gives: the group, and the pattern of
//! one invocation where its id is known.
//! Deliberately does not: read lines, or fail where Lambda does not say: the group then is the one that Lambda makes.

use crate::function::Named;
use bunsui_plugin_sdk::{Aws, LogSource, LogsRequest, cause};
use serde_json::Value as Json;

pub(crate) fn logs(request: &LogsRequest) -> Vec<LogSource> {
    let submitted = request.submitted.as_ref().map(cause::open_value);
    let submitted = submitted.as_ref();
    let Some(function) = Named::of(&request.keys, submitted) else { return Vec::new() };
    let aws = request.aws.or_region_of(function.written);
    let qualifier = request.keys.get("qualifier").and_then(Json::as_str).filter(|text| !text.contains("{%"));
    let own = own_group(&aws, function, qualifier);
    vec![LogSource {
        group: own.unwrap_or_else(|| format!("/aws/lambda/{}", function.name)),
        // Streams are of execution environments, which serve many invocations.
        stream_prefix: String::new(),
        // What does not name its invocation is not picked, as what Python's `print` writes in the text format.
        pattern: submitted.and_then(request_id).map(|id| format!("\"{id}\"")),
        region: aws.region.filter(|_| request.aws.region.is_none()),
    }]
}

/// The group that the function's configuration names.
#[cfg(feature = "aws")]
fn own_group(aws: &Aws, function: Named<'_>, qualifier: Option<&str>) -> Option<String> {
    use bunsui_plugin_sdk::aws::{block_on, configuration};
    let found = block_on(async {
        let client = aws_sdk_lambda::Client::new(&configuration(aws, "lambda").await);
        let asked = client.get_function_configuration().function_name(function.written);
        asked.set_qualifier(qualifier.map(str::to_owned)).send().await.ok()
    });
    Some(found.ok()??.logging_config()?.log_group()?.to_owned())
}

#[cfg(not(feature = "aws"))]
fn own_group(_aws: &Aws, _function: Named<'_>, _qualifier: Option<&str>) -> Option<String> {
    None
}

/// Of an answer of Invoke, or of the words with which Lambda ends an invocation.
fn request_id(submitted: &Json) -> Option<&str> {
    let headers = submitted.pointer("/SdkHttpMetadata/HttpHeaders").and_then(Json::as_object);
    let of_header = || {
        let (_, value) = headers?.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-amzn-requestid"))?;
        value.as_str().or_else(|| value.get(0)?.as_str())
    };
    let of_message = || {
        let message = submitted.get("errorMessage")?.as_str()?;
        let mut words = message.split_whitespace();
        // `RequestId: ID Error: …`, and `TIME ID Task timed out after …`.
        let is_named = message.starts_with("RequestId: ") || message.contains(" Task timed out after ");
        words.nth(1).filter(|_| is_named)
    };
    let of_metadata = submitted.pointer("/SdkResponseMetadata/RequestId").and_then(Json::as_str);
    of_metadata.or_else(of_header).or_else(of_message).filter(|id| is_request_id(id))
}

/// Anything else would change the pattern's meaning.
fn is_request_id(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_invocations_id_is_found_in_what_was_said_of_it() {
        for submitted in [
            json!({"Payload": {}, "SdkResponseMetadata": {"RequestId": "4c1-a"}}),
            json!({"SdkHttpMetadata": {"HttpHeaders": {"x-amzn-RequestId": "4c1-a"}}}),
            json!({"SdkHttpMetadata": {"HttpHeaders": {"X-Amzn-Requestid": ["4c1-a"]}}}),
            json!({"errorMessage": "2025-03-25T14:59:02.758Z 4c1-a Task timed out after 3.00 seconds"}),
            json!({"errorMessage": "RequestId: 4c1-a Error: Runtime exited with error: signal: killed"}),
        ] {
            assert_eq!(request_id(&submitted), Some("4c1-a"), "{submitted}");
        }
        assert_eq!(request_id(&json!({"SdkResponseMetadata": {"RequestId": "a\" ?b"}})), None);
        assert_eq!(request_id(&json!({"Payload": {}})), None);
        assert_eq!(request_id(&json!({"errorMessage": "no such table"})), None);
    }

    /// Without the feature, so that nothing is asked.
    #[cfg(not(feature = "aws"))]
    #[test]
    fn the_group_is_lambdas_own_where_nothing_else_is_known() {
        let of =
            |keys: Json, submitted: Option<Json>| logs(&LogsRequest { keys, submitted, aws: Aws::default() });
        let arn = "arn:aws:lambda:eu-west-1:123456789012:function:etl:live";
        let submitted = json!({"SdkResponseMetadata": {"RequestId": "4c1"}});
        assert_eq!(
            of(json!({"function": arn}), Some(submitted)),
            [LogSource {
                group: "/aws/lambda/etl".to_owned(),
                stream_prefix: String::new(),
                pattern: Some("\"4c1\"".to_owned()),
                region: Some("eu-west-1".to_owned()),
            }]
        );
        assert_eq!(of(json!({"function": "{% $params.f %}"}), None), []);
    }
}
