//! What a retry runs again, keeps, and leaves: a pure function of the plan and of stored records.

use crate::pipeline::RunIf;
use crate::plan::{Plan, job_index, reached};
use crate::session::{JobRecord, JobStatus};
use std::collections::HashMap;

/// What a retry does with each job, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retry {
    /// They did not succeed, or were named.
    pub again: Vec<String>,
    /// They are downstream of those, and run again though they had succeeded or been skipped.
    pub downstream: Vec<String>,
    /// The session has not had them yet: its pipeline has other jobs now.
    pub new: Vec<String>,
    /// Their outputs are used as they are.
    pub kept: Vec<String>,
    /// They stay as they are, each with its status and why.
    pub left: Vec<(String, JobStatus, &'static str)>,
    /// The pipeline has them no more.
    pub removed: Vec<String>,
}

/// A retry that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum RetryError {
    /// Nothing is to be done.
    #[error("there is nothing to retry: every job succeeded, was skipped, or failed where that is allowed")]
    #[diagnostic(
        code("bunsui::session::nothing_to_retry"),
        help("`--job JOB` runs one job again, and everything downstream of it")
    )]
    Nothing,
    /// A job was named that would not run.
    #[error("job `{job}` would not run: `{upstream}`, which it depends on, is {status}")]
    #[diagnostic(code("bunsui::session::upstream_not_retried"), help("retry that one: `--job {upstream}`"))]
    Upstream {
        /// The job.
        job: String,
        /// What keeps it.
        upstream: String,
        /// How that ended.
        status: JobStatus,
    },
    /// A job was named that the session does not have.
    #[error(transparent)]
    #[diagnostic(transparent)]
    UnknownJob(#[from] crate::plan::NoSuchJob),
    /// A job was named that is outside of the session's part of the pipeline.
    #[error("job `{job}` is not part of the session: it runs a part of the pipeline only")]
    #[diagnostic(
        code("bunsui::session::outside_of_slice"),
        help("`bunsui session show` lists its jobs; to run others: bunsui run FILE --only {job}")
    )]
    Outside {
        /// The job.
        job: String,
    },
}

impl Retry {
    /// `named` are the jobs of `--job`; empty: all that did not succeed. `retry` is the go that begins. A retry that was cut
    /// off while it set jobs back comes to the same when it is asked for again.
    pub fn of(plan: &Plan, records: &[JobRecord], named: &[String], retry: u32) -> Result<Self, RetryError> {
        let by_key: HashMap<&str, &JobRecord> =
            records.iter().map(|record| (record.job_key.as_str(), record)).collect();
        let pipeline = &plan.pipeline;
        let mut named_jobs = vec![false; pipeline.jobs.len()];
        for name in named {
            let job = job_index(pipeline, name)?;
            if !plan.selection.has(job) {
                return Err(RetryError::Outside { job: name.clone() });
            }
            named_jobs[job] = true;
        }
        let record = |job: usize| by_key.get(pipeline.jobs[job].id.as_str()).copied();
        let is_seed = |job: usize| match record(job) {
            None => true,
            Some(record) if record.status == JobStatus::Pending => true,
            Some(_) if !named.is_empty() => named_jobs[job],
            Some(record) => did_not_succeed(record, pipeline.jobs[job].allow_failure),
        };
        let selected = || (0..pipeline.jobs.len()).filter(|job| plan.selection.has(*job));
        let seeds: Vec<usize> = selected().filter(|job| is_seed(*job)).collect();
        if seeds.is_empty() {
            return Err(RetryError::Nothing);
        }
        let again = reached(&seeds, &pipeline.graph.downstreams);
        let mut found = Self::default();
        for job in selected() {
            let key = pipeline.jobs[job].id.to_string();
            match record(job) {
                None => found.new.push(key),
                Some(record) if again[job] => {
                    let is_own = seeds.binary_search(&job).is_ok() && record.retry < retry
                        || record.status == JobStatus::Pending;
                    if is_own { found.again.push(key) } else { found.downstream.push(key) }
                }
                Some(record) if record.status == JobStatus::Succeeded => found.kept.push(key),
                Some(record) => {
                    let why = why_left(record, pipeline.jobs[job].allow_failure);
                    found.left.push((key, record.status, why));
                }
            }
        }
        found.removed = records
            .iter()
            .filter(|record| !pipeline.jobs.contains_key(record.job_key.as_str()))
            .map(|record| record.job_key.clone())
            .collect();
        found.removed.sort();
        for job in selected().filter(|job| named_jobs[*job]) {
            refuse_if_kept_back(plan, job, &again, &record)?;
        }
        Ok(found)
    }

    /// The jobs whose records are set back: those that ran, or were decided, before.
    pub fn set_back(&self) -> impl Iterator<Item = &String> {
        self.again.iter().chain(&self.downstream)
    }
}

/// A failure that is allowed counts as a success, and one that was stopped or never started was none.
fn did_not_succeed(record: &JobRecord, is_allowed: bool) -> bool {
    match record.status {
        JobStatus::Failed | JobStatus::TimedOut => !is_allowed,
        status => status.is_failure(),
    }
}

fn why_left(record: &JobRecord, is_allowed: bool) -> &'static str {
    match record.status {
        JobStatus::Skipped => "nothing upstream of it runs again",
        _ if is_allowed => "its failure is allowed",
        _ => "it was not named",
    }
}

/// A job that was named shall not be decided at once by an upstream that is not retried.
fn refuse_if_kept_back<'a>(
    plan: &Plan,
    job: usize,
    again: &[bool],
    record: &dyn Fn(usize) -> Option<&'a JobRecord>,
) -> Result<(), RetryError> {
    let pipeline = &plan.pipeline;
    let run_if = pipeline.jobs[job].run_if;
    if matches!(run_if, RunIf::Always | RunIf::AnyFailed) {
        return Ok(());
    }
    let keeps_back = |upstream: &&usize| {
        let is_allowed = pipeline.jobs[**upstream].allow_failure;
        record(**upstream).is_some_and(|record| match record.status {
            JobStatus::Skipped => run_if == RunIf::AllSucceeded,
            status => status.is_failure() && !is_allowed,
        })
    };
    let upstreams = pipeline.graph.upstreams[job].iter();
    let kept_back = upstreams
        .filter(|upstream| plan.selection.has(**upstream) && !again[**upstream])
        .find(keeps_back)
        .and_then(|upstream| Some((*upstream, record(*upstream)?.status)));
    match kept_back {
        None => Ok(()),
        Some((upstream, status)) => Err(RetryError::Upstream {
            job: pipeline.jobs[job].id.to_string(),
            upstream: pipeline.jobs[upstream].id.to_string(),
            status,
        }),
    }
}
