//! bunsui runs data pipelines on AWS Step Functions, and the same files on a laptop.
//!
//! The modules in reading order; each imports only modules above it (a test holds this):
//!
//! 1. [`diagnostic`]: spans, findings, the sink that collects them, and how a finding looks.
//! 2. [`document`]: TOML text to a table in which everything has its place. Syntax, not meaning.
//! 3. [`settings`]: the layers of settings; the only reader of the environment.
//! 4. [`expression`]: `${…}` references and `{% JSONata %}`: parse, find references, evaluate.
//! 5. [`pipeline`]: a document to jobs and operations; every check of meaning.
//! 6. [`state_machine`]: a job's definition in Amazon States Language, its compiler and its interpreter.
//! 7. [`plan`]: a pipeline and parameters to what a session will do.
//! 8. [`session`]: sessions, jobs in them, their statuses and stored forms.
//! 9. [`runner`]: the dispatcher decides, the executor acts; the traits that backends implement.
//! 10. [`plugin`]: finds and hosts the libraries that know operation types.
//! 11. [`backend`]: engines and stores.
//! 12. [`report`]: consumers of session events: a terminal, JSON lines, failures explained.
//! 13. [`tui`]: a terminal that is looked at all day.
//! 14. [`cli`]: the commands; the only printer.

pub mod backend;
pub mod cli;
pub mod diagnostic;
pub mod document;
pub mod expression;
pub mod pipeline;
pub mod plan;
pub mod plugin;
pub mod report;
pub mod runner;
pub mod session;
pub mod settings;
pub mod state_machine;
pub mod tui;
