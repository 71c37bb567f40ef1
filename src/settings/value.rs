//! One value of one layer, as figment takes it.

use super::key::Key;
use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};
use std::path::{Component, Path, PathBuf};

/// A value and the layer that says it. Each is a figment provider of its own, so that figment can tell every
/// value's line, not only its file.
#[derive(Debug)]
pub(super) struct Setting {
    /// `local.state`
    pub(super) path: String,
    /// Checked against its key's kind; paths are absolute.
    pub(super) value: Value,
    /// `bunsui.toml:3`
    pub(super) layer: String,
    /// Said by the project's file, which others may have written.
    pub(super) is_projects: bool,
}

impl Setting {
    /// A value of a known key.
    pub(super) fn new(key: &Key, value: impl Into<Value>, layer: impl Into<String>) -> Self {
        Self::at(&key.path(), value, layer)
    }

    /// A value at any path, the ones without a key too.
    pub(super) fn at(path: &str, value: impl Into<Value>, layer: impl Into<String>) -> Self {
        Self { path: path.to_owned(), value: value.into(), layer: layer.into(), is_projects: false }
    }
}

impl Provider for Setting {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.layer.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let nested = figment::util::nest(&self.path, self.value.clone());
        Ok(Profile::Default.collect(nested.into_dict().unwrap_or_default()))
    }
}

/// A path made absolute against `base`, without `.` and, where that is safe by text alone, without `..`.
pub(super) fn absolute(base: &Path, path: &str) -> String {
    let mut clean = PathBuf::new();
    for component in base.join(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if clean.parent().is_some() => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean.to_string_lossy().into_owned()
}
