//! A [`Document`](crate::document::Document) to a [`Pipeline`]: jobs, operations, parameters and their graph.
//!
//! Takes: a document and an [`OperationCatalogue`] that knows operation types. Gives: a pipeline that cannot be
//! wrong, or every finding.
//! Deliberately does not: read files, know parameter values, or compile anything.

mod catalogue;
mod duration;
mod graph;
mod id;
mod param;
mod schema;
mod validate;

pub use catalogue::{
    AccountPlace, CatalogueError, CheckRequest, Finding, Fragment, FragmentRequest, OperationCatalogue,
    OperationType, PermissionsRequest, PreflightRequest, SchemaJudge, Statement, partition,
};
pub use duration::{format_duration, parse_duration};
pub use graph::Graph;
pub use id::{Id, IdError};
pub use param::{Param, ParamConstraints, ParamType, ParamValueError};
pub use schema::pipeline_schema;
pub use validate::{check, validate};

use crate::diagnostic::{Source, Span};
use crate::expression::Template;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// A validated pipeline.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// The file it came from.
    pub source: Arc<Source>,
    /// `[pipeline] name`.
    pub name: Id,
    /// `[pipeline] description`.
    pub description: Option<String>,
    /// `[pipeline] timeout`: of a whole session.
    pub timeout: Option<Duration>,
    /// `[pipeline] max_concurrency`: jobs in flight.
    pub max_concurrency: Option<NonZeroU32>,
    /// `[pipeline] on_failure`.
    pub on_failure: OnFailure,
    /// `[pipeline] exclusive`: what it gives is a key, and of a key one session is driven at a time. `true`: all
    /// sessions of the pipeline have the same.
    pub exclusive: Option<Template>,
    /// `[params]`.
    pub params: IndexMap<Id, Param>,
    /// `[jobs]`, in the order of the file.
    pub jobs: IndexMap<Id, Job>,
    /// Who depends on whom, by index into `jobs`.
    pub graph: Graph,
}

/// What a failed job does to jobs that do not depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Independent jobs go on.
    #[default]
    Finish,
    /// Nothing new starts.
    Stop,
}

/// A node of the graph; becomes one state machine.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its id.
    pub id: Id,
    /// The place of its header.
    pub span: Span,
    /// For people.
    pub description: Option<String>,
    /// Jobs that must be final before this one is decided.
    pub depends_on: Vec<Id>,
    /// Which statuses of those let it run.
    pub run_if: RunIf,
    /// Evaluated when `run_if` lets it run: false skips it.
    pub when: Option<Template>,
    /// Its failure does not fail the session.
    pub allow_failure: bool,
    /// Of one execution of its state machine.
    pub timeout: Option<Duration>,
    /// At least one, in order.
    pub operations: Vec<Operation>,
    /// Its output, where that is not its last operation's result.
    pub output: Option<Template>,
}

/// When a job runs, by the statuses of its direct upstreams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunIf {
    /// All succeeded; else upstream_failed if one failed, else skipped.
    #[default]
    AllSucceeded,
    /// None failed; else upstream_failed.
    NoneFailed,
    /// At least one failed; else skipped.
    AnyFailed,
    /// In any case.
    Always,
}

/// One piece of work inside a job.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Unique in its job.
    pub name: Id,
    /// The place of its `[[…operations]]` header.
    pub span: Span,
    /// The operation type, known to the catalogue.
    pub kind: String,
    /// For people.
    pub description: Option<String>,
    /// The type's keys as templates, those of `[defaults.<type>]` included; static keys (`local`) are literals.
    pub keys: IndexMap<String, Template>,
    /// The place of each of the type's keys.
    pub key_spans: IndexMap<String, Span>,
    /// Of each Task state it compiles to.
    pub timeout: Option<Duration>,
    /// Of each Task state it compiles to; replaces the plugin's own.
    pub retry: Option<Retry>,
}

/// How a failed task is tried again.
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    /// All tries counted: 1 means no retry.
    pub max_attempts: NonZeroU32,
    /// Before the second try.
    pub interval: Duration,
    /// At least 1.
    pub backoff_rate: f64,
    /// No wait is longer.
    pub max_delay: Option<Duration>,
    /// Whether waits are made random between 0 and their length.
    pub jitter: Jitter,
    /// Error names; `States.ALL` for any.
    pub on: Vec<String>,
}

/// `jitter` of a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jitter {
    /// Random between 0 and the wait.
    Full,
    /// The wait as it is.
    None,
}

impl Operation {
    /// The `local` table: what the operation is on a laptop. Always a literal.
    pub fn local(&self) -> Option<&Json> {
        match self.keys.get("local") {
            Some(Template::Literal(value)) => Some(value),
            _ => None,
        }
    }
}
