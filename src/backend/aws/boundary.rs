//! The boundary of pipelines' roles: what a role may not do, whatever its own statements allow.
//!
//! Takes: the stack that makes the boundary, and what operations need. Gives: the actions that it leaves out, and the value of the
//! stack's parameter that would let them in.
//! Deliberately does not: ask IAM, where neither runners nor deployers may look. What somebody changed by hand is not known.

use super::stacks::StackState;
use crate::pipeline::Statement;
use std::collections::BTreeSet;

/// What the statement `Logging` of the template allows.
const LOGGING: [&str; 10] = [
    "logs:CreateLogDelivery",
    "logs:CreateLogStream",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutLogEvents",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
];

/// To whom the statement `TaskRoles` of the template lets roles be passed. Which roles is a matter of the account's, and not judged.
const TASKS: &str = "ecs-tasks.amazonaws.com";

/// The most that the role of a pipeline comes to.
#[derive(Debug, Clone)]
pub struct Boundary {
    /// The stack that makes it.
    pub stack: String,
    actions: Vec<String>,
    bucket: String,
    key: String,
}

impl Boundary {
    /// What a stack says of its boundary; none where it makes none, or is of a template that is not bunsui's.
    pub(super) fn of(stack: &str, state: &StackState) -> Option<Self> {
        state.outputs.get("BoundaryArn")?;
        let parameter = |name: &str| state.parameters.get(name).cloned();
        let actions = parameter("ExecutionActions")?;
        Some(Self {
            stack: stack.to_owned(),
            actions: actions.split(',').map(|action| action.trim().to_owned()).collect(),
            bucket: parameter("BucketName")?,
            key: parameter("KmsKey").unwrap_or_default(),
        })
    }

    /// The actions of a statement that it does not allow.
    pub fn missing<'a>(&self, statement: &'a Statement) -> impl Iterator<Item = &'a str> {
        let actions = statement.actions.iter().map(String::as_str);
        actions.filter(move |action| !self.allows(action, statement))
    }

    fn allows(&self, action: &str, statement: &Statement) -> bool {
        let is_every = |is_allowed: &dyn Fn(&str) -> bool| {
            statement.resources.iter().all(|resource| is_allowed(resource))
        };
        if self.actions.iter().any(|pattern| covers(&pattern.to_lowercase(), &action.to_lowercase())) {
            return true;
        }
        match action {
            "s3:GetObject" => is_every(&|resource| {
                let object = resource.split_once(":s3:::").map_or("", |(_, object)| object);
                object.strip_prefix(&*self.bucket).is_some_and(|key| key.starts_with("/outputs/"))
            }),
            "iam:PassRole" => statement
                .condition
                .as_ref()
                .is_some_and(|condition| condition["StringEquals"]["iam:PassedToService"] == TASKS),
            "kms:Decrypt" => !self.key.is_empty() && is_every(&|resource| resource == self.key),
            action => LOGGING.contains(&action),
        }
    }

    /// The value of the parameter `ExecutionActions` with which it allows these too.
    pub fn widened(&self, actions: &BTreeSet<&str>) -> String {
        let own = self.actions.iter().map(String::as_str);
        own.chain(actions.iter().copied()).collect::<Vec<_>>().join(",")
    }
}

/// Whether a pattern of IAM's (`*` is any text, `?` any letter) covers a text.
fn covers(pattern: &str, text: &str) -> bool {
    let Some(at) = pattern.find(['*', '?']) else { return pattern == text };
    let Some(rest) = text.strip_prefix(&pattern[..at]) else { return false };
    let after = &pattern[at + 1..];
    let mut ends = rest.char_indices().map(|(at, letter)| (at, at + letter.len_utf8()));
    if pattern[at..].starts_with('?') {
        return ends.next().is_some_and(|(_, end)| covers(after, &rest[end..]));
    }
    covers(after, rest) || ends.any(|(_, end)| covers(after, &rest[end..]))
}

#[cfg(test)]
mod tests {
    use super::super::stacks::template;
    use super::*;
    use serde_json::{Value as Json, json};

    const KEY: &str = "arn:aws:kms:eu-west-1:1:key/k";

    fn boundary(actions: &str) -> Boundary {
        Boundary {
            stack: "bunsui-policies".to_owned(),
            actions: actions.split(',').map(str::to_owned).collect(),
            bucket: "lake".to_owned(),
            key: KEY.to_owned(),
        }
    }

    #[track_caller]
    fn check(
        boundary: &Boundary,
        (action, resource): (&str, &str),
        condition: Option<Json>,
        is_allowed: bool,
    ) {
        let statement =
            Statement { actions: vec![action.to_owned()], resources: vec![resource.to_owned()], condition };
        assert_eq!(boundary.missing(&statement).next().is_none(), is_allowed, "{action} on {resource}");
    }

    #[test]
    fn actions_are_allowed_by_name_and_by_pattern() {
        let found = boundary("lambda:InvokeFunction,glue:*JobRun,Athena:Get*,s3:Put?bject");
        for (action, is_allowed) in [
            ("lambda:InvokeFunction", true),
            ("lambda:invokefunction", true),
            ("lambda:InvokeFunctionUrl", false),
            ("glue:StartJobRun", true),
            ("glue:GetJobRuns", false),
            ("athena:GetQueryExecution", true),
            ("athena:StartQueryExecution", false),
            ("s3:PutObject", true),
            ("s3:PutO", false),
            ("logs:PutLogEvents", true),
        ] {
            check(&found, (action, "*"), None, is_allowed);
        }
        assert_eq!(
            boundary("ecs:RunTask").widened(&BTreeSet::from(["glue:B", "glue:A"])),
            "ecs:RunTask,glue:A,glue:B"
        );
    }

    #[test]
    fn what_the_template_allows_besides_is_allowed_there_and_nowhere_else() {
        let found = boundary("lambda:InvokeFunction");
        check(&found, ("s3:GetObject", "arn:aws:s3:::lake/outputs/*"), None, true);
        check(&found, ("s3:GetObject", "arn:aws:s3:::lake/raw/*"), None, false);
        check(&found, ("s3:GetObject", "arn:aws:s3:::lakes/outputs/*"), None, false);
        check(&found, ("kms:Decrypt", KEY), None, true);
        check(&found, ("kms:Decrypt", "*"), None, false);
        let passed = |service: &str| Some(json!({"StringEquals": {"iam:PassedToService": service}}));
        check(&found, ("iam:PassRole", "arn:aws:iam::1:role/*"), passed(TASKS), true);
        check(&found, ("iam:PassRole", "arn:aws:iam::1:role/*"), passed("glue.amazonaws.com"), false);
    }

    #[test]
    fn the_template_has_what_is_said_of_it() {
        let template = template("policies");
        let boundary = template.split_once("\n  Boundary:\n").expect("it is there").1;
        let boundary = boundary.split_once("\n  RunnerRole:").expect("it ends").0;
        for text in LOGGING.iter().chain(&[TASKS, "outputs/*", "kms:Decrypt", "!Ref ExecutionActions"]) {
            assert!(boundary.contains(text), "no {text} in the template");
        }
        let logging = boundary.split_once("Sid: Logging").expect("it is there").1;
        assert_eq!(logging.matches("- logs:").count(), LOGGING.len());
    }
}
