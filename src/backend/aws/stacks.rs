//! CloudFormation stacks: what would change is asked for first, as a change set, and then carried out.

use super::client::Connection;
use super::error::{AwsError, Call, classify};
use aws_sdk_cloudformation::types::{
    Capability, ChangeSetStatus, ChangeSetType, Parameter, ResourceChange, Stack, StackEvent, StackStatus,
    Tag,
};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// The templates that are part of bunsui, by name.
pub const TEMPLATES: [(&str, &str); 5] = [
    ("tables", include_str!("../../../infrastructure/dynamodb/tables.yaml")),
    ("bucket", include_str!("../../../infrastructure/s3/bucket.yaml")),
    ("policies", include_str!("../../../infrastructure/iam/runner.yaml")),
    ("events", include_str!("../../../infrastructure/sqs/events.yaml")),
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
    /// When the stack had been changed before.
    updated_at: Option<i64>,
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
    /// Values of its parameters, by name.
    pub parameters: BTreeMap<String, String>,
    /// When it was changed last, in seconds since 1970.
    updated_at: Option<i64>,
}

impl StackState {
    /// The status as people read it: `create complete`.
    pub fn words(&self) -> String {
        self.status.to_lowercase().replace('_', " ")
    }

    /// Nothing was made by it: it can only be deleted.
    fn never_was(&self) -> bool {
        matches!(self.status.as_str(), "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "REVIEW_IN_PROGRESS")
    }
}

/// Stacks of one account and region.
#[derive(Debug, Clone)]
pub struct Stacks {
    client: aws_sdk_cloudformation::Client,
}

/// CloudFormation is asked so often how far it is.
const LOOK: Duration = Duration::from_millis(1500);
const FIRST_LOOK: Duration = Duration::from_millis(150);

/// So long what is said of a stack may be what was before a change.
const STALE: Duration = Duration::from_secs(3);

/// No stack of these templates takes so long.
const LONGEST: Duration = Duration::from_secs(1200);

impl Stacks {
    /// For a connection.
    pub fn new(connection: &Connection) -> Self {
        Self { client: connection.cloudformation() }
    }

    /// A stack; none where it is not there, or nothing but a change set of it is.
    pub async fn state(&self, name: &str) -> Result<Option<StackState>, AwsError> {
        Ok(self.any_state(name).await?.filter(|state| state.status != "REVIEW_IN_PROGRESS"))
    }

    async fn any_state(&self, name: &str) -> Result<Option<StackState>, AwsError> {
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
        let is_there = |stack: &&Stack| stack.stack_status() != Some(&StackStatus::DeleteComplete);
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
                .filter_map(|parameter| {
                    Some((parameter.parameter_key()?.to_owned(), parameter.parameter_value()?.to_owned()))
                })
                .collect(),
            updated_at: stack
                .last_updated_time()
                .or(stack.creation_time())
                .map(aws_smithy_types::DateTime::secs),
        }))
    }

    /// Asks what would change.
    pub async fn prepare(&self, wanted: &WantedStack) -> Result<Prepared, AwsError> {
        let call = Call::new("cloudformation", "CreateChangeSet", format!("stack `{}`", wanted.name));
        let mut state = self.any_state(&wanted.name).await?;
        if state.as_ref().is_some_and(StackState::never_was) {
            // CloudFormation takes no update of a stack whose making failed.
            self.delete(&wanted.name).await?;
            state = None;
        }
        let is_new = state.is_none();
        let kind = if is_new { ChangeSetType::Create } else { ChangeSetType::Update };
        let given = wanted
            .parameters
            .iter()
            .map(|(key, value)| Parameter::builder().parameter_key(key).parameter_value(value).build());
        // What somebody set by other means is not set back.
        let updated_at = state.as_ref().and_then(|state| state.updated_at);
        let had = state.map(|state| state.parameters).unwrap_or_default();
        let kept = parameters(&wanted.template)
            .filter(|name| had.contains_key(*name) && !wanted.parameters.contains_key(*name))
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
        let mut prepared =
            Prepared { stack: wanted.name.clone(), change_set, is_new, changes: Vec::new(), updated_at };
        match self.changes(&prepared.stack, &prepared.change_set).await {
            Ok(changes) => prepared.changes = changes,
            Err(error) => {
                // Why it failed is worth more than what could not be taken back after it.
                let _ = self.discard(prepared).await;
                return Err(error);
            }
        }
        Ok(prepared)
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
                    let _ = self.delete_change_set(stack, change_set).await;
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
        self.delete_change_set(&stack, &change_set).await?;
        if is_new {
            // A stack that has nothing but a change set is left behind else.
            self.delete_stack(&stack).await?;
        }
        Ok(())
    }

    async fn delete_change_set(&self, stack: &str, change_set: &str) -> Result<(), AwsError> {
        let call = Call::new("cloudformation", "DeleteChangeSet", format!("stack `{stack}`"));
        let delete = self.client.delete_change_set().stack_name(stack).change_set_name(change_set);
        delete.send().await.map(|_| ()).map_err(|error| classify(error, &call))
    }

    /// Carries out what was prepared, and waits for its end.
    pub async fn execute(&self, prepared: Prepared) -> Result<StackState, AwsError> {
        let call = Call::new("cloudformation", "ExecuteChangeSet", format!("stack `{}`", prepared.stack));
        if prepared.changes.is_empty() {
            // As it is wanted, whatever became of a change in between.
            let state = self.state(&prepared.stack).await?;
            return state.ok_or_else(|| failed(&prepared.stack, "it is gone"));
        }
        let began = SystemTime::now();
        let execute = self.client.execute_change_set().stack_name(&prepared.stack);
        let executed = execute.change_set_name(&prepared.change_set).send().await;
        executed.map_err(|error| classify(error, &call))?;
        self.wait(&prepared, began).await
    }

    /// Deletes a stack; what its template retains stays. False where it is not there.
    pub async fn delete(&self, name: &str) -> Result<bool, AwsError> {
        if self.any_state(name).await?.is_none() {
            return Ok(false);
        }
        self.delete_stack(name).await?;
        Ok(true)
    }

    /// Deletes one that is there, and waits for its end.
    async fn delete_stack(&self, name: &str) -> Result<(), AwsError> {
        let call = Call::new("cloudformation", "DeleteStack", format!("stack `{name}`"));
        let deleted = self.client.delete_stack().stack_name(name).send().await;
        deleted.map_err(|error| classify(error, &call))?;
        self.wait_until_gone(name).await
    }

    /// Waits for the end of a change that was begun.
    async fn wait(&self, prepared: &Prepared, began: SystemTime) -> Result<StackState, AwsError> {
        let since = tokio::time::Instant::now();
        let name = &prepared.stack;
        let mut pause = FIRST_LOOK;
        loop {
            let state = self.any_state(name).await?.ok_or_else(|| failed(name, "it is gone"))?;
            let status = state.status.as_str();
            // For a moment what is said may still be what was before.
            let is_stale = status == "REVIEW_IN_PROGRESS"
                || (!prepared.is_new && state.updated_at == prepared.updated_at && since.elapsed() < STALE);
            let goes_on = is_stale || status.ends_with("_IN_PROGRESS");
            match status {
                _ if goes_on && since.elapsed() < LONGEST => {}
                "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE" => return Ok(state),
                status => {
                    return Err(failed(name, &format!("it is {status}: {}", self.why(name, began).await)));
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK);
        }
    }

    async fn wait_until_gone(&self, name: &str) -> Result<(), AwsError> {
        let (since, began) = (tokio::time::Instant::now(), SystemTime::now());
        let mut pause = FIRST_LOOK;
        while let Some(state) = self.any_state(name).await? {
            let is_failed = state.status == "DELETE_FAILED" || since.elapsed() > LONGEST;
            if is_failed {
                return Err(failed(
                    name,
                    &format!("it is {}: {}", state.status, self.why(name, began).await),
                ));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK);
        }
        Ok(())
    }

    /// The first failure that its events since then tell of.
    async fn why(&self, name: &str, since: SystemTime) -> String {
        let pages = self.client.describe_stack_events().stack_name(name).into_paginator().items().send();
        let events: Result<Vec<_>, _> = pages.collect().await;
        let Ok(events) = events else { return "its events cannot be read".to_owned() };
        // Clocks differ, and the change began a moment before.
        let since =
            since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs().cast_signed() - 60;
        let is_failure = |event: &&StackEvent| {
            event.resource_status().is_some_and(|status| status.as_str().ends_with("_FAILED"))
                && event.timestamp().is_some_and(|time| time.secs() >= since)
        };
        events.iter().rev().find(is_failure).map_or_else(
            || "its events do not say why".to_owned(),
            |event| {
                let (resource, reason) = (event.logical_resource_id(), event.resource_status_reason());
                format!("{}: {}", resource.unwrap_or_default(), reason.unwrap_or_default())
            },
        )
    }
}

fn failed(stack: &str, reason: &str) -> AwsError {
    let is_there = reason.contains("already exists");
    let help = is_there.then_some(
        "what an earlier stack left is taken in by an import: see \"Deleting and coming back\" in infrastructure/README.md",
    );
    AwsError::StackFailed { stack: stack.to_owned(), reason: reason.to_owned(), help }
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
