//! Where commands print: data on stdout, talk on stderr.

use super::Failure;
use crate::diagnostic::{self, Diagnostic, Source};
use crate::settings::Surroundings;
use std::io::{IsTerminal, Write};
use std::sync::Arc;

/// Standard output and error, and what they can show.
#[derive(Debug, Clone)]
pub struct Console {
    /// Whether stderr is a terminal that can be redrawn.
    pub is_interactive: bool,
    /// Whether stderr takes colour.
    pub colour: bool,
    /// Columns of stderr.
    pub width: usize,
}

impl Console {
    /// Looks at the terminal, `NO_COLOR`, `CLICOLOR_FORCE`, `TERM` and `COLUMNS`.
    pub fn detect(surroundings: &Surroundings) -> Self {
        let variable = |name: &str| {
            surroundings.variables.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
        };
        let is_set = |name: &str| variable(name).is_some_and(|value| !value.is_empty() && value != "0");
        let is_interactive = std::io::stderr().is_terminal() && variable("TERM") != Some("dumb");
        let width = variable("COLUMNS")
            .and_then(|value| value.parse().ok())
            .or_else(|| console::Term::stderr().size_checked().map(|(_, columns)| usize::from(columns)))
            .unwrap_or(100);
        let colour =
            is_set("CLICOLOR_FORCE") || (is_interactive && variable("NO_COLOR").is_none_or(str::is_empty));
        Self { is_interactive, colour, width: width.clamp(40, 200) }
    }

    /// Prints data: one line on stdout. A reader that went away (`| head`) ends the program quietly; use
    /// [`Self::stream`] where there is work that must go on.
    pub fn data(&self, line: impl std::fmt::Display) {
        self.raw(&format!("{line}\n"));
    }

    /// Prints data as it is, without a line end of its own.
    pub fn raw(&self, text: &str) {
        let mut stdout = std::io::stdout().lock();
        let Err(error) = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) else { return };
        if error.kind() != std::io::ErrorKind::BrokenPipe {
            self.talk(format!("standard output cannot be written: {error}"));
            std::process::exit(3);
        }
        std::process::exit(0);
    }

    /// Prints one line on stdout for whoever still reads it.
    pub fn stream(&self, line: impl std::fmt::Display) -> std::io::Result<()> {
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{line}").and_then(|()| stdout.flush())
    }

    /// Prints talk: one line on stderr.
    pub fn talk(&self, line: impl std::fmt::Display) {
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    }

    /// Prints findings on stderr.
    pub fn diagnostics(&self, source: &Arc<Source>, diagnostics: &[Diagnostic]) {
        if diagnostics.is_empty() {
            return;
        }
        let text = diagnostic::render_human(source, diagnostics, self.colour, self.width);
        let _ = write!(std::io::stderr().lock(), "{text}");
    }

    /// Prints an error that ends the command.
    pub fn failure(&self, failure: &Failure) {
        let Some(report) = &failure.report else { return };
        let mut text = String::new();
        let handler = diagnostic::handler(self.colour, self.width);
        if handler.render_report(&mut text, report.as_ref()).is_err() {
            text = format!("{:?}", report);
        }
        let _ = write!(std::io::stderr().lock(), "{text}");
    }
}
