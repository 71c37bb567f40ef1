//! `bunsui session attach`: a session's events, as they are stored. It never drives.

use super::control::{LOOK, is_driven};
use super::drive::{Progress, exit_of};
use super::output::Output;
use super::session::{print_session, session_line};
use super::store::{block_on, find_session};
use super::{Context, Exit, Failure, Outcome};
use crate::backend::Stores;
use crate::report::json::JsonLines;
use crate::runner::EventConsumer;
use crate::runner::port::{StoreError, deployment};
use crate::session::{SessionId, SessionRecord, SessionStatus};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A session's id, a part of one, or `last`
    #[arg(value_name = "SESSION")]
    session: String,
    /// Progress for people on stderr, or one JSON object an event on stdout, the last one the session
    #[arg(long, value_enum, default_value_t = Output::Human)]
    output: Output,
}

/// How following a session ended.
enum Followed {
    /// It is final, or paused with no runner.
    Ended(SessionRecord),
    /// Nobody drives it, though it has not ended.
    RunnerGone(SessionRecord),
    /// An interrupt: the session goes on.
    Left,
}

/// Events read at once.
const PAGE: usize = 1000;

pub(super) fn run(args: &Args, context: &Context) -> Outcome {
    block_on(async {
        let (store, session) = find_session(&args.session, context).await?;
        let id = session.session_id;
        let followed = match args.output {
            Output::Json => {
                let mut json = JsonLines::new(|line| context.console.data(line));
                follow(&store, &id, &mut json).await
            }
            Output::Human => {
                let mut progress = Progress::new(&context.console, 0, 0);
                let followed = follow(&store, &id, &mut progress).await;
                progress.finish();
                followed
            }
        }?;
        finish(followed, &store, &id, args.output, context).await
    })?
}

async fn follow(
    store: &Stores,
    id: &SessionId,
    consumer: &mut dyn EventConsumer,
) -> Result<Followed, Failure> {
    let mut seen = 0;
    loop {
        // Before the events: what is stored after it is seen in the next round.
        let session = store.sessions.session(id).await.map_err(Failure::surroundings)?;
        let gone = || Failure::surroundings(StoreError::Gone { session: id.to_string() });
        let session = session.ok_or_else(gone)?;
        loop {
            let events = store.sessions.events(id, seen, PAGE).await.map_err(Failure::surroundings)?;
            for event in &events {
                consumer.event(event);
                seen = event.number;
            }
            if events.len() < PAGE {
                break;
            }
        }
        let has_left = session.status == SessionStatus::Paused && session.lease.is_none();
        if session.status.is_final() || has_left {
            return Ok(Followed::Ended(session));
        }
        if !is_driven(&session) {
            return Ok(Followed::RunnerGone(session));
        }
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return Ok(Followed::Left),
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

async fn finish(
    followed: Followed,
    store: &Stores,
    id: &SessionId,
    output: Output,
    context: &Context,
) -> Outcome {
    let console = &context.console;
    let (session, is_over) = match followed {
        Followed::Left => {
            console.talk(format!("session {id} goes on; to follow it again: bunsui session attach {id}"));
            return Ok(Exit::Paused);
        }
        Followed::Ended(session) => (session, true),
        Followed::RunnerGone(session) => (session, false),
    };
    let pinned = deployment(&*store.objects, &session).await.map_err(Failure::surroundings)?;
    let keys = super::session::job_keys(&session, pinned.as_ref());
    let jobs = super::session::job_records(store, &session, keys.iter().map(String::as_str)).await?;
    let report = super::report::left(store, &session, context).await;
    let report = report.as_deref();
    match output {
        Output::Json => console.data(session_line(&session, &jobs, report)),
        Output::Human => {
            let pipeline = super::session::failed_pipeline(&jobs, pinned, context);
            print_session(&session, &jobs, pipeline.as_ref(), report, context);
        }
    }
    Ok(if is_over { exit_of(session.status) } else { Exit::Paused })
}
