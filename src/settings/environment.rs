//! Variables to settings: `BUNSUI_<SECTION>__<KEY>`, and the folders that the user's environment names.

use super::key::{KEYS, Key, Kind, quoted_list};
use super::load::{SettingsError, Surroundings};
use super::value::{Setting, absolute};
use crate::diagnostic::nearest;
use figment::value::Value;
use std::path::{Path, PathBuf};

impl Surroundings {
    /// A variable's value; an empty one counts as not set.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        let found = self.variables.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// `$XDG_CONFIG_HOME` and its like, else the folder below the home folder that stands for it; none where there is
    /// no home. As the XDG base directory specification has it, one that is not absolute is ignored.
    pub(super) fn user_folder(&self, variable: &str, below_home: &str) -> Option<PathBuf> {
        let named = self.variable(variable).map(PathBuf::from).filter(|path| path.is_absolute());
        named.or_else(|| Some(Path::new(self.variable("HOME")?).join(below_home)))
    }
}

/// The settings that variables say, or the first variable that cannot be used.
pub(super) fn settings(surroundings: &Surroundings) -> Result<Vec<Setting>, SettingsError> {
    refuse_unknown(surroundings)?;
    let mut settings = Vec::new();
    for key in KEYS {
        let variable = key.variable();
        if let Some(text) = surroundings.variable(&variable) {
            let value = read(key, text, &surroundings.directory).map_err(|wanted| {
                let near = match key.kind {
                    Kind::Choice(words) => nearest(text, words.iter().copied()),
                    Kind::Text(_) | Kind::Path | Kind::Paths | Kind::Texts(_) | Kind::Switch(_) => None,
                };
                SettingsError::InvalidVariable {
                    name: variable.clone(),
                    value: text.to_owned(),
                    wanted,
                    help: near.map(|near| format!("did you mean `{near}`?")),
                }
            })?;
            settings.push(Setting::new(key, value, variable));
        }
    }
    Ok(settings)
}

/// `BUNSUI_PLUGIN_PATH` and the user's own folders, which no key names.
pub(super) fn folders(surroundings: &Surroundings) -> Vec<Setting> {
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let mut settings = Vec::new();
    if let Some(folder) = surroundings.user_folder("XDG_DATA_HOME", ".local/share") {
        settings.push(Setting::at("plugins.user", text(folder.join("bunsui/plugins")), "default"));
    }
    if let Some(folder) = surroundings.user_folder("XDG_CACHE_HOME", ".cache") {
        settings.push(Setting::at("plugins.cache", text(folder.join("bunsui")), "default"));
    }
    if let Some(path) = surroundings.variable("BUNSUI_PLUGIN_PATH") {
        let folders = split_paths(path, &surroundings.directory);
        settings.push(Setting::at("plugins.search_path", folders, "BUNSUI_PLUGIN_PATH"));
    }
    settings
}

fn read(key: &Key, text: &str, directory: &Path) -> Result<Value, String> {
    match key.kind {
        Kind::Text(check) => check(text).map(|()| text.into()).map_err(str::to_owned),
        Kind::Choice(words) if words.contains(&text) => Ok(text.into()),
        Kind::Choice(words) => Err(format!("one of {}", quoted_list(words))),
        Kind::Path => Ok(absolute(directory, text).into()),
        Kind::Paths => Ok(split_paths(text, directory).into()),
        Kind::Texts(check) => {
            let items: Vec<&str> = text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
            items.iter().try_for_each(|item| check(item))?;
            Ok(items.into())
        }
        Kind::Switch(check) => match text {
            "true" => Ok(true.into()),
            "false" => Ok(false.into()),
            text => check(text).map(|()| text.into()).map_err(str::to_owned),
        },
    }
}

fn split_paths(text: &str, directory: &Path) -> Vec<String> {
    std::env::split_paths(text)
        .filter(|path| !path.as_os_str().is_empty())
        .map(|path| absolute(directory, &path.to_string_lossy()))
        .collect()
}

/// A misspelt variable would be without effect and without a word. Those without `__` may belong to others.
fn refuse_unknown(surroundings: &Surroundings) -> Result<(), SettingsError> {
    let known: Vec<String> = KEYS.iter().map(Key::variable).collect();
    let is_unknown = |name: &str| {
        name.strip_prefix("BUNSUI_").is_some_and(|rest| rest.contains("__") && !rest.starts_with("PARAM_"))
            && !known.iter().any(|key| key == name)
    };
    let mut unknown: Vec<_> = surroundings.variables.iter().map(|(name, _)| name.as_str()).collect();
    unknown.retain(|name| is_unknown(name));
    unknown.sort_unstable();
    match unknown.first() {
        None => Ok(()),
        Some(name) => Err(SettingsError::UnknownVariable {
            name: (*name).to_owned(),
            help: match nearest(name, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`bunsui config show` lists the settings; `local.state` is `BUNSUI_LOCAL__STATE`"
                    .to_owned(),
            },
        }),
    }
}
