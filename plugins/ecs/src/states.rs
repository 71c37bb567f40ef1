//! Keys to states in Amazon States Language.

use bunsui_plugin_sdk::{Fragment, PluginError, StatesRequest};
use serde_json::{Map, Value as Json, json};

/// The state that runs the task.
pub(crate) const TASK: &str = "task";
/// The state that reads what the container left.
pub(crate) const RESULT: &str = "result";

pub(crate) fn states(request: &StatesRequest) -> Result<Fragment, PluginError> {
    let keys = request.keys.as_object().ok_or_else(|| PluginError::new("the keys are not a table"))?;
    let wants_result = keys.get("result") == Some(&Json::Bool(true));
    let container = required(keys, "container")?;
    let mut task = json!({
        "Type": "Task",
        "Resource": "arn:aws:states:::ecs:runTask.sync",
        "Arguments": arguments(keys, &request.operation, wants_result)?,
        "Output": {
            "exit_code": jsonata(&format!("$states.result.Containers[Name = {}].ExitCode", expression(container))),
            "task_arn": jsonata("$states.result.TaskArn"),
        },
    });
    let mut states = Map::new();
    if wants_result {
        task["Next"] = RESULT.into();
        states.insert(TASK.to_owned(), task);
        states.insert(RESULT.to_owned(), read_result(&request.operation));
    } else {
        task["End"] = true.into();
        states.insert(TASK.to_owned(), task);
    }
    Ok(Fragment { start_at: TASK.to_owned(), states })
}

/// `$bunsui.outputs` is `s3://BUCKET/PREFIX`, of the execution's input.
fn read_result(operation: &str) -> Json {
    let path = r#"$substringAfter($bunsui.outputs, "s3://")"#;
    json!({
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
        "Arguments": {
            "Bucket": jsonata(&format!(r#"$substringBefore({path}, "/")"#)),
            "Key": jsonata(&format!(r#"$substringAfter({path}, "/") & {}"#, quoted(&format!("/{operation}.json")))),
        },
        "Output": {
            "exit_code": jsonata("$states.input.exit_code"),
            "task_arn": jsonata("$states.input.task_arn"),
            "result": jsonata("$parse($states.result.Body)"),
        },
        "End": true,
    })
}

fn required<'a>(keys: &'a Map<String, Json>, key: &str) -> Result<&'a Json, PluginError> {
    keys.get(key).ok_or_else(|| PluginError::new(format!("`{key}` is missing")).at(format!("/{key}")))
}

fn arguments(keys: &Map<String, Json>, operation: &str, wants_result: bool) -> Result<Json, PluginError> {
    let mut arguments = Map::new();
    let mut put = |name: &str, value: Option<Json>| {
        if let Some(value) = value {
            arguments.insert(name.to_owned(), value);
        }
    };
    put("Cluster", keys.get("cluster").cloned());
    put("TaskDefinition", Some(required(keys, "task_definition")?.clone()));
    put("LaunchType", keys.get("launch_type").cloned());
    put("CapacityProviderStrategy", keys.get("capacity_provider_strategy").map(strategy));
    put("PlatformVersion", keys.get("platform_version").cloned());
    put("NetworkConfiguration", keys.get("network").map(network));
    put("Overrides", Some(overrides(keys, operation, wants_result)?));
    put("Tags", keys.get("tags").and_then(Json::as_object).map(|tags| pairs(tags, "Key")));
    Ok(Json::Object(arguments))
}

fn overrides(keys: &Map<String, Json>, operation: &str, wants_result: bool) -> Result<Json, PluginError> {
    let mut environment = match keys.get("environment").and_then(Json::as_object) {
        Some(environment) => pairs(environment, "Name"),
        None => json!([]),
    };
    if wants_result && let Some(environment) = environment.as_array_mut() {
        let place = format!("$bunsui.outputs & {}", quoted(&format!("/{operation}.json")));
        environment.push(json!({ "Name": "BUNSUI_OUTPUT", "Value": jsonata(&place) }));
    }
    let mut container = Map::new();
    container.insert("Name".to_owned(), required(keys, "container")?.clone());
    if environment.as_array().is_some_and(|environment| !environment.is_empty()) {
        container.insert("Environment".to_owned(), environment);
    }
    let mut task = Map::new();
    for (key, name) in [("command", "Command"), ("cpu", "Cpu"), ("memory", "Memory")] {
        if let Some(value) = keys.get(key) {
            container.insert(name.to_owned(), value.clone());
            // A task's own size is text in ECS's API, a container's a number.
            if key != "command" {
                task.insert(name.to_owned(), text(value));
            }
        }
    }
    for (key, name) in [("task_role", "TaskRoleArn"), ("execution_role", "ExecutionRoleArn")] {
        if let Some(value) = keys.get(key) {
            task.insert(name.to_owned(), value.clone());
        }
    }
    task.insert("ContainerOverrides".to_owned(), json!([container]));
    Ok(Json::Object(task))
}

fn pairs(table: &Map<String, Json>, name: &str) -> Json {
    table.iter().map(|(key, value)| json!({ name: key, "Value": text(value) })).collect()
}

fn strategy(strategy: &Json) -> Json {
    let renamed = |item: &Json| {
        let names = [("capacity_provider", "CapacityProvider"), ("base", "Base"), ("weight", "Weight")];
        names
            .into_iter()
            .filter_map(|(key, name)| Some((name.to_owned(), item.get(key)?.clone())))
            .collect::<Map<_, _>>()
    };
    match strategy.as_array() {
        Some(items) => items.iter().map(renamed).map(Json::Object).collect(),
        None => strategy.clone(),
    }
}

fn network(network: &Json) -> Json {
    let mut configuration = Map::new();
    for (key, name) in [("subnets", "Subnets"), ("security_groups", "SecurityGroups")] {
        if let Some(value) = network.get(key) {
            configuration.insert(name.to_owned(), value.clone());
        }
    }
    let public = match network.get("assign_public_ip") {
        None => None,
        Some(Json::Bool(true)) => Some("ENABLED".into()),
        Some(Json::Bool(false)) => Some("DISABLED".into()),
        Some(other) => Some(jsonata(&format!(r#"({}) ? "ENABLED" : "DISABLED""#, expression(other)))),
    };
    if let Some(public) = public {
        configuration.insert("AssignPublicIp".to_owned(), public);
    }
    json!({ "AwsvpcConfiguration": configuration })
}

/// A value as text: what is JSONata is turned into text when it is evaluated.
fn text(value: &Json) -> Json {
    match value {
        Json::String(text) => match inside(text) {
            Some(inside) => jsonata(&format!("$string({inside})")),
            None => value.clone(),
        },
        // What the file says as a float that is whole, `$string` says without a point; so does this.
        Json::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 1e15 => {
                format!("{float:.0}").into()
            }
            _ => number.to_string().into(),
        },
        other => other.to_string().into(),
    }
}

/// A value as a JSONata expression.
fn expression(value: &Json) -> String {
    match value.as_str() {
        Some(text) => inside(text).map_or_else(|| quoted(text), |inside| format!("({inside})")),
        None => value.to_string(),
    }
}

fn inside(text: &str) -> Option<&str> {
    text.strip_prefix("{%")?.strip_suffix("%}").map(str::trim)
}

fn jsonata(expression: &str) -> Json {
    format!("{{% {expression} %}}").into()
}

fn quoted(text: &str) -> String {
    Json::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled(keys: Json) -> Fragment {
        states(&StatesRequest { job: "j".to_owned(), operation: "op".to_owned(), keys }).unwrap()
    }

    #[test]
    fn a_task_is_one_state_that_gives_exit_code_and_arn() {
        let fragment = compiled(json!({
            "cluster": "data", "task_definition": "etl:3", "container": "main",
            "environment": {"SOURCE": "{% $jobs.extract.target %}", "YEAR": 2015, "DRY": false, "RATE": 1.5},
            "command": ["run"], "cpu": 512, "launch_type": "FARGATE",
            "network": {"subnets": ["subnet-1"], "assign_public_ip": true},
        }));
        assert_eq!(
            Json::Object(fragment.states),
            json!({"task": {
                "Type": "Task",
                "Resource": "arn:aws:states:::ecs:runTask.sync",
                "Arguments": {
                    "Cluster": "data",
                    "TaskDefinition": "etl:3",
                    "LaunchType": "FARGATE",
                    "NetworkConfiguration": {"AwsvpcConfiguration": {"Subnets": ["subnet-1"], "AssignPublicIp": "ENABLED"}},
                    "Overrides": {
                        "Cpu": "512",
                        "ContainerOverrides": [{
                            "Name": "main",
                            "Environment": [
                                {"Name": "SOURCE", "Value": "{% $string($jobs.extract.target) %}"},
                                {"Name": "YEAR", "Value": "2015"},
                                {"Name": "DRY", "Value": "false"},
                                {"Name": "RATE", "Value": "1.5"},
                            ],
                            "Command": ["run"],
                            "Cpu": 512,
                        }],
                    },
                },
                "Output": {
                    "exit_code": "{% $states.result.Containers[Name = \"main\"].ExitCode %}",
                    "task_arn": "{% $states.result.TaskArn %}",
                },
                "End": true,
            }})
        );
    }

    #[test]
    fn a_result_is_read_by_a_second_state() {
        let fragment =
            compiled(json!({"task_definition": "t", "container": "{% $params.c %}", "result": true}));
        let task = &fragment.states["task"];
        assert_eq!(task["Next"], "result");
        assert_eq!(
            task["Output"]["exit_code"],
            "{% $states.result.Containers[Name = ($params.c)].ExitCode %}"
        );
        assert_eq!(
            task["Arguments"]["Overrides"]["ContainerOverrides"][0]["Environment"],
            json!([{"Name": "BUNSUI_OUTPUT", "Value": "{% $bunsui.outputs & \"/op.json\" %}"}])
        );
        let result = &fragment.states["result"];
        assert_eq!(
            result["Arguments"]["Key"],
            "{% $substringAfter($substringAfter($bunsui.outputs, \"s3://\"), \"/\") & \"/op.json\" %}"
        );
        assert_eq!(result["End"], true);
    }

    #[test]
    fn a_missing_key_is_an_error_that_names_it() {
        let request = StatesRequest {
            job: "j".to_owned(),
            operation: "op".to_owned(),
            keys: json!({"container": "main"}),
        };
        assert_eq!(states(&request).unwrap_err().pointer.as_deref(), Some("/task_definition"));
    }
}
