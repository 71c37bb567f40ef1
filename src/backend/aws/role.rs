//! The execution role of a pipeline: exactly what its operations' plugins say that they need.

use super::error::AwsError;
use super::stacks::{WantedStack, template};
use crate::pipeline::Statement;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

/// IAM's limit of all inline policies of a role together, in characters without blanks.
const LIMIT: usize = 10_240;

/// What the template's own policies take of it, at most.
const FIXED: usize = 600;

/// The line of the template in whose place the statements stand.
const MARK: &str = "# bunsui:operations";

/// The policy document of a pipeline: statements of the same resources and condition become one, then those of the same
/// actions and condition.
pub fn policy_document(statements: &[Statement]) -> Json {
    let mut by_resources: BTreeMap<(BTreeSet<String>, String), BTreeSet<String>> = BTreeMap::new();
    for statement in statements {
        let condition = statement.condition.as_ref().map(Json::to_string).unwrap_or_default();
        let resources = statement.resources.iter().cloned().collect();
        by_resources.entry((resources, condition)).or_default().extend(statement.actions.iter().cloned());
    }
    let mut by_actions: BTreeMap<(BTreeSet<String>, String), BTreeSet<String>> = BTreeMap::new();
    for ((resources, condition), actions) in by_resources {
        by_actions.entry((actions, condition)).or_default().extend(resources);
    }
    let statements: Vec<Json> = by_actions
        .into_iter()
        .map(|((actions, condition), resources)| {
            let mut statement = json!({"Effect": "Allow", "Action": actions, "Resource": resources});
            if let (Ok(condition), Some(object)) =
                (serde_json::from_str::<Json>(&condition), statement.as_object_mut())
            {
                object.insert("Condition".to_owned(), condition);
            }
            statement
        })
        .collect();
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// The stack that makes the role.
pub(super) fn stack(
    prefix: &str,
    pipeline: &str,
    (boundary, key): (Option<&String>, Option<&String>),
    statements: &[Statement],
) -> Result<WantedStack, AwsError> {
    let document = policy_document(statements);
    let size = document.to_string().chars().filter(|c| !c.is_whitespace()).count();
    if size + FIXED > LIMIT {
        return Err(AwsError::PolicyTooLarge { pipeline: pipeline.to_owned(), size, limit: LIMIT - FIXED });
    }
    let policy = json!({"PolicyName": "operations", "PolicyDocument": document});
    let template = template("execution-role");
    let template = if statements.is_empty() {
        template.to_owned()
    } else {
        // The line of its own, not the words about it in the template's head.
        let is_mark = |line: &str| line.trim_start().starts_with(MARK);
        let lines = template.lines().map(|line| {
            let indent = &line[..line.len() - line.trim_start().len()];
            if is_mark(line) { format!("{indent}- {policy}\n") } else { format!("{line}\n") }
        });
        lines.collect()
    };
    let given = [
        ("Prefix", Some(prefix)),
        ("Pipeline", Some(pipeline)),
        ("Boundary", boundary.map(String::as_str)),
        ("KmsKey", key.map(String::as_str)),
    ];
    let given = given.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned())));
    let parameters = given.collect();
    Ok(WantedStack { name: stack_name(prefix, pipeline), template, parameters })
}

/// A stack's name takes no `_`; each becomes `--`, which no pipeline's name has.
pub(super) fn stack_name(prefix: &str, pipeline: &str) -> String {
    format!("{prefix}pipeline-{}", pipeline.replace('_', "--"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(actions: &[&str], resources: &[&str], condition: Option<Json>) -> Statement {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Statement { actions: owned(actions), resources: owned(resources), condition }
    }

    #[test]
    fn statements_that_are_alike_become_one() {
        let within = Some(json!({"ArnEquals": {"ecs:cluster": "c"}}));
        let document = policy_document(&[
            statement(&["lambda:InvokeFunction"], &["f2"], None),
            statement(&["lambda:InvokeFunction"], &["f1"], None),
            statement(&["ecs:RunTask"], &["t"], within.clone()),
            statement(&["ecs:StopTask"], &["*"], None),
            statement(&["ecs:DescribeTasks"], &["*"], None),
        ]);
        assert_eq!(
            document["Statement"],
            json!([
                {"Effect": "Allow", "Action": ["ecs:DescribeTasks", "ecs:StopTask"], "Resource": ["*"]},
                {"Effect": "Allow", "Action": ["ecs:RunTask"], "Resource": ["t"], "Condition": within},
                {"Effect": "Allow", "Action": ["lambda:InvokeFunction"], "Resource": ["f1", "f2"]},
            ])
        );
    }

    #[test]
    fn the_statements_stand_in_the_place_of_the_mark() {
        let found = stack("bunsui-", "a_b", (None, None), &[statement(&["x:Y"], &["*"], None)]).unwrap();
        assert_eq!(found.name, "bunsui-pipeline-a--b");
        let line = found.template.lines().find(|line| line.contains("PolicyName\":\"operations")).unwrap();
        assert!(line.starts_with("        - {"), "{line}");
        assert!(!found.template.lines().any(|line| line.trim_start().starts_with(MARK)));
    }

    #[test]
    fn a_policy_over_the_limit_is_refused() {
        let many: Vec<Statement> = (0..300)
            .map(|n| {
                statement(
                    &["lambda:InvokeFunction"],
                    &[&format!("arn:aws:lambda:eu-west-1:1:function:f{n}")],
                    None,
                )
            })
            .collect();
        let error = stack("bunsui-", "p", (None, None), &many).unwrap_err();
        assert!(error.to_string().contains("12"), "{error}");
    }
}
