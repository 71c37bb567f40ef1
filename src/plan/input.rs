//! What an execution's input is made of.

use super::Plan;
use crate::state_machine::{InputNeeds, PAYLOAD_LIMIT};
use serde_json::{Map, Value as Json, json};
use std::sync::Arc;

/// Outputs of final jobs; a job that did not succeed has none.
pub trait Outputs {
    /// The output of a job.
    fn output(&self, job: &str) -> Option<Arc<Json>>;
}

/// What `${session…}` and `${pipeline…}` refer to.
#[derive(Debug, Clone)]
pub struct SessionFacts {
    /// `session.id`
    pub id: String,
    /// `session.started_at`, RFC 3339.
    pub started_at: String,
    /// `pipeline.name`
    pub pipeline: String,
    /// `pipeline.version`
    pub version: String,
}

/// An execution's input is over the limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the input of job `{job}` is {size} bytes, over Step Functions' limit of {PAYLOAD_LIMIT}; \
     the largest part is `${{{largest}}}` with {largest_size} bytes"
)]
pub struct InputError {
    /// The job.
    pub job: String,
    /// Of the whole input.
    pub size: usize,
    /// The reference that brings most.
    pub largest: String,
    /// Its size.
    pub largest_size: usize,
}

impl Plan {
    /// The input of a job's execution: only what the job refers to. `places` is where it may leave objects
    /// (`s3://<bucket>/outputs/…`).
    pub fn execution_input(
        &self,
        job: usize,
        outputs: &dyn Outputs,
        facts: &SessionFacts,
        places: &str,
    ) -> Result<Json, InputError> {
        let input = assemble(&self.machines[job].needs, self, outputs, facts, Some(places));
        let input = Json::Object(input);
        let size = input.to_string().len();
        if size <= PAYLOAD_LIMIT {
            return Ok(input);
        }
        let (largest, largest_size) = largest_part(&input);
        Err(InputError { job: self.pipeline.jobs[job].id.to_string(), size, largest, largest_size })
    }
}

pub(super) fn assemble(
    needs: &InputNeeds,
    plan: &Plan,
    outputs: &dyn Outputs,
    facts: &SessionFacts,
    places: Option<&str>,
) -> Map<String, Json> {
    let mut input = Map::new();
    for variable in needs.parts() {
        let value = match variable {
            "params" => params(needs, plan),
            "jobs" => needs
                .jobs
                .iter()
                .map(|(job, members)| {
                    let output = outputs.output(job);
                    (job.clone(), output.map_or(Json::Null, |output| members.project(&output)))
                })
                .collect(),
            "session" => fields(&needs.session, &[("id", &facts.id), ("started_at", &facts.started_at)]),
            "pipeline" => fields(&needs.pipeline, &[("name", &facts.pipeline), ("version", &facts.version)]),
            _ => json!({"outputs": places.unwrap_or_default()}),
        };
        input.insert(variable.to_owned(), value);
    }
    input
}

fn params(needs: &InputNeeds, plan: &Plan) -> Json {
    let is_wanted =
        |name: &str| needs.params.contains(name) || (needs.whole && !plan.parameters.secrets.contains(name));
    plan.parameters
        .values
        .iter()
        .filter(|(name, _)| is_wanted(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn fields(wanted: &std::collections::BTreeSet<String>, known: &[(&str, &String)]) -> Json {
    known
        .iter()
        .filter(|(name, _)| wanted.contains(*name))
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect()
}

fn largest_part(input: &Json) -> (String, usize) {
    let mut parts = Vec::new();
    for root in ["params", "jobs"] {
        for (name, value) in input.get(root).and_then(Json::as_object).into_iter().flatten() {
            let path = format!("{root}.{name}");
            match value.as_object().filter(|_| root == "jobs") {
                Some(members) => {
                    for (member, value) in members {
                        parts.push((format!("{path}.{member}"), value.to_string().len()));
                    }
                }
                None => parts.push((path, value.to_string().len())),
            }
        }
    }
    parts.into_iter().max_by_key(|(_, size)| *size).unwrap_or_default()
}
