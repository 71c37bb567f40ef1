//! `bunsui session show`.

use super::{failed_pipeline, job_keys, job_records, rendered};
use crate::backend::Stores;
use crate::cli::output::TableOutput;
use crate::cli::store::find_session;
use crate::cli::{Context, Exit, Failure, Outcome, control};
use crate::diagnostic::{Sink, Source};
use crate::document::{self, ValueKind};
use crate::report::attempts::{self, AttemptView, Attempts, CancelView, Step, Upstreams};
use crate::report::summary::SessionView;
use crate::report::text::{moment, pause_line, printable, printable_json};
use crate::runner::port::deployment;
use crate::session::{DeploymentRecord, SessionRecord, SliceRecord};
use serde::Serialize;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ShowArgs {
    /// A session's id, a part of one, or `last`
    #[arg(value_name = "SESSION")]
    session: String,
    /// Print the pipeline file as the session ran it, and nothing else
    #[arg(long)]
    file: bool,
    /// Text for people, JSON, or a row an attempt for spreadsheets
    #[arg(long, value_enum, default_value_t = TableOutput::Human)]
    output: TableOutput,
}

/// A session with its history.
#[derive(Serialize)]
struct HistoryView<'a> {
    #[serde(flatten)]
    session: SessionView<'a>,
    /// Who had it cancelled; null where nobody did.
    cancel: Option<&'a CancelView>,
    attempts: &'a [AttemptView],
    critical_path: Vec<Step>,
}

/// Events read at once.
const PAGE: usize = 1000;

pub(super) async fn show(args: &ShowArgs, context: &Context) -> Outcome {
    let (store, session) = find_session(&args.session, context).await?;
    let pinned = deployment(&*store.objects, &session).await.map_err(Failure::surroundings)?;
    if args.file {
        let pinned = pinned.ok_or_else(|| control::pin_missing(&session))?;
        context.console.raw(&pinned.text);
        return Ok(Exit::Done);
    }
    let upstreams = pinned.as_ref().and_then(upstreams).unwrap_or_default();
    let attempts = attempts_of(&session, upstreams, &store).await?;
    if args.output == TableOutput::Csv {
        context.console.data(attempts::CSV_HEAD);
        let rows = attempts.found().iter();
        rows.for_each(|one| context.console.data(attempts::csv_row(session.session_id.as_str(), one)));
        return Ok(Exit::Done);
    }
    let keys = job_keys(&session, pinned.as_ref());
    let jobs = job_records(&store, &session, keys.iter().map(String::as_str)).await?;
    if args.output == TableOutput::Json {
        let view = HistoryView {
            session: SessionView::new(&session, &jobs),
            cancel: attempts.cancel(),
            attempts: attempts.found(),
            critical_path: attempts.critical_path(),
        };
        context.console.data(printable_json(&view));
        return Ok(Exit::Done);
    }
    context.console.data(facts(&session, attempts.cancel()));
    context.console.raw(&attempts::render(&attempts));
    // From here on it is what the run said at its end.
    let pipeline = failed_pipeline(&jobs, pinned, context);
    let report = crate::cli::report::left(&store, &session, context).await;
    context.console.raw(&rendered(&session, &jobs, pipeline.as_ref(), report.as_deref(), context));
    Ok(Exit::Done)
}

async fn attempts_of(
    session: &SessionRecord,
    upstreams: Upstreams,
    store: &Stores,
) -> Result<Attempts, Failure> {
    let mut attempts = Attempts::new(upstreams);
    let mut seen = 0;
    loop {
        let events = store.sessions.events(&session.session_id, seen, PAGE).await;
        let events = events.map_err(Failure::surroundings)?;
        events.iter().for_each(|event| attempts.note(event));
        match events.last() {
            Some(last) if events.len() == PAGE => seen = last.number,
            _ => return Ok(attempts),
        }
    }
}

/// What each job waits for, as the pinned text says; none where that cannot be read any more.
fn upstreams(pinned: &DeploymentRecord) -> Option<Upstreams> {
    let source = Source::new(&pinned.file, pinned.text.as_str());
    let document = document::parse(&source, &mut Sink::new())?;
    let ValueKind::Table(jobs) = &document.root.value("jobs")?.kind else { return None };
    let mut found = Upstreams::new();
    for (name, job) in &jobs.entries {
        let ValueKind::Table(job) = &job.value.kind else { continue };
        let names = match job.value("depends_on").map(|value| &value.kind) {
            Some(ValueKind::Array(items)) => items.as_slice(),
            _ => &[],
        };
        let names = names.iter().filter_map(|item| match &item.kind {
            ValueKind::String(name) => Some(name.clone()),
            _ => None,
        });
        found.insert(name.clone(), names.collect());
    }
    Some(found)
}

fn facts(session: &SessionRecord, cancel: Option<&CancelView>) -> String {
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
        lines.push(format!("param       {name} = {}", printable(&value.to_string())));
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
    if let Some(cancel) = cancel {
        let why = printable(&cancel.reason);
        lines.push(format!("cancelled   at {} by {}: {why}", moment(cancel.at), printable(&cancel.by)));
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
