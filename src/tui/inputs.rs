//! What a job refers to, and what of it is known.
//!
//! Deliberately does not: evaluate; what an expression makes of its references is known to its execution alone.

use super::state::Session;
use crate::expression::{Reference, Root, Segment, Template};
use crate::pipeline::{Job, Pipeline};
use crate::session::{JobStatus, OutputRecord};
use serde_json::Value as Json;

/// Something that a job refers to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Input {
    /// `${params.year}`, also where it stands in an expression.
    pub(super) reference: String,
    pub(super) value: Known,
}

/// What is known of a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Known {
    Value(Json),
    /// Why it is not.
    Not(String),
}

/// Of all that a job says, each once, in the order of the file.
pub(super) fn inputs(job: &Job, session: &Session) -> Vec<Input> {
    let Some(pipeline) = &session.pipeline else { return Vec::new() };
    let keys = job.operations.iter().flat_map(|operation| operation.keys.values());
    let references = job.when.iter().chain(keys).chain(&job.output).flat_map(Template::references);
    let mut found: Vec<Input> = Vec::new();
    for reference in references {
        let written = reference.to_string();
        if !found.iter().any(|input| input.reference == written) {
            let value = value(reference, pipeline, session);
            found.push(Input { reference: written, value });
        }
    }
    found
}

fn value(reference: &Reference, pipeline: &Pipeline, session: &Session) -> Known {
    let not = |why: &str| Known::Not(why.to_owned());
    let Some(record) = session.row.as_ref().map(|row| &row.record) else { return not("not known yet") };
    let name = reference.name().unwrap_or_default();
    let value = match (reference.root, name) {
        // `$jobs` as a whole: which of them is decided as it is evaluated.
        (_, "") => return not("a part of it, chosen as it runs"),
        (Root::Params, name) if record.secrets.iter().any(|secret| secret == name) => {
            return not("secret, stored nowhere");
        }
        (Root::Params, name) => match record.parameters.get(name) {
            Some(value) => value.clone(),
            None => return not("not given"),
        },
        (Root::Jobs, name) => match output(name, session) {
            Ok(value) => value,
            Err(why) => return Known::Not(why),
        },
        (Root::Operations, _) => return not("known to its execution alone"),
        (Root::Session, "id") => Json::from(session.id.as_str()),
        (Root::Session, _) => Json::from(record.created_at.to_string()),
        (Root::Pipeline, "name") => Json::from(pipeline.name.as_str()),
        (Root::Pipeline, _) => Json::from(record.version.as_str()),
    };
    follow(&value, &reference.path[1..]).map_or_else(|| not("missing"), |value| Known::Value(value.clone()))
}

fn output(job: &str, session: &Session) -> Result<Json, String> {
    let Some(row) = session.jobs.rows.get(job) else { return Err("not a job of this session".into()) };
    match (&row.record.output, row.record.status) {
        (Some(OutputRecord::Inline(value)), _) => Ok(value.clone()),
        (Some(OutputRecord::Object { key, size }), _) => Err(format!("in {key}, {size} bytes in all")),
        (None, JobStatus::Pending | JobStatus::Running) => Err("not there yet".into()),
        // As its dependants see it.
        (None, _) => Ok(Json::Null),
    }
}

fn follow<'a>(value: &'a Json, path: &[Segment]) -> Option<&'a Json> {
    path.iter().try_fold(value, |value, segment| match segment {
        Segment::Key(key) => value.get(key),
        Segment::Index(index) => {
            let items = value.as_array()?;
            let from_end = usize::try_from(index.unsigned_abs()).ok()?;
            items.get(if *index < 0 { items.len().checked_sub(from_end)? } else { from_end })
        }
    })
}
