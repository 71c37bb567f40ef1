//! `bunsui session resume|pause|cancel|retry`: a hand on a session, from any process.

mod cancel;
mod pause;
mod resume;
mod retry;
mod take_up;

pub(super) use cancel::{CancelArgs, cancel};
pub(super) use pause::{PauseArgs, pause};
pub(super) use resume::{ResumeArgs, resume};
pub(super) use retry::{RetryArgs, retry};

use super::drive::user_name;
use super::store::find_session;
use super::{Context, Failure};
use crate::backend::local::SqliteStore;
use crate::runner::port::{SessionStore, deployment_key};
use crate::session::{RequestKind, RequestRecord, SessionRecord, SessionStatus};
use jiff::Timestamp;
use std::time::Duration;

/// How often a session is looked at while somebody waits for it.
pub(super) const LOOK: Duration = Duration::from_millis(200);

/// A session is not in a state for what was asked.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum ControlError {
    #[error("session {session} is {status}: it has ended")]
    #[diagnostic(
        code("bunsui::session::is_final"),
        help(
            "to run again what did not succeed: bunsui session retry {session}; to run it anew: bunsui run {file}"
        )
    )]
    Final { session: String, status: SessionStatus, file: String },
    #[error("session {session} is {status}: it has not ended")]
    #[diagnostic(code("bunsui::session::not_final"), help("{help}"))]
    NotFinal { session: String, status: SessionStatus, help: String },
    #[error("`{file}` is pipeline `{found}` now, and session {session} is one of `{pipeline}`")]
    #[diagnostic(
        code("bunsui::session::other_pipeline"),
        help("run it as a session of its own: bunsui run {file}")
    )]
    OtherPipeline { session: String, file: String, found: String, pipeline: String },
    #[error("the time `{until}` is past")]
    #[diagnostic(
        code("bunsui::session::until_is_past"),
        help("give a later one, or a duration such as `2h`")
    )]
    UntilIsPast { until: String },
    #[error("session {session} is driven by {user} on {host} (process {pid}) since {since}")]
    #[diagnostic(
        code("bunsui::session::driven"),
        help(
            "follow it with `bunsui session show {session}`; stop it with `bunsui session cancel {session}`"
        )
    )]
    Driven { session: String, user: String, host: String, pid: u32, since: String },
    #[error("what session {session} is pinned to is not there: the object `{key}` is missing")]
    #[diagnostic(code("bunsui::session::pin_missing"), help("run the pipeline anew: bunsui run {file}"))]
    PinMissing { session: String, key: String, file: String },
    #[error("the installed plugins make other definitions than session {session} began with: {jobs}")]
    #[diagnostic(
        code("bunsui::session::plugins_changed"),
        help("it began with {plugins}; install these, or run anew")
    )]
    PluginsChanged { session: String, jobs: String, plugins: String },
    #[error("param `{name}` of session {session} cannot be given again: a session keeps its parameters")]
    #[diagnostic(code("bunsui::session::parameters_pinned"), help("only secrets are asked for again"))]
    ParametersPinned { session: String, name: String },
    #[error("session {session} needs its secret `{name}` again: it is stored nowhere")]
    #[diagnostic(
        code("bunsui::session::secret_needed"),
        help("give it as `--param {name}=@FILE`, or as {variable}")
    )]
    SecretNeeded { session: String, name: String, variable: String },
    #[error("session {session} is being cancelled: it cannot be paused")]
    #[diagnostic(
        code("bunsui::session::being_cancelled"),
        help("to finish the cancel: bunsui session cancel {session}")
    )]
    BeingCancelled { session: String },
    #[error("session {session} has not answered within {seconds} seconds")]
    #[diagnostic(
        code("bunsui::session::no_answer"),
        help(
            "the request is stored and is heard when its runner is back; `bunsui session show {session}` says how it stands"
        )
    )]
    NoAnswer { session: String, seconds: u64 },
}

/// The session that is meant, and the number of its last event. The number is read before the record: whoever acts on what
/// the record says is refused if anything happened in between.
pub(super) async fn find(
    wanted: &str,
    context: &Context,
) -> Result<(SqliteStore, SessionRecord, u64), Failure> {
    let (store, found) = find_session(wanted, context).await?;
    let after = store.last_event(&found.session_id).await.map_err(Failure::surroundings)?;
    let now = store.session(&found.session_id).await.map_err(Failure::surroundings)?;
    Ok((store, now.unwrap_or(found), after))
}

/// What a session is pinned to is not there.
pub(super) fn pin_missing(session: &SessionRecord) -> Failure {
    Failure::surroundings(ControlError::PinMissing {
        session: session.session_id.to_string(),
        key: deployment_key(&session.pipeline_id, &session.version),
        file: session.file.clone(),
    })
}

fn refuse_final(session: &SessionRecord) -> Result<(), Failure> {
    if !session.status.is_final() {
        return Ok(());
    }
    Err(Failure::bad_input(ControlError::Final {
        session: session.session_id.to_string(),
        status: session.status,
        file: session.file.clone(),
    }))
}

/// Refuses a session that somebody drives, and says who, where and since when.
pub(super) fn refuse_driven(session: &SessionRecord) -> Result<(), Failure> {
    let Some(lease) = session.lease.as_ref().filter(|_| is_driven(session)) else { return Ok(()) };
    Err(Failure::bad_input(ControlError::Driven {
        session: session.session_id.to_string(),
        user: session.runner.user.clone(),
        host: session.runner.host.clone(),
        pid: session.runner.pid,
        since: lease.taken_at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    }))
}

/// Whether somebody drives it: the lease holds, and its process is not known to be gone.
pub(super) fn is_driven(session: &SessionRecord) -> bool {
    let Some(lease) = &session.lease else { return false };
    let is_here = session.runner.host == gethostname::gethostname().to_string_lossy();
    Timestamp::now() < lease.expires_at && !(is_here && is_gone(session.runner.pid))
}

/// Whether no process of this host has the id, or only one that has ended and was not waited for.
fn is_gone(pid: u32) -> bool {
    let Some(id) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) else { return true };
    // A process of another user's cannot be asked, and lives all the same.
    if rustix::process::test_kill_process(id) == Err(rustix::io::Errno::SRCH) {
        return true;
    }
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    status.rsplit_once(") ").is_some_and(|(_, fields)| fields.starts_with(['Z', 'X']))
}

/// Leaves a request for whoever drives a session.
async fn ask(
    store: &SqliteStore,
    session: &SessionRecord,
    kind: RequestKind,
    reason: &str,
    until: Option<Timestamp>,
    context: &Context,
) -> Result<(), Failure> {
    let (by, reason) = (user_name(context), reason.to_owned());
    let request = RequestRecord { kind, by, reason, at: Timestamp::now(), until };
    store.put_request(&session.session_id, &request).await.map_err(Failure::surroundings)
}

/// Waits until the session is as wanted.
async fn wait(
    store: &SqliteStore,
    session: SessionRecord,
    seconds: u64,
    is_wanted: impl Fn(&SessionRecord) -> bool,
) -> Result<SessionRecord, Failure> {
    let until = tokio::time::Instant::now() + Duration::from_secs(seconds);
    let id = session.session_id;
    while tokio::time::Instant::now() < until {
        let now = store.session(&id).await.map_err(Failure::surroundings)?;
        if let Some(now) = now.filter(|session| is_wanted(session)) {
            return Ok(now);
        }
        tokio::time::sleep(LOOK).await;
    }
    Err(Failure::surroundings(ControlError::NoAnswer { session: id.to_string(), seconds }))
}

/// Who drives a session now, where, and since when.
pub(super) fn driver_line(session: &SessionRecord) -> Option<String> {
    let lease = session.lease.as_ref().filter(|_| is_driven(session))?;
    let runner = &session.runner;
    let since = lease.taken_at.strftime("%Y-%m-%d %H:%M:%S UTC");
    Some(format!("by {} on {} (process {}) since {since}", runner.user, runner.host, runner.pid))
}

/// What is to be known of a session that has no runner though it has not ended.
pub(super) fn left_line(session: &SessionRecord) -> Option<String> {
    let is_left =
        !session.status.is_final() && session.status != SessionStatus::Paused && !is_driven(session);
    is_left.then(|| {
        format!("its runner is gone; to go on with it: bunsui session resume {}", session.session_id)
    })
}
