//! `bunsui session`: what has run, and a hand on it.

mod list;
mod show;

use super::store::block_on;
use super::{Context, Failure, Outcome, attach, control, retention};
use crate::backend::Stores;
use crate::pipeline::Pipeline;
use crate::report::failure::{self, FailedJob};
use crate::report::summary::{self, SessionView};
use crate::session::{DeploymentRecord, JobRecord, JobStatus, SessionRecord, SessionStatus};
use list::ListArgs;
use serde_json::json;
use show::ShowArgs;
use std::collections::HashMap;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// The newest sessions first
    List(ListArgs),
    /// One session: its jobs, outputs and failures
    Show(ShowArgs),
    /// Follow a session that somebody drives
    Attach(attach::Args),
    /// Go on with a session that is paused, or whose runner died
    Resume(control::ResumeArgs),
    /// Start nothing new; running jobs finish
    Pause(control::PauseArgs),
    /// Stop what runs, and end the session
    Cancel(control::CancelArgs),
    /// Run again what did not succeed, and everything downstream
    Retry(control::RetryArgs),
    /// Delete sessions, with their outputs and log lines
    Delete(retention::DeleteArgs),
    /// Delete sessions that ended long ago
    Prune(retention::PruneArgs),
}

pub(super) fn parse_status(text: &str) -> Result<SessionStatus, String> {
    serde_json::from_value(json!(text)).map_err(|_| {
        "a status is created, running, pausing, paused, cancelling, succeeded, failed, timed_out or cancelled".into()
    })
}

pub(super) fn run(command: &Command, context: &Context) -> Outcome {
    match command {
        Command::List(args) => block_on(list::list(args, context))?,
        Command::Show(args) => block_on(show::show(args, context))?,
        Command::Resume(args) => control::resume(args, context),
        Command::Pause(args) => control::pause(args, context),
        Command::Cancel(args) => control::cancel(args, context),
        Command::Retry(args) => control::retry(args, context),
        Command::Attach(args) => attach::run(args, context),
        Command::Delete(args) => retention::delete(args, context),
        Command::Prune(args) => retention::prune(args, context),
    }
}

/// The pipeline as the session knows it, where failures are to be shown at its lines.
pub(super) fn failed_pipeline(
    jobs: &[JobRecord],
    pinned: Option<DeploymentRecord>,
    context: &Context,
) -> Option<Pipeline> {
    let pinned = pinned.filter(|_| jobs.iter().any(|job| job.failure.is_some()))?;
    let plugins = super::load::find_plugins(context);
    super::load::check(&pinned.file, pinned.text.into_bytes(), &plugins).pipeline
}

/// Ids of the session's jobs in the order of the file. Of a part of a pipeline those that have a record are known: what a
/// part is made of would take the graph.
pub(super) fn job_keys(session: &SessionRecord, pinned: Option<&DeploymentRecord>) -> Vec<String> {
    match (pinned, &session.slice) {
        (Some(pinned), None) => pinned.jobs.clone(),
        _ => Vec::new(),
    }
}

/// The last line of `--output json`; of a session that has ended here, with the place of its report.
pub(super) fn session_line(record: &SessionRecord, jobs: &[JobRecord], report: Option<&str>) -> String {
    let mut line = json!({"event": "session_summary", "session": SessionView::new(record, jobs)});
    if let Some(report) = report {
        line["report"] = json!(report);
    }
    line.to_string()
}

/// The records of a session's jobs in the order of the file; a job without a record is pending.
pub(super) async fn job_records<'a>(
    store: &Stores,
    session: &SessionRecord,
    keys: impl Iterator<Item = &'a str>,
) -> Result<Vec<JobRecord>, Failure> {
    let stored = store.sessions.jobs(&session.session_id).await.map_err(Failure::surroundings)?;
    let mut by_key: HashMap<String, JobRecord> =
        stored.into_iter().map(|job| (job.job_key.clone(), job)).collect();
    let mut jobs: Vec<JobRecord> =
        keys.map(|key| by_key.remove(key).unwrap_or_else(|| JobRecord::pending(key))).collect();
    let mut others: Vec<JobRecord> = by_key.into_values().collect();
    others.sort_by(|a, b| a.job_key.cmp(&b.job_key));
    jobs.extend(others);
    Ok(jobs)
}

/// Prints what a session came to: failures at their lines, then the summary, with the place of its report.
pub(super) fn print_session(
    session: &SessionRecord,
    jobs: &[JobRecord],
    pipeline: Option<&Pipeline>,
    report: Option<&str>,
    context: &Context,
) {
    context.console.talk(rendered(session, jobs, pipeline, report, context).trim_end());
}

/// Failures shown in full; more would bury the first.
const MOST_FAILURES: usize = 10;

fn rendered(
    session: &SessionRecord,
    jobs: &[JobRecord],
    pipeline: Option<&Pipeline>,
    report: Option<&str>,
    context: &Context,
) -> String {
    let mut text = String::new();
    let failed: Vec<&JobRecord> = jobs
        .iter()
        .filter(|job| matches!(job.status, JobStatus::Failed | JobStatus::TimedOut) && job.failure.is_some())
        .collect();
    if let Some(pipeline) = pipeline {
        for job in failed.iter().take(MOST_FAILURES) {
            let Some(failure) = &job.failure else { continue };
            let failed = FailedJob {
                session: session.session_id.as_str(),
                job_key: &job.job_key,
                status: job.status,
                failure,
            };
            text.push('\n');
            text.push_str(&failure::render(failed, pipeline, context.console.colour, context.console.width));
        }
        if failed.len() > MOST_FAILURES {
            text.push_str(&format!("and {} more failed jobs\n", failed.len() - MOST_FAILURES));
        }
    }
    text.push_str(&summary::render(session, jobs, context.console.width));
    if let Some(report) = report {
        text.push_str(&format!("its report: {report}\n"));
    }
    text.push_str(&next_step(session));
    text
}

/// The commands to go on with.
fn next_step(session: &SessionRecord) -> String {
    let id = &session.session_id;
    let logs = format!("its log lines: bunsui logs {id}\n");
    match session.status {
        SessionStatus::Succeeded => logs,
        SessionStatus::Cancelled => {
            format!("{logs}what did not succeed, again: bunsui session retry {id}\n")
        }
        SessionStatus::Paused if control::is_driven(session) => {
            format!("its runner waits; to end the pause: bunsui session resume {id}\n")
        }
        SessionStatus::Failed | SessionStatus::TimedOut => format!(
            "{logs}what did not succeed, again: bunsui session retry {id}\nwith the file as it is then: bunsui session retry {id} --with-current\n"
        ),
        SessionStatus::Paused => format!("to go on with it: bunsui session resume {id}\n"),
        _ if control::is_driven(session) => logs,
        SessionStatus::Cancelling => {
            format!("its runner is gone; to finish the cancel: bunsui session cancel {id}\n")
        }
        SessionStatus::Created | SessionStatus::Running | SessionStatus::Pausing => {
            format!("its runner is gone; to go on with it: bunsui session resume {id}\n")
        }
    }
}
