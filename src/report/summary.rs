//! A session in short: what each job did.

use super::text::{between, value_line};
use crate::session::{JobRecord, JobStatus, OutputRecord, SessionId, SessionRecord};
use serde::Serialize;
use serde_json::Value as Json;

/// Jobs up to this number are all listed; of more, those that did not succeed.
const MOST_LISTED: usize = 40;

/// A session as `--output json` prints it.
#[derive(Debug, Clone, Serialize)]
pub struct SessionView<'a> {
    /// The session itself.
    #[serde(flatten)]
    pub session: &'a SessionRecord,
    /// From start to end, in milliseconds; none before the end.
    pub duration_ms: Option<i64>,
    /// Its jobs, in the order of the file.
    pub job_records: Vec<JobView<'a>>,
}

/// A job in it.
#[derive(Debug, Clone, Serialize)]
pub struct JobView<'a> {
    /// The job itself.
    #[serde(flatten)]
    pub job: &'a JobRecord,
    /// From start to end, in milliseconds.
    pub duration_ms: Option<i64>,
}

impl<'a> SessionView<'a> {
    /// Of a session and its jobs.
    pub fn new(session: &'a SessionRecord, jobs: &'a [JobRecord]) -> Self {
        let span = |from: Option<jiff::Timestamp>, to: Option<jiff::Timestamp>| {
            from.zip(to).map(|(from, to)| to.as_millisecond() - from.as_millisecond())
        };
        Self {
            session,
            duration_ms: span(session.started_at, session.ended_at),
            job_records: jobs
                .iter()
                .map(|job| JobView { job, duration_ms: span(job.started_at, job.ended_at) })
                .collect(),
        }
    }
}

/// The summary for people: a line a job, then the counts.
pub fn render(session: &SessionRecord, jobs: &[JobRecord], width: usize) -> String {
    let mut text = format!("\nsession {} {}", session.session_id, session.status.name().replace('_', " "));
    if let Some((from, to)) = session.started_at.zip(session.ended_at) {
        text.push_str(&format!(" in {}", between(from, to)));
    }
    text.push_str("\n\n");
    let listed: Vec<&JobRecord> = if jobs.len() <= MOST_LISTED {
        jobs.iter().collect()
    } else {
        jobs.iter().filter(|job| job.status != JobStatus::Succeeded).take(MOST_LISTED).collect()
    };
    let longest = listed.iter().map(|job| job.job_key.chars().count()).max().unwrap_or(0);
    for job in &listed {
        text.push_str(&job_line(job, longest, width));
    }
    if listed.len() < jobs.len() {
        text.push_str(&format!(
            "  and {} more (bunsui session show {})\n",
            jobs.len() - listed.len(),
            session.session_id
        ));
    }
    if !listed.is_empty() {
        text.push('\n');
    }
    text.push_str(&counts(jobs));
    text.push('\n');
    text
}

fn job_line(job: &JobRecord, longest: usize, width: usize) -> String {
    let took = match (job.started_at, job.ended_at) {
        (Some(from), Some(to)) => between(from, to),
        _ => "-".into(),
    };
    let head = format!("  {:longest$}  {:15}  {took:>7}  ", job.job_key, job.status.name().replace('_', " "));
    let room = width.saturating_sub(head.chars().count()).max(20);
    let tail = match (&job.output, &job.failure, &job.reason) {
        (Some(_), ..) if job.reused_from.is_some() => {
            format!("output of session {}", job.reused_from.as_ref().map_or("", SessionId::as_str))
        }
        (Some(OutputRecord::Inline(output)), ..) => value_line(output, room),
        (Some(OutputRecord::Object { key, size }), ..) => format!("{size} bytes in {key}"),
        (None, Some(failure), _) => {
            let text = failure.summary.as_ref().or(failure.error.as_ref());
            value_line(&Json::from(text.cloned().unwrap_or_default()), room)
        }
        (None, None, Some(reason)) => value_line(&Json::from(reason.clone()), room),
        (None, None, None) => String::new(),
    };
    format!("{}\n", format!("{head}{tail}").trim_end())
}

/// `7 jobs: 5 succeeded, 1 failed, 1 skipped`
pub fn counts(jobs: &[JobRecord]) -> String {
    let order = [
        JobStatus::Succeeded,
        JobStatus::Failed,
        JobStatus::TimedOut,
        JobStatus::Cancelled,
        JobStatus::UpstreamFailed,
        JobStatus::Skipped,
        JobStatus::Running,
        JobStatus::Pending,
    ];
    let own = || jobs.iter().filter(|job| job.reused_from.is_none());
    let parts: Vec<String> = order
        .into_iter()
        .map(|status| (status, own().filter(|job| job.status == status).count()))
        .filter(|(_, count)| *count > 0)
        .map(|(status, count)| format!("{count} {}", status.name().replace('_', " ")))
        .collect();
    let count = own().count();
    let text = format!("{count} job{}: {}", if count == 1 { "" } else { "s" }, parts.join(", "));
    match jobs.len() - count {
        0 => text,
        1 => text + "; 1 output reused",
        reused => format!("{text}; {reused} outputs reused"),
    }
}
