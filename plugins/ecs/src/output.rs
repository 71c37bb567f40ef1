//! `$BUNSUI_OUTPUT` and S3 objects, as files here.

use bunsui_plugin_sdk::{LocalTask, TaskFailure};
use serde_json::{Value as Json, json};
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
    let metadata = std::fs::metadata(&file).map_err(|_| {
        TaskFailure::new(
            "S3.NoSuchKeyException",
            format!(
                "operation `{}` has `result = true`, and its process left no file at $BUNSUI_OUTPUT (`{}`)",
                task.operation,
                file.display()
            ),
        )
    })?;
    if metadata.len() > LIMIT {
        let cause = format!(
            "the result of operation `{}` is {} bytes long; a state takes at most {LIMIT}",
            task.operation,
            metadata.len()
        );
        return Err(TaskFailure::new("States.DataLimitExceeded", cause));
    }
    let bytes = std::fs::read(&file).map_err(|error| {
        TaskFailure::new("S3.S3Exception", format!("`{}` cannot be read: {error}", file.display()))
    })?;
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
}
