//! `bunsui plugin install`

use crate::cli::load::find_plugins;
use crate::cli::output::Output;
use crate::cli::{Context, Exit, Failure, Outcome};
use crate::plugin::{Found, Plugins};
use serde::Serialize;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct InstallArgs {
    /// The library, as it was built: it runs as code on this machine
    #[arg(value_name = "LIBRARY")]
    library: PathBuf,
    /// How to print
    #[arg(long, value_enum, default_value_t = Output::Human, value_name = "FORMAT")]
    output: Output,
}

/// Why a library is not installed.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum InstallError {
    #[error("`{library}` is not installed: {reason}")]
    #[diagnostic(code("bunsui::plugin::not_installable"))]
    NotUsable {
        library: String,
        reason: String,
        #[help]
        help: Option<String>,
    },
    #[error("`{folder}` cannot be written to")]
    #[diagnostic(code("bunsui::plugin::unwritable_folder"))]
    Unwritable {
        folder: String,
        #[source]
        cause: std::io::Error,
    },
}

#[derive(Serialize)]
struct InstallView<'a> {
    plugin: &'a str,
    version: &'a str,
    path: &'a Path,
    operation_types: &'a [String],
    /// The version that was there before.
    replaced: Option<&'a str>,
}

pub(super) fn install(args: &InstallArgs, context: &Context) -> Outcome {
    let library = context.surroundings.directory.join(&args.library);
    let refuse = |reason: String, help: Option<&str>| {
        let library = args.library.display().to_string();
        Failure::bad_input(InstallError::NotUsable { library, reason, help: help.map(ToOwned::to_owned) })
    };
    let executable = std::env::current_exe().unwrap_or_default();
    let memory = context.settings.plugins.memory_limit();
    let (_link, alone) = Plugins::of_library(&library, &executable, memory)
        .map_err(|passed_over| refuse(format!("{} [{}]", passed_over.reason, passed_over.code), None))?;
    let new = &alone.found()[0];
    let Some(folder) = &context.settings.plugins.user else {
        return Err(refuse(
            "it is not known where: neither HOME nor XDG_DATA_HOME is set".to_owned(),
            Some("or copy it into a folder that BUNSUI_PLUGIN_PATH names"),
        ));
    };
    let used = find_plugins(context);
    if let Some(obstacle) = obstacle(new, &used, folder) {
        return Err(refuse(obstacle, Some("`bunsui plugin list` says what is used, and where it was found")));
    }
    let before = used.found().iter().find(|found| found.name == new.name);
    let replaced = before.map(|found| found.version.clone());
    drop(used);
    let path = place(new, folder);
    copy(&library, &path).map_err(|cause| {
        Failure::surroundings(InstallError::Unwritable { folder: folder.display().to_string(), cause })
    })?;
    say(
        args.output,
        &InstallView {
            plugin: &new.name,
            version: &new.version,
            path: &path,
            operation_types: &new.operation_types,
            replaced: replaced.as_deref(),
        },
        context,
    );
    Ok(Exit::Done)
}

/// By the plugin's name, whatever the file was called: a later version takes the earlier one's place.
fn place(new: &Found, folder: &Path) -> PathBuf {
    folder.join(format!("libbunsui_{}.{}", new.name.replace('-', "_"), std::env::consts::DLL_EXTENSION))
}

/// Why it would not be used once it is there.
fn obstacle(new: &Found, used: &Plugins, folder: &Path) -> Option<String> {
    let place = place(new, folder);
    let others = || used.found().iter().filter(|found| found.path != place);
    if let Some(other) = others().find(|found| found.name == new.name && found.path.parent() != Some(folder))
    {
        let (path, origin) = (other.path.display(), &other.origin);
        return Some(format!(
            "plugin `{}` is found first at `{path}` ({origin}), and would be used instead",
            new.name
        ));
    }
    others().filter(|found| found.name != new.name).find_map(|other| {
        let shared = other.operation_types.iter().find(|kind| new.operation_types.contains(kind))?;
        let (name, path) = (&other.name, other.path.display());
        Some(format!(
            "operation type `{shared}` is that of plugin `{name}` at `{path}`: of two, neither is used"
        ))
    })
}

/// In one step: who looks for plugins meanwhile finds the old one or the new one.
fn copy(library: &Path, place: &Path) -> std::io::Result<()> {
    let folder = place.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    std::io::copy(&mut std::fs::File::open(library)?, &mut new)?;
    new.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    new.as_file().sync_all()?;
    new.persist(place).map(drop).map_err(|error| error.error)
}

fn say(output: Output, view: &InstallView<'_>, context: &Context) {
    match output {
        Output::Json => context.console.data(serde_json::to_string_pretty(view).unwrap_or_default()),
        Output::Human => {
            let InstallView { plugin, version, path, operation_types, replaced } = view;
            let before = replaced.map(|before| format!(", in place of {before}")).unwrap_or_default();
            context
                .console
                .data(format_args!("{plugin} {version}{before}  types: {}", operation_types.join(", ")));
            context.console.data(format_args!("  {}", path.display()));
            context.console.talk("a project's bunsui.lock takes it up by `bunsui plugin lock`");
        }
    }
}
