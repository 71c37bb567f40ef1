//! `bunsui logs SESSION`: the log lines of its operations.

use super::output::Output;
use super::store::{block_on, find_session};
use super::{Context, Exit, Failure, Outcome};
use crate::backend::Stores;
use crate::backend::local::{objects_folder, read_logs};
use crate::diagnostic::{Sink, Source, known_names};
use crate::document::{self, Table, Value, ValueKind};
use crate::plan::NoSuchJob;
use crate::report::text::printable;
use crate::runner::port::deployment;
use crate::session::{DeploymentRecord, LogFilter, LogRecord, SessionRecord};
use crate::settings::BackendKind;
use indexmap::IndexSet;

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

/// An operation was named that the pipeline, or the job, does not have.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{whose} has no operation `{operation}`")]
#[diagnostic(code("bunsui::pipeline::no_such_operation"))]
struct NoSuchOperation {
    whose: String,
    operation: String,
    #[help]
    help: String,
}

pub(super) fn run(args: &Args, context: &Context) -> Outcome {
    let filter =
        LogFilter { job: args.job.clone(), operation: args.operation.clone(), level: args.level.clone() };
    let (session, records) = block_on(async {
        let (store, session) = find_session(&args.session, context).await?;
        check_names(args, &session, &store).await?;
        let records = match context.settings.backend {
            BackendKind::Local => {
                let objects = objects_folder(&context.settings.local.state);
                read_logs(&objects, &session.session_id, &filter).map_err(Failure::surroundings)?
            }
            BackendKind::Aws => super::aws::session_logs(&session, &store, &filter, context).await?,
        };
        Ok::<_, Failure>((session, records))
    })??;
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

/// A misspelt job or operation would look like one that said nothing.
async fn check_names(args: &Args, session: &SessionRecord, store: &Stores) -> Result<(), Failure> {
    if args.job.is_none() && args.operation.is_none() {
        return Ok(());
    }
    let Some(pinned) = deployment(&*store.objects, session).await.map_err(Failure::surroundings)? else {
        return Ok(());
    };
    let job = args.job.as_deref();
    if let Some(job) = job.filter(|job| !pinned.jobs.iter().any(|known| known == job)) {
        let jobs = pinned.jobs.iter().map(String::as_str);
        return Err(Failure::bad_input(NoSuchJob::new(&session.pipeline_id, job, jobs)));
    }
    let Some(operation) = &args.operation else { return Ok(()) };
    match operations(&pinned, job) {
        Some(known) if !known.contains(operation) => {
            let help = known_names(operation, "operations", known.iter().map(String::as_str));
            let whose = match job {
                Some(job) => format!("job `{job}`"),
                None => format!("pipeline `{}`", session.pipeline_id),
            };
            Err(Failure::bad_input(NoSuchOperation { whose, operation: operation.clone(), help }))
        }
        _ => Ok(()),
    }
}

/// The names of a job's operations, or of all; none where the pinned text cannot be read any more.
fn operations(pinned: &DeploymentRecord, job: Option<&str>) -> Option<IndexSet<String>> {
    let source = Source::new(&pinned.file, pinned.text.as_str());
    let document = document::parse(&source, &mut Sink::new())?;
    let jobs = table(document.root.value("jobs")?)?;
    let jobs = jobs.entries.iter().filter(|(name, _)| job.is_none_or(|job| job == name.as_str()));
    let operations = jobs.filter_map(|(_, entry)| match &table(&entry.value)?.value("operations")?.kind {
        ValueKind::Array(items) => Some(items),
        _ => None,
    });
    let names = operations.flatten().filter_map(|operation| match &table(operation)?.value("name")?.kind {
        ValueKind::String(name) => Some(name.clone()),
        _ => None,
    });
    Some(names.collect())
}

fn table(value: &Value) -> Option<&Table> {
    match &value.kind {
        ValueKind::Table(table) => Some(table),
        _ => None,
    }
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
