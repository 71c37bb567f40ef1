//! What the terminal reads, and what it asks for. The command implements it with the stores that all commands open.

use crate::pipeline::Pipeline;
use crate::session::{JobStatus, LogRecord, SessionEvent, SessionId, SessionRecord};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Reads for the terminal, and starts bunsui for it.
#[async_trait]
pub(crate) trait Source: Send + Sync {
    /// Where sessions are kept, in a few words.
    fn place(&self) -> String;

    /// Whether every look costs requests over the network.
    fn is_remote(&self) -> bool;

    /// The newest sessions first.
    async fn sessions(&self, limit: usize) -> Result<Listed, Problem>;

    /// How far these sessions are, those that are there.
    async fn counts(&self, ids: &[SessionId]) -> Result<Vec<(SessionId, Counts)>, Problem>;

    /// A session with the file that it is pinned to.
    async fn open(&self, id: &SessionId) -> Result<Opened, Problem>;

    /// The session, and its events after a number.
    async fn page(&self, id: &SessionId, after: u64) -> Result<Page, Problem>;

    /// Its log lines, of one job or of all, after as many as were given before. They follow each other as
    /// `bunsui logs --follow` has them; where they are begun anew, the answer says so by what came before.
    async fn logs(&self, id: &SessionId, job: Option<&str>, given: u64) -> Result<LogPage, Problem>;

    /// The pipeline files of the project as they are now, and the pipelines that have run.
    async fn pipelines(&self) -> Pipelines;

    /// Starts bunsui, and waits for what it says.
    async fn command(&self, command: &Command) -> Result<Said, Problem>;
}

/// Something could not be read, or not be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// What happened.
    pub(crate) message: String,
    /// What to do.
    pub(crate) help: Option<String>,
}

impl Problem {
    /// All of it.
    pub(crate) fn text(&self) -> String {
        let help = self.help.as_ref().map(|help| format!("\n{help}")).unwrap_or_default();
        format!("{}{help}", self.message)
    }
}

/// A session in the list.
#[derive(Debug, Clone)]
pub(crate) struct SessionRow {
    /// Its record.
    pub(crate) record: SessionRecord,
    /// Whether somebody drives it.
    pub(crate) is_driven: bool,
}

/// Sessions of the store.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listed {
    /// The newest first.
    pub(crate) rows: Vec<SessionRow>,
    /// Of those among them that cannot be read, what is wrong.
    pub(crate) damaged: Vec<Problem>,
}

/// How many of a session's jobs are where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Final, however they ended.
    pub(crate) done: usize,
    /// Running.
    pub(crate) running: usize,
    /// Failed or timed out.
    pub(crate) failed: usize,
}

/// A session that is looked at.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    /// Its record.
    pub(crate) row: SessionRow,
    /// Job ids in the order of the file; empty where they are not known.
    pub(crate) jobs: Vec<String>,
    /// Its pipeline; none where its text is not valid with the plugins of today.
    pub(crate) pipeline: Option<Arc<Pipeline>>,
}

/// What came since the last look at a session.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    /// Its record.
    pub(crate) row: SessionRow,
    /// In order.
    pub(crate) events: Vec<SessionEvent>,
    /// There are more already.
    pub(crate) has_more: bool,
}

/// Log lines that came.
#[derive(Debug, Clone)]
pub(crate) struct LogPage {
    /// How many were given before the first of them: as many as were asked from, or none.
    pub(crate) before: u64,
    /// In order.
    pub(crate) records: Vec<LogRecord>,
    /// There are more already.
    pub(crate) has_more: bool,
}

/// Pipelines, and how they stand.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pipelines {
    /// In the order of their names.
    pub(crate) found: Vec<Found>,
    /// Why the store could not be asked: which others there are, and how those here stand, is not known then.
    pub(crate) trouble: Option<Problem>,
}

/// A pipeline: a file of the project, one that has run, or both.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    /// Its name, or the file's where it has none.
    pub(crate) name: String,
    /// The file as one would name it to `bunsui run`; none where the project has none of this name.
    pub(crate) file: Option<String>,
    /// What is found in it, as `bunsui validate` shows it.
    pub(crate) findings: String,
    /// Errors and warnings among those.
    pub(crate) errors: usize,
    /// Warnings.
    pub(crate) warnings: usize,
    /// The pipeline, where it is valid.
    pub(crate) pipeline: Option<Arc<Pipeline>>,
    /// Parameters that variables of this process give, and so to what it starts.
    pub(crate) given: BTreeMap<String, String>,
    /// Its last session.
    pub(crate) last: Option<SessionRow>,
    /// How the jobs of that one stand; one that is not here is pending.
    pub(crate) jobs: BTreeMap<String, JobStatus>,
}

impl Found {
    /// Its jobs, each after those that it waits for; of one that has no valid file here, those of its last session.
    pub(crate) fn job_names(&self) -> Vec<&str> {
        match &self.pipeline {
            Some(pipeline) => {
                pipeline.graph.order.iter().map(|job| pipeline.jobs[*job].id.as_str()).collect()
            }
            None => self.jobs.keys().map(String::as_str).collect(),
        }
    }
}

/// A command line of bunsui.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Command {
    /// Without the program and without what is the same for all commands.
    pub(crate) arguments: Vec<String>,
    /// Values that must not stand in a list of processes.
    pub(crate) environment: BTreeMap<String, String>,
}

impl Command {
    /// Of words.
    pub(crate) fn new<const N: usize>(arguments: [&str; N]) -> Self {
        Self { arguments: arguments.map(str::to_owned).to_vec(), environment: BTreeMap::new() }
    }
}

/// What a command said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    /// Its exit code; none where a signal ended it.
    pub(crate) code: Option<i32>,
    /// Data.
    pub(crate) stdout: String,
    /// Talk.
    pub(crate) stderr: String,
}

impl Said {
    /// All of it: data last, which is what was asked for.
    pub(crate) fn text(&self) -> String {
        let (talk, data) = (self.stderr.trim_end(), self.stdout.trim_end());
        // The id that is printed for scripts is a part of what was said to people.
        let data = if talk.contains(data) { "" } else { data };
        [talk, data].join("\n").trim().to_owned()
    }
}
