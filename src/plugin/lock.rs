//! `bunsui.lock`: which plugins a project uses, and what they declare, so that files can be checked where none is installed.
//!
//! A plugin that comes with bunsui is held to its version, another to the digest of its library, one a platform: who locks on one
//! platform keeps what others locked on theirs.

use super::find::Found;
use super::library::DeclaredType;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The form that this bunsui writes and reads.
const VERSION: u32 = 1;

/// The file's name.
pub const LOCK_FILE: &str = "bunsui.lock";

/// The plugins that come with bunsui.
const SHIPPED: [&str; 3] = ["aws-service", "ecs", "lambda"];

/// What the file holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lock {
    version: u32,
    pub(super) plugins: Vec<LockedPlugin>,
}

/// One plugin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct LockedPlugin {
    pub(super) name: String,
    pub(super) version: String,
    /// `linux-x86_64` to `sha256:…`; none of a plugin that comes with bunsui.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) digests: BTreeMap<String, String>,
    pub(super) operation_types: Vec<DeclaredType>,
}

/// The file is there and cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("`{path}` cannot be used: {message}")]
#[diagnostic(
    code("bunsui::plugin::bad_lock"),
    help("`bunsui plugin lock` writes it anew; of a merge that failed, either side will do")
)]
pub struct LockError {
    path: String,
    message: String,
}

/// How a plugin that is installed differs from the one that is locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disagreement {
    /// It is not in the file.
    NotLocked(String),
    /// It comes with bunsui and is of another version.
    OtherVersion {
        /// Its name.
        plugin: String,
        /// As the file has it.
        locked: String,
        /// As it is.
        found: String,
    },
    /// Its library was never locked on this platform.
    OtherPlatform(String),
}

impl std::fmt::Display for Disagreement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotLocked(plugin) => write!(f, "plugin `{plugin}` is not in {LOCK_FILE}"),
            Self::OtherVersion { plugin, locked, found } => {
                write!(f, "{LOCK_FILE} has `{plugin}` {locked}, and this is {found}")
            }
            Self::OtherPlatform(plugin) => {
                write!(f, "{LOCK_FILE} has no digest of plugin `{plugin}` for {}", platform())
            }
        }
    }
}

impl Lock {
    /// The lock of a folder: in it, or in the nearest folder above that has one.
    pub fn find(folder: &Path) -> Result<Option<Self>, LockError> {
        let file = folder.ancestors().map(|folder| folder.join(LOCK_FILE)).find(|file| file.is_file());
        file.map(|file| Self::read(&file)).transpose()
    }

    fn read(file: &Path) -> Result<Self, LockError> {
        let wrong = |message: String| LockError { path: file.display().to_string(), message };
        let text = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }
        let head: Head = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        if head.version != VERSION {
            let message =
                format!("it is of version {}, and this bunsui knows version {VERSION}", head.version);
            return Err(wrong(message));
        }
        serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))
    }

    /// What is installed, and of the same versions the digests that others locked.
    pub(super) fn of(found: &[(Found, Vec<DeclaredType>)], before: Option<&Self>) -> Self {
        let locked = |(found, types): &(Found, Vec<DeclaredType>)| {
            let earlier = before.and_then(|lock| lock.plugin(&found.name));
            let mut digests = match earlier.filter(|earlier| earlier.version == found.version) {
                Some(earlier) => earlier.digests.clone(),
                None => BTreeMap::new(),
            };
            if !is_shipped(&found.name) {
                digests.insert(platform(), format!("sha256:{}", found.sha256));
            }
            LockedPlugin {
                name: found.name.clone(),
                version: found.version.clone(),
                digests,
                operation_types: types.clone(),
            }
        };
        let mut plugins: Vec<LockedPlugin> = found.iter().map(locked).collect();
        plugins.sort_by(|a, b| a.name.cmp(&b.name));
        Self { version: VERSION, plugins }
    }

    pub(super) fn plugin(&self, name: &str) -> Option<&LockedPlugin> {
        self.plugins.iter().find(|plugin| plugin.name == name)
    }

    /// `name version` of each plugin.
    pub fn names(&self) -> Vec<String> {
        self.plugins.iter().map(|plugin| format!("{} {}", plugin.name, plugin.version)).collect()
    }

    /// The file's text.
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// The file: beside the nearest bunsui.toml, else in the folder.
    pub fn place(folder: &Path) -> PathBuf {
        let project = folder
            .ancestors()
            .find(|folder| folder.join("bunsui.toml").is_file() || folder.join(LOCK_FILE).is_file());
        project.unwrap_or(folder).join(LOCK_FILE)
    }

    /// Whether a library is one that the file holds to another digest.
    pub(super) fn refuses(&self, name: &str, sha256: &str) -> bool {
        let locked = self.plugin(name).and_then(|plugin| plugin.digests.get(&platform()));
        locked.is_some_and(|locked| *locked != format!("sha256:{sha256}"))
    }

    /// How those that are installed differ.
    pub fn disagreements(&self, found: &[Found]) -> Vec<Disagreement> {
        let compare = |found: &Found| match self.plugin(&found.name) {
            None => Some(Disagreement::NotLocked(found.name.clone())),
            Some(locked) if is_shipped(&found.name) => {
                (locked.version != found.version).then(|| Disagreement::OtherVersion {
                    plugin: found.name.clone(),
                    locked: locked.version.clone(),
                    found: found.version.clone(),
                })
            }
            Some(locked) => (!locked.digests.contains_key(&platform()))
                .then(|| Disagreement::OtherPlatform(found.name.clone())),
        };
        found.iter().filter_map(compare).collect()
    }

    /// Whether a plugin is the one that is locked, as far as this platform can tell.
    pub(super) fn is_same(&self, found: &Found) -> bool {
        self.plugin(&found.name).is_some_and(|locked| {
            locked.version == found.version && !self.refuses(&found.name, &found.sha256)
        })
    }
}

/// Whether a plugin of this name comes with bunsui.
pub(crate) fn is_shipped(name: &str) -> bool {
    SHIPPED.contains(&name)
}

/// `linux-x86_64`
fn platform() -> String {
    format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(name: &str, version: &str, sha256: &str) -> (Found, Vec<DeclaredType>) {
        let types = vec![DeclaredType {
            name: name.to_owned(),
            summary: "does it".to_owned(),
            schema: json!({"type": "object"}),
            has_check: false,
            has_run_local: true,
        }];
        let found = Found {
            name: name.to_owned(),
            version: version.to_owned(),
            path: "/x".into(),
            origin: "here".to_owned(),
            operation_types: vec![name.to_owned()],
            sha256: sha256.to_owned(),
        };
        (found, types)
    }

    #[test]
    fn digests_of_other_platforms_are_kept_for_the_same_version() {
        let mut lock = Lock::of(&[found("query", "1.0.0", "aa"), found("lambda", "0.1.0", "bb")], None);
        assert_eq!(lock.plugin("lambda").unwrap().digests, BTreeMap::new());
        lock.plugins[1].digests.insert("plan9-mips".to_owned(), "sha256:cc".to_owned());
        let again = Lock::of(&[found("query", "1.0.0", "dd")], Some(&lock));
        let digests = &again.plugin("query").unwrap().digests;
        assert_eq!(
            (digests["plan9-mips"].as_str(), digests[&platform()].as_str()),
            ("sha256:cc", "sha256:dd")
        );
        let newer = Lock::of(&[found("query", "1.1.0", "dd")], Some(&lock));
        assert_eq!(newer.plugin("query").unwrap().digests.len(), 1);
    }

    #[test]
    fn what_is_installed_is_held_to_it() {
        let lock = Lock::of(&[found("query", "1.0.0", "aa"), found("lambda", "0.1.0", "bb")], None);
        assert!(lock.refuses("query", "ab") && !lock.refuses("query", "aa") && !lock.refuses("lambda", "x"));
        let said = |name: &str, version: &str| {
            let all = lock.disagreements(&[found(name, version, "aa").0]);
            all.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(said("lambda", "0.2.0"), ["bunsui.lock has `lambda` 0.1.0, and this is 0.2.0"]);
        assert_eq!(said("other", "1"), ["plugin `other` is not in bunsui.lock"]);
        assert!(said("query", "1.0.0").is_empty());
    }

    #[test]
    fn a_file_that_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(LOCK_FILE);
        for (text, part) in
            [("", "EOF"), ("<<<<<<< HEAD", "expected value"), (r#"{"version": 2}"#, "version 2")]
        {
            std::fs::write(&file, text).unwrap();
            let error = Lock::find(folder.path()).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        }
        let lock = Lock::of(&[found("query", "1.0.0", "aa")], None);
        std::fs::write(&file, lock.text()).unwrap();
        assert_eq!(Lock::find(&folder.path().join("deep/er")).unwrap(), Some(lock));
    }
}
