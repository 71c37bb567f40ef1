//! Runs a definition on a paused clock, with tasks that answer from a script.

use async_trait::async_trait;
use bunsui::state_machine::{
    Definition, ExecutionContext, ExecutionOutcome, HistoryEvent, Observer, Seams, TaskCall, TaskFailure,
    TaskHandler, interpret_with,
};
use serde_json::{Map, Value as Json, json};
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What one try of a task does.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    Return(Json),
    Throw(&'static str, &'static str),
    /// Takes this many seconds, then returns null; ends at once when told to.
    Takes(u64),
    /// Never ends, whatever it is told.
    Stubborn,
    /// Gives the arguments back.
    Echo,
    /// Gives the context object back.
    Context,
}

/// Answers by state, in order; the last one repeats.
#[derive(Debug, Default)]
pub(super) struct Script {
    answers: HashMap<String, Vec<Answer>>,
    calls: Mutex<HashMap<String, usize>>,
    pub(super) log: Mutex<Vec<String>>,
}

impl Script {
    pub(super) fn on(mut self, state: impl Into<String>, answers: impl IntoIterator<Item = Answer>) -> Self {
        self.answers.insert(state.into(), answers.into_iter().collect());
        self
    }

    fn next(&self, state: &str) -> Answer {
        let mut calls = self.calls.lock().unwrap();
        let call = calls.entry(state.to_owned()).or_default();
        let answers = self.answers.get(state).map_or(&[][..], Vec::as_slice);
        let answer = answers.get(*call).or(answers.last()).cloned().unwrap_or(Answer::Echo);
        *call += 1;
        answer
    }
}

#[async_trait]
impl TaskHandler for Script {
    async fn run(&self, call: TaskCall<'_>) -> Result<Json, TaskFailure> {
        match self.next(call.state) {
            Answer::Return(value) => Ok(value),
            Answer::Throw(error, cause) => Err(TaskFailure { error: error.into(), cause: cause.into() }),
            Answer::Echo => Ok(call.arguments),
            Answer::Stubborn => std::future::pending().await,
            Answer::Context => Ok(call.context.clone()),
            Answer::Takes(seconds) => {
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_secs(seconds)) => {}
                    () = call.cancelled.cancelled() => {
                        self.log.lock().unwrap().push(format!("{} cancelled", call.state));
                    }
                }
                Ok(Json::Null)
            }
        }
    }
}

/// Keeps what it is told.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) events: Mutex<Vec<HistoryEvent>>,
    pub(super) retries: Mutex<Vec<(String, u32, Duration, String)>>,
}

impl Observer for Record {
    fn event(&self, event: HistoryEvent) {
        self.events.lock().unwrap().push(event);
    }

    fn retry_scheduled(&self, state: &str, try_number: u32, delay: Duration, failure: &TaskFailure) {
        self.retries.lock().unwrap().push((state.into(), try_number, delay, failure.error.clone()));
    }
}

/// What came of an execution.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) outcome: ExecutionOutcome,
    pub(super) events: Vec<HistoryEvent>,
    pub(super) retries: Vec<(String, u32, Duration, String)>,
    pub(super) log: Vec<String>,
    /// Virtual seconds from start to end.
    pub(super) seconds: f64,
}

/// A JSONata machine of these states, the first of which is the start.
pub(super) fn machine(states: Json) -> Json {
    let start = states.as_object().unwrap().keys().next().unwrap().clone();
    json!({ "QueryLanguage": "JSONata", "StartAt": start, "States": states })
}

pub(super) fn run(definition: &Json, input: Json) -> Run {
    run_with(definition, input, Script::default())
}

pub(super) fn run_with(definition: &Json, input: Json, script: Script) -> Run {
    run_until(definition, input, script, None)
}

/// Stops the execution after so many seconds.
pub(super) fn run_until(definition: &Json, input: Json, script: Script, stop_after: Option<u64>) -> Run {
    let definition = Definition::parse(definition).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let record = Record::default();
    let context = ExecutionContext {
        execution_id: "execution-id".into(),
        execution_name: "execution-name".into(),
        state_machine_id: "machine-id".into(),
        state_machine_name: "machine-name".into(),
    };
    let seams = Seams { seed: Some(1), started_at: Some("2026-01-01T00:00:00Z".parse().unwrap()) };
    let stop = CancellationToken::new();
    let (outcome, seconds) = runtime.block_on(async {
        let began = tokio::time::Instant::now();
        let stopper = async {
            match stop_after {
                Some(seconds) => {
                    tokio::time::sleep(Duration::from_secs(seconds)).await;
                    stop.cancel();
                }
                None => std::future::pending().await,
            }
            std::future::pending::<()>().await;
        };
        let outcome = tokio::select! {
            outcome = interpret_with(&definition, input, &context, &script, &record, &stop, seams) => outcome,
            () = stopper => unreachable!("never ends"),
        };
        (outcome, began.elapsed().as_secs_f64())
    });
    Run {
        outcome,
        events: record.events.into_inner().unwrap(),
        retries: record.retries.into_inner().unwrap(),
        log: script.log.into_inner().unwrap(),
        seconds,
    }
}

impl Run {
    pub(super) fn output(&self) -> &Json {
        match &self.outcome {
            ExecutionOutcome::Succeeded { output } => output,
            other => panic!("{other:#?}\n{:#?}", self.kinds()),
        }
    }

    /// Error and cause of a failed execution.
    pub(super) fn failure(&self) -> (Option<&str>, Option<&str>) {
        match &self.outcome {
            ExecutionOutcome::Failed { error, cause, .. } => (error.as_deref(), cause.as_deref()),
            other => panic!("{other:#?}"),
        }
    }

    pub(super) fn kinds(&self) -> Vec<&str> {
        self.events.iter().map(|event| event.kind).collect()
    }

    /// `kind id<-previous`, one a line.
    pub(super) fn chain(&self) -> String {
        let line = |event: &HistoryEvent| format!("{}<-{} {}", event.id, event.previous_id, event.kind);
        self.events.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    pub(super) fn details(&self, kind: &str) -> &Map<String, Json> {
        &self.events.iter().find(|event| event.kind == kind).unwrap_or_else(|| panic!("no {kind}")).details
    }

    #[track_caller]
    pub(super) fn check_chain(&self, expected: &str) {
        let expected = expected.trim().lines().map(str::trim).collect::<Vec<_>>().join("\n");
        assert_eq!(self.chain(), expected);
    }
}
