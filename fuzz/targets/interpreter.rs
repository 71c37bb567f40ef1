//! Definitions, interpreted on a virtual clock.
//!
//! The input is `{"definition", "input", "tasks"}`; `tasks` are what tries of tasks give, one after the other and from the
//! beginning again: `{"Return"}`, or `{"Error", "Cause"}`, each with `"Seconds"` where it takes time.
#![no_main]

use async_trait::async_trait;
use bunsui::state_machine::{
    Definition, ExecutionContext, ExecutionOutcome, HistoryEvent, Observer, Seams, TaskCall, TaskFailure,
    TaskHandler, interpret_with,
};
use bunsui_fuzz::{json, pipeline::is_random};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use serde::Deserialize;
use serde_json::Value as Json;
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Events after which an execution is stopped: most definitions that the fuzzer makes never end.
const MOST_EVENTS: usize = 400;
/// How long an execution may take before it is stopped; one expression may take five seconds.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
struct Case {
    definition: Json,
    #[serde(default)]
    input: Json,
    #[serde(default)]
    tasks: Vec<Try>,
}

#[derive(Deserialize)]
struct Try {
    #[serde(rename = "Return", default)]
    returns: Json,
    #[serde(rename = "Error")]
    error: Option<String>,
    #[serde(rename = "Cause", default)]
    cause: String,
    #[serde(rename = "Seconds", default)]
    seconds: u32,
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(case) = serde_json::from_slice::<Case>(bytes) else { return };
    let definition = match Definition::parse(&case.definition) {
        Ok(definition) => definition,
        Err(problems) => {
            assert!(!problems.is_empty(), "refused, and no reason");
            for problem in problems {
                let place = case.definition.pointer(&problem.pointer);
                assert!(!problem.message.is_empty() && place.is_some(), "{problem:?} is nowhere");
            }
            return;
        }
    };
    let first = Run::of(&definition, &case);
    first.check();
    let tasks: HashSet<&str> = definition.task_states().into_iter().collect();
    assert!(first.called.iter().all(|state| tasks.contains(state.as_str())), "{:?}", first.called);
    if first.is_late || is_random(&case.definition.to_string()) {
        return;
    }
    let second = Run::of(&definition, &case);
    if !second.is_late {
        assert_eq!(first.outcome, second.outcome, "the same outcome each time");
        assert_eq!(first.events, second.events, "the same events each time");
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    json::mutate(data, size, max_size, seed, WORDS)
});

/// What definitions are written with.
const WORDS: &[&str] = &[
    r#""Type""#,
    r#""Pass""#,
    r#""Task""#,
    r#""Choice""#,
    r#""Wait""#,
    r#""Succeed""#,
    r#""Fail""#,
    r#""Parallel""#,
    r#""Map""#,
    r#""Next""#,
    r#""End""#,
    r#""Default""#,
    r#""Assign""#,
    r#""Output""#,
    r#""Arguments""#,
    r#""Condition""#,
    r#""Items""#,
    r#""ItemSelector""#,
    r#""ItemProcessor""#,
    r#""ProcessorConfig""#,
    r#""Branches""#,
    r#""Choices""#,
    r#""Retry""#,
    r#""Catch""#,
    r#""ErrorEquals""#,
    r#""States.ALL""#,
    r#""States.TaskFailed""#,
    r#""States.Timeout""#,
    r#""States.Runtime""#,
    r#""Seconds""#,
    r#""Timestamp""#,
    r#""2026-01-01T00:00:30Z""#,
    r#""TimeoutSeconds""#,
    r#""HeartbeatSeconds""#,
    r#""MaxConcurrency""#,
    r#""ToleratedFailureCount""#,
    r#""ToleratedFailurePercentage""#,
    r#""Error""#,
    r#""Cause""#,
    r#""Return""#,
    r#""Credentials""#,
    r#"{"Type":"Pass","End":true}"#,
    r#"{"Type":"Fail","Error":"E"}"#,
    r#"{"Type":"Succeed"}"#,
    r#"{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"}"#,
    r#"{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","End":true}"#,
    r#"{"Type":"Wait","Seconds":1,"Next":"A"}"#,
    r#"{"StartAt":"A","States":{"A":{"Type":"Pass","End":true}}}"#,
    r#"{"StartAt":"B","States":{"B":{"Type":"Fail"}}}"#,
    r#"[{"ErrorEquals":["States.ALL"],"Next":"A"}]"#,
    r#"[{"ErrorEquals":["States.ALL"],"MaxAttempts":3,"IntervalSeconds":1}]"#,
    r#"{"ErrorEquals":["E"],"BackoffRate":2.5,"MaxDelaySeconds":5,"JitterStrategy":"FULL"}"#,
    r#"{"Error":"E","Cause":"c","Seconds":2}"#,
    r#""{% $states.input %}""#,
    r#""{% $states.result %}""#,
    r#""{% $states.errorOutput %}""#,
    r#""{% $states.context %}""#,
    r#""{% $states.context.Map.Item.Value %}""#,
    r#""{% $states.context.State.RetryCount %}""#,
    r#""{% $a %}""#,
    r#""{% $a + 1 %}""#,
    r#""{% true %}""#,
    r#""{% [1..3] %}""#,
    r#""{% $nothing %}""#,
    r#""{% $error('x') %}""#,
    r#""{% $pad('', 300000) %}""#,
];

/// One execution.
struct Run {
    outcome: ExecutionOutcome,
    events: Vec<HistoryEvent>,
    called: Vec<String>,
    /// Whether it took too long, so that another time it might end elsewhere.
    is_late: bool,
}

impl Run {
    fn of(definition: &Definition, case: &Case) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let stop = CancellationToken::new();
        let history = History { events: Mutex::default(), stop: stop.clone(), started: Instant::now() };
        let tasks = Tasks { tries: &case.tasks, called: Mutex::default(), next: AtomicUsize::new(0) };
        let context = ExecutionContext::default();
        let seams = Seams { seed: Some(1), started_at: Some(jiff::Timestamp::UNIX_EPOCH) };
        let run = interpret_with(definition, case.input.clone(), &context, &tasks, &history, &stop, seams);
        let outcome = runtime.block_on(run);
        let is_late = history.started.elapsed() >= PATIENCE;
        let inner = |poisoned: PoisonError<_>| poisoned.into_inner();
        let events = history.events.into_inner().unwrap_or_else(inner);
        Self { outcome, events, called: tasks.called.into_inner().unwrap_or_default(), is_late }
    }

    /// What holds of all histories.
    fn check(&self) {
        let events = &self.events;
        for (at, event) in events.iter().enumerate() {
            assert_eq!(event.id, at as u64 + 1, "events are counted");
            assert!(event.previous_id < event.id, "what led to an event comes first: {event:?}");
            assert!(at == 0 || events[at - 1].timestamp <= event.timestamp, "time goes on: {event:?}");
            event.to_json();
        }
        assert_eq!(events.first().map(|event| event.kind), Some("ExecutionStarted"));
        let last = match &self.outcome {
            ExecutionOutcome::Succeeded { output } => {
                assert!(
                    output.to_string().len() <= bunsui::state_machine::PAYLOAD_LIMIT,
                    "the output is too large"
                );
                "ExecutionSucceeded"
            }
            ExecutionOutcome::Failed { .. } => "ExecutionFailed",
            ExecutionOutcome::TimedOut => "ExecutionTimedOut",
            ExecutionOutcome::Aborted => "ExecutionAborted",
        };
        assert_eq!(events.last().map(|event| event.kind), Some(last));
        let ends = |event: &&HistoryEvent| {
            matches!(
                event.kind,
                "ExecutionSucceeded" | "ExecutionFailed" | "ExecutionTimedOut" | "ExecutionAborted"
            )
        };
        assert_eq!(events.iter().filter(ends).count(), 1, "an execution ends once");
    }
}

/// Keeps events, and stops what does not end.
struct History {
    events: Mutex<Vec<HistoryEvent>>,
    stop: CancellationToken,
    started: Instant,
}

impl Observer for History {
    fn event(&self, event: HistoryEvent) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.push(event);
        if events.len() >= MOST_EVENTS || self.started.elapsed() >= PATIENCE {
            self.stop.cancel();
        }
    }
}

struct Tasks<'a> {
    tries: &'a [Try],
    called: Mutex<Vec<String>>,
    next: AtomicUsize,
}

#[async_trait]
impl TaskHandler for Tasks<'_> {
    async fn run(&self, call: TaskCall<'_>) -> Result<Json, TaskFailure> {
        assert!(call.try_number > 0);
        self.called.lock().unwrap_or_else(PoisonError::into_inner).push(call.state.to_owned());
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let Some(this) = next.checked_rem(self.tries.len()).map(|at| &self.tries[at]) else {
            return Ok(call.arguments);
        };
        tokio::select! {
            () = call.cancelled.cancelled() => {}
            () = tokio::time::sleep(Duration::from_secs(u64::from(this.seconds))) => {}
        }
        match &this.error {
            Some(error) => Err(TaskFailure { error: error.clone(), cause: this.cause.clone() }),
            None => Ok(this.returns.clone()),
        }
    }
}
