//! State machines made and brought up to date, and deployments registered.
//!
//! A deployment is a version of a pipeline: a counter, with the file's text and the ARN of each job's state machine version. What
//! Step Functions has already is left alone.

use super::client::Connection;
use super::error::{AwsError, Call, classify};
use super::limiter::Limiter;
use super::role;
use super::stacks::{Prepared, Stacks};
use crate::pipeline::{Pipeline, Statement, partition};
use crate::runner::port::{ObjectStore, StoreError, deployment_key};
use crate::session::DeploymentRecord;
use crate::state_machine::StateMachine;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sfn::types::Tag;
use std::collections::BTreeSet;
use std::fmt;

/// What becomes of a job's state machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// There is none yet.
    Create,
    /// Its definition or role is another.
    Update,
    /// It stays as it is.
    Same,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Same => "same",
        })
    }
}

/// Deploys the pipelines of one account, region and prefix.
#[derive(Debug, Clone)]
pub struct Deployer {
    machines: aws_sdk_sfn::Client,
    tables: aws_sdk_dynamodb::Client,
    stacks: Stacks,
    limiter: Limiter,
    account: String,
    region: String,
    prefix: String,
}

/// By this tag a state machine says whose it is.
const OWNER: &str = "bunsui:pipeline";

impl Deployer {
    /// For a connection.
    pub fn new(connection: &Connection) -> Self {
        Self {
            machines: connection.step_functions(),
            tables: connection.dynamodb(),
            stacks: Stacks::new(connection),
            limiter: connection.limiter(),
            account: connection.account().to_owned(),
            region: connection.region().to_owned(),
            prefix: connection.prefix().to_owned(),
        }
    }

    fn table(&self) -> String {
        format!("{}pipelines", self.prefix)
    }

    /// A pipeline's latest deployment.
    pub async fn latest(
        &self,
        pipeline: &str,
        objects: &dyn ObjectStore,
    ) -> Result<Option<DeploymentRecord>, StoreError> {
        let Some(version) = self.latest_version(pipeline).await? else { return Ok(None) };
        let key = deployment_key(pipeline, &version.to_string());
        let damaged =
            |message: String| StoreError::Damaged { place: "objects".into(), key: key.clone(), message };
        let bytes = objects.get(&key).await?.ok_or_else(|| damaged("it is not there".into()))?;
        serde_json::from_slice(&bytes).map(Some).map_err(|error| damaged(error.to_string()))
    }

    async fn latest_version(&self, pipeline: &str) -> Result<Option<u64>, AwsError> {
        let call = Call::new("dynamodb", "Query", format!("table `{}`", self.table()));
        let found = self
            .tables
            .query()
            .table_name(self.table())
            .key_condition_expression("pipeline_id = :id")
            .expression_attribute_values(":id", AttributeValue::S(pipeline.to_owned()))
            .consistent_read(true)
            .scan_index_forward(false)
            .limit(1)
            .send()
            .await
            .map_err(|error| classify(error, &call))?;
        let version = found.items().first().and_then(|item| item.get("version")?.as_n().ok()?.parse().ok());
        Ok(version)
    }

    /// The stack of a pipeline's execution role, with what would change in it.
    pub async fn prepare_role(&self, pipeline: &str, statements: &[Statement]) -> Result<Prepared, AwsError> {
        let policies = self.stacks.state(&format!("{}policies", self.prefix)).await?;
        let boundary = policies.as_ref().and_then(|state| state.outputs.get("BoundaryArn"));
        let wanted = role::stack(&self.prefix, pipeline, boundary, statements)?;
        self.stacks.prepare(&wanted).await
    }

    /// Carries out what was prepared; gives the role's ARN.
    pub async fn make_role(&self, prepared: Prepared) -> Result<String, AwsError> {
        let state = self.stacks.execute(prepared).await?;
        Ok(state.outputs.get("RoleArn").cloned().unwrap_or_default())
    }

    /// The role of a pipeline's stack, if it has been made.
    pub async fn role(&self, pipeline: &str) -> Result<Option<String>, AwsError> {
        let state = self.stacks.state(&role::stack_name(&self.prefix, pipeline)).await?;
        Ok(state.and_then(|state| state.outputs.get("RoleArn").cloned()))
    }

    /// Takes back what was prepared.
    pub async fn discard(&self, prepared: Prepared) -> Result<(), AwsError> {
        self.stacks.discard(prepared).await
    }

    /// What a deployment would do with each job's state machine, compared with the latest one.
    pub fn difference(
        wanted: &DeploymentRecord,
        latest: Option<&DeploymentRecord>,
        role: &str,
    ) -> Vec<(String, Change)> {
        wanted
            .definitions
            .iter()
            .map(|(job, digest)| {
                let before = latest.filter(|latest| latest.machines.contains_key(job));
                let change = match before {
                    None => Change::Create,
                    Some(latest) => {
                        let is_same = latest.definitions.get(job) == Some(digest)
                            && latest.role.as_deref() == Some(role);
                        if is_same { Change::Same } else { Change::Update }
                    }
                };
                (job.clone(), change)
            })
            .collect()
    }

    /// The state machine versions, and whole state machines, that these deployments have and those that are needed have not.
    pub fn unneeded(
        unneeded: &[DeploymentRecord],
        needed: &[DeploymentRecord],
    ) -> (BTreeSet<String>, BTreeSet<String>) {
        let versions = |of: &[DeploymentRecord]| -> BTreeSet<String> {
            of.iter().flat_map(|deployment| deployment.machines.values().cloned()).collect()
        };
        let kept = versions(needed);
        let kept_machines: BTreeSet<&str> = kept.iter().map(|version| machine_of(version)).collect();
        let gone: BTreeSet<String> = versions(unneeded).difference(&kept).cloned().collect();
        let machines: BTreeSet<String> = gone
            .iter()
            .map(|version| machine_of(version))
            .filter(|machine| !kept_machines.contains(machine))
            .map(str::to_owned)
            .collect();
        // With a state machine go its versions.
        let versions = gone.into_iter().filter(|version| !machines.contains(machine_of(version))).collect();
        (versions, machines)
    }

    /// Deletes a version of a state machine. One that is not there is deleted already.
    pub async fn delete_version(&self, version: &str) -> Result<(), AwsError> {
        let call = Call::new("states", "DeleteStateMachineVersion", format!("`{version}`"));
        self.limiter.take("DeleteStateMachineVersion").await;
        let delete = self.machines.delete_state_machine_version().state_machine_version_arn(version);
        settled(delete.send().await.map(|_| ()).map_err(|error| classify(error, &call)))
    }

    /// Deletes a state machine with its versions, if it is this pipeline's.
    pub async fn delete_machine(&self, machine: &str, pipeline: &str) -> Result<(), AwsError> {
        let name = machine.rsplit(':').next().unwrap_or(machine);
        if !self.is_there(machine, name, pipeline).await? {
            return Ok(());
        }
        let call = Call::new("states", "DeleteStateMachine", format!("state machine `{name}`"));
        self.limiter.take("DeleteStateMachine").await;
        let delete = self.machines.delete_state_machine().state_machine_arn(machine);
        settled(delete.send().await.map(|_| ()).map_err(|error| classify(error, &call)))
    }

    /// Deletes the stack of a pipeline's role.
    pub async fn delete_role(&self, pipeline: &str) -> Result<bool, AwsError> {
        self.stacks.delete(&role::stack_name(&self.prefix, pipeline)).await
    }

    /// Takes a version of a pipeline off the register.
    pub async fn unregister(&self, pipeline: &str, version: &str) -> Result<(), AwsError> {
        let call = Call::new("dynamodb", "DeleteItem", format!("table `{}`", self.table()));
        let delete = self.tables.delete_item().table_name(self.table());
        let delete = delete.key("pipeline_id", AttributeValue::S(pipeline.to_owned()));
        let deleted = delete.key("version", AttributeValue::N(version.to_owned())).send().await;
        deleted.map(|_| ()).map_err(|error| classify(error, &call))
    }

    /// Makes or brings up to date what differs, and registers the deployment under the next version. `told` hears of each
    /// state machine when it is done.
    pub async fn deploy(
        &self,
        (pipeline, machines): (&Pipeline, &[std::sync::Arc<StateMachine>]),
        mut wanted: DeploymentRecord,
        latest: Option<&DeploymentRecord>,
        role: &str,
        objects: &dyn ObjectStore,
        told: &mut (dyn FnMut(&str, Change) + Send),
    ) -> Result<DeploymentRecord, StoreError> {
        let difference = Self::difference(&wanted, latest, role);
        for ((job, change), machine) in difference.iter().zip(machines) {
            let known = latest.and_then(|latest| latest.machines.get(job));
            let version = match (change, known) {
                (Change::Same, Some(version)) => version.clone(),
                _ => self.put_machine(pipeline, job, machine, role).await?,
            };
            wanted.machines.insert(job.clone(), version);
            told(job, *change);
        }
        wanted.role = Some(role.to_owned());
        self.register(wanted, objects).await
    }

    /// Creates a state machine, or updates the one that is there if it is this pipeline's; gives its version's ARN.
    async fn put_machine(
        &self,
        pipeline: &Pipeline,
        job: &str,
        machine: &StateMachine,
        role: &str,
    ) -> Result<String, AwsError> {
        let name = machine_name(&self.prefix, pipeline.name.as_str(), job);
        let Self { region, account, .. } = self;
        let arn = format!("arn:{}:states:{region}:{account}:stateMachine:{name}", partition(region));
        let definition = machine.text();
        if self.is_there(&arn, &name, pipeline.name.as_str()).await? {
            let call = Call::new("states", "UpdateStateMachine", format!("state machine `{name}`"));
            self.limiter.take("UpdateStateMachine").await;
            let update = self.machines.update_state_machine().state_machine_arn(&arn).definition(definition);
            let updated = update.role_arn(role).publish(true).send().await;
            let updated = updated.map_err(|error| classify(error, &call))?;
            return Ok(updated.state_machine_version_arn.unwrap_or(arn));
        }
        let call = Call::new("states", "CreateStateMachine", format!("state machine `{name}`"));
        let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
        self.limiter.take("CreateStateMachine").await;
        let created = self
            .machines
            .create_state_machine()
            .name(&name)
            .definition(definition)
            .role_arn(role)
            .publish(true)
            .tags(tag(OWNER, pipeline.name.as_str()))
            .tags(tag("bunsui:job", job))
            .send()
            .await
            .map_err(|error| classify(error, &call))?;
        Ok(created.state_machine_version_arn.unwrap_or(arn))
    }

    /// Whether a state machine of that name is there; one of somebody else's is an error.
    async fn is_there(&self, arn: &str, name: &str, pipeline: &str) -> Result<bool, AwsError> {
        let call = Call::new("states", "DescribeStateMachine", format!("state machine `{name}`"));
        self.limiter.take("DescribeStateMachine").await;
        match self.machines.describe_state_machine().state_machine_arn(arn).send().await {
            Ok(_) => {}
            Err(error) => match classify(error, &call) {
                AwsError::NotFound { .. } => return Ok(false),
                error => return Err(error),
            },
        }
        let call = Call::new("states", "ListTagsForResource", format!("state machine `{name}`"));
        let tags = self.machines.list_tags_for_resource().resource_arn(arn).send().await;
        let tags = tags.map_err(|error| classify(error, &call))?;
        let owner = tags.tags().iter().find(|tag| tag.key() == Some(OWNER)).and_then(Tag::value);
        if owner == Some(pipeline) {
            return Ok(true);
        }
        let owner = owner.map_or_else(|| "no pipeline".to_owned(), |owner| format!("pipeline `{owner}`"));
        Err(AwsError::OtherOwner { machine: name.to_owned(), owner })
    }

    /// The object first: a version that is registered has one.
    async fn register(
        &self,
        mut deployment: DeploymentRecord,
        objects: &dyn ObjectStore,
    ) -> Result<DeploymentRecord, StoreError> {
        let call = Call::new("dynamodb", "PutItem", format!("table `{}`", self.table()));
        loop {
            let version = self.latest_version(&deployment.pipeline_id).await?.unwrap_or(0) + 1;
            deployment.version = version.to_string();
            let key = deployment_key(&deployment.pipeline_id, &deployment.version);
            objects.put(&key, serde_json::to_vec_pretty(&deployment).unwrap_or_default()).await?;
            let put = self
                .tables
                .put_item()
                .table_name(self.table())
                .item("pipeline_id", AttributeValue::S(deployment.pipeline_id.clone()))
                .item("version", AttributeValue::N(version.to_string()))
                .item("created_at", AttributeValue::S(deployment.created_at.to_string()))
                .item("file", AttributeValue::S(deployment.file.clone()))
                .condition_expression("attribute_not_exists(pipeline_id)")
                .send()
                .await;
            match put {
                Ok(_) => return Ok(deployment),
                // Somebody else deployed at the same moment: this is the version after theirs.
                Err(error)
                    if error
                        .as_service_error()
                        .is_some_and(PutItemError::is_conditional_check_failed_exception) => {}
                Err(error) => return Err(classify(error, &call).into()),
            }
        }
    }
}

/// A state machine's ARN, from that of one of its versions.
fn machine_of(version: &str) -> &str {
    version.rsplit_once(':').map_or(version, |(machine, _)| machine)
}

/// What is gone already is as it was to be.
fn settled(result: Result<(), AwsError>) -> Result<(), AwsError> {
    match result {
        Err(AwsError::NotFound { .. }) => Ok(()),
        other => other,
    }
}

/// `<prefix><pipeline>--<job>`, at most 80 characters: a longer one is cut, and ends in a hash of all of it.
fn machine_name(prefix: &str, pipeline: &str, job: &str) -> String {
    use sha2::{Digest, Sha256};
    const LIMIT: usize = 80;
    let name = format!("{prefix}{pipeline}--{job}");
    if name.len() <= LIMIT {
        return name;
    }
    let digest: String =
        Sha256::digest(name.as_bytes()).iter().take(5).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{digest}", &name[..LIMIT - digest.len() - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_deployment_needs_is_told_apart() {
        let deployment = |version: &str, machines: &[&str]| {
            let record = serde_json::json!({
                "record_version": 1, "pipeline_id": "p", "version": version, "file": "", "text": "", "jobs": [],
                "definitions": {}, "plugins": [], "created_at": "2026-11-24T00:00:00Z",
                "machines": machines.iter().map(|arn| (arn.split(':').next().unwrap(), *arn)).collect::<std::collections::BTreeMap<_, _>>(),
            });
            serde_json::from_value::<DeploymentRecord>(record).unwrap()
        };
        let old = [deployment("1", &["a:1", "b:1", "c:1"]), deployment("2", &["a:2", "b:1", "c:1"])];
        let kept = [deployment("3", &["a:3", "b:1"])];
        let (versions, machines) = Deployer::unneeded(&old, &kept);
        assert_eq!(versions.into_iter().collect::<Vec<_>>(), ["a:1", "a:2"]);
        assert_eq!(machines.into_iter().collect::<Vec<_>>(), ["c"]);
    }

    #[test]
    fn names_of_machines_are_short_and_distinct() {
        assert_eq!(machine_name("bunsui-", "etl", "load"), "bunsui-etl--load");
        let long = |end: &str| machine_name("bunsui-", &"p".repeat(64), &format!("{}{end}", "j".repeat(60)));
        assert_eq!(long("a").len(), 80);
        assert_ne!(long("a"), long("b"));
    }
}
