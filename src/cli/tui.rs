//! `bunsui tui`: sessions, jobs, log lines and pipelines on a terminal, live.

use super::control::is_driven;
use super::load::{check, find_plugins, find_plugins_with, read_file, settle};
use super::logs::reading::Reading;
use super::session::job_keys;
use super::store::open_store;
use super::{Context, Exit, Failure, Outcome, paths};
use crate::backend::Stores;
use crate::backend::local::objects_folder;
use crate::diagnostic::{Severity, render_human};
use crate::pipeline::Pipeline;
use crate::plugin::{Plugins, ProjectPlugins};
use crate::runner::port::{DEPLOYMENTS, SessionFilter, StoreError, deployment, deployment_of, logs_key};
use crate::session::{JobStatus, LogFilter, LogRecord, SessionId, SessionRecord};
use crate::settings::BackendKind;
use crate::tui::{Command, Counts, Found, Opened, Page, Problem, Said, SessionRow, Source, Theme};
use async_trait::async_trait;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::{IsTerminal, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Also load libraries that only this project's bunsui.toml names: they run as code on this machine
    #[arg(long)]
    trust_project_plugins: bool,
}

/// There is nothing to draw on.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{what}")]
#[diagnostic(
    code("bunsui::settings::no_terminal"),
    help("`bunsui session list` and `bunsui session attach` need none; over SSH, `ssh -t` gives one")
)]
struct NoTerminal {
    what: String,
}

pub(super) fn run(args: &Args, globals: Vec<String>, context: &Context) -> Outcome {
    if !(std::io::stdin().is_terminal() && std::io::stdout().is_terminal()) {
        let what = "standard input and output are no terminal, on which it could be drawn".into();
        return Err(Failure::bad_input(NoTerminal { what }));
    }
    let unusable = |error: std::io::Error| {
        Failure::surroundings(NoTerminal { what: format!("the terminal cannot be used: {error}") })
    };
    let is_plain = variable(context, "NO_COLOR").is_some_and(|value| !value.is_empty());
    let theme = if is_plain { Theme::Plain } else { Theme::Colour };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(unusable)?;
    let source = Reader {
        context,
        globals,
        project: ProjectPlugins::for_looking(args.trust_project_plugins),
        counted: Mutex::default(),
        checked: Mutex::default(),
    };
    let later = Later::begin().map_err(unusable)?;
    let ended = crate::tui::run(&source, theme, &runtime);
    drop(later);
    // What was being read is of no use any more.
    runtime.shutdown_background();
    ended.map(|()| Exit::Done).map_err(unusable)
}

fn variable<'c>(context: &'c Context, name: &str) -> Option<&'c str> {
    let variables = &context.surroundings.variables;
    variables.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// What is said on stderr while the terminal is drawn on is kept, and said when this ends.
struct Later {
    stderr: OwnedFd,
    kept: std::fs::File,
}

impl Later {
    fn begin() -> std::io::Result<Option<Self>> {
        if !std::io::stderr().is_terminal() {
            return Ok(None);
        }
        let stderr = rustix::io::dup(std::io::stderr())?;
        let kept = tempfile::tempfile()?;
        rustix::stdio::dup2_stderr(&kept)?;
        Ok(Some(Self { stderr, kept }))
    }
}

impl Drop for Later {
    fn drop(&mut self) {
        let _ = rustix::stdio::dup2_stderr(&self.stderr);
        let mut text = Vec::new();
        let _ = self.kept.rewind().and_then(|()| self.kept.read_to_end(&mut text));
        let _ = std::io::stderr().write_all(&text);
    }
}

/// What was found in a file as it was at a time.
struct CheckedFile {
    at: (Option<SystemTime>, u64),
    found: Found,
}

/// Reads with what all commands read with.
struct Reader<'c> {
    context: &'c Context,
    /// Options of every command, as this one was given them.
    globals: Vec<String>,
    project: ProjectPlugins,
    /// How far sessions were, and after which event.
    counted: Mutex<HashMap<SessionId, (u64, Counts)>>,
    checked: Mutex<HashMap<PathBuf, CheckedFile>>,
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure.report {
            Some(report) => {
                let help = report.help().map(|help| help.to_string());
                let causes: Vec<String> = report.chain().skip(1).map(ToString::to_string).collect();
                let mut message = report.to_string();
                for cause in causes
                    .iter()
                    .filter(|cause| !message.contains(cause.as_str()))
                    .cloned()
                    .collect::<Vec<_>>()
                {
                    message.push_str(&format!("\n{cause}"));
                }
                Self { message, help }
            }
            None => Self {
                message: "its pipeline file is not valid with the plugins of this machine".into(),
                help: None,
            },
        }
    }
}

fn problem(error: StoreError) -> Problem {
    Failure::surroundings(error).into()
}

impl Reader<'_> {
    /// The store; none where nothing has run yet.
    async fn stores(&self) -> Result<Option<Stores>, Problem> {
        open_store(self.context).await.map_err(Problem::from)
    }

    async fn session(&self, id: &SessionId) -> Result<(Stores, SessionRow), Problem> {
        let gone = || problem(StoreError::Gone { session: id.to_string() });
        let stores = self.stores().await?.ok_or_else(gone)?;
        let record = stores.sessions.session(id).await.map_err(problem)?.ok_or_else(gone)?;
        Ok((stores, row(record)))
    }

    /// A file as it is now; what was found in one that has not changed is still so.
    fn found(&self, file: &Path, plugins: &mut Option<Plugins>) -> Found {
        let full = self.context.surroundings.directory.join(file);
        let at = std::fs::metadata(&full).map_or((None, 0), |data| (data.modified().ok(), data.len()));
        let mut checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = checked.get(file).filter(|known| known.at == at) {
            return known.found.clone();
        }
        let plugins = plugins.get_or_insert_with(|| find_plugins_with(self.project, self.context));
        let found = self.check(file, plugins);
        checked.insert(file.to_path_buf(), CheckedFile { at, found: found.clone() });
        found
    }

    fn check(&self, file: &Path, plugins: &Plugins) -> Found {
        let name = file.display().to_string();
        let stem = file.file_stem().map_or_else(|| name.clone(), |stem| stem.to_string_lossy().into_owned());
        let mut found = Found {
            name: stem,
            file: Some(name.clone()),
            findings: String::new(),
            errors: 0,
            warnings: 0,
            pipeline: None,
            last: None,
            jobs: BTreeMap::new(),
        };
        let bytes = match read_file(file, self.context) {
            Ok(bytes) => bytes,
            Err(unreadable) => return Found { findings: unreadable.to_string(), errors: 1, ..found },
        };
        let mut checked = check(&name, bytes, plugins);
        settle(&mut checked.diagnostics, &self.context.settings.validate);
        let count = |severity| checked.diagnostics.iter().filter(|found| found.severity == severity).count();
        (found.errors, found.warnings) = (count(Severity::Error), count(Severity::Warning));
        found.findings = render_human(&checked.source, &checked.diagnostics, false, 100);
        found.pipeline = checked.pipeline.map(Arc::new);
        if let Some(pipeline) = &found.pipeline {
            found.name = pipeline.name.to_string();
        }
        found
    }

    /// The last session of a pipeline, and how its jobs stand.
    async fn last(
        &self,
        name: &str,
        stores: &Stores,
    ) -> Result<Option<(SessionRow, Vec<(String, JobStatus)>)>, Problem> {
        let filter = SessionFilter { pipeline: Some(name.to_owned()), limit: 1, ..SessionFilter::default() };
        let Some(last) = stores.sessions.sessions(&filter).await.map_err(problem)?.pop() else {
            return Ok(None);
        };
        let jobs = stores.sessions.jobs(&last.session_id).await.map_err(problem)?;
        Ok(Some((row(last), jobs.into_iter().map(|job| (job.job_key, job.status)).collect())))
    }
}

fn row(record: SessionRecord) -> SessionRow {
    SessionRow { is_driven: is_driven(&record), record }
}

/// Bytes of all files below a folder; what cannot be read has none.
fn bytes_below(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(data) if data.is_dir() => bytes_below(&entry.path()),
            Ok(data) => data.len(),
            Err(_) => 0,
        })
        .sum()
}

#[async_trait]
impl Source for Reader<'_> {
    fn place(&self) -> String {
        let settings = &self.context.settings;
        match settings.backend {
            BackendKind::Local => {
                let state = &settings.local.state;
                let state = state.strip_prefix(&self.context.surroundings.directory).unwrap_or(state);
                format!("local {}", state.display())
            }
            BackendKind::Aws => {
                let region =
                    settings.aws.region.as_ref().map(|region| format!("{region} ")).unwrap_or_default();
                format!("aws {region}{}sessions", settings.aws.prefix)
            }
        }
    }

    fn is_remote(&self) -> bool {
        self.context.settings.backend == BackendKind::Aws
    }

    async fn sessions(&self, limit: usize) -> Result<Vec<SessionRow>, Problem> {
        // What a panic leaves of the terminal is tested. Release builds have none of it.
        let is_asked =
            cfg!(debug_assertions) && variable(self.context, "BUNSUI_FAILPOINT") == Some("tui_panic");
        assert!(!is_asked, "a test asked for it");
        let Some(stores) = self.stores().await? else { return Ok(Vec::new()) };
        let filter = SessionFilter { limit, ..SessionFilter::default() };
        Ok(stores.sessions.sessions(&filter).await.map_err(problem)?.into_iter().map(row).collect())
    }

    async fn counts(&self, ids: &[SessionId]) -> Result<Vec<(SessionId, Counts)>, Problem> {
        let Some(stores) = self.stores().await? else { return Ok(Vec::new()) };
        let mut all = Vec::new();
        for id in ids {
            let event = stores.sessions.last_event(id).await.map_err(problem)?;
            let known = self.counted.lock().unwrap_or_else(PoisonError::into_inner).get(id).copied();
            if let Some((_, counts)) = known.filter(|(at, _)| *at == event) {
                all.push((id.clone(), counts));
                continue;
            }
            let jobs = stores.sessions.jobs(id).await.map_err(problem)?;
            let own = || jobs.iter().filter(|job| job.reused_from.is_none()).map(|job| job.status);
            let counts = Counts {
                done: own().filter(|status| status.is_final()).count(),
                running: own().filter(|status| *status == JobStatus::Running).count(),
                failed: own()
                    .filter(|status| matches!(status, JobStatus::Failed | JobStatus::TimedOut))
                    .count(),
            };
            self.counted.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), (event, counts));
            all.push((id.clone(), counts));
        }
        Ok(all)
    }

    async fn open(&self, id: &SessionId) -> Result<Opened, Problem> {
        let (stores, row) = self.session(id).await?;
        let pinned = deployment(&*stores.objects, &row.record).await.map_err(problem)?;
        let jobs = job_keys(&row.record, pinned.as_ref());
        let pipeline: Option<Pipeline> = pinned.and_then(|pinned| {
            let plugins = find_plugins(self.context);
            check(&pinned.file, pinned.text.into_bytes(), &plugins).pipeline
        });
        Ok(Opened { row, jobs, pipeline: pipeline.map(Arc::new) })
    }

    async fn page(&self, id: &SessionId, after: u64) -> Result<Page, Problem> {
        const MOST: usize = 2000;
        // Before the events: what is stored after it is seen at the next look.
        let (stores, row) = self.session(id).await?;
        let events = stores.sessions.events(id, after, MOST).await.map_err(problem)?;
        Ok(Page { row, has_more: events.len() == MOST, events })
    }

    async fn logs(
        &self,
        id: &SessionId,
        job: Option<&str>,
        known: u64,
    ) -> Result<Option<(u64, Vec<LogRecord>)>, Problem> {
        const MOST: usize = 100_000;
        let (stores, row) = self.session(id).await?;
        // Before the lines: what comes after it is seen at the next look.
        let event = stores.sessions.last_event(id).await.map_err(problem)?;
        let objects = objects_folder(&self.context.settings.local.state);
        let bytes = if self.is_remote() { 0 } else { bytes_below(&objects.join(logs_key(id))) };
        let now = (event << 40) + bytes + 1;
        // What operations say on AWS is not among events: it is looked for until they have long ended.
        let is_still = !self.is_remote()
            || (row.record.status.is_final() && row.record.ended_at.is_some_and(is_long_ago));
        if now == known && is_still {
            return Ok(None);
        }
        let filter = Arc::new(LogFilter { job: job.map(str::to_owned), ..LogFilter::default() });
        let mut reading = Reading::open(&row.record, &stores, filter, self.context).await?;
        let mut records = VecDeque::new();
        while let Some(record) = reading.next().await? {
            if records.len() == MOST {
                records.pop_front();
            }
            records.push_back(record);
        }
        Ok(Some((now, records.into())))
    }

    async fn pipelines(&self) -> Result<Vec<Found>, Problem> {
        let directory = &self.context.surroundings.directory;
        let mut found = Vec::new();
        if directory.join("pipelines").is_dir() {
            let mut plugins = None;
            let files = paths::files(&[PathBuf::from("pipelines")], directory);
            found.extend(files.iter().flatten().map(|file| self.found(file, &mut plugins)));
        }
        let Some(stores) = self.stores().await? else { return Ok(found) };
        let keys = stores.objects.list(DEPLOYMENTS).await.map_err(problem)?;
        let mut names: Vec<&str> = keys.iter().filter_map(|key| Some(deployment_of(key)?.0)).collect();
        names.dedup();
        for name in names {
            let known = found.iter_mut().filter(|found| found.name == name).collect::<Vec<_>>();
            let Some((last, jobs)) = self.last(name, &stores).await? else { continue };
            let jobs: BTreeMap<String, JobStatus> = jobs.into_iter().collect();
            if known.is_empty() {
                found.push(Found {
                    name: name.to_owned(),
                    file: None,
                    findings: String::new(),
                    errors: 0,
                    warnings: 0,
                    pipeline: None,
                    last: Some(last),
                    jobs,
                });
                continue;
            }
            for known in known {
                known.last = Some(last.clone());
                known.jobs.clone_from(&jobs);
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    async fn command(&self, command: &Command) -> Result<Said, Problem> {
        let failed = |error: std::io::Error| Problem {
            message: format!("bunsui cannot be started: {error}"),
            help: None,
        };
        let output = tokio::process::Command::new(std::env::current_exe().map_err(failed)?)
            .args(&self.globals)
            .args(&command.arguments)
            .envs(&command.environment)
            .env("COLUMNS", "76")
            .stdin(Stdio::null())
            .output()
            .await
            .map_err(failed)?;
        Ok(Said {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

/// CloudWatch has the last lines a while after they were written.
fn is_long_ago(ended: jiff::Timestamp) -> bool {
    jiff::Timestamp::now().duration_since(ended) > jiff::SignedDuration::from_secs(60)
}
