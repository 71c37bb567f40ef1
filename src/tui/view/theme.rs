//! Colours of the sixteen that every terminal has; none where they are not wanted.
//!
//! What the background is nobody says. Words are therefore of the terminal's own colour, or of one that is readable on black and
//! on white alike: red and magenta. Green is not, and is for signs and bars. Yellow, cyan, blue and white are not used at all.
//! Colour never carries a meaning alone: a sign and a word stand beside it.

use crate::session::{JobStatus, SessionStatus};
use ratatui::style::{Color, Modifier, Style};

/// Whether there are colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Theme {
    /// The sixteen.
    Colour,
    /// Bold, dim and reversed alone.
    Plain,
}

impl Theme {
    fn colour(self, colour: Color) -> Style {
        match self {
            Self::Colour => Style::new().fg(colour),
            Self::Plain => Style::new(),
        }
    }

    /// Of signs and bars alone.
    pub(super) fn good(self) -> Style {
        self.colour(Color::Green)
    }

    pub(super) fn bad(self) -> Style {
        self.colour(Color::Red)
    }

    pub(super) fn moving(self) -> Style {
        self.strong()
    }

    pub(super) fn warn(self) -> Style {
        self.colour(Color::Magenta)
    }

    pub(super) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What can be missed: on some terminals little is left of it.
    pub(super) fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// Of the word beside a sign of this style.
    pub(super) fn word(self, sign: Style) -> Style {
        if sign == self.good() { Style::new() } else { sign }
    }

    /// The style and the sign of a session.
    pub(super) fn session(self, status: SessionStatus, is_driven: bool) -> (Style, &'static str) {
        match status {
            SessionStatus::Succeeded => (self.good(), "✓"),
            SessionStatus::Failed | SessionStatus::TimedOut => (self.bad(), "✗"),
            SessionStatus::Cancelled => (self.warn(), "■"),
            SessionStatus::Paused => (self.warn(), "‖"),
            _ if !is_driven => (self.warn(), "!"),
            SessionStatus::Created | SessionStatus::Running => (self.moving(), "▶"),
            SessionStatus::Pausing | SessionStatus::Cancelling => (self.warn(), "▶"),
        }
    }

    /// The same of a job.
    pub(super) fn job(self, status: JobStatus) -> (Style, &'static str) {
        match status {
            JobStatus::Succeeded => (self.good(), "✓"),
            JobStatus::Failed | JobStatus::TimedOut => (self.bad(), "✗"),
            JobStatus::Cancelled => (self.warn(), "■"),
            JobStatus::Running => (self.moving(), "▶"),
            JobStatus::UpstreamFailed => (self.warn(), "!"),
            JobStatus::Skipped => (self.dim(), "-"),
            JobStatus::Pending => (self.dim(), "·"),
        }
    }
}
