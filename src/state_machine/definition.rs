//! The definition's types, read from JSON.
//!
//! Takes: any JSON. Gives: a [`Definition`], or every problem for which Step Functions would refuse to create the state
//! machine, as far as they are known, each with its place.
//! Deliberately does not: evaluate anything, or read JSONPath.

mod check;
mod fields;
mod kinds;
mod read;
mod recovery;

use indexmap::IndexMap;
use serde_json::Value as Json;
use std::time::Duration;

/// A definition that Step Functions would accept, as far as is checked.
#[derive(Debug, Clone)]
pub struct Definition {
    pub(super) machine: Machine,
    /// The machine's own TimeoutSeconds.
    pub(super) timeout: Option<Duration>,
}

/// A definition that would be refused at creation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("{message} at `{pointer}`")]
#[diagnostic(code("bunsui::execution::invalid_definition"))]
pub struct DefinitionError {
    /// JSON pointer of the place.
    pub pointer: String,
    /// One sentence.
    pub message: String,
}

impl Definition {
    /// Reads and checks; gives every problem found.
    pub fn parse(json: &Json) -> Result<Self, Vec<DefinitionError>> {
        let mut problems = fields::Problems::default();
        let definition = read::definition(json, &mut problems);
        match definition {
            Some(definition) if problems.is_empty() => Ok(definition),
            _ => Err(problems.into_vec()),
        }
    }

    /// The names of all Task states, those inside Parallel and Map too.
    pub fn task_states(&self) -> Vec<&str> {
        let mut names = Vec::new();
        self.machine.collect_tasks(&mut names);
        names
    }
}

impl Machine {
    fn collect_tasks<'m>(&'m self, names: &mut Vec<&'m str>) {
        for state in self.states.values() {
            match &state.kind {
                Kind::Task(_) => names.push(&state.name),
                Kind::Parallel { branches, .. } => {
                    branches.iter().for_each(|branch| branch.collect_tasks(names));
                }
                Kind::Map(map) => map.processor.collect_tasks(names),
                Kind::Pass | Kind::Succeed | Kind::Choice(_) | Kind::Wait(_) | Kind::Fail { .. } => {}
            }
        }
    }
}

/// States that lead to one another: the whole definition, a branch, an item processor.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    pub(super) start_at: String,
    pub(super) states: IndexMap<String, State>,
}

/// One state.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) assign: Option<Json>,
    pub(super) output: Option<Json>,
    /// The next state; `None` where the machine ends here (or a Choice has no Default).
    pub(super) next: Option<String>,
    pub(super) recovery: Recovery,
}

/// What is particular to each type.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    Pass,
    Succeed,
    Task(Task),
    Choice(Vec<Rule>),
    Wait(Wait),
    Fail { error: Option<Json>, cause: Option<Json> },
    Parallel { branches: Vec<Machine>, arguments: Option<Json> },
    Map(Box<Map>),
}

impl Kind {
    /// As `Type` has it, which is also how the names of its events begin.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Pass => "Pass",
            Self::Succeed => "Succeed",
            Self::Task(_) => "Task",
            Self::Choice(_) => "Choice",
            Self::Wait(_) => "Wait",
            Self::Fail { .. } => "Fail",
            Self::Parallel { .. } => "Parallel",
            Self::Map(_) => "Map",
        }
    }
}

/// A Task's own fields.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) resource: String,
    pub(super) arguments: Option<Json>,
    pub(super) timeout: Option<Json>,
    pub(super) heartbeat: Option<Json>,
    pub(super) credentials: Option<Json>,
}

/// A rule of a Choice.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) condition: Json,
    pub(super) next: String,
    pub(super) assign: Option<Json>,
    pub(super) output: Option<Json>,
}

/// How long a Wait waits.
#[derive(Debug, Clone)]
pub(super) enum Wait {
    Seconds(Json),
    Timestamp(Json),
}

/// A Map's own fields.
#[derive(Debug, Clone)]
pub(super) struct Map {
    pub(super) items: Option<Json>,
    pub(super) selector: Option<Json>,
    pub(super) processor: Machine,
    pub(super) max_concurrency: Option<Json>,
    /// Each item a child execution of its own, which the history does not show.
    pub(super) is_distributed: bool,
    pub(super) tolerated_count: Option<Json>,
    pub(super) tolerated_percentage: Option<Json>,
}

/// Retry and Catch.
#[derive(Debug, Clone, Default)]
pub(super) struct Recovery {
    pub(super) retry: Vec<Retrier>,
    pub(super) catch: Vec<Catcher>,
}

/// One entry of Retry.
#[derive(Debug, Clone)]
pub(super) struct Retrier {
    pub(super) errors: Vec<String>,
    pub(super) interval: Duration,
    pub(super) max_attempts: u32,
    pub(super) backoff_rate: f64,
    pub(super) max_delay: Option<Duration>,
    pub(super) has_jitter: bool,
}

/// One entry of Catch.
#[derive(Debug, Clone)]
pub(super) struct Catcher {
    /// In the list as written: entries that cannot be read are left out here.
    pub(super) position: usize,
    pub(super) errors: Vec<String>,
    pub(super) next: String,
    pub(super) assign: Option<Json>,
    pub(super) output: Option<Json>,
}

#[cfg(test)]
mod tests;
