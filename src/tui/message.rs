//! What happens to the terminal, and what follows from it.

use super::source::{Command, Counts, Listed, LogPage, Opened, Page, Pipelines, Problem, Said};
use crate::session::SessionId;
use jiff::Timestamp;
use ratatui::crossterm::event::{KeyEvent, MouseEvent};

/// Something happened.
#[derive(Debug)]
pub(super) enum Message {
    /// A key went down.
    Key(KeyEvent),
    /// A text was pasted.
    Paste(String),
    /// The mouse was used.
    Mouse(MouseEvent),
    /// The terminal has another size.
    Resize(u16, u16),
    /// Time passed.
    Tick(Timestamp),
    /// The answer to a request.
    Answer(Answer),
}

/// What came of a request.
#[derive(Debug)]
pub(super) enum Answer {
    Sessions(Result<Listed, Problem>),
    Counts(Result<Vec<(SessionId, Counts)>, Problem>),
    Opened(SessionId, Box<Result<Opened, Problem>>),
    Page(SessionId, Box<Result<Page, Problem>>),
    Logs(LogsOf, Result<LogPage, Problem>),
    Pipelines(Pipelines),
    Said(Purpose, Command, Result<Said, Problem>),
}

/// Whose log lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogsOf {
    pub(super) session: SessionId,
    pub(super) job: Option<String>,
}

/// What a command is started for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To be asked before it is done: what would be done.
    Ask,
    /// To be done.
    Do,
}

/// What is asked of whoever reads and acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    Sessions,
    Counts(Vec<SessionId>),
    Open(SessionId),
    Page(SessionId, u64),
    Logs(LogsOf, u64),
    Pipelines,
    Command(Purpose, Command),
}

/// What follows from a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    /// Leave.
    Quit,
    /// Stop, until the shell lets it go on.
    Suspend,
    /// Draw all of it anew.
    Redraw,
    /// Ask this; the answer is a message.
    Ask(Request),
}
