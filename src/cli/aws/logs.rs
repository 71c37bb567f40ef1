//! The log lines of a session on AWS.

use super::connect::connect;
use crate::backend::aws::{LoggedSession, SessionLogs};
use crate::backend::{LineSources, Stores};
use crate::cli::load::{check, find_plugins};
use crate::cli::preflight::aws_access;
use crate::cli::{Context, Failure, compile};
use crate::runner::port::deployment;
use crate::session::{LogFilter, SessionRecord};
use crate::state_machine;
use std::sync::Arc;

/// What is kept in S3, and in Step Functions and CloudWatch what is not. None where nobody knows any more what the session ran.
pub(in crate::cli) async fn session_logs(
    session: &SessionRecord,
    stores: &Stores,
    filter: Arc<LogFilter>,
    context: &Context,
) -> Result<Option<Box<dyn LineSources>>, Failure> {
    let connection = connect(context).await?;
    let pinned = deployment(&*stores.objects, session).await.map_err(Failure::surroundings)?;
    let Some(pinned) = pinned else { return Ok(None) };
    let plugins = Arc::new(find_plugins(context));
    let checked = check(&pinned.file, pinned.text.clone().into_bytes(), &plugins);
    let Some(pipeline) = checked.pipeline else {
        context.console.diagnostics(&checked.source, &checked.diagnostics);
        return Err(Failure::reported());
    };
    let logged = LoggedSession {
        id: session.session_id.clone(),
        machines: state_machine::compile(&pipeline, &*plugins).map_err(compile::failure)?,
        pipeline: Arc::new(pipeline),
        versions: pinned.machines,
    };
    let logs = SessionLogs::new(connection, plugins, aws_access(context), stores, logged, filter);
    Ok(Some(Box::new(logs)))
}
