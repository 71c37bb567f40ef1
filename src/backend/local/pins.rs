//! Plugin libraries that sessions are pinned to, kept below `plugins/` of the state folder by their digests: a session goes on
//! with the plugins that it began with, whatever is installed by then.

use crate::plugin::{Found, file_sha256};
use crate::session::PluginRecord;
use std::path::{Path, PathBuf};

fn folder(state: &Path, sha256: &str) -> PathBuf {
    state.join("plugins").join(sha256)
}

/// Keeps a plugin's library: as a link where the file system allows it, else as a copy.
pub fn keep_library(state: &Path, plugin: &Found) -> std::io::Result<()> {
    let folder = folder(state, &plugin.sha256);
    let target = folder.join(plugin.path.file_name().unwrap_or_else(|| "libbunsui_plugin.so".as_ref()));
    if target.exists() { Ok(()) } else { keep(&plugin.path, &folder, &target) }
}

fn keep(library: &Path, folder: &Path, target: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let library = library.canonicalize()?;
    let linked = std::fs::hard_link(&library, target);
    if linked.is_ok() || target.exists() {
        return Ok(());
    }
    let mut copy = tempfile::NamedTempFile::new_in(folder)?;
    std::io::copy(&mut std::fs::File::open(&library)?, &mut copy)?;
    copy.persist(target)?;
    Ok(())
}

/// The folder of a library that was kept, if it is there and as it was: what it was linked to may have been written over.
pub fn kept_library(state: &Path, plugin: &PluginRecord) -> Option<PathBuf> {
    let folder = folder(state, &plugin.sha256);
    let is_it = |path: PathBuf| file_sha256(&path).is_ok_and(|sha256| sha256 == plugin.sha256);
    let mut files = std::fs::read_dir(&folder).ok()?.flatten();
    files.any(|file| is_it(file.path())).then_some(folder)
}

/// Removes kept libraries whose digests are not among those that sessions still need.
pub fn forget_libraries(state: &Path, needed: &dyn Fn(&str) -> bool) {
    let Ok(folders) = std::fs::read_dir(state.join("plugins")) else { return };
    for folder in folders.flatten() {
        let is_needed = folder.file_name().to_str().is_some_and(needed);
        // One that cannot be removed costs room and nothing else.
        if !is_needed && let Err(error) = std::fs::remove_dir_all(folder.path()) {
            tracing::debug!("`{}` cannot be removed: {error}", folder.path().display());
        }
    }
}
