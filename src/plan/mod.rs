//! A pipeline and its parameters to what a session will do.
//!
//! Takes: a pipeline, its state machines and what was given for its parameters. Gives: a [`Plan`], from which each
//! job's condition and execution input follow as pure functions of stored outputs.
//! Deliberately does not: start anything, or know where outputs are stored.

mod input;
mod parameters;
mod selection;

pub use input::{InputError, Outputs, SessionFacts};
pub use parameters::{Given, GivenValue, Parameters, parameter_variable, resolve_parameters};
pub(crate) use selection::reached;
pub use selection::{NoSuchJob, Selection, SelectionError, Slice, job_index};

use crate::expression::{EvaluationError, Root, Template, evaluate};
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
    /// The jobs that run.
    pub selection: Selection,
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

/// Makes a plan of the selected jobs of a pipeline.
pub fn plan(
    pipeline: Arc<Pipeline>,
    machines: Vec<StateMachine>,
    parameters: Parameters,
    selection: Selection,
) -> Plan {
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
    let machines = machines.into_iter().map(Arc::new).collect();
    let mut plan =
        Plan { pipeline, machines, parameters, selection, conditions, outputs_read: HashSet::new() };
    plan.outputs_read = plan.reads().map(|(_, read)| read.to_owned()).collect();
    plan
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

    /// Each selected job with each job whose output it reads.
    fn reads(&self) -> impl Iterator<Item = (usize, &str)> {
        let selected = (0..self.machines.len()).filter(|job| self.selection.has(*job));
        selected.flat_map(|job| {
            let condition = self.conditions[job].iter().flat_map(|condition| condition.needs.jobs.keys());
            self.machines[job].needs.jobs.keys().chain(condition).map(move |read| (job, read.as_str()))
        })
    }

    /// Jobs that are not selected and whose output is read, in the order of the file, each with the first job that reads it.
    pub fn read_from_outside(&self) -> Vec<(usize, usize)> {
        let mut readers = std::collections::BTreeMap::new();
        for (reader, read) in self.reads() {
            if let Some(read) = self.pipeline.jobs.get_index_of(read).filter(|job| !self.selection.has(*job))
            {
                readers.entry(read).or_insert(reader);
            }
        }
        readers.into_iter().collect()
    }

    /// The key of `[pipeline] exclusive`: the pipeline's name, and the value if it gives one. None where it says none.
    pub fn exclusive_key(&self) -> Result<Option<String>, EvaluationError> {
        let Some(exclusive) = &self.pipeline.exclusive else { return Ok(None) };
        let name = self.pipeline.name.as_str();
        if let Template::Literal(Json::Bool(_)) = exclusive {
            return Ok(Some(name.to_owned()));
        }
        let params = Json::Object(self.parameters.without_secrets());
        let pipeline = serde_json::json!({"name": name});
        let bindings = [(Root::Params.name(), &params), (Root::Pipeline.name(), &pipeline)];
        let value = match evaluate(&exclusive.compile(&|name| name.to_owned()), &bindings)? {
            Json::String(text) => text,
            other => other.to_string(),
        };
        Ok(Some(format!("{name}/{}", brief(value))))
    }

    /// Whether any selected job reads the output of `job`, so that it must be at hand.
    pub fn is_output_read(&self, job: &str) -> bool {
        self.outputs_read.contains(job)
    }
}

/// A long value as its beginning and its digest: a store's keys have an end.
fn brief(value: String) -> String {
    use sha2::{Digest, Sha256};
    const MOST: usize = 200;
    if value.len() <= MOST {
        return value;
    }
    let digest: String =
        Sha256::digest(value.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{}#{digest}", value.chars().take(MOST / 4).collect::<String>())
}
