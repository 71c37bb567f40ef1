//! `bunsui init [DIR]`: bunsui.toml, a pipeline that runs, and nothing that was there before is touched.

use super::{Console, Exit, Failure, Outcome};
use crate::settings::Surroundings;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What is written, and with what. `git ls-files` of a new project shows just these and .gitignore.
const FILES: [(&str, &str); 4] = [
    ("bunsui.toml", include_str!("init/template/bunsui.toml")),
    ("pipelines/hello.toml", include_str!("init/template/pipelines/hello.toml")),
    ("pipelines/hello/count.py", include_str!("init/template/pipelines/hello/count.py")),
    ("pipelines/hello/greet.py", include_str!("init/template/pipelines/hello/greet.py")),
];

const IGNORED: [&str; 2] = [".bunsui/", "__pycache__/"];

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where; made if it is not there
    #[arg(value_name = "DIR", default_value = ".")]
    directory: PathBuf,
}

/// Something could not be written.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("cannot write `{path}`")]
#[diagnostic(code("bunsui::settings::cannot_write"))]
struct CannotWrite {
    path: PathBuf,
    #[source]
    cause: std::io::Error,
}

/// What happened to one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    Created,
    Extended,
    Kept,
}

pub(super) fn run(args: &Args, surroundings: &Surroundings, console: &Console) -> Outcome {
    let done = write_all(&surroundings.directory.join(&args.directory)).map_err(Failure::surroundings)?;
    for (name, done) in &done {
        let path = args.directory.join(name);
        let path = path.strip_prefix(".").unwrap_or(&path);
        console.talk(format_args!("{} {}", done.word(), path.display()));
    }
    console.talk("");
    console.talk(next(&args.directory));
    Ok(Exit::Done)
}

impl Done {
    fn word(self) -> &'static str {
        match self {
            Self::Created => " created",
            Self::Extended => "extended",
            Self::Kept => "    kept",
        }
    }
}

fn next(directory: &Path) -> String {
    let run = "bunsui run pipelines/hello.toml --param name=you";
    if directory == Path::new(".") {
        format!("Next: {run}")
    } else {
        let folder = directory.to_string_lossy();
        let is_plain = folder.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
        let quoted =
            if is_plain { folder.into_owned() } else { format!("'{}'", folder.replace('\'', r"'\''")) };
        format!("Next: cd {quoted} && {run}")
    }
}

fn write_all(directory: &Path) -> Result<Vec<(&'static str, Done)>, CannotWrite> {
    let mut done = Vec::new();
    for (name, text) in FILES {
        done.push((name, create(&directory.join(name), text)?));
    }
    done.push((".gitignore", ignore(&directory.join(".gitignore"))?));
    Ok(done)
}

/// `create_new` leaves no moment in which somebody else's file could be overwritten.
fn create(path: &Path, text: &str) -> Result<Done, CannotWrite> {
    let refuse = |cause| CannotWrite { path: path.to_owned(), cause };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(refuse)?;
    }
    match fs::File::create_new(path) {
        Ok(mut file) => file.write_all(text.as_bytes()).map(|()| Done::Created).map_err(refuse),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(Done::Kept),
        Err(error) => Err(refuse(error)),
    }
}

fn ignore(path: &Path) -> Result<Done, CannotWrite> {
    let refuse = |cause| CannotWrite { path: path.to_owned(), cause };
    if !path.exists() {
        return create(path, &(IGNORED.join("\n") + "\n"));
    }
    let text = fs::read_to_string(path).map_err(refuse)?;
    let is_there = |line: &str| {
        let bare = line.trim_matches('/');
        text.lines().any(|known| known.trim().trim_start_matches("**").trim_matches('/') == bare)
    };
    let missing: Vec<&str> = IGNORED.into_iter().filter(|line| !is_there(line)).collect();
    if missing.is_empty() {
        return Ok(Done::Kept);
    }
    let mut addition = if text.is_empty() || text.ends_with('\n') { String::new() } else { "\n".to_owned() };
    addition.push_str(&missing.join("\n"));
    addition.push('\n');
    let mut file = fs::OpenOptions::new().append(true).open(path).map_err(refuse)?;
    file.write_all(addition.as_bytes()).map(|()| Done::Extended).map_err(refuse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_ignored(before: Option<&str>, expected: Done, after: &str) {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let path = folder.path().join(".gitignore");
        if let Some(before) = before {
            fs::write(&path, before).expect("written");
        }
        assert_eq!(ignore(&path).expect("done"), expected);
        assert_eq!(fs::read_to_string(&path).expect("read"), after);
    }

    #[test]
    fn what_is_ignored_already_is_not_added_again() {
        check_ignored(None, Done::Created, ".bunsui/\n__pycache__/\n");
        check_ignored(Some("/target"), Done::Extended, "/target\n.bunsui/\n__pycache__/\n");
        check_ignored(Some("**/.bunsui/\n"), Done::Extended, "**/.bunsui/\n__pycache__/\n");
        check_ignored(Some("/.bunsui\n__pycache__\n"), Done::Kept, "/.bunsui\n__pycache__\n");
    }

    #[test]
    fn nothing_that_is_there_is_overwritten() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let root = folder.path().join("new folder");
        fs::create_dir(&root).expect("made");
        fs::write(root.join("bunsui.toml"), "# mine\n").expect("written");
        let done = write_all(&root).expect("done");
        assert_eq!(done[0], ("bunsui.toml", Done::Kept));
        assert!(done[1..].iter().all(|(_, done)| *done == Done::Created), "{done:?}");
        assert_eq!(fs::read_to_string(root.join("bunsui.toml")).expect("read"), "# mine\n");
        let again = write_all(&root).expect("done");
        assert!(again.iter().all(|(_, done)| *done == Done::Kept), "{again:?}");
    }

    #[test]
    fn the_next_command_can_be_pasted() {
        assert_eq!(next(Path::new(".")), "Next: bunsui run pipelines/hello.toml --param name=you");
        assert_eq!(
            next(Path::new("it's mine")),
            r"Next: cd 'it'\''s mine' && bunsui run pipelines/hello.toml --param name=you"
        );
    }
}
