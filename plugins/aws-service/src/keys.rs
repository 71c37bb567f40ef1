//! The keys of an operation, as a schema.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

/// Keys of an operation of type `aws-service`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("allOf" = [one_way_to_wait()], "examples" = examples()))]
#[expect(dead_code, reason = "values may be references, so keys are read as JSON; this gives their schema")]
pub(crate) struct Keys {
    /// What is called: `service:action`, with the names that Step Functions has for them
    #[schemars(length(min = 1), example = "glue:startJobRun", extend("x-bunsui-static" = true))]
    action: String,
    /// What the action takes; names in PascalCase
    arguments: Option<Map<String, Json>>,
    /// Whether the operation ends when the job that was started does
    #[schemars(extend("x-bunsui-static" = true))]
    sync: Option<bool>,
    /// Whether the operation ends when somebody gives the task token back
    #[schemars(extend("x-bunsui-static" = true))]
    wait_for_callback: Option<bool>,
    /// What the operation gives, of `$states.result`; all that the service answered if not given
    result: Option<Json>,
    /// Role to assume for the call, as of another account
    #[schemars(length(min = 1))]
    role: Option<String>,
    /// What the state machine's role may do besides, or instead of what is derived for the same actions
    #[schemars(length(min = 1), extend("x-bunsui-static" = true))]
    permissions: Option<Vec<Permission>>,
    /// Whether action and arguments are taken as they are written: for what is newer than this bunsui
    #[schemars(extend("x-bunsui-static" = true))]
    unchecked: Option<bool>,
    /// What this operation is on a laptop
    #[schemars(extend("x-bunsui-static" = true))]
    local: Option<Local>,
}

/// Whole operations.
fn examples() -> Json {
    json!([
        {
            "action": "glue:startJobRun",
            "sync": true,
            "arguments": { "JobName": "nightly", "Arguments": { "--year": "2015" } },
            "local": { "result": { "JobRunState": "SUCCEEDED" } }
        },
        {
            "action": "dynamodb:putItem",
            "arguments": { "TableName": "runs", "Item": { "id": { "S": "2015" } } },
            "local": { "result": {} }
        }
    ])
}

/// A job is waited for, or a token.
fn one_way_to_wait() -> Json {
    json!({
        "not": {
            "type": "object",
            "required": ["sync", "wait_for_callback"],
            "properties": { "sync": { "const": true }, "wait_for_callback": { "const": true } }
        },
        "x-bunsui-message": "`sync` waits for a job, `wait_for_callback` for a task token: it cannot be both",
        "x-bunsui-help": "remove one of them",
        "x-bunsui-at": "/wait_for_callback"
    })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct Permission {
    /// IAM actions: `s3:GetObject`
    #[schemars(length(min = 1))]
    actions: Vec<IamAction>,
    /// ARNs; `{partition}`, `{region}` and `{account}` are those that the pipeline is deployed to
    #[schemars(length(min = 1))]
    resources: Vec<Resource>,
}

/// `service:Action`, with wildcards.
#[derive(Deserialize, JsonSchema)]
#[schemars(transparent)]
#[expect(dead_code, reason = "only its schema is used")]
struct IamAction(
    #[schemars(
        regex(pattern = r"^([A-Za-z0-9-]+:[A-Za-z0-9*?]+|\*)$"),
        extend("x-bunsui-message" = { "pattern": "`{}` is no action of IAM" }),
        extend("x-bunsui-help" = { "pattern": "IAM's actions are `service:Action`, as `s3:GetObject`" }),
    )]
    String,
);

#[derive(Deserialize, JsonSchema)]
#[schemars(transparent)]
#[expect(dead_code, reason = "only its schema is used")]
struct Resource(
    #[schemars(
        regex(pattern = r"^(\*|arn:[^:]+:[^:]+:[^:]*:[^:]*:.+)$"),
        extend("x-bunsui-message" = { "pattern": "`{}` is no ARN" }),
        extend("x-bunsui-help" = {
            "pattern": "an ARN is `arn:{partition}:service:{region}:{account}:resource`, with these braces or without; `*` is every resource"
        }),
    )]
    String,
);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct Local {
    /// What the service answers here, without being asked: what `$states.result` is on AWS
    result: Json,
}

#[cfg(test)]
mod tests {
    use bunsui_plugin_sdk::schema;
    use serde_json::{Value as Json, json};

    /// Whether the schema accepts the keys, `action` given.
    #[track_caller]
    fn check(keys: Json, is_accepted: bool) {
        let validator = jsonschema::draft202012::new(&schema::of::<super::Keys>()).unwrap();
        let mut all = json!({"action": "glue:startJobRun"});
        all.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        assert_eq!(validator.is_valid(&all), is_accepted, "of {all}");
    }

    #[test]
    fn a_job_or_a_token_is_waited_for() {
        check(json!({"sync": true}), true);
        check(json!({"wait_for_callback": true, "sync": false}), true);
        check(json!({"wait_for_callback": true, "sync": true}), false);
    }

    #[test]
    fn permissions_are_those_of_iam() {
        let of = |action: &str, resource: &str| json!({"permissions": [{"actions": [action], "resources": [resource]}]});
        check(of("s3:GetObject", "arn:aws:s3:::lake/*"), true);
        check(of("s3:Get*", "arn:{partition}:s3:::lake/*"), true);
        check(of("s3:GetObject", "*"), true);
        check(of("GetObject", "*"), false);
        check(of("s3:GetObject", "lake"), false);
        check(json!({"permissions": []}), false);
        check(json!({"permissions": [{"actions": ["s3:GetObject"]}]}), false);
    }

    #[test]
    fn local_gives_a_result() {
        check(json!({"local": {"result": {"JobRunState": "SUCCEEDED"}}}), true);
        check(json!({"local": {"result": null}}), true);
        check(json!({"local": {}}), false);
        check(json!({"local": {"command": ["true"]}}), false);
    }

    #[test]
    fn arguments_are_a_table() {
        check(json!({"arguments": {"JobName": "a", "Arguments": {"--x": 1}}}), true);
        check(json!({"arguments": ["a"]}), false);
    }
}
