//! CloudFormation stacks: what would change is asked for first, as a change set, and then carried out.

use super::client::Connection;
use super::error::{AwsError, Call, classify};
use aws_sdk_cloudformation::types::{
    Capability, ChangeSetStatus, ChangeSetType, Parameter, ResourceChange, Stack, StackStatus, Tag,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The templates that are part of bunsui, by name.
pub const TEMPLATES: [(&str, &str); 4] = [
    ("tables", include_str!("../../../infrastructure/dynamodb/tables.yaml")),
    ("bucket", include_str!("../../../infrastructure/s3/bucket.yaml")),
    ("policies", include_str!("../../../infrastructure/iam/runner.yaml")),
    ("execution-role", include_str!("../../../infrastructure/iam/execution-role.yaml")),
];

/// The text of one of [`TEMPLATES`]; empty where there is none of that name.
pub fn template(name: &str) -> &'static str {
    TEMPLATES.iter().find(|(known, _)| *known == name).map_or("", |(_, text)| text)
}

/// The names of a template's parameters.
pub fn parameters(template: &str) -> impl Iterator<Item = &str> {
    let lines = template.lines().skip_while(|line| *line != "Parameters:").skip(1);
    let section = lines.take_while(|line| line.is_empty() || line.starts_with(' ') || line.starts_with('#'));
    section.filter_map(|line| {
        let name = line.strip_prefix("  ")?.strip_suffix(':')?;
        (!name.starts_with([' ', '#'])).then_some(name)
    })
}

/// A stack as it is wanted.
#[derive(Debug, Clone)]
pub struct WantedStack {
    /// Its name.
    pub name: String,
    /// Its template's text.
    pub template: String,
    /// Values of parameters. Others keep what they had, or are as the template says.
    pub parameters: BTreeMap<String, String>,
}

/// What a change set would do to a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackChange {
    /// `Add`, `Modify`, `Remove`.
    pub action: String,
    /// `AWS::DynamoDB::Table`
    pub kind: String,
    /// Its name in the template.
    pub resource: String,
    /// A change that makes it anew.
    pub replaces: bool,
}

/// A change set that was made and not carried out yet.
#[derive(Debug)]
pub struct Prepared {
    stack: String,
    change_set: String,
    is_new: bool,
    /// None: the stack is as it is wanted.
    pub changes: Vec<StackChange>,
}

/// A stack that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackState {
    /// `CREATE_COMPLETE`
    pub status: String,
    /// By name.
    pub outputs: BTreeMap<String, String>,
    /// Names of the parameters that it has values of.
    pub parameters: BTreeSet<String>,
}

/// Stacks of one account, region and prefix.
#[derive(Debug, Clone)]
pub struct Stacks {
    client: aws_sdk_cloudformation::Client,
}

/// CloudFormation is asked so often how far it is.
const LOOK: Duration = Duration::from_millis(1500);
const FIRST_LOOK: Duration = Duration::from_millis(150);

/// No stack of these templates takes so long.
const LONGEST: Duration = Duration::from_secs(1200);

impl Stacks {
    /// For a connection.
    pub fn new(connection: &Connection) -> Self {
        Self { client: connection.cloudformation() }
    }

    /// A stack; none where it is not there.
    pub async fn state(&self, name: &str) -> Result<Option<StackState>, AwsError> {
        let call = Call::new("cloudformation", "DescribeStacks", format!("stack `{name}`"));
        let found = match self.client.describe_stacks().stack_name(name).send().await {
            Ok(found) => found,
            Err(error) => match classify(error, &call) {
                // There is no error of its own for a stack that is not there.
                AwsError::Rejected { message, .. } if message.contains("does not exist") => return Ok(None),
                AwsError::NotFound { .. } => return Ok(None),
                error => return Err(error),
            },
        };
        let is_there = |stack: &&Stack| {
            !matches!(stack.stack_status(), Some(StackStatus::DeleteComplete | StackStatus::ReviewInProgress))
        };
        Ok(found.stacks().first().filter(is_there).map(|stack| StackState {
            status: stack.stack_status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
            outputs: stack
                .outputs()
                .iter()
                .filter_map(|output| {
                    Some((output.output_key()?.to_owned(), output.output_value()?.to_owned()))
                })
                .collect(),
            parameters: stack
                .parameters()
                .iter()
                .filter_map(|parameter| parameter.parameter_key().map(str::to_owned))
                .collect(),
        }))
    }

    /// Asks what would change.
    pub async fn prepare(&self, wanted: &WantedStack) -> Result<Prepared, AwsError> {
        let call = Call::new("cloudformation", "CreateChangeSet", format!("stack `{}`", wanted.name));
        let state = self.state(&wanted.name).await?;
        let is_new = state.is_none();
        let kind = if is_new { ChangeSetType::Create } else { ChangeSetType::Update };
        let given = wanted
            .parameters
            .iter()
            .map(|(key, value)| Parameter::builder().parameter_key(key).parameter_value(value).build());
        // What somebody set by other means is not set back.
        let had = state.map(|state| state.parameters).unwrap_or_default();
        let kept = parameters(&wanted.template)
            .filter(|name| had.contains(*name) && !wanted.parameters.contains_key(*name))
            .map(|name| Parameter::builder().parameter_key(name).use_previous_value(true).build());
        let tag = Tag::builder().key("bunsui:stack").value(&wanted.name).build();
        let made = self
            .client
            .create_change_set()
            .stack_name(&wanted.name)
            .change_set_name(format!("bunsui-{:08x}", rand::random::<u32>()))
            .change_set_type(kind)
            .template_body(&wanted.template)
            .set_parameters(Some(given.chain(kept).collect()))
            .capabilities(Capability::CapabilityNamedIam)
            .tags(tag)
            .send()
            .await
            .map_err(|error| classify(error, &call))?;
        let change_set = made.id.unwrap_or_default();
        let changes = self.changes(&wanted.name, &change_set).await?;
        Ok(Prepared { stack: wanted.name.clone(), change_set, is_new, changes })
    }

    async fn changes(&self, stack: &str, change_set: &str) -> Result<Vec<StackChange>, AwsError> {
        let call = Call::new("cloudformation", "DescribeChangeSet", format!("stack `{stack}`"));
        let began = tokio::time::Instant::now();
        let mut pause = FIRST_LOOK;
        loop {
            let found = self.client.describe_change_set().stack_name(stack).change_set_name(change_set);
            let found = found.send().await.map_err(|error| classify(error, &call))?;
            let reason = found.status_reason().unwrap_or_default();
            match found.status() {
                Some(ChangeSetStatus::CreateComplete) => {
                    let changes = found.changes().iter().filter_map(|change| change.resource_change());
                    return Ok(changes.map(stack_change).collect());
                }
                // As CloudFormation says that there is nothing to do.
                Some(ChangeSetStatus::Failed)
                    if reason.contains("didn't contain changes") || reason.contains("No updates") =>
                {
                    let _ = self
                        .client
                        .delete_change_set()
                        .stack_name(stack)
                        .change_set_name(change_set)
                        .send()
                        .await;
                    return Ok(Vec::new());
                }
                Some(ChangeSetStatus::Failed) => return Err(failed(stack, reason)),
                _ if began.elapsed() > LONGEST => return Err(failed(stack, "it takes too long")),
                _ => {}
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK);
        }
    }

    /// Takes back what was prepared.
    pub async fn discard(&self, prepared: Prepared) -> Result<(), AwsError> {
        let Prepared { stack, change_set, is_new, .. } = prepared;
        let call = Call::new("cloudformation", "DeleteChangeSet", format!("stack `{stack}`"));
        let deleted =
            self.client.delete_change_set().stack_name(&stack).change_set_name(change_set).send().await;
        deleted.map_err(|error| classify(error, &call))?;
        if is_new {
            // A stack that has nothing but a change set is left behind else.
            let call = Call::new("cloudformation", "DeleteStack", format!("stack `{stack}`"));
            let deleted = self.client.delete_stack().stack_name(&stack).send().await;
            deleted.map_err(|error| classify(error, &call))?;
        }
        Ok(())
    }

    /// Carries out what was prepared, and waits for its end.
    pub async fn execute(&self, prepared: Prepared) -> Result<StackState, AwsError> {
        let call = Call::new("cloudformation", "ExecuteChangeSet", format!("stack `{}`", prepared.stack));
        if !prepared.changes.is_empty() {
            let execute = self.client.execute_change_set().stack_name(&prepared.stack);
            let executed = execute.change_set_name(&prepared.change_set).send().await;
            executed.map_err(|error| classify(error, &call))?;
        }
        let state = self.wait(&prepared.stack).await?;
        state.ok_or_else(|| failed(&prepared.stack, "it is gone"))
    }

    /// Deletes a stack; what its template retains stays. False where it is not there.
    pub async fn delete(&self, name: &str) -> Result<bool, AwsError> {
        if self.state(name).await?.is_none() {
            return Ok(false);
        }
        let call = Call::new("cloudformation", "DeleteStack", format!("stack `{name}`"));
        let deleted = self.client.delete_stack().stack_name(name).send().await;
        deleted.map_err(|error| classify(error, &call))?;
        self.wait(name).await?;
        Ok(true)
    }

    async fn wait(&self, name: &str) -> Result<Option<StackState>, AwsError> {
        let began = tokio::time::Instant::now();
        let mut pause = FIRST_LOOK;
        loop {
            match self.state(name).await? {
                Some(state) if state.status.ends_with("_IN_PROGRESS") && began.elapsed() < LONGEST => {}
                Some(state)
                    if matches!(
                        state.status.as_str(),
                        "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE"
                    ) =>
                {
                    return Ok(Some(state));
                }
                Some(state) => {
                    return Err(failed(name, &format!("it is {}: {}", state.status, self.why(name).await)));
                }
                None => return Ok(None),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK);
        }
    }

    /// The first failure that its events tell of.
    async fn why(&self, name: &str) -> String {
        let events = self.client.describe_stack_events().stack_name(name).send().await;
        let Ok(events) = events else { return "its events cannot be read".to_owned() };
        let is_failure = |status: &str| status.ends_with("_FAILED");
        let mut failures = events
            .stack_events()
            .iter()
            .rev()
            .filter(|event| event.resource_status().is_some_and(|status| is_failure(status.as_str())));
        failures.next().map_or_else(
            || "its events do not say why".to_owned(),
            |event| {
                let (resource, reason) = (event.logical_resource_id(), event.resource_status_reason());
                format!("{}: {}", resource.unwrap_or_default(), reason.unwrap_or_default())
            },
        )
    }
}

fn failed(stack: &str, reason: &str) -> AwsError {
    AwsError::Rejected {
        action: "cloudformation:ExecuteChangeSet".to_owned(),
        resource: format!("stack `{stack}`"),
        code: "StackFailed".to_owned(),
        message: reason.to_owned(),
        request: String::new(),
    }
}

fn stack_change(change: &ResourceChange) -> StackChange {
    StackChange {
        action: change.action().map(|action| action.as_str().to_owned()).unwrap_or_default(),
        kind: change.resource_type().unwrap_or_default().to_owned(),
        resource: change.logical_resource_id().unwrap_or_default().to_owned(),
        replaces: change.replacement().is_some_and(|replacement| replacement.as_str() == "True"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::Not;

    #[test]
    fn parameters_are_read_from_the_templates() {
        let of = |name| parameters(template(name)).collect::<Vec<_>>();
        assert_eq!(
            of("execution-role"),
            ["Prefix", "Pipeline", "Boundary", "KmsKey", "LogRetentionDays", "LogKmsKey"]
        );
        assert!(of("bucket").starts_with(&["BucketName", "KmsKey", "Versioning"]));
        assert!(of("tables").contains(&"DeletionProtection") && of("policies").contains(&"Boundary").not());
    }
}
