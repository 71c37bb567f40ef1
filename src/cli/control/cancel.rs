//! `bunsui session cancel`, and its receipt.

use super::take_up::{TakeUp, take_up};
use super::{ask, find, is_driven, refuse_final, wait};
use crate::backend::Stores;
use crate::cli::drive::user_name;
use crate::cli::output::Output;
use crate::cli::parameters::ParameterArgs;
use crate::cli::session::job_records;
use crate::cli::store::block_on;
use crate::cli::{Context, Exit, Failure, Outcome};
use crate::report::text::one_line;
use crate::runner::Entry;
use crate::session::{JobRecord, JobStatus, RequestKind, SessionRecord, SessionStatus};
use serde::Serialize;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct CancelArgs {
    /// A session's id, a part of one, or `last`
    #[arg(value_name = "SESSION")]
    session: String,
    /// Why; kept with the session
    #[arg(long, value_name = "TEXT", default_value = "asked for")]
    reason: String,
    /// The receipt for people on stderr, or JSON on stdout
    #[arg(long, value_enum, default_value_t = Output::Human)]
    output: Output,
}

pub(in crate::cli) fn cancel(args: &CancelArgs, context: &Context) -> Outcome {
    block_on(async {
        let (store, session, after) = find(&args.session, context).await?;
        let id = session.session_id.clone();
        // Asking again is safe: what is cancelled stays so.
        if session.status == SessionStatus::Cancelled {
            return receipt(&store, &session, args.output, context).await;
        }
        refuse_final(&session)?;
        if is_driven(&session) {
            ask(&store, &session, RequestKind::Cancel, &args.reason, None, context).await?;
            let session = wait(&store, session, 60, |session| session.status.is_final()).await?;
            return receipt(&store, &session, args.output, context).await;
        }
        let entry = Entry::Cancel { by: user_name(context), reason: args.reason.clone(), after };
        // Nothing is started, so no secret is needed.
        let secrets = ParameterArgs::default();
        let taken = TakeUp { session, store: store.clone(), entry, secrets: &secrets, output: Output::Human };
        take_up(taken, context).await?.finish().await?;
        match store.sessions.session(&id).await.map_err(Failure::surroundings)? {
            Some(session) => receipt(&store, &session, args.output, context).await,
            None => Ok(Exit::Done),
        }
    })?
}

/// What a cancel did, job by job.
#[derive(Debug, Default, Serialize)]
struct Receipt {
    session: String,
    status: &'static str,
    stopped: Vec<Stopped>,
    /// A line each: what executions had started and did not end with them, and was ended.
    ended_besides: Vec<String>,
    /// Named by a line each: what could not be stopped.
    may_still_run: Vec<String>,
    never_started: Vec<String>,
    had_succeeded: Vec<String>,
    /// Had failed, timed out, or been skipped before.
    had_ended_otherwise: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Stopped {
    job: String,
    attempt: u32,
    execution: Option<String>,
}

impl Receipt {
    fn of(session: &SessionRecord, jobs: Vec<JobRecord>) -> Self {
        let mut receipt = Self {
            session: session.session_id.to_string(),
            status: session.status.name(),
            ..Self::default()
        };
        for job in jobs {
            receipt.ended_besides.extend(job.ended_besides);
            receipt.may_still_run.extend(job.may_still_run);
            let (key, attempt) = (job.job_key, job.attempt);
            match job.status {
                JobStatus::Cancelled if attempt > 0 => {
                    receipt.stopped.push(Stopped { job: key, attempt, execution: job.execution });
                }
                JobStatus::Cancelled | JobStatus::Pending => receipt.never_started.push(key),
                JobStatus::Succeeded => receipt.had_succeeded.push(key),
                _ => receipt.had_ended_otherwise.push(key),
            }
        }
        receipt
    }

    fn text(&self) -> String {
        let mut text = format!("session {} is {}\n", self.session, self.status.replace('_', " "));
        let stopped: Vec<String> = self.stopped.iter().map(|stopped| stopped.job.clone()).collect();
        let parts = [
            ("stopped", &stopped),
            ("never started", &self.never_started),
            ("had succeeded", &self.had_succeeded),
            ("had ended before", &self.had_ended_otherwise),
        ];
        for (what, names) in parts.iter().filter(|(_, names)| !names.is_empty()) {
            text.push_str(&format!("  {what}: {}\n", one_line(&names.join(", "), 400)));
        }
        if !self.ended_besides.is_empty() {
            text.push_str("  ended besides:\n");
        }
        for line in &self.ended_besides {
            text.push_str(&format!("    {}\n", one_line(line, 400)));
        }
        if self.may_still_run.is_empty() {
            text.push_str("  nothing is left running");
        } else {
            text.push_str("  may still run, and could not be stopped:");
            for line in &self.may_still_run {
                text.push_str(&format!("\n    {}", one_line(line, 400)));
            }
        }
        text
    }
}

async fn receipt(store: &Stores, session: &SessionRecord, output: Output, context: &Context) -> Outcome {
    let jobs = job_records(store, session, std::iter::empty()).await?;
    let receipt = Receipt::of(session, jobs);
    match output {
        Output::Human => context.console.talk(receipt.text()),
        Output::Json => context.console.data(serde_json::to_string(&receipt).unwrap_or_default()),
    }
    Ok(Exit::Done)
}
