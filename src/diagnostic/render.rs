//! How findings look: for people, and as data.

use super::excerpt::{Excerpt, visible};
use super::lines::Lines;
use super::{Diagnostic, Severity, Source, Span};
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, SourceCode};
use serde::Serialize;
use std::fmt;
use std::sync::Arc;
use textwrap::WordSplitter;

/// More findings than this are counted, not shown.
const MOST_SHOWN: usize = 50;
/// More labels than this of one finding are left to the data form.
const MOST_LABELS: usize = 20;

/// A finding as `validate --format json` prints it; lines and columns from 1, columns count characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiagnosticView {
    /// `bunsui::<area>::<name>`.
    pub code: String,
    /// `error` or `warning`.
    pub severity: String,
    /// One sentence.
    pub message: String,
    /// What the reader can do.
    pub help: Option<String>,
    /// The file, as the user named it.
    pub file: String,
    /// Of the primary label; none of the five where the file as a whole is meant.
    pub line: Option<usize>,
    /// First column.
    pub column: Option<usize>,
    /// Line of the end.
    pub end_line: Option<usize>,
    /// One past the last column.
    pub end_column: Option<usize>,
    /// All labels, the primary one first.
    pub labels: Vec<LabelView>,
}

impl DiagnosticView {
    /// The message, with the help on a line of its own: for formats that have no place for it.
    pub(super) fn text(&self) -> String {
        match &self.help {
            Some(help) => format!("{}\nhelp: {help}", self.message),
            None => self.message.clone(),
        }
    }
}

/// A label as `validate --format json` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LabelView {
    /// What is said there; may be empty.
    pub message: String,
    /// First line.
    pub line: usize,
    /// First column.
    pub column: usize,
    /// Line of the end.
    pub end_line: usize,
    /// One past the last column.
    pub end_column: usize,
}

/// The findings as data.
pub fn views(source: &Arc<Source>, diagnostics: &[Diagnostic]) -> Vec<DiagnosticView> {
    let lines = Lines::new(&source.text);
    diagnostics.iter().map(|diagnostic| view(source, &lines, diagnostic)).collect()
}

fn view(source: &Source, lines: &Lines<'_>, diagnostic: &Diagnostic) -> DiagnosticView {
    let labels: Vec<LabelView> =
        diagnostic.labels.iter().map(|label| label_view(lines, label.span, &label.message)).collect();
    let primary = labels.first();
    DiagnosticView {
        code: diagnostic.code.to_owned(),
        severity: diagnostic.severity.name().to_owned(),
        message: diagnostic.message.clone(),
        help: diagnostic.help.clone(),
        file: source.name.clone(),
        line: primary.map(|label| label.line),
        column: primary.map(|label| label.column),
        end_line: primary.map(|label| label.end_line),
        end_column: primary.map(|label| label.end_column),
        labels,
    }
}

fn label_view(lines: &Lines<'_>, span: Span, message: &str) -> LabelView {
    let (line, column) = lines.position(span.start);
    let (end_line, end_column) = lines.position(span.end.max(span.start));
    LabelView { message: message.to_owned(), line, column, end_line, end_column }
}

/// How findings and errors look. A command that is to be copied has words of any length, and hyphens: none is broken.
pub(crate) fn handler(colour: bool, width: usize) -> GraphicalReportHandler {
    let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_links(false).with_width(width);
    handler.with_break_words(false).with_word_splitter(WordSplitter::NoHyphenation)
}

/// The findings for a person: label under source line, help, code. `colour` and `width` come from the console.
///
/// At most 50 are shown and the rest counted; lines of any length and control characters are made fit to print.
pub fn render_human(source: &Arc<Source>, diagnostics: &[Diagnostic], colour: bool, width: usize) -> String {
    let handler = handler(colour, width);
    let lines = Lines::new(&source.text);
    let mut text = String::new();
    for diagnostic in diagnostics.iter().take(MOST_SHOWN) {
        let report = Report::new(source, &lines, diagnostic);
        handler.render_report(&mut text, &report).expect("a String takes any text");
        text.push('\n');
    }
    if diagnostics.len() > MOST_SHOWN {
        let rest = diagnostics.len() - MOST_SHOWN;
        text.push_str(&format!(
            "and {rest} more; `bunsui validate --format json` shows all of a pipeline file\n\n"
        ));
    }
    text
}

/// A finding as miette takes one.
struct Report<'a> {
    diagnostic: &'a Diagnostic,
    excerpt: Excerpt<'a>,
    labels: Vec<LabeledSpan>,
}

impl<'a> Report<'a> {
    fn new(source: &'a Source, lines: &'a Lines<'a>, diagnostic: &'a Diagnostic) -> Self {
        let shown = &diagnostic.labels[..diagnostic.labels.len().min(MOST_LABELS)];
        let (excerpt, labels) = Excerpt::new(&source.name, &source.text, lines, shown);
        Self { diagnostic, excerpt, labels }
    }
}

impl miette::Diagnostic for Report<'_> {
    fn code<'s>(&'s self) -> Option<Box<dyn fmt::Display + 's>> {
        Some(Box::new(self.diagnostic.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.diagnostic.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'s>(&'s self) -> Option<Box<dyn fmt::Display + 's>> {
        let help = self.diagnostic.help.as_deref()?;
        Some(Box::new(visible(help)))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        (!self.labels.is_empty()).then_some(&self.excerpt as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        (!self.labels.is_empty()).then(|| Box::new(self.labels.iter().cloned()) as Box<_>)
    }
}

impl std::error::Error for Report<'_> {}

impl fmt::Debug for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.diagnostic.fmt(f)
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.labels.is_empty() {
            write!(f, "{}: ", self.excerpt.name())?;
        }
        f.write_str(&visible(&self.diagnostic.message))
    }
}
