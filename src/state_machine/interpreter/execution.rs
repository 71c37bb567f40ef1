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
    /// Fires when the history is full.
    full: CancellationToken,
}

/// Counts events.
pub(super) type Counter = Arc<AtomicU64>;

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
            full: CancellationToken::new(),
        }
    }

    pub(super) async fn run(&self, definition: &Definition, stop: &CancellationToken) -> ExecutionOutcome {
        let counter = Counter::default();
        let input = text(&self.input);
        let is_too_large = input.len() > PAYLOAD_LIMIT;
        self.emit(&counter, 0, "ExecutionStarted", None, Details::new().payload("input", input));
        if is_too_large {
            let cause =
                "The input of the execution has a size exceeding the maximum number of bytes service limit.";
            return self.failed(&counter, 0, Some(DATA_LIMIT_EXCEEDED.into()), Some(cause.into()), None);
        }
        let ending = self.run_to_ending(definition, stop, &counter).await;
        self.conclude(ending, &counter)
    }

    async fn run_to_ending(
        &self,
        definition: &Definition,
        stop: &CancellationToken,
        counter: &Counter,
    ) -> Ending {
        let halt = CancellationToken::new();
        let branch = Branch::new(self, halt.clone(), Arc::new(Scope::default()), Arc::clone(counter));
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
            () = self.full.cancelled() => Ending::Full,
            () = timeout => Ending::TimedOut,
        };
        if !matches!(ending, Ending::Finished(_)) {
            halt.cancel();
            // Tasks end what they started before the execution is said to have ended.
            let _ = run.await;
        }
        // The last event may have filled the history in the same moment.
        if self.full.is_cancelled() && !matches!(ending, Ending::Aborted) { Ending::Full } else { ending }
    }

    fn conclude(&self, ending: Ending, counter: &Counter) -> ExecutionOutcome {
        match ending {
            Ending::Finished(Finished { last, result: Ok(output) }) => {
                let details = Details::new().payload("output", text(&output));
                self.emit_last(counter, last, "ExecutionSucceeded", details);
                ExecutionOutcome::Succeeded { output }
            }
            Ending::Finished(Finished { last, result: Err(Stop::Failed(failure)) }) => {
                self.failed(counter, last, failure.error, failure.cause, Some(failure.state))
            }
            Ending::Full => {
                let cause =
                    format!("The execution reached the maximum number of history events ({HISTORY_LIMIT}).");
                self.failed(counter, HISTORY_LIMIT - 1, Some(RUNTIME.to_owned()), Some(cause), None)
            }
            Ending::TimedOut => {
                self.emit_last(counter, 0, "ExecutionTimedOut", Details::new().with("error", TIMEOUT));
                ExecutionOutcome::TimedOut
            }
            Ending::Aborted | Ending::Finished(Finished { result: Err(Stop::Halted(_)), .. }) => {
                self.emit_last(counter, 0, "ExecutionAborted", Details::new());
                ExecutionOutcome::Aborted
            }
        }
    }

    fn failed(
        &self,
        counter: &Counter,
        last: u64,
        error: Option<String>,
        cause: Option<String>,
        state: Option<String>,
    ) -> ExecutionOutcome {
        let details = Details::new().maybe("error", error.clone()).maybe("cause", cause.clone());
        self.emit_last(counter, last, "ExecutionFailed", details);
        ExecutionOutcome::Failed { error, cause, state }
    }

    /// Tells the observer of an event and gives its id. A full history ends the execution.
    pub(super) fn emit(
        &self,
        counter: &Counter,
        previous_id: u64,
        kind: &'static str,
        state: Option<&str>,
        details: Details,
    ) -> u64 {
        let Some(id) = self.count(counter) else { return previous_id };
        self.send(id, previous_id, kind, state, details);
        id
    }

    /// Counts an event; `None` where the history is full.
    pub(super) fn count(&self, counter: &Counter) -> Option<u64> {
        let id = counter.fetch_add(1, Ordering::Relaxed) + 1;
        if id < HISTORY_LIMIT {
            return Some(id);
        }
        counter.store(HISTORY_LIMIT - 1, Ordering::Relaxed);
        self.full.cancel();
        None
    }

    fn emit_last(&self, counter: &Counter, previous_id: u64, kind: &'static str, details: Details) {
        let id = counter.fetch_add(1, Ordering::Relaxed) + 1;
        self.send(id, previous_id, kind, None, details);
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
