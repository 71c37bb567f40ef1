//! What the tests share: a scratch folder with an empty environment, bunsui run in it, and all that it said as one text.
//!
//! Takes: the executable's path (only an integration test knows it, as `env!("CARGO_BIN_EXE_bunsui")`). Gives: snapshots
//! in which what changes from run to run is replaced by its name in brackets. And what stands in for AWS: emulators that are
//! started ([`ministack`], [`moto`]), Step Functions with its quotas and its delays ([`step_functions`]), and a proxy that injects
//! faults before any of them ([`proxy`]).
//! Deliberately does not: know what bunsui does.

mod ask;
mod emulator;
mod loopback;
pub mod proxy;
mod redact;
mod scratch;
pub mod step_functions;

pub use emulator::{Emulator, enforcing_ministack, ministack, moto, own_account, tool};
pub use redact::Redactions;
pub use scratch::{Finished, Scratch};

use std::path::PathBuf;

/// The folder of the plugin libraries that `cargo test` has just built: that of the test itself. Those beside the executable
/// may be older (see docs/decisions/0002-one-command.md).
///
/// # Panics
///
/// Where the system does not say which executable this is.
pub fn plugin_folder() -> PathBuf {
    let test = std::env::current_exe().expect("the test's executable is known");
    test.parent().expect("an executable is in a folder").to_owned()
}

/// The repository's root, for tests that read pipelines/ or docs/.
pub fn repository() -> PathBuf {
    let this = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    this.ancestors().nth(2).expect("the crate is in tests/support").to_owned()
}
