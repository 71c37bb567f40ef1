//! One plugin and its host process: asks it, runs tasks in it, starts it again when it died.

use super::catalogue::{Explanation, LocalRun, LogLine};
use super::client::{CallError, HostProcess, Starter};
use super::frame::Answer;
use super::library::LoadError;
use crate::pipeline::CatalogueError;
use crate::state_machine::TaskFailure;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use serde_json::value::{RawValue, to_raw_value};
use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// A plugin and its host, where one runs.
#[derive(Debug)]
pub(super) struct Plugin {
    pub(super) name: String,
    library: PathBuf,
    starter: Starter,
    host: Mutex<Option<Arc<HostProcess>>>,
}

impl Plugin {
    pub(super) fn new(name: String, library: PathBuf, starter: Starter, host: Option<HostProcess>) -> Self {
        Self { name, library, starter, host: Mutex::new(host.map(Arc::new)) }
    }

    /// The host; a fresh one where there is none, or it died.
    fn host(&self) -> Result<Arc<HostProcess>, LoadError> {
        let mut slot = self.host.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = slot.as_ref().filter(|host| host.is_usable()) {
            return Ok(Arc::clone(host));
        }
        let (host, _) = self.starter.start(&self.library)?;
        let host = Arc::new(host);
        *slot = Some(Arc::clone(&host));
        Ok(host)
    }

    /// The same without stopping a runtime's thread while a host starts.
    pub(super) async fn host_async(self: &Arc<Self>) -> Result<Arc<HostProcess>, LoadError> {
        let running = match self.host.try_lock() {
            Ok(slot) => slot.as_ref().filter(|host| host.is_usable()).map(Arc::clone),
            Err(TryLockError::WouldBlock | TryLockError::Poisoned(_)) => None,
        };
        if let Some(host) = running {
            return Ok(host);
        }
        let plugin = Arc::clone(self);
        tokio::task::spawn_blocking(move || plugin.host())
            .await
            .unwrap_or_else(|error| Err(LoadError::NoHost(error.to_string())))
    }

    /// Does a task; ends it when `cancelled` fires.
    pub(super) async fn run_local(
        self: &Arc<Self>,
        run: LocalRun,
        log: mpsc::Sender<LogLine>,
        cancelled: CancellationToken,
    ) -> Result<Json, TaskFailure> {
        let host = self.host_async().await.map_err(|error| {
            failure("Plugin.NotLoaded", format!("plugin `{}` cannot be used: {error}", self.name))
        })?;
        let request = body("run_local", &run.kind, &RunRequest::of(&run));
        let grace = self.starter.deadline;
        let mut call = host.start_call(vec![request], Some(log));
        let answered = tokio::select! {
            answered = call.answered() => answered,
            () = cancelled.cancelled() => {
                call.cancel();
                match tokio::time::timeout(grace, call.answered()).await {
                    Ok(answered) => answered,
                    Err(_) => {
                        call.give_up();
                        Err(CallError::Late(grace))
                    }
                }
            }
        };
        self.read_run(&run.operation, answered)
    }

    fn read_run(
        &self,
        operation: &str,
        answered: Result<Vec<Answer>, CallError>,
    ) -> Result<Json, TaskFailure> {
        let name = &self.name;
        match answered.map(|answers| answers.into_iter().next()) {
            Err(CallError::Ended(ended)) => {
                let cause = format!(
                    "plugin `{name}` crashed during operation `{operation}`: its host process {ended}"
                );
                Err(failure("Plugin.Crashed", cause))
            }
            Err(error @ CallError::Late(_)) => {
                let cause = format!("plugin `{name}` did not end operation `{operation}`: {error}");
                Err(failure("Plugin.Hung", cause))
            }
            Err(error @ CallError::NotSent(_)) => Err(failure("Plugin.Failed", error.to_string())),
            Ok(Some(Answer::Ok(reply))) => match serde_json::from_str(reply.get()) {
                Ok(RunBody::Output(output)) => Ok(output),
                Ok(RunBody::Failure { error, cause }) => Err(TaskFailure { error, cause }),
                Err(error) => {
                    let cause = format!("plugin `{name}` gave a result that is not understood: {error}");
                    Err(failure("Plugin.Failed", cause))
                }
            },
            Ok(Some(Answer::Failed { message, .. })) => {
                Err(failure("Plugin.Failed", format!("plugin `{name}` failed: {message}")))
            }
            Ok(None) => Err(failure("Plugin.Failed", format!("plugin `{name}` gave no result"))),
        }
    }

    /// Asks all at once and puts the replies in their places.
    pub(super) fn ask_in_order(
        &self,
        what: &'static str,
        asked: &[Asked],
        replies: &mut [Option<Box<RawValue>>],
    ) -> Result<(), CatalogueError> {
        let first = asked.first().map(|asked| asked.operation.as_str()).unwrap_or_default();
        let bodies = asked.iter().map(|asked| asked.body.clone()).collect();
        let host = self.host().map_err(|error| self.error(what, first, error.to_string(), None))?;
        let answers = match host.ask(bodies) {
            Ok(answers) => answers,
            Err(CallError::Ended(_)) if asked.len() > 1 => {
                // One of them ended the host: asked one by one, it is named.
                return asked
                    .iter()
                    .try_for_each(|one| self.ask_in_order(what, std::slice::from_ref(one), replies));
            }
            Err(error) => return Err(self.error(what, first, error.to_string(), None)),
        };
        for (asked, answer) in asked.iter().zip(answers) {
            match answer {
                Answer::Ok(reply) => replies[asked.at] = Some(reply),
                Answer::Failed { message, help, pointer } => {
                    let message = match pointer {
                        Some(pointer) => format!("{message} (at `{pointer}`)"),
                        None => message,
                    };
                    return Err(self.error(what, &asked.operation, message, help));
                }
            }
        }
        Ok(())
    }

    fn error(
        &self,
        what: &'static str,
        operation: &str,
        message: String,
        help: Option<String>,
    ) -> CatalogueError {
        CatalogueError { plugin: self.name.clone(), what, operation: operation.to_owned(), message, help }
    }
}

/// A request to a plugin and the place of its reply.
pub(super) struct Asked {
    pub(super) at: usize,
    pub(super) operation: String,
    pub(super) body: Box<RawValue>,
}

/// A request of the plugin interface, as text.
pub(super) fn body<R: Serialize>(method: &str, operation_type: &str, request: &R) -> Box<RawValue> {
    #[derive(Serialize)]
    struct Body<'a, R> {
        method: &'a str,
        operation_type: &'a str,
        request: &'a R,
    }
    to_raw_value(&Body { method, operation_type, request })
        .expect("every key is text, and what we ask has no serializer of its own that fails")
}

pub(super) fn failure(error: &str, cause: impl Into<String>) -> TaskFailure {
    TaskFailure { error: error.to_owned(), cause: cause.into() }
}

/// What bunsui itself makes of an error of a plugin.
pub(super) fn explain_own(plugin: &str, failure: &TaskFailure) -> Explanation {
    let (summary, recoverable, help) = match failure.error.as_str() {
        "Plugin.Crashed" => (
            format!("plugin `{plugin}` crashed"),
            Some(true),
            Some(format!(
                "the plugin was started again; if it keeps crashing, tell the authors of plugin `{plugin}`"
            )),
        ),
        "Plugin.Hung" => (format!("plugin `{plugin}` did not stop when told to"), Some(true), None),
        "Plugin.NotLoaded" | "Plugin.Unknown" => (
            failure.cause.clone(),
            Some(false),
            Some("`bunsui plugin list` says which plugins are found, and why others are not used".to_owned()),
        ),
        "Plugin.NoLocalForm" => (
            failure.cause.clone(),
            Some(false),
            Some("give the operation a `local`, or `local = { result = … }`".to_owned()),
        ),
        _ => (format!("plugin `{plugin}` failed"), Some(false), None),
    };
    let detail = (summary != failure.cause).then(|| failure.cause.clone());
    Explanation { summary, detail, recoverable, help }
}

/// A [`LocalRun`] as the plugin hears of it. A path that is not UTF-8 cannot be said in JSON.
#[derive(Serialize)]
struct RunRequest<'a> {
    keys: &'a Json,
    state: &'a str,
    arguments: &'a Json,
    directory: Cow<'a, str>,
    objects: Cow<'a, str>,
    session: &'a str,
    job: &'a str,
    operation: &'a str,
    attempt: u32,
    try_number: u32,
    timeout_seconds: Option<u64>,
}

impl<'a> RunRequest<'a> {
    fn of(run: &'a LocalRun) -> Self {
        Self {
            keys: &run.keys,
            state: &run.state,
            arguments: &run.arguments,
            directory: run.directory.to_string_lossy(),
            objects: run.objects.to_string_lossy(),
            session: &run.session,
            job: &run.job,
            operation: &run.operation,
            attempt: run.attempt,
            try_number: run.try_number,
            timeout_seconds: run.timeout.map(|timeout| timeout.as_secs()),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RunBody {
    Output(Json),
    Failure { error: String, cause: String },
}
