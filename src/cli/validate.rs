//! `bunsui validate [PATH]...`: every finding of every file.

use super::load::{Afterwards, count_line, find_plugins_with, findings, read_file};
use super::{Context, Exit, Failure, Outcome};
use crate::diagnostic::{self, Diagnostic, DiagnosticView, Severity};
use crate::plugin::{Plugins, ProjectPlugins};
use serde_json::json;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Files, folders (their .toml files), or `-` for standard input; without any, `pipelines/`
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// How findings are printed: for people on stderr, or as JSON on stdout
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Also load libraries that only this project's bunsui.toml names: they run as code on this machine
    #[arg(long)]
    trust_project_plugins: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Human,
    Json,
}

pub(super) fn run(args: &Args, context: &Context) -> Outcome {
    let paths = if args.paths.is_empty() { vec![PathBuf::from("pipelines")] } else { args.paths.clone() };
    if args.paths.is_empty() && !context.surroundings.directory.join("pipelines").is_dir() {
        return Err(Failure::bad_input(super::load::UnreadableFile {
            path: "pipelines".into(),
            message: "there is no such folder here".into(),
            help: Some("name files or folders: `bunsui validate PATH`; `bunsui init` makes a project".into()),
        }));
    }
    let files = files(&paths, context)?;
    let project = ProjectPlugins::for_looking(args.trust_project_plugins);
    let plugins = find_plugins_with(project, context);
    let mut views = Vec::new();
    let mut found = Vec::new();
    for (at, file) in files.iter().enumerate() {
        let afterwards = if at + 1 == files.len() { Afterwards::End } else { Afterwards::GoOn };
        let (file_views, diagnostics) = validate_file(file, &plugins, args.format, afterwards, context)?;
        views.extend(file_views);
        found.extend(diagnostics);
    }
    let has_errors = found.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
    match args.format {
        Format::Json => context.console.data(json!({"diagnostics": views})),
        Format::Human => {
            let name = match files.as_slice() {
                [file] => display_name(file),
                files => format!("{} files", files.len()),
            };
            context.console.talk(count_line(&name, &found));
        }
    }
    Ok(if has_errors { Exit::BadInput } else { Exit::Done })
}

fn validate_file(
    file: &Path,
    plugins: &Plugins,
    format: Format,
    afterwards: Afterwards,
    context: &Context,
) -> Result<(Vec<DiagnosticView>, Vec<Diagnostic>), Failure> {
    let bytes = read_file(file, context).map_err(Failure::bad_input)?;
    let (source, diagnostics) = findings(&display_name(file), bytes, plugins, afterwards);
    let views = match format {
        Format::Json => diagnostic::views(&source, &diagnostics),
        Format::Human => {
            context.console.diagnostics(&source, &diagnostics);
            Vec::new()
        }
    };
    Ok((views, diagnostics))
}

fn display_name(file: &Path) -> String {
    if file == Path::new("-") { "<stdin>".into() } else { file.display().to_string() }
}

/// The files that paths name; those of a folder are its .toml files, sorted, those of folders in it included.
fn files(paths: &[PathBuf], context: &Context) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        let full = context.surroundings.directory.join(path);
        if path != Path::new("-") && full.is_dir() {
            let before = files.len();
            folder_files(&full, path, &mut files).map_err(|error| unreadable(path, &error.to_string()))?;
            if files.len() == before {
                return Err(unreadable(path, "there is no .toml file in it"));
            }
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn folder_files(full: &Path, shown: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut names: Vec<_> =
        std::fs::read_dir(full)?.map(|entry| Ok(entry?.file_name())).collect::<std::io::Result<_>>()?;
    names.sort();
    for name in names {
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let inner = full.join(&name);
        // Links to folders are not followed: one that leads upward would have no end.
        let kind = std::fs::symlink_metadata(&inner)?.file_type();
        if kind.is_dir() {
            folder_files(&inner, &shown.join(&name), files)?;
        } else if inner.extension().is_some_and(|extension| extension == "toml") && may_be_read(&inner) {
            files.push(shown.join(&name));
        }
    }
    Ok(())
}

/// A pipe would be waited for, a device has no end. A link that leads nowhere is for the reader to report.
fn may_be_read(path: &Path) -> bool {
    std::fs::metadata(path).map_or(true, |found| found.is_file())
}

fn unreadable(path: &Path, message: &str) -> Failure {
    Failure::bad_input(super::load::UnreadableFile {
        path: path.display().to_string(),
        message: message.to_owned(),
        help: Some("name pipeline files, or a folder that holds some".into()),
    })
}
