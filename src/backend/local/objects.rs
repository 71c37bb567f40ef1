//! Objects as files below `objects/`, under the keys that S3 would have.

use crate::runner::port::{ObjectStore, StoreError};
use async_trait::async_trait;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Files below one folder; a key's `/` is a folder.
#[derive(Debug, Clone)]
pub struct FileObjects {
    root: PathBuf,
}

impl FileObjects {
    /// Objects below `root`, which need not be there yet.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The file of a key. Keys are made of ids; still, none leads out of the folder.
    fn path(&self, key: &str) -> Result<PathBuf, StoreError> {
        let is_inside = !key.is_empty()
            && Path::new(key).components().all(|part| matches!(part, std::path::Component::Normal(_)));
        if is_inside {
            Ok(self.root.join(key))
        } else {
            Err(self.error(Path::new(key), "the key leads out of the folder"))
        }
    }

    fn error(&self, path: &Path, message: impl std::fmt::Display) -> StoreError {
        StoreError::Unusable {
            place: path.display().to_string(),
            message: message.to_string(),
            help: Some("make the folder writable, or set `[local] state` to one that is".into()),
        }
    }
}

/// A file beside the place that it is for, to be put there in one step: whoever reads finds all of it or nothing.
fn written_beside(path: &Path, bytes: &[u8]) -> std::io::Result<tempfile::NamedTempFile> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    Ok(file)
}

#[async_trait]
impl ObjectStore for FileObjects {
    async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        let path = self.path(key)?;
        let put = || {
            written_beside(&path, &bytes)?.persist(&path)?;
            Ok(())
        };
        put().map_err(|error: std::io::Error| self.error(&path, error))
    }

    async fn put_new(&self, key: &str, bytes: Vec<u8>) -> Result<bool, StoreError> {
        let path = self.path(key)?;
        let put = || match written_beside(&path, &bytes)?.persist_noclobber(&path) {
            Ok(_) => Ok(true),
            Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error.error),
        };
        put().map_err(|error| self.error(&path, error))
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.path(key)?;
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.error(&path, error)),
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let folder = prefix.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned());
        let mut folders = vec![if folder.is_empty() { self.root.clone() } else { self.path(&folder)? }];
        let mut keys = Vec::new();
        while let Some(folder) = folders.pop() {
            let entries = match std::fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(self.error(&folder, error)),
            };
            for entry in entries {
                let path = entry.map_err(|error| self.error(&folder, error))?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if let Some(key) = path.strip_prefix(&self.root).ok().and_then(Path::to_str)
                    && key.starts_with(prefix)
                {
                    keys.push(key.to_owned());
                }
            }
        }
        keys.sort();
        Ok(keys)
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let path = self.path(key)?;
        match std::fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(self.error(&path, error)),
        }
        // Folders that are empty by now go too; the first that is not ends it.
        let mut folder = path.parent();
        while let Some(empty) =
            folder.filter(|folder| *folder != self.root && std::fs::remove_dir(folder).is_ok())
        {
            folder = empty.parent();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_cannot_lead_out() {
        let folder = tempfile::tempdir().unwrap();
        let objects = FileObjects::new(folder.path().join("objects"));
        for key in ["../x", "/etc/passwd", "a/../../x", ""] {
            assert!(objects.put(key, Vec::new()).await.is_err(), "{key}");
        }
    }
}
