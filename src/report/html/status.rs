//! How a status looks: a sign, a word and a class. Colour alone says nothing.

use crate::session::{JobStatus, SessionStatus};
use maud::{Markup, html};

/// The looks of a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) sign: &'static str,
    pub(super) word: &'static str,
    /// One of the classes of picture.css.
    pub(super) class: &'static str,
}

/// Statuses from what is looked at first.
pub(super) const ORDER: [JobStatus; 8] = [
    JobStatus::Failed,
    JobStatus::TimedOut,
    JobStatus::Cancelled,
    JobStatus::UpstreamFailed,
    JobStatus::Skipped,
    JobStatus::Running,
    JobStatus::Pending,
    JobStatus::Succeeded,
];

pub(super) fn of_job(status: JobStatus) -> Look {
    let (sign, word, class) = match status {
        JobStatus::Pending => ("○", "pending", "idle"),
        JobStatus::Running => ("▸", "running", "busy"),
        JobStatus::Succeeded => ("✓", "succeeded", "good"),
        JobStatus::Failed => ("✗", "failed", "bad"),
        JobStatus::TimedOut => ("!", "timed out", "bad"),
        JobStatus::Cancelled => ("■", "cancelled", "odd"),
        JobStatus::Skipped => ("–", "skipped", "idle"),
        JobStatus::UpstreamFailed => ("⊘", "upstream failed", "odd"),
    };
    Look { sign, word, class }
}

pub(super) fn of_session(status: SessionStatus) -> Look {
    let (sign, word, class) = match status {
        SessionStatus::Created => ("○", "created", "idle"),
        SessionStatus::Running => ("▸", "running", "busy"),
        SessionStatus::Pausing => ("▸", "pausing", "busy"),
        SessionStatus::Paused => ("■", "paused", "odd"),
        SessionStatus::Cancelling => ("■", "cancelling", "odd"),
        SessionStatus::Succeeded => ("✓", "succeeded", "good"),
        SessionStatus::Failed => ("✗", "failed", "bad"),
        SessionStatus::TimedOut => ("!", "timed out", "bad"),
        SessionStatus::Cancelled => ("■", "cancelled", "odd"),
    };
    Look { sign, word, class }
}

/// Sign and word; the sign is not read out.
pub(super) fn badge(look: Look) -> Markup {
    html! { span class={ "badge " (look.class) } { span aria-hidden="true" { (look.sign) } " " (look.word) } }
}
