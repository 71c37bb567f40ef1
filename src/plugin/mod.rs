//! Finds the libraries that know operation types and hosts each in a process of its own.
//!
//! Takes: search folders, the executable to start as a host. Gives: an
//! [`OperationCatalogue`](crate::pipeline::OperationCatalogue) and local runs of operations.
//! Deliberately does not: know any operation type, or keep a library in this process.

mod cache;
mod call;
mod catalogue;
mod client;
mod conformance;
mod elf;
mod find;
mod frame;
mod heard;
mod host;
mod hosted;
mod library;
mod life;
mod lock;
mod locked;
mod permissions;
mod preflight;
mod processes;

pub use catalogue::{Explanation, LocalRun, LogLine, Plugins, PluginsOptions, Runnable};
pub use conformance::{Conformance, ConformanceOptions, Outcome, Verdict, conformance, conformance_main};
pub use find::{Found, PassedOver, ProjectPlugins, search_folders};
#[doc(hidden)]
pub use heard::heard;
pub use host::host_main;
pub(crate) use library::file_sha256;
pub(crate) use lock::is_shipped;
pub use lock::{Disagreement, LOCK_FILE, Lock, LockError};
pub use locked::LockedCatalogue;
pub use permissions::PermissionsError;
pub use preflight::{AwsAccess, LogSource, OperationRun, StopReport};
pub use processes::become_subreaper;
