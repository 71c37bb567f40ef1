//! Write a bunsui operation plugin: implement [`OperationType`], export it with [`export_plugin!`].
//!
//! ```toml
//! [lib]
//! crate-type = ["cdylib"]      # and name the crate bunsui_<something>: libraries are found as libbunsui_*
//! ```
//!
//! Takes: safe implementations of the trait. Gives: the C interface of `bunsui-plugin-abi`, with JSON read and written, panics
//! caught and memory owned. Deliberately does not: start threads, keep state, or - without the feature `aws` -
//! know AWS.

#[cfg(feature = "aws")]
pub mod aws;
pub mod cause;
mod exchange;
#[doc(hidden)]
pub mod export;
mod host;
mod operation;
pub mod process;
pub mod schema;

pub use exchange::{
    Aws, CheckRequest, Declaration, ExplainRequest, Explanation, Finding, Fragment, LocalTask, LogSource,
    LogsRequest, OperationTypeDeclaration, PermissionsRequest, PluginError, PreflightRequest, Severity,
    Statement, StatesRequest, StopReport, StopRequest, TaskFailure,
};
pub use host::{Host, Level, Stop};
pub use operation::OperationType;
pub use {schemars, serde, serde_json};
