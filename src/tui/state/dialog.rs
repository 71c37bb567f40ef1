//! What is in front of a screen, and what is typed at its foot.

use crate::tui::form::{Form, Line};
use crate::tui::source::Command;

/// What is in front of the screen.
#[derive(Debug)]
pub(in crate::tui) enum Dialog {
    Help {
        top: usize,
    },
    /// What will be done, before it is.
    Confirm(Confirm),
    /// Parameters are asked for.
    Form(Form),
    /// Something is done.
    Busy {
        title: String,
    },
    /// What came of it.
    Outcome {
        title: String,
        text: String,
        top: usize,
    },
}

/// To be confirmed.
#[derive(Debug)]
pub(in crate::tui) struct Confirm {
    pub(in crate::tui) title: String,
    pub(in crate::tui) lines: Vec<String>,
    /// Why it is done, where the command keeps that.
    pub(in crate::tui) reason: Option<Line>,
    pub(in crate::tui) command: Command,
    /// Secrets that have to be given again.
    pub(in crate::tui) secrets: Vec<String>,
}

/// What is typed at the foot of the screen.
#[derive(Debug)]
pub(in crate::tui) struct Prompt {
    pub(in crate::tui) kind: PromptKind,
    pub(in crate::tui) line: Line,
    /// What there was before, for who changes their mind.
    pub(in crate::tui) before: String,
}

/// What it is typed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::tui) enum PromptKind {
    Filter,
    Search,
}
