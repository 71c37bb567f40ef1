//! What `run` and `session resume` share: a runner on this machine's backend, its consumers, its interrupts, the end.

use super::session::{job_records, print_session};
use super::{Context, Exit, Failure, Outcome};
use crate::backend::local::{FileObjects, LOCAL_BUCKET, LocalEngine, SqliteStore, objects_folder};
use crate::plan::Plan;
use crate::plugin::Plugins;
use crate::report::json::JsonLines;
use crate::report::lines::EventLines;
use crate::report::live::LiveView;
use crate::runner::port::SessionStore;
use crate::runner::{Entry, EventConsumer, Inbox, Redaction, Request, Runner, SessionEnd};
use crate::session::{DeploymentRecord, RunnerRecord, SessionRecord, SessionStatus};
use jiff::Timestamp;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// How progress and the end are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Output {
    Human,
    Json,
}

/// A session about to be driven.
pub(super) struct Drive<'a> {
    pub(super) context: &'a Context,
    pub(super) store: SqliteStore,
    pub(super) plugins: Arc<Plugins>,
    /// The folder of the pipeline file.
    pub(super) directory: PathBuf,
    pub(super) plan: Arc<Plan>,
    pub(super) deployment: DeploymentRecord,
    pub(super) session: SessionRecord,
    pub(super) entry: Entry,
    pub(super) max_concurrency: Option<NonZeroU32>,
    pub(super) output: Output,
}

impl Drive<'_> {
    /// Drives the session; prints its progress and what it came to.
    pub(super) async fn finish(self) -> Outcome {
        crate::plugin::become_subreaper();
        let console = &self.context.console;
        let session_id = self.session.session_id.clone();
        let keys = self.deployment.jobs.clone();
        let (plan, store, output, context) =
            (self.plan.clone(), self.store.clone(), self.output, self.context);
        let mut requests = interrupts(user_name(context));
        let end = match output {
            Output::Json => {
                let mut json = JsonLines::new(|line| console.stream(line));
                self.run(&mut requests, &mut json).await
            }
            Output::Human if console.is_interactive => {
                let mut live = LiveView::default();
                let end = self.run(&mut requests, &mut live).await;
                live.finish();
                end
            }
            Output::Human => {
                let mut lines = EventLines::new(|line| console.talk(line));
                self.run(&mut requests, &mut lines).await
            }
        }?;
        if let Some(record) = store.session(&session_id).await.map_err(Failure::surroundings)? {
            let jobs = job_records(&store, &record, keys.iter().map(String::as_str)).await?;
            match output {
                Output::Json => console.stream(session_line(&record, &jobs)),
                Output::Human => print_session(&record, &jobs, Some(&plan.pipeline), context),
            }
        }
        if end == SessionEnd::Left {
            console.talk(format!(
                "left session {session_id} as it is: what ran here has been ended\n\
                 to go on with it: bunsui session resume {session_id}"
            ));
        }
        Ok(exit(&end))
    }

    async fn run(
        self,
        requests: &mut UnboundedReceiver<Request>,
        consumer: &mut dyn EventConsumer,
    ) -> Result<SessionEnd, Failure> {
        let objects = objects_folder(&self.context.settings.local.state);
        let redaction = Arc::new(Redaction::new(self.plan.parameters.secret_texts()));
        let inbox = Inbox::default();
        let engine = LocalEngine::new(
            self.plan.pipeline.clone(),
            self.plugins,
            self.directory,
            objects.clone(),
            redaction.clone(),
            inbox.progress(),
        );
        let runner = Runner {
            engine: Arc::new(engine),
            store: Arc::new(self.store),
            objects: Arc::new(FileObjects::new(objects)),
            redaction,
            now: Timestamp::now,
            max_concurrency: max_concurrency(self.max_concurrency, &self.plan),
            inbox,
            bucket: format!("s3://{LOCAL_BUCKET}"),
        };
        let consumers: &mut [&mut dyn EventConsumer] = &mut [consumer];
        runner
            .run(self.plan, &self.deployment, self.session, self.entry, requests, consumers)
            .await
            .map_err(Failure::surroundings)
    }
}

fn session_line(record: &SessionRecord, jobs: &[crate::session::JobRecord]) -> String {
    let view = crate::report::summary::SessionView::new(record, jobs);
    serde_json::json!({"event": "session_summary", "session": view}).to_string()
}

fn exit(end: &SessionEnd) -> Exit {
    match end {
        SessionEnd::Left => Exit::Interrupted,
        SessionEnd::Status(SessionStatus::Succeeded) => Exit::Done,
        SessionEnd::Status(SessionStatus::Failed | SessionStatus::TimedOut | SessionStatus::Cancelled) => {
            Exit::Unsuccessful
        }
        SessionEnd::Status(_) => Exit::Paused,
    }
}

fn max_concurrency(asked: Option<NonZeroU32>, plan: &Plan) -> usize {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    asked
        .or(plan.pipeline.max_concurrency)
        .map_or(processors * 4, |count| usize::try_from(count.get()).unwrap_or(usize::MAX))
}

/// Names and versions of the plugins that a deployment was made with.
pub(super) fn plugin_names(plugins: &Plugins) -> Vec<String> {
    plugins.found().iter().map(|plugin| format!("{} {}", plugin.name, plugin.version)).collect()
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

/// Interrupts as requests: the first pauses, the second cancels, the third leaves. A SIGTERM counts as a first one.
fn interrupts(by: String) -> UnboundedReceiver<Request> {
    let (sender, receiver) = unbounded_channel();
    tokio::spawn(async move {
        use tokio::signal::unix::{SignalKind, signal};
        let (Ok(mut interrupt), Ok(mut terminate)) =
            (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        else {
            return;
        };
        let mut count = 0;
        loop {
            let reason = tokio::select! {
                _ = interrupt.recv() => { count += 1; "interrupted" }
                _ = terminate.recv() => { count = count.max(1); "told to terminate" }
            };
            let (by, reason) = (by.clone(), reason.to_owned());
            let request = match count {
                1 => Request::Pause { by, reason },
                2 => Request::Cancel { by, reason },
                _ => Request::Leave,
            };
            if sender.send(request).is_err() {
                return;
            }
        }
    });
    receiver
}
