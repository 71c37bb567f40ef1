//! The part of a pipeline that a run is of: `--only`, `--from`, `--until`, `--outputs-of`.

use super::store::find_session_of;
use super::{Context, Failure};
use crate::pipeline::Pipeline;
use crate::plan::{Selection, SelectionError, Slice};
use crate::session::{SessionId, SliceRecord};

#[derive(Debug, Default, clap::Args)]
pub(super) struct SliceArgs {
    /// Only this job; may be given several times
    #[arg(long, value_name = "JOB", conflicts_with_all = ["from", "until"])]
    only: Vec<String>,
    /// Only this job and everything downstream of it
    #[arg(long, value_name = "JOB")]
    from: Option<String>,
    /// Only this job and everything upstream of it
    #[arg(long, value_name = "JOB")]
    until: Option<String>,
    /// Take outputs of jobs that do not run from this session
    #[arg(long, value_name = "SESSION")]
    outputs_of: Option<String>,
}

/// The session that `--outputs-of` names is of another pipeline.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("session {session} is of pipeline `{found}`, not of `{pipeline}`")]
#[diagnostic(
    code("bunsui::session::outputs_of_other"),
    help("`bunsui session list --pipeline {pipeline}` shows its sessions")
)]
struct OutputsOfOther {
    session: String,
    found: String,
    pipeline: String,
}

impl SliceArgs {
    /// As it is stored; none for the whole pipeline.
    pub(super) async fn record(
        &self,
        pipeline: &Pipeline,
        context: &Context,
    ) -> Result<Option<SliceRecord>, Failure> {
        let outputs_of = match &self.outputs_of {
            None => None,
            Some(wanted) => Some(earlier(wanted, pipeline, context).await?),
        };
        let record = SliceRecord {
            only: self.only.clone(),
            from: self.from.clone(),
            until: self.until.clone(),
            outputs_of,
        };
        Ok(Some(record).filter(|record| *record != SliceRecord::default()))
    }
}

/// A session of the same pipeline; `last` is the last one of it.
async fn earlier(wanted: &str, pipeline: &Pipeline, context: &Context) -> Result<SessionId, Failure> {
    let name = pipeline.name.as_str();
    let (_, session) = find_session_of(wanted, Some(name), context).await?;
    if session.pipeline_id != name {
        return Err(Failure::bad_input(OutputsOfOther {
            session: session.session_id.to_string(),
            found: session.pipeline_id,
            pipeline: name.to_owned(),
        }));
    }
    Ok(session.session_id)
}

/// The jobs of a session's part of a pipeline.
pub(super) fn selection(
    pipeline: &Pipeline,
    slice: Option<&SliceRecord>,
) -> Result<Selection, SelectionError> {
    let Some(slice) = slice else { return Ok(Selection::all(pipeline)) };
    let (from, until) = (slice.from.as_deref(), slice.until.as_deref());
    Selection::of(pipeline, Slice { only: &slice.only, from, until })
}
