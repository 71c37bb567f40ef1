//! `bunsui pipeline list|show|delete`: pipelines that have been run or deployed, and their versions.

mod show;

use super::output::Output;
use super::store::{block_on, open_store};
use super::{Context, Exit, Failure, Outcome};
use crate::backend::Stores;
use crate::diagnostic::nearest;
use crate::runner::port::{DEPLOYMENTS, SessionFilter, deployment_key, deployment_of};
#[cfg(feature = "aws")]
use crate::session::SessionStatus;
use crate::session::{DeploymentRecord, SessionRecord};
use serde_json::json;
use show::ShowArgs;
use std::collections::BTreeMap;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Pipelines, each with its last session
    List(ListArgs),
    /// The versions of one, and how its last sessions went
    Show(ShowArgs),
    /// On AWS: delete the state machines of one, its role and its versions
    Delete(DeleteArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// A table for people, or JSON
    #[arg(long, value_enum, default_value_t = Output::Human)]
    output: Output,
}

#[derive(Debug, clap::Args)]
pub(super) struct DeleteArgs {
    /// The pipeline's name
    #[arg(value_name = "NAME")]
    name: String,
    /// Say what would be deleted, and do nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum PipelineError {
    #[error("there is no pipeline `{name}`: none of that name has been run or deployed")]
    #[diagnostic(code("bunsui::pipeline::not_known"))]
    NotKnown {
        name: String,
        #[help]
        help: String,
    },
    #[error("session {session} of pipeline `{name}` has not ended: it is {status}")]
    #[diagnostic(
        code("bunsui::pipeline::in_use"),
        help("wait for its end, or cancel it: bunsui session cancel {session}")
    )]
    InUse { name: String, session: String, status: crate::session::SessionStatus },
}

pub(super) fn run(command: &Command, context: &Context) -> Outcome {
    block_on(async {
        match command {
            Command::List(args) => list(args, context).await,
            Command::Show(args) => show::show(args, context).await,
            Command::Delete(args) => delete(args, context).await,
        }
    })?
}

/// Versions by pipeline, as their objects are there.
async fn versions(stores: &Stores) -> Result<BTreeMap<String, Vec<String>>, Failure> {
    let keys = stores.objects.list(DEPLOYMENTS).await.map_err(Failure::surroundings)?;
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (pipeline, version) in keys.iter().filter_map(|key| deployment_of(key)) {
        found.entry(pipeline.to_owned()).or_default().push(version.to_owned());
    }
    Ok(found)
}

async fn last_session(stores: &Stores, pipeline: &str) -> Result<Option<SessionRecord>, Failure> {
    let filter = SessionFilter { pipeline: Some(pipeline.to_owned()), limit: 1, ..SessionFilter::default() };
    let mut found = stores.sessions.sessions(&filter).await.map_err(Failure::surroundings)?;
    Ok(found.pop())
}

async fn list(args: &ListArgs, context: &Context) -> Outcome {
    let Some(stores) = open_store(context).await? else {
        context.console.talk("nothing has run yet");
        return Ok(Exit::Done);
    };
    let mut rows = Vec::new();
    for (pipeline, versions) in versions(&stores).await? {
        let last = last_session(&stores, &pipeline).await?;
        rows.push((pipeline, versions.len(), last));
    }
    match args.output {
        Output::Json => {
            let rows: Vec<_> = rows
                .iter()
                .map(|(pipeline, versions, last)| json!({"pipeline": pipeline, "versions": versions, "last_session": last}))
                .collect();
            context.console.data(json!({"pipelines": rows}));
        }
        Output::Human if rows.is_empty() => context.console.talk("nothing has run or been deployed yet"),
        Output::Human => {
            let longest = rows.iter().map(|(name, ..)| name.len()).max().unwrap_or(0).max(8);
            context.console.data(format!("{:longest$}  VERSIONS  LAST SESSION", "PIPELINE"));
            for (pipeline, versions, last) in rows {
                let last = last.map_or_else(
                    || "-".to_owned(),
                    |session| format!("{}  {}", session.session_id, session.status),
                );
                context.console.data(format!("{pipeline:longest$}  {versions:>8}  {last}"));
            }
        }
    }
    Ok(Exit::Done)
}

/// All that is known of a pipeline's versions, the newest first.
async fn deployments(name: &str, stores: &Stores) -> Result<Vec<DeploymentRecord>, Failure> {
    let known = versions(stores).await?;
    let Some(versions) = known.get(name) else {
        let help = match nearest(name, known.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`bunsui pipeline list` shows them".to_owned(),
        };
        return Err(Failure::bad_input(PipelineError::NotKnown { name: name.to_owned(), help }));
    };
    let mut found = Vec::new();
    for version in versions {
        let bytes =
            stores.objects.get(&deployment_key(name, version)).await.map_err(Failure::surroundings)?;
        // One that cannot be read is of no version that this bunsui knows.
        found.extend(bytes.and_then(|bytes| serde_json::from_slice::<DeploymentRecord>(&bytes).ok()));
    }
    // On AWS versions are numbers; here they are digests, and time tells.
    let number = |deployment: &DeploymentRecord| deployment.version.parse::<u64>().ok();
    found.sort_by_key(|deployment| std::cmp::Reverse((number(deployment), deployment.created_at)));
    Ok(found)
}

async fn delete(args: &DeleteArgs, context: &Context) -> Outcome {
    super::load::need_aws_backend(context)?;
    let Some(stores) = open_store(context).await? else { return Ok(Exit::Done) };
    let found = match deployments(&args.name, &stores).await {
        Ok(found) => found,
        Err(_) if super::aws::has_leftovers(&args.name, context).await? => Vec::new(),
        Err(unknown) => return Err(unknown),
    };
    if let Some(session) = unfinished(&args.name, &stores).await?.first() {
        return Err(Failure::bad_input(PipelineError::InUse {
            name: args.name.clone(),
            session: session.session_id.to_string(),
            status: session.status,
        }));
    }
    super::aws::delete_pipeline(&args.name, &found, args.dry_run, &stores, context).await?;
    Ok(Exit::Done)
}

/// Sessions of a pipeline that could still be gone on with.
pub(super) async fn unfinished(name: &str, stores: &Stores) -> Result<Vec<SessionRecord>, Failure> {
    let mut sessions = of_pipeline(name, stores).await?;
    sessions.retain(|session| !session.status.is_final());
    Ok(sessions)
}

async fn of_pipeline(name: &str, stores: &Stores) -> Result<Vec<SessionRecord>, Failure> {
    let filter =
        SessionFilter { pipeline: Some(name.to_owned()), limit: usize::MAX, ..SessionFilter::default() };
    stores.sessions.sessions(&filter).await.map_err(Failure::surroundings)
}

/// The deployments of a pipeline that nothing needs any more: neither this one, nor one that came after it, nor what a session
/// that could be gone on with or tried again is pinned to. And those that are needed.
#[cfg(feature = "aws")]
pub(super) async fn by_need(
    name: &str,
    own: &str,
    stores: &Stores,
) -> Result<(Vec<DeploymentRecord>, Vec<DeploymentRecord>), Failure> {
    let pinned: Vec<String> = of_pipeline(name, stores)
        .await?
        .into_iter()
        .filter(|session| session.status != SessionStatus::Succeeded)
        .map(|session| session.version)
        .collect();
    let number = |version: &str| version.parse::<u64>().unwrap_or(u64::MAX);
    let is_needed = |deployment: &DeploymentRecord| {
        number(&deployment.version) >= number(own) || pinned.contains(&deployment.version)
    };
    Ok(deployments(name, stores).await?.into_iter().partition(|deployment| !is_needed(deployment)))
}
