//! What a submission, or a result, says of the tasks it is about.
//!
//! Takes: RunTask's answer, a task as DescribeTasks has it, or the operation's result. Gives: the tasks.
//! Deliberately does not: look for tasks of which nothing is said.

use bunsui_plugin_sdk::cause;
use serde_json::Value as Json;

/// A task that ECS took on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Submitted {
    /// Its ARN.
    pub(crate) task: String,
    /// The cluster's name or ARN.
    pub(crate) cluster: Option<String>,
    /// The task definition's ARN.
    pub(crate) definition: Option<String>,
}

impl Submitted {
    /// Of all tasks that are named.
    pub(crate) fn of(submitted: &Json) -> Vec<Self> {
        let value = cause::open_value(submitted);
        match value.get("Tasks").and_then(Json::as_array) {
            Some(tasks) => tasks.iter().filter_map(Self::read).collect(),
            None => Self::read(&value).into_iter().collect(),
        }
    }

    fn read(task: &Json) -> Option<Self> {
        let text = |key| task.get(key).and_then(Json::as_str).map(ToOwned::to_owned);
        let arn = text("TaskArn").or_else(|| text("task_arn"))?;
        let cluster = text("ClusterArn").or_else(|| cluster_of(&arn).map(ToOwned::to_owned));
        Some(Self { task: arn, cluster, definition: text("TaskDefinitionArn") })
    }

    /// The last part of the ARN, by which streams of logs are named.
    pub(crate) fn id(&self) -> &str {
        self.task.rsplit('/').next().unwrap_or(&self.task)
    }
}

/// `arn:aws:ecs:eu-west-1:123456789012:task/CLUSTER/ID`; old ones have no cluster.
fn cluster_of(arn: &str) -> Option<&str> {
    let (_, path) = arn.split_once(":task/")?;
    path.split_once('/').map(|(cluster, _)| cluster)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TASK: &str = "arn:aws:ecs:eu-west-1:123456789012:task/data/0d9db362";

    #[track_caller]
    fn check(submitted: Json, cluster: Option<&str>) {
        let found = Submitted::of(&submitted);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(
            (found[0].task.as_str(), found[0].id(), found[0].cluster.as_deref()),
            (TASK, "0d9db362", cluster)
        );
    }

    #[test]
    fn a_task_is_found_in_what_was_said_of_it() {
        let cluster = "arn:aws:ecs:eu-west-1:123456789012:cluster/data";
        let answer = json!({"Tasks": [{"TaskArn": TASK, "ClusterArn": cluster}], "Failures": []});
        check(answer.clone(), Some(cluster));
        check(answer.to_string().into(), Some(cluster));
        check(json!({"TaskArn": TASK, "LastStatus": "STOPPED"}), Some("data"));
        check(json!({"exit_code": 0, "task_arn": TASK}), Some("data"));
    }

    #[test]
    fn where_no_task_is_named_there_is_none() {
        for submitted in
            [json!({"Tasks": [], "Failures": [{"Reason": "AGENT"}]}), json!(null), json!("words"), json!({})]
        {
            assert_eq!(Submitted::of(&submitted), []);
        }
        assert_eq!(cluster_of("arn:aws:ecs:eu-west-1:123456789012:task/0d9db362"), None);
    }
}
