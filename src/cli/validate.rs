//! `bunsui validate [PATH]...`: every finding of every file.

use super::load::{
    Afterwards, FileFindings, UnreadableFile, count_line, findings, locked_catalogue, read_file, settle,
};
use super::paths::files;
use super::{Context, Exit, Failure, Outcome};
use crate::diagnostic::{Diagnostic, DiagnosticView, Severity, Source, github, sarif, views};
use crate::plugin::LockedCatalogue;
use crate::settings;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Files, folders (their .toml files), patterns (`'pipelines/**/*.toml'`), or `-` for standard input; without any, `pipelines/`
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// How findings are printed: for people on stderr; on stdout as JSON, as SARIF 2.1.0, or as workflow commands of GitHub Actions
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// What findings call the text of standard input
    #[arg(long, value_name = "NAME")]
    stdin_filename: Option<String>,
    /// Errors only, and no summary
    #[arg(long, short)]
    quiet: bool,
    /// Also load libraries that only this project's bunsui.toml names: they run as code on this machine
    #[arg(long)]
    trust_project_plugins: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Human,
    Json,
    Sarif,
    Github,
}

pub(super) fn run(args: &Args, context: &Context) -> Outcome {
    let paths = if args.paths.is_empty() { vec![PathBuf::from("pipelines")] } else { args.paths.clone() };
    if args.paths.is_empty() && !context.surroundings.directory.join("pipelines").is_dir() {
        return Err(Failure::bad_input(UnreadableFile {
            path: "pipelines".into(),
            message: "there is no such folder here".into(),
            help: Some("name files or folders: `bunsui validate PATH`; `bunsui init` makes a project".into()),
        }));
    }
    let files = files(&paths, &context.surroundings.directory);
    let catalogue = locked_catalogue(args.trust_project_plugins, context)?;
    let mut checked: Vec<FileFindings> = Vec::with_capacity(files.len());
    let last = files.len().saturating_sub(1);
    for (at, file) in files.iter().enumerate() {
        let afterwards = if at == last { Afterwards::End } else { Afterwards::GoOn };
        checked.push(match file {
            Ok(file) => check(file, args, &catalogue, afterwards, context),
            Err(unreadable) => not_read(unreadable),
        });
    }
    same_names(&mut checked);
    for file in &mut checked {
        settle(&mut file.diagnostics, &context.settings.validate);
        if args.quiet {
            file.diagnostics.retain(|found| found.severity == Severity::Error);
        }
    }
    print(&checked, args, context);
    if let Some(line) = not_checked(&catalogue).filter(|_| !args.quiet) {
        context.console.talk(line);
    }
    Ok(exit(&checked))
}

fn check(
    file: &Path,
    args: &Args,
    catalogue: &LockedCatalogue<'_>,
    afterwards: Afterwards,
    context: &Context,
) -> FileFindings {
    let name = display_name(file, args);
    let bytes = match read_file(file, context) {
        Ok(bytes) => bytes,
        Err(unreadable) => return not_read(&UnreadableFile { path: name, ..unreadable }),
    };
    if file.file_name().is_some_and(|name| name == "bunsui.toml") {
        let folder = context.surroundings.directory.join(file);
        let folder = folder.parent().unwrap_or(&context.surroundings.directory);
        let (source, diagnostics) = settings::check(&name, bytes, folder);
        return FileFindings { source, diagnostics, pipeline: None };
    }
    findings(&name, bytes, catalogue, afterwards)
}

/// A file that cannot be read is a finding, and the others are looked at.
fn not_read(unreadable: &UnreadableFile) -> FileFindings {
    let message = format!("it cannot be read: {}", unreadable.message);
    let finding = Diagnostic::error("bunsui::pipeline::unreadable", message);
    FileFindings {
        source: Source::new(unreadable.path.clone(), String::new()),
        diagnostics: vec![finding.maybe_help(unreadable.help.clone())],
        pipeline: None,
    }
}

fn display_name(file: &Path, args: &Args) -> String {
    match &args.stdin_filename {
        _ if file != Path::new("-") => file.display().to_string(),
        Some(name) => name.clone(),
        None => super::load::STDIN.to_owned(),
    }
}

/// Two files of one pipeline name would take each other's state machines and sessions for their own.
fn same_names(checked: &mut [FileFindings]) {
    let mut first: BTreeMap<String, String> = BTreeMap::new();
    for file in checked {
        let Some((name, span)) = &file.pipeline else { continue };
        let Some(other) = first.get(name) else {
            first.insert(name.clone(), file.source.name.clone());
            continue;
        };
        let message = format!("the pipeline of `{other}` is called `{name}` too");
        file.diagnostics.push(
            Diagnostic::error("bunsui::pipeline::duplicate_name", message)
                .label(*span, "a name is one pipeline's")
                .help("give one of them another name: sessions, state machines and roles go by it"),
        );
    }
}

fn print(checked: &[FileFindings], args: &Args, context: &Context) {
    let console = &context.console;
    let all = || -> Vec<DiagnosticView> {
        checked.iter().flat_map(|file| views(&file.source, &file.diagnostics)).collect()
    };
    match args.format {
        Format::Json => console.data(json!({"diagnostics": all()})),
        Format::Sarif => console.data(sarif(&all(), env!("CARGO_PKG_VERSION"))),
        Format::Github => console.raw(&github(&all())),
        Format::Human => {
            for file in checked {
                console.diagnostics(&file.source, &file.diagnostics);
            }
        }
    }
    // What is said beside data is for whoever reads the log of a job.
    if args.quiet || matches!(args.format, Format::Json | Format::Sarif) {
        return;
    }
    let name = match checked {
        [file] => file.source.name.clone(),
        files => format!("{} files", files.len()),
    };
    console.talk(count_line(&name, checked.iter().flat_map(|file| &file.diagnostics)));
}

/// One line: what only plugins say, and these could not be asked.
fn not_checked(catalogue: &LockedCatalogue<'_>) -> Option<String> {
    let unchecked = catalogue.unchecked();
    if unchecked.is_empty() {
        return None;
    }
    let types: Vec<String> =
        unchecked.iter().map(|(kind, why)| format!("`{kind}` (its plugin {why})")).collect();
    Some(format!("not checked: what plugins say beyond their schemas, of {}", types.join(", ")))
}

/// Wrong input outweighs plugins that failed.
fn exit(checked: &[FileFindings]) -> Exit {
    let errors = checked.iter().flat_map(|file| &file.diagnostics);
    let mut errors = errors.filter(|found| found.severity == Severity::Error).peekable();
    if errors.peek().is_none() {
        return Exit::Done;
    }
    let is_surroundings = |found: &Diagnostic| found.code.split("::").nth(1) == Some("plugin");
    if errors.all(is_surroundings) { Exit::Surroundings } else { Exit::BadInput }
}
