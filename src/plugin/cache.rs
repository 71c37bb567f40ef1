//! What libraries declared, kept by path, size and time, so that most commands start no plugin host.
//!
//! A file that is missing, broken or of another version is an empty cache; one that cannot be written is none. Never wrong: a
//! library that changed has another time.

use super::library::Declaration;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

const VERSION: u32 = 2;

/// The cache's file.
#[derive(Debug)]
pub(super) struct Cache {
    file: Option<PathBuf>,
    record: CacheRecord,
    is_changed: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct CacheRecord {
    version: u32,
    libraries: BTreeMap<PathBuf, LibraryRecord>,
}

#[derive(Debug, Serialize, Deserialize)]
struct LibraryRecord {
    #[serde(flatten)]
    stamp: Stamp,
    #[serde(flatten)]
    known: Known,
}

/// What is known of a library without asking it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Known {
    pub(super) declaration: Declaration,
    /// SHA-256 of the file, in hexadecimal digits.
    pub(super) sha256: String,
}

/// What tells one content of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Stamp {
    modified_ns: u64,
    size: u64,
}

impl Stamp {
    /// The stamp of a file; none where it cannot be looked at.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let metadata = path.metadata().ok()?;
        let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(Self { modified_ns: u64::try_from(modified.as_nanos()).ok()?, size: metadata.len() })
    }
}

impl Cache {
    /// Reads the cache in a folder.
    pub(super) fn read(folder: Option<&Path>) -> Self {
        let file = folder.map(|folder| folder.join("plugins.json"));
        let record = file
            .as_ref()
            .and_then(|file| serde_json::from_slice(&std::fs::read(file).ok()?).ok())
            .filter(|record: &CacheRecord| record.version == VERSION)
            .unwrap_or(CacheRecord { version: VERSION, libraries: BTreeMap::new() });
        Self { file, record, is_changed: false }
    }

    /// What is known of a library, if it has not changed since.
    pub(super) fn known(&self, library: &Path, stamp: Stamp) -> Option<&Known> {
        let record = self.record.libraries.get(library)?;
        (record.stamp == stamp).then_some(&record.known)
    }

    /// Keeps what is known of a library.
    pub(super) fn keep(&mut self, library: &Path, stamp: Stamp, known: Known) {
        self.record.libraries.insert(library.to_owned(), LibraryRecord { stamp, known });
        self.is_changed = true;
    }

    /// Writes what changed, in one step: a reader sees the old file or the new one.
    pub(super) fn write(mut self) {
        let Some(file) = self.file.take().filter(|_| self.is_changed) else { return };
        self.record.libraries.retain(|library, _| library.exists());
        if let Err(error) = self.write_to(&file) {
            tracing::debug!("the cache of plugins cannot be written to `{}`: {error}", file.display());
        }
    }

    fn write_to(&self, file: &Path) -> std::io::Result<()> {
        let folder = file.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let mut new = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer(&mut new, &self.record)?;
        new.persist(file)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(version: &str) -> Known {
        let declaration =
            Declaration { name: "x".to_owned(), version: version.to_owned(), operation_types: Vec::new() };
        Known { declaration, sha256: "abc".to_owned() }
    }

    #[test]
    fn a_library_that_did_not_change_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("libbunsui_x.so");
        std::fs::write(&library, "one").unwrap();
        let stamp = Stamp::of(&library).unwrap();
        let mut cache = Cache::read(Some(folder.path()));
        cache.keep(&library, stamp, known("1"));
        cache.write();
        let cache = Cache::read(Some(folder.path()));
        assert_eq!(cache.known(&library, stamp), Some(&known("1")));
        std::fs::write(&library, "another").unwrap();
        assert_eq!(cache.known(&library, Stamp::of(&library).unwrap()), None);
    }

    #[test]
    fn a_broken_cache_is_an_empty_one_and_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("libbunsui_x.so");
        std::fs::write(&library, "one").unwrap();
        let stamp = Stamp::of(&library).unwrap();
        let broken = ["", "{", "[]", r#"{"version": 99, "libraries": {}}"#];
        for text in broken {
            std::fs::write(folder.path().join("plugins.json"), text).unwrap();
            let mut cache = Cache::read(Some(folder.path()));
            assert_eq!(cache.known(&library, stamp), None, "of `{text}`");
            cache.keep(&library, stamp, known("1"));
            cache.write();
            assert!(Cache::read(Some(folder.path())).known(&library, stamp).is_some(), "of `{text}`");
        }
    }
}
