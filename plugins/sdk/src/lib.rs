//! Write a bunsui operation plugin: implement [`OperationType`], export it with [`export_plugin!`].
//!
//! ```toml
//! [lib]
//! name = "bunsui_query"        # bunsui_<something>: libraries are found as libbunsui_*
//! crate-type = ["cdylib"]      # and "rlib", for tests in a folder tests/
//! ```
//!
//! Takes: safe implementations of the trait. Gives: the C interface of `bunsui-plugin-abi`, with JSON read and written, panics
//! caught and memory owned. Deliberately does not: start threads, keep state, or - without the feature `aws` -
//! know AWS.
//!
//! - Keys as a struct: [`Value`] for what may be a reference, `keys_as` of each request, [`schema::of`] for the schema.
//! - What it is on AWS: [`Fragment::task`], [`retry`], [`Statement::allow`].
//! - What it is here: [`Host`] for lines and stops, [`process::run`] for a program.
//! - Feature `testing`: `testing::Harness`, which asks what bunsui would ask. Feature `aws`: clients that reach AWS as bunsui does.
//!
//! It compiles with Rust 1.85 or later; with the feature `aws`, with what the AWS SDK wants.

#[cfg(feature = "aws")]
pub mod aws;
pub mod cause;
mod exchange;
#[doc(hidden)]
pub mod export;
mod fragment;
mod host;
pub mod keys;
mod operation;
pub mod process;
pub mod retry;
pub mod schema;
#[cfg(feature = "testing")]
pub mod testing;
mod value;

pub use exchange::{
    Aws, CheckRequest, Declaration, ExplainRequest, Explanation, Finding, Fragment, LocalTask, LogSource,
    LogsRequest, OperationTypeDeclaration, PermissionsRequest, PluginError, PreflightRequest, Severity,
    Statement, StatesRequest, StopReport, StopRequest, TaskFailure,
};
pub use host::{Host, Level, Stop};
pub use operation::OperationType;
pub use value::{Value, is_expression};
pub use {schemars, serde, serde_json};
