//! Where stages put what they find.

use super::{Diagnostic, Severity};

/// More errors than this are counted and not kept, and as many warnings: nobody reads them, and hostile text has millions.
const MOST: usize = 10_000;

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
        if !self.has_room(&diagnostic) {
            self.errors += usize::from(diagnostic.severity == Severity::Error);
            return;
        }
        shorten(&mut diagnostic.message);
        diagnostic.help.iter_mut().for_each(shorten);
        diagnostic.labels.iter_mut().for_each(|label| shorten(&mut label.message));
        self.errors += usize::from(diagnostic.severity == Severity::Error);
        self.diagnostics.push(diagnostic);
    }

    /// Takes all that another one collected.
    pub fn take(&mut self, other: Self) {
        let errors = self.errors + other.errors;
        for diagnostic in other.diagnostics {
            if self.has_room(&diagnostic) {
                self.errors += usize::from(diagnostic.severity == Severity::Error);
                self.diagnostics.push(diagnostic);
            }
        }
        self.errors = errors;
    }

    fn has_room(&self, diagnostic: &Diagnostic) -> bool {
        match diagnostic.severity {
            Severity::Error => self.errors < MOST,
            Severity::Warning => self.diagnostics.len() < MOST,
        }
    }

    /// Whether no further error would be kept: who looks for more of the same kind may stop.
    pub fn is_full(&self) -> bool {
        self.errors >= MOST
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

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "bunsui::syntax::too_deep";

    #[test]
    fn an_error_is_kept_however_many_warnings_there_are_and_not_all_are_kept() {
        let mut sink = Sink::new();
        (0..2 * MOST).for_each(|_| sink.report(Diagnostic::warning(CODE, "w")));
        assert!(!sink.has_errors());
        let mut other = Sink::new();
        (0..MOST + 5).for_each(|_| other.report(Diagnostic::error(CODE, "e")));
        assert!(other.is_full());
        sink.take(other);
        assert_eq!(sink.errors(), MOST + 5);
        assert_eq!(sink.into_sorted().len(), 2 * MOST);
    }
}
