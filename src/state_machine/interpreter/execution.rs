//! What all branches of an execution share: identity, clock, counter of events, randomness.

use super::branch::{Branch, Finished};
use super::event::{Details, text};
use super::failure::{DATA_LIMIT_EXCEEDED, RUNTIME, Stop, TIMEOUT};
use super::scope::Scope;
use super::{ExecutionContext, ExecutionOutcome, Observer, Seams, TaskHandler};
use crate::state_machine::{Definition, HistoryEvent, PAYLOAD_LIMIT, timestamp};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Map, Value as Json, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A history holds this many events; the one that ends the execution is the last of them.
const HISTORY_LIMIT: u64 = 25_000;

/// One execution.
pub(super) struct Execution<'a> {
    pub(super) tasks: &'a dyn TaskHandler,
    pub(super) observer: &'a dyn Observer,
    context: &'a ExecutionContext,
    input: Json,
    started_at: jiff::Timestamp,
    started: Instant,
    jitter: Mutex<StdRng>,
}

/// How full the history of an execution is: of the whole one, or of an item of a distributed Map.
#[derive(Debug, Default)]
pub(super) struct History {
    events: AtomicU64,
    /// Fires when it holds as many events as there can be before the one that ends the execution.
    full: CancellationToken,
}

impl History {
    /// The id of one more event; `None` where the history is full.
    pub(super) fn count(&self) -> Option<u64> {
        let id = self.events.fetch_add(1, Ordering::Relaxed) + 1;
        if id < HISTORY_LIMIT {
            return Some(id);
        }
        self.events.store(HISTORY_LIMIT - 1, Ordering::Relaxed);
        self.full.cancel();
        None
    }

    /// The id of the event that ends the execution: for it there is always room.
    fn count_last(&self) -> u64 {
        self.events.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn is_full(&self) -> bool {
        self.full.is_cancelled()
    }

    /// Ends when it is full.
    pub(super) async fn filled(&self) {
        self.full.cancelled().await;
    }
}

/// What Step Functions says of an execution whose history is full.
pub(super) fn full_history() -> String {
    format!("The execution reached the maximum number of history events ({HISTORY_LIMIT}).")
}

enum Ending {
    Finished(Finished),
    TimedOut,
    Aborted,
    Full,
}

impl<'a> Execution<'a> {
    pub(super) fn new(
        input: Json,
        context: &'a ExecutionContext,
        tasks: &'a dyn TaskHandler,
        observer: &'a dyn Observer,
        seams: Seams,
    ) -> Self {
        Self {
            tasks,
            observer,
            context,
            input,
            started_at: seams.started_at.unwrap_or_else(jiff::Timestamp::now),
            started: Instant::now(),
            jitter: Mutex::new(StdRng::seed_from_u64(seams.seed.unwrap_or_else(rand::random))),
        }
    }

    pub(super) async fn run(&self, definition: &Definition, stop: &CancellationToken) -> ExecutionOutcome {
        let history = Arc::new(History::default());
        let input = text(&self.input);
        let is_too_large = input.len() > PAYLOAD_LIMIT;
        self.emit(&history, 0, "ExecutionStarted", None, Details::new().payload("input", input));
        if is_too_large {
            let cause =
                "The input of the execution has a size exceeding the maximum number of bytes service limit.";
            return self.failed(&history, 0, Some(DATA_LIMIT_EXCEEDED.into()), Some(cause.into()), None);
        }
        let ending = self.run_to_ending(definition, stop, &history).await;
        self.conclude(ending, &history)
    }

    async fn run_to_ending(
        &self,
        definition: &Definition,
        stop: &CancellationToken,
        history: &Arc<History>,
    ) -> Ending {
        let halt = CancellationToken::new();
        let branch = Branch::new(self, halt.clone(), Arc::new(Scope::default()), Arc::clone(history));
        let mut run = branch.run(&definition.machine, self.input.clone());
        let timeout = async {
            match definition.timeout {
                Some(timeout) => tokio::time::sleep(timeout).await,
                None => std::future::pending().await,
            }
        };
        let ending = tokio::select! {
            biased;
            () = stop.cancelled() => Ending::Aborted,
            finished = &mut run => Ending::Finished(finished),
            () = history.filled() => Ending::Full,
            () = timeout => Ending::TimedOut,
        };
        if !matches!(ending, Ending::Finished(_)) {
            halt.cancel();
            // Tasks end what they started before the execution is said to have ended.
            let _ = run.await;
        }
        // The last event may have filled the history in the same moment.
        if history.is_full() && !matches!(ending, Ending::Aborted) { Ending::Full } else { ending }
    }

    fn conclude(&self, ending: Ending, history: &History) -> ExecutionOutcome {
        match ending {
            Ending::Finished(Finished { last, result: Ok(output) }) => {
                let details = Details::new().payload("output", text(&output));
                self.emit_last(history, last, "ExecutionSucceeded", details);
                ExecutionOutcome::Succeeded { output }
            }
            Ending::Finished(Finished { last, result: Err(Stop::Failed(failure)) }) => {
                self.failed(history, last, failure.error, failure.cause, Some(failure.state))
            }
            Ending::Full => {
                self.failed(history, HISTORY_LIMIT - 1, Some(RUNTIME.to_owned()), Some(full_history()), None)
            }
            Ending::TimedOut => {
                self.emit_last(history, 0, "ExecutionTimedOut", Details::new().with("error", TIMEOUT));
                ExecutionOutcome::TimedOut
            }
            Ending::Aborted | Ending::Finished(Finished { result: Err(Stop::Halted(_)), .. }) => {
                self.emit_last(history, 0, "ExecutionAborted", Details::new());
                ExecutionOutcome::Aborted
            }
        }
    }

    fn failed(
        &self,
        history: &History,
        last: u64,
        error: Option<String>,
        cause: Option<String>,
        state: Option<String>,
    ) -> ExecutionOutcome {
        let details = Details::new().maybe("error", error.clone()).maybe("cause", cause.clone());
        self.emit_last(history, last, "ExecutionFailed", details);
        ExecutionOutcome::Failed { error, cause, state }
    }

    /// Tells the observer of an event and gives its id. A full history ends the execution.
    pub(super) fn emit(
        &self,
        history: &History,
        previous_id: u64,
        kind: &'static str,
        state: Option<&str>,
        details: Details,
    ) -> u64 {
        let Some(id) = history.count() else { return previous_id };
        self.send(id, previous_id, kind, state, details);
        id
    }

    fn emit_last(&self, history: &History, previous_id: u64, kind: &'static str, details: Details) {
        self.send(history.count_last(), previous_id, kind, None, details);
    }

    fn send(&self, id: u64, previous_id: u64, kind: &'static str, state: Option<&str>, details: Details) {
        self.observer.event(HistoryEvent {
            id,
            previous_id,
            timestamp: self.now(),
            kind,
            state: state.map(str::to_owned),
            details: details.into_map(),
        });
    }

    /// The time: tokio's clock, counted from the start.
    pub(super) fn now(&self) -> jiff::Timestamp {
        let elapsed =
            jiff::SignedDuration::try_from(self.started.elapsed()).unwrap_or(jiff::SignedDuration::MAX);
        self.started_at.checked_add(elapsed).unwrap_or(jiff::Timestamp::MAX)
    }

    /// How long from now until `at`; nothing if it is past.
    pub(super) fn until(&self, at: jiff::Timestamp) -> Duration {
        Duration::try_from(at.duration_since(self.now())).unwrap_or_default()
    }

    /// From 0 up to 1.
    pub(super) fn jitter(&self) -> f64 {
        match self.jitter.lock() {
            Ok(mut rng) => rng.random(),
            Err(poisoned) => poisoned.into_inner().random(),
        }
    }

    /// `$states.context` without `State` and `Map`.
    pub(super) fn context_object(&self) -> Map<String, Json> {
        let mut context = Map::new();
        context.insert(
            "Execution".to_owned(),
            json!({
                "Id": self.context.execution_id,
                "Input": self.input,
                "Name": self.context.execution_name,
                "StartTime": timestamp::print(self.started_at),
                "RedriveCount": 0,
            }),
        );
        context.insert(
            "StateMachine".to_owned(),
            json!({ "Id": self.context.state_machine_id, "Name": self.context.state_machine_name }),
        );
        context
    }
}
