//! What `run` and `session resume` share: a runner on this machine's backend, its consumers, its interrupts, the end.

use super::control::is_driven;
use super::detach::OnTerminal;
use super::output::Output;
use super::report::Of;
use super::session::{job_records, print_session, session_line};
use super::{Console, Context, Exit, Failure, Outcome};
use crate::backend::Stores;
use crate::backend::local::{LOCAL_BUCKET, LocalEngine, keep_library, objects_folder};
use crate::pipeline::{Pipeline, parse_duration};
use crate::plan::Plan;
use crate::plugin::{Found, Plugins};
use crate::report::json::{JsonLines, surroundings as json_line};
use crate::report::lines::{EventLines, surroundings as surroundings_text};
use crate::report::live::LiveView;
use crate::runner::port::{ApiUse, Engine, StoreError};
use crate::runner::{
    Assignment, Entry, EventConsumer, Inbox, Patience, ProgressSender, Redaction, Request, Runner,
    RunnerError, SessionEnd, Surroundings,
};
use crate::session::{
    DeploymentRecord, EventKind, JobRecord, PluginRecord, RunnerRecord, SessionEvent, SessionId,
    SessionRecord, SessionStatus,
};
use crate::settings::BackendKind;
use jiff::Timestamp;
use serde_json::json;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

/// A session about to be driven.
pub(super) struct Drive<'a> {
    pub(super) context: &'a Context,
    pub(super) store: Stores,
    pub(super) plugins: Arc<Plugins>,
    /// The folder of the pipeline file.
    pub(super) directory: PathBuf,
    pub(super) plan: Arc<Plan>,
    pub(super) deployment: DeploymentRecord,
    pub(super) session: SessionRecord,
    pub(super) entry: Entry,
    pub(super) reused: Vec<JobRecord>,
    /// This is the process in the background that `--detach` started.
    pub(super) is_detached: bool,
    pub(super) max_concurrency: Option<NonZeroU32>,
    pub(super) output: Output,
}

impl Drive<'_> {
    /// Drives the session; prints its progress and what it came to.
    pub(super) async fn finish(self) -> Outcome {
        crate::plugin::become_subreaper();
        let console = &self.context.console;
        let session_id = self.session.session_id.clone();
        let (plan, store, context) = (self.plan.clone(), self.store.clone(), self.context);
        let state = context.settings.local.state.clone();
        // In the background nobody reads what is printed but a file.
        let output = if self.is_detached { Output::Human } else { self.output };
        let done = store.sessions.jobs(&session_id).await.map_err(Failure::surroundings)?;
        let done = done.iter().filter(|job| job.status.is_final() && job.reused_from.is_none()).count();
        let mut progress = Progress::new(console, self.session.jobs, done);
        if self.is_detached {
            super::detach::leave_terminal();
            progress = progress.in_background(session_id.clone(), state.clone());
        }
        self.claim().await?;
        let terminal = Terminal {
            session: session_id.clone(),
            state,
            live: progress.live_handle(),
            streams: OnTerminal::now(),
        };
        let leave = CancellationToken::new();
        let mut requests = interrupts(user_name(context), terminal, leave.clone());
        let view = progress.live_handle().view;
        let (said, mut heard) = unbounded_channel();
        let patience = patience(context, leave.clone(), said);
        let lost = RefCell::new(None);
        // A reader that goes away (`| head`) is no error, and the session does not depend on one.
        let stream = |line: String| {
            if let Err(error) = console.stream(line)
                && error.kind() != std::io::ErrorKind::BrokenPipe
            {
                lost.borrow_mut().get_or_insert(error);
            }
        };
        let say = |surroundings: Surroundings| match (output, &view) {
            (Output::Json, _) => stream(json_line(&surroundings, Timestamp::now())),
            (Output::Human, Some(view)) => {
                drop(view.println(surroundings_text(&surroundings, Timestamp::now())));
            }
            (Output::Human, None) => console.talk(surroundings_text(&surroundings, Timestamp::now())),
        };
        let ended = {
            let mut json = JsonLines::new(stream);
            let consumer: &mut dyn EventConsumer =
                if output == Output::Json { &mut json } else { &mut progress };
            let mut run = std::pin::pin!(self.run(patience, &mut requests, consumer));
            let ended = loop {
                tokio::select! {
                    ended = &mut run => break ended,
                    Some(surroundings) = heard.recv() => say(surroundings),
                }
            };
            // What was said at the very end.
            while let Ok(surroundings) = heard.try_recv() {
                say(surroundings);
            }
            ended
        };
        if output == Output::Human {
            progress.finish();
        }
        if leave.is_cancelled() && ended.is_err() {
            console.talk(format!(
                "left session {session_id} as it is\nto go on with it: bunsui session resume {session_id}"
            ));
            return Ok(Exit::Interrupted);
        }
        let (end, used) = ended?;
        if let Some(record) = store.sessions.session(&session_id).await.map_err(Failure::surroundings)? {
            let keys = selected_keys(&plan);
            let jobs = job_records(&store, &record, keys.iter().map(String::as_str)).await?;
            let report = match record.status.is_final() {
                true => {
                    let of = Of { session: &record, jobs: &jobs, pipeline: Some(&plan.pipeline) };
                    super::report::leave(&store, of, context).await
                }
                false => None,
            };
            let report = report.as_deref();
            match output {
                Output::Json => {
                    if !used.is_empty() {
                        stream(json!({"event": "service_calls", "calls": used}).to_string());
                    }
                    stream(session_line(&record, &jobs, report));
                }
                Output::Human => {
                    print_session(&record, &jobs, Some(&plan.pipeline), report, context);
                }
            }
        }
        if let Some(error) = lost.into_inner() {
            console.talk(format!("standard output cannot be written: {error}; the session itself is stored"));
            return Ok(Exit::Surroundings);
        }
        Ok(match end {
            SessionEnd::Left => {
                say_left(&store, &session_id, console).await?;
                Exit::Interrupted
            }
            SessionEnd::Status(status) => exit_of(status),
        })
    }

    async fn run(
        self,
        patience: Arc<Patience>,
        requests: &mut UnboundedReceiver<Request>,
        consumer: &mut dyn EventConsumer,
    ) -> Result<(SessionEnd, BTreeMap<&'static str, ApiUse>), Failure> {
        let redaction = Arc::new(Redaction::new(self.plan.parameters.secret_texts()));
        let inbox = Inbox::default();
        let (engine, bucket) = self.engine(&redaction, inbox.progress()).await?;
        let runner = Runner {
            engine: patience.engine(engine.clone()),
            store: patience.sessions(self.store.sessions),
            objects: patience.objects(self.store.objects),
            redaction,
            now: Timestamp::now,
            max_concurrency: max_concurrency(self.max_concurrency, &self.plan, self.context.settings.backend),
            inbox,
            bucket: format!("s3://{bucket}"),
        };
        let session_id = self.session.session_id.clone();
        let assignment = Assignment {
            plan: self.plan,
            deployment: self.deployment,
            session: self.session,
            entry: self.entry,
            reused: self.reused,
        };
        let consumers: &mut [&mut dyn EventConsumer] = &mut [consumer];
        let end = runner.run(assignment, requests, consumers).await.map_err(|error| match error {
            // Another was quicker.
            RunnerError::Store(StoreError::Held { .. }) => Failure::bad_input(error),
            error @ RunnerError::Store(StoreError::Fenced { .. } | StoreError::Gone { .. }) => {
                Failure::surroundings(error)
            }
            error => {
                let hint = format!("what was done is stored; to go on: bunsui session resume {session_id}");
                self.context.console.talk(hint);
                Failure::surroundings(error)
            }
        })?;
        engine.finish().await;
        Ok((end, engine.used()))
    }

    /// The backend's engine, and the bucket in which its executions may leave objects.
    async fn engine(
        &self,
        redaction: &Arc<Redaction>,
        progress: ProgressSender,
    ) -> Result<(Arc<dyn Engine>, String), Failure> {
        if self.context.settings.backend == BackendKind::Aws {
            return super::aws::engine(
                &self.plan.pipeline,
                &self.plugins,
                &self.deployment,
                redaction,
                self.context,
            )
            .await;
        }
        let engine = LocalEngine::new(
            self.plan.pipeline.clone(),
            self.plugins.clone(),
            self.directory.clone(),
            objects_folder(&self.context.settings.local.state),
            redaction.clone(),
            progress,
        );
        Ok((Arc::new(engine), LOCAL_BUCKET.to_owned()))
    }

    /// Refuses where another session of the same key is driven. A hold whose runner is gone is ended: its expiry need not be
    /// waited for.
    async fn claim(&self) -> Result<(), Failure> {
        let Some(key) = &self.session.exclusive else { return Ok(()) };
        let hold = self.store.sessions.hold(key).await.map_err(Failure::surroundings)?;
        let Some(hold) = hold.filter(|hold| hold.session_id != self.session.session_id) else {
            return Ok(());
        };
        let other = self.store.sessions.session(&hold.session_id).await.map_err(Failure::surroundings)?;
        match other.filter(is_driven) {
            Some(other) => Err(Failure::bad_input(StoreError::Held {
                key: key.clone(),
                session: other.session_id.to_string(),
            })),
            None => self.store.sessions.end_hold(key, &hold).await.map_err(Failure::surroundings),
        }
    }
}

/// How long a session that is driven waits for its surroundings where the settings do not say it.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

fn patience(
    context: &Context,
    leave: CancellationToken,
    said: UnboundedSender<Surroundings>,
) -> Arc<Patience> {
    let set = context.settings.aws.patience.as_deref().and_then(|text| parse_duration(text).ok());
    // Whoever listened is gone when the session is over.
    let notice = move |surroundings| drop(said.send(surroundings));
    Patience::new(set.unwrap_or(PATIENCE), leave, Box::new(notice))
}

/// After the third interrupt.
async fn say_left(store: &Stores, session_id: &SessionId, console: &Console) -> Result<(), Failure> {
    let session = store.sessions.session(session_id).await.map_err(Failure::surroundings)?;
    let next = match session.map(|session| session.status) {
        Some(SessionStatus::Cancelling) => "to finish the cancel: bunsui session cancel",
        _ => "to go on with it: bunsui session resume",
    };
    console.talk(format!(
        "left session {session_id} as it is: what ran here has been ended\n{next} {session_id}"
    ));
    Ok(())
}

/// The ids of the jobs that a plan runs, in the order of the file.
fn selected_keys(plan: &Plan) -> Vec<String> {
    let jobs = plan.pipeline.jobs.keys().enumerate();
    jobs.filter(|(job, _)| plan.selection.has(*job)).map(|(_, id)| id.to_string()).collect()
}

/// A session's progress for people: a live view on a terminal, else lines; lines too once the terminal has gone.
pub(super) struct Progress<'c> {
    console: &'c Console,
    live: Option<LiveView>,
    lines: EventLines<Box<dyn FnMut(String) + 'c>>,
    /// Of a process in the background that has not let go of its terminal yet.
    background: Option<(SessionId, PathBuf)>,
    has_terminal: Arc<AtomicBool>,
}

impl<'c> Progress<'c> {
    /// `done` of `count` jobs were final before the first event.
    pub(super) fn new(console: &'c Console, count: usize, done: usize) -> Self {
        Self {
            console,
            live: console.is_interactive.then(|| LiveView::new(count, done)),
            lines: EventLines::new(Box::new(|line| console.talk(line))),
            background: None,
            has_terminal: Arc::new(AtomicBool::new(true)),
        }
    }

    fn in_background(self, session: SessionId, state: PathBuf) -> Self {
        Self { live: None, background: Some((session, state)), ..self }
    }

    /// By which the live view is taken off a terminal that has gone.
    fn live_handle(&self) -> LiveHandle {
        LiveHandle { view: self.live.as_ref().map(LiveView::handle), has_terminal: self.has_terminal.clone() }
    }

    /// Leaves what scrolled up, and nothing that is redrawn.
    pub(super) fn finish(&mut self) {
        if let Some(live) = &mut self.live {
            live.finish();
        }
    }
}

impl EventConsumer for Progress<'_> {
    fn event(&mut self, event: &SessionEvent) {
        if self.live.is_some() && !self.has_terminal.load(Ordering::Relaxed) {
            self.live = None;
        }
        match &mut self.live {
            Some(live) => live.event(event),
            None => self.lines.event(event),
        }
        // From here on the session is driven: whoever waits for that may go.
        if matches!(event.kind, EventKind::LeaseTaken { .. })
            && let Some((session, state)) = self.background.take()
        {
            super::detach::let_go(&session, &state);
            self.console.talk(format!("session {session}: runner {} in the background", std::process::id()));
        }
    }
}

/// The live view, from another task.
struct LiveHandle {
    view: Option<indicatif::MultiProgress>,
    has_terminal: Arc<AtomicBool>,
}

/// What a runner prints on, for when it goes away.
struct Terminal {
    session: SessionId,
    state: PathBuf,
    live: LiveHandle,
    streams: OnTerminal,
}

impl Terminal {
    fn has_gone(&self) {
        self.live.has_terminal.store(false, Ordering::Relaxed);
        if let Some(view) = &self.live.view {
            view.set_draw_target(indicatif::ProgressDrawTarget::hidden());
        }
        super::detach::hang_up(&self.session, &self.state, self.streams);
    }
}

/// The exit code that a session's status asks for.
pub(super) fn exit_of(status: SessionStatus) -> Exit {
    match status {
        SessionStatus::Succeeded => Exit::Done,
        SessionStatus::Failed | SessionStatus::TimedOut | SessionStatus::Cancelled => Exit::Unsuccessful,
        SessionStatus::Created
        | SessionStatus::Running
        | SessionStatus::Pausing
        | SessionStatus::Paused
        | SessionStatus::Cancelling => Exit::Paused,
    }
}

/// Jobs in flight where nobody says how many: here each is a process or more, on AWS it costs this machine nothing.
fn max_concurrency(asked: Option<NonZeroU32>, plan: &Plan, backend: BackendKind) -> usize {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let unsaid = match backend {
        BackendKind::Local => processors * 4,
        BackendKind::Aws => 256,
    };
    let said = asked.or(plan.pipeline.max_concurrency);
    said.map_or(unsaid, |count| usize::try_from(count.get()).unwrap_or(usize::MAX))
}

/// Names and versions of the plugins that a deployment was made with.
pub(super) fn plugin_names(plugins: &Plugins) -> Vec<String> {
    plugins.found().iter().map(|plugin| format!("{} {}", plugin.name, plugin.version)).collect()
}

/// The plugins that know a pipeline's operation types.
pub(super) fn used_plugins<'p>(pipeline: &Pipeline, plugins: &'p Plugins) -> Vec<&'p Found> {
    let kinds: std::collections::BTreeSet<&str> = pipeline
        .jobs
        .values()
        .flat_map(|job| &job.operations)
        .map(|operation| operation.kind.as_str())
        .collect();
    let is_used = |found: &&Found| found.operation_types.iter().any(|kind| kinds.contains(kind.as_str()));
    plugins.found().iter().filter(is_used).collect()
}

/// Keeps their libraries for whoever resumes the session. One that cannot be kept costs that, and not the session.
pub(super) fn keep_plugins(used: &[&Found], context: &Context) {
    if context.settings.backend == BackendKind::Aws {
        return; // what was deployed is what runs
    }
    for plugin in used {
        if let Err(error) = keep_library(&context.settings.local.state, plugin) {
            context.console.talk(format!(
                "plugin {} cannot be kept with the session ({error}): a resume will use what is installed then",
                plugin.name
            ));
        }
    }
}

/// The same, as a session keeps them.
pub(super) fn plugin_records(used: &[&Found]) -> Vec<PluginRecord> {
    used.iter()
        .map(|found| PluginRecord {
            name: found.name.clone(),
            version: found.version.clone(),
            sha256: found.sha256.clone(),
        })
        .collect()
}

/// This process, as a runner.
pub(super) fn this_runner(context: &Context) -> RunnerRecord {
    RunnerRecord {
        host: gethostname::gethostname().to_string_lossy().into_owned(),
        pid: std::process::id(),
        user: user_name(context),
        bunsui: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// Who asks.
pub(super) fn user_name(context: &Context) -> String {
    context
        .surroundings
        .variables
        .iter()
        .find(|(name, value)| (name == "USER" || name == "LOGNAME") && !value.is_empty())
        .map_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()), |(_, value)| value.clone())
}

/// Interrupts as requests: the first pauses, the second cancels, the third leaves. A SIGTERM counts as a first one; a terminal
/// that goes away leaves the session to run in the background.
fn interrupts(by: String, terminal: Terminal, leave: CancellationToken) -> UnboundedReceiver<Request> {
    let (sender, receiver) = unbounded_channel();
    tokio::spawn(async move {
        use tokio::signal::unix::{SignalKind, signal};
        let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) =
            (signal(SignalKind::interrupt()), signal(SignalKind::terminate()), signal(SignalKind::hangup()))
        else {
            return;
        };
        let mut count = 0;
        loop {
            let reason = tokio::select! {
                _ = interrupt.recv() => { count += 1; "interrupted" }
                _ = terminate.recv() => { count = count.max(1); "told to terminate" }
                _ = hangup.recv() => { terminal.has_gone(); continue }
            };
            let (by, reason) = (by.clone(), reason.to_owned());
            let request = match count {
                1 => Request::Pause { by, reason },
                2 => Request::Cancel { by, reason },
                _ => {
                    // Whoever waits for the surroundings hears no request.
                    leave.cancel();
                    Request::Leave
                }
            };
            if sender.send(request).is_err() {
                return;
            }
        }
    });
    receiver
}
