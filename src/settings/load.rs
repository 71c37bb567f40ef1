//! Reading the layers, lowest first: defaults, the user's config file, the nearest bunsui.toml upward, its
//! `[env.NAME]` section, `BUNSUI_<SECTION>__<KEY>`, flags.

use super::environment;
use super::file::{self, FileFindings, FileSettings, Owner};
use super::key::{KEYS, quoted_list, suggest};
use super::value::{Setting, absolute};
use super::{BackendKind, Settings};
use crate::diagnostic::{Diagnostic, Source};
use crate::document::read_bounded;
use figment::Figment;
use serde_json::Value as Json;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the process was given.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// The current folder, absolute.
    pub directory: PathBuf,
    /// The environment's variables.
    pub variables: Vec<(String, String)>,
}

/// What flags said.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--env NAME`
    pub environment: Option<String>,
    /// `--backend`
    pub backend: Option<BackendKind>,
    /// `--region`
    pub region: Option<String>,
}

/// One value and where it came from, for `config show`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// `local.state`
    pub key: String,
    /// The value that counts.
    pub value: Json,
    /// `default`, `bunsui.toml:3`, `[env.production] bunsui.toml:12`, `BUNSUI_LOCAL__STATE`, `--backend`.
    pub layer: String,
}

/// Settings cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum SettingsError {
    /// Files have findings; they are what is to be shown (see [`SettingsError::findings`]).
    #[error("the settings files have errors")]
    Invalid {
        /// Each file with its findings.
        files: Vec<(Arc<Source>, Vec<Diagnostic>)>,
    },
    /// A file is there and cannot be read.
    #[error("cannot read the settings in `{path}`")]
    #[diagnostic(code("bunsui::settings::unreadable_file"))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// `--env` names no section.
    #[error("there is no environment `{name}`")]
    #[diagnostic(code("bunsui::settings::unknown_environment"))]
    UnknownEnvironment {
        /// As given.
        name: String,
        /// Those there are.
        #[help]
        help: String,
    },
    /// A variable looks like a setting and is none.
    #[error("`{name}` is in the environment, but there is no such setting")]
    #[diagnostic(code("bunsui::settings::unknown_variable"))]
    UnknownVariable {
        /// The variable.
        name: String,
        /// The nearest.
        #[help]
        help: String,
    },
    /// A variable's value does not fit its setting.
    #[error("`{name}` is `{value}`, but has to be {wanted}")]
    #[diagnostic(code("bunsui::settings::invalid_variable"))]
    InvalidVariable {
        /// The variable.
        name: String,
        /// What it holds.
        value: String,
        /// What it takes.
        wanted: String,
        /// The nearest word that it takes.
        #[help]
        help: Option<String>,
    },
    /// The current folder's name is no Unicode text, or there is no current folder.
    #[error("the current folder cannot be used: {reason}")]
    #[diagnostic(code("bunsui::settings::unusable_folder"), help("change to another folder"))]
    UnusableFolder {
        /// Why not.
        reason: String,
    },
}

impl SettingsError {
    /// The findings of each file, where it is files that are wrong.
    pub fn findings(&self) -> Option<&[(Arc<Source>, Vec<Diagnostic>)]> {
        match self {
            Self::Invalid { files } => Some(files),
            _ => None,
        }
    }
}

/// Reads all layers. The origins come in the order of the documentation; a setting that nothing sets has none.
pub fn load(
    surroundings: &Surroundings,
    overrides: &Overrides,
) -> Result<(Settings, Vec<Origin>), SettingsError> {
    let directory = &surroundings.directory;
    if directory.to_str().is_none_or(str::is_empty) {
        let reason = match directory.as_os_str().is_empty() {
            true => "it is not there any more".to_owned(),
            false => format!("its path `{}` is not Unicode text", directory.display()),
        };
        return Err(SettingsError::UnusableFolder { reason });
    }
    let project = nearest_file(directory);
    let home = project.as_deref().and_then(Path::parent).unwrap_or(directory);

    let mut layers = defaults(home);
    layers.extend(environment::folders(surroundings));
    layers.extend(file_layers(surroundings, project.as_deref(), overrides.environment.as_deref())?);
    layers.extend(environment::settings(surroundings)?);
    layers.extend(flags(overrides));
    Ok(merge(layers))
}

fn defaults(home: &Path) -> Vec<Setting> {
    let none: Vec<String> = Vec::new();
    vec![
        Setting::at("backend", "local", "default"),
        Setting::at("local.state", absolute(home, ".bunsui"), "default"),
        Setting::at("aws.prefix", "bunsui-", "default"),
        Setting::at("plugins.search_path", none.clone(), "default"),
        Setting::at("plugins.paths", none, "default"),
        Setting::at("logs.collect", "failed", "default"),
    ]
}

fn flags(overrides: &Overrides) -> Vec<Setting> {
    let backend = overrides.backend.map(|backend| match backend {
        BackendKind::Local => "local",
        BackendKind::Aws => "aws",
    });
    let backend = backend.map(|word| Setting::at("backend", word, "--backend"));
    let region = overrides.region.as_deref().map(|region| Setting::at("aws.region", region, "--region"));
    backend.into_iter().chain(region).collect()
}

/// Both files are read before either is complained of.
fn file_layers(
    surroundings: &Surroundings,
    project: Option<&Path>,
    environment: Option<&str>,
) -> Result<Vec<Setting>, SettingsError> {
    let user = surroundings
        .user_folder("XDG_CONFIG_HOME", ".config")
        .map(|folder| folder.join("bunsui/config.toml"))
        .filter(|path| path.is_file());
    let mut wrong = Vec::new();
    let mut read = |path: Option<&Path>, owner| match path {
        None => Ok(FileSettings::default()),
        Some(path) => read_file(path, owner, surroundings, &mut wrong),
    };
    let user = read(user.as_deref(), Owner::User)?;
    let project_settings = read(project, Owner::Project)?;
    if !wrong.is_empty() {
        return Err(SettingsError::Invalid { files: wrong });
    }
    let mut layers = user.base;
    let selected = select(project_settings.environments, environment, project.is_some())?;
    layers.extend(project_settings.base);
    layers.extend(selected);
    Ok(layers)
}

fn read_file(
    path: &Path,
    owner: Owner,
    surroundings: &Surroundings,
    wrong: &mut Vec<(Arc<Source>, Vec<Diagnostic>)>,
) -> Result<FileSettings, SettingsError> {
    let bytes = File::open(path)
        .and_then(read_bounded)
        .map_err(|cause| SettingsError::Unreadable { path: path.to_owned(), cause })?;
    let directory = path.parent().unwrap_or(Path::new("/"));
    match file::read(&shown(path, surroundings), bytes, directory, owner) {
        Ok(settings) => Ok(settings),
        Err(FileFindings { source, diagnostics }) => {
            wrong.push((source, diagnostics));
            Ok(FileSettings::default())
        }
    }
}

fn select(
    environments: Vec<(String, Vec<Setting>)>,
    wanted: Option<&str>,
    has_file: bool,
) -> Result<Vec<Setting>, SettingsError> {
    let Some(wanted) = wanted else { return Ok(Vec::new()) };
    let known: Vec<String> = environments.iter().map(|(name, _)| name.clone()).collect();
    match environments.into_iter().find(|(name, _)| name == wanted) {
        Some((_, settings)) => Ok(settings),
        None => Err(SettingsError::UnknownEnvironment {
            name: wanted.to_owned(),
            help: environment_help(wanted, &known, has_file),
        }),
    }
}

fn environment_help(wanted: &str, known: &[String], has_file: bool) -> String {
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    match (has_file, known.is_empty()) {
        (false, _) => "there is no bunsui.toml in this folder or above it".to_owned(),
        (true, true) => format!("bunsui.toml has no environments; a section `[env.{wanted}]` would be one"),
        (true, false) => match suggest(wanted, &known) {
            near if near.starts_with("did you") => {
                format!("{near} The environments are {}", quoted_list(&known))
            }
            all => all,
        },
    }
}

/// bunsui.toml in the folder or the nearest one above.
fn nearest_file(directory: &Path) -> Option<PathBuf> {
    directory.ancestors().map(|folder| folder.join("bunsui.toml")).find(|path| path.is_file())
}

/// A file's name as a person would write it: from the current folder where it is in it or above, from `~` for the
/// user's own.
fn shown(path: &Path, surroundings: &Surroundings) -> String {
    if let Some(folder) = path.parent()
        && let Ok(below) = surroundings.directory.strip_prefix(folder)
        && let Some(name) = path.file_name()
    {
        return "../".repeat(below.components().count()) + &name.to_string_lossy();
    }
    let home = surroundings.variable("HOME").and_then(|home| path.strip_prefix(home).ok());
    home.map_or_else(|| path.display().to_string(), |rest| format!("~/{}", rest.display()))
}

fn merge(layers: Vec<Setting>) -> (Settings, Vec<Origin>) {
    let paths_of_plugins = layers.iter().rfind(|setting| setting.path == "plugins.paths");
    let are_paths_trusted = paths_of_plugins.is_none_or(|setting| !setting.is_projects);
    let figment = layers.into_iter().fold(Figment::new(), |figment, setting| figment.merge(setting));
    let mut settings: Settings =
        figment.extract().expect("every value was checked against its key, and defaults fill the rest");
    settings.plugins.are_paths_trusted = are_paths_trusted;
    let mut paths: Vec<String> = KEYS.iter().map(super::key::Key::path).collect();
    let after = paths.iter().position(|path| path == "plugins.paths").unwrap_or(paths.len());
    paths.insert(after, "plugins.search_path".to_owned());
    let origin = |key: String| {
        let value: Json = figment.extract_inner(&key).ok()?;
        let layer = figment.find_metadata(&key)?.name.to_string();
        Some(Origin { key, value, layer })
    };
    (settings, paths.into_iter().filter_map(origin).collect())
}
