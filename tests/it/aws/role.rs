//! The role that is made for a pipeline, beside the definitions that it is for: what their states call, and nothing else.

use super::{functions, scratch_on_aws, variable};
use serde_json::Value as Json;
use std::collections::BTreeSet;

/// What Step Functions has to be allowed for a state (its guide, "Integrating optimized services"; for SDK integrations
/// the action of the same name).
fn needed(state: &Json) -> Vec<String> {
    let resource = state["Resource"].as_str().unwrap_or_default();
    let integration = resource.rsplit(":::").next().unwrap_or_default();
    let mut actions: Vec<String> = match integration {
        "lambda:invoke" => vec!["lambda:InvokeFunction".into()],
        "ecs:runTask.sync" => [
            "ecs:RunTask",
            "ecs:StopTask",
            "ecs:DescribeTasks",
            "iam:PassRole",
            "events:PutTargets",
            "events:PutRule",
            "events:DescribeRule",
        ]
        .map(str::to_owned)
        .into(),
        "aws-sdk:s3:getObject" => vec!["s3:GetObject".into()],
        other => panic!("nothing is known of `{other}`"),
    };
    if state["Arguments"].get("Tags").is_some() {
        actions.push("ecs:TagResource".into());
    }
    actions
}

/// All Task states of a definition.
fn tasks<'a>(value: &'a Json, found: &mut Vec<&'a Json>) {
    if value["Type"] == "Task" {
        found.push(value);
    }
    match value {
        Json::Object(object) => object.values().for_each(|value| tasks(value, found)),
        Json::Array(items) => items.iter().for_each(|value| tasks(value, found)),
        _ => {}
    }
}

fn texts(value: &Json) -> BTreeSet<String> {
    value.as_array().into_iter().flatten().filter_map(Json::as_str).map(str::to_owned).collect()
}

/// What the names of a state come to, as ARNs that a statement with this action has to have; none where an expression decides.
fn named(state: &Json, account: &str) -> Option<(&'static str, String)> {
    let text = |key: &str| state["Arguments"][key].as_str().filter(|text| !text.contains("{%"));
    let place = format!("ap-northeast-1:{account}");
    if let Some(function) = text("FunctionName") {
        let qualifier = match state["Arguments"]["Qualifier"].as_str() {
            Some(expression) if expression.contains("{%") => ":*".to_owned(),
            Some(qualifier) => format!(":{qualifier}"),
            None => String::new(),
        };
        return Some((
            "lambda:InvokeFunction",
            format!("arn:aws:lambda:{place}:function:{function}{qualifier}"),
        ));
    }
    let definition = text("TaskDefinition")?;
    let revision = if definition.contains(':') { "" } else { ":*" };
    Some(("ecs:RunTask", format!("arn:aws:ecs:{place}:task-definition/{definition}{revision}")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipelines_role_allows_what_its_definitions_call_and_nothing_else() {
    let Some(scratch) = scratch_on_aws().await else { return };
    let account = variable(&scratch, "AWS_ACCESS_KEY_ID");
    let operation =
        |job: &str, name: &str, keys: &str| format!("[[jobs.{job}.operations]]\nname = \"{name}\"\n{keys}\n");
    let ecs = "type = \"ecs\"\ntask_definition = \"etl:3\"\ncontainer = \"main\"\ncluster = \"data\"\n";
    let own = [
        operation("a", "f", "type = \"lambda\"\nfunction = \"f\"\nqualifier = \"live\""),
        operation("a", "g", "type = \"lambda\"\nfunction = \"g\"\nqualifier = \"{% 'x' & 'y' %}\""),
        operation("a", "t", &format!("{ecs}tags = {{ team = \"data\" }}\nresult = true")),
    ];
    scratch.write("own.toml", functions(&format!("[jobs.a]\n{}", own.concat())));
    let examples = ["pipelines/etl.toml", "pipelines/failing.toml"];
    for example in examples {
        scratch.copy_of_repository(example);
    }
    for file in ["own.toml", examples[0], examples[1]] {
        // What the pipeline needs is not there in this account; its plan is, all the same.
        let planned = scratch.run(&format!("plan {file} --output json")).json();
        let statements = planned["deployed"]["permissions"]["Statement"].as_array().expect("a list").clone();
        let compiled = scratch.run(&format!("compile {file}")).expect_code(0).json();
        let mut states = Vec::new();
        tasks(&compiled, &mut states);
        assert!(states.len() >= 3, "of {file}: {compiled}");
        let called: BTreeSet<String> = states.iter().flat_map(|state| needed(state)).collect();
        let allowed: BTreeSet<String> =
            statements.iter().flat_map(|statement| texts(&statement["Action"])).collect();
        assert_eq!(allowed, called, "of {file}");
        for (action, arn) in states.iter().filter_map(|state| named(state, &account)) {
            let is_named = statements.iter().any(|statement| {
                let covers = |resource: &String| {
                    *resource == arn || resource.strip_suffix('*').is_some_and(|start| arn.starts_with(start))
                };
                texts(&statement["Action"]).contains(action)
                    && texts(&statement["Resource"]).iter().any(covers)
            });
            assert!(is_named, "no statement of {file} has `{action}` on {arn}: {statements:?}");
        }
        // Nothing is allowed on everything but what IAM knows no narrower resource for.
        for statement in statements.iter().filter(|statement| texts(&statement["Resource"]).contains("*")) {
            let wide: BTreeSet<String> = ["ecs:StopTask", "ecs:DescribeTasks"].map(str::to_owned).into();
            assert!(texts(&statement["Action"]).is_subset(&wide), "of {file}: {statement}");
        }
    }
}
