//! A pipeline and its parameters to what a session will do.
//!
//! Takes: a pipeline, its state machines and what was given for its parameters. Gives: a [`Plan`], from which each
//! job's condition and execution input follow as pure functions of stored outputs.
//! Deliberately does not: start anything, or know where outputs are stored.

mod input;
mod parameters;

pub use input::{InputError, Outputs, SessionFacts};
pub use parameters::{Given, GivenValue, Parameters, resolve_parameters};

use crate::expression::{EvaluationError, Root, evaluate};
use crate::pipeline::Pipeline;
use crate::state_machine::{InputNeeds, StateMachine};
use serde_json::Value as Json;
use std::collections::HashSet;
use std::sync::Arc;

/// What a session will do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The pipeline.
    pub pipeline: Arc<Pipeline>,
    /// One a job, in the order of the file.
    pub machines: Vec<Arc<StateMachine>>,
    /// Values of the parameters.
    pub parameters: Parameters,
    conditions: Vec<Option<Condition>>,
    outputs_read: HashSet<String>,
}

/// A job's `when`, ready to be evaluated.
#[derive(Debug, Clone)]
struct Condition {
    compiled: Json,
    needs: InputNeeds,
}

/// A job's condition gave no boolean.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// It could not be evaluated.
    #[error("`when` could not be evaluated: {0}")]
    Evaluation(#[from] EvaluationError),
    /// It gave something else.
    #[error("`when` gave `{0}`, not a boolean")]
    NotBoolean(String),
}

/// Makes a plan of all jobs of a pipeline.
pub fn plan(pipeline: Arc<Pipeline>, machines: Vec<StateMachine>, parameters: Parameters) -> Plan {
    let conditions: Vec<Option<Condition>> = pipeline
        .jobs
        .values()
        .map(|job| {
            job.when.as_ref().map(|when| Condition {
                compiled: when.compile(&|name| name.to_owned()),
                needs: InputNeeds::of(&when.references(), std::iter::empty(), &job.depends_on),
            })
        })
        .collect();
    let needs = machines.iter().map(|machine| &machine.needs);
    let outputs_read = needs
        .chain(conditions.iter().flatten().map(|condition| &condition.needs))
        .flat_map(|needs| needs.jobs.keys().cloned())
        .collect();
    let machines = machines.into_iter().map(Arc::new).collect();
    Plan { pipeline, machines, parameters, conditions, outputs_read }
}

impl Plan {
    /// Whether a job's `when` lets it run; true where it has none. `outputs` holds those of final jobs.
    pub fn condition(
        &self,
        job: usize,
        outputs: &dyn Outputs,
        facts: &SessionFacts,
    ) -> Result<bool, ConditionError> {
        let Some(condition) = &self.conditions[job] else { return Ok(true) };
        let bindings = input::assemble(&condition.needs, self, outputs, facts, None);
        let empty = Json::Object(serde_json::Map::new());
        let bindings: Vec<(&str, &Json)> =
            Root::ALL.iter().map(|root| (root.name(), bindings.get(root.name()).unwrap_or(&empty))).collect();
        match evaluate(&condition.compiled, &bindings)? {
            Json::Bool(value) => Ok(value),
            other => Err(ConditionError::NotBoolean(other.to_string())),
        }
    }

    /// Whether any job reads the output of `job`, so that it must be at hand.
    pub fn is_output_read(&self, job: &str) -> bool {
        self.outputs_read.contains(job)
    }
}
