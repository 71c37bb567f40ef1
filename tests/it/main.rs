//! bunsui as a whole: a module per feature, whole outputs, in folders and environments of the tests' own.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "helpers of tests fail by panicking, too, and say what they skip"
)]

#[cfg(feature = "aws")]
mod aws;
mod background;
mod breaks;
mod browser;
mod cases;
mod catalogue;
mod codes;
mod commands;
mod completions;
mod conformance;
mod control;
mod crash;
mod docs;
mod exclusive;
mod execute;
mod explain;
mod failure;
mod graph;
mod history;
mod hostile;
mod init;
mod interpreter;
mod interrupts;
mod jsonata_oracle;
mod large;
mod lock;
mod mended;
mod outcomes;
mod pages;
mod params;
mod parts;
mod pipeline;
mod pipelines;
mod plugin;
mod pre_commit;
mod product;
mod rendering;
mod report;
mod retention;
mod retry;
mod run;
mod schema;
mod session;
mod settings;
mod sinful;
mod structure;
mod terminal;
mod trouble;
mod tui;
mod unbounded;
mod validate;

use bunsui_test_support::Scratch;

/// An empty folder in which bunsui can be run.
fn scratch() -> Scratch {
    Scratch::new(env!("CARGO_BIN_EXE_bunsui"))
}
