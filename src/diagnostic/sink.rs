//! Where stages put what they find.

use super::{Diagnostic, Severity};

/// Collects findings; a stage reports all it can find and goes on.
#[derive(Debug, Default)]
pub struct Sink {
    diagnostics: Vec<Diagnostic>,
    errors: usize,
}

impl Sink {
    /// Nothing found yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a finding.
    ///
    /// Sentences may quote what the user wrote; where that is very long, its middle is cut out.
    pub fn report(&mut self, mut diagnostic: Diagnostic) {
        shorten(&mut diagnostic.message);
        diagnostic.help.iter_mut().for_each(shorten);
        diagnostic.labels.iter_mut().for_each(|label| shorten(&mut label.message));
        self.errors += usize::from(diagnostic.severity == Severity::Error);
        self.diagnostics.push(diagnostic);
    }

    /// Takes all that another one collected.
    pub fn take(&mut self, other: Self) {
        self.errors += other.errors;
        self.diagnostics.extend(other.diagnostics);
    }

    /// Whether any finding refuses the input.
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// How many errors there are. A stage compares this before and after to know whether it reported any.
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// The findings in the order of the file: by first label, then by code.
    pub fn into_sorted(mut self) -> Vec<Diagnostic> {
        self.diagnostics.sort_by(|a, b| {
            let place = |d: &Diagnostic| d.labels.first().map(|label| label.span);
            place(a).cmp(&place(b)).then_with(|| a.code.cmp(b.code)).then_with(|| a.message.cmp(&b.message))
        });
        self.diagnostics
    }
}

/// Sentences of more bytes are cut.
const LONG: usize = 600;

fn shorten(text: &mut String) {
    if text.len() > LONG {
        let start = text.floor_char_boundary(LONG / 2);
        let end = text.ceil_char_boundary(text.len() - LONG / 4);
        text.replace_range(start..end, "…");
    }
}
