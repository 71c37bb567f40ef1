//! This machine: sessions in SQLite, objects in files, executions by the interpreter.
//!
//! Takes: the state folder of the settings. Gives: the runner's [`SessionStore`](crate::runner::port::SessionStore),
//! [`ObjectStore`](crate::runner::port::ObjectStore) and [`Engine`](crate::runner::port::Engine).
//! Deliberately does not: touch a network or an AWS SDK.

mod engine;
mod log;
mod log_files;
mod objects;
mod pins;
mod runnable;
mod store;

pub use engine::LocalEngine;
pub use log_files::LogFiles;
pub use objects::FileObjects;
pub use pins::{forget_libraries, keep_library, kept_library};
pub use runnable::check_runnable;
pub use store::SqliteStore;

use std::path::{Path, PathBuf};

/// The bucket of `s3://local/KEY`: where local operations leave objects.
pub const LOCAL_BUCKET: &str = "local";

/// Makes a state folder, which is nobody's to commit.
pub fn make_state_folder(state: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(state)?;
    let ignore = state.join(".gitignore");
    if ignore.exists() { Ok(()) } else { std::fs::write(ignore, "*\n") }
}

/// The folder of objects below a state folder.
pub fn objects_folder(state: &Path) -> PathBuf {
    state.join("objects")
}
