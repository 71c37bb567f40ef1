//! The keys: one table, by which keys are understood, help is shown and docs/tui.md is tested.

use Action as A;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Help,
    Quit,
    Suspend,
    Redraw,
    Back,
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Open,
    Filter,
    Search,
    Sort,
    Reverse,
    Sessions,
    Pipelines,
    Logs,
    JobLogs,
    Pause,
    Resume,
    Cancel,
    Retry,
    Start,
    Deploy,
    Fold,
    Follow,
    Level,
    NextHit,
    LastHit,
    FailedNext,
}

/// Where a key is pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Everywhere,
    Sessions,
    Session,
    Details,
    Logs,
    Pipelines,
}

impl Place {
    /// As help and documentation head it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Everywhere => "Everywhere",
            Self::Sessions => "Sessions",
            Self::Session => "A session",
            Self::Details => "A job",
            Self::Logs => "Log lines",
            Self::Pipelines => "Pipelines",
        }
    }
}

/// Keys of one meaning.
pub(super) struct Binding {
    /// As they are written.
    pub(super) keys: &'static [&'static str],
    pub(super) action: Action,
    /// What they do.
    pub(super) what: &'static str,
    /// In a word, for the last line of a screen; empty: it is not there.
    pub(super) hint: &'static str,
}

const fn key(
    keys: &'static [&'static str],
    action: Action,
    hint: &'static str,
    what: &'static str,
) -> Binding {
    Binding { keys, action, what, hint }
}

const EVERYWHERE: &[Binding] = &[
    key(&["?", "F1"], A::Help, "help", "these keys"),
    key(&["q", "Ctrl-C"], A::Quit, "quit", "leave; sessions go on"),
    key(&["Esc", "h", "Left"], A::Back, "", "back: without the filter, to the screen before"),
    key(&["j", "Down"], A::Down, "", "the next line; the mouse's wheel does the same"),
    key(&["k", "Up"], A::Up, "", "the line before"),
    key(&["Ctrl-F", "PageDown"], A::PageDown, "", "a page down"),
    key(&["Ctrl-B", "PageUp"], A::PageUp, "", "a page up"),
    key(&["g", "Home"], A::First, "", "the first line"),
    key(&["G", "End"], A::Last, "", "the last line"),
    key(&["1"], A::Sessions, "", "the sessions"),
    key(&["2"], A::Pipelines, "", "the pipelines"),
    key(&["Ctrl-Z"], A::Suspend, "", "stop, until the shell's `fg`"),
    key(&["Ctrl-L"], A::Redraw, "", "draw all of it anew"),
];

const SESSIONS: &[Binding] = &[
    key(&["Enter", "l", "Right"], A::Open, "open", "look at the session, as a second click does"),
    key(&["L"], A::Logs, "logs", "its log lines"),
    key(&["/"], A::Filter, "filter", "only sessions with this text, also in their labels"),
    key(&["p"], A::Pause, "pause", "pause it"),
    key(&["r"], A::Resume, "resume", "go on with it"),
    key(&["c"], A::Cancel, "cancel", "cancel it"),
    key(&["t"], A::Retry, "retry", "run again what did not succeed, also with a mended file"),
    key(&["s"], A::Sort, "sort", "sort: newest, pipeline, status, duration"),
    key(&["S"], A::Reverse, "", "the other way round"),
];

const SESSION: &[Binding] = &[
    key(&["Enter", "l", "Right"], A::Open, "details", "all about the job"),
    key(&["L"], A::Logs, "logs", "the session's log lines"),
    key(&["o"], A::JobLogs, "", "the job's log lines"),
    key(&["/"], A::Filter, "filter", "only jobs with this text in name or status"),
    key(&["p"], A::Pause, "pause", "pause it"),
    key(&["r"], A::Resume, "resume", "go on with it"),
    key(&["c"], A::Cancel, "cancel", "cancel it"),
    key(&["t"], A::Retry, "retry", "run again what did not succeed, also with a mended file"),
    key(&["s"], A::Sort, "sort", "sort: graph, what failed first, the longest first"),
    key(&["n"], A::FailedNext, "", "the next job that failed or runs"),
];

const DETAILS: &[Binding] = &[key(&["o", "L"], A::JobLogs, "logs", "the job's log lines")];

const LOGS: &[Binding] = &[
    key(&["Enter", "l", "Right"], A::Open, "whole", "the whole line, and what came with it"),
    key(&["f"], A::Follow, "follow", "follow what comes, or stay"),
    key(&["/"], A::Search, "search", "search by a regular expression; what is found is marked"),
    key(&["n"], A::NextHit, "", "the next line with it"),
    key(&["N"], A::LastHit, "", "the line before with it"),
    key(&["&"], A::Filter, "filter", "only lines whose text has a match, as for `--grep` of `bunsui logs`"),
    key(&["v"], A::Level, "level", "only lines at least as bad: all, info, warn, error"),
];

const PIPELINES: &[Binding] = &[
    key(&["Enter", "l", "Right"], A::Open, "open", "look at the last session"),
    key(&["Space"], A::Fold, "jobs", "show its jobs, or hide them"),
    key(&["x"], A::Start, "start", "start it: a form asks for its parameters"),
    key(&["d"], A::Deploy, "", "on AWS: deploy it; first it is said what changes"),
    key(&["/"], A::Filter, "filter", "only pipelines with this text in name or file"),
];

/// The table of a place.
pub(super) fn bindings(place: Place) -> &'static [Binding] {
    match place {
        Place::Everywhere => EVERYWHERE,
        Place::Sessions => SESSIONS,
        Place::Session => SESSION,
        Place::Details => DETAILS,
        Place::Logs => LOGS,
        Place::Pipelines => PIPELINES,
    }
}

/// What a key means at a place.
pub(super) fn action(place: Place, event: KeyEvent) -> Option<Action> {
    let name = name(event)?;
    let of = |place: Place| bindings(place).iter().find(|binding| binding.keys.contains(&name.as_str()));
    of(place).or_else(|| of(Place::Everywhere)).map(|binding| binding.action)
}

/// A key as the tables write it.
fn name(event: KeyEvent) -> Option<String> {
    Some(match event.code {
        KeyCode::Char(' ') => "Space".into(),
        KeyCode::Char(c) if event.modifiers.contains(KeyModifiers::CONTROL) => {
            format!("Ctrl-{}", c.to_ascii_uppercase())
        }
        KeyCode::Char(c) => c.to_string(),
        KeyCode::F(number) => format!("F{number}"),
        KeyCode::Enter | KeyCode::Esc | KeyCode::Left | KeyCode::Right | KeyCode::Up | KeyCode::Down => {
            format!("{:?}", event.code)
        }
        KeyCode::PageUp | KeyCode::PageDown | KeyCode::Home | KeyCode::End => format!("{:?}", event.code),
        _ => return None,
    })
}

/// What stands in the last line of a screen: `?` first.
pub(super) fn hints(place: Place) -> impl Iterator<Item = &'static Binding> {
    let bindings = bindings(Place::Everywhere).iter().chain(bindings(place));
    bindings.filter(|binding| !binding.hint.is_empty())
}
