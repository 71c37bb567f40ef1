//! Whether a session's pipeline has the job and the operation whose lines are asked for.

use super::Args;
use crate::backend::Stores;
use crate::cli::Failure;
use crate::diagnostic::{Sink, Source, known_names};
use crate::document::{self, Table, Value, ValueKind};
use crate::plan::NoSuchJob;
use crate::runner::port::deployment;
use crate::session::{DeploymentRecord, SessionRecord};
use indexmap::IndexSet;

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

/// A misspelt job or operation would look like one that said nothing.
pub(super) async fn check_names(args: &Args, session: &SessionRecord, store: &Stores) -> Result<(), Failure> {
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
