//! One try of a Parallel.

use super::super::definition::Machine;
use super::branch::{Branch, Visit};
use super::evaluation::States;
use super::event::{Details, text};
use super::failure::{Aborted, Stop};
use super::group::{self, Verdict};
use crate::state_machine::PAYLOAD_LIMIT;
use serde_json::Value as Json;

impl Branch<'_> {
    pub(super) async fn run_parallel(
        &mut self,
        visit: &mut Visit<'_>,
        input: &Json,
        branches: &[Machine],
        arguments: Option<&Json>,
    ) -> Result<Json, Stop> {
        let name = visit.state.name.as_str();
        let arguments = match arguments {
            Some(arguments) => self.evaluate(visit, &States::of(input), "Arguments", arguments)?,
            None => input.clone(),
        };
        self.emit("ParallelStateStarted", Some(name), Details::new());
        let halt = self.halt.child_token();
        let mut last = self.last;
        let end = {
            let this = &*self;
            let start = |index: usize| -> group::Member<'_> {
                let run = this.inner(halt.clone()).run(&branches[index], arguments.clone());
                Box::pin(async move { (index, run.await) })
            };
            let ended = |_, id, _: &_| last = id;
            group::run(branches.len(), branches.len(), &halt, start, ended, Verdict::Fail).await
        };
        self.last = last;
        if self.halt.is_cancelled() {
            return Err(self.halted_group(visit, end.aborted));
        }
        if let Some((_, failure)) = end.failed {
            let at = failure.event;
            self.tell_of_aborted(
                at,
                failure.aborted().iter().chain(end.aborted.iter().flat_map(|(_, states)| states)),
            );
            self.last = at;
            return Err(failure.into());
        }
        let result = Json::Array(end.results);
        if text(&result).len() > PAYLOAD_LIMIT {
            return Err(self.too_large(name, name).terminal().into());
        }
        self.emit("ParallelStateSucceeded", Some(name), Details::new());
        visit.has_succeeded = true;
        Ok(result)
    }

    /// The states that a failure cut off, each after the event that told of the failure.
    pub(super) fn tell_of_aborted<'s>(&self, at: u64, states: impl Iterator<Item = &'s Aborted>) {
        for (kind, state) in states {
            self.emit_after(at, kind, Some(state), Details::new());
        }
    }

    /// The whole branch was cut off while its members ran.
    pub(super) fn halted_group(&self, visit: &Visit<'_>, aborted: Vec<(usize, Vec<Aborted>)>) -> Stop {
        let mut states: Vec<Aborted> = aborted.into_iter().flat_map(|(_, states)| states).collect();
        if let Stop::Halted(own) = self.halted(visit) {
            states.extend(own);
        }
        Stop::Halted(states)
    }
}
