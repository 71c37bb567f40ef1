//! `bunsui plugin`

mod check;
mod install;
mod new;
mod show;

use super::load::find_plugins_with;
use super::output::Output;
use super::{Console, Context, Exit, Failure, Outcome};
use crate::plugin::{Found, Lock, PassedOver, Plugins, ProjectPlugins};
use crate::settings::Surroundings;
use serde::Serialize;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Begin a plugin: a crate that builds, with an operation type, its tests and the SDK
    New(new::NewArgs),
    /// Which plugins are used, where each was found, and why others were passed over
    List(ListArgs),
    /// What one plugin is: its library, its operation types and their keys
    Show(show::ShowArgs),
    /// Try whether a library, in Rust, C or anything else, is a plugin to rely on; exit code 2 where it is not
    Check(check::CheckArgs),
    /// Put a library into your own folder of plugins, for all projects
    Install(install::InstallArgs),
    /// Write bunsui.lock: which plugins this project uses, and what they declare, for who has none of them installed
    Lock(LockArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct LockArgs {
    /// Change nothing; exit code 2 where the file is not up to date
    #[arg(long)]
    check: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// How to print
    #[arg(long, value_enum, default_value_t = Output::Human, value_name = "FORMAT")]
    output: Output,
    /// Also load libraries that only this project's bunsui.toml names: they run as code on this machine
    #[arg(long)]
    trust_project_plugins: bool,
}

/// What works where settings are wrong, or not there.
pub(super) fn without_settings(
    command: &Command,
    surroundings: &Surroundings,
    console: &Console,
) -> Option<Outcome> {
    match command {
        Command::New(args) => Some(new::run(args, surroundings, console)),
        Command::List(_) | Command::Show(_) | Command::Check(_) | Command::Install(_) | Command::Lock(_) => {
            None
        }
    }
}

pub(super) fn run(command: &Command, context: &Context) -> Outcome {
    match command {
        Command::New(args) => new::run(args, &context.surroundings, &context.console),
        Command::List(args) => list(args, context),
        Command::Show(args) => show::show(args, context),
        Command::Check(args) => check::check(args, context),
        Command::Install(args) => install::install(args, context),
        Command::Lock(args) => lock(args, context),
    }
}

/// The lock file is not what is installed.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("`{file}` is not up to date")]
#[diagnostic(code("bunsui::plugin::stale_lock"), help("write it anew: bunsui plugin lock"))]
struct StaleLock {
    file: String,
}

fn lock(args: &LockArgs, context: &Context) -> Outcome {
    let directory = &context.surroundings.directory;
    let before = super::load::lock(context).ok().flatten();
    let plugins = find_plugins_with(ProjectPlugins::Load, context);
    let lock = plugins.lock(before.as_deref());
    let file = Lock::place(directory);
    let is_same = before.as_deref() == Some(&lock);
    if args.check && !is_same {
        return Err(Failure::bad_input(StaleLock { file: file.display().to_string() }));
    }
    let shown = file.strip_prefix(directory).unwrap_or(&file).display();
    if is_same {
        context.console.talk(format!("{shown}: as it is"));
        return Ok(Exit::Done);
    }
    write(&file, &lock.text())?;
    context.console.talk(format!("{shown}: {}", lock.names().join(", ")));
    Ok(Exit::Done)
}

/// In one step: who reads meanwhile sees the old file or the new one.
fn write(file: &Path, text: &str) -> Result<(), Failure> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let written = tempfile::NamedTempFile::new_in(folder).and_then(|mut new| {
        new.write_all(text.as_bytes())?;
        new.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
        new.persist(file).map_err(|error| error.error)
    });
    let unwritten = |error: std::io::Error| {
        Failure::surroundings(UnwritableLock { file: file.display().to_string(), cause: error })
    };
    written.map(|_| ()).map_err(unwritten)
}

/// The lock file cannot be written.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("`{file}` cannot be written")]
#[diagnostic(code("bunsui::plugin::unwritable_lock"))]
struct UnwritableLock {
    file: String,
    #[source]
    cause: std::io::Error,
}

fn list(args: &ListArgs, context: &Context) -> Outcome {
    let project = ProjectPlugins::for_looking(args.trust_project_plugins);
    let plugins = find_plugins_with(project, context);
    match args.output {
        Output::Json => print_json(&plugins, context),
        Output::Human => print_human(&plugins, context),
    }
    Ok(Exit::Done)
}

fn print_human(plugins: &Plugins, context: &Context) {
    let console = &context.console;
    for Found { name, version, path, origin, operation_types, .. } in plugins.found() {
        console.data(format_args!("{name} {version}  types: {}", operation_types.join(", ")));
        console.data(format_args!("  {} ({origin})", path.display()));
    }
    if plugins.found().is_empty() {
        console.talk("no plugins found; looked in:");
        for (folder, origin) in plugins.searched() {
            console.talk(format_args!("  {} ({origin})", folder.display()));
        }
        console.talk("bunsui's own belong beside its executable or into lib/bunsui/plugins; BUNSUI_PLUGIN_PATH names another folder");
    }
    if !plugins.passed_over().is_empty() {
        console.data("passed over:");
    }
    for PassedOver { path, code, reason } in plugins.passed_over() {
        console.data(format_args!("  {}", path.display()));
        console.data(format_args!("    {} [{code}]", reason.replace('\n', "\n    ")));
    }
}

#[derive(Serialize)]
struct ListView<'a> {
    plugins: Vec<FoundView<'a>>,
    passed_over: Vec<PassedOverView<'a>>,
    searched: Vec<FolderView<'a>>,
}

#[derive(Serialize)]
struct FoundView<'a> {
    name: &'a str,
    version: &'a str,
    path: &'a Path,
    origin: &'a str,
    operation_types: &'a [String],
}

#[derive(Serialize)]
struct PassedOverView<'a> {
    path: &'a Path,
    code: &'a str,
    reason: &'a str,
}

#[derive(Serialize)]
struct FolderView<'a> {
    path: &'a Path,
    origin: &'a str,
}

fn print_json(plugins: &Plugins, context: &Context) {
    let view = ListView {
        plugins: plugins
            .found()
            .iter()
            .map(|Found { name, version, path, origin, operation_types, .. }| FoundView {
                name,
                version,
                path,
                origin,
                operation_types,
            })
            .collect(),
        passed_over: plugins
            .passed_over()
            .iter()
            .map(|PassedOver { path, code, reason }| PassedOverView { path, code, reason })
            .collect(),
        searched: plugins.searched().iter().map(|(path, origin)| FolderView { path, origin }).collect(),
    };
    // Paths that are not UTF-8 are the one thing that JSON cannot hold.
    match serde_json::to_string_pretty(&view) {
        Ok(text) => context.console.data(text),
        Err(error) => context.console.talk(format_args!("a path cannot be printed as JSON: {error}")),
    }
}
