//! Which libraries there are, and why others are passed over.

use super::cache::{Cache, Known, Stamp};
use super::catalogue::PluginsOptions;
use super::client::{HostProcess, Starter};
use super::library::{self, Declaration, LoadError};
use crate::settings::Settings;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A plugin that is used.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its library.
    pub path: PathBuf,
    /// Why that folder is searched: `beside the executable`.
    pub origin: String,
    /// Its operation types.
    pub operation_types: Vec<String>,
    /// SHA-256 of its library, in hexadecimal digits.
    pub sha256: String,
}

/// A library that is not used.
#[derive(Debug, Clone)]
pub struct PassedOver {
    /// The library.
    pub path: PathBuf,
    /// `bunsui::plugin::…`
    pub code: &'static str,
    /// One sentence.
    pub reason: String,
}

/// What is to be done with libraries that only a project's own settings name: they are code of that project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProjectPlugins {
    /// They are used: whoever runs a project runs its code.
    Load,
    /// They are passed over: whoever only looks at a project does not.
    PassOver,
}

impl ProjectPlugins {
    /// For commands that only look: by their flag `--trust-project-plugins`.
    pub fn for_looking(is_trusted: bool) -> Self {
        if is_trusted { Self::Load } else { Self::PassOver }
    }
}

/// Why `[plugins] paths` are searched.
const BY_SETTINGS: &str = "[plugins] paths";

/// Folders, each with its origin.
type Folders = Vec<(PathBuf, String)>;

/// The folders to look in, and those whose libraries are only named.
pub(super) fn sorted_folders(
    settings: &Settings,
    executable: &Path,
    project: ProjectPlugins,
) -> (Folders, Folders) {
    let is_trusted = project == ProjectPlugins::Load || settings.plugins.are_paths_trusted;
    search_folders(settings, executable)
        .into_iter()
        .partition(|(_, origin)| is_trusted || origin != BY_SETTINGS)
}

/// The folders to look in, in order of precedence, each with its origin. `executable` is bunsui's own.
pub fn search_folders(settings: &Settings, executable: &Path) -> Vec<(PathBuf, String)> {
    let plugins = &settings.plugins;
    let said = plugins.search_path.iter().map(|path| (path.clone(), "BUNSUI_PLUGIN_PATH"));
    let set = plugins.paths.iter().map(|path| (path.clone(), BY_SETTINGS));
    // A link to the executable, as package managers make them, has the libraries beside what it points to.
    let executable = executable.canonicalize().unwrap_or_else(|_| executable.to_owned());
    let beside = executable.parent().into_iter().flat_map(|folder| {
        [folder.join("plugins"), folder.to_owned()].map(|path| (path, "beside the executable"))
    });
    let prefix = executable.parent().and_then(Path::parent);
    let installed = prefix.map(|prefix| (prefix.join("lib/bunsui/plugins"), "installed with bunsui"));
    let user = plugins.user.iter().map(|path| (path.clone(), "the user's plugins"));
    said.chain(set)
        .chain(beside)
        .chain(installed)
        .chain(user)
        .map(|(path, origin)| (path, origin.to_owned()))
        .collect()
}

/// A library that may be a plugin.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) path: PathBuf,
    pub(super) origin: String,
}

/// A library that is one.
#[derive(Debug)]
pub(super) struct Declared {
    pub(super) candidate: Candidate,
    pub(super) declaration: Declaration,
    pub(super) sha256: String,
    /// Running already, where it had to be asked.
    pub(super) host: Option<HostProcess>,
}

/// Looks through the folders and decides.
pub(super) fn find(options: &PluginsOptions, starter: &Starter) -> (Vec<Declared>, Vec<PassedOver>) {
    let mut seen = BTreeSet::new();
    let candidates = candidates(&options.folders, &mut seen);
    let mut cache = Cache::read(options.cache.as_deref());
    let mut passed_over: Vec<PassedOver> =
        self::candidates(&options.not_trusted, &mut seen).into_iter().map(not_trusted).collect();
    let mut usable = Vec::new();
    for (candidate, declared) in candidates.iter().zip(declare_all(&candidates, starter, &cache)) {
        match declared {
            Ok(Told { known, asked }) => {
                let host = asked.map(|(host, stamp)| {
                    if let Some(stamp) = stamp {
                        cache.keep(&candidate.path, stamp, known.clone());
                    }
                    host
                });
                let Known { declaration, sha256 } = known;
                if options.lock.as_ref().is_some_and(|lock| lock.refuses(&declaration.name, &sha256)) {
                    passed_over.push(other_digest(candidate, &declaration.name));
                    continue;
                }
                usable.push(Declared { candidate: candidate.clone(), declaration, sha256, host });
            }
            Err(error) => passed_over.push(PassedOver {
                path: candidate.path.clone(),
                code: error.code(),
                reason: error.to_string(),
            }),
        }
    }
    cache.write();
    let usable = without_shadowed(usable, &mut passed_over);
    (without_rivals(usable, &mut passed_over), passed_over)
}

fn not_trusted(candidate: Candidate) -> PassedOver {
    PassedOver {
        path: candidate.path,
        code: NOT_TRUSTED,
        reason: "only the project's own settings name it, and who looks at a project does not run its code; \
                 `--trust-project-plugins` loads it"
            .to_owned(),
    }
}

fn other_digest(candidate: &Candidate, plugin: &str) -> PassedOver {
    PassedOver {
        path: candidate.path.clone(),
        code: OTHER_DIGEST,
        reason: format!(
            "plugin `{plugin}` is held to another library by bunsui.lock; `bunsui plugin lock` takes this one, if it is \
             the one that is meant"
        ),
    }
}

/// The code of a library whose digest is another than the locked one.
pub(super) const OTHER_DIGEST: &str = "bunsui::plugin::other_digest";

/// The code of a library that was not loaded because it is the project's.
pub(super) const NOT_TRUSTED: &str = "bunsui::plugin::not_trusted";

/// Libraries by folder, without those seen already; within one, the newest first, so that it wins over stale ones of the same plugin.
fn candidates(folders: &[(PathBuf, String)], seen: &mut BTreeSet<PathBuf>) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    for (folder, origin) in folders {
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        let mut libraries: Vec<PathBuf> =
            entries.flatten().map(|entry| entry.path()).filter(|path| is_library_name(path)).collect();
        libraries.sort_by_cached_key(|path| (std::cmp::Reverse(Stamp::of(path)), path.clone()));
        for path in libraries {
            let identity = path.canonicalize().unwrap_or_else(|_| path.clone());
            if seen.insert(identity) {
                candidates.push(Candidate { path, origin: origin.clone() });
            }
        }
    }
    candidates
}

fn is_library_name(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.strip_prefix("libbunsui_").is_some_and(|rest| rest.ends_with(".so") || rest.ends_with(".dylib"))
}

/// What a library declares; where it had to be asked, its host and what the file was before.
struct Told {
    known: Known,
    asked: Option<(HostProcess, Option<Stamp>)>,
}

type ToldOrNot = Result<Told, LoadError>;

/// Asks all at once: where nothing is cached, each costs the start of a process.
fn declare_all(candidates: &[Candidate], starter: &Starter, cache: &Cache) -> Vec<ToldOrNot> {
    let known = |candidate: &Candidate| {
        library::inspect(&candidate.path).and_then(|()| library::refuse_writable(&candidate.path)).map(|()| {
            let stamp = Stamp::of(&candidate.path)?;
            cache.known(&candidate.path, stamp).cloned()
        })
    };
    std::thread::scope(|scope| {
        let asked: Vec<_> = candidates
            .iter()
            .map(|candidate| match known(candidate) {
                Ok(Some(known)) => Ok(Ok(Told { known, asked: None })),
                Ok(None) => Err(scope.spawn(|| declare(&candidate.path, starter))),
                Err(error) => Ok(Err(error)),
            })
            .collect();
        asked
            .into_iter()
            .map(|asked| {
                asked.unwrap_or_else(|thread| {
                    thread.join().unwrap_or_else(|_| Err(LoadError::NoHost("it was lost".to_owned())))
                })
            })
            .collect()
    })
}

fn declare(path: &Path, starter: &Starter) -> ToldOrNot {
    // Before it is loaded: of a library that is replaced meanwhile, the old declaration must not be kept for the new file.
    let stamp = Stamp::of(path);
    let sha256 = library::sha256(path)?;
    let (host, declaration) = starter.start(path)?;
    for operation_type in &declaration.operation_types {
        if let Err(error) = jsonschema::meta::validate(&operation_type.schema) {
            return Err(LoadError::BadSchema {
                operation_type: operation_type.name.clone(),
                message: error.to_string(),
            });
        }
    }
    check_names(&declaration)?;
    Ok(Told { known: Known { declaration, sha256 }, asked: Some((host, stamp)) })
}

fn check_names(declaration: &Declaration) -> Result<(), LoadError> {
    let mut types = BTreeSet::new();
    for operation_type in &declaration.operation_types {
        if !is_name(&operation_type.name) {
            let message = format!("`{}` is no name for an operation type", operation_type.name);
            return Err(LoadError::BadDeclaration(message));
        }
        if !types.insert(&operation_type.name) {
            let message = format!("it has operation type `{}` twice", operation_type.name);
            return Err(LoadError::BadDeclaration(message));
        }
    }
    if is_name(&declaration.name) {
        return Ok(());
    }
    Err(LoadError::BadDeclaration(format!("`{}` is no name for a plugin", declaration.name)))
}

fn is_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-'))
}

fn without_shadowed(usable: Vec<Declared>, passed_over: &mut Vec<PassedOver>) -> Vec<Declared> {
    let mut first: BTreeMap<String, Declared> = BTreeMap::new();
    for declared in usable {
        let name = declared.declaration.name.clone();
        match first.get(&name) {
            None => {
                first.insert(name, declared);
            }
            Some(winner) => passed_over.push(PassedOver {
                path: declared.candidate.path,
                code: "bunsui::plugin::shadowed",
                reason: format!(
                    "plugin `{name}` is found first at `{}` ({})",
                    winner.candidate.path.display(),
                    winner.candidate.origin
                ),
            }),
        }
    }
    first.into_values().collect()
}

/// Which of two plugins should serve a type is not for an order of folders to decide: neither does.
fn without_rivals(usable: Vec<Declared>, passed_over: &mut Vec<PassedOver>) -> Vec<Declared> {
    let rival_of = |declared: &Declared| {
        usable.iter().filter(|other| other.declaration.name != declared.declaration.name).find_map(|other| {
            let theirs = &other.declaration.operation_types;
            let shared = declared
                .declaration
                .operation_types
                .iter()
                .find(|mine| theirs.iter().any(|their| their.name == mine.name))?;
            Some(format!(
                "operation type `{}` of plugin `{}` is also in plugin `{}` at `{}`; neither is used",
                shared.name,
                declared.declaration.name,
                other.declaration.name,
                other.candidate.path.display()
            ))
        })
    };
    let rivals: Vec<Option<String>> = usable.iter().map(rival_of).collect();
    let mut used = Vec::new();
    for (declared, rival) in usable.into_iter().zip(rivals) {
        match rival {
            None => used.push(declared),
            Some(reason) => passed_over.push(PassedOver {
                path: declared.candidate.path,
                code: "bunsui::plugin::duplicate_type",
                reason,
            }),
        }
    }
    used
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::library::DeclaredType;
    use crate::settings::{Overrides, PluginSettings, Surroundings, load};

    #[test]
    fn folders_are_searched_in_the_documented_order() {
        let nowhere = Surroundings { directory: "/nowhere".into(), variables: Vec::new() };
        let (mut settings, _) = load(&nowhere, &Overrides::default()).unwrap();
        settings.plugins = PluginSettings {
            search_path: vec!["/said".into()],
            paths: vec!["/set".into()],
            are_paths_trusted: true,
            memory: None,
            user: Some("/home/me/.local/share/bunsui/plugins".into()),
            cache: None,
        };
        let found: Vec<String> = search_folders(&settings, Path::new("/no/such/bin/bunsui"))
            .into_iter()
            .map(|(path, origin)| format!("{} ({origin})", path.display()))
            .collect();
        assert_eq!(
            found,
            [
                "/said (BUNSUI_PLUGIN_PATH)",
                "/set ([plugins] paths)",
                "/no/such/bin/plugins (beside the executable)",
                "/no/such/bin (beside the executable)",
                "/no/such/lib/bunsui/plugins (installed with bunsui)",
                "/home/me/.local/share/bunsui/plugins (the user's plugins)",
            ]
        );
    }

    #[test]
    fn only_libraries_of_bunsui_are_looked_at() {
        assert!(is_library_name(Path::new("/a/libbunsui_x.so")));
        assert!(is_library_name(Path::new("/a/libbunsui_x.dylib")));
        for other in ["/a/libx.so", "/a/libbunsui_x.rlib", "/a/libbunsui_x.so.bak", "/a/bunsui_x.so"] {
            assert!(!is_library_name(Path::new(other)), "{other}");
        }
    }

    #[track_caller]
    fn check_trust(project: ProjectPlugins, are_paths_trusted: bool, is_loaded: bool) {
        let nowhere = Surroundings { directory: "/nowhere".into(), variables: Vec::new() };
        let (mut settings, _) = load(&nowhere, &Overrides::default()).unwrap();
        // Also named by the user: that entry stays, whatever becomes of the project's.
        settings.plugins.search_path = vec!["/set".into()];
        settings.plugins.paths = vec!["/set".into()];
        settings.plugins.are_paths_trusted = are_paths_trusted;
        let (searched, not_trusted) = sorted_folders(&settings, Path::new("/no/such/bin/bunsui"), project);
        let by_settings = ("/set".into(), BY_SETTINGS.to_owned());
        assert_eq!(searched.contains(&by_settings), is_loaded);
        assert_eq!(not_trusted, if is_loaded { Vec::new() } else { vec![by_settings] });
        assert!(searched.contains(&("/set".into(), "BUNSUI_PLUGIN_PATH".to_owned())));
    }

    #[test]
    fn a_projects_libraries_are_loaded_by_who_runs_it_or_trusts_it() {
        check_trust(ProjectPlugins::Load, false, true);
        check_trust(ProjectPlugins::Load, true, true);
        check_trust(ProjectPlugins::PassOver, true, true);
        check_trust(ProjectPlugins::PassOver, false, false);
    }

    fn declared(path: &str, name: &str, types: &[&str]) -> Declared {
        let operation_types = types
            .iter()
            .map(|name| DeclaredType {
                name: (*name).to_owned(),
                summary: String::new(),
                schema: true.into(),
                has_check: false,
                has_run_local: false,
            })
            .collect();
        Declared {
            candidate: Candidate { path: path.into(), origin: "here".to_owned() },
            declaration: Declaration { name: name.to_owned(), version: "1".to_owned(), operation_types },
            sha256: String::new(),
            host: None,
        }
    }

    #[track_caller]
    fn check(libraries: Vec<Declared>, used: &[&str], passed_over: &[&str]) {
        let mut passed = Vec::new();
        let usable = without_shadowed(libraries, &mut passed);
        let found = without_rivals(usable, &mut passed);
        let found: Vec<_> = found.iter().map(|found| found.candidate.path.display().to_string()).collect();
        let passed: Vec<_> =
            passed.iter().map(|passed| format!("{} {}", passed.path.display(), passed.code)).collect();
        assert_eq!(found, used);
        assert_eq!(passed, passed_over);
    }

    #[test]
    fn the_first_library_of_a_name_wins() {
        check(
            vec![declared("/1", "ecs", &["ecs"]), declared("/2", "ecs", &["ecs"])],
            &["/1"],
            &["/2 bunsui::plugin::shadowed"],
        );
    }

    #[test]
    fn of_two_plugins_for_one_type_neither_is_used() {
        check(
            vec![declared("/1", "a", &["x", "y"]), declared("/2", "b", &["y"]), declared("/3", "c", &["z"])],
            &["/3"],
            &["/1 bunsui::plugin::duplicate_type", "/2 bunsui::plugin::duplicate_type"],
        );
    }
}
