//! Executions by Step Functions: started by the versions of state machines that are deployed, watched, stopped, explained.

mod collect;

use super::client::Connection;
use super::durations::Durations;
use super::error::{AwsError, Call, classify};
use super::events::Events;
use super::history::{LastState, last_state};
use super::limiter::Limiter;
use super::logs::{Attempt, OperationLogs};
use super::seen::{Seen, redrives, timestamp};
use super::watch::{Watch, Watcher};
use crate::pipeline::Pipeline;
use crate::plugin::{AwsAccess, Plugins, StopReport};
use crate::runner::port::{
    ApiUse, Engine, EngineError, ExecutionEnd, Leftovers, ObjectStore, Redrivable, StartExecution,
    input_sha256,
};
use crate::runner::{Executions, Redaction};
use crate::session::{FailureRecord, RedriveRecord};
use crate::settings::LogCollection;
use async_trait::async_trait;
use aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput;
use aws_sdk_sfn::operation::start_execution::StartExecutionError;
use aws_sdk_sfn::types::{ExecutionRedriveStatus, ExecutionStatus};
use jiff::Timestamp;
use serde_json::Value as Json;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Starts executions of one deployment of a pipeline.
pub struct StepFunctions {
    client: aws_sdk_sfn::Client,
    limiter: Limiter,
    pipeline: Arc<Pipeline>,
    plugins: Arc<Plugins>,
    /// ARN of each job's state machine version, by job.
    versions: Vec<String>,
    watcher: Arc<Watcher>,
    objects: Arc<dyn ObjectStore>,
    logs: OperationLogs,
    access: AwsAccess,
    collect: LogCollection,
    /// Those that were started or taken up, by name.
    executions: Mutex<HashMap<String, Started>>,
}

/// What an engine works on, and with.
pub struct EngineParts {
    /// The pipeline.
    pub pipeline: Arc<Pipeline>,
    /// What knows its operation types.
    pub plugins: Arc<Plugins>,
    /// ARNs of its deployed state machine versions, in the order of its jobs.
    pub versions: Vec<String>,
    /// Where durations and log lines are kept.
    pub objects: Arc<dyn ObjectStore>,
    /// How plugins reach AWS.
    pub access: AwsAccess,
    /// Knows the secrets.
    pub redaction: Arc<Redaction>,
    /// Whose log lines are kept.
    pub collect: LogCollection,
}

#[derive(Clone)]
struct Started {
    arn: String,
    start: Arc<StartExecution>,
    /// By AWS's clock.
    started_at: Timestamp,
    /// How old it was when it was started or taken up here, and when that was.
    age: Duration,
    since: tokio::time::Instant,
    /// How it had ended by then.
    seen: Option<Seen>,
}

impl Started {
    /// One that starts now.
    fn now(arn: String, start: StartExecution, started_at: Timestamp) -> Self {
        let since = tokio::time::Instant::now();
        Self { arn, start: Arc::new(start), started_at, age: Duration::ZERO, since, seen: None }
    }
}

/// So often it is looked whether an execution is there that an earlier runner meant to start.
const LOOKS: usize = 3;
/// Of one whose name is taken it is known that it is there.
const LATE_LOOKS: usize = 21;
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// What stops of its own are called in Step Functions.
const CANCELLED: &str = "Bunsui.Cancelled";

impl StepFunctions {
    /// For a pipeline. What earlier sessions learned of durations is among its objects.
    pub async fn open(connection: &Connection, parts: EngineParts) -> Self {
        Self::sped_up(connection, parts, 1.0).await
    }

    /// The same for benchmarks: executions take so much less time than their durations say.
    #[doc(hidden)]
    pub async fn sped_up(connection: &Connection, parts: EngineParts, speed: f64) -> Self {
        let EngineParts { pipeline, plugins, versions, objects, access, redaction, collect } = parts;
        let (client, limiter) = (connection.step_functions(), connection.limiter());
        let durations = Durations::load(&*objects, pipeline.name.as_str()).await;
        Self {
            watcher: Watcher::new(client.clone(), limiter.clone(), durations, speed, Events::of(connection)),
            logs: OperationLogs::new(connection.clone(), plugins.clone(), access.clone(), redaction),
            objects,
            client,
            limiter,
            pipeline,
            plugins,
            versions,
            access,
            collect,
            executions: Mutex::default(),
        }
    }

    fn started(&self, execution: &str) -> Result<Started, EngineError> {
        let executions = self.executions.lock().unwrap_or_else(PoisonError::into_inner);
        let not_found = || EngineError::NotFound { execution: execution.to_owned() };
        executions.get(execution).cloned().ok_or_else(not_found)
    }

    fn remember(&self, started: Started) {
        let mut executions = self.executions.lock().unwrap_or_else(PoisonError::into_inner);
        executions.insert(started.start.name.clone(), started);
    }

    /// One that was there already.
    fn take_over(&self, arn: String, start: StartExecution, found: DescribeExecutionOutput) {
        let started_at = timestamp(&found.start_date).unwrap_or_else(Timestamp::now);
        let age = Timestamp::now().duration_since(started_at);
        self.remember(Started {
            arn,
            start: Arc::new(start),
            started_at,
            age: Duration::try_from(age).unwrap_or_default(),
            since: tokio::time::Instant::now(),
            seen: Seen::of_description(found),
        });
    }

    /// An execution of that name exists: it is this one's if it has the same input. A description may tell of it later than its
    /// name is taken.
    async fn adopt(&self, arn: String, start: StartExecution, input: &str) -> Result<(), EngineError> {
        let found = self.look_until(&arn, LATE_LOOKS, |_| true).await?;
        let json = |text: &str| serde_json::from_str::<Json>(text).ok();
        if found.input().is_some_and(|theirs| json(theirs) == json(input)) {
            self.take_over(arn, start, found);
            return Ok(());
        }
        Err(EngineError::OtherInput { execution: start.name, job: start.job_key })
    }

    /// Lets an execution go on from where it failed. That it does is known by its count, whatever becomes of the reply (Step
    /// Functions API reference, RedriveExecution).
    async fn redrive(&self, start: StartExecution, redrive: &RedriveRecord) -> Result<(), EngineError> {
        let arn = execution_arn(&self.versions[start.job], &start.name);
        let call = Call::new("states", "RedriveExecution", format!("execution `{arn}`"));
        let token = redrive_token(&start);
        self.limiter.take("RedriveExecution").await;
        let sent = self.client.redrive_execution().execution_arn(&arn).client_token(&token).send().await;
        match sent.map_err(|error| classify(error, &call)) {
            Ok(redriven) => {
                let started_at = timestamp(&redriven.redrive_date).unwrap_or_else(Timestamp::now);
                self.remember(Started::now(arn, start, started_at));
                Ok(())
            }
            Err(AwsError::Rejected { code, message, .. }) => {
                let is_redriven = |found: &DescribeExecutionOutput| redrives(found) > redrive.count;
                let found = self.look_until(&arn, LOOKS, is_redriven).await?;
                if is_redriven(&found) {
                    self.take_over(arn, start, found);
                    return Ok(());
                }
                Err(EngineError::StartRefused { job: start.job_key, error: code.into(), cause: message })
            }
            Err(error) => Err(self.heard("RedriveExecution", error)),
        }
    }

    /// Slows down where AWS throttles.
    fn heard(&self, api: &'static str, error: AwsError) -> EngineError {
        if matches!(error, AwsError::Throttled { .. }) {
            self.limiter.throttled(api);
        }
        error.into()
    }

    async fn describe(&self, arn: &str) -> Result<DescribeExecutionOutput, AwsError> {
        let call = Call::new("states", "DescribeExecution", format!("execution `{arn}`"));
        self.limiter.take("DescribeExecution").await;
        let found = self.client.describe_execution().execution_arn(arn).send().await;
        found.map_err(|error| classify(error, &call))
    }

    /// Looks again, so often in all, while what is said is not yet what is known to be so: descriptions are late. Gives what was said
    /// last.
    async fn look_until(
        &self,
        arn: &str,
        looks: usize,
        is_so: impl Fn(&DescribeExecutionOutput) -> bool + Send,
    ) -> Result<DescribeExecutionOutput, AwsError> {
        for _ in 1..looks {
            match self.describe(arn).await {
                Ok(found) if is_so(&found) => return Ok(found),
                Ok(_) | Err(AwsError::NotFound { .. }) => tokio::time::sleep(LOOK_PAUSE).await,
                Err(error) => return Err(error),
            }
        }
        self.describe(arn).await
    }

    fn attempt<'a>(&'a self, started: &'a Started) -> Attempt<'a> {
        let start = &started.start;
        Attempt {
            session: &start.session,
            job_key: &start.job_key,
            job: &self.pipeline.jobs[start.job],
            machine: &start.machine,
            number: start.attempt,
        }
    }

    /// Where it failed or is; none where that cannot be found out.
    async fn state_of(&self, started: &Started) -> Option<LastState> {
        read(last_state(&self.client, &self.limiter, &started.arn).await, &started.arn)
    }

    /// Somebody else ended it.
    fn stopped_by_others(seen: &Seen) -> FailureRecord {
        let said = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let summary = match (said(&seen.error), said(&seen.cause)) {
            (None, None) => "its execution was stopped by somebody, who gave no reason".to_owned(),
            (error, cause) => {
                let reason: Vec<String> = error.into_iter().chain(cause).collect();
                format!("its execution was stopped by somebody: {}", reason.join(": "))
            }
        };
        FailureRecord {
            error: Some("States.ExecutionAborted".to_owned()),
            cause: seen.cause.clone(),
            summary: Some(summary),
            recoverable: Some(true),
            help: Some("CloudTrail's event `StopExecution` says who did it".to_owned()),
            ..FailureRecord::default()
        }
    }

    /// What becomes of an execution that Step Functions does not know any more.
    fn gone(started: &Started) -> FailureRecord {
        FailureRecord {
            error: Some("States.ExecutionDoesNotExist".to_owned()),
            summary: Some(
                "its execution is not there any more: its state machine was deleted while it ran".to_owned(),
            ),
            detail: Some(started.arn.clone()),
            recoverable: Some(false),
            help: Some(
                "what it did until then is not known; `bunsui deploy` makes the state machine again, and \
                 `bunsui session retry ID --with-current` runs the job anew"
                    .to_owned(),
            ),
            ..FailureRecord::default()
        }
    }

    async fn ended(&self, started: &Started, seen: Seen) -> ExecutionEnd {
        let said = (seen.error.clone(), seen.cause.clone());
        match seen.status {
            ExecutionStatus::Succeeded => {
                let output = seen.output.as_deref().unwrap_or("null");
                let output = serde_json::from_str(output).unwrap_or_else(|error| {
                    tracing::warn!("the output of `{}` is not JSON: {error}", started.arn);
                    Json::Null
                });
                if self.collect == LogCollection::All {
                    let stays = self.collect_history(started).await;
                    self.collect_stays(started, &stays, None).await;
                }
                ExecutionEnd::Succeeded(output)
            }
            ExecutionStatus::TimedOut => {
                let said = (Some("States.Timeout".to_owned()), said.1);
                ExecutionEnd::TimedOut(self.failed(started, said).await)
            }
            ExecutionStatus::Aborted if said.0.as_deref() == Some(CANCELLED) => ExecutionEnd::Aborted,
            ExecutionStatus::Aborted => ExecutionEnd::Failed(Self::stopped_by_others(&seen)),
            _ => {
                let is_timeout = said.0.as_deref() == Some("States.Timeout");
                let failure = self.failed(started, said).await;
                if is_timeout { ExecutionEnd::TimedOut(failure) } else { ExecutionEnd::Failed(failure) }
            }
        }
    }
}

/// The same for the same attempt, whoever asks: Step Functions then does it once.
fn redrive_token(start: &StartExecution) -> String {
    let attempt = format!("{}--{}-{}", start.session, start.job_key, start.attempt);
    input_sha256(&Json::from(attempt))
}

/// What a history says; nothing where it cannot be read.
fn read<T: Default>(history: Result<T, AwsError>, arn: &str) -> T {
    history.unwrap_or_else(|error| {
        tracing::warn!("the history of `{arn}` cannot be read: {error}");
        T::default()
    })
}

impl From<AwsError> for EngineError {
    fn from(error: AwsError) -> Self {
        if error.can_be_waited_for() { Self::Outage(Box::new(error)) } else { Self::Service(Box::new(error)) }
    }
}

/// `arn:…:execution:MACHINE:NAME`, from the ARN of one of the machine's versions.
pub(super) fn execution_arn(version: &str, name: &str) -> String {
    let parts: Vec<&str> = version.split(':').collect();
    let head = parts.get(..5).map(|head| head.join(":")).unwrap_or_default();
    format!("{head}:execution:{}:{name}", parts.get(6).copied().unwrap_or_default())
}

#[async_trait]
impl Engine for StepFunctions {
    async fn start(&self, start: StartExecution) -> Result<(), EngineError> {
        if let Some(redrive) = start.redrive.clone() {
            return self.redrive(start, &redrive).await;
        }
        let version = &self.versions[start.job];
        let input = start.input.to_string();
        let call = Call::new("states", "StartExecution", format!("state machine version `{version}`"));
        self.limiter.take("StartExecution").await;
        let send = self.client.start_execution().state_machine_arn(version).name(&start.name).input(&input);
        let error = match send.send().await {
            Ok(started) => {
                let started_at = timestamp(&started.start_date).unwrap_or_else(Timestamp::now);
                self.remember(Started::now(started.execution_arn, start, started_at));
                return Ok(());
            }
            Err(error) => error,
        };
        if error.as_service_error().is_some_and(StartExecutionError::is_execution_already_exists) {
            return self.adopt(execution_arn(version, &start.name), start, &input).await;
        }
        match classify(error, &call) {
            AwsError::NotFound { request, .. } => {
                Err(AwsError::VersionGone { version: version.clone(), request }.into())
            }
            // The job's input or name is not one that Step Functions takes: others may be.
            AwsError::Rejected { code, message, .. } => {
                Err(EngineError::StartRefused { job: start.job_key, error: code.into(), cause: message })
            }
            // Whether it was started is told by its name, so it can be asked for again.
            error => Err(self.heard("StartExecution", error)),
        }
    }

    async fn take_up(&self, start: StartExecution) -> Result<bool, EngineError> {
        let arn = execution_arn(&self.versions[start.job], &start.name);
        // What was started a moment ago may not be seen yet.
        match self.look_until(&arn, LOOKS, |_| true).await {
            // It failed before, and was not let to go on yet.
            Ok(found) if start.redrive.as_ref().is_some_and(|redrive| redrives(&found) <= redrive.count) => {
                Ok(false)
            }
            Ok(found) => {
                self.take_over(arn, start, found);
                Ok(true)
            }
            Err(AwsError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn redrivable(&self, job: usize, execution: &str) -> Result<Redrivable, EngineError> {
        let version = &self.versions[job];
        let no = |reason: &str| Ok(Redrivable::No { reason: Some(reason.to_owned()) });
        let has_ended = |found: &DescribeExecutionOutput| found.status != ExecutionStatus::Running;
        let found = match self.look_until(&execution_arn(version, execution), LOOKS, has_ended).await {
            Ok(found) => found,
            Err(AwsError::NotFound { .. }) => {
                return no("Step Functions does not have its execution any more");
            }
            Err(error) => return Err(error.into()),
        };
        if found.state_machine_version_arn().is_some_and(|theirs| theirs != version) {
            return no("it has another definition now");
        }
        if found.redrive_status() != Some(&ExecutionRedriveStatus::Redrivable) {
            return no(found
                .redrive_status_reason()
                .unwrap_or("Step Functions does not say that it can be redriven"));
        }
        let input = found.input().and_then(|input| serde_json::from_str::<Json>(input).ok());
        let Some(input) = input else { return no("its input cannot be read") };
        Ok(Redrivable::Yes { count: redrives(&found), input_sha256: input_sha256(&input) })
    }

    async fn wait(&self, execution: &str) -> Result<ExecutionEnd, EngineError> {
        let started = self.started(execution)?;
        if let Some(seen) = started.seen.clone() {
            return Ok(self.ended(&started, seen).await);
        }
        let job = &self.pipeline.jobs[started.start.job];
        let kinds: Vec<&str> = job.operations.iter().map(|operation| operation.kind.as_str()).collect();
        let watch = Watch {
            arn: started.arn.clone(),
            job: started.start.job_key.clone(),
            kind: kinds.join(","),
            started_at: started.started_at,
            age: started.age + started.since.elapsed(),
            timeout: job.timeout,
            redrives: started.start.redrive.as_ref().map_or(0, |redrive| redrive.count + 1),
        };
        match self.watcher.end_of(watch).await {
            Ok(seen) => Ok(self.ended(&started, seen).await),
            Err(AwsError::NotFound { .. }) => Ok(ExecutionEnd::Failed(Self::gone(&started))),
            Err(error) => Err(error.into()),
        }
    }

    async fn stop(&self, execution: &str) -> Result<Leftovers, EngineError> {
        let Ok(started) = self.started(execution) else { return Ok(Leftovers::default()) };
        // Before it is stopped: afterwards the last state is the same, but whether it ran is not known.
        let state = self.state_of(&started).await;
        let call = Call::new("states", "StopExecution", format!("execution `{}`", started.arn));
        self.limiter.take("StopExecution").await;
        let stopped = self
            .client
            .stop_execution()
            .execution_arn(&started.arn)
            .error(CANCELLED)
            .cause("the session was stopped")
            .send()
            .await;
        stopped.map_err(|error| classify(error, &call))?;
        self.watcher.expect_end(&started.arn);
        let attempt = self.attempt(&started);
        let operation = state.as_ref().and_then(|state| attempt.operation_of(state));
        // Step Functions stops what it waits for to the end as best it can, and a Lambda invocation not at all.
        let states = &started.start.machine.definition["States"];
        let resource = state.as_ref().and_then(|state| states[state.name.as_str()]["Resource"].as_str());
        let is_told = resource.is_some_and(|resource| resource.ends_with(".sync"));
        let Some((index, state)) = operation.zip(state.as_ref()) else { return Ok(Leftovers::default()) };
        let of = attempt.run(index, state);
        let report = self.plugins.stop(&of, &started.arn, &self.access).await.unwrap_or_else(|error| {
            tracing::warn!("{error}");
            StopReport::default()
        });
        let what = format!("operation `{}` ({}) of job `{}`", of.operation, of.kind, of.job);
        let arn = &started.arn;
        let ended = report.ended.iter().map(|ended| format!("{what}: {ended}")).collect();
        let left = report.left.iter().map(|left| format!("{what}: {left}; execution {arn}")).collect();
        let mut left = Leftovers { ended, may_still_run: left };
        // Nothing that the plugin knows of is left, if it said that it ended something.
        if left == Leftovers::default() {
            left.may_still_run.push(if is_told {
                format!("Step Functions was asked to end what {what} had started too, and may not: execution {arn}")
            } else {
                format!("what {what} had started may go on to its end: execution {arn}")
            });
        }
        Ok(left)
    }

    fn executions(&self) -> Executions {
        Executions::Survive
    }

    async fn finish(&self) {
        self.watcher.durations().keep(&*self.objects, self.pipeline.name.as_str()).await;
    }

    fn used(&self) -> BTreeMap<&'static str, ApiUse> {
        self.limiter.used()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_executions_arn_follows_from_its_machines() {
        let version = "arn:aws:states:eu-west-1:123456789012:stateMachine:bunsui-etl--load:7";
        let expected = "arn:aws:states:eu-west-1:123456789012:execution:bunsui-etl--load:s--load-1";
        assert_eq!(execution_arn(version, "s--load-1"), expected);
    }
}
