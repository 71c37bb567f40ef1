//! Executions by Step Functions: started by the versions of state machines that are deployed, watched, stopped, explained.

use super::client::Connection;
use super::error::{AwsError, Call, classify};
use super::limiter::Limiter;
use crate::backend::failure::failure;
use crate::pipeline::Pipeline;
use crate::plugin::Plugins;
use crate::runner::Executions;
use crate::runner::port::{Engine, EngineError, ExecutionEnd, StartExecution};
use crate::session::FailureRecord;
use async_trait::async_trait;
use aws_sdk_sfn::operation::start_execution::StartExecutionError;
use aws_sdk_sfn::types::{ExecutionStatus, HistoryEvent};
use serde_json::Value as Json;
use std::collections::HashMap;
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
    /// Those that were started or taken up, by name.
    executions: Mutex<HashMap<String, Started>>,
}

#[derive(Clone)]
struct Started {
    arn: String,
    start: Arc<StartExecution>,
}

/// Between two looks at an execution: at first, at last, and how much longer each time.
const FIRST_LOOK: Duration = Duration::from_millis(300);
const LAST_LOOK: Duration = Duration::from_secs(15);
const LONGER: f64 = 1.4;

/// What passes is waited for so long when an execution is started, the first time so long.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// So often it is looked whether an execution is there that an earlier runner meant to start.
const LOOKS: usize = 3;

/// Events of a history that are read to find where an execution failed or runs.
const PAGE: i32 = 100;

impl StepFunctions {
    /// For a pipeline; `versions` are the ARNs of its deployed state machine versions, in the order of its jobs.
    pub fn new(
        connection: &Connection,
        pipeline: Arc<Pipeline>,
        plugins: Arc<Plugins>,
        versions: Vec<String>,
    ) -> Self {
        Self {
            client: connection.step_functions(),
            limiter: connection.limiter(),
            pipeline,
            plugins,
            versions,
            executions: Mutex::default(),
        }
    }

    fn started(&self, execution: &str) -> Result<Started, EngineError> {
        let executions = self.executions.lock().unwrap_or_else(PoisonError::into_inner);
        let not_found = || EngineError::NotFound { execution: execution.to_owned() };
        executions.get(execution).cloned().ok_or_else(not_found)
    }

    fn remember(&self, arn: String, start: StartExecution) {
        let mut executions = self.executions.lock().unwrap_or_else(PoisonError::into_inner);
        executions.insert(start.name.clone(), Started { arn, start: Arc::new(start) });
    }

    /// An execution of that name exists: it is this one's if it has the same input.
    async fn adopt(&self, arn: String, start: StartExecution, input: &str) -> Result<(), EngineError> {
        let call = Call::new("states", "DescribeExecution", format!("execution `{arn}`"));
        self.limiter.take("DescribeExecution").await;
        let found = self.client.describe_execution().execution_arn(&arn).send().await;
        let found = found.map_err(|error| classify(error, &call))?;
        let json = |text: &str| serde_json::from_str::<Json>(text).ok();
        if found.input().is_some_and(|theirs| json(theirs) == json(input)) {
            self.remember(arn, start);
            return Ok(());
        }
        Err(EngineError::OtherInput { execution: start.name, job: start.job_key })
    }

    async fn failed(&self, started: &Started, said: (Option<String>, Option<String>)) -> FailureRecord {
        // Where it failed is worth a look; that it failed is known without.
        let state = self.last_state(&started.arn).await.unwrap_or_else(|error| {
            tracing::warn!("the history of `{}` cannot be read: {error}", started.arn);
            None
        });
        let states = &started.start.machine.states;
        let operation = state.and_then(|state| states.get(&state).map(|(index, _)| *index));
        let mut record = failure(&self.pipeline, &self.plugins, &started.start, operation, said).await;
        record.tries = u32::from(operation.is_some());
        record
    }

    /// The state that was entered last: history is read backwards until one is found.
    async fn last_state(&self, arn: &str) -> Result<Option<String>, AwsError> {
        let call = Call::new("states", "GetExecutionHistory", format!("execution `{arn}`"));
        let mut token = None;
        loop {
            self.limiter.take("GetExecutionHistory").await;
            let page = self
                .client
                .get_execution_history()
                .execution_arn(arn)
                .reverse_order(true)
                .include_execution_data(false)
                .max_results(PAGE)
                .set_next_token(token)
                .send()
                .await
                .map_err(|error| classify(error, &call))?;
            let entered = page.events().iter().find_map(|event: &HistoryEvent| {
                event.state_entered_event_details().map(|details| details.name().to_owned())
            });
            token = page.next_token;
            if entered.is_some() || token.is_none() {
                return Ok(entered);
            }
        }
    }
}

impl From<AwsError> for EngineError {
    fn from(error: AwsError) -> Self {
        Self::Service(Box::new(error))
    }
}

/// `arn:…:execution:MACHINE:NAME`, from the ARN of one of the machine's versions.
fn execution_arn(version: &str, name: &str) -> String {
    let parts: Vec<&str> = version.split(':').collect();
    let head = parts.get(..5).map(|head| head.join(":")).unwrap_or_default();
    format!("{head}:execution:{}:{name}", parts.get(6).copied().unwrap_or_default())
}

#[async_trait]
impl Engine for StepFunctions {
    async fn start(&self, start: StartExecution) -> Result<(), EngineError> {
        let version = &self.versions[start.job];
        let input = start.input.to_string();
        let call = Call::new("states", "StartExecution", format!("state machine version `{version}`"));
        let mut pause = FIRST_PAUSE;
        let began = tokio::time::Instant::now();
        loop {
            self.limiter.take("StartExecution").await;
            let send =
                self.client.start_execution().state_machine_arn(version).name(&start.name).input(&input);
            let error = match send.send().await {
                Ok(started) => {
                    self.remember(started.execution_arn, start);
                    return Ok(());
                }
                Err(error) => error,
            };
            if error.as_service_error().is_some_and(StartExecutionError::is_execution_already_exists) {
                return self.adopt(execution_arn(version, &start.name), start, &input).await;
            }
            match classify(error, &call) {
                // Whether it was started is told by its name, so it can be asked for again.
                error if error.passes() && began.elapsed() < LONGEST_PAUSE => {
                    tracing::warn!("{error}; it is tried again in {} s", pause.as_secs());
                }
                AwsError::NotFound { request, .. } => {
                    return Err(AwsError::VersionGone { version: version.clone(), request }.into());
                }
                // The job's input or name is not one that Step Functions takes: others may be.
                AwsError::Rejected { code, message, .. } => {
                    return Err(EngineError::StartRefused {
                        job: start.job_key,
                        error: code.into(),
                        cause: message,
                    });
                }
                error => return Err(error.into()),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LAST_LOOK);
        }
    }

    async fn take_up(&self, start: StartExecution) -> Result<bool, EngineError> {
        let arn = execution_arn(&self.versions[start.job], &start.name);
        let call = Call::new("states", "DescribeExecution", format!("execution `{arn}`"));
        for _ in 0..LOOKS {
            self.limiter.take("DescribeExecution").await;
            let found = self.client.describe_execution().execution_arn(&arn).send().await;
            match found.map_err(|error| classify(error, &call)) {
                Ok(_) => {
                    self.remember(arn, start);
                    return Ok(true);
                }
                // What was started a moment ago may not be seen yet.
                Err(AwsError::NotFound { .. }) => tokio::time::sleep(Duration::from_secs(1)).await,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(false)
    }

    async fn wait(&self, execution: &str) -> Result<ExecutionEnd, EngineError> {
        let started = self.started(execution)?;
        let call = Call::new("states", "DescribeExecution", format!("execution `{}`", started.arn));
        let mut pause = FIRST_LOOK;
        let found = loop {
            tokio::time::sleep(pause).await;
            pause = pause.mul_f64(LONGER).min(LAST_LOOK);
            self.limiter.take("DescribeExecution").await;
            let found = self.client.describe_execution().execution_arn(&started.arn).send().await;
            match found.map_err(|error| classify(error, &call)) {
                Ok(found) if *found.status() == ExecutionStatus::Running => {}
                Ok(found) => break found,
                // Right after its start it may not be seen yet; and what passes is waited for.
                Err(AwsError::NotFound { .. }) if pause < Duration::from_secs(5) => {}
                Err(error) if error.passes() => tracing::warn!("{error}; it is looked at again"),
                Err(error) => return Err(error.into()),
            }
        };
        let said = (found.error().map(str::to_owned), found.cause().map(str::to_owned));
        let end = match found.status() {
            ExecutionStatus::Succeeded => {
                let output = found.output().unwrap_or("null");
                let output = serde_json::from_str(output).unwrap_or_else(|error| {
                    tracing::warn!("the output of `{}` is not JSON: {error}", started.arn);
                    Json::Null
                });
                ExecutionEnd::Succeeded(output)
            }
            ExecutionStatus::TimedOut => {
                let said = (Some("States.Timeout".to_owned()), said.1);
                ExecutionEnd::TimedOut(self.failed(&started, said).await)
            }
            ExecutionStatus::Aborted => ExecutionEnd::Aborted,
            _ => {
                let is_timeout = said.0.as_deref() == Some("States.Timeout");
                let failure = self.failed(&started, said).await;
                if is_timeout { ExecutionEnd::TimedOut(failure) } else { ExecutionEnd::Failed(failure) }
            }
        };
        Ok(end)
    }

    async fn stop(&self, execution: &str) -> Result<Vec<String>, EngineError> {
        let Ok(started) = self.started(execution) else { return Ok(Vec::new()) };
        // Before it is stopped: afterwards the last state is the same, but whether it ran is not known.
        let state = self.last_state(&started.arn).await.unwrap_or_default();
        let call = Call::new("states", "StopExecution", format!("execution `{}`", started.arn));
        self.limiter.take("StopExecution").await;
        let stopped = self
            .client
            .stop_execution()
            .execution_arn(&started.arn)
            .error("Bunsui.Cancelled")
            .cause("the session was stopped")
            .send()
            .await;
        stopped.map_err(|error| classify(error, &call))?;
        let job = &self.pipeline.jobs[started.start.job];
        let operation = state.as_ref().and_then(|state| started.start.machine.states.get(state));
        // Step Functions stops what it waits for to the end as best it can, and a Lambda invocation not at all.
        let states = &started.start.machine.definition["States"];
        let resource = state.as_ref().and_then(|state| states[state.as_str()]["Resource"].as_str());
        let is_told = resource.is_some_and(|resource| resource.ends_with(".sync"));
        Ok(operation
            .map(|(index, _)| &job.operations[*index])
            .map(|operation| {
                let what = format!("operation `{}` ({}) of job `{}`", operation.name, operation.kind, job.id);
                if is_told {
                    format!("Step Functions was asked to end what {what} had started too, and may not: execution {}", started.arn)
                } else {
                    format!("what {what} had started may go on to its end: execution {}", started.arn)
                }
            })
            .into_iter()
            .collect())
    }

    fn executions(&self) -> Executions {
        Executions::Survive
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
