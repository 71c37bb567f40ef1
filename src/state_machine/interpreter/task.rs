//! One try of a Task.

use super::super::definition::Task;
use super::branch::{Branch, Visit};
use super::evaluation::States;
use super::event::{Details, text};
use super::failure::{Failure, Stop, TIMEOUT};
use super::resource::{Moment, Resource};
use super::{TaskCall, TaskFailure};
use crate::state_machine::PAYLOAD_LIMIT;
use serde_json::Value as Json;
use std::time::Duration;

/// How long a handler may take to end what it started after it was told to.
const GRACE: Duration = Duration::from_secs(10);
/// A year of seconds and some.
const LONGEST: u64 = 99_999_999;

/// How a try ended.
enum Ending {
    Done(Result<Json, TaskFailure>),
    TimedOut,
    Halted,
}

impl Branch<'_> {
    pub(super) async fn run_task(
        &mut self,
        visit: &Visit<'_>,
        input: &Json,
        task: &Task,
    ) -> Result<Json, Stop> {
        let states = States::of(input);
        let mut seconds = |path: &str, value: &Option<Json>| match value {
            Some(value) => self.evaluate_integer(visit, &states, path, value, 1..=LONGEST).map(Some),
            None => Ok(None),
        };
        let timeout = seconds("TimeoutSeconds", &task.timeout)?;
        let heartbeat = seconds("HeartbeatSeconds", &task.heartbeat)?;
        if let Some(credentials) = &task.credentials {
            self.evaluate(visit, &states, "Credentials", credentials)?;
        }
        let arguments = match &task.arguments {
            Some(arguments) => self.evaluate(visit, &states, "Arguments", arguments)?,
            None => input.clone(),
        };
        let resource = Resource::of(&task.resource);
        self.schedule(visit, &resource, &arguments, timeout, heartbeat)?;
        let ending = self.call(visit, task, arguments, timeout.map(Duration::from_secs)).await;
        self.conclude(visit, &resource, ending)
    }

    fn schedule(
        &mut self,
        visit: &Visit<'_>,
        resource: &Resource<'_>,
        arguments: &Json,
        timeout: Option<u64>,
        heartbeat: Option<u64>,
    ) -> Result<(), Stop> {
        let name = visit.state.name.as_str();
        let arguments = text(arguments);
        if arguments.len() > PAYLOAD_LIMIT {
            return Err(self.too_large(name, name).terminal().into());
        }
        let details = Details::from_map(resource.scheduled_details(&arguments))
            .maybe("timeoutInSeconds", timeout)
            .maybe("heartbeatInSeconds", heartbeat);
        self.emit(resource.event(Moment::Scheduled), Some(name), details);
        self.emit(resource.event(Moment::Started), Some(name), Details::from_map(resource.details()));
        if resource.is_submitted() {
            self.emit("TaskSubmitted", Some(name), Details::from_map(resource.details()));
        }
        Ok(())
    }

    async fn call(
        &self,
        visit: &Visit<'_>,
        task: &Task,
        arguments: Json,
        timeout: Option<Duration>,
    ) -> Ending {
        let context = self.context(visit);
        let cancelled = self.halt.child_token();
        let mut run = self.execution.tasks.run(TaskCall {
            state: &visit.state.name,
            resource: &task.resource,
            arguments,
            context: &context,
            try_number: visit.retries + 1,
            timeout,
            cancelled: cancelled.clone(),
        });
        let deadline = async {
            match timeout {
                Some(timeout) => tokio::time::sleep(timeout).await,
                None => std::future::pending().await,
            }
        };
        let ending = tokio::select! {
            biased;
            () = self.halt.cancelled() => Ending::Halted,
            result = &mut run => return Ending::Done(result),
            () = deadline => Ending::TimedOut,
        };
        cancelled.cancel();
        let _ = tokio::time::timeout(GRACE, run).await;
        ending
    }

    fn conclude(&mut self, visit: &Visit<'_>, resource: &Resource<'_>, ending: Ending) -> Result<Json, Stop> {
        let name = visit.state.name.as_str();
        let result = match ending {
            Ending::Halted => return Err(self.halted(visit)),
            Ending::TimedOut => {
                let failure = self.failure(visit, Some(TIMEOUT.to_owned()), None);
                return Err(self.try_failed(resource, Moment::TimedOut, failure).into());
            }
            Ending::Done(Err(TaskFailure { error, cause })) => {
                let failure = self.failure(visit, Some(error), Some(cause));
                return Err(self.try_failed(resource, Moment::Failed, failure).into());
            }
            Ending::Done(Ok(result)) => result,
        };
        let output = text(&result);
        if output.len() > PAYLOAD_LIMIT {
            let mut failure = self.too_large(name, resource.name());
            failure.is_task = true;
            return Err(self.try_failed(resource, Moment::Failed, failure).into());
        }
        let details = Details::from_map(resource.details()).payload("output", output);
        self.emit(resource.event(Moment::Succeeded), Some(name), details);
        Ok(result)
    }

    fn try_failed(&mut self, resource: &Resource<'_>, moment: Moment, mut failure: Failure) -> Failure {
        let details = Details::from_map(resource.details())
            .maybe("error", failure.error.clone())
            .maybe("cause", failure.cause.clone());
        failure.event = self.emit(resource.event(moment), Some(&failure.state), details);
        failure
    }
}
