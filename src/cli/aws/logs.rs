//! The log lines of a session on AWS.

use super::connect::connect;
use crate::backend::Stores;
use crate::backend::aws::LoggedSession;
use crate::cli::load::{check, find_plugins};
use crate::cli::preflight::aws_access;
use crate::cli::{Context, Failure, compile};
use crate::runner::port::deployment;
use crate::session::{LogFilter, LogRecord, SessionRecord};
use crate::state_machine;
use std::sync::Arc;

/// Reads what is kept in S3, and in CloudWatch what is not.
pub(in crate::cli) async fn session_logs(
    session: &SessionRecord,
    stores: &Stores,
    filter: &LogFilter,
    context: &Context,
) -> Result<Vec<LogRecord>, Failure> {
    let connection = connect(context).await?;
    let pinned = deployment(&*stores.objects, session).await.map_err(Failure::surroundings)?;
    let Some(pinned) = pinned else { return Ok(Vec::new()) };
    let jobs = stores.sessions.jobs(&session.session_id).await.map_err(Failure::surroundings)?;
    let plugins = Arc::new(find_plugins(context));
    let checked = check(&pinned.file, pinned.text.clone().into_bytes(), &plugins);
    let Some(pipeline) = checked.pipeline else {
        context.console.diagnostics(&checked.source, &checked.diagnostics);
        return Err(Failure::reported());
    };
    let machines = state_machine::compile(&pipeline, &*plugins).map_err(compile::failure)?;
    let logged = LoggedSession {
        id: &session.session_id,
        pipeline: &pipeline,
        machines: &machines,
        versions: &pinned.machines,
        jobs: &jobs,
    };
    crate::backend::aws::session_logs(
        connection,
        plugins,
        aws_access(context),
        &*stores.objects,
        logged,
        filter,
    )
    .await
    .map_err(Failure::surroundings)
}
