//! The keys of an operation, as a schema.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// Keys of an operation of type `ecs`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("allOf" = [one_way_to_launch(), own_output()], "examples" = examples()))]
#[expect(dead_code, reason = "values may be references, so keys are read as JSON; this gives their schema")]
pub(crate) struct Keys {
    /// Cluster: name or ARN; the account's default cluster if not given
    #[schemars(length(min = 1))]
    cluster: Option<String>,
    /// Task definition: family, family:revision or ARN
    #[schemars(length(min = 1))]
    task_definition: String,
    /// The container whose environment, command and exit code count
    #[schemars(length(min = 1))]
    container: String,
    /// Environment variables of the container; numbers and booleans become text
    #[schemars(extend("propertyNames" = variable_name()))]
    environment: Option<BTreeMap<String, Scalar>>,
    /// Command of the container
    command: Option<Vec<String>>,
    /// CPU units of the container and the task
    #[schemars(range(min = 1))]
    cpu: Option<u32>,
    /// MiB of memory of the container and the task
    #[schemars(range(min = 1))]
    memory: Option<u32>,
    /// Where the task runs; not together with capacity_provider_strategy
    launch_type: Option<LaunchType>,
    /// Capacity providers; not together with launch_type
    #[schemars(length(min = 1))]
    capacity_provider_strategy: Option<Vec<CapacityProvider>>,
    /// Fargate platform version
    platform_version: Option<String>,
    /// Network of the task, for network mode awsvpc
    network: Option<Network>,
    /// Role that the containers assume, instead of the task definition's
    task_role: Option<String>,
    /// Role that starts the containers, instead of the task definition's
    execution_role: Option<String>,
    /// Tags of the task
    tags: Option<BTreeMap<String, String>>,
    /// Whether the container leaves a JSON result at $BUNSUI_OUTPUT
    #[schemars(extend("x-bunsui-static" = true))]
    result: Option<bool>,
    /// What this operation is on a laptop
    #[schemars(extend("x-bunsui-static" = true))]
    local: Option<Local>,
}

/// Whole operations, of which each runs on a laptop.
fn examples() -> Json {
    json!([
        {
            "cluster": "data",
            "task_definition": "etl-transform",
            "container": "main",
            "environment": { "SOURCE": "s3://lake/raw/2015.csv" },
            "network": { "subnets": ["subnet-0123456789abcdef0"], "assign_public_ip": true },
            "local": { "command": ["sh", "-c", "echo transformed $SOURCE"] }
        },
        {
            "task_definition": "etl-count",
            "container": "main",
            "result": true,
            "local": { "command": ["sh", "-c", "echo '{\"rows\": 365}' > $BUNSUI_OUTPUT"] }
        }
    ])
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Scalar {
    Text(String),
    Number(f64),
    Boolean(bool),
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
enum LaunchType {
    Ec2,
    Fargate,
    External,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct CapacityProvider {
    /// `FARGATE`, `FARGATE_SPOT` or one of the cluster's own
    capacity_provider: String,
    /// Tasks that run on it before weights count
    #[schemars(range(max = 100_000))]
    base: Option<u32>,
    /// Its share
    #[schemars(range(max = 1000))]
    weight: Option<u32>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct Network {
    #[schemars(length(min = 1, max = 16))]
    subnets: Vec<String>,
    #[schemars(length(max = 5))]
    security_groups: Option<Vec<String>>,
    assign_public_ip: Option<bool>,
}

fn one_way_to_launch() -> Json {
    json!({
        "not": { "type": "object", "required": ["launch_type", "capacity_provider_strategy"] },
        "x-bunsui-help": "remove `launch_type` to use the strategy"
    })
}

fn own_output() -> Json {
    json!({
        "not": {
            "required": ["result", "environment"],
            "properties": {
                "result": { "const": true },
                "environment": { "type": "object", "required": ["BUNSUI_OUTPUT"] }
            }
        },
        "x-bunsui-message": "`BUNSUI_OUTPUT` is set by bunsui where `result = true`",
        "x-bunsui-help": "leave it out, or remove `result`",
        "x-bunsui-at": "/environment/BUNSUI_OUTPUT"
    })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend(
    "anyOf" = [{ "required": ["command"] }, { "required": ["image"] }, { "required": ["result"] }],
    "allOf" = [instead_of("command"), instead_of("image")]
))]
#[expect(dead_code, reason = "only its schema is used")]
struct Local {
    /// Program and arguments, started in the pipeline file's folder
    #[schemars(length(min = 1), extend("examples" = [["python3", "etl/transform.py"]]))]
    command: Option<Vec<String>>,
    /// Image to run with Docker or Podman
    #[schemars(length(min = 1), example = "python:3.13")]
    image: Option<String>,
    /// What the operation gives here, without doing anything
    result: Option<Json>,
    /// More environment variables, only here
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

/// What a result that is given makes useless.
fn instead_of(key: &str) -> Json {
    json!({
        "not": { "type": "object", "required": ["result", key] },
        "x-bunsui-help": format!("keep `result` alone, or `{key}`, which would never be used beside it")
    })
}

#[cfg(test)]
mod tests {
    use bunsui_plugin_sdk::schema;
    use serde_json::{Value as Json, json};

    /// Whether the schema accepts the keys, the required ones given.
    #[track_caller]
    fn check(keys: Json, is_accepted: bool) {
        let validator = jsonschema::draft202012::new(&schema::of::<super::Keys>()).unwrap();
        let mut all = json!({"task_definition": "t", "container": "main"});
        all.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        assert_eq!(validator.is_valid(&all), is_accepted, "of {all}");
    }

    #[test]
    fn what_excludes_each_other_is_found() {
        let strategy = json!([{"capacity_provider": "FARGATE_SPOT"}]);
        check(json!({}), true);
        check(json!({"launch_type": "FARGATE"}), true);
        check(json!({"capacity_provider_strategy": strategy}), true);
        check(json!({"launch_type": "FARGATE", "capacity_provider_strategy": strategy}), false);
        check(json!({"environment": {"BUNSUI_OUTPUT": "x"}}), true);
        check(json!({"result": false, "environment": {"BUNSUI_OUTPUT": "x"}}), true);
        check(json!({"result": true, "environment": {"OTHER": "x"}}), true);
        check(json!({"result": true, "environment": {"BUNSUI_OUTPUT": "x"}}), false);
    }

    #[test]
    fn a_variable_has_a_name_that_a_process_can_have() {
        for (name, is_accepted) in
            [("A", true), ("a.b-c d", true), ("", false), ("A=B", false), ("A\0", false)]
        {
            check(json!({"environment": {name: "x"}}), is_accepted);
            check(json!({"local": {"command": ["true"], "environment": {name: "x"}}}), is_accepted);
        }
    }

    #[test]
    fn local_says_what_to_do_and_says_it_once() {
        check(json!({"local": {}}), false);
        check(json!({"local": {"environment": {"A": "1"}}}), false);
        check(json!({"local": {"command": ["true"]}}), true);
        check(json!({"local": {"command": ["true"], "image": "alpine"}}), true);
        check(json!({"local": {"result": 1}}), true);
        check(json!({"local": {"result": 1, "image": "alpine"}}), false);
        check(json!({"local": {"result": 1, "command": ["true"]}}), false);
    }
}
