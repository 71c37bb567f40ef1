//! `bunsui session list|show`: what has run.

use super::output::Output;
use super::store::{block_on, find_session, open_store};
use super::{Context, Exit, Failure, Outcome, attach, control, retention};
use crate::backend::Stores;
use crate::pipeline::Pipeline;
use crate::report::failure::{self, FailedJob};
use crate::report::summary::{self, SessionView};
use crate::report::text::{between, pause_line, printable};
use crate::runner::port::{SessionFilter, deployment};
use crate::session::{DeploymentRecord, JobRecord, JobStatus, SessionRecord, SessionStatus, SliceRecord};
use crate::settings::BackendKind;
use serde_json::json;
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

#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Only sessions of this pipeline
    #[arg(long, value_name = "NAME")]
    pipeline: Option<String>,
    /// Only sessions in this status; may be given several times
    #[arg(long, value_name = "STATUS", value_parser = parse_status)]
    status: Vec<SessionStatus>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// A table for people, or JSON
    #[arg(long, value_enum, default_value_t = Output::Human)]
    output: Output,
}

#[derive(Debug, clap::Args)]
pub(super) struct ShowArgs {
    /// A session's id, a part of one, or `last`
    #[arg(value_name = "SESSION")]
    session: String,
    /// Print the pipeline file as the session ran it, and nothing else
    #[arg(long)]
    file: bool,
    /// Text for people, or JSON
    #[arg(long, value_enum, default_value_t = Output::Human)]
    output: Output,
}

pub(super) fn parse_status(text: &str) -> Result<SessionStatus, String> {
    serde_json::from_value(json!(text)).map_err(|_| {
        "a status is created, running, pausing, paused, cancelling, succeeded, failed, timed_out or cancelled".into()
    })
}

pub(super) fn run(command: &Command, context: &Context) -> Outcome {
    match command {
        Command::List(args) => block_on(list(args, context))?,
        Command::Show(args) => block_on(show(args, context))?,
        Command::Resume(args) => control::resume(args, context),
        Command::Pause(args) => control::pause(args, context),
        Command::Cancel(args) => control::cancel(args, context),
        Command::Retry(args) => control::retry(args, context),
        Command::Attach(args) => attach::run(args, context),
        Command::Delete(args) => retention::delete(args, context),
        Command::Prune(args) => retention::prune(args, context),
    }
}

async fn list(args: &ListArgs, context: &Context) -> Outcome {
    let filter = SessionFilter {
        pipeline: args.pipeline.clone(),
        statuses: args.status.clone(),
        limit: args.limit,
        ..SessionFilter::default()
    };
    let sessions = match open_store(context).await? {
        Some(store) => store.sessions.sessions(&filter).await.map_err(Failure::surroundings)?,
        None => Vec::new(),
    };
    match args.output {
        Output::Json => context.console.data(json!({"sessions": sessions})),
        Output::Human if sessions.is_empty() => {
            let is_filtered = filter.pipeline.is_some() || !filter.statuses.is_empty();
            context.console.talk(if is_filtered {
                "no session is of that kind; `bunsui session list` shows all"
            } else {
                "there is no session yet; `bunsui run FILE` makes one"
            });
        }
        Output::Human => {
            let longest = sessions.iter().map(|session| session.pipeline_id.len()).max().unwrap_or(0).max(8);
            context.console.data(format!(
                "{:22}  {:longest$}  {:10}  {:20}  {:>8}  LABELS",
                "SESSION", "PIPELINE", "STATUS", "CREATED (UTC)", "TOOK"
            ));
            for session in &sessions {
                context.console.data(list_line(session, longest));
                if let Some(pause) = &session.pause {
                    context.console.data(format!("  {}", pause_line(pause)));
                }
                if let Some(line) = control::left_line(session) {
                    context.console.data(format!("  {line}"));
                }
            }
        }
    }
    Ok(Exit::Done)
}

fn list_line(session: &SessionRecord, longest: usize) -> String {
    let took = session.started_at.zip(session.ended_at).map_or("-".into(), |(from, to)| between(from, to));
    let label = |(key, value): (&String, &String)| printable(&format!("{key}={value}")).into_owned();
    let labels: Vec<String> = session.labels.iter().map(label).collect();
    let line = format!(
        "{:22}  {:longest$}  {:10}  {:20}  {took:>8}  {}",
        session.session_id,
        session.pipeline_id,
        session.status.name(),
        session.created_at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        labels.join(" ")
    );
    line.trim_end().to_owned()
}

async fn show(args: &ShowArgs, context: &Context) -> Outcome {
    let (store, session) = find_session(&args.session, context).await?;
    let pinned = deployment(&*store.objects, &session).await.map_err(Failure::surroundings)?;
    if args.file {
        let pinned = pinned.ok_or_else(|| control::pin_missing(&session))?;
        context.console.raw(&pinned.text);
        return Ok(Exit::Done);
    }
    let keys = job_keys(&session, pinned.as_ref());
    let jobs = job_records(&store, &session, keys.iter().map(String::as_str)).await?;
    if args.output == Output::Json {
        let view = SessionView::new(&session, &jobs);
        context.console.data(serde_json::to_string(&view).unwrap_or_default());
        return Ok(Exit::Done);
    }
    context.console.data(facts(&session));
    let pipeline = failed_pipeline(&jobs, pinned, context);
    let report = super::report::left(&store, &session, context).await;
    context.console.raw(&rendered(&session, &jobs, pipeline.as_ref(), report.as_deref(), context));
    Ok(Exit::Done)
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

fn facts(session: &SessionRecord) -> String {
    let creator = session.created_by.as_ref().unwrap_or(&session.runner);
    let mut lines = vec![
        format!("session     {}", session.session_id),
        format!("pipeline    {} (version {}) from {}", session.pipeline_id, session.version, session.file),
        format!(
            "created     {} by {} on {}",
            session.created_at.strftime("%Y-%m-%d %H:%M:%S UTC"),
            creator.user,
            creator.host
        ),
        format!("bunsui      {}", creator.bunsui),
    ];
    for plugin in &session.plugins {
        let digest = plugin.sha256.get(..12).unwrap_or(&plugin.sha256);
        lines.push(format!("plugin      {} {} (sha256 {digest})", plugin.name, plugin.version));
    }
    if let Some(git) = &session.git {
        let branch = git.branch.as_ref().map(|branch| format!(" on {branch}")).unwrap_or_default();
        let dirty = if git.is_dirty { ", with changes that are not committed" } else { "" };
        lines.push(format!("git         {}{branch}{dirty}", git.revision));
    }
    if let Some(slice) = &session.slice {
        lines.push(format!("part        {}", slice_text(slice)));
    }
    if let Some(key) = &session.exclusive {
        lines.push(format!("exclusive   {}", printable(key)));
    }
    for (name, value) in &session.parameters {
        lines.push(format!("param       {name} = {value}"));
    }
    for name in &session.secrets {
        lines.push(format!("param       {name} = [secret]"));
    }
    for (key, value) in &session.labels {
        lines.push(format!("label       {}", printable(&format!("{key}={value}"))));
    }
    if session.retries > 0 {
        lines.push(format!("retried     {}", times(session.retries)));
    }
    if let Some(driven) = control::driver_line(session) {
        lines.push(format!("driven      {driven}"));
    }
    if let Some(pause) = &session.pause {
        lines.push(format!("pause       {}", pause_line(pause)));
    }
    lines.join("\n")
}

fn times(count: u32) -> String {
    if count == 1 { "once".into() } else { format!("{count} times") }
}

fn slice_text(slice: &SliceRecord) -> String {
    let mut parts: Vec<String> = slice.only.iter().map(|job| format!("--only {job}")).collect();
    parts.extend(slice.from.iter().map(|job| format!("--from {job}")));
    parts.extend(slice.until.iter().map(|job| format!("--until {job}")));
    parts.extend(slice.outputs_of.iter().map(|session| format!("--outputs-of {session}")));
    parts.join(" ")
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
    text.push_str(&next_step(session, context));
    text
}

/// The commands to go on with.
fn next_step(session: &SessionRecord, context: &Context) -> String {
    let id = &session.session_id;
    // On AWS log lines are in CloudWatch.
    let logs = match context.settings.backend {
        BackendKind::Local => format!("its log lines: bunsui logs {id}\n"),
        BackendKind::Aws => String::new(),
    };
    match session.status {
        SessionStatus::Succeeded => logs,
        SessionStatus::Cancelled => {
            format!("{logs}what did not succeed, again: bunsui session retry {id}\n")
        }
        SessionStatus::Paused if control::is_driven(session) => {
            format!("its runner waits; to end the pause: bunsui session resume {id}\n")
        }
        SessionStatus::Failed | SessionStatus::TimedOut => format!(
            "{logs}what did not succeed, again: bunsui session retry {id}  (--with-current: with the file as it is then)\n"
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
