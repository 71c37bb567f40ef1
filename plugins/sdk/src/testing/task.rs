//! A task that is run here.

use super::host::{Call, Line};
use super::{Harness, Said, ask, references};
use crate::export::abi;
use crate::{Stop, TaskFailure};
use serde_json::{Value as Json, json};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// As long as bunsui waits for a task that was told to stop, before it ends the plugin's process.
const GRACE: Duration = Duration::from_secs(10);

/// A task before it is run.
#[derive(Debug)]
pub struct Task<'a> {
    harness: &'a Harness,
    keys: Json,
    state: Option<String>,
    arguments: Option<Json>,
    attempt: u32,
    try_number: u32,
    timeout_seconds: Option<u64>,
    stop: Stop,
    stop_at: Option<String>,
    grace: Duration,
}

/// What a task did.
#[derive(Debug)]
pub struct Ran {
    /// What the service would have given, or why it failed.
    pub result: Result<Json, TaskFailure>,
    /// What it said.
    pub lines: Vec<Line>,
}

impl<'a> Task<'a> {
    pub(super) fn new(harness: &'a Harness, keys: Json) -> Self {
        Self {
            harness,
            keys,
            state: None,
            arguments: None,
            attempt: 1,
            try_number: 1,
            timeout_seconds: None,
            stop: Stop::No,
            stop_at: None,
            grace: GRACE,
        }
    }

    /// Which state; the first if not said.
    #[must_use]
    pub fn state(mut self, state: &str) -> Self {
        self.state = Some(state.to_owned());
        self
    }

    /// The state's evaluated Arguments. If not said they are those that the keys compile to, where no expression is in them.
    #[must_use]
    pub fn arguments(mut self, arguments: impl Into<Json>) -> Self {
        self.arguments = Some(arguments.into());
        self
    }

    /// The job's attempt and the task's try, both from 1.
    #[must_use]
    pub fn attempt(mut self, attempt: u32, try_number: u32) -> Self {
        (self.attempt, self.try_number) = (attempt, try_number);
        self
    }

    /// How long the state may take. Ending it is bunsui's; here nobody does.
    #[must_use]
    pub fn timeout_seconds(mut self, seconds: u64) -> Self {
        self.timeout_seconds = Some(seconds);
        self
    }

    /// Tells it to stop before it begins.
    #[must_use]
    pub fn stopped(mut self, stop: Stop) -> Self {
        self.stop = stop;
        self
    }

    /// Tells it to stop, politely, when it says this line.
    #[must_use]
    pub fn stop_at_line(mut self, message: &str) -> Self {
        self.stop_at = Some(message.to_owned());
        self
    }

    /// How long it may go on after it was told to stop; ten seconds if not said, after which bunsui ends the plugin's process.
    #[must_use]
    pub fn within(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Runs it.
    ///
    /// # Panics
    ///
    /// Where the operation type does, where it goes on too long after it was told to stop, where the line to stop at is never
    /// said, and where arguments are neither given nor known.
    #[track_caller]
    pub fn run(self) -> Ran {
        let call = Arc::new(Call::new(self.stop_at.clone()));
        match self.stop {
            Stop::No => {}
            Stop::Politely => call.stop(abi::STOP),
            Stop::Now => call.stop(abi::STOP_NOW),
        }
        let result = match self.answered(&call) {
            Said::Answer(answer) => read(answer),
            Said::Error(error) => panic!("`run_local` was not understood: {error}"),
            Said::Panic(message) => panic!("the operation type {message}"),
        };
        let lines = call.lines();
        if let Some(line) = self.stop_at {
            let said = lines.iter().map(|line| line.message.as_str()).collect::<Vec<_>>();
            assert!(call.is_stopped(), "`{line}` was never said; these were: {said:?}");
        }
        Ran { result, lines }
    }

    /// In a thread of its own: what does not stop is left behind, and its test fails instead of standing still.
    #[track_caller]
    fn answered(&self, call: &Arc<Call>) -> Said {
        let body = self.request();
        let plugin = self.harness.plugin;
        let (answer, answered) = mpsc::channel();
        let in_thread = Arc::clone(call);
        std::thread::spawn(move || answer.send(ask(&plugin, &body, &in_thread)));
        let mut waited = Duration::ZERO;
        let look = Duration::from_millis(100);
        loop {
            match answered.recv_timeout(look) {
                Ok(said) => return said,
                Err(mpsc::RecvTimeoutError::Disconnected) => panic!("the call ended without an answer"),
                Err(mpsc::RecvTimeoutError::Timeout) if call.is_stopped() => waited += look,
                Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
            let grace = self.grace;
            assert!(waited < grace, "the task goes on {grace:?} after it was told to stop");
        }
    }

    #[track_caller]
    fn request(&self) -> Json {
        let (state, arguments) = match (&self.state, &self.arguments) {
            (Some(state), Some(arguments)) => (state.clone(), arguments.clone()),
            (state, arguments) => self.compiled(state.as_deref(), arguments.as_ref()),
        };
        let directory = self.harness.directory();
        json!({
            "method": "run_local",
            "operation_type": self.harness.operation_type().name(),
            "request": {
                "keys": self.keys, "state": state, "arguments": arguments,
                "directory": directory, "objects": directory.join("objects"),
                "session": "session", "job": "job", "operation": "operation",
                "attempt": self.attempt, "try_number": self.try_number,
                "timeout_seconds": self.timeout_seconds,
            },
        })
    }

    #[track_caller]
    fn compiled(&self, state: Option<&str>, arguments: Option<&Json>) -> (String, Json) {
        let fragment = self.harness.states(self.keys.clone());
        let name = state.unwrap_or(&fragment.start_at).to_owned();
        if let Some(arguments) = arguments {
            return (name, arguments.clone());
        }
        let state = fragment.states.get(&name);
        let state =
            state.unwrap_or_else(|| panic!("there is no state `{name}` among those of {}", self.keys));
        let arguments = state.get("Arguments").cloned().unwrap_or_else(|| json!({}));
        assert!(
            !references::holds_some(&arguments),
            "only a run knows these arguments of state `{name}`; give them evaluated, with `.arguments(…)`: {arguments}"
        );
        (name, arguments)
    }
}

impl Ran {
    /// What the service would have given.
    ///
    /// # Panics
    ///
    /// Where the task failed.
    #[track_caller]
    pub fn output(&self) -> &Json {
        match &self.result {
            Ok(output) => output,
            Err(TaskFailure { error, cause }) => {
                panic!("the task failed with `{error}`: {cause}\nit said {:?}", self.messages())
            }
        }
    }

    /// Why it failed.
    ///
    /// # Panics
    ///
    /// Where it did not.
    #[track_caller]
    pub fn failure(&self) -> &TaskFailure {
        match &self.result {
            Err(failure) => failure,
            Ok(output) => panic!("the task did not fail; it gave {output}"),
        }
    }

    /// The text of each line.
    pub fn messages(&self) -> Vec<&str> {
        self.lines.iter().map(|line| line.message.as_str()).collect()
    }
}

fn read(mut answer: Json) -> Result<Json, TaskFailure> {
    if let Some(failure) = answer.get("failure") {
        return Err(serde_json::from_value(failure.clone()).expect("a failure"));
    }
    Ok(answer["output"].take())
}
