//! `bunsui session resume`.

use super::take_up::{GoOnArgs, TakeUp, take_up};
use super::{ask, find, is_driven, refuse_driven, refuse_final, wait};
use crate::backend::Stores;
use crate::cli::detach;
use crate::cli::drive::user_name;
use crate::cli::store::block_on;
use crate::cli::{Context, Exit, Failure, Outcome};
use crate::runner::Entry;
use crate::session::{RequestKind, SessionRecord, SessionStatus};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ResumeArgs {
    /// A session's id, a part of one, or `last`
    #[arg(value_name = "SESSION")]
    session: String,
    #[command(flatten)]
    go_on: GoOnArgs,
}

pub(in crate::cli) fn resume(args: &ResumeArgs, context: &Context) -> Outcome {
    if args.go_on.detach.detach {
        return detach::start(context);
    }
    block_on(async {
        let (store, session, after) = find(&args.session, context).await?;
        refuse_final(&session)?;
        if is_driven(&session) && session.pause.is_some() {
            return end_pause(&store, session, context).await;
        }
        refuse_driven(&session)?;
        // Whoever died while it cancelled leaves a session that is to be cancelled, not to be gone on with.
        let by = user_name(context);
        let entry = match session.status {
            SessionStatus::Cancelling => Entry::Cancel { by, reason: "cancelled before".into(), after },
            _ => Entry::Resume { by, after },
        };
        let GoOnArgs { secrets, output, .. } = &args.go_on;
        let taken = TakeUp { session, store, entry, secrets, output: *output };
        args.go_on.finish(take_up(taken, context).await?).await
    })?
}

/// Its runner lives, and waits in the pause or for its beginning: it is asked to go on.
async fn end_pause(store: &Stores, session: SessionRecord, context: &Context) -> Result<Exit, Failure> {
    let id = session.session_id.clone();
    ask(store, &session, RequestKind::Resume, "asked for", None, context).await?;
    let session = wait(store, session, 30, |session| session.pause.is_none()).await?;
    context.console.talk(format!(
        "session {id} is {}: its runner (process {} on {}) goes on",
        session.status, session.runner.pid, session.runner.host
    ));
    Ok(Exit::Done)
}
