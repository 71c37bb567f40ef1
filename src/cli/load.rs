//! From a path to a validated pipeline; findings are printed on the way.

use super::{Context, Failure};
use crate::diagnostic::{Diagnostic, Severity, Sink, Source, Span};
use crate::document::{self, Document, ValueKind};
use crate::pipeline::{self, OperationCatalogue, Pipeline};
use crate::plugin::{Lock, LockedCatalogue, Plugins, PluginsOptions, ProjectPlugins};
use crate::settings::{BackendKind, ValidateSettings};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A pipeline that is valid, with what it was validated by.
pub(super) struct LoadedPipeline {
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) plugins: Arc<Plugins>,
    /// The folder of the file, absolute.
    pub(super) directory: PathBuf,
    /// The file, as it was given.
    pub(super) file: String,
}

/// A file could not be read.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("`{path}` cannot be read: {message}")]
#[diagnostic(code("bunsui::pipeline::unreadable"))]
pub(super) struct UnreadableFile {
    pub(super) path: String,
    pub(super) message: String,
    #[help]
    pub(super) help: Option<String>,
}

/// A file has more bytes than are read.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("`{path}` has more than {} bytes, and no more are read", document::LARGEST)]
#[diagnostic(code("bunsui::syntax::too_large"))]
pub(super) struct TooLargeFile {
    pub(super) path: String,
}

/// What was found in one file.
pub(super) struct Checked {
    pub(super) source: Arc<Source>,
    pub(super) diagnostics: Vec<Diagnostic>,
    pub(super) pipeline: Option<Pipeline>,
}

/// What a pipeline is called that was read from standard input.
pub(super) const STDIN: &str = "<stdin>";

/// Finds the plugins that the settings and the executable's place name.
pub(super) fn find_plugins(context: &Context) -> Plugins {
    find_plugins_with(ProjectPlugins::Load, context)
}

/// The same, with these folders before all others, each with its origin.
pub(super) fn find_plugins_before(folders: Vec<(PathBuf, String)>, context: &Context) -> Plugins {
    let executable = std::env::current_exe().unwrap_or_default();
    let mut options = PluginsOptions::new(&context.settings, executable, ProjectPlugins::Load);
    options.folders.splice(0..0, folders);
    Plugins::find(options)
}

/// The same as [`find_plugins`], for commands that look at a project and need not trust it.
pub(super) fn find_plugins_with(project: ProjectPlugins, context: &Context) -> Plugins {
    find_locked(project, None, context)
}

/// The same, without those that a lock holds to another library.
fn find_locked(project: ProjectPlugins, lock: Option<Arc<Lock>>, context: &Context) -> Plugins {
    let executable = std::env::current_exe().unwrap_or_default();
    let options = PluginsOptions::new(&context.settings, executable, project);
    Plugins::find(PluginsOptions { lock, ..options })
}

/// Operation types as bunsui.lock has them, and as what is installed has the others: what is locked stands for what is installed.
pub(super) fn locked_catalogue(
    is_project_trusted: bool,
    context: &Context,
) -> Result<LockedCatalogue<'_>, Failure> {
    let project = ProjectPlugins::for_looking(is_project_trusted);
    let lock = lock(context)?;
    Ok(LockedCatalogue::new(lock.clone(), move || find_locked(project, lock.clone(), context)))
}

/// The project's bunsui.lock, if it has one.
pub(super) fn lock(context: &Context) -> Result<Option<Arc<Lock>>, Failure> {
    let found = Lock::find(&context.surroundings.directory).map_err(Failure::bad_input)?;
    Ok(found.map(Arc::new))
}

/// Reads a file, `-` for standard input; of one that is too large only so much that this can be seen.
pub(super) fn read_file(path: &Path, context: &Context) -> Result<Vec<u8>, UnreadableFile> {
    let unreadable = |error: std::io::Error| {
        let help = (error.kind() == std::io::ErrorKind::NotFound).then(|| nearby(path, context)).flatten();
        UnreadableFile { path: path.display().to_string(), message: lowered(&error), help }
    };
    if path == Path::new("-") {
        return document::read_bounded(std::io::stdin().lock()).map_err(unreadable);
    }
    File::open(context.surroundings.directory.join(path)).and_then(document::read_bounded).map_err(unreadable)
}

/// The same of a file whose text nothing else would refuse for its size.
pub(super) fn read_whole_file(path: &Path, context: &Context) -> Result<Vec<u8>, Failure> {
    let bytes = read_file(path, context).map_err(Failure::bad_input)?;
    if document::is_too_large(&bytes) {
        return Err(Failure::bad_input(TooLargeFile { path: path.display().to_string() }));
    }
    Ok(bytes)
}

/// An operating system's message, in the form of ours.
fn lowered(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".into(),
        std::io::ErrorKind::IsADirectory => "it is a folder".into(),
        std::io::ErrorKind::PermissionDenied => "permission denied".into(),
        _ => error.to_string(),
    }
}

/// A file of nearly that name in the same folder.
fn nearby(path: &Path, context: &Context) -> Option<String> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let wanted = path.file_name()?.to_str()?;
    let entries = std::fs::read_dir(context.surroundings.directory.join(folder)).ok()?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".toml"))
        .collect();
    names.sort();
    let nearest = crate::diagnostic::nearest(wanted, names.iter().map(String::as_str))?;
    Some(format!("did you mean `{}`?", folder.join(nearest).display()))
}

/// What a command does after a text was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Afterwards {
    /// More: what was made of the text is taken apart.
    GoOn,
    /// It ends, and its memory with it.
    End,
}

/// What was found in one file, for who needs no pipeline of it.
pub(super) struct FileFindings {
    pub(super) source: Arc<Source>,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// What the pipeline is called, and where it says so.
    pub(super) pipeline: Option<(String, Span)>,
}

/// What is found in a text.
pub(super) fn findings(
    name: &str,
    bytes: Vec<u8>,
    catalogue: &dyn OperationCatalogue,
    afterwards: Afterwards,
) -> FileFindings {
    let mut sink = Sink::new();
    let (source, document) = document::read(name, bytes, &mut sink);
    let mut pipeline = None;
    if let Some(document) = document {
        let made = pipeline::check(&document, catalogue, &mut sink);
        pipeline = named(&document);
        if afterwards == Afterwards::End {
            std::mem::forget(made);
            std::mem::forget(document);
        }
    }
    FileFindings { source, diagnostics: sink.into_sorted(), pipeline }
}

/// `[pipeline] name`, as far as it is a text.
fn named(document: &Document) -> Option<(String, Span)> {
    let ValueKind::Table(head) = &document.root.value("pipeline")?.kind else { return None };
    let name = head.value("name")?;
    match &name.kind {
        ValueKind::String(text) => Some((text.clone(), name.span)),
        _ => None,
    }
}

/// Warnings as `[validate]` has them: without those that are allowed, and errors where they are denied.
pub(super) fn settle(diagnostics: &mut Vec<Diagnostic>, settings: &ValidateSettings) {
    allow(diagnostics, settings);
    for found in diagnostics {
        if settings.deny.iter().any(|code| code == found.code) {
            found.severity = Severity::Error;
        }
    }
}

/// Takes warnings away that the settings allow.
fn allow(diagnostics: &mut Vec<Diagnostic>, settings: &ValidateSettings) {
    diagnostics.retain(|found| {
        found.severity == Severity::Error || !settings.allow.iter().any(|code| code == found.code)
    });
}

/// Checks a text completely.
pub(super) fn check(name: &str, bytes: Vec<u8>, plugins: &Plugins) -> Checked {
    let mut sink = Sink::new();
    let (source, document) = document::read(name, bytes, &mut sink);
    let pipeline = document.and_then(|document| pipeline::validate(&document, plugins, &mut sink));
    Checked { source, diagnostics: sink.into_sorted(), pipeline }
}

/// Reads and checks a file; prints what is found.
pub(super) fn load_pipeline(path: &Path, context: &Context) -> Result<LoadedPipeline, Failure> {
    load_pipeline_with(path, ProjectPlugins::Load, context)
}

/// The same, for commands that look at a project and need not trust it.
pub(super) fn load_pipeline_with(
    path: &Path,
    project: ProjectPlugins,
    context: &Context,
) -> Result<LoadedPipeline, Failure> {
    let bytes = read_file(path, context).map_err(Failure::bad_input)?;
    let lock = lock(context)?;
    let plugins = find_locked(project, lock.clone(), context);
    // Who runs something is told; who looks need not have the same.
    if let Some(lock) = lock.filter(|_| project == ProjectPlugins::Load) {
        for disagreement in lock.disagreements(plugins.found()) {
            context.console.talk(format!("note: {disagreement}; `bunsui plugin lock` brings it up to date"));
        }
    }
    let name = if path == Path::new("-") { STDIN.to_owned() } else { path.display().to_string() };
    let mut checked = check(&name, bytes, &plugins);
    allow(&mut checked.diagnostics, &context.settings.validate);
    context.console.diagnostics(&checked.source, &checked.diagnostics);
    let Some(pipeline) = checked.pipeline else {
        context.console.talk(count_line(&name, &checked.diagnostics));
        return Err(Failure::reported());
    };
    let full = context.surroundings.directory.join(path);
    let directory = match full.parent() {
        Some(folder) if path != Path::new("-") => {
            std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_path_buf())
        }
        _ => context.surroundings.directory.clone(),
    };
    Ok(LoadedPipeline { pipeline: Arc::new(pipeline), plugins: Arc::new(plugins), directory, file: name })
}

/// Prints findings about a pipeline that is valid in itself; errors among them end the command.
pub(super) fn report(pipeline: &Pipeline, file: &str, sink: Sink, context: &Context) -> Result<(), Failure> {
    let has_errors = sink.has_errors();
    let diagnostics = sink.into_sorted();
    context.console.diagnostics(&pipeline.source, &diagnostics);
    if has_errors {
        context.console.talk(count_line(file, &diagnostics));
        return Err(Failure::reported());
    }
    Ok(())
}

/// `pipelines/etl.toml: 2 errors, 1 warning`
pub(super) fn count_line<'d>(name: &str, diagnostics: impl IntoIterator<Item = &'d Diagnostic>) -> String {
    let severities: Vec<Severity> = diagnostics.into_iter().map(|found| found.severity).collect();
    let count = |severity| severities.iter().filter(|found| **found == severity).count();
    let mut parts = Vec::new();
    for (number, word) in [(count(Severity::Error), "error"), (count(Severity::Warning), "warning")] {
        match number {
            0 => {}
            1 => parts.push(format!("1 {word}")),
            _ => parts.push(format!("{number} {word}s")),
        }
    }
    if parts.is_empty() { format!("{name}: no findings") } else { format!("{name}: {}", parts.join(", ")) }
}

/// Ends a command that means something on AWS only.
pub(super) fn need_aws_backend(context: &Context) -> Result<(), Failure> {
    match context.settings.backend {
        BackendKind::Aws => Ok(()),
        BackendKind::Local => Err(Failure::bad_input(NeedsAws)),
    }
}

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("there is nothing to deploy to: the backend is this machine")]
#[diagnostic(
    code("bunsui::settings::needs_aws"),
    help("give `--backend aws`, or set `backend = \"aws\"` in bunsui.toml")
)]
struct NeedsAws;

#[cfg(not(feature = "aws"))]
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("this bunsui was built without AWS")]
#[diagnostic(
    code("bunsui::settings::backend_not_available"),
    help("build it with its default features; `--backend local` runs pipelines on this machine")
)]
pub(super) struct NoAwsBackend;
