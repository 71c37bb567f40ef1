//! Where AWS keeps a container's log lines.
//!
//! Takes: the keys and what was submitted; asks ECS for the task definition. Gives: the group and the streams of each container that writes to
//! CloudWatch Logs (`awslogs`).
//! Deliberately does not: read lines, or know other log drivers.

use crate::known;
use crate::submitted::Submitted;
use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::{ContainerDefinition, LogDriver, TaskDefinition};
use bunsui_plugin_sdk::aws::{Refusal, block_on, configuration};
use bunsui_plugin_sdk::{LogSource, LogsRequest, PluginError};

pub(crate) fn logs(request: &LogsRequest) -> Result<Vec<LogSource>, PluginError> {
    let tasks = request.submitted.as_ref().map(Submitted::of).unwrap_or_default();
    let aws = tasks.first().map_or_else(|| request.aws.clone(), |task| request.aws.or_region_of(&task.task));
    block_on(async {
        let client = Client::new(&configuration(&aws, "ecs").await);
        logs_by(&client, request, &tasks).await
    })?
}

async fn logs_by(
    client: &Client,
    request: &LogsRequest,
    tasks: &[Submitted],
) -> Result<Vec<LogSource>, PluginError> {
    // What ran counts more than what the keys say now: a family has another newest revision tomorrow.
    let of_task = tasks.iter().find_map(|task| task.definition.as_deref());
    let of_arguments = || request.submitted.as_ref()?.get("TaskDefinition")?.as_str();
    let definition = of_task.or_else(|| known(&request.keys, "task_definition")).or_else(of_arguments);
    let Some(definition) = definition else { return Ok(Vec::new()) };
    let found = client.describe_task_definition().task_definition(definition).send().await;
    let found = found.map_err(|error| {
        let refusal = Refusal::of(&error);
        PluginError::new(format!(
            "where the log of task definition `{definition}` is, is not known: {refusal}"
        ))
        .at("/task_definition")
        .help("looking needs `ecs:DescribeTaskDefinition`")
    })?;
    let own = known(&request.keys, "container");
    let containers = found.task_definition().map(TaskDefinition::container_definitions).unwrap_or_default();
    let wanted = containers.iter().filter(|container| own.is_none() || container.name() == own);
    Ok(wanted.flat_map(|container| sources(container, tasks, request.aws.region.as_deref())).collect())
}

/// A stream is `PREFIX/CONTAINER/TASK`; without a prefix it is Docker's id of the container, which nobody knows.
fn sources(container: &ContainerDefinition, tasks: &[Submitted], region: Option<&str>) -> Vec<LogSource> {
    let Some((group, options)) = container.log_configuration().and_then(|log| {
        let options = log.options().filter(|_| *log.log_driver() == LogDriver::Awslogs)?;
        Some((options.get("awslogs-group")?, options))
    }) else {
        return Vec::new();
    };
    let of_streams = |stream_prefix: String| LogSource {
        group: group.clone(),
        stream_prefix,
        pattern: None,
        region: options.get("awslogs-region").filter(|own| region != Some(own)).cloned(),
    };
    let name = container.name().unwrap_or_default();
    match options.get("awslogs-stream-prefix") {
        None => vec![of_streams(String::new())],
        Some(prefix) if tasks.is_empty() => vec![of_streams(format!("{prefix}/{name}/"))],
        Some(prefix) => {
            tasks.iter().map(|task| of_streams(format!("{prefix}/{name}/{}", task.id()))).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::client;
    use bunsui_plugin_sdk::Aws;
    use serde_json::{Value as Json, json};

    /// Group, streams and region of each source, where the definition has containers `main` and `proxy`.
    #[track_caller]
    fn check(keys: Json, submitted: Option<Json>, main: Json, expected: &[(&str, &str, Option<&str>)]) {
        let definition = json!({"taskDefinition": {"containerDefinitions": [
            {"name": "main", "logConfiguration": main},
            {"name": "proxy", "logConfiguration": {"logDriver": "awsfirelens", "options": {"awslogs-group": "no"}}},
            {"name": "silent"},
        ]}});
        let tasks = submitted.as_ref().map(Submitted::of).unwrap_or_default();
        let aws = Aws { region: Some("eu-west-1".to_owned()), ..Aws::default() };
        let request = LogsRequest { keys, submitted, aws };
        let client = client(vec![("DescribeTaskDefinition", 200, definition)]);
        let found = block_on(logs_by(&client, &request, &tasks)).unwrap().unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|it| (it.group.as_str(), it.stream_prefix.as_str(), it.region.as_deref()))
            .collect();
        assert_eq!(found, expected);
    }

    fn awslogs(options: Json) -> Json {
        json!({"logDriver": "awslogs", "options": options})
    }

    #[test]
    fn a_stream_is_named_by_prefix_container_and_task() {
        let log = || {
            awslogs(
                json!({"awslogs-group": "/ecs/etl", "awslogs-stream-prefix": "run", "awslogs-region": "eu-west-1"}),
            )
        };
        let keys = || json!({"task_definition": "etl", "container": "main"});
        check(keys(), None, log(), &[("/ecs/etl", "run/main/", None)]);
        let task = json!({"Tasks": [{"TaskArn": "arn:aws:ecs:eu-west-1:123456789012:task/data/0d9db362"}]});
        check(keys(), Some(task.clone()), log(), &[("/ecs/etl", "run/main/0d9db362", None)]);
        let open = json!({"task_definition": "etl", "container": "{% $params.c %}"});
        check(open, Some(task), log(), &[("/ecs/etl", "run/main/0d9db362", None)]);
    }

    #[test]
    fn the_task_says_what_the_keys_leave_open() {
        let keys = || json!({"task_definition": "{% $params.t %}", "container": "main"});
        let log = || awslogs(json!({"awslogs-group": "g", "awslogs-region": "us-east-1"}));
        let task = json!({"TaskArn": "arn:…:task/c/1", "TaskDefinitionArn": "arn:…:task-definition/etl:3"});
        check(keys(), Some(task), log(), &[("g", "", Some("us-east-1"))]);
        check(keys(), Some(json!({"TaskDefinition": "etl"})), log(), &[("g", "", Some("us-east-1"))]);
        check(keys(), None, log(), &[]);
    }

    #[test]
    fn a_container_that_writes_elsewhere_has_no_source() {
        check(json!({"task_definition": "etl", "container": "proxy"}), None, Json::Null, &[]);
        check(json!({"task_definition": "etl", "container": "silent"}), None, Json::Null, &[]);
    }

    #[test]
    fn a_definition_that_cannot_be_seen_is_an_error_that_names_it() {
        let denied = json!({"__type": "AccessDeniedException", "message": "no"});
        let client = client(vec![("DescribeTaskDefinition", 400, denied)]);
        let keys = json!({"task_definition": "etl"});
        let request = LogsRequest { keys, submitted: None, aws: Aws::default() };
        let error = block_on(logs_by(&client, &request, &[])).unwrap().unwrap_err();
        assert_eq!(
            error.message,
            "where the log of task definition `etl` is, is not known: AccessDeniedException: no"
        );
    }
}
