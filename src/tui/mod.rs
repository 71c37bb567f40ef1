//! `bunsui tui`: a terminal that is looked at all day. Elm-like: a state, messages, a pure update, a view.
//!
//! Takes: a [`Source`], which reads the store and the events, and starts bunsui itself for what changes a session. Gives:
//! frames, as long as somebody looks.
//! Deliberately does not: keep anything, drive a session, or show what is not so: what could not be read is a screen that says
//! so and tries again.

mod form;
mod inputs;
mod jobs;
mod keys;
mod line;
mod list;
mod measure;
mod message;
mod run;
mod sixteen;
mod source;
mod state;
mod update;
mod view;

pub use measure::{Measured, measure};
pub(crate) use run::run;
pub(crate) use source::{
    Command, Counts, Found, Listed, LogPage, Opened, Page, Pipelines, Problem, Said, SessionRow, Source,
};
pub(crate) use view::Theme;

#[cfg(test)]
mod tests;
