//! `bunsui logs SESSION --download FILE`: lines as data.

use super::reading::Reading;
use crate::cli::{Context, Exit, Failure, Outcome};
use crate::report::text::printable_json;
use std::io::{BufWriter, Write};
use std::path::Path;

/// The file could not be written.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("`{path}` cannot be written: {message}")]
#[diagnostic(
    code("bunsui::session::download_failed"),
    help(
        "name a file in a folder that is there and that you may write to; what stood there before is as it was"
    )
)]
struct DownloadFailed {
    path: String,
    message: String,
}

pub(super) async fn download(file: &str, reading: &mut Reading, context: &Context) -> Outcome {
    if file == "-" {
        while let Some(line) = reading.next().await? {
            context.console.data(printable_json(&line));
        }
        return Ok(Exit::Done);
    }
    let count = write(Path::new(file), reading).await?;
    context.console.talk(format!("{count} line{} in {file}", if count == 1 { "" } else { "s" }));
    Ok(Exit::Done)
}

/// Written beside its place, and put there when it is whole.
async fn write(path: &Path, reading: &mut Reading) -> Result<usize, Failure> {
    let fail = |error: std::io::Error| {
        Failure::surroundings(DownloadFailed { path: path.display().to_string(), message: error.to_string() })
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::metadata(folder).map_err(fail)?;
    let new = tempfile::NamedTempFile::new_in(folder).map_err(fail)?;
    let mut writer = BufWriter::new(new);
    let mut count = 0;
    while let Some(line) = reading.next().await? {
        writeln!(writer, "{}", printable_json(&line)).map_err(fail)?;
        count += 1;
    }
    let new = writer.into_inner().map_err(|error| fail(error.into_error()))?;
    new.persist(path).map_err(|error| fail(error.error))?;
    Ok(count)
}
