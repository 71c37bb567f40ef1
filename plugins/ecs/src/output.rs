//! `$BUNSUI_OUTPUT` and S3 objects, as files here.

use bunsui_plugin_sdk::{LocalTask, TaskFailure};
use rustix::fs::OFlags;
use serde_json::{Value as Json, json};
use std::fs::FileType;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

/// A result is at most this long: an S3 object read by a state must fit into its payload.
const LIMIT: u64 = 262_144;

/// The file that `s3://local/KEY` means; none if it is another URI, or its key leaves the folder.
pub(crate) fn file_of(uri: &str, objects: &Path) -> Option<PathBuf> {
    let key = Path::new(uri.strip_prefix("s3://local/")?);
    key.components().all(|part| matches!(part, Component::Normal(_))).then(|| objects.join(key))
}

/// Makes room for what the process will leave: its folder exists, what an earlier try left is gone.
pub(crate) fn prepare(file: &Path) -> Result<(), TaskFailure> {
    let failed = |error: std::io::Error| {
        TaskFailure::new(
            "ECS.TaskFailedToStart",
            format!("no result can be left at `{}`: {error}", file.display()),
        )
    };
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(error)),
        _ => Ok(()),
    }
}

/// What `s3:getObject` gives.
pub(crate) fn read(task: &LocalTask) -> Result<Json, TaskFailure> {
    let text = |name: &str| task.arguments.get(name).and_then(Json::as_str).unwrap_or_default();
    let uri = format!("s3://{}/{}", text("Bucket"), text("Key"));
    let file = file_of(&uri, &task.objects)
        .ok_or_else(|| TaskFailure::new("S3.NoSuchBucketException", format!("`{uri}` is not here")))?;
    let bytes = contents(&file).map_err(|problem| problem.failure(&task.operation, &file))?;
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(&bytes) {
        let cause = format!(
            "what operation `{}` left at $BUNSUI_OUTPUT (`{}`) is not JSON: {error}",
            task.operation,
            file.display()
        );
        return Err(TaskFailure::new("States.QueryEvaluationError", cause));
    }
    let length = bytes.len();
    Ok(json!({ "Body": String::from_utf8_lossy(&bytes), "ContentLength": length }))
}

/// Why what a process left is no result.
enum Problem {
    Missing,
    Irregular(&'static str),
    TooLong,
    Unreadable(std::io::Error),
}

/// The bytes of a regular file, and of no other: a pipe would be waited for, a device may have no end.
fn contents(file: &Path) -> Result<Vec<u8>, Problem> {
    let path = file;
    // A pipe is not waited for when it is opened, whatever stood there a moment before.
    let file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Problem::Missing,
            _ => std::fs::metadata(path)
                .ok()
                .and_then(|found| irregular(found.file_type()))
                .map_or(Problem::Unreadable(error), Problem::Irregular),
        })?;
    let metadata = file.metadata().map_err(Problem::Unreadable)?;
    if let Some(what) = irregular(metadata.file_type()) {
        return Err(Problem::Irregular(what));
    }
    let mut bytes = Vec::new();
    file.take(LIMIT + 1).read_to_end(&mut bytes).map_err(Problem::Unreadable)?;
    if bytes.len() as u64 > LIMIT { Err(Problem::TooLong) } else { Ok(bytes) }
}

fn irregular(kind: FileType) -> Option<&'static str> {
    if kind.is_file() {
        None
    } else if kind.is_dir() {
        Some("a folder")
    } else if kind.is_fifo() {
        Some("a pipe")
    } else if kind.is_socket() {
        Some("a socket")
    } else {
        Some("a device")
    }
}

impl Problem {
    fn failure(self, operation: &str, file: &Path) -> TaskFailure {
        let file = file.display();
        let (error, cause) = match self {
            Self::Missing => (
                "S3.NoSuchKeyException",
                format!(
                    "operation `{operation}` has `result = true`, and its process left no file at $BUNSUI_OUTPUT (`{file}`)"
                ),
            ),
            Self::Irregular(what) => (
                "S3.NoSuchKeyException",
                format!("operation `{operation}` left {what} and not a file at $BUNSUI_OUTPUT (`{file}`)"),
            ),
            Self::TooLong => (
                "States.DataLimitExceeded",
                format!(
                    "the result of operation `{operation}` is more than {LIMIT} bytes long; a state takes no more"
                ),
            ),
            Self::Unreadable(error) => (
                "S3.S3Exception",
                format!("the result of operation `{operation}` at `{file}` cannot be read: {error}"),
            ),
        };
        TaskFailure::new(error, cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_files_below_the_objects_and_nowhere_else() {
        let objects = Path::new("/o");
        assert_eq!(
            file_of("s3://local/outputs/s/j.1/op.json", objects),
            Some("/o/outputs/s/j.1/op.json".into())
        );
        assert_eq!(file_of("s3://other/outputs/x", objects), None);
        assert_eq!(file_of("s3://local/../x", objects), None);
        assert_eq!(file_of("s3://local//etc/passwd", objects), None);
    }

    #[test]
    fn only_a_regular_file_is_read() {
        let folder = std::env::temp_dir().join(format!("bunsui-ecs-output-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("folder")).expect("made");
        let made = std::process::Command::new("mkfifo").arg(folder.join("pipe")).status();
        assert!(made.expect("mkfifo").success());
        std::os::unix::fs::symlink("/dev/zero", folder.join("zero")).expect("linked");
        std::fs::File::create(folder.join("long")).and_then(|file| file.set_len(1 << 40)).expect("made");
        std::fs::write(folder.join("right"), "1").expect("written");
        let said = |name: &str| match contents(&folder.join(name)) {
            Ok(bytes) => format!("{bytes:?}"),
            Err(problem) => problem.failure("run", Path::new("f")).cause,
        };
        assert_eq!(said("folder"), "operation `run` left a folder and not a file at $BUNSUI_OUTPUT (`f`)");
        assert_eq!(said("pipe"), "operation `run` left a pipe and not a file at $BUNSUI_OUTPUT (`f`)");
        assert_eq!(said("zero"), "operation `run` left a device and not a file at $BUNSUI_OUTPUT (`f`)");
        assert!(said("long").contains("more than 262144 bytes"), "{}", said("long"));
        assert!(said("none").contains("left no file"), "{}", said("none"));
        assert_eq!(said("right"), "[49]");
        std::fs::remove_dir_all(folder).expect("removed");
    }
}
