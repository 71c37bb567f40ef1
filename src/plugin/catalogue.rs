//! All plugins of a run, as the catalogue of operation types and as doers of local tasks.

use super::client::{DEADLINE, Starter};
use super::find::{
    Declared, Found, NOT_TRUSTED, OTHER_DIGEST, PassedOver, ProjectPlugins, find, sorted_folders,
};
use super::frame::Answer;
use super::hosted::{Asked, Plugin, body, explain_own, failure};
use super::library::{self, DeclaredType, LoadError};
use super::lock::Lock;
use crate::diagnostic::Severity;
use crate::pipeline::{
    CatalogueError, CheckRequest, Finding, Fragment, FragmentRequest, OperationCatalogue, OperationType,
};
use crate::settings::Settings;
use crate::state_machine::TaskFailure;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Where to look and what to start.
#[derive(Debug, Clone, Default)]
pub struct PluginsOptions {
    /// Folders in order of precedence, each with its origin as shown to people.
    pub folders: Vec<(PathBuf, String)>,
    /// Folders whose libraries are named among those passed over, and not loaded.
    pub not_trusted: Vec<(PathBuf, String)>,
    /// Started as `<executable> __plugin-host LIBRARY`.
    pub executable: PathBuf,
    /// A folder that keeps what libraries declare, by path, size and time; none: not kept.
    pub cache: Option<PathBuf>,
    /// How many bytes of memory a host may have; none: as many as there are.
    pub memory_limit: Option<u64>,
    /// What libraries are held to.
    pub lock: Option<Arc<Lock>>,
}

impl PluginsOptions {
    /// What settings and the executable's place say.
    pub fn new(settings: &Settings, executable: PathBuf, project: ProjectPlugins) -> Self {
        let (folders, not_trusted) = sorted_folders(settings, &executable, project);
        Self {
            folders,
            not_trusted,
            executable,
            cache: settings.plugins.cache.clone(),
            memory_limit: Some(settings.plugins.memory_limit()),
            lock: None,
        }
    }
}

/// The plugins that were found. Hosts start when first needed and end when this is dropped.
#[derive(Debug)]
pub struct Plugins {
    found: Vec<Found>,
    passed_over: Vec<PassedOver>,
    searched: Vec<(PathBuf, String)>,
    types: BTreeMap<String, (OperationType, Arc<Plugin>)>,
}

/// One task to be done here.
#[derive(Debug, Clone)]
pub struct LocalRun {
    /// The operation type.
    pub kind: String,
    /// The operation's keys, with every reference turned into `{% JSONata %}`; `local` is among them as written.
    pub keys: Json,
    /// The plugin's own name of the state (see `Fragment`).
    pub state: String,
    /// The state's evaluated Arguments.
    pub arguments: Json,
    /// The folder of the pipeline file: working directory of processes, base of relative paths.
    pub directory: PathBuf,
    /// Where the local backend keeps objects; `s3://local/KEY` is the file `KEY` below it.
    pub objects: PathBuf,
    /// For messages and names of processes.
    pub session: String,
    /// The job.
    pub job: String,
    /// The operation.
    pub operation: String,
    /// The job's attempt, from 1.
    pub attempt: u32,
    /// The task's try, from 1.
    pub try_number: u32,
    /// The state's TimeoutSeconds: who does the task can say how long it may take. Ending it in time is for the caller.
    pub timeout: Option<Duration>,
}

/// A line that an operation said.
#[derive(Debug, Clone, PartialEq)]
pub struct LogLine {
    /// `debug`, `info`, `warn`, `error`.
    pub level: String,
    /// Without its line end.
    pub message: String,
    /// More, where the operation says more (`stream`, …).
    pub fields: serde_json::Map<String, Json>,
}

/// What a plugin knows of an error.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Explanation {
    /// One line that says what happened.
    pub summary: String,
    /// The cause, made readable (a stack trace, an exit code); several lines.
    pub detail: Option<String>,
    /// Whether trying again can help; none: not known.
    pub recoverable: Option<bool>,
    /// What to do.
    pub help: Option<String>,
}

/// Whether an operation can be done here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Runnable {
    /// The plugin does it.
    ByPlugin,
    /// The type has no local form, but the operation says `local = { result = … }`.
    ByResult,
    /// Neither.
    No,
}

impl Plugins {
    /// Looks through the folders and reads what each library declares. Never fails: what cannot be used is passed over,
    /// with a reason.
    pub fn find(options: PluginsOptions) -> Self {
        Self::find_within(options, DEADLINE)
    }

    /// One library, wherever it lies and whatever it is called, as if it were the only one; the folder holds a link to it meanwhile.
    pub fn of_library(
        library: &Path,
        executable: &Path,
        memory_limit: u64,
    ) -> Result<(tempfile::TempDir, Self), PassedOver> {
        let link = || {
            let library = library.canonicalize()?;
            let folder = tempfile::tempdir()?;
            std::os::unix::fs::symlink(library, folder.path().join("libbunsui_alone.so"))?;
            Ok(folder)
        };
        let refused = |error: &LoadError| PassedOver {
            path: library.to_owned(),
            code: error.code(),
            reason: error.to_string(),
        };
        let folder = link().map_err(|error: std::io::Error| refused(&library::unreadable(&error)))?;
        let mut plugins = Self::find(PluginsOptions {
            folders: vec![(folder.path().to_owned(), "said".to_owned())],
            executable: executable.to_owned(),
            memory_limit: Some(memory_limit),
            ..PluginsOptions::default()
        });
        match plugins.passed_over.pop() {
            Some(passed_over) => Err(PassedOver { path: library.to_owned(), ..passed_over }),
            None => Ok((folder, plugins)),
        }
    }

    /// The same with another deadline for everything that plugins answer, and for ending a local run that is stopped.
    pub fn find_within(options: PluginsOptions, deadline: Duration) -> Self {
        let memory_limit = options.memory_limit;
        let starter = Starter { executable: options.executable.clone(), deadline, memory_limit };
        let (usable, passed_over) = find(&options, &starter);
        let searched = options.folders;
        let mut plugins = Self { found: Vec::new(), passed_over, searched, types: BTreeMap::new() };
        for declared in usable {
            plugins.add(declared, &starter);
        }
        plugins
    }

    fn add(&mut self, declared: Declared, starter: &Starter) {
        let Declared { candidate, declaration, sha256, host } = declared;
        let library = candidate.path.clone();
        let plugin = Arc::new(Plugin::new(declaration.name.clone(), library, starter.clone(), host));
        self.found.push(Found {
            name: declaration.name,
            version: declaration.version,
            path: candidate.path,
            origin: candidate.origin,
            operation_types: declaration.operation_types.iter().map(|kind| kind.name.clone()).collect(),
            sha256,
        });
        for declared in declaration.operation_types {
            let operation_type = declared.of_plugin(&plugin.name);
            self.types.insert(operation_type.name.clone(), (operation_type, Arc::clone(&plugin)));
        }
    }

    /// The plugin that knows an operation type.
    pub(super) fn plugin(&self, kind: &str) -> Option<&Arc<Plugin>> {
        self.types.get(kind).map(|(_, plugin)| plugin)
    }

    /// What to lock: those used, with what they declare, and what others locked before on other platforms.
    pub fn lock(&self, before: Option<&Lock>) -> Lock {
        let types = |found: &Found| {
            let of_plugin = self.types.values().filter(|(kind, _)| kind.plugin == found.name);
            of_plugin
                .map(|(kind, _)| DeclaredType {
                    name: kind.name.clone(),
                    summary: kind.summary.clone(),
                    schema: kind.schema.clone(),
                    has_check: kind.has_check,
                    has_run_local: kind.has_run_local,
                })
                .collect()
        };
        let found: Vec<(Found, Vec<DeclaredType>)> =
            self.found.iter().map(|found| (found.clone(), types(found))).collect();
        Lock::of(&found, before)
    }

    /// Those used, by name.
    pub fn found(&self) -> &[Found] {
        &self.found
    }

    /// Those not used.
    pub fn passed_over(&self) -> &[PassedOver] {
        &self.passed_over
    }

    /// Where they were looked for, each folder with its origin.
    pub fn searched(&self) -> &[(PathBuf, String)] {
        &self.searched
    }

    /// Whether an operation can be done here, by its type and keys.
    pub fn runnable(&self, kind: &str, keys: &Json) -> Runnable {
        let by_plugin = self.types.get(kind).is_some_and(|(operation_type, _)| operation_type.has_run_local);
        match keys.get("local") {
            Some(_) if by_plugin => Runnable::ByPlugin,
            Some(local) if local.get("result").is_some() => Runnable::ByResult,
            _ => Runnable::No,
        }
    }

    /// Does a task in its plugin's host; lines go to `log` as they come.
    pub async fn run_local(
        &self,
        run: LocalRun,
        log: mpsc::Sender<LogLine>,
        cancelled: CancellationToken,
    ) -> Result<Json, TaskFailure> {
        let Some((operation_type, plugin)) = self.types.get(&run.kind) else {
            return Err(failure("Plugin.Unknown", format!("no plugin knows operation type `{}`", run.kind)));
        };
        match self.runnable(&run.kind, &run.keys) {
            Runnable::ByPlugin => plugin.run_local(run, log, cancelled).await,
            Runnable::ByResult => Ok(run.keys["local"]["result"].clone()),
            Runnable::No => Err(failure("Plugin.NoLocalForm", no_local_form(operation_type, &run.operation))),
        }
    }

    /// What an operation's plugin makes of an error. A plugin that says nothing, or dies, gives none.
    pub async fn explain(&self, kind: &str, keys: &Json, failure: &TaskFailure) -> Option<Explanation> {
        let (_, plugin) = self.types.get(kind)?;
        if failure.error.starts_with("Plugin.") {
            return Some(explain_own(&plugin.name, failure));
        }
        let request = json!({ "keys": keys, "error": failure.error, "cause": failure.cause });
        let host = plugin.host_async().await.ok()?;
        let answers = host.ask_async(vec![body("explain", kind, &request)]).await.ok()?;
        let Some(Answer::Ok(reply)) = answers.into_iter().next() else { return None };
        let ExplanationBody { summary, detail, recoverable, help } =
            serde_json::from_str(reply.get()).ok()?;
        Some(Explanation { summary, detail, recoverable, help })
    }

    /// Asks each request's plugin, all requests of a plugin at once; answers are in the order of the requests.
    pub(super) fn ask<'a>(
        &self,
        what: &'static str,
        requests: impl Iterator<Item = (&'a str, String, Box<RawValue>)>,
    ) -> Result<Vec<Box<RawValue>>, CatalogueError> {
        let mut by_plugin: BTreeMap<&str, (&Arc<Plugin>, Vec<Asked>)> = BTreeMap::new();
        let mut count = 0;
        for (at, (kind, operation, body)) in requests.enumerate() {
            let Some((_, plugin)) = self.types.get(kind) else {
                let message = format!("no plugin knows operation type `{kind}`");
                return Err(CatalogueError { plugin: kind.to_owned(), what, operation, message, help: None });
            };
            let (_, asked) = by_plugin.entry(&plugin.name).or_insert_with(|| (plugin, Vec::new()));
            asked.push(Asked { at, operation, body });
            count += 1;
        }
        let mut replies = vec![None; count];
        for (plugin, asked) in by_plugin.into_values() {
            plugin.ask_in_order(what, &asked, &mut replies)?;
        }
        Ok(replies.into_iter().map(Option::unwrap_or_default).collect())
    }
}

fn no_local_form(operation_type: &OperationType, operation: &str) -> String {
    if operation_type.has_run_local {
        format!("operation `{operation}` does not say what it is on this machine: it has no `local`")
    } else {
        format!(
            "operation type `{}` has no local form; `local = {{ result = … }}` says what operation `{operation}` gives here",
            operation_type.name
        )
    }
}

#[derive(Serialize)]
struct CheckBody<'a> {
    operation: &'a str,
    keys: &'a Json,
}

#[derive(Serialize)]
struct StatesBody<'a> {
    job: &'a str,
    operation: &'a str,
    keys: &'a Json,
}

#[derive(Deserialize)]
pub(super) struct ExplanationBody {
    summary: String,
    detail: Option<String>,
    recoverable: Option<bool>,
    help: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct FindingBody {
    severity: SeverityBody,
    pointer: String,
    message: String,
    help: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum SeverityBody {
    Error,
    Warning,
}

impl From<FindingBody> for Finding {
    fn from(body: FindingBody) -> Self {
        let severity = match body.severity {
            SeverityBody::Error => Severity::Error,
            SeverityBody::Warning => Severity::Warning,
        };
        Self { severity, pointer: body.pointer, message: body.message, help: body.help }
    }
}

#[derive(Deserialize)]
pub(super) struct FragmentBody {
    start_at: String,
    states: serde_json::Map<String, Json>,
}

impl OperationCatalogue for Plugins {
    fn operation_type(&self, name: &str) -> Option<&OperationType> {
        self.types.get(name).map(|(operation_type, _)| operation_type)
    }

    fn names(&self) -> Vec<&str> {
        self.types.keys().map(String::as_str).collect()
    }

    fn about_missing(&self) -> Option<String> {
        let not_trusted: Vec<String> = self
            .passed_over
            .iter()
            .filter(|passed_over| passed_over.code == NOT_TRUSTED)
            .map(|passed_over| format!("\n  {}", passed_over.path.display()))
            .collect();
        if !not_trusted.is_empty() {
            return Some(format!(
                "what only the project's own settings name was not loaded; `--trust-project-plugins` loads it:{}",
                not_trusted.concat()
            ));
        }
        if let Some(refused) = self.passed_over.iter().find(|passed_over| passed_over.code == OTHER_DIGEST) {
            return Some(format!("`{}` was not used: {}", refused.path.display(), refused.reason));
        }
        if !self.found.is_empty() {
            return None;
        }
        let mut about = "no plugin was found, not even those that come with bunsui; looked in".to_owned();
        for (folder, origin) in &self.searched {
            about.push_str(&format!("\n  {} ({origin})", folder.display()));
        }
        Some(
            about
                + "\nset BUNSUI_PLUGIN_PATH to the folder that holds libbunsui_*.so; `bunsui plugin list` says more",
        )
    }

    fn check(&self, requests: &[CheckRequest]) -> Result<Vec<Vec<Finding>>, CatalogueError> {
        let replies = self.ask(
            "check",
            requests.iter().map(|request| {
                let CheckRequest { kind, operation, keys } = request;
                (kind.as_str(), operation.clone(), body("check", kind, &CheckBody { operation, keys }))
            }),
        )?;
        requests
            .iter()
            .zip(replies)
            .map(|(request, reply)| {
                let findings: Vec<FindingBody> = serde_json::from_str(reply.get()).map_err(|error| {
                    self.not_understood("check", &request.kind, &request.operation, &error)
                })?;
                Ok(findings.into_iter().map(Finding::from).collect())
            })
            .collect()
    }

    fn fragments(&self, requests: &[FragmentRequest]) -> Result<Vec<Fragment>, CatalogueError> {
        let place = |request: &FragmentRequest| format!("{}.{}", request.job, request.operation);
        let replies = self.ask(
            "compile",
            requests.iter().map(|request| {
                let FragmentRequest { kind, job, operation, keys } = request;
                let states = body("states", kind, &StatesBody { job, operation, keys });
                (kind.as_str(), place(request), states)
            }),
        )?;
        requests
            .iter()
            .zip(replies)
            .map(|(request, reply)| {
                let fragment: FragmentBody = serde_json::from_str(reply.get()).map_err(|error| {
                    self.not_understood("compile", &request.kind, &place(request), &error)
                })?;
                if !fragment.states.contains_key(&fragment.start_at) {
                    let error = format!("its states have none named `{}`", fragment.start_at);
                    return Err(self.not_understood("compile", &request.kind, &place(request), &error));
                }
                Ok(Fragment { start_at: fragment.start_at, states: fragment.states })
            })
            .collect()
    }
}

impl Plugins {
    pub(super) fn not_understood(
        &self,
        what: &'static str,
        kind: &str,
        operation: &str,
        error: &dyn std::fmt::Display,
    ) -> CatalogueError {
        CatalogueError {
            plugin: self
                .types
                .get(kind)
                .map_or(kind, |(operation_type, _)| &operation_type.plugin)
                .to_owned(),
            what,
            operation: operation.to_owned(),
            message: format!("its answer is not understood: {error}"),
            help: None,
        }
    }
}
