//! Consumers of session events, and what people read of a session afterwards.
//!
//! Takes: events and records. Gives: lines, a live view, JSON, a summary, failures explained down to the line.
//! Deliberately does not: decide, store, or open a terminal by itself (the command passes where to write).

pub mod attempts;
pub mod csv;
pub mod failure;
pub mod graph;
pub mod html;
pub mod json;
pub mod lines;
pub mod live;
pub mod log_lines;
pub mod picture;
pub mod retry;
pub mod runner_lines;
pub mod statistics;
pub mod summary;
pub mod text;
