//! `bunsui pipeline show`: the versions of a pipeline, and how its last sessions went.

use super::{PipelineError, deployments};
use crate::backend::Stores;
use crate::cli::output::TableOutput;
use crate::cli::store::open_store;
use crate::cli::{Context, Exit, Failure, Outcome};
use crate::report::statistics::{self, Gathering, PipelineStatistics};
use crate::report::text::printable_json;
use crate::runner::port::SessionFilter;
use crate::session::{DeploymentRecord, SessionRecord};
use futures::StreamExt;
use serde_json::json;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ShowArgs {
    /// The pipeline's name
    #[arg(value_name = "NAME")]
    name: String,
    /// How it went is said of so many sessions, the last ones
    #[arg(long, value_name = "N", default_value_t = 50)]
    last: usize,
    /// Text for people, JSON, or a row a job for spreadsheets
    #[arg(long, value_enum, default_value_t = TableOutput::Human)]
    output: TableOutput,
}

/// Sessions whose jobs are read at once.
const AT_ONCE: usize = 8;

pub(super) async fn show(args: &ShowArgs, context: &Context) -> Outcome {
    let Some(stores) = open_store(context).await? else {
        let help = "nothing has run yet".to_owned();
        return Err(Failure::bad_input(PipelineError::NotKnown { name: args.name.clone(), help }));
    };
    let versions = deployments(&args.name, &stores).await?;
    let filter =
        SessionFilter { pipeline: Some(args.name.clone()), limit: args.last, ..SessionFilter::default() };
    let sessions = stores.sessions.sessions(&filter).await.map_err(Failure::surroundings)?;
    let statistics = gathered(&sessions, &stores).await?;
    match args.output {
        TableOutput::Json => context.console.data(printable_json(&json!({
            "pipeline": args.name, "versions": versions, "statistics": statistics,
        }))),
        TableOutput::Csv => {
            context.console.data(statistics::CSV_HEAD);
            let rows = statistics::csv_rows(&args.name, &statistics);
            rows.iter().for_each(|row| context.console.data(row));
        }
        TableOutput::Human => {
            version_table(&versions, context);
            if let Some(last) = sessions.first() {
                context.console.data(format!("last session: {} {}\n", last.session_id, last.status));
                context.console.raw(&statistics::render(&statistics));
            }
        }
    }
    Ok(Exit::Done)
}

async fn gathered(sessions: &[SessionRecord], stores: &Stores) -> Result<PipelineStatistics, Failure> {
    let mut gathering = Gathering::default();
    let jobs = sessions.iter().map(|session| async move {
        let jobs = stores.sessions.jobs(&session.session_id).await;
        (session, jobs)
    });
    let mut jobs = futures::stream::iter(jobs).buffered(AT_ONCE);
    while let Some((session, jobs)) = jobs.next().await {
        gathering.add(session, &jobs.map_err(Failure::surroundings)?);
    }
    Ok(gathering.statistics())
}

fn version_table(versions: &[DeploymentRecord], context: &Context) {
    context.console.data(format!("{:12}  {:20}  {:>4}  FILE", "VERSION", "SINCE (UTC)", "JOBS"));
    for deployment in versions {
        context.console.data(format!(
            "{:12}  {:20}  {:>4}  {}",
            deployment.version,
            deployment.created_at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            deployment.jobs.len(),
            deployment.file
        ));
    }
}
