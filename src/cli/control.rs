//! `bunsui session resume|pause|cancel`: a hand on a session, from any process.

use super::drive::{Drive, Output, this_runner, user_name};
use super::load::{check, find_plugins, need_local_backend, report};
use super::parameters::{ParameterArgs, given};
use super::session::job_records;
use super::store::{block_on, find_session};
use super::{Context, Exit, Failure, Outcome, compile};
use crate::backend::local::{FileObjects, SqliteStore, objects_folder};
use crate::diagnostic::Sink;
use crate::pipeline::Pipeline;
use crate::plan::{Given, GivenValue, Parameters, Plan, plan, resolve_parameters};
use crate::report::text::one_line;
use crate::runner::port::{Commit, SessionStore, deployment};
use crate::runner::{Entry, deployment_record};
use crate::session::{
    DeploymentRecord, EventKind, JobRecord, JobStatus, RequestKind, RequestRecord, SessionEvent,
    SessionRecord, SessionStatus,
};
use crate::state_machine;
use jiff::Timestamp;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How often a session is looked at while somebody waits for it.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Debug, clap::Args)]
pub(super) struct ResumeArgs {
    /// A session's id, a part of one, or `last`
    #[arg(value_name = "SESSION")]
    session: String,
    #[command(flatten)]
    secrets: ParameterArgs,
    /// Jobs in flight, at most; default: what the pipeline says, else four a processor
    #[arg(long, value_name = "N")]
    max_concurrency: Option<NonZeroU32>,
    /// Progress for people on stderr, or one JSON object an event on stdout, the last one the session
    #[arg(long, value_enum, default_value_t = Output::Human)]
    output: Output,
}

#[derive(Debug, clap::Args)]
pub(super) struct AskArgs {
    /// A session's id, a part of one, or `last`
    #[arg(value_name = "SESSION")]
    session: String,
    /// Why; kept with the session
    #[arg(long, value_name = "TEXT", default_value = "asked for")]
    reason: String,
}

/// A session is not in a state for what was asked.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum ControlError {
    #[error("session {session} is {status}: nothing can follow")]
    #[diagnostic(code("bunsui::session::is_final"), help("to run the pipeline anew: bunsui run {file}"))]
    Final { session: String, status: SessionStatus, file: String },
    #[error("session {session} is driven by {user} on {host} (process {pid}) since {since}")]
    #[diagnostic(
        code("bunsui::session::driven"),
        help(
            "follow it with `bunsui session show {session}`; stop it with `bunsui session cancel {session}`"
        )
    )]
    Driven { session: String, user: String, host: String, pid: u32, since: String },
    #[error("what session {session} is pinned to is not there: the object `{key}` is missing")]
    #[diagnostic(code("bunsui::session::pin_missing"), help("run the pipeline anew: bunsui run {file}"))]
    PinMissing { session: String, key: String, file: String },
    #[error("the installed plugins make other definitions than session {session} began with: {jobs}")]
    #[diagnostic(
        code("bunsui::session::plugins_changed"),
        help("it began with {plugins}; install these, or run anew")
    )]
    PluginsChanged { session: String, jobs: String, plugins: String },
    #[error("param `{name}` of session {session} cannot be given again: a session keeps its parameters")]
    #[diagnostic(code("bunsui::session::parameters_pinned"), help("only secrets are asked for again"))]
    ParametersPinned { session: String, name: String },
    #[error("session {session} needs its secret `{name}` again: it is stored nowhere")]
    #[diagnostic(
        code("bunsui::session::secret_needed"),
        help("give it as `--param {name}=@FILE`, or as {variable}")
    )]
    SecretNeeded { session: String, name: String, variable: String },
    #[error("session {session} is being cancelled: it cannot be paused")]
    #[diagnostic(
        code("bunsui::session::being_cancelled"),
        help("to finish the cancel: bunsui session cancel {session}")
    )]
    BeingCancelled { session: String },
    #[error("session {session} has not answered within {seconds} seconds")]
    #[diagnostic(
        code("bunsui::session::no_answer"),
        help(
            "the request is stored and is heard when its runner is back; `bunsui session show {session}` says how it stands"
        )
    )]
    NoAnswer { session: String, seconds: u64 },
}

pub(super) fn resume(args: &ResumeArgs, context: &Context) -> Outcome {
    need_local_backend(context)?;
    block_on(async {
        let (store, session, after) = find(&args.session, context).await?;
        refuse_final(&session)?;
        refuse_driven(&session)?;
        // Whoever died while it cancelled leaves a session that is to be cancelled, not to be gone on with.
        let by = user_name(context);
        let entry = match session.status {
            SessionStatus::Cancelling => Entry::Cancel { by, reason: "cancelled before".into(), after },
            _ => Entry::Resume { by, after },
        };
        let drive = take_up(session, store, entry, &args.secrets, args.output, context).await?;
        Drive { max_concurrency: args.max_concurrency, ..drive }.finish().await
    })?
}

pub(super) fn pause(args: &AskArgs, context: &Context) -> Outcome {
    need_local_backend(context)?;
    block_on(async {
        let (store, session, after) = find(&args.session, context).await?;
        refuse_final(&session)?;
        let id = session.session_id.clone();
        if session.status == SessionStatus::Cancelling {
            return Err(Failure::bad_input(ControlError::BeingCancelled { session: id.to_string() }));
        }
        if session.status == SessionStatus::Paused {
            context.console.talk(format!("session {id} is paused already"));
            return Ok(Exit::Done);
        }
        if !is_driven(&session) {
            pause_unattended(&store, session, after, &args.reason, context).await?;
            context.console.talk(format!("session {id} is paused; it had no runner"));
            return Ok(Exit::Done);
        }
        ask(&store, &session, RequestKind::Pause, &args.reason, context).await?;
        let heard = |status| status != SessionStatus::Running && status != SessionStatus::Created;
        let session = wait(&store, session, 30, heard).await?;
        let jobs = store.jobs(&id).await.map_err(Failure::surroundings)?;
        let running = jobs.iter().filter(|job| job.status == JobStatus::Running).count();
        context.console.talk(match session.status {
            SessionStatus::Pausing => {
                format!(
                    "session {id} is pausing: {running} running job{} may finish",
                    if running == 1 { "" } else { "s" }
                )
            }
            status => format!("session {id} is {status}"),
        });
        Ok(Exit::Done)
    })?
}

pub(super) fn cancel(args: &AskArgs, context: &Context) -> Outcome {
    need_local_backend(context)?;
    block_on(async {
        let (store, session, after) = find(&args.session, context).await?;
        let id = session.session_id.clone();
        // Asking again is safe: what is cancelled stays so.
        if session.status == SessionStatus::Cancelled {
            receipt(&store, &session, context).await?;
            return Ok(Exit::Done);
        }
        refuse_final(&session)?;
        if is_driven(&session) {
            ask(&store, &session, RequestKind::Cancel, &args.reason, context).await?;
            let session = wait(&store, session, 60, SessionStatus::is_final).await?;
            receipt(&store, &session, context).await?;
            return Ok(Exit::Done);
        }
        let entry = Entry::Cancel { by: user_name(context), reason: args.reason.clone(), after };
        // Nothing is started, so no secret is needed.
        let drive =
            take_up(session, store.clone(), entry, &ParameterArgs::default(), Output::Human, context).await?;
        drive.finish().await?;
        let session = store.session(&id).await.map_err(Failure::surroundings)?;
        if let Some(session) = session {
            receipt(&store, &session, context).await?;
        }
        Ok(Exit::Done)
    })?
}

/// The session that is meant, and the number of its last event. The number is read before the record: whoever acts on what
/// the record says is refused if anything happened in between.
async fn find(wanted: &str, context: &Context) -> Result<(SqliteStore, SessionRecord, u64), Failure> {
    let (store, found) = find_session(wanted, context).await?;
    let after = store.last_event(&found.session_id).await.map_err(Failure::surroundings)?;
    let now = store.session(&found.session_id).await.map_err(Failure::surroundings)?;
    Ok((store, now.unwrap_or(found), after))
}

fn refuse_final(session: &SessionRecord) -> Result<(), Failure> {
    if !session.status.is_final() {
        return Ok(());
    }
    Err(Failure::bad_input(ControlError::Final {
        session: session.session_id.to_string(),
        status: session.status,
        file: session.file.clone(),
    }))
}

fn refuse_driven(session: &SessionRecord) -> Result<(), Failure> {
    let Some(lease) = session.lease.as_ref().filter(|_| is_driven(session)) else { return Ok(()) };
    Err(Failure::bad_input(ControlError::Driven {
        session: session.session_id.to_string(),
        user: session.runner.user.clone(),
        host: session.runner.host.clone(),
        pid: session.runner.pid,
        since: lease.taken_at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    }))
}

/// Whether somebody drives it: the lease holds, and its process is not known to be gone.
pub(super) fn is_driven(session: &SessionRecord) -> bool {
    let Some(lease) = &session.lease else { return false };
    let is_here = session.runner.host == gethostname::gethostname().to_string_lossy();
    let pid = i32::try_from(session.runner.pid).ok().and_then(rustix::process::Pid::from_raw);
    // A process of another user's cannot be asked, and lives all the same.
    let is_gone = is_here
        && pid.is_none_or(|pid| rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH));
    Timestamp::now() < lease.expires_at && !is_gone
}

/// Makes everything ready to drive a stored session, from what it is pinned to.
async fn take_up<'a>(
    mut session: SessionRecord,
    store: SqliteStore,
    entry: Entry,
    secrets: &ParameterArgs,
    output: Output,
    context: &'a Context,
) -> Result<Drive<'a>, Failure> {
    let objects = FileObjects::new(objects_folder(&context.settings.local.state));
    let pinned = deployment(&objects, &session).await.map_err(Failure::surroundings)?;
    let pinned = pinned.ok_or_else(|| pin_missing(&session))?;
    let plugins = find_plugins(context);
    let checked = check(&pinned.file, pinned.text.clone().into_bytes(), &plugins);
    let Some(pipeline) = checked.pipeline else {
        context.console.diagnostics(&checked.source, &checked.diagnostics);
        return Err(Failure::reported());
    };
    let pipeline = Arc::new(pipeline);
    let parameters = match &entry {
        Entry::Cancel { .. } => Parameters { values: session.parameters.clone(), ..Parameters::default() },
        _ => parameters(&session, &pipeline, secrets, context)?,
    };
    let machines = state_machine::compile(&pipeline, &plugins).map_err(compile::failure)?;
    let plan = Arc::new(plan(pipeline, machines, parameters));
    refuse_other_definitions(&session, &pinned, &plan)?;
    let directory = PathBuf::from(&session.directory);
    say_if_changed(&session, &pinned, &directory, context);
    session.runner = this_runner(context);
    Ok(Drive {
        context,
        store,
        plugins: Arc::new(plugins),
        directory,
        plan,
        deployment: pinned,
        session,
        entry,
        max_concurrency: None,
        output,
    })
}

fn pin_missing(session: &SessionRecord) -> Failure {
    Failure::surroundings(ControlError::PinMissing {
        session: session.session_id.to_string(),
        key: crate::runner::port::deployment_key(&session.pipeline_id, &session.version),
        file: session.file.clone(),
    })
}

/// The session's own parameters, and its secrets as they are given again.
fn parameters(
    session: &SessionRecord,
    pipeline: &Pipeline,
    secrets: &ParameterArgs,
    context: &Context,
) -> Result<Parameters, Failure> {
    let id = || session.session_id.to_string();
    let is_secret = |name: &str| pipeline.params.get(name).is_some_and(|param| param.secret);
    let given = given(secrets, pipeline, context)?;
    // Variables of the environment may be there for other sessions: only what was asked for in so many words is refused.
    if let Some(pinned) = given.iter().find(|given| given.origin == "--param" && !is_secret(&given.name)) {
        let name = pinned.name.clone();
        return Err(Failure::bad_input(ControlError::ParametersPinned { session: id(), name }));
    }
    let secrets: Vec<Given> = given.into_iter().filter(|given| is_secret(&given.name)).collect();
    for name in &session.secrets {
        if !secrets.iter().any(|given| given.name == *name) {
            let variable = format!("BUNSUI_PARAM_{}", name.to_uppercase().replace('-', "_"));
            let error = ControlError::SecretNeeded { session: id(), name: name.clone(), variable };
            return Err(Failure::bad_input(error));
        }
    }
    let stored = session.parameters.iter().map(|(name, value)| Given {
        name: name.clone(),
        value: GivenValue::Value(value.clone()),
        origin: format!("session {}", session.session_id),
    });
    let mut sink = Sink::new();
    let all: Vec<Given> = stored.chain(secrets).collect();
    let parameters = resolve_parameters(pipeline, &all, &mut sink);
    report(pipeline, &session.file, sink, context)?;
    parameters.ok_or_else(Failure::reported)
}

fn refuse_other_definitions(
    session: &SessionRecord,
    pinned: &DeploymentRecord,
    plan: &Plan,
) -> Result<(), Failure> {
    let now = deployment_record(plan, &pinned.file, Vec::new(), pinned.created_at);
    let differing: Vec<&str> = pinned
        .definitions
        .iter()
        .filter(|(job, digest)| now.definitions.get(*job) != Some(digest))
        .map(|(job, _)| job.as_str())
        .collect();
    if differing.is_empty() {
        return Ok(());
    }
    Err(Failure::surroundings(ControlError::PluginsChanged {
        session: session.session_id.to_string(),
        jobs: one_line(&differing.join(", "), 120),
        plugins: pinned.plugins.join(", "),
    }))
}

fn say_if_changed(
    session: &SessionRecord,
    pinned: &DeploymentRecord,
    directory: &std::path::Path,
    context: &Context,
) {
    let Some(name) = std::path::Path::new(&session.file).file_name() else { return };
    let is_same = std::fs::read(directory.join(name)).is_ok_and(|bytes| bytes == pinned.text.as_bytes());
    if !is_same {
        context.console.talk(format!(
            "{} has changed since session {} began; the session goes on with the file that it began with",
            session.file, session.session_id
        ));
    }
}

async fn ask(
    store: &SqliteStore,
    session: &SessionRecord,
    kind: RequestKind,
    reason: &str,
    context: &Context,
) -> Result<(), Failure> {
    let request =
        RequestRecord { kind, by: user_name(context), reason: reason.to_owned(), at: Timestamp::now() };
    store.put_request(&session.session_id, &request).await.map_err(Failure::surroundings)
}

/// Waits until the session's status is as wanted.
async fn wait(
    store: &SqliteStore,
    session: SessionRecord,
    seconds: u64,
    is_wanted: impl Fn(SessionStatus) -> bool,
) -> Result<SessionRecord, Failure> {
    let until = tokio::time::Instant::now() + Duration::from_secs(seconds);
    let id = session.session_id;
    while tokio::time::Instant::now() < until {
        let now = store.session(&id).await.map_err(Failure::surroundings)?;
        if let Some(now) = now.filter(|session| is_wanted(session.status)) {
            return Ok(now);
        }
        tokio::time::sleep(LOOK).await;
    }
    Err(Failure::surroundings(ControlError::NoAnswer { session: id.to_string(), seconds }))
}

/// Pauses a session that nobody drives. An attempt that its runner left is lost when the session is resumed.
async fn pause_unattended(
    store: &SqliteStore,
    mut session: SessionRecord,
    after: u64,
    reason: &str,
    context: &Context,
) -> Result<(), Failure> {
    let id = session.session_id.clone();
    let at = Timestamp::now();
    let kinds = [
        EventKind::PauseRequested { by: user_name(context), reason: reason.to_owned() },
        EventKind::SessionPaused { reason: reason.to_owned() },
    ];
    let events =
        (after + 1..).zip(kinds).map(|(number, kind)| SessionEvent { number, at, kind }).collect::<Vec<_>>();
    session.status = SessionStatus::Paused;
    session.lease = None;
    let commit = Commit { session: Some(session), session_id: Some(id), events, jobs: Vec::new() };
    store.append(commit).await.map_err(Failure::surroundings)
}

/// What a cancel did, job by job.
async fn receipt(store: &SqliteStore, session: &SessionRecord, context: &Context) -> Result<(), Failure> {
    let jobs = job_records(store, session, std::iter::empty()).await?;
    let names = |is_wanted: &dyn Fn(&JobRecord) -> bool| {
        let names: Vec<&str> =
            jobs.iter().filter(|job| is_wanted(job)).map(|job| job.job_key.as_str()).collect();
        (!names.is_empty()).then(|| one_line(&names.join(", "), 400))
    };
    let is_cancelled = |job: &JobRecord| job.status == JobStatus::Cancelled;
    let console = &context.console;
    console.talk(format!("session {} is {}", session.session_id, session.status));
    let parts = [
        ("stopped", names(&|job| is_cancelled(job) && job.attempt > 0)),
        ("never started", names(&|job| is_cancelled(job) && job.attempt == 0)),
        ("had succeeded", names(&|job| job.status == JobStatus::Succeeded)),
    ];
    for (what, names) in parts {
        if let Some(names) = names {
            console.talk(format!("  {what}: {names}"));
        }
    }
    console.talk("  nothing can be left running on this backend: what runs ends with its runner");
    Ok(())
}
