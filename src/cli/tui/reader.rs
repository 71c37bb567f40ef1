//! What the terminal reads, with the stores that all commands open.

use super::logs::Logs;
use super::pipelines::CheckedFile;
use crate::backend::Stores;
use crate::cli::control::is_driven;
use crate::cli::load::{check, find_plugins};
use crate::cli::session::job_keys;
use crate::cli::store::open_store;
use crate::cli::{Context, Failure};
use crate::pipeline::Pipeline;
use crate::plugin::ProjectPlugins;
use crate::runner::port::{SessionFilter, StoreError, deployment};
use crate::session::{JobStatus, SessionId, SessionRecord};
use crate::settings::BackendKind;
use crate::tui::{
    Command, Counts, Listed, LogPage, Opened, Page, Pipelines, Problem, Said, SessionRow, Source,
};
use async_trait::async_trait;
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

/// Reads with what all commands read with.
pub(super) struct Reader<'c> {
    pub(super) context: &'c Context,
    /// Options of every command, as this one was given them.
    globals: Vec<String>,
    pub(super) project: ProjectPlugins,
    /// How far sessions were, and after which event.
    counted: Mutex<HashMap<SessionId, (u64, Counts)>>,
    pub(super) checked: Mutex<HashMap<PathBuf, CheckedFile>>,
    logs: Logs,
}

impl<'c> Reader<'c> {
    pub(super) fn new(context: &'c Context, globals: Vec<String>, project: ProjectPlugins) -> Self {
        let (counted, checked) = Default::default();
        Self { context, globals, project, counted, checked, logs: Logs::default() }
    }
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

pub(super) fn problem(error: StoreError) -> Problem {
    Failure::surroundings(error).into()
}

impl Reader<'_> {
    /// The store; none where nothing has run yet.
    pub(super) async fn stores(&self) -> Result<Option<Stores>, Problem> {
        open_store(self.context).await.map_err(Problem::from)
    }

    pub(super) async fn session(&self, id: &SessionId) -> Result<(Stores, SessionRow), Problem> {
        let gone = || problem(StoreError::Gone { session: id.to_string() });
        let stores = self.stores().await?.ok_or_else(gone)?;
        let record = stores.sessions.session(id).await.map_err(problem)?.ok_or_else(gone)?;
        Ok((stores, row(record)))
    }
}

pub(super) fn row(record: SessionRecord) -> SessionRow {
    SessionRow { is_driven: is_driven(&record), record }
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

    async fn sessions(&self, limit: usize) -> Result<Listed, Problem> {
        // What a panic leaves of the terminal is tested. Release builds have none of it.
        let is_asked =
            cfg!(debug_assertions) && super::variable(self.context, "BUNSUI_FAILPOINT") == Some("tui_panic");
        assert!(!is_asked, "a test asked for it");
        let Some(stores) = self.stores().await? else { return Ok(Listed::default()) };
        let filter = SessionFilter { limit, ..SessionFilter::default() };
        let found = stores.sessions.readable_sessions(&filter).await.map_err(problem)?;
        let rows = found.sessions.into_iter().map(row).collect();
        Ok(Listed { rows, damaged: found.damaged.into_iter().map(problem).collect() })
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

    async fn logs(&self, id: &SessionId, job: Option<&str>, given: u64) -> Result<LogPage, Problem> {
        self.logs.page(id, job, given, self).await
    }

    async fn pipelines(&self) -> Pipelines {
        self.all_pipelines().await
    }

    async fn command(&self, command: &Command) -> Result<Said, Problem> {
        let failed = |error: std::io::Error| Problem {
            message: format!("bunsui cannot be started: {error}"),
            help: None,
        };
        let output = tokio::process::Command::new(executable().map_err(failed)?)
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

/// This program. Where another took its place while this one was looked at, the other does what is asked.
fn executable() -> std::io::Result<PathBuf> {
    let path = std::env::current_exe()?;
    let replaced = path.to_str().and_then(|path| path.strip_suffix(" (deleted)")).map(PathBuf::from);
    Ok(replaced.filter(|_| !path.exists()).unwrap_or(path))
}
