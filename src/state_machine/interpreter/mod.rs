//! Interprets a definition as Step Functions' Standard workflows do.
//!
//! Takes: a [`Definition`], an input, who does the tasks and who is told of events. Gives: how the execution ended.
//! Deliberately does not: keep history (events go to the [`Observer`]), know what a resource is, or spawn: all branches
//! run inside the one future, so dropping it drops everything.

mod attempt;
mod branch;
mod evaluation;
mod event;
mod execution;
mod failure;
mod group;
mod map;
mod parallel;
mod recovery;
mod resource;
mod scope;
mod task;

use super::{Definition, HistoryEvent};
use async_trait::async_trait;
use execution::Execution;
use serde_json::Value as Json;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What tasks do. The interpreter owns retries, timeouts and references; a handler does one try.
#[async_trait]
pub trait TaskHandler: Send + Sync {
    /// Does one try of a task. When `call.cancelled` fires (timeout, a failed sibling branch, a stop) it must end
    /// what it started and return; the interpreter waits for that, and ignores the result.
    async fn run(&self, call: TaskCall<'_>) -> Result<Json, TaskFailure>;
}

/// One try of one Task state.
#[derive(Debug)]
pub struct TaskCall<'a> {
    /// The state's name.
    pub state: &'a str,
    /// Its `Resource`.
    pub resource: &'a str,
    /// Its evaluated `Arguments`; the state's input where it has none.
    pub arguments: Json,
    /// The context object.
    pub context: &'a Json,
    /// From 1.
    pub try_number: u32,
    /// The state's TimeoutSeconds.
    pub timeout: Option<Duration>,
    /// Fires when the try must end.
    pub cancelled: CancellationToken,
}

/// Why a try failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskFailure {
    /// The error's name: `States.TaskFailed`, `KeyError`, …
    pub error: String,
    /// Whatever the service says.
    pub cause: String,
}

/// Who is told of events as they happen; called in order, must be quick.
pub trait Observer: Send + Sync {
    /// Takes an event.
    fn event(&self, event: HistoryEvent);

    /// Try `try_number` of a state failed, and another one begins after `delay`. History has no event for it.
    fn retry_scheduled(&self, state: &str, try_number: u32, delay: Duration, failure: &TaskFailure) {
        let _ = (state, try_number, delay, failure);
    }
}

/// The execution's own names, for the context object.
#[derive(Debug, Clone, Default)]
pub struct ExecutionContext {
    /// `$states.context.Execution.Id`
    pub execution_id: String,
    /// `$states.context.Execution.Name`
    pub execution_name: String,
    /// `$states.context.StateMachine.Id`
    pub state_machine_id: String,
    /// `$states.context.StateMachine.Name`
    pub state_machine_name: String,
}

/// How an execution ended.
#[derive(Debug, Clone, PartialEq)]
pub enum ExecutionOutcome {
    /// With an output.
    Succeeded {
        /// Its output.
        output: Json,
    },
    /// With an error; a Fail state may give none.
    Failed {
        /// The error's name.
        error: Option<String>,
        /// The cause.
        cause: Option<String>,
        /// The state in which it failed.
        state: Option<String>,
    },
    /// The machine's own TimeoutSeconds ran out.
    TimedOut,
    /// Stopped by `stop`.
    Aborted,
}

/// What is otherwise taken from the surroundings; tests fix it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seams {
    /// Seeds the jitter of retries.
    pub seed: Option<u64>,
    /// What the clock says at the start; from there on it follows tokio's.
    pub started_at: Option<jiff::Timestamp>,
}

/// Runs a definition to its end. Waits use tokio's clock, so tests can pause it. `stop` aborts the execution, its
/// running tasks first.
pub async fn interpret(
    definition: &Definition,
    input: Json,
    context: &ExecutionContext,
    tasks: &dyn TaskHandler,
    observer: &dyn Observer,
    stop: &CancellationToken,
) -> ExecutionOutcome {
    interpret_with(definition, input, context, tasks, observer, stop, Seams::default()).await
}

/// Like [`interpret`], with the clock and the randomness given.
pub async fn interpret_with(
    definition: &Definition,
    input: Json,
    context: &ExecutionContext,
    tasks: &dyn TaskHandler,
    observer: &dyn Observer,
    stop: &CancellationToken,
    seams: Seams,
) -> ExecutionOutcome {
    Execution::new(input, context, tasks, observer, seams).run(definition, stop).await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Engines spawn executions: the future must be able to move between threads.
    #[expect(dead_code, reason = "compiling it is the test")]
    fn the_future_is_send(
        definition: &Definition,
        context: &ExecutionContext,
        tasks: &dyn TaskHandler,
        observer: &dyn Observer,
        stop: &CancellationToken,
    ) -> impl Send {
        interpret(definition, Json::Null, context, tasks, observer, stop)
    }
}
