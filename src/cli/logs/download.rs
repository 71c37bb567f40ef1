//! `bunsui logs SESSION --download FILE`: lines as data.

use super::reading::Reading;
use crate::cli::{Context, Exit, Failure, Outcome};
use crate::report::text::printable_json;
use std::fs::File;
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
    let path = Path::new(file);
    let count = tokio::select! {
        // Heard before there is anything; what was written so far goes.
        biased;
        _ = tokio::signal::ctrl_c() => return Err(failed(path, "it was interrupted")),
        count = write(path, reading) => count?,
    };
    context.console.talk(format!("{count} line{} in {file}", if count == 1 { "" } else { "s" }));
    Ok(Exit::Done)
}

fn failed(path: &Path, why: impl ToString) -> Failure {
    Failure::surroundings(DownloadFailed { path: path.display().to_string(), message: why.to_string() })
}

/// Written beside its place, and put there when it is whole. What is no file - a pipe, a terminal - is written to as it is.
async fn write(path: &Path, reading: &mut Reading) -> Result<usize, Failure> {
    let fail = |error: std::io::Error| failed(path, error);
    // Where a link leads, so that it stays one.
    let place = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    match std::fs::metadata(&place) {
        Ok(found) if found.is_dir() => return Err(failed(path, "it is a folder")),
        Ok(found) if !found.is_file() => {
            return put(File::options().write(true).open(&place).map_err(fail)?, reading)
                .await?
                .map(|(count, _)| count)
                .map_err(fail);
        }
        _ => {}
    }
    let Some(name) = place.file_name() else { return Err(failed(path, "it names no file")) };
    let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let prefix = format!(".{}.", name.to_string_lossy());
    let mut beside = tempfile::Builder::new();
    beside.prefix(&prefix).suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As of any new file, less what the user's mask takes.
        beside.permissions(std::fs::Permissions::from_mode(0o666));
    }
    std::fs::metadata(folder).map_err(fail)?;
    // Its own words name a file that nobody asked for.
    let new = beside.tempfile_in(folder).map_err(|error| fail(error.kind().into()))?;
    let (count, new) = put(new, reading).await?.map_err(fail)?;
    new.persist(&place).map_err(|error| fail(error.error))?;
    Ok(count)
}

/// Writes all lines; an error of reading them is apart from one of writing.
async fn put<W: Write>(into: W, reading: &mut Reading) -> Result<std::io::Result<(usize, W)>, Failure> {
    let mut writer = BufWriter::new(into);
    let mut count = 0;
    while let Some(line) = reading.next().await? {
        if let Err(error) = writeln!(writer, "{}", printable_json(&line)) {
            return Ok(Err(error));
        }
        count += 1;
        // Files and pipes never wait: an interrupt has to be heard in between.
        if count % 1000 == 0 {
            tokio::task::yield_now().await;
        }
    }
    Ok(writer.into_inner().map(|into| (count, into)).map_err(std::io::IntoInnerError::into_error))
}
