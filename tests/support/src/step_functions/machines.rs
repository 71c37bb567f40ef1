//! State machines: their revisions, their versions, their tags.
//!
//! Follows the Step Functions API reference; each function is the API of its name.

use super::request::{ApiError, Flag, MachineArn, Request, check_name, timestamp, token};
use super::versions::Version;
use super::world::World;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A state machine.
#[derive(Debug)]
pub(super) struct Machine {
    arn: String,
    pub(super) name: String,
    kind: String,
    created_at: Duration,
    revisions: Vec<Arc<Revision>>,
    pub(super) versions: BTreeMap<u32, Version>,
    pub(super) last_version: u32,
    tags: BTreeMap<String, String>,
    /// It was asked to go, and waits for its executions.
    pub(super) is_deleting: bool,
}

/// What a state machine was at a time.
#[derive(Debug)]
pub(super) struct Revision {
    pub(super) number: usize,
    since: Duration,
    pub(super) definition: Arc<str>,
    pub(super) role: String,
    logging: Json,
    tracing: Json,
}

/// "Quotas related to state machines" (developer guide, "Service quotas").
const DEFINITION_LIMIT: usize = 1_048_576;

impl Machine {
    pub(super) fn current(&self) -> &Arc<Revision> {
        self.revisions.last().expect("it is created with one")
    }

    /// The revision that whoever looks sees who does not yet see what happened after `then`.
    pub(super) fn revision_at(&self, then: Duration) -> &Arc<Revision> {
        let seen = self.revisions.iter().rev().find(|revision| revision.since <= then);
        seen.unwrap_or(&self.revisions[0])
    }

    pub(super) fn version_arn(&self, version: u32) -> String {
        format!("{}:{version}", self.arn)
    }
}

impl Revision {
    /// None for the first one: "INITIAL" has no id (API reference, DescribeStateMachine, `revisionId`).
    pub(super) fn id(&self) -> Option<String> {
        (self.number > 0).then(|| format!("{:08x}-0000-4000-8000-000000000000", self.number))
    }
}

impl World {
    pub(super) fn machine(&self, arn: &str) -> Result<&Machine, ApiError> {
        self.machines.get(arn).ok_or_else(|| ApiError::no_machine(arn))
    }

    /// One that may be changed.
    pub(super) fn lasting_machine(&mut self, arn: &MachineArn) -> Result<&mut Machine, ApiError> {
        match self.machines.get_mut(&arn.machine) {
            None => Err(ApiError::no_machine(&arn.machine)),
            Some(machine) if machine.is_deleting => Err(deleting(&arn.machine)),
            Some(machine) => Ok(machine),
        }
    }

    /// Idempotent on name, definition, type, logging and tracing; another role and other tags are ignored silently.
    pub(super) fn create_state_machine(&mut self, request: Request, now: Duration) -> Result<Json, ApiError> {
        let name = request.text("name")?;
        check_name(name)?;
        let definition = definition(request)?.ok_or_else(|| missing("definition"))?;
        let role = request.text("roleArn")?.to_owned();
        let kind = request.optional_text("type").unwrap_or("STANDARD");
        let arn = self.arn("stateMachine", name);
        let revision = Revision {
            number: 0,
            since: now,
            definition: definition.into(),
            role,
            logging: request.member("loggingConfiguration").cloned().unwrap_or_else(no_logging),
            tracing: request.member("tracingConfiguration").cloned().unwrap_or_else(no_tracing),
        };
        match self.machines.get(&arn) {
            Some(found) if found.is_deleting => return Err(deleting(&arn)),
            Some(found) if found.kind != kind || !is_same(found.current(), &revision) => {
                return Err(ApiError::new(
                    "StateMachineAlreadyExists",
                    format!("State Machine Already Exists: '{arn}'"),
                ));
            }
            Some(_) => {}
            None => {
                let machine = Machine {
                    arn: arn.clone(),
                    name: name.to_owned(),
                    kind: kind.to_owned(),
                    created_at: now,
                    revisions: vec![Arc::new(revision)],
                    versions: BTreeMap::new(),
                    last_version: 0,
                    tags: tags(request),
                    is_deleting: false,
                };
                self.machines.insert(arn.clone(), machine);
            }
        }
        let machine = self.machines.get_mut(&arn).expect("it was found or made");
        let mut reply = json!({"stateMachineArn": arn, "creationDate": timestamp(machine.created_at)});
        if request.flag("publish", Flag::Off) {
            let version = machine.publish(request.optional_text("versionDescription"), now)?;
            reply["stateMachineVersionArn"] = machine.version_arn(version).into();
        }
        Ok(reply)
    }

    /// Makes a revision each time; who starts by the state machine's own ARN may still get the one before for a while.
    pub(super) fn update_state_machine(&mut self, request: Request, now: Duration) -> Result<Json, ApiError> {
        let arn = unqualified(request.text("stateMachineArn")?)?;
        let definition = definition(request)?;
        let role = request.optional_text("roleArn");
        let machine = self.lasting_machine(&arn)?;
        if definition.is_none() && role.is_none() && request.member("loggingConfiguration").is_none() {
            return Err(ApiError::new(
                "MissingRequiredParameter",
                "Either the definition, the role ARN or the logging configuration must be specified",
            ));
        }
        let before = machine.current();
        let revision = Revision {
            number: before.number + 1,
            since: now,
            definition: definition.map_or_else(|| before.definition.clone(), Arc::from),
            role: role.unwrap_or(&before.role).to_owned(),
            logging: request.member("loggingConfiguration").unwrap_or(&before.logging).clone(),
            tracing: request.member("tracingConfiguration").unwrap_or(&before.tracing).clone(),
        };
        machine.revisions.push(Arc::new(revision));
        let mut reply = json!({"updateDate": timestamp(now), "revisionId": machine.current().id()});
        if request.flag("publish", Flag::Off) {
            let version = machine.publish(request.optional_text("versionDescription"), now)?;
            reply["stateMachineVersionArn"] = machine.version_arn(version).into();
        }
        Ok(reply)
    }

    /// Eventually consistent; of a version, what it was published from.
    pub(super) fn describe_state_machine(&self, request: Request, now: Duration) -> Result<Json, ApiError> {
        let text = request.text("stateMachineArn")?;
        let arn = MachineArn::parse(text)?;
        let machine = self.machine(&arn.machine)?;
        let (revision, created_at, description) = match arn.version {
            None => (machine.revision_at(self.seen_at(now)), machine.created_at, None),
            Some(version) => {
                let version = machine.versions.get(&version).ok_or_else(|| ApiError::no_machine(text))?;
                (&version.revision, version.created_at, version.description.as_deref())
            }
        };
        let mut reply = json!({
            "stateMachineArn": text,
            "name": machine.name,
            "status": if machine.is_deleting { "DELETING" } else { "ACTIVE" },
            "definition": &*revision.definition,
            "roleArn": revision.role,
            "type": machine.kind,
            "creationDate": timestamp(created_at),
            "loggingConfiguration": revision.logging,
            "tracingConfiguration": revision.tracing,
        });
        if let Some(id) = revision.id() {
            reply["revisionId"] = id.into();
        }
        if let Some(description) = description {
            reply["description"] = description.into();
        }
        Ok(reply)
    }

    /// It is DELETING until its executions have ended, which they do at their next state. One that is not there is deleted already.
    pub(super) fn delete_state_machine(&mut self, request: Request, now: Duration) -> Result<Json, ApiError> {
        let arn = unqualified(request.text("stateMachineArn")?)?;
        if let Some(machine) = self.machines.get_mut(&arn.machine) {
            machine.is_deleting = true;
            self.end_executions_of(&arn.machine, now);
            self.settle(now);
        }
        Ok(json!({}))
    }

    pub(super) fn list_state_machines(&self, request: Request) -> Result<Json, ApiError> {
        let (size, from) = (request.page_size()?, request.position()?.unwrap_or(0));
        let item = |machine: &Machine| {
            json!({
                "stateMachineArn": machine.arn,
                "name": machine.name,
                "type": machine.kind,
                "creationDate": timestamp(machine.created_at),
            })
        };
        Ok(page("stateMachines", self.machines.values().map(item), from, size))
    }

    pub(super) fn tag_resource(&mut self, request: Request) -> Result<Json, ApiError> {
        let arn = request.text("resourceArn")?;
        let machine = self.machines.get_mut(arn).ok_or_else(|| no_resource(arn))?;
        machine.tags.extend(tags(request));
        Ok(json!({}))
    }

    pub(super) fn list_tags(&self, request: Request) -> Result<Json, ApiError> {
        let arn = request.text("resourceArn")?;
        let machine = self.machines.get(arn).ok_or_else(|| no_resource(arn))?;
        let tags: Vec<Json> =
            machine.tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
        Ok(json!({"tags": tags}))
    }
}

/// One page of items, and the token of the next.
pub(super) fn page(member: &str, items: impl ExactSizeIterator<Item = Json>, from: u64, size: usize) -> Json {
    let from = usize::try_from(from).unwrap_or(usize::MAX);
    let next = from.saturating_add(size);
    let has_more = items.len() > next;
    let mut reply = json!({});
    reply[member] = items.skip(from).take(size).collect();
    if has_more {
        reply["nextToken"] = token(next as u64).into();
    }
    reply
}

/// What creating compares: not the role, not the tags.
fn is_same(found: &Revision, wanted: &Revision) -> bool {
    found.definition == wanted.definition
        && found.logging == wanted.logging
        && found.tracing == wanted.tracing
}

pub(super) fn unqualified(arn: &str) -> Result<MachineArn, ApiError> {
    let parsed = MachineArn::parse(arn)?;
    if parsed.version.is_some() {
        return Err(ApiError::validation(format!("'{arn}' is of a version, not of a state machine")));
    }
    Ok(parsed)
}

/// Kept as it is: that it is JSON is all that is asked of it.
fn definition<'a>(request: Request<'a>) -> Result<Option<&'a str>, ApiError> {
    let Some(text) = request.limited_text("definition", DEFINITION_LIMIT)? else { return Ok(None) };
    match serde_json::from_str::<Json>(text) {
        Ok(Json::Object(_)) => Ok(Some(text)),
        _ => Err(ApiError::new(
            "InvalidDefinition",
            "Invalid State Machine Definition: 'INVALID_JSON_DESCRIPTION: it is no JSON object'",
        )),
    }
}

fn tags(request: Request) -> BTreeMap<String, String> {
    let pairs = request.member("tags").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    let text = |pair: &Json, member: &str| pair[member].as_str().unwrap_or_default().to_owned();
    pairs.iter().map(|pair| (text(pair, "key"), text(pair, "value"))).collect()
}

fn missing(member: &str) -> ApiError {
    ApiError::validation(format!("'{member}' must not be null"))
}

fn deleting(arn: &str) -> ApiError {
    ApiError::new("StateMachineDeleting", format!("State Machine is being deleted: '{arn}'"))
}

fn no_resource(arn: &str) -> ApiError {
    ApiError::new("ResourceNotFound", format!("Resource not found: '{arn}'"))
}

fn no_logging() -> Json {
    json!({"level": "OFF", "includeExecutionData": false})
}

fn no_tracing() -> Json {
    json!({"enabled": false})
}
