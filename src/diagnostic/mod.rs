//! Findings about the user's files, and the only place that knows how one looks.
//!
//! Takes: spans and sentences from the stages. Gives: [`Diagnostic`]s in a [`Sink`], rendered or as views.
//! Deliberately does not: read files, decide what is wrong, or know colours outside `render`.

mod code;
mod excerpt;
mod github;
mod lines;
mod render;
mod sarif;
mod sink;
mod span;
mod suggest;

pub use code::{Page, page, pages};
pub use github::github;
pub(crate) use lines::Lines;
pub(crate) use render::handler;
pub use render::{DiagnosticView, LabelView, render_human, views};
pub use sarif::sarif;
pub use sink::Sink;
pub use span::{Source, Span};
pub use suggest::nearest;
pub(crate) use suggest::{known_names, name_list};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The input is refused.
    Error,
    /// The input is accepted; the reader should look.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A place in the source and what is to be said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Where, in bytes of the source.
    pub span: Span,
    /// What is said there; may be empty.
    pub message: String,
}

/// One finding about a file of the user's.
///
/// `code` is `bunsui::<area>::<name>` and has a page in docs/diagnostics. The first label is the primary one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// `bunsui::<area>::<name>`.
    pub code: &'static str,
    /// Error or warning.
    pub severity: Severity,
    /// Lower case, no full stop, values in backticks.
    pub message: String,
    /// Places, the primary one first. Empty only where the file as a whole is meant.
    pub labels: Vec<Label>,
    /// What the reader can do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error at `span`.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, severity: Severity::Error, message: message.into(), labels: Vec::new(), help: None }
    }

    /// A warning.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// Adds a place; the first one added is the primary one.
    #[must_use]
    pub fn label(mut self, span: Span, message: impl Into<String>) -> Self {
        self.labels.push(Label { span, message: message.into() });
        self
    }

    /// Says what the reader can do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Like [`Self::help`], where there may be nothing to say.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }
}
