//! What a test says of an execution: how long it takes, through which states it goes, how it ends.

use serde_json::Value as Json;
use std::time::Duration;

/// An execution that starts, or is redriven: what a script can be chosen by.
#[derive(Debug, Clone)]
pub struct Started {
    /// Its ARN.
    pub arn: String,
    /// The name of its state machine.
    pub machine: String,
    /// The version that it was started by; none: by the state machine's own ARN.
    pub version: Option<u32>,
    /// Its name.
    pub name: String,
    /// Its input.
    pub input: Json,
    /// The definition that it runs.
    pub definition: Json,
    /// How often it was redriven, this time included.
    pub redrives: u32,
}

/// What becomes of it.
#[derive(Debug, Clone)]
pub struct Script {
    /// How long it takes, in the stand-in's time.
    pub duration: Duration,
    /// How it ends.
    pub end: End,
    /// The states that it enters, in order; it fails in the last one. Where there are none, it is in `StartAt` of the definition, and
    /// once redriven, where it ended before.
    pub states: Vec<String>,
    /// So many tries of the last state failed before the one that counts: three events each, four of tasks that are submitted.
    pub failed_tries: usize,
    /// What the service answered that tasks with a Resource in `.sync` were submitted to, such as ECS with a task's ARN.
    pub submission: Json,
}

/// How an execution ends.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// With an output.
    Succeeded(Json),
    /// With an error and its cause; a Fail state need have neither.
    Failed {
        /// Its name, such as `States.TaskFailed`.
        error: Option<String>,
        /// More about it.
        cause: Option<String>,
    },
    /// The state machine's `TimeoutSeconds` have passed.
    TimedOut,
    /// Somebody stopped it.
    Aborted,
}

impl Script {
    /// It ends in a certain way after a while.
    pub fn new(duration: Duration, end: End) -> Self {
        Self { duration, end, states: Vec::new(), failed_tries: 0, submission: empty() }
    }

    /// It succeeds.
    pub fn succeeded(duration: Duration, output: Json) -> Self {
        Self::new(duration, End::Succeeded(output))
    }

    /// It fails.
    pub fn failed(duration: Duration, error: &str, cause: &str) -> Self {
        Self::new(duration, End::Failed { error: Some(error.to_owned()), cause: Some(cause.to_owned()) })
    }

    /// It runs until somebody stops it.
    pub fn endless() -> Self {
        Self::new(Duration::MAX, End::Aborted)
    }

    /// It goes through these states.
    #[must_use]
    pub fn through<S: Into<String>>(mut self, states: impl IntoIterator<Item = S>) -> Self {
        self.states = states.into_iter().map(Into::into).collect();
        self
    }

    /// The last state is tried so often in vain before.
    #[must_use]
    pub fn after_failed_tries(mut self, tries: usize) -> Self {
        self.failed_tries = tries;
        self
    }

    /// Submitted tasks were answered with this.
    #[must_use]
    pub fn submitted(mut self, answer: Json) -> Self {
        self.submission = answer;
        self
    }
}

/// Succeeds after a second with an empty object.
impl Default for Script {
    fn default() -> Self {
        Self::succeeded(Duration::from_secs(1), empty())
    }
}

fn empty() -> Json {
    Json::Object(serde_json::Map::new())
}
