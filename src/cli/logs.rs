//! `bunsui logs SESSION`: the log lines of its operations.

use super::store::{block_on, find_session};
use super::{Context, Exit, Failure, Outcome};
use crate::backend::local::{FileObjects, LogFilter, LogRecord, objects_folder, read_logs};
use crate::plan::NoSuchJob;
use crate::report::text::printable;
use crate::runner::port::deployment;
use crate::session::SessionRecord;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A session's id, a part of one, or `last`
    #[arg(value_name = "SESSION")]
    session: String,
    /// Only lines of this job
    #[arg(long, value_name = "ID")]
    job: Option<String>,
    /// Only lines of this operation
    #[arg(long, value_name = "NAME")]
    operation: Option<String>,
    /// Only lines at least as bad as this
    #[arg(long, value_name = "LEVEL", value_parser = ["debug", "info", "warn", "error"])]
    level: Option<String>,
    /// Lines for people, or the stored JSON lines
    #[arg(long, value_enum, default_value_t = Output::Human)]
    output: Output,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Output {
    Human,
    Json,
}

pub(super) fn run(args: &Args, context: &Context) -> Outcome {
    let (_, session) = block_on(find_session(&args.session, context))??;
    if let Some(job) = &args.job {
        block_on(check_job(job, &session, context))??;
    }
    let filter =
        LogFilter { job: args.job.clone(), operation: args.operation.clone(), level: args.level.clone() };
    let objects = objects_folder(&context.settings.local.state);
    let records = read_logs(&objects, &session.session_id, &filter).map_err(Failure::surroundings)?;
    if records.is_empty() {
        context.console.talk(format!("session {}: no such log lines", session.session_id));
    }
    for record in &records {
        match args.output {
            Output::Json => context.console.data(serde_json::to_string(record).unwrap_or_default()),
            Output::Human => context.console.data(line(record)),
        }
    }
    Ok(Exit::Done)
}

/// A misspelt job would look like one that said nothing.
async fn check_job(job: &str, session: &SessionRecord, context: &Context) -> Result<(), Failure> {
    let objects = FileObjects::new(objects_folder(&context.settings.local.state));
    let Some(pinned) = deployment(&objects, session).await.map_err(Failure::surroundings)? else {
        return Ok(());
    };
    if pinned.jobs.iter().any(|known| known == job) {
        return Ok(());
    }
    let jobs = pinned.jobs.iter().map(String::as_str);
    Err(Failure::bad_input(NoSuchJob::new(&session.pipeline_id, job, jobs)))
}

/// `09:15:30.123 extract/fetch  message`, with the level where it is not `info`.
fn line(record: &LogRecord) -> String {
    let time = record.ts.split_once('T').map_or(record.ts.as_str(), |(_, time)| time.trim_end_matches('Z'));
    let level =
        if record.level == "info" { String::new() } else { format!("{} ", record.level.to_uppercase()) };
    let attempt = match (record.attempt, record.try_number) {
        (1, 1) => String::new(),
        (attempt, tried) => format!(" [attempt {attempt}, try {tried}]"),
    };
    format!("{time} {}/{}{attempt}  {level}{}", record.job_id, record.operation, printable(&record.message))
}
