//! Whether cluster, task definition, container, network and roles are there and fit each other.

use crate::ec2::{self, Thing};
use aws_sdk_ecs::types::{Cluster, Compatibility, NetworkMode, TaskDefinition, TaskDefinitionStatus};
use bunsui_plugin_sdk::aws::{Refusal, SdkConfig, block_on, configuration};
use bunsui_plugin_sdk::{Finding, PluginError, PreflightRequest};
use serde_json::Value as Json;

/// The keys, as far as they are known before a run.
struct Keys<'a>(&'a Json);

impl<'a> Keys<'a> {
    /// A text that holds no expression.
    fn text(&self, pointer: &str) -> Option<&'a str> {
        known(self.0.pointer(pointer)?)
    }

    fn texts(&self, pointer: &str) -> Vec<&'a str> {
        let items = self.0.pointer(pointer).and_then(Json::as_array);
        items.map(|items| items.iter().filter_map(known).collect()).unwrap_or_default()
    }

    fn has(&self, key: &str) -> bool {
        self.0.get(key).is_some()
    }
}

fn known(value: &Json) -> Option<&str> {
    value.as_str().filter(|text| !text.contains("{%"))
}

pub(crate) fn preflight(request: &PreflightRequest) -> Result<Vec<Finding>, PluginError> {
    let keys = Keys(&request.keys);
    block_on(async {
        let config = configuration(&request.aws, "ecs").await;
        let network = configuration(&request.aws, "ec2").await;
        let client = aws_sdk_ecs::Client::new(&config);
        let (cluster, definition, network) =
            tokio::join!(cluster(&client, &keys), definition(&client, &keys), places(&network, &keys),);
        [cluster, definition, network].concat()
    })
}

async fn cluster(client: &aws_sdk_ecs::Client, keys: &Keys<'_>) -> Vec<Finding> {
    let name = match keys.text("/cluster") {
        Some(name) => name,
        None if keys.has("cluster") => return Vec::new(),
        None => "default",
    };
    let at = if keys.has("cluster") { "/cluster" } else { "" };
    match client.describe_clusters().clusters(name).send().await {
        Ok(found) => match found.clusters().first().filter(|cluster| cluster.status() == Some("ACTIVE")) {
            Some(cluster) => providers(cluster, name, keys),
            None => {
                let message = format!("there is no active cluster `{name}`");
                vec![Finding::error(at, message).help("to see those there are: aws ecs list-clusters")]
            }
        },
        Err(error) => vec![not_known(at, &format!("cluster `{name}`"), "ecs:DescribeClusters", &error)],
    }
}

fn providers(cluster: &Cluster, name: &str, keys: &Keys<'_>) -> Vec<Finding> {
    let known = cluster.capacity_providers();
    let strategy = keys.0.get("capacity_provider_strategy").and_then(Json::as_array);
    let wanted =
        strategy.into_iter().flatten().filter_map(|item| self::known(item.get("capacity_provider")?));
    wanted
        .filter(|wanted| !known.iter().any(|provider| provider == wanted))
        .map(|wanted| {
            let message = format!("cluster `{name}` has no capacity provider `{wanted}`");
            Finding::error("/capacity_provider_strategy", message).help(those_there_are(known))
        })
        .collect()
}

fn those_there_are(known: &[String]) -> String {
    if known.is_empty() {
        return "it has none".to_owned();
    }
    format!("it has {}", known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "))
}

async fn definition(client: &aws_sdk_ecs::Client, keys: &Keys<'_>) -> Vec<Finding> {
    let Some(name) = keys.text("/task_definition") else { return Vec::new() };
    match client.describe_task_definition().task_definition(name).send().await {
        Ok(found) => found.task_definition().map(|found| fits(found, name, keys)).unwrap_or_default(),
        Err(error) if Refusal::of(&error).code.as_deref() == Some("ClientException") => {
            let message = format!("there is no task definition `{name}`");
            let help = "register it, or mend its name: `family`, `family:revision` or an ARN";
            vec![Finding::error("/task_definition", message).help(help)]
        }
        Err(error) => {
            let what = format!("task definition `{name}`");
            vec![not_known("/task_definition", &what, "ecs:DescribeTaskDefinition", &error)]
        }
    }
}

fn fits(found: &TaskDefinition, name: &str, keys: &Keys<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if found.status() == Some(&TaskDefinitionStatus::Inactive) {
        let message = format!("task definition `{name}` is inactive: no task starts from it");
        findings.push(Finding::error("/task_definition", message).help("name another revision"));
    }
    let containers: Vec<String> = found
        .container_definitions()
        .iter()
        .filter_map(|container| container.name().map(str::to_owned))
        .collect();
    if let Some(container) = keys.text("/container").filter(|name| !containers.iter().any(|has| has == name))
    {
        let message = format!("task definition `{name}` has no container `{container}`");
        findings.push(Finding::error("/container", message).help(those_there_are(&containers)));
    }
    findings.extend(launch(found, name, keys));
    findings.extend(roles(found, name, keys));
    findings
}

/// How a task is launched and what its definition is made for.
fn launch(found: &TaskDefinition, name: &str, keys: &Keys<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let launch_type = keys.text("/launch_type");
    let is_made_for = |wanted: &str| {
        let compatibilities = found.compatibilities();
        compatibilities.is_empty() || compatibilities.contains(&Compatibility::from(wanted))
    };
    if let Some(wanted) = launch_type.filter(|wanted| !is_made_for(wanted)) {
        let message = format!("task definition `{name}` cannot be launched as {wanted}");
        let known: Vec<String> =
            found.compatibilities().iter().map(|known| known.as_str().to_owned()).collect();
        findings.push(Finding::error("/launch_type", message).help(those_there_are(&known)));
    }
    let has_own_network = found.network_mode() == Some(&NetworkMode::Awsvpc);
    if has_own_network && !keys.has("network") {
        let message =
            format!("tasks of `{name}` have a network interface of their own (awsvpc), and no subnet");
        let help = "say where: `network = { subnets = [\"subnet-…\"], security_groups = [\"sg-…\"] }`";
        findings.push(Finding::error("/task_definition", message).help(help));
    }
    if !has_own_network && keys.has("network") {
        let mode = found.network_mode().map_or("the default", NetworkMode::as_str);
        let message =
            format!("tasks of `{name}` take no `network`: their network mode is {mode}, not awsvpc");
        findings.push(Finding::error("/network", message));
    }
    findings
}

/// Roles are given to a task by the execution role of the pipeline, which may pass those of its own account only.
fn roles(found: &TaskDefinition, name: &str, keys: &Keys<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let account = |arn: &str| arn.split(':').nth(4).unwrap_or_default().to_owned();
    let own = found.task_definition_arn().map(account).unwrap_or_default();
    let given = [
        ("/task_role", keys.text("/task_role"), found.task_role_arn()),
        ("/execution_role", keys.text("/execution_role"), found.execution_role_arn()),
    ];
    for (pointer, key, of_definition) in given {
        let Some(role) = key.or(of_definition).filter(|role| role.starts_with("arn:")) else { continue };
        if account(role) != own {
            let at = if key.is_some() { pointer } else { "/task_definition" };
            let message = format!("role `{role}` is of another account and cannot be passed to the task");
            findings.push(Finding::error(at, message));
        }
    }
    let leaves_result = keys.0.get("result") == Some(&Json::Bool(true));
    if leaves_result && !keys.has("task_role") && found.task_role_arn().is_none() {
        let message =
            format!("tasks of `{name}` have no role, so none can write to `$BUNSUI_OUTPUT`, which is in S3");
        let help = "give the task definition a task role, or the operation a `task_role`, that allows `s3:PutObject` there";
        findings.push(Finding::warning("/result", message).help(help));
    }
    findings
}

async fn places(config: &SdkConfig, keys: &Keys<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (thing, pointer) in
        [(Thing::Subnet, "/network/subnets"), (Thing::SecurityGroup, "/network/security_groups")]
    {
        for id in keys.texts(pointer) {
            match ec2::is_there(config, thing, id).await {
                Ok(true) => {}
                Ok(false) => {
                    findings.push(Finding::error(pointer, format!("there is no {} `{id}`", thing.word())));
                }
                Err(why) => {
                    let message = format!("whether {} `{id}` is there is not known: {why}", thing.word());
                    let help = format!("looking needs `{}`", thing.permission());
                    findings.push(Finding::warning(pointer, message).help(help));
                }
            }
        }
    }
    findings
}

/// Who may plan need not be allowed to look at everything.
fn not_known<E, R>(
    at: &str,
    what: &str,
    permission: &str,
    error: &aws_sdk_ecs::error::SdkError<E, R>,
) -> Finding
where
    E: aws_smithy_types::error::metadata::ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    let refusal = Refusal::of(error);
    Finding::warning(at, format!("whether {what} is there is not known: {refusal}"))
        .help(format!("looking needs `{permission}` on it"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ecs::types::ContainerDefinition;
    use serde_json::json;

    /// What a task definition with container `main` makes of keys.
    #[track_caller]
    fn check(
        change: impl Fn(
            aws_sdk_ecs::types::builders::TaskDefinitionBuilder,
        ) -> aws_sdk_ecs::types::builders::TaskDefinitionBuilder,
        keys: Json,
        expected: &[(&str, &str)],
    ) {
        let found = TaskDefinition::builder()
            .task_definition_arn("arn:aws:ecs:eu-west-1:123456789012:task-definition/etl:3")
            .container_definitions(ContainerDefinition::builder().name("main").build())
            .network_mode(NetworkMode::Awsvpc)
            .compatibilities(Compatibility::Fargate);
        let mut keys = keys;
        for (key, value) in [("container", json!("main")), ("network", json!({"subnets": ["subnet-1"]}))] {
            keys.as_object_mut().unwrap().entry(key).or_insert(value);
        }
        let findings = fits(&change(found).build(), "etl", &Keys(&keys));
        let found: Vec<_> =
            findings.iter().map(|finding| (finding.pointer.as_str(), finding.message.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_fits_is_not_worth_a_word() {
        check(|it| it, json!({"launch_type": "FARGATE"}), &[]);
        check(|it| it, json!({"container": "{% $params.c %}"}), &[]);
    }

    #[test]
    fn what_does_not_fit_is_said() {
        check(
            |it| it.status(TaskDefinitionStatus::Inactive),
            json!({}),
            &[("/task_definition", "task definition `etl` is inactive: no task starts from it")],
        );
        check(
            |it| it,
            json!({"container": "mian"}),
            &[("/container", "task definition `etl` has no container `mian`")],
        );
        check(
            |it| it,
            json!({"launch_type": "EC2"}),
            &[("/launch_type", "task definition `etl` cannot be launched as EC2")],
        );
        check(
            |it| it.network_mode(NetworkMode::Bridge),
            json!({}),
            &[("/network", "tasks of `etl` take no `network`: their network mode is bridge, not awsvpc")],
        );
        check(
            |it| it.task_role_arn("arn:aws:iam::999999999999:role/x"),
            json!({}),
            &[(
                "/task_definition",
                "role `arn:aws:iam::999999999999:role/x` is of another account and cannot be passed to the task",
            )],
        );
        check(
            |it| it,
            json!({"result": true}),
            &[(
                "/result",
                "tasks of `etl` have no role, so none can write to `$BUNSUI_OUTPUT`, which is in S3",
            )],
        );
    }

    #[test]
    fn capacity_providers_are_the_clusters() {
        let cluster = Cluster::builder().capacity_providers("FARGATE").build();
        let of = |provider: &str| {
            let keys = json!({"capacity_provider_strategy": [{"capacity_provider": provider}]});
            providers(&cluster, "data", &Keys(&keys)).len()
        };
        assert_eq!((of("FARGATE"), of("FARGATE_SPOT"), of("{% $params.p %}")), (0, 1, 0));
    }
}
