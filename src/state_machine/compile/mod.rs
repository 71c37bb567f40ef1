//! Pipeline to one definition a job.
//!
//! Takes: a validated pipeline and the catalogue, which says what each operation compiles to. Gives: definitions that
//! are the same bytes each time, and what each needs in its execution's input.
//! Deliberately does not: use parameter values; they reach an execution through its input.

mod fragment;
mod needs;

pub use needs::{InputNeeds, Members};

use super::Definition;
use super::definition_text;
use crate::expression::{Reference, Root, Template};
use crate::pipeline::{
    CatalogueError, Fragment, FragmentRequest, Job, Operation, OperationCatalogue, Pipeline,
};
use indexmap::IndexMap;
use serde_json::{Map, Value as Json, json};
use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};

/// The state that assigns what a job refers to from its execution's input.
pub const INPUT_STATE: &str = "bunsui.input";
/// The state that makes a job's `output`.
pub const OUTPUT_STATE: &str = "bunsui.output";

/// A job's compiled definition.
#[derive(Debug, Clone)]
pub struct StateMachine {
    /// As Step Functions takes it.
    pub definition: Json,
    /// State name to the operation (its index in the job) and the plugin's own name of the state. States of the
    /// compiler's own are not among them.
    pub states: IndexMap<String, (usize, String)>,
    /// Each operation's keys, with every reference turned into JSONata: what its plugin was given.
    pub keys: Vec<Json>,
    /// What an execution's input must hold.
    pub needs: InputNeeds,
}

impl StateMachine {
    /// The definition's text, the same bytes each time.
    pub fn text(&self) -> String {
        definition_text(&self.definition)
    }
}

/// Each operation with its job, and with its keys as [`StateMachine::keys`] has them; `machines` are those of the pipeline's jobs.
pub fn operations_with_keys<'a>(
    pipeline: &'a Pipeline,
    machines: &'a [impl Borrow<StateMachine>],
) -> impl Iterator<Item = (&'a Job, &'a Operation, &'a Json)> {
    pipeline.jobs.values().zip(machines).flat_map(|(job, machine)| {
        job.operations.iter().zip(&machine.borrow().keys).map(move |(operation, keys)| (job, operation, keys))
    })
}

/// A pipeline could not be compiled.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum CompileError {
    /// A plugin failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Catalogue(#[from] CatalogueError),
    /// A plugin's states cannot be put into a definition.
    #[error("the states that operation type `{kind}` gave for `{job}.{operation}` cannot be used: {reason}")]
    #[diagnostic(
        code("bunsui::plugin::unusable_states"),
        help("this is a fault of the plugin that provides `{kind}`: tell its authors")
    )]
    Fragment {
        /// The operation type.
        kind: String,
        /// The job.
        job: String,
        /// The operation.
        operation: String,
        /// What is wrong with them.
        reason: String,
    },
}

/// Compiles every job, in the order of the file. The catalogue is asked once, for all operations together.
pub fn compile(
    pipeline: &Pipeline,
    catalogue: &dyn OperationCatalogue,
) -> Result<Vec<StateMachine>, CompileError> {
    let variables: Vec<BTreeMap<String, String>> = pipeline.jobs.values().map(operation_variables).collect();
    let mut requests = Vec::new();
    for (job, variables) in pipeline.jobs.values().zip(&variables) {
        for operation in &job.operations {
            requests.push(fragment_request(job, operation, variables));
        }
    }
    let mut answers = requests.iter().zip(catalogue.fragments(&requests)?);
    pipeline
        .jobs
        .values()
        .zip(&variables)
        .map(|(job, variables)| {
            let parts: Vec<_> = answers.by_ref().take(job.operations.len()).collect();
            compile_job(pipeline, job, variables, parts)
        })
        .collect()
}

fn fragment_request(
    job: &Job,
    operation: &Operation,
    variables: &BTreeMap<String, String>,
) -> FragmentRequest {
    let keys = operation
        .keys
        .iter()
        .map(|(key, template)| (key.clone(), template.compile(&|name| variable_of(variables, name))))
        .collect::<Map<_, _>>();
    FragmentRequest {
        kind: operation.kind.clone(),
        job: job.id.to_string(),
        operation: operation.name.to_string(),
        keys: Json::Object(keys),
    }
}

/// One variable an operation: a variable holds at most 256 KiB, so a shared one would bound their sum.
fn operation_variables(job: &Job) -> BTreeMap<String, String> {
    let mut taken = BTreeSet::new();
    let mut variables = BTreeMap::new();
    for operation in &job.operations {
        let mut variable = format!("operation_{}", operation.name.as_str().replace('-', "_"));
        while !taken.insert(variable.clone()) {
            variable.push('_');
        }
        variables.insert(operation.name.to_string(), variable);
    }
    variables
}

fn variable_of(variables: &BTreeMap<String, String>, operation: &str) -> String {
    variables.get(operation).cloned().unwrap_or_else(|| format!("operation_{operation}"))
}

fn compile_job(
    pipeline: &Pipeline,
    job: &Job,
    variables: &BTreeMap<String, String>,
    parts: Vec<(&FragmentRequest, Fragment)>,
) -> Result<StateMachine, CompileError> {
    let references: Vec<&Reference> = job
        .operations
        .iter()
        .flat_map(|operation| operation.keys.values())
        .chain(job.output.as_ref())
        .flat_map(Template::references)
        .collect();
    let needs = InputNeeds::of(&references, parts.iter().map(|(_, fragment)| fragment), &job.depends_on);
    let later = members_read(&references);

    let mut machine =
        StateMachine { definition: Json::Null, states: IndexMap::new(), keys: Vec::new(), needs };
    let mut states = Map::new();
    let entries: Vec<String> = job.operations.iter().map(|operation| operation.name.to_string()).collect();
    for (index, (request, fragment)) in parts.into_iter().enumerate() {
        let next = match entries.get(index + 1) {
            Some(next) => Some(next.as_str()),
            None => job.output.is_some().then_some(OUTPUT_STATE),
        };
        let operation = &job.operations[index];
        let assign = later.get(operation.name.as_str()).map(|members| fragment::Assign {
            variable: variable_of(variables, operation.name.as_str()),
            members: members.clone(),
        });
        let placed = fragment::place(operation, fragment, next, assign.as_ref()).map_err(|reason| {
            CompileError::Fragment {
                kind: operation.kind.clone(),
                job: job.id.to_string(),
                operation: operation.name.to_string(),
                reason,
            }
        })?;
        for (name, own_name, state) in placed {
            machine.states.insert(name.clone(), (index, own_name));
            if let Some(state) = state {
                states.insert(name, state);
            }
        }
        machine.keys.push(request.keys.clone());
    }
    machine.definition = definition(pipeline, job, variables, &machine.needs, &entries[0], states);
    check(&machine, job)?;
    Ok(machine)
}

/// What bunsui writes is right; what a plugin wrote may be refused by Step Functions.
fn check(machine: &StateMachine, job: &Job) -> Result<(), CompileError> {
    let Err(problems) = Definition::parse(&machine.definition) else { return Ok(()) };
    for problem in problems {
        let state = problem.pointer.split('/').nth(2).unwrap_or_default();
        let state = state.replace("~1", "/").replace("~0", "~");
        let Some((index, own_name)) = machine.states.get(&state) else { continue };
        let operation = &job.operations[*index];
        return Err(CompileError::Fragment {
            kind: operation.kind.clone(),
            job: job.id.to_string(),
            operation: operation.name.to_string(),
            reason: format!("{} in state `{own_name}`", problem.message),
        });
    }
    Ok(())
}

fn definition(
    pipeline: &Pipeline,
    job: &Job,
    variables: &BTreeMap<String, String>,
    needs: &InputNeeds,
    first: &str,
    operation_states: Map<String, Json>,
) -> Json {
    let assigned = &needs.variables;
    let mut states = Map::new();
    if !assigned.is_empty() {
        let assign: Map<String, Json> = assigned
            .iter()
            .map(|name| ((*name).to_owned(), json!(format!("{{% $states.input.{name} %}}"))))
            .collect();
        states.insert(INPUT_STATE.into(), json!({"Type": "Pass", "Assign": assign, "Next": first}));
    }
    states.extend(operation_states);
    if let Some(output) = &job.output {
        let output = output.compile(&|name| variable_of(variables, name));
        states.insert(OUTPUT_STATE.into(), json!({"Type": "Pass", "Output": output, "End": true}));
    }
    let mut definition = Map::new();
    let comment = match &job.description {
        Some(description) => format!("{}/{}: {description}", pipeline.name, job.id),
        None => format!("{}/{}", pipeline.name, job.id),
    };
    definition.insert("Comment".into(), json!(comment));
    definition.insert("QueryLanguage".into(), json!("JSONata"));
    definition.insert("StartAt".into(), json!(if assigned.is_empty() { first } else { INPUT_STATE }));
    if let Some(timeout) = job.timeout {
        definition.insert("TimeoutSeconds".into(), json!(timeout.as_secs()));
    }
    definition.insert("States".into(), Json::Object(states));
    Json::Object(definition)
}

/// What is read of each operation's result by what comes after it.
fn members_read<'a>(references: &[&'a Reference]) -> BTreeMap<&'a str, Members> {
    let mut read: BTreeMap<&str, Members> = BTreeMap::new();
    for reference in references.iter().filter(|reference| reference.root == Root::Operations) {
        if let Some(name) = reference.name() {
            read.entry(name).or_default().add(reference.member());
        }
    }
    read
}

#[cfg(test)]
mod tests;
