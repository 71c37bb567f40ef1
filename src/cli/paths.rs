//! From what a command line names - files, folders, patterns, standard input - to files.

use super::load::UnreadableFile;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Other tools' files: a folder that holds them is mostly a project's own.
const OTHERS: [&str; 2] = ["Cargo.toml", "pyproject.toml"];

/// The files that paths name, each once, in the order of the paths; those of a folder or a pattern sorted. What cannot be found
/// is told apart, so that the rest is looked at all the same.
pub(super) fn files(paths: &[PathBuf], directory: &Path) -> Vec<Result<PathBuf, UnreadableFile>> {
    let mut seen = HashSet::new();
    let mut files: Vec<_> = paths.iter().flat_map(|path| of_path(path, directory)).collect();
    files.retain(|file| match file {
        Ok(file) => {
            let full = directory.join(file);
            seen.insert(std::fs::canonicalize(&full).unwrap_or(full))
        }
        Err(_) => true,
    });
    files
}

fn of_path(path: &Path, directory: &Path) -> Vec<Result<PathBuf, UnreadableFile>> {
    let full = directory.join(path);
    if path == Path::new("-") || full.is_file() {
        return vec![Ok(path.to_path_buf())];
    }
    if full.is_dir() {
        let mut found = Vec::new();
        return match of_folder(&full, path, &mut found) {
            Err(error) => vec![Err(unreadable(path, error.to_string()))],
            Ok(()) if found.is_empty() => vec![Err(unreadable(path, "there is no .toml file in it".into()))],
            Ok(()) => found.into_iter().map(Ok).collect(),
        };
    }
    match path.to_str().filter(|text| text.contains(['*', '?', '['])) {
        Some(pattern) => of_pattern(pattern, path, directory),
        // Whoever reads it says why it cannot be.
        None => vec![Ok(path.to_path_buf())],
    }
}

/// `pipelines/**/*.toml`, for shells and programs that do not resolve it themselves.
fn of_pattern(pattern: &str, path: &Path, directory: &Path) -> Vec<Result<PathBuf, UnreadableFile>> {
    let base = glob::Pattern::escape(&directory.to_string_lossy());
    let whole = if path.is_absolute() { pattern.to_owned() } else { format!("{base}/{pattern}") };
    let options = glob::MatchOptions {
        require_literal_separator: true,
        require_literal_leading_dot: true,
        ..glob::MatchOptions::default()
    };
    let found = match glob::glob_with(&whole, options) {
        Err(error) => return vec![Err(unreadable(path, format!("it is no pattern: {error}")))],
        Ok(found) => found,
    };
    let shown = |full: PathBuf| full.strip_prefix(directory).map(Path::to_path_buf).unwrap_or(full);
    let mut files: Vec<PathBuf> = found.flatten().filter(|full| full.is_file()).map(shown).collect();
    files.sort();
    if files.is_empty() {
        return vec![Err(unreadable(path, "no file is called so".into()))];
    }
    files.into_iter().map(Ok).collect()
}

fn of_folder(full: &Path, shown: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut names: Vec<_> =
        std::fs::read_dir(full)?.map(|entry| Ok(entry?.file_name())).collect::<std::io::Result<_>>()?;
    names.sort();
    for name in names {
        if name.as_encoded_bytes().starts_with(b".") || OTHERS.iter().any(|other| name == *other) {
            continue;
        }
        let inner = full.join(&name);
        // Links to folders are not followed: one that leads upward would have no end.
        let kind = std::fs::symlink_metadata(&inner)?.file_type();
        if kind.is_dir() {
            of_folder(&inner, &shown.join(&name), files)?;
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

fn unreadable(path: &Path, message: String) -> UnreadableFile {
    UnreadableFile {
        path: path.display().to_string(),
        message,
        help: Some("name pipeline files, or a folder that holds some".into()),
    }
}
