//! `bunsui report SESSION`: a session as an HTML page; and the page that every session leaves at its end.

use super::store::{block_on, find_session};
use super::{Context, Exit, Failure, Outcome};
use crate::backend::Stores;
use crate::backend::local::objects_folder;
use crate::pipeline::{Job, Pipeline};
use crate::report::attempts::Upstreams;
use crate::report::html::{Before, History, Story, render};
use crate::runner::EventConsumer;
use crate::runner::port::{SessionFilter, deployment, report_key};
use crate::session::{DeploymentRecord, JobRecord, SessionRecord, SessionStatus};
use crate::settings::BackendKind;
use jiff::Timestamp;
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A session's id, a part of one, or `last`
    #[arg(value_name = "SESSION")]
    session: String,
    /// Where to write it, `-` for standard output; default: where its runner wrote it, among the objects
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Show it in the browser: `BROWSER`, else what the desktop has
    #[arg(long, overrides_with = "no_open")]
    open: bool,
    /// Do not: takes an earlier `--open` back
    #[arg(long, overrides_with = "open")]
    no_open: bool,
    /// Where it is, as a line for people or as JSON
    #[arg(long, value_enum, default_value_t = super::output::Output::Human)]
    format: super::output::Output,
}

/// A report could not be written.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("the report cannot be written to `{path}`: {message}")]
#[diagnostic(
    code("bunsui::store::report_unwritable"),
    help("name a file in a folder that is there and may be written to: `--output FILE`")
)]
struct Unwritable {
    path: String,
    message: String,
}

/// Events read at once.
const PAGE: usize = 1000;
/// Sessions among which the last one like this is looked for.
const MOST_ASKED: usize = 20;

pub(super) fn run(args: &Args, context: &Context) -> Outcome {
    let (store, session, page) = block_on(async {
        let (store, session) = find_session(&args.session, context).await?;
        let pinned = deployment(&*store.objects, &session).await.map_err(Failure::surroundings)?;
        let keys = super::session::job_keys(&session, pinned.as_ref());
        let jobs = super::session::job_records(&store, &session, keys.iter().map(String::as_str)).await?;
        let pipeline = pinned.as_ref().and_then(|pinned| pipeline_of(pinned, context));
        let of = Of { session: &session, jobs: &jobs, pipeline: pipeline.as_ref() };
        let page = page(&store, of, pinned.as_ref(), context).await?;
        Ok::<_, Failure>((store, session, page))
    })??;
    if args.output.as_deref() == Some(Path::new("-")) {
        context.console.raw(&page);
        return Ok(Exit::Done);
    }
    let (place, key) = match &args.output {
        Some(file) => (write_file(file, page.as_bytes(), context)?, None),
        None => {
            let key = report_key(&session.session_id);
            let bytes = page.clone().into_bytes();
            block_on(store.objects.put(&key, bytes))?.map_err(Failure::surroundings)?;
            (place(&key, context), Some(key))
        }
    };
    match args.format {
        super::output::Output::Human => context.console.data(&place),
        super::output::Output::Json => context
            .console
            .data(json!({"session": session.session_id, "place": place, "key": key, "bytes": page.len()})),
    }
    if args.open {
        open(&place, &page, context)?;
    }
    Ok(Exit::Done)
}

/// What a session is pinned to, as a pipeline; none where its plugins are not there any more.
fn pipeline_of(pinned: &DeploymentRecord, context: &Context) -> Option<Pipeline> {
    let plugins = super::load::find_plugins(context);
    super::load::check(&pinned.file, pinned.text.clone().into_bytes(), &plugins).pipeline
}

/// A session that a report is about.
#[derive(Clone, Copy)]
pub(super) struct Of<'a> {
    pub(super) session: &'a SessionRecord,
    pub(super) jobs: &'a [JobRecord],
    pub(super) pipeline: Option<&'a Pipeline>,
}

/// Leaves a session's report among its objects and says where. One that cannot be written costs a warning, and no session.
pub(super) async fn leave(store: &Stores, of: Of<'_>, context: &Context) -> Option<String> {
    let key = report_key(&of.session.session_id);
    let left = async {
        let pinned = deployment(&*store.objects, of.session).await.map_err(Failure::surroundings)?;
        let page = page(store, of, pinned.as_ref(), context).await?;
        store.objects.put(&key, page.into_bytes()).await.map_err(Failure::surroundings)
    };
    match left.await {
        Ok(()) => Some(place(&key, context)),
        Err(failure) => {
            let why = failure.report.map_or_else(String::new, |report| report.to_string());
            let id = &of.session.session_id;
            context.console.talk(format!(
                "warning: the report of session {id} could not be written: {why}; `bunsui report {id}` makes it again"
            ));
            None
        }
    }
}

/// Where a session's report is, if it has left one.
pub(super) async fn left(store: &Stores, session: &SessionRecord, context: &Context) -> Option<String> {
    let key = report_key(&session.session_id);
    let is_there =
        session.status.is_final() && store.objects.list(&key).await.is_ok_and(|keys| keys.contains(&key));
    is_there.then(|| place(&key, context))
}

async fn page(
    store: &Stores,
    of: Of<'_>,
    pinned: Option<&DeploymentRecord>,
    context: &Context,
) -> Result<String, Failure> {
    let upstreams = of.pipeline.map(upstreams).unwrap_or_default();
    let history = history(store, of.session, upstreams).await?;
    let before = before(store, of.session).await?;
    Ok(render(&Story {
        session: of.session,
        jobs: of.jobs,
        pipeline: of.pipeline,
        pinned,
        history: &history,
        before: before.as_ref(),
        backend: match context.settings.backend {
            BackendKind::Local => "local",
            BackendKind::Aws => "aws",
        },
        made_at: Timestamp::now(),
    }))
}

fn upstreams(pipeline: &Pipeline) -> Upstreams {
    let names = |job: &Job| job.depends_on.iter().map(ToString::to_string).collect();
    pipeline.jobs.values().map(|job| (job.id.to_string(), names(job))).collect()
}

async fn history(store: &Stores, session: &SessionRecord, upstreams: Upstreams) -> Result<History, Failure> {
    let mut history = History::new(upstreams);
    let mut seen = 0;
    loop {
        let events =
            store.sessions.events(&session.session_id, seen, PAGE).await.map_err(Failure::surroundings)?;
        for event in &events {
            history.event(event);
            seen = event.number;
        }
        if events.len() < PAGE {
            return Ok(history);
        }
    }
}

/// The last session of the same pipeline, or the same part of it, that succeeded before this one began.
async fn before(store: &Stores, session: &SessionRecord) -> Result<Option<Before>, Failure> {
    let filter = SessionFilter {
        pipeline: Some(session.pipeline_id.clone()),
        statuses: vec![SessionStatus::Succeeded],
        created_before: Some(session.created_at),
        limit: MOST_ASKED,
        ..SessionFilter::default()
    };
    let found = store.sessions.sessions(&filter).await.map_err(Failure::surroundings)?;
    let part = |of: &SessionRecord| of.slice.clone().map(|slice| (slice.only, slice.from, slice.until));
    let alike = found.into_iter().find(|other| part(other) == part(session));
    let Some(session) = alike else { return Ok(None) };
    let jobs = store.sessions.jobs(&session.session_id).await.map_err(Failure::surroundings)?;
    Ok(Some(Before { session, jobs }))
}

/// Where an object is, as a path or an address.
fn place(key: &str, context: &Context) -> String {
    match context.settings.backend {
        BackendKind::Local => {
            let path = objects_folder(&context.settings.local.state).join(key);
            let directory = &context.surroundings.directory;
            path.strip_prefix(directory).unwrap_or(&path).display().to_string()
        }
        BackendKind::Aws => {
            format!("s3://{}/{key}", context.settings.aws.bucket.as_deref().unwrap_or_default())
        }
    }
}

fn write_file(file: &Path, bytes: &[u8], context: &Context) -> Result<String, Failure> {
    let path = file.display().to_string();
    std::fs::write(context.surroundings.directory.join(file), bytes).map_err(|error| {
        Failure::surroundings(Unwritable { path: path.clone(), message: error.to_string() })
    })?;
    Ok(path)
}

/// Shows a report in the browser. One that is in S3 is written to a file first.
fn open(place: &str, page: &str, context: &Context) -> Result<(), Failure> {
    let unwritable = |error: std::io::Error| {
        Failure::surroundings(Unwritable {
            path: std::env::temp_dir().display().to_string(),
            message: error.to_string(),
        })
    };
    let path = if place.starts_with("s3://") {
        let mut file = tempfile::Builder::new()
            .prefix("bunsui-report-")
            .suffix(".html")
            .tempfile()
            .map_err(unwritable)?;
        file.write_all(page.as_bytes()).map_err(unwritable)?;
        file.keep().map_err(|error| unwritable(error.error))?.1
    } else {
        context.surroundings.directory.join(place)
    };
    let browser =
        context.surroundings.variables.iter().find(|(name, text)| name == "BROWSER" && !text.is_empty());
    let desktop = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let opener = browser.map_or(desktop, |(_, text)| text.as_str());
    if let Err(why) = start(Command::new(opener).arg(&path)) {
        // It was made, and where it is was said: nobody's script has to fail for want of a browser.
        context.console.talk(format!("not shown: `{opener}` {why}; the report is {}", path.display()));
    }
    Ok(())
}

/// So long what shows files has to say that it cannot. A browser may go on for hours.
const STARTING: Duration = Duration::from_secs(2);

/// Starts what shows a file; else why it does not.
fn start(opener: &mut Command) -> Result<(), String> {
    let command = opener.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| format!("cannot be started ({error})"))?;
    let began = Instant::now();
    while began.elapsed() < STARTING {
        match child.try_wait() {
            Ok(Some(status)) if !status.success() => {
                return Err(format!("could not show it ({status}), as where there is no browser"));
            }
            Ok(None) => std::thread::sleep(Duration::from_millis(10)),
            Ok(Some(_)) | Err(_) => break,
        }
    }
    Ok(())
}
