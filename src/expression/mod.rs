//! `${…}` references and `{% JSONata %}` in the strings of a pipeline file.
//!
//! Takes: document values, or JSONata text with bindings. Gives: [`Template`]s (what a value is made of), the
//! JSON that Step Functions takes, evaluated values.
//! Deliberately does not: know which jobs or params exist; `pipeline` checks that.

mod compile;
mod evaluate;
mod guarded;
mod jsonata;
mod reference;
mod scan;
mod template;
#[cfg(test)]
mod testing;
mod walk;

pub(crate) use evaluate::{Bindings, StatesUse, check, evaluate_field, expression_of};
pub use evaluate::{EvaluationError, evaluate};
pub(crate) use template::parse_readable;
pub use template::parse_template;

use crate::diagnostic::Span;
use indexmap::IndexMap;
use serde_json::Value as Json;

/// A value of the file in which references may stand.
#[derive(Debug, Clone, PartialEq)]
pub enum Template {
    /// A value without references. `$${` is already a plain `${`.
    Literal(Json),
    /// A string that is nothing but one `${…}`: keeps the value's type.
    Reference(Reference),
    /// Text with references put into it.
    Text(Vec<Part>),
    /// A string that is `{% … %}`.
    Jsonata(Jsonata),
    /// A list with at least one item that is no literal.
    List(Vec<Template>),
    /// A table with at least one value that is no literal.
    Table(IndexMap<String, Template>),
}

/// A piece of a text.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// As written.
    Literal(String),
    /// To be put in; missing is an error.
    Reference(Reference),
}

/// `${root.segment.segment}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// What it refers to.
    pub root: Root,
    /// What follows the root; the first one is the param's, job's or operation's name.
    pub path: Vec<Segment>,
    /// Where it stands in the pipeline file, `${` and `}` (or `$root…` in JSONata) included.
    pub span: Span,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// `.key`
    Key(String),
    /// `[0]`; negative counts from the end, as in JSONata.
    Index(i64),
}

/// The five things a reference can start with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Root {
    /// `params.<name>`
    Params,
    /// `jobs.<id>`: an upstream job's output.
    Jobs,
    /// `operations.<name>`: an earlier operation of the same job.
    Operations,
    /// `session.id`, `session.started_at`
    Session,
    /// `pipeline.name`, `pipeline.version`
    Pipeline,
}

/// A JSONata expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Jsonata {
    /// Between `{%` and `%}`, trimmed.
    pub source: String,
    /// What it refers to, in order, each with its bytes in `source`. A reference whose name cannot be known before
    /// it runs (`$jobs` alone, `$lookup($jobs, …)`) has an empty path.
    pub references: Vec<(std::ops::Range<usize>, Reference)>,
}

impl Root {
    /// As written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Params => "params",
            Self::Jobs => "jobs",
            Self::Operations => "operations",
            Self::Session => "session",
            Self::Pipeline => "pipeline",
        }
    }

    /// The root of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|root| root.name() == name)
    }

    /// All, in the order of documentation.
    pub const ALL: [Self; 5] = [Self::Params, Self::Jobs, Self::Operations, Self::Session, Self::Pipeline];
}

impl Reference {
    /// The name that follows the root: a param's, job's or operation's.
    pub fn name(&self) -> Option<&str> {
        match self.path.first() {
            Some(Segment::Key(name)) => Some(name),
            _ => None,
        }
    }

    /// The key that follows the name: `target` of `jobs.extract.target`.
    pub fn member(&self) -> Option<&str> {
        match self.path.get(1) {
            Some(Segment::Key(key)) => Some(key),
            _ => None,
        }
    }
}
