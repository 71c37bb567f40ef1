//! Versions of state machines: revisions that were published, and stay as they are.
//!
//! Follows the Step Functions API reference; each function is the API of its name.

use super::machines::{Machine, Revision, page, unqualified};
use super::request::{ApiError, MachineArn, Request, timestamp};
use super::world::World;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::time::Duration;

/// A revision that was published.
#[derive(Debug)]
pub(super) struct Version {
    pub(super) revision: Arc<Revision>,
    pub(super) created_at: Duration,
    pub(super) description: Option<String>,
}

/// Versions of one state machine (API reference, PublishStateMachineVersion).
const VERSION_LIMIT: usize = 1000;

impl Machine {
    /// The version of the current revision, made where there is none: publishing is idempotent (API reference, PublishStateMachineVersion).
    pub(super) fn publish(&mut self, description: Option<&str>, now: Duration) -> Result<u32, ApiError> {
        let current = self.current().clone();
        let found = self.versions.iter().find(|(_, version)| version.revision.number == current.number);
        if let Some((number, _)) = found {
            return Ok(*number);
        }
        if self.versions.len() >= VERSION_LIMIT {
            return Err(ApiError::new(
                "ServiceQuotaExceededException",
                "the state machine has 1000 versions already",
            ));
        }
        self.last_version += 1;
        let description = description.map(str::to_owned);
        self.versions.insert(self.last_version, Version { revision: current, created_at: now, description });
        Ok(self.last_version)
    }
}

impl World {
    /// Of the current revision; a `revisionId` that is not the current one's is a conflict.
    pub(super) fn publish_version(&mut self, request: Request, now: Duration) -> Result<Json, ApiError> {
        let arn = unqualified(request.text("stateMachineArn")?)?;
        let machine = self.lasting_machine(&arn)?;
        let asked = request.optional_text("revisionId");
        if asked.is_some_and(|asked| machine.current().id().as_deref() != Some(asked)) {
            return Err(ApiError::new("ConflictException", "the revision is not the current one"));
        }
        let version = machine.publish(request.optional_text("description"), now)?;
        let created_at = machine.versions[&version].created_at;
        Ok(json!({
            "creationDate": timestamp(created_at),
            "stateMachineVersionArn": machine.version_arn(version),
        }))
    }

    /// Newest first.
    pub(super) fn list_versions(&self, request: Request) -> Result<Json, ApiError> {
        let arn = unqualified(request.text("stateMachineArn")?)?;
        let (size, from) = (request.page_size()?, request.position()?.unwrap_or(0));
        let machine = self.machine(&arn.machine)?;
        let item = |(number, version): (&u32, &Version)| {
            json!({
                "stateMachineVersionArn": machine.version_arn(*number),
                "creationDate": timestamp(version.created_at),
            })
        };
        Ok(page("stateMachineVersions", machine.versions.iter().rev().map(item), from, size))
    }

    /// Its executions go on. One that is not there is deleted already.
    pub(super) fn delete_version(&mut self, request: Request) -> Result<Json, ApiError> {
        let arn = MachineArn::parse(request.text("stateMachineVersionArn")?)?;
        let Some(version) = arn.version else {
            return Err(ApiError::validation("a version's ARN is needed"));
        };
        if let Some(machine) = self.machines.get_mut(&arn.machine) {
            machine.versions.remove(&version);
        }
        Ok(json!({}))
    }
}
