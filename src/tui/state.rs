//! What is on the screen, and what is known.

mod dialog;
mod logs;
mod pipelines;
mod session;
mod sessions;

pub(super) use dialog::{Confirm, Dialog, Prompt, PromptKind, Question, Way};
pub(super) use logs::{LEVELS, Logs, Pattern};
pub(super) use pipelines::{Branch, Pipelines};
pub(super) use session::{Beside, Drawn, JobSort, Session};
pub(super) use sessions::{MOST_SESSIONS, SessionSort, Sessions, duration_of, status_words};

use super::keys::Place;
use super::source::{Problem, SessionRow};
use jiff::Timestamp;
use ratatui::layout::Size;

/// All of it.
#[derive(Debug)]
pub(super) struct State {
    pub(super) now: Timestamp,
    pub(super) size: Size,
    /// Where sessions are kept, in a few words.
    pub(super) place: String,
    /// Every look costs requests over the network: there are fewer.
    pub(super) is_remote: bool,
    /// The screens, the one that is seen last; never empty.
    pub(super) screens: Vec<Screen>,
    pub(super) sessions: Sessions,
    pub(super) session: Option<Session>,
    pub(super) logs: Option<Logs>,
    pub(super) pipelines: Pipelines,
    pub(super) dialog: Option<Dialog>,
    /// What came of commands while something else was in front.
    pub(super) outcomes: Vec<Dialog>,
    /// A line that is being typed at the foot of the screen.
    pub(super) prompt: Option<Prompt>,
    /// The store could not be read: why, and since when.
    pub(super) trouble: Option<(Problem, Timestamp)>,
    /// What was to be read is on its way.
    pub(super) is_reading: bool,
    pub(super) read_at: Option<Timestamp>,
    /// Something to be seen has changed.
    pub(super) is_stale: bool,
}

/// A screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Screen {
    Sessions,
    Session,
    Details,
    Logs,
    Pipelines,
}

impl State {
    /// Nothing is known yet.
    pub(super) fn new(place: String, size: Size, now: Timestamp) -> Self {
        Self {
            now,
            size,
            place,
            is_remote: false,
            screens: vec![Screen::Sessions],
            sessions: Sessions::default(),
            session: None,
            logs: None,
            pipelines: Pipelines::default(),
            dialog: None,
            outcomes: Vec::new(),
            prompt: None,
            trouble: None,
            is_reading: false,
            read_at: None,
            is_stale: true,
        }
    }

    pub(super) fn screen(&self) -> Screen {
        self.screens.last().copied().unwrap_or(Screen::Sessions)
    }

    /// Whose keys are heard.
    pub(super) fn keys_of(&self) -> Place {
        match self.screen() {
            Screen::Sessions => Place::Sessions,
            Screen::Session => Place::Session,
            Screen::Details => Place::Details,
            Screen::Logs => Place::Logs,
            Screen::Pipelines => Place::Pipelines,
        }
    }

    /// The session that a control is for.
    pub(super) fn meant(&self) -> Option<&SessionRow> {
        match self.screen() {
            Screen::Sessions => self.sessions.selected(),
            Screen::Session | Screen::Details | Screen::Logs => self.session.as_ref()?.row.as_ref(),
            Screen::Pipelines => None,
        }
    }

    /// Whether times on the screen move.
    pub(super) fn is_moving(&self) -> bool {
        let is_live = |row: &SessionRow| row.is_driven && !row.record.status.is_final();
        match self.screen() {
            Screen::Sessions => self.sessions.rows.iter().flatten().any(is_live),
            Screen::Session | Screen::Details => {
                self.session.as_ref().and_then(|session| session.row.as_ref()).is_some_and(is_live)
            }
            Screen::Pipelines => {
                let found = self.pipelines.found.iter().flatten();
                found.filter_map(|found| found.last.as_ref()).any(is_live)
            }
            Screen::Logs => false,
        }
    }
}

/// Whether a text is in one of others, whatever its case.
fn holds(wanted: &str, words: &str) -> bool {
    wanted.is_empty() || words.to_lowercase().contains(wanted)
}
