//! What this module needs to know of operation types; `plugin` implements it.

use crate::diagnostic::Severity;
use jsonschema::Validator;
use serde_json::Value as Json;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Operation types by name.
pub trait OperationCatalogue: Sync {
    /// The type of that name.
    fn operation_type(&self, name: &str) -> Option<&OperationType>;

    /// All names, sorted.
    fn names(&self) -> Vec<&str>;

    /// What somebody should know who looks for a type that is not there; none where the names say it all.
    fn about_missing(&self) -> Option<String> {
        None
    }

    /// Asks the plugins what a schema cannot say; one list of findings a request, in order. Called only for types
    /// with `has_check`.
    fn check(&self, requests: &[CheckRequest]) -> Result<Vec<Vec<Finding>>, CatalogueError>;

    /// What each operation compiles to, in order.
    fn fragments(&self, requests: &[FragmentRequest]) -> Result<Vec<Fragment>, CatalogueError>;
}

/// What a plugin declares of one type.
#[derive(Debug, Clone)]
pub struct OperationType {
    /// `lambda`
    pub name: String,
    /// The plugin that knows it.
    pub plugin: String,
    /// One line.
    pub summary: String,
    /// JSON Schema (2020-12) of its keys: an object schema; `"x-bunsui-static": true` on a property says that no
    /// reference may stand in it.
    pub schema: Json,
    /// Whether it has a check beyond the schema.
    pub has_check: bool,
    /// Whether it has a local form.
    pub has_run_local: bool,
    /// The schema made ready to judge.
    pub judge: SchemaJudge,
}

/// A schema made ready to judge, the first time that it is needed: of many files that use a type, once.
#[derive(Debug, Clone, Default)]
pub struct SchemaJudge(Arc<OnceLock<Result<Validator, String>>>);

impl SchemaJudge {
    /// Or why the schema cannot be used.
    pub(super) fn of(&self, schema: &Json) -> &Result<Validator, String> {
        self.0.get_or_init(|| jsonschema::draft202012::new(schema).map_err(|error| error.to_string()))
    }
}

/// An operation to be checked.
#[derive(Debug, Clone)]
pub struct CheckRequest {
    /// The operation type.
    pub kind: String,
    /// Its name.
    pub operation: String,
    /// Its keys as written (`${…}` and `{% … %}` strings included).
    pub keys: Json,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Error or warning.
    pub severity: Severity,
    /// JSON pointer into the keys, with `#` at its end for a key itself; empty for the operation as a whole.
    pub pointer: String,
    /// One sentence.
    pub message: String,
    /// What the reader can do.
    pub help: Option<String>,
}

/// An operation to be compiled.
#[derive(Debug, Clone)]
pub struct FragmentRequest {
    /// The operation type.
    pub kind: String,
    /// The job.
    pub job: String,
    /// The operation's name.
    pub operation: String,
    /// Its keys, with every reference already turned into `{% JSONata %}`.
    pub keys: Json,
}

/// The states of one operation. Names are the plugin's own; the last state has `"End": true` and its output is the
/// operation's result.
#[derive(Debug, Clone, PartialEq)]
pub struct Fragment {
    /// The first state's name.
    pub start_at: String,
    /// State name to state, in order; Amazon States Language, JSONata only.
    pub states: serde_json::Map<String, Json>,
}

/// Where an operation's permissions are for.
#[derive(Debug, Clone)]
pub struct PermissionsRequest {
    /// The operation type.
    pub kind: String,
    /// The job.
    pub job: String,
    /// The operation's name.
    pub operation: String,
    /// Its keys, as of [`FragmentRequest`].
    pub keys: Json,
}

/// An operation whose surroundings on AWS are to be looked at.
#[derive(Debug, Clone)]
pub struct PreflightRequest {
    /// The operation type.
    pub kind: String,
    /// The job.
    pub job: String,
    /// The operation's name.
    pub operation: String,
    /// Its keys, with every reference already turned into `{% JSONata %}`.
    pub keys: Json,
    /// The operation's own timeout.
    pub timeout: Option<Duration>,
}

/// The account that permissions are for.
#[derive(Debug, Clone)]
pub struct AccountPlace {
    /// The region.
    pub region: String,
    /// Twelve digits.
    pub account: String,
    /// Of outputs.
    pub bucket: String,
}

/// A region's partition, the second part of an ARN: `aws-cn`, `aws-us-gov`, `aws`.
pub fn partition(region: &str) -> &'static str {
    match region.split('-').collect::<Vec<_>>()[..] {
        ["cn", ..] => "aws-cn",
        ["us", "gov", ..] => "aws-us-gov",
        _ => "aws",
    }
}

/// What a state machine's role has to allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// `lambda:InvokeFunction`
    pub actions: Vec<String>,
    /// ARNs.
    pub resources: Vec<String>,
    /// An IAM condition block.
    pub condition: Option<Json>,
}

/// A plugin could not answer.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("plugin `{plugin}` could not {what} operation `{operation}`: {message}")]
#[diagnostic(code("bunsui::plugin::call_failed"))]
pub struct CatalogueError {
    /// The plugin.
    pub plugin: String,
    /// `check`, `compile`.
    pub what: &'static str,
    /// The operation, as `job.operation` where the job is known.
    pub operation: String,
    /// What it said, or how it died.
    pub message: String,
    /// What the reader can do.
    #[help]
    pub help: Option<String>,
}
