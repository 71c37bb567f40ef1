//! `bunsui session delete|prune`: what is no longer wanted.

use super::control::{find, is_driven, refuse_driven};
use super::detach::log_path;
use super::store::{block_on, open_store};
use super::{Context, Exit, Failure, Outcome};
use crate::backend::Stores;
use crate::backend::local::forget_libraries;
use crate::pipeline::parse_duration;
use crate::runner::port::{SessionFilter, logs_key, outputs_key, report_key};
use crate::session::{SessionRecord, SessionStatus};
use crate::settings::BackendKind;
use jiff::Timestamp;
use std::collections::HashSet;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(super) struct DeleteArgs {
    /// Sessions' ids, or parts of them
    #[arg(value_name = "SESSION", required = true)]
    sessions: Vec<String>,
    /// Also one that could still be gone on with
    #[arg(long)]
    force: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct PruneArgs {
    /// Sessions that were created longer ago than this: `30d`, `12h`
    #[arg(long, value_name = "DURATION", value_parser = parse_age)]
    older_than: Duration,
    /// Only sessions of this pipeline
    #[arg(long, value_name = "NAME")]
    pipeline: Option<String>,
    /// Only sessions that ended so; may be given several times
    #[arg(long, value_name = "STATUS", value_parser = super::session::parse_status)]
    status: Vec<SessionStatus>,
    /// Say what would be deleted, and do nothing
    #[arg(long)]
    dry_run: bool,
}

fn parse_age(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

/// A session could still be gone on with.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("session {session} is {status}: it could still be gone on with")]
#[diagnostic(
    code("bunsui::session::unfinished"),
    help("end it first: bunsui session cancel {session}; or delete it all the same: `--force`")
)]
struct Unfinished {
    session: String,
    status: SessionStatus,
}

pub(super) fn delete(args: &DeleteArgs, context: &Context) -> Outcome {
    block_on(async {
        for wanted in &args.sessions {
            let (store, session, after) = find(wanted, context).await?;
            refuse_driven(&session)?;
            if !session.status.is_final() && !args.force {
                let (session, status) = (session.session_id.to_string(), session.status);
                return Err(Failure::bad_input(Unfinished { session, status }));
            }
            delete_session(&store, &session, after, context).await?;
            context.console.talk(format!("session {} is deleted", session.session_id));
            forget_unused(&store, context).await?;
        }
        Ok(Exit::Done)
    })?
}

pub(super) fn prune(args: &PruneArgs, context: &Context) -> Outcome {
    block_on(async {
        let Some(store) = open_store(context).await? else {
            context.console.talk("there is no session");
            return Ok(Exit::Done);
        };
        let before = Timestamp::now().checked_sub(args.older_than).unwrap_or(Timestamp::MIN);
        let filter = SessionFilter {
            pipeline: args.pipeline.clone(),
            statuses: args.status.clone(),
            created_before: Some(before),
            limit: usize::MAX,
            ..SessionFilter::default()
        };
        let found = store.sessions.sessions(&filter).await.map_err(Failure::surroundings)?;
        let (ended, unfinished): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|session| session.status.is_final());
        for session in &ended {
            let (id, status) = (&session.session_id, session.status);
            if args.dry_run {
                context.console.data(format!("{id}  {}  {status}", session.pipeline_id));
                continue;
            }
            let after = store.sessions.last_event(id).await.map_err(Failure::surroundings)?;
            // One that was retried in between is no longer old.
            let now = store.sessions.session(id).await.map_err(Failure::surroundings)?;
            if now.is_some_and(|now| now.status.is_final() && !is_driven(&now)) {
                delete_session(&store, session, after, context).await?;
            }
        }
        if !args.dry_run {
            forget_unused(&store, context).await?;
        }
        say_pruned(ended.len(), unfinished.len(), args.dry_run, context);
        Ok(Exit::Done)
    })?
}

fn say_pruned(ended: usize, unfinished: usize, is_dry_run: bool, context: &Context) {
    let sessions = |count: usize| format!("{count} session{}", if count == 1 { "" } else { "s" });
    let what = if is_dry_run { "would be deleted" } else { "deleted" };
    context.console.talk(format!("{} {what}", sessions(ended)));
    if unfinished > 0 {
        context.console.talk(format!(
            "{} of that age can still be gone on with, and stay; `bunsui session delete --force` deletes one",
            sessions(unfinished)
        ));
    }
}

/// Objects first: one that is cut off leaves a session that can be deleted again.
async fn delete_session(
    store: &Stores,
    session: &SessionRecord,
    last_event: u64,
    context: &Context,
) -> Result<(), Failure> {
    let id = &session.session_id;
    let state = &context.settings.local.state;
    let objects = &store.objects;
    for prefix in [outputs_key(id), logs_key(id) + "/", report_key(id)] {
        for key in objects.list(&prefix).await.map_err(Failure::surroundings)? {
            objects.delete(&key).await.map_err(Failure::surroundings)?;
        }
    }
    let _ = std::fs::remove_file(log_path(id, state));
    store.sessions.delete(id, last_event).await.map_err(Failure::surroundings)
}

/// Kept plugin libraries that no session is pinned to any more. Sessions on AWS keep none, and say nothing of what those here need.
async fn forget_unused(store: &Stores, context: &Context) -> Result<(), Failure> {
    if context.settings.backend == BackendKind::Aws {
        return Ok(());
    }
    let all = SessionFilter { limit: usize::MAX, ..SessionFilter::default() };
    let sessions = store.sessions.sessions(&all).await.map_err(Failure::surroundings)?;
    let needed: HashSet<String> = sessions
        .into_iter()
        .flat_map(|session| session.plugins.into_iter().map(|plugin| plugin.sha256))
        .collect();
    forget_libraries(&context.settings.local.state, &|sha256| needed.contains(sha256));
    Ok(())
}
