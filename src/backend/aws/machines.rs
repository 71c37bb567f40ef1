//! State machines, one by one: looked at, made, brought up to date, deleted. Whose one is, its tags say.

use super::client::Connection;
use super::error::{AwsError, Call, classify};
use super::limiter::Limiter;
use crate::pipeline::{Pipeline, partition};
use crate::state_machine::StateMachine;
use aws_sdk_sfn::types::{
    CloudWatchLogsLogGroup, LogDestination, LogLevel, LoggingConfiguration, StateMachineStatus,
    StateMachineType, Tag,
};
use std::fmt;
use std::time::Duration;

/// What a state machine is besides its definition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MachineSettings {
    /// ARN of the role that its executions take on.
    pub role: String,
    /// ARN of the log group that its executions' events go to, `:*` at its end; none: its logging is left as it is.
    pub log_group: Option<String>,
}

impl MachineSettings {
    /// How what was found differs from this.
    fn difference(&self, found: &Self) -> Option<Reason> {
        if found.role != self.role {
            Some(Reason::Role)
        } else if self.log_group.is_some() && found.log_group != self.log_group {
            Some(Reason::Logging)
        } else {
            None
        }
    }
}

/// Why a state machine is to be updated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Another definition.
    Definition,
    /// It takes on another role.
    Role,
    /// It logs otherwise.
    Logging,
    /// What was deployed is there no more.
    Gone,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Definition => "its definition is another",
            Self::Role => "its role is another",
            Self::Logging => "its logging is another",
            Self::Gone => "its version is gone from Step Functions",
        })
    }
}

/// Whether Step Functions may take on a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleState {
    /// It may.
    Usable,
    /// It may not, and why.
    Refused(String),
    /// Who asks may not ask.
    NotKnown(String),
}

/// The state machines of one account, region and prefix.
#[derive(Debug, Clone)]
pub(super) struct Machines {
    client: aws_sdk_sfn::Client,
    limiter: Limiter,
    account: String,
    region: String,
    prefix: String,
    /// Step Functions has another address than AWS's.
    is_elsewhere: bool,
}

/// A state machine that is there.
struct Found {
    settings: MachineSettings,
    has_tags: bool,
}

/// By this tag a state machine says whose it is.
const OWNER: &str = "bunsui:pipeline";

/// By this one, which job's.
const JOB: &str = "bunsui:job";

/// So often, and so long apart, a role that was just made is tried: IAM tells its parts of it one after another.
const TRIES: usize = 12;
const PAUSE: Duration = Duration::from_secs(5);

impl Machines {
    pub(super) fn new(connection: &Connection) -> Self {
        Self {
            client: connection.step_functions(),
            limiter: connection.limiter(),
            account: connection.account().to_owned(),
            region: connection.region().to_owned(),
            prefix: connection.prefix().to_owned(),
            is_elsewhere: connection.is_elsewhere("sfn"),
        }
    }

    /// How a version that was deployed differs from what is wanted besides its definition.
    pub(super) async fn look(
        &self,
        version: &str,
        wanted: &MachineSettings,
    ) -> Result<Option<Reason>, AwsError> {
        let found = self.describe(version, version).await?;
        Ok(found.map_or(Some(Reason::Gone), |found| wanted.difference(&found)))
    }

    /// Creates a state machine, or updates the one that is there if it is this pipeline's; gives its version's ARN.
    pub(super) async fn put(
        &self,
        pipeline: &Pipeline,
        job: &str,
        machine: &StateMachine,
        wanted: &MachineSettings,
    ) -> Result<String, AwsError> {
        let owner = pipeline.name.as_str();
        let name = machine_name(&self.prefix, owner, job);
        let Self { region, account, .. } = self;
        let arn = format!("arn:{}:states:{region}:{account}:stateMachine:{name}", partition(region));
        let put = async || {
            if let Some(found) = self.find(&arn, owner, Some(job)).await? {
                if !found.has_tags {
                    self.tag(&arn, owner, job).await?;
                }
                return self.update(&arn, machine, wanted).await;
            }
            let version = self.create(&name, owner, job, machine, wanted).await?.unwrap_or(arn.clone());
            // Where somebody made the same meanwhile, creating it gave theirs, without a word on what differs.
            match self.find(&arn, owner, Some(job)).await? {
                Some(found) if wanted.difference(&found.settings).is_some() => {
                    self.update(&arn, machine, wanted).await
                }
                _ => Ok(version),
            }
        };
        once_it_can_be(put).await
    }

    async fn create(
        &self,
        name: &str,
        owner: &str,
        job: &str,
        machine: &StateMachine,
        wanted: &MachineSettings,
    ) -> Result<Option<String>, AwsError> {
        let call = Call::new("states", "CreateStateMachine", format!("state machine `{name}`"));
        let create = self
            .client
            .create_state_machine()
            .name(name)
            .r#type(StateMachineType::Standard)
            .definition(machine.text())
            .role_arn(&wanted.role)
            .set_logging_configuration(logging(wanted))
            .publish(true)
            .set_tags(Some(tags(owner, job)));
        self.limiter.take("CreateStateMachine").await;
        let created = create.send().await.map_err(|error| classify(error, &call))?;
        Ok(created.state_machine_version_arn)
    }

    async fn update(
        &self,
        arn: &str,
        machine: &StateMachine,
        wanted: &MachineSettings,
    ) -> Result<String, AwsError> {
        let call = Call::new("states", "UpdateStateMachine", format!("state machine `{arn}`"));
        let update = self
            .client
            .update_state_machine()
            .state_machine_arn(arn)
            .definition(machine.text())
            .role_arn(&wanted.role)
            .set_logging_configuration(logging(wanted))
            .publish(true);
        self.limiter.take("UpdateStateMachine").await;
        let updated = update.send().await.map_err(|error| classify(error, &call))?;
        Ok(updated.state_machine_version_arn.unwrap_or_else(|| arn.to_owned()))
    }

    /// Whether Step Functions may take on a role, by a state that does nothing: it needs iam:PassRole of who asks, and a role that trusts
    /// Step Functions.
    pub(super) async fn try_role(&self, role: &str) -> RoleState {
        const NOTHING: &str = r#"{"Type": "Pass", "End": true}"#;
        let call = Call::new("states", "TestState", format!("role `{role}`"));
        self.limiter.take("TestState").await;
        let test = self.client.test_state().definition(NOTHING).role_arn(role).input("{}");
        let is_elsewhere = self.is_elsewhere;
        let test = test.customize().mutate_request(move |request| {
            // AWS has a host of its own for this API, `sync-states.…`; another address has but one.
            if is_elsewhere {
                let address = request.uri().replacen("://sync-", "://", 1);
                let _ = request.set_uri(address);
            }
        });
        match test.send().await.map_err(|error| classify(error, &call)) {
            Ok(_) => RoleState::Usable,
            // That a role may not be passed is an answer; that one may not ask is none. Nor is a failure of Step Functions to take it on:
            // roles of pipelines trust state machines of the prefix alone, and what this state counts as AWS does not say.
            Err(AwsError::Denied { action, message, .. })
                if action != "iam:PassRole" && !message.contains("PassRole") =>
            {
                RoleState::NotKnown(message)
            }
            Err(error) => RoleState::Refused(error.to_string()),
        }
    }

    async fn tag(&self, arn: &str, owner: &str, job: &str) -> Result<(), AwsError> {
        let call = Call::new("states", "TagResource", format!("state machine `{arn}`"));
        self.limiter.take("TagResource").await;
        let tagged = self.client.tag_resource().resource_arn(arn).set_tags(Some(tags(owner, job)));
        tagged.send().await.map(|_| ()).map_err(|error| classify(error, &call))
    }

    /// The state machines that have a pipeline's names and its tag.
    pub(super) async fn named(&self, pipeline: &str) -> Result<Vec<String>, AwsError> {
        let call = Call::new("states", "ListStateMachines", "state machines");
        // A name that was shortened keeps its beginning.
        let beginning: String =
            format!("{}{pipeline}--", self.prefix).chars().take(NAME_LIMIT - 11).collect();
        let mut token = None;
        let mut found = Vec::new();
        loop {
            self.limiter.take("ListStateMachines").await;
            let page = self.client.list_state_machines().max_results(1000).set_next_token(token).send().await;
            let page = page.map_err(|error| classify(error, &call))?;
            for machine in page.state_machines() {
                let arn = machine.state_machine_arn();
                let is_named = machine.name().starts_with(&beginning);
                if is_named && self.find(arn, pipeline, None).await.is_ok_and(|found| found.is_some()) {
                    found.push(arn.to_owned());
                }
            }
            token = page.next_token;
            if token.is_none() {
                return Ok(found);
            }
        }
    }

    /// Deletes a version of a state machine. One that is not there is deleted already.
    pub(super) async fn delete_version(&self, version: &str) -> Result<(), AwsError> {
        let call = Call::new("states", "DeleteStateMachineVersion", format!("`{version}`"));
        self.limiter.take("DeleteStateMachineVersion").await;
        let delete = self.client.delete_state_machine_version().state_machine_version_arn(version);
        settled(delete.send().await.map(|_| ()).map_err(|error| classify(error, &call)))
    }

    /// Deletes a state machine with its versions, if it is this pipeline's.
    pub(super) async fn delete(&self, arn: &str, owner: &str) -> Result<(), AwsError> {
        if self.find(arn, owner, None).await?.is_none() {
            return Ok(());
        }
        let call = Call::new("states", "DeleteStateMachine", format!("state machine `{arn}`"));
        self.limiter.take("DeleteStateMachine").await;
        let delete = self.client.delete_state_machine().state_machine_arn(arn);
        settled(delete.send().await.map(|_| ()).map_err(|error| classify(error, &call)))
    }

    /// The state machine of that ARN, if it is there; one of somebody else's is an error.
    async fn find(&self, arn: &str, owner: &str, job: Option<&str>) -> Result<Option<Found>, AwsError> {
        let name = arn.rsplit(':').next().unwrap_or(arn);
        let Some(settings) = self.describe(arn, name).await? else { return Ok(None) };
        let call = Call::new("states", "ListTagsForResource", format!("state machine `{name}`"));
        self.limiter.take("ListTagsForResource").await;
        let found = self.client.list_tags_for_resource().resource_arn(arn).send().await;
        let found = found.map_err(|error| classify(error, &call))?;
        let value = |key| found.tags().iter().find(|tag| tag.key() == Some(key)).and_then(Tag::value);
        match value(OWNER) {
            Some(found) if found == owner => {
                Ok(Some(Found { settings, has_tags: job.is_none_or(|job| value(JOB) == Some(job)) }))
            }
            other => {
                let owner = other.map_or("no pipeline".to_owned(), |other| format!("pipeline `{other}`"));
                Err(AwsError::OtherOwner { machine: name.to_owned(), owner })
            }
        }
    }

    /// What a state machine, or a version of one, is besides its definition; none where it is not there.
    async fn describe(&self, arn: &str, shown: &str) -> Result<Option<MachineSettings>, AwsError> {
        let call = Call::new("states", "DescribeStateMachine", format!("state machine `{shown}`"));
        self.limiter.take("DescribeStateMachine").await;
        match self.client.describe_state_machine().state_machine_arn(arn).send().await {
            // What is being deleted is gone, and until then nothing of its name can be made.
            Ok(found) if found.status() == Some(&StateMachineStatus::Deleting) => Ok(None),
            Ok(found) => Ok(Some(MachineSettings {
                role: found.role_arn().to_owned(),
                log_group: found.logging_configuration().and_then(log_group),
            })),
            Err(error) => match classify(error, &call) {
                AwsError::NotFound { .. } => Ok(None),
                error => Err(error),
            },
        }
    }
}

fn tags(owner: &str, job: &str) -> Vec<Tag> {
    [(OWNER, owner), (JOB, job)].map(|(key, value)| Tag::builder().key(key).value(value).build()).into()
}

/// Every event, and no data: inputs and outputs of states may hold what is nobody's who reads logs.
fn logging(wanted: &MachineSettings) -> Option<LoggingConfiguration> {
    let group = CloudWatchLogsLogGroup::builder().log_group_arn(wanted.log_group.as_ref()?).build();
    let destination = LogDestination::builder().cloud_watch_logs_log_group(group).build();
    let configuration = LoggingConfiguration::builder().level(LogLevel::All).include_execution_data(false);
    Some(configuration.destinations(destination).build())
}

/// Where a configuration logs to, if it is as [`logging`] makes it.
fn log_group(found: &LoggingConfiguration) -> Option<String> {
    let is_ours = found.level() == Some(&LogLevel::All) && !found.include_execution_data();
    let [destination] = found.destinations() else { return None };
    let group = destination.cloud_watch_logs_log_group()?.log_group_arn()?;
    is_ours.then(|| group.to_owned())
}

/// Tries again what passes: Step Functions does not know yet what a role may do that was just made, or a state machine of the same
/// name is just being made or deleted.
async fn once_it_can_be<T>(mut send: impl AsyncFnMut() -> Result<T, AwsError>) -> Result<T, AwsError> {
    for _ in 1..TRIES {
        match send().await {
            Err(AwsError::Denied { message, .. } | AwsError::Rejected { message, .. })
                if is_about_a_new_role(&message) =>
            {
                tracing::info!("the role is not known everywhere yet: {message}");
                tokio::time::sleep(PAUSE).await;
            }
            Err(AwsError::Rejected { code, message, .. }) if PASSING.contains(&&*code) => {
                tracing::info!("{code}: {message}");
                tokio::time::sleep(PAUSE).await;
            }
            other => return other,
        }
    }
    send().await
}

/// Names of errors that say that somebody else is at the same state machine.
const PASSING: [&str; 3] = ["StateMachineDeleting", "StateMachineAlreadyExists", "ConflictException"];

/// As Step Functions says of a role that it cannot take on, or that may not write logs: both are so for a while after it was made.
fn is_about_a_new_role(message: &str) -> bool {
    message.contains("authorized to assume the provided role")
        || message.contains("not authorized to access the Log Destination")
}

/// A state machine's ARN, from that of one of its versions.
pub(super) fn machine_of(version: &str) -> &str {
    version.rsplit_once(':').map_or(version, |(machine, _)| machine)
}

/// What is gone already is as it was to be.
fn settled(result: Result<(), AwsError>) -> Result<(), AwsError> {
    match result {
        Err(AwsError::NotFound { .. }) => Ok(()),
        other => other,
    }
}

/// Step Functions takes no longer name.
const NAME_LIMIT: usize = 80;

/// `<prefix><pipeline>--<job>`, at most 80 characters: a longer one is cut, and ends in a hash of all of it.
fn machine_name(prefix: &str, pipeline: &str, job: &str) -> String {
    use sha2::{Digest, Sha256};
    let name = format!("{prefix}{pipeline}--{job}");
    if name.len() <= NAME_LIMIT {
        return name;
    }
    let digest: String =
        Sha256::digest(name.as_bytes()).iter().take(5).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{digest}", &name[..NAME_LIMIT - digest.len() - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_machines_are_short_and_distinct() {
        assert_eq!(machine_name("bunsui-", "etl", "load"), "bunsui-etl--load");
        let long = |end: &str| machine_name("bunsui-", &"p".repeat(64), &format!("{}{end}", "j".repeat(60)));
        assert_eq!(long("a").len(), 80);
        assert_ne!(long("a"), long("b"));
    }

    #[test]
    fn what_differs_is_named() {
        let settings = |role: &str, log_group: Option<&str>| MachineSettings {
            role: role.to_owned(),
            log_group: log_group.map(str::to_owned),
        };
        let wanted = settings("r", Some("g"));
        assert_eq!(wanted.difference(&settings("r", Some("g"))), None);
        assert_eq!(wanted.difference(&settings("q", Some("g"))), Some(Reason::Role));
        assert_eq!(wanted.difference(&settings("r", None)), Some(Reason::Logging));
        assert_eq!(settings("r", None).difference(&settings("r", Some("theirs"))), None);
        let logging = logging(&wanted).unwrap();
        assert_eq!(log_group(&logging).as_deref(), Some("g"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_role_that_is_not_known_yet_is_waited_for() {
        let denied = || AwsError::Denied {
            action: "states:CreateStateMachine".to_owned(),
            resource: "state machine `x`".to_owned(),
            message: "Neither the global service principal states.amazonaws.com, nor the regional one is \
                      authorized to assume the provided role."
                .to_owned(),
            request: String::new(),
        };
        let mut tries = 0;
        let made = once_it_can_be(async || {
            tries += 1;
            if tries < 4 { Err(denied()) } else { Ok(tries) }
        });
        assert_eq!(made.await.unwrap(), 4);
        let never: Result<(), _> = once_it_can_be(async || Err(denied())).await;
        assert!(matches!(never, Err(AwsError::Denied { .. })));
    }
}
