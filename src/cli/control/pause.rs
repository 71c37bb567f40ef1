//! `bunsui session pause`.

use super::{ControlError, ask, find, is_driven, refuse_final, wait};
use crate::backend::local::SqliteStore;
use crate::cli::drive::user_name;
use crate::cli::load::need_local_backend;
use crate::cli::store::block_on;
use crate::cli::{Context, Exit, Failure, Outcome};
use crate::pipeline::parse_duration;
use crate::report::text::pause_line;
use crate::runner::port::{Commit, SessionStore};
use crate::session::{
    EventKind, JobStatus, PauseRecord, RequestKind, SessionEvent, SessionRecord, SessionStatus,
};
use jiff::Timestamp;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct PauseArgs {
    /// A session's id, a part of one, or `last`
    #[arg(value_name = "SESSION")]
    session: String,
    /// Why; kept with the session
    #[arg(long, value_name = "TEXT", default_value = "asked for")]
    reason: String,
    /// Until when: a duration (`2h`) or a time (`2026-11-25T08:00:00Z`). Its runner waits and then goes on by itself;
    /// without it, the runner leaves
    #[arg(long, value_name = "TIME", value_parser = parse_until)]
    until: Option<Timestamp>,
}

fn parse_until(text: &str) -> Result<Timestamp, String> {
    if let Ok(duration) = parse_duration(text) {
        return Timestamp::now().checked_add(duration).map_err(|error| error.to_string());
    }
    text.parse().map_err(|_| {
        "it is a duration such as `90s` or `2h`, or a time such as `2026-11-25T08:00:00Z`".into()
    })
}

pub(in crate::cli) fn pause(args: &PauseArgs, context: &Context) -> Outcome {
    need_local_backend(context)?;
    if let Some(until) = args.until.filter(|until| *until <= Timestamp::now()) {
        return Err(Failure::bad_input(ControlError::UntilIsPast { until: until.to_string() }));
    }
    block_on(async {
        let (store, session, after) = find(&args.session, context).await?;
        refuse_final(&session)?;
        let id = session.session_id.clone();
        if session.status == SessionStatus::Cancelling {
            return Err(Failure::bad_input(ControlError::BeingCancelled { session: id.to_string() }));
        }
        if !is_driven(&session) {
            let is_paused = session.status == SessionStatus::Paused;
            let session = pause_unattended(&store, session, after, args, context).await?;
            let already = if is_paused { "is paused still" } else { "is paused" };
            context.console.talk(format!(
                "session {id} {already}; it has no runner: `bunsui session resume {id}` goes on with it"
            ));
            say_pause(&session, context);
            return Ok(Exit::Done);
        }
        let asked_at = Timestamp::now();
        ask(&store, &session, RequestKind::Pause, &args.reason, args.until, context).await?;
        let is_heard = |session: &SessionRecord| {
            session.status.is_final()
                || session.pause.as_ref().is_some_and(|pause| pause.at >= asked_at || is_asked(pause, args))
        };
        let session = wait(&store, session, 30, is_heard).await?;
        let jobs = store.jobs(&id).await.map_err(Failure::surroundings)?;
        let running = jobs.iter().filter(|job| job.status == JobStatus::Running).count();
        context.console.talk(match session.status {
            SessionStatus::Pausing => {
                format!(
                    "session {id} is pausing: {running} running job{} may finish",
                    if running == 1 { "" } else { "s" }
                )
            }
            status => format!("session {id} is {status}"),
        });
        say_pause(&session, context);
        Ok(Exit::Done)
    })?
}

fn is_asked(pause: &PauseRecord, args: &PauseArgs) -> bool {
    pause.reason == args.reason && pause.until == args.until
}

fn say_pause(session: &SessionRecord, context: &Context) {
    if let Some(pause) = &session.pause {
        context.console.talk(format!("  {}", pause_line(pause)));
    }
}

/// Pauses a session that nobody drives. An attempt that its runner left is lost when the session is resumed.
async fn pause_unattended(
    store: &SqliteStore,
    mut session: SessionRecord,
    after: u64,
    args: &PauseArgs,
    context: &Context,
) -> Result<SessionRecord, Failure> {
    let id = session.session_id.clone();
    let at = Timestamp::now();
    let (by, reason, until) = (user_name(context), args.reason.clone(), args.until);
    let kinds = [
        EventKind::PauseRequested { by: by.clone(), reason: reason.clone(), until },
        EventKind::SessionPaused { by: by.clone(), reason: reason.clone(), until },
    ];
    let events =
        (after + 1..).zip(kinds).map(|(number, kind)| SessionEvent { number, at, kind }).collect::<Vec<_>>();
    session.status = SessionStatus::Paused;
    session.lease = None;
    session.pause = Some(PauseRecord { by, reason, at, until });
    let commit = Commit { session: Some(session.clone()), session_id: Some(id), events, ..Commit::default() };
    store.append(commit).await.map_err(Failure::surroundings)?;
    Ok(session)
}
