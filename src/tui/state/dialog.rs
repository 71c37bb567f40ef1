//! What is in front of a screen, and what is typed at its foot.

use crate::tui::form::Form;
use crate::tui::line::Line;
use crate::tui::source::{Command, Problem, Said};

/// What is in front of the screen.
#[derive(Debug)]
pub(in crate::tui) enum Dialog {
    Help {
        top: usize,
    },
    /// What will be done, before it is.
    Confirm(Confirm),
    /// The same, where only the command knows what would be done.
    Question(Question),
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

/// Something can be done in one way or in several: of each, the command is asked what it would do.
#[derive(Debug, Clone)]
pub(in crate::tui) struct Question {
    pub(in crate::tui) title: String,
    /// Never empty.
    pub(in crate::tui) ways: Vec<Way>,
    /// The one that is looked at, and would be gone.
    pub(in crate::tui) at: usize,
    pub(in crate::tui) top: usize,
}

/// A way of doing something.
#[derive(Debug, Clone)]
pub(in crate::tui) struct Way {
    /// In a few words.
    pub(in crate::tui) name: String,
    /// Says what would be done.
    pub(in crate::tui) dry: Command,
    /// What it said; none before that.
    pub(in crate::tui) said: Option<Result<Said, Problem>>,
    /// Does it.
    pub(in crate::tui) command: Command,
}

impl Way {
    /// A command line that takes `--dry-run`, and other words where it is done.
    pub(in crate::tui) fn new(name: &str, words: &[&str], done_with: &[&str]) -> Self {
        let with = |more: &[&str]| Command {
            arguments: words.iter().chain(more).map(|word| (*word).to_owned()).collect(),
            ..Command::default()
        };
        Self { name: name.to_owned(), dry: with(&["--dry-run"]), said: None, command: with(done_with) }
    }

    /// Whether it can be gone.
    pub(in crate::tui) fn is_open(&self) -> bool {
        matches!(&self.said, Some(Ok(said)) if said.code == Some(0))
    }

    /// What would be done, or why it cannot be.
    pub(in crate::tui) fn text(&self) -> Option<String> {
        let said = match self.said.as_ref()? {
            Ok(said) => said,
            Err(problem) => return Some(problem.text()),
        };
        let text = said.text();
        // That nothing was done is plain to see here.
        let lines: Vec<&str> = text.lines().filter(|line| !line.contains("--dry-run")).collect();
        Some(lines.join("\n"))
    }
}

/// What is typed at the foot of the screen.
#[derive(Debug)]
pub(in crate::tui) struct Prompt {
    pub(in crate::tui) kind: PromptKind,
    pub(in crate::tui) line: Line,
    /// What there was before, for who changes their mind.
    pub(in crate::tui) before: String,
    /// Why what is typed has no effect.
    pub(in crate::tui) refusal: Option<String>,
}

/// What it is typed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::tui) enum PromptKind {
    Filter,
    Search,
}
