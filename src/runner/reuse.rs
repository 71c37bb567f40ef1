//! Outputs that a part of a pipeline takes from an earlier session.

use super::port::{SessionStore, StoreError};
use crate::plan::Plan;
use crate::session::{JobRecord, JobStatus, SessionId};
use std::collections::HashMap;

/// An output that cannot be taken.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ReuseError {
    /// No session was named.
    #[error("job `{reader}` reads the output of `{job}`, which is not part of this run")]
    #[diagnostic(
        code("bunsui::session::outputs_needed"),
        help(
            "take it from an earlier session: `--outputs-of last`; or run it too: `--only {job}`, `--from {job}`"
        )
    )]
    Needed {
        /// Whose output is read.
        job: String,
        /// Who reads it.
        reader: String,
    },
    /// It is not there.
    #[error(
        "job `{reader}` reads the output of `{job}`, which session {session} does not have: there it {what}"
    )]
    #[diagnostic(
        code("bunsui::session::output_missing"),
        help("name a session in which it succeeded, or run it too: `--only {job}`, `--from {job}`")
    )]
    Missing {
        /// Whose output is read.
        job: String,
        /// Who reads it.
        reader: String,
        /// The session.
        session: SessionId,
        /// What it did there.
        what: String,
    },
    /// The store failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
}

/// Records of the jobs outside of the plan's selection whose outputs are read, taken from another session; those that are
/// `there` already are left out. A job that was skipped has no output, and gives none here either.
pub async fn reused_outputs(
    plan: &Plan,
    from: Option<(&SessionId, &dyn SessionStore)>,
    there: &[JobRecord],
) -> Result<Vec<JobRecord>, ReuseError> {
    let is_there = |key: &str| there.iter().any(|record| record.job_key == key);
    let key = |job: usize| plan.pipeline.jobs[job].id.to_string();
    let needed: Vec<(String, String)> = plan
        .read_from_outside()
        .into_iter()
        .map(|(job, reader)| (key(job), key(reader)))
        .filter(|(job, _)| !is_there(job))
        .collect();
    let Some((job, reader)) = needed.first().cloned() else { return Ok(Vec::new()) };
    let Some((from, store)) = from else { return Err(ReuseError::Needed { job, reader }) };
    let mut records: HashMap<String, JobRecord> =
        store.jobs(from).await?.into_iter().map(|record| (record.job_key.clone(), record)).collect();
    let mut reused = Vec::with_capacity(needed.len());
    for (job, reader) in needed {
        match records.remove(&job) {
            Some(record) if record.status == JobStatus::Succeeded && record.output.is_some() => {
                reused.push(JobRecord {
                    status: JobStatus::Succeeded,
                    output: record.output,
                    reused_from: Some(from.clone()),
                    ..JobRecord::pending(&job)
                });
            }
            Some(record) if record.status == JobStatus::Skipped => {}
            other => {
                let what = match other {
                    Some(record) => format!("is {}", record.status),
                    None => "has not run".to_owned(),
                };
                return Err(ReuseError::Missing { job, reader, session: from.clone(), what });
            }
        }
    }
    Ok(reused)
}
