//! The IAM statements that the states need.

use bunsui_plugin_sdk::{PermissionsRequest, Statement};
use serde_json::{Value as Json, json};

/// See "Run Amazon ECS or Fargate tasks with Step Functions" in the Step Functions guide.
pub(crate) fn permissions(request: &PermissionsRequest) -> Vec<Statement> {
    let PermissionsRequest { partition, region, account, .. } = request;
    let text =
        |key: &str| request.keys.get(key).and_then(Json::as_str).filter(|text| !text.starts_with("{%"));
    let allow = |actions: &[&str], resource: String, condition: Option<Json>| Statement {
        actions: actions.iter().map(|action| (*action).to_owned()).collect(),
        resources: vec![resource],
        condition,
    };
    let definition = match text("task_definition") {
        Some(arn) if arn.starts_with("arn:") => arn.to_owned(),
        Some(name) if name.contains(':') => {
            format!("arn:{partition}:ecs:{region}:{account}:task-definition/{name}")
        }
        Some(family) => format!("arn:{partition}:ecs:{region}:{account}:task-definition/{family}:*"),
        None => format!("arn:{partition}:ecs:{region}:{account}:task-definition/*"),
    };
    let cluster = match text("cluster") {
        Some(arn) if arn.starts_with("arn:") => Some(arn.to_owned()),
        Some(name) => Some(format!("arn:{partition}:ecs:{region}:{account}:cluster/{name}")),
        None => None,
    };
    let within = cluster.map(|cluster| json!({ "ArnEquals": { "ecs:cluster": cluster } }));
    let passed = json!({ "StringEquals": { "iam:PassedToService": "ecs-tasks.amazonaws.com" } });
    let rule = format!("arn:{partition}:events:{region}:{account}:rule/StepFunctionsGetEventsForECSTaskRule");
    let mut statements = vec![
        allow(&["ecs:RunTask"], definition, within),
        allow(&["ecs:StopTask", "ecs:DescribeTasks"], "*".to_owned(), None),
        allow(&["iam:PassRole"], format!("arn:{partition}:iam::{account}:role/*"), Some(passed)),
        allow(&["events:PutTargets", "events:PutRule", "events:DescribeRule"], rule, None),
    ];
    if request.keys.get("tags").is_some() {
        statements.push(allow(
            &["ecs:TagResource"],
            format!("arn:{partition}:ecs:{region}:{account}:task/*"),
            None,
        ));
    }
    if request.keys.get("result") == Some(&Json::Bool(true)) {
        let outputs = format!("arn:{partition}:s3:::{}/outputs/*", request.bucket);
        statements.push(allow(&["s3:GetObject"], outputs, None));
    }
    statements
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_as_narrow_as_the_keys_allow() {
        let request = |keys| PermissionsRequest {
            job: "j".to_owned(),
            operation: "o".to_owned(),
            keys,
            partition: "aws".to_owned(),
            region: "eu-west-1".to_owned(),
            account: "123456789012".to_owned(),
            bucket: "lake".to_owned(),
        };
        let of = |keys| permissions(&request(keys));
        let known = of(json!({"cluster": "data", "task_definition": "etl:3"}));
        assert_eq!(known[0].resources, ["arn:aws:ecs:eu-west-1:123456789012:task-definition/etl:3"]);
        assert_eq!(
            known[0].condition,
            Some(json!({"ArnEquals": {"ecs:cluster": "arn:aws:ecs:eu-west-1:123456789012:cluster/data"}}))
        );
        let unknown = of(json!({"task_definition": "{% $params.t %}", "result": true}));
        assert_eq!(unknown[0].resources, ["arn:aws:ecs:eu-west-1:123456789012:task-definition/*"]);
        assert_eq!(unknown.last().unwrap().resources, ["arn:aws:s3:::lake/outputs/*"]);
    }
}
