//! A state that may fail: its tries, its Retry, its Catch.

use super::super::definition::Kind;
use super::TaskFailure;
use super::branch::{Branch, Step, Visit};
use super::evaluation::States;
use super::event::{self, Details};
use super::failure::{Failure, Stop};
use super::recovery::{self, Tries};
use serde_json::Value as Json;
use std::time::Duration;

impl Branch<'_> {
    /// Tries a state until it is done, or no Retry takes its failure; then Catch has its turn.
    pub(super) async fn try_until_done<'s>(
        &mut self,
        visit: &mut Visit<'s>,
        input: Json,
    ) -> Result<Step<'s>, Stop> {
        let recovery = &visit.state.recovery;
        let mut tries = Tries::new(recovery);
        loop {
            let failure = match self.attempt(visit, &input).await {
                Ok(output) => return Ok(Step { next: visit.state.next.as_deref(), output }),
                Err(Stop::Failed(failure)) => failure,
                Err(halted) => return Err(halted),
            };
            let Some(delay) = tries.next(recovery, &failure, || self.execution.jitter()) else {
                return self.give_up(visit, input, *failure);
            };
            self.tell_of_retry(visit, tries.count, delay, &failure);
            self.pause(visit, delay).await?;
            visit.retries = tries.count;
            visit.has_succeeded = false;
        }
    }

    async fn attempt(&mut self, visit: &mut Visit<'_>, input: &Json) -> Result<Json, Stop> {
        let result = match &visit.state.kind {
            Kind::Task(task) => self.run_task(visit, input, task).await?,
            Kind::Parallel { branches, arguments } => {
                self.run_parallel(visit, input, branches, arguments.as_ref()).await?
            }
            Kind::Map(map) => self.run_map(visit, input, map).await?,
            Kind::Pass | Kind::Succeed | Kind::Choice(_) | Kind::Wait(_) | Kind::Fail { .. } => Json::Null,
        };
        self.leave(visit, input.clone(), Some(result))
    }

    fn tell_of_retry(&self, visit: &Visit<'_>, try_number: u32, delay: Duration, failure: &Failure) {
        let failure = TaskFailure {
            error: failure.error.clone().unwrap_or_default(),
            cause: failure.cause.clone().unwrap_or_default(),
        };
        self.execution.observer.retry_scheduled(&visit.state.name, try_number, delay, &failure);
    }

    /// The last try failed: Catch, or the failure goes up.
    fn give_up<'s>(
        &mut self,
        visit: &Visit<'s>,
        input: Json,
        mut failure: Failure,
    ) -> Result<Step<'s>, Stop> {
        if let (Some(kind), false) = (event::failed(&visit.state.kind), visit.has_succeeded) {
            failure.event = self.emit(kind, Some(&visit.state.name), Details::new());
            failure.is_task = false;
        }
        let Some((index, catcher)) = recovery::catcher(&visit.state.recovery, &failure) else {
            return Err(failure.into());
        };
        let error_output = failure.error_output();
        let states = States { input: &input, result: None, error_output: Some(&error_output) };
        let path = format!("Catch[{index}]/");
        let (assigned, output) =
            self.assign_and_output(visit, &states, &path, catcher.assign.as_ref(), catcher.output.as_ref())?;
        let output = self.exit(visit, assigned, output.unwrap_or(error_output))?;
        Ok(Step { next: Some(&catcher.next), output })
    }
}
