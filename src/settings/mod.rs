//! Layers of settings to [`Settings`]; the only reader of the environment.
//!
//! Takes: the current folder, the environment's variables and what flags said. Gives: settings, each value with the
//! layer it came from, or every finding about the files they are in.
//! Deliberately does not: open a store, look for plugins, or print.

mod environment;
mod file;
mod key;
mod load;
mod schema;
mod value;

#[cfg(test)]
mod tests;

pub use file::check;
pub use load::{Origin, Overrides, SettingsError, Surroundings, load};
pub use schema::settings_schema;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What bunsui.toml, the environment and flags decide. Paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Where sessions run.
    pub backend: BackendKind,
    /// `[local]`
    pub local: LocalSettings,
    /// `[aws]`
    #[serde(default)]
    pub aws: AwsSettings,
    /// `[plugins]`
    pub plugins: PluginSettings,
    /// `[logs]`
    pub logs: LogSettings,
    /// `[validate]`
    #[serde(default)]
    pub validate: ValidateSettings,
}

/// Where sessions run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendKind {
    /// On this machine.
    Local,
    /// On Step Functions.
    Aws,
}

/// `[local]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalSettings {
    /// Folder of the store and the objects; default `.bunsui` beside the nearest bunsui.toml, else in the current folder.
    pub state: PathBuf,
}

/// `[aws]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AwsSettings {
    /// Where everything is; without it the SDK's own settings decide.
    pub region: Option<String>,
    /// Twelve digits: nothing is written to any other account.
    pub account: Option<String>,
    /// S3 bucket of logs, outputs and reports.
    pub bucket: Option<String>,
    /// What names of tables and state machines start with.
    #[serde(default)]
    pub prefix: String,
    /// Whether events tell of ends, and by which queue.
    #[serde(default)]
    pub events: Events,
    /// Another address for all services.
    pub endpoint_url: Option<String>,
    /// Other addresses of single services, by the names that `AWS_ENDPOINT_URL_<SERVICE>` has for them.
    #[serde(default)]
    pub endpoint_urls: BTreeMap<String, String>,
    /// Quotas of APIs, `size/refill`, instead of those that AWS publishes.
    #[serde(default)]
    pub quotas: BTreeMap<String, String>,
    /// The ARN of the role that state machines take on.
    pub execution_role: Option<String>,
    /// A role to take on, by its ARN.
    pub assume_role: Option<String>,
    /// How long a session that is driven waits for a lost network, expired credentials and the like, as a duration.
    pub patience: Option<String>,
    /// How long sessions are kept, as a duration: DynamoDB deletes them after it.
    pub retention: Option<String>,
}

impl AwsSettings {
    /// The queue in which events tell of ends, by its name or URL; none: nothing is heard.
    pub fn events_queue(&self) -> Option<String> {
        match &self.events {
            Events::Switch(false) => None,
            Events::Switch(true) => Some(format!("{}events", self.prefix)),
            Events::Queue(queue) => Some(queue.clone()),
        }
    }

    /// The quota that is set for an API.
    pub fn quota(&self, api: &str) -> Option<Quota> {
        self.quotas.get(api).and_then(|text| Quota::parse(text))
    }
}

/// `[aws] events`
// Both are said by one key, which was checked when it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Events {
    /// `true`: in the queue that the stack `events` makes. `false`: not at all.
    Switch(bool),
    /// In another queue, by its name or URL.
    Queue(String),
}

impl Default for Events {
    fn default() -> Self {
        Self::Switch(false)
    }
}

/// How much of an API an account has in a region, as a token bucket: so many calls at once, so many more each second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quota {
    /// Calls at once.
    pub size: f64,
    /// Calls more each second.
    pub refill: f64,
}

impl Quota {
    /// `800/150`, as the tables of AWS's guides have it: bucket size, and refill rate per second.
    pub fn parse(text: &str) -> Option<Self> {
        let (size, refill) = text.split_once('/')?;
        let number = |text: &str| text.trim().parse().ok().filter(|number: &f64| number.is_finite());
        let quota = Self { size: number(size)?, refill: number(refill)? };
        // A bucket of less than one call, or one that fills in hours, would hold back every call for good.
        (quota.size >= 1.0 && quota.refill >= 0.01).then_some(quota)
    }
}

/// `[plugins]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PluginSettings {
    /// `BUNSUI_PLUGIN_PATH`, split: searched first.
    pub search_path: Vec<PathBuf>,
    /// `[plugins] paths`: searched second, relative to the file that says them.
    pub paths: Vec<PathBuf>,
    /// Whether `paths` are the user's own (config file or environment) and not the project's: checking a stranger's project
    /// must not load libraries that it names.
    #[serde(skip)]
    pub are_paths_trusted: bool,
    /// `[plugins] memory`: of a plugin's host process, at most: `512M`, `2G`.
    pub memory: Option<String>,
    /// The user's data directory for plugins (`$XDG_DATA_HOME/bunsui/plugins`): searched last.
    pub user: Option<PathBuf>,
    /// The user's cache directory (`$XDG_CACHE_HOME/bunsui`).
    pub cache: Option<PathBuf>,
}

impl PluginSettings {
    /// How many bytes of memory a plugin's host process may have.
    pub fn memory_limit(&self) -> u64 {
        let said = self.memory.as_deref().and_then(|text| {
            let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
            let mebibytes = number.parse::<u64>().ok()?;
            Some(if unit == "G" { mebibytes << 30 } else { mebibytes << 20 })
        });
        said.unwrap_or(1 << 30)
    }
}

/// `[logs]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LogSettings {
    /// Whose lines are copied from CloudWatch.
    pub collect: LogCollection,
}

/// `[logs] collect`: on AWS, the executions whose log lines are copied to the bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogCollection {
    /// Those that failed.
    #[default]
    Failed,
    /// Every one.
    All,
    /// None; lines are read where they are.
    None,
}

/// `[validate]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ValidateSettings {
    /// Codes of warnings that are not reported.
    #[serde(default)]
    pub allow: Vec<String>,
    /// Codes of warnings that count as errors.
    #[serde(default)]
    pub deny: Vec<String>,
}
