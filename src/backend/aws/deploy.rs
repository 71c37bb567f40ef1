//! State machines made and brought up to date, and deployments registered.
//!
//! A deployment is a version of a pipeline: a counter, with the file's text and the ARN of each job's state machine version. What
//! Step Functions has already is left alone.

use super::boundary::Boundary;
use super::client::Connection;
use super::error::{AwsError, Call, classify};
use super::machines::{MachineSettings, Machines, Reason, RoleState, machine_of};
use super::role;
use super::stacks::{Prepared, StackState, Stacks};
use crate::pipeline::{Pipeline, Statement};
use crate::runner::port::{ObjectStore, StoreError, deployment_key};
use crate::session::DeploymentRecord;
use crate::state_machine::StateMachine;
use aws_sdk_dynamodb::types::AttributeValue;
use futures::{StreamExt, TryStreamExt, stream};
use std::collections::BTreeSet;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;

/// What becomes of a job's state machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// There is none yet.
    Create,
    /// It is not as it is wanted.
    Update(Reason),
    /// It stays as it is.
    Same,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Create => "create",
            Self::Update(_) => "update",
            Self::Same => "same",
        })
    }
}

/// Deploys the pipelines of one account, region and prefix.
#[derive(Debug, Clone)]
pub struct Deployer {
    machines: Machines,
    tables: aws_sdk_dynamodb::Client,
    stacks: Stacks,
    prefix: String,
}

/// State machines that are asked about or changed at once, within the quotas.
const AT_ONCE: usize = 8;

impl Deployer {
    /// For a connection.
    pub fn new(connection: &Connection) -> Self {
        Self {
            machines: Machines::new(connection),
            tables: connection.dynamodb(),
            stacks: Stacks::new(connection),
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
        // Executions read outputs that are encrypted with it.
        let key = policies.as_ref().and_then(|state| state.parameters.get("KmsKey"));
        let wanted = role::stack(&self.prefix, pipeline, (boundary, key), statements)?;
        self.stacks.prepare(&wanted).await
    }

    /// The boundary that the role of a pipeline has; none where the account has none, or this user may not look.
    pub async fn boundary(&self) -> Result<Option<Boundary>, AwsError> {
        let stack = format!("{}policies", self.prefix);
        match self.stacks.state(&stack).await {
            Ok(state) => Ok(state.and_then(|state| Boundary::of(&stack, &state))),
            Err(AwsError::Denied { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Carries out what was prepared; gives what the pipeline's state machines have in common.
    pub async fn make_role(&self, prepared: Prepared) -> Result<MachineSettings, AwsError> {
        Ok(of_stack(&self.stacks.execute(prepared).await?))
    }

    /// What the pipeline's stack has for its state machines, if it has been made.
    pub async fn role(&self, pipeline: &str) -> Result<Option<MachineSettings>, AwsError> {
        let state = self.stacks.state(&role::stack_name(&self.prefix, pipeline)).await?;
        Ok(state.as_ref().map(of_stack))
    }

    /// Whether Step Functions may take on a role.
    pub async fn try_role(&self, role: &str) -> RoleState {
        self.machines.try_role(role).await
    }

    /// Takes back what was prepared.
    pub async fn discard(&self, prepared: Prepared) -> Result<(), AwsError> {
        self.stacks.discard(prepared).await
    }

    /// What a deployment would do with each job's state machine, compared with the latest one, and with what Step Functions has of that.
    pub async fn difference(
        &self,
        wanted: &DeploymentRecord,
        latest: Option<&DeploymentRecord>,
        settings: &MachineSettings,
    ) -> Result<Vec<(String, Change)>, AwsError> {
        let compare = async |(job, digest): (&String, &String)| {
            let before = latest.and_then(|latest| Some((latest, latest.machines.get(job)?)));
            let change = match before {
                None => Change::Create,
                Some((latest, _)) if latest.definitions.get(job) != Some(digest) => {
                    Change::Update(Reason::Definition)
                }
                Some((_, version)) => {
                    self.machines.look(version, settings).await?.map_or(Change::Same, Change::Update)
                }
            };
            Ok((job.clone(), change))
        };
        stream::iter(&wanted.definitions).map(compare).buffered(AT_ONCE).try_collect().await
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
        self.machines.delete_version(version).await
    }

    /// Deletes a state machine with its versions, if it is this pipeline's.
    pub async fn delete_machine(&self, machine: &str, pipeline: &str) -> Result<(), AwsError> {
        self.machines.delete(machine, pipeline).await
    }

    /// Takes the state machines out of deployments that nothing needs any more: their files stay, for sessions to be shown by.
    pub async fn forget_machines(
        &self,
        deployments: &[DeploymentRecord],
        objects: &dyn ObjectStore,
    ) -> Result<(), StoreError> {
        for deployment in deployments.iter().filter(|deployment| !deployment.machines.is_empty()) {
            let forgotten = DeploymentRecord { machines: Default::default(), ..deployment.clone() };
            let key = deployment_key(&deployment.pipeline_id, &deployment.version);
            objects.put(&key, serde_json::to_vec_pretty(&forgotten).unwrap_or_default()).await?;
        }
        Ok(())
    }

    /// The state machines that a pipeline has, registered or not: those that have its names and its tag.
    pub async fn machines_of(&self, pipeline: &str) -> Result<Vec<String>, AwsError> {
        self.machines.named(pipeline).await
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
        (pipeline, machines): (&Pipeline, &[Arc<StateMachine>]),
        mut wanted: DeploymentRecord,
        latest: Option<&DeploymentRecord>,
        (settings, difference): (&MachineSettings, &[(String, Change)]),
        objects: &dyn ObjectStore,
        told: &mut (dyn FnMut(&str, Change) + Send),
    ) -> Result<DeploymentRecord, StoreError> {
        let put = async |((job, change), machine): (&(String, Change), &Arc<StateMachine>)| {
            let known = latest.and_then(|latest| latest.machines.get(job));
            let version = match (change, known) {
                (Change::Same, Some(version)) => version.clone(),
                _ => self.machines.put(pipeline, job, machine, settings).await?,
            };
            Ok::<_, AwsError>((job.clone(), *change, version))
        };
        let mut done = pin!(stream::iter(difference.iter().zip(machines)).map(put).buffered(AT_ONCE));
        while let Some((job, change, version)) = done.try_next().await? {
            told(&job, change);
            wanted.machines.insert(job, version);
        }
        wanted.role = Some(settings.role.clone());
        self.register(wanted, objects).await
    }

    /// The object first: a version that is registered has one, and it is of whoever registered it. A number whose object is there already
    /// is somebody else's, registered or not.
    async fn register(
        &self,
        mut deployment: DeploymentRecord,
        objects: &dyn ObjectStore,
    ) -> Result<DeploymentRecord, StoreError> {
        let call = Call::new("dynamodb", "PutItem", format!("table `{}`", self.table()));
        let mut version = self.latest_version(&deployment.pipeline_id).await?.unwrap_or(0);
        loop {
            version += 1;
            deployment.version = version.to_string();
            let key = deployment_key(&deployment.pipeline_id, &deployment.version);
            let bytes = serde_json::to_vec_pretty(&deployment).unwrap_or_default();
            if !objects.put_new(&key, bytes).await? {
                continue;
            }
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
            return match put {
                Ok(_) => Ok(deployment),
                Err(error) => Err(classify(error, &call).into()),
            };
        }
    }
}

/// What a pipeline's stack gives.
fn of_stack(state: &StackState) -> MachineSettings {
    MachineSettings {
        role: state.outputs.get("RoleArn").cloned().unwrap_or_default(),
        log_group: state.outputs.get("LogGroupArn").cloned(),
    }
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
}
