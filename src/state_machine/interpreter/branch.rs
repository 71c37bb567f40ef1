//! One machine being walked: the execution itself, a branch of a Parallel, an item of a Map.

use super::super::definition::{Kind, Machine, Rule, State, Wait};
use super::evaluation::States;
use super::event::{self, Details, text};
use super::execution::{Execution, History};
use super::failure::{DATA_LIMIT_EXCEEDED, Failure, RUNTIME, Stop, aborted};
use super::scope::Scope;
use crate::state_machine::{PAYLOAD_LIMIT, timestamp};
use futures::future::BoxFuture;
use serde_json::{Map, Value as Json};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Where a walk is.
pub(super) struct Branch<'a> {
    pub(super) execution: &'a Execution<'a>,
    /// Fires when the branch must end.
    pub(super) halt: CancellationToken,
    pub(super) scope: Arc<Scope>,
    pub(super) history: Arc<History>,
    /// The event that the next one follows.
    pub(super) last: u64,
    /// `$states.context.Map.Item`
    pub(super) item: Option<Arc<Json>>,
    /// Whether its events are for nobody: items of a distributed Map are executions of their own.
    pub(super) is_quiet: bool,
}

/// How a walk ended, and its last event.
pub(super) struct Finished {
    pub(super) last: u64,
    pub(super) result: Result<Json, Stop>,
}

/// One stay in one state.
pub(super) struct Visit<'a> {
    pub(super) state: &'a State,
    /// The id of its StateEntered.
    pub(super) entered: u64,
    pub(super) entered_at: jiff::Timestamp,
    /// Tries after the first one.
    pub(super) retries: u32,
    /// Whether a container already said that it succeeded.
    pub(super) has_succeeded: bool,
}

/// Where a state leads: the next one's name, or the end.
pub(super) struct Step<'a> {
    pub(super) next: Option<&'a str>,
    pub(super) output: Json,
}

impl<'a> Branch<'a> {
    pub(super) fn new(
        execution: &'a Execution<'a>,
        halt: CancellationToken,
        scope: Arc<Scope>,
        history: Arc<History>,
    ) -> Self {
        Self { execution, halt, scope, history, last: 0, item: None, is_quiet: false }
    }

    /// Walks a machine to its end.
    pub(super) fn run<'f>(mut self, machine: &'f Machine, input: Json) -> BoxFuture<'f, Finished>
    where
        'a: 'f,
    {
        Box::pin(async move {
            let result = self.walk(machine, input).await;
            Finished { last: self.last, result }
        })
    }

    async fn walk(&mut self, machine: &Machine, input: Json) -> Result<Json, Stop> {
        let mut name = machine.start_at.as_str();
        let mut input = input;
        loop {
            // A machine that only computes must not hold the thread, and can be stopped.
            tokio::task::coop::consume_budget().await;
            if self.halt.is_cancelled() {
                return Err(Stop::Halted(Vec::new()));
            }
            let state = machine.states.get(name).expect("targets are checked when a definition is read");
            let step = self.step(state, input).await?;
            match step.next {
                Some(next) => name = next,
                None => return Ok(step.output),
            }
            input = step.output;
        }
    }

    async fn step<'s>(&mut self, state: &'s State, input: Json) -> Result<Step<'s>, Stop> {
        let details = Details::new().with("name", state.name.as_str()).payload("input", text(&input));
        let entered = self.emit(event::entered(&state.kind), Some(&state.name), details);
        let entered_at = self.execution.now();
        let mut visit = Visit { state, entered, entered_at, retries: 0, has_succeeded: false };
        match &state.kind {
            Kind::Pass | Kind::Succeed => {}
            Kind::Fail { error, cause } => return Err(self.fail(&visit, &input, error, cause).into()),
            Kind::Choice(rules) => return self.choose(&visit, input, rules),
            Kind::Wait(wait) => self.wait(&visit, &input, wait).await?,
            Kind::Task(_) | Kind::Parallel { .. } | Kind::Map(_) => {
                return self.try_until_done(&mut visit, input).await;
            }
        }
        let output = self.leave(&visit, input, None)?;
        Ok(Step { next: state.next.as_deref(), output })
    }

    /// Assign, Output, StateExited.
    pub(super) fn leave(
        &mut self,
        visit: &Visit<'_>,
        input: Json,
        result: Option<Json>,
    ) -> Result<Json, Stop> {
        let state = visit.state;
        let states = States { input: &input, result: result.as_ref(), error_output: None };
        let (assigned, output) =
            self.assign_and_output(visit, &states, "", state.assign.as_ref(), state.output.as_ref())?;
        let output = output.or(result).unwrap_or(input);
        self.exit(visit, assigned, output)
    }

    /// Evaluates both against what is there before either takes effect.
    pub(super) fn assign_and_output(
        &mut self,
        visit: &Visit<'_>,
        states: &States<'_>,
        path: &str,
        assign: Option<&Json>,
        output: Option<&Json>,
    ) -> Result<(Map<String, Json>, Option<Json>), Stop> {
        let assigned = match assign {
            Some(assign) => match self.evaluate(visit, states, &format!("{path}Assign"), assign)? {
                Json::Object(variables) => variables,
                _ => Map::new(),
            },
            None => Map::new(),
        };
        let output = output
            .map(|output| self.evaluate(visit, states, &format!("{path}Output"), output))
            .transpose()?;
        Ok((assigned, output))
    }

    /// The limits, then the variables, then StateExited.
    pub(super) fn exit(
        &mut self,
        visit: &Visit<'_>,
        assigned: Map<String, Json>,
        output: Json,
    ) -> Result<Json, Stop> {
        let name = visit.state.name.as_str();
        let output_text = text(&output);
        let mut details = Details::new().with("name", name);
        let mut is_too_large = output_text.len() > PAYLOAD_LIMIT;
        if !assigned.is_empty() {
            let texts: Map<String, Json> =
                assigned.iter().map(|(name, value)| (name.clone(), Json::String(text(value)))).collect();
            is_too_large |=
                texts.values().any(|value| value.as_str().is_some_and(|t| t.len() > PAYLOAD_LIMIT));
            details = details
                .with("assignedVariables", texts)
                .with("assignedVariablesDetails", serde_json::json!({ "truncated": false }));
        }
        if is_too_large {
            return Err(self.too_large(name, name).terminal().into());
        }
        self.scope.assign(assigned);
        self.emit(event::exited(&visit.state.kind), Some(name), details.payload("output", output_text));
        Ok(output)
    }

    fn fail(
        &mut self,
        visit: &Visit<'_>,
        input: &Json,
        error: &Option<Json>,
        cause: &Option<Json>,
    ) -> Failure {
        let states = States::of(input);
        let mut part = |path: &str, value: &Option<Json>| match value {
            Some(value) => self.evaluate_text(visit, &states, path, value).map(Some),
            None => Ok(None),
        };
        match part("Error", error).and_then(|error| Ok((error, part("Cause", cause)?))) {
            Ok((error, cause)) => Failure::new(error, cause, &visit.state.name, self.last),
            Err(failure) => failure,
        }
    }

    fn choose<'s>(&mut self, visit: &Visit<'s>, input: Json, rules: &'s [Rule]) -> Result<Step<'s>, Stop> {
        for (index, rule) in rules.iter().enumerate() {
            let states = States::of(&input);
            let path = format!("Choices[{index}]/");
            if !self.evaluate_boolean(visit, &states, &format!("{path}Condition"), &rule.condition)? {
                continue;
            }
            let (assigned, output) =
                self.assign_and_output(visit, &states, &path, rule.assign.as_ref(), rule.output.as_ref())?;
            let output = self.exit(visit, assigned, output.unwrap_or(input))?;
            return Ok(Step { next: Some(&rule.next), output });
        }
        let Some(next) = visit.state.next.as_deref() else {
            let cause = "Failed to transition out of the state. The state does not point to a next state.";
            return Err(self.raise(visit, RUNTIME, cause).into());
        };
        let output = self.leave(visit, input, None)?;
        Ok(Step { next: Some(next), output })
    }

    async fn wait(&mut self, visit: &Visit<'_>, input: &Json, wait: &Wait) -> Result<(), Stop> {
        let states = States::of(input);
        let duration = match wait {
            Wait::Seconds(value) => Duration::from_secs(self.evaluate_integer(
                visit,
                &states,
                "Seconds",
                value,
                0..=99_999_999,
            )?),
            Wait::Timestamp(value) => {
                let text = self.evaluate_text(visit, &states, "Timestamp", value)?;
                let Some(at) = timestamp::parse(&text) else {
                    return Err(self
                        .unexpected(visit, "Timestamp", value, "timestamp", &Json::String(text))
                        .into());
                };
                self.execution.until(at)
            }
        };
        self.pause(visit, duration).await
    }

    /// Sleeps, unless the branch is halted.
    pub(super) async fn pause(&mut self, visit: &Visit<'_>, duration: Duration) -> Result<(), Stop> {
        tokio::select! {
            biased;
            () = self.halt.cancelled() => Err(self.halted(visit)),
            () = tokio::time::sleep(duration) => Ok(()),
        }
    }

    /// Tells of an event that follows the last one.
    pub(super) fn emit(&mut self, kind: &'static str, state: Option<&str>, details: Details) -> u64 {
        self.last = self.emit_after(self.last, kind, state, details);
        self.last
    }

    /// Tells of an event that follows another one. A halted branch has nothing more to say.
    pub(super) fn emit_after(
        &self,
        previous: u64,
        kind: &'static str,
        state: Option<&str>,
        details: Details,
    ) -> u64 {
        if self.halt.is_cancelled() {
            return previous;
        }
        if self.is_quiet {
            return self.history.count().unwrap_or(previous);
        }
        self.execution.emit(&self.history, previous, kind, state, details)
    }

    /// An error that the interpreter itself finds.
    pub(super) fn raise(&self, visit: &Visit<'_>, error: &str, sentence: &str) -> Failure {
        let name = &visit.state.name;
        let cause = format!(
            "An error occurred while executing the state '{name}' (entered at the event id #{}). {sentence}",
            visit.entered
        );
        self.failure(visit, Some(error.to_owned()), Some(cause))
    }

    pub(super) fn failure(&self, visit: &Visit<'_>, error: Option<String>, cause: Option<String>) -> Failure {
        let mut failure = Failure::new(error, cause, &visit.state.name, self.last);
        failure.is_task = matches!(visit.state.kind, Kind::Task(_));
        failure
    }

    pub(super) fn too_large(&self, state: &str, what: &str) -> Failure {
        let cause = format!(
            "The state/task '{what}' returned a result with a size exceeding the maximum number of bytes service limit."
        );
        Failure::new(Some(DATA_LIMIT_EXCEEDED.to_owned()), Some(cause), state, self.last)
    }

    pub(super) fn halted(&self, visit: &Visit<'_>) -> Stop {
        Stop::Halted(aborted(visit.state).into_iter().collect())
    }
}
