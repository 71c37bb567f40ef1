//! `bunsui session retry`: what did not succeed, and everything downstream, in another go of the same session.

use super::take_up::{
    GoOnArgs, Kept, Ready, current_file, parameters, pinned, pinned_plugins, plan_of, ready, valid,
};
use super::{ControlError, find, is_driven};
use crate::backend::Stores;
use crate::backend::local::check_runnable;
use crate::cli::aws::{DeployMode, deployed};
use crate::cli::detach;
use crate::cli::drive::{keep_plugins, plugin_names, plugin_records, used_plugins, user_name};
use crate::cli::load::{check, find_plugins, read_file, report};
use crate::cli::provenance::git_record;
use crate::cli::store::block_on;
use crate::cli::{Context, Exit, Failure, Outcome};
use crate::diagnostic::Sink;
use crate::plan::Plan;
use crate::plugin::Plugins;
use crate::report::retry::retry_text;
use crate::report::text::difference;
use crate::runner::{Entry, Retry, deployment_record};
use crate::session::{DeploymentRecord, SessionRecord, SessionStatus};
use crate::settings::BackendKind;
use jiff::Timestamp;
use std::sync::Arc;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct RetryArgs {
    /// A session's id, a part of one, or `last`
    #[arg(value_name = "SESSION")]
    session: String,
    /// This job and everything downstream of it, be it failed or not; may be given several times. Without it: all that did
    /// not succeed
    #[arg(long, value_name = "JOB")]
    job: Vec<String>,
    /// Take the pipeline file as it is now; the difference is shown first
    #[arg(long)]
    with_current: bool,
    /// Begin failed jobs anew, where their executions could go on from where they failed (on AWS: redrive)
    #[arg(long)]
    from_start: bool,
    /// Say what would run again, and do nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    go_on: GoOnArgs,
}

pub(in crate::cli) fn retry(args: &RetryArgs, context: &Context) -> Outcome {
    if args.go_on.detach.detach && !args.dry_run {
        return detach::start(context);
    }
    block_on(async {
        let (store, session, after) = find(&args.session, context).await?;
        refuse_unfinished(&session)?;
        let records = store.sessions.jobs(&session.session_id).await.map_err(Failure::surroundings)?;
        let attempt = if args.with_current {
            with_current(session, &store, args, context).await?
        } else {
            as_pinned(session, &store, args, context).await?
        };
        let Attempt { session, plan, plugins, deployment } = attempt;
        let found = Retry::of(&plan, &records, &args.job, session.retries + 1).map_err(Failure::bad_input)?;
        let changed = changed_but_kept(&found, &deployment, &session, &store).await?;
        context.console.talk(retry_text(&session, &found, &changed));
        if args.dry_run {
            context.console.talk("nothing was done (`--dry-run`)");
            return Ok(Exit::Done);
        }
        let entry = Entry::Retry {
            by: user_name(context),
            jobs: args.job.clone(),
            from_start: args.from_start,
            after,
        };
        let session = SessionRecord { version: deployment.version.clone(), ..session };
        let parts = Ready { session, store, entry, output: args.go_on.output, plan, plugins, deployment };
        args.go_on.finish(ready(parts, context).await?).await
    })?
}

/// What a retry is done with.
struct Attempt {
    session: SessionRecord,
    plan: Arc<Plan>,
    plugins: Plugins,
    deployment: DeploymentRecord,
}

fn refuse_unfinished(session: &SessionRecord) -> Result<(), Failure> {
    let status = session.status;
    if status.is_final() {
        return Ok(());
    }
    let id = session.session_id.to_string();
    let help = match status {
        _ if is_driven(session) && session.pause.is_none() => {
            format!("it is driven: wait for its end, or cancel it: bunsui session cancel {id}")
        }
        SessionStatus::Cancelling => format!("to finish the cancel: bunsui session cancel {id}"),
        _ => format!("to go on with it: bunsui session resume {id}"),
    };
    Err(Failure::bad_input(ControlError::NotFinal { session: id, status, help }))
}

async fn as_pinned(
    session: SessionRecord,
    store: &Stores,
    args: &RetryArgs,
    context: &Context,
) -> Result<Attempt, Failure> {
    let deployment = pinned(&session, store).await?;
    let plugins = pinned_plugins(&session, context);
    let checked = check(&deployment.file, deployment.text.clone().into_bytes(), &plugins);
    let pipeline = Arc::new(valid(checked, context)?);
    let parameters = parameters(&session, &pipeline, Kept::All, &args.go_on.secrets, context)?;
    let plan = Arc::new(plan_of(&session, pipeline, &plugins, parameters)?);
    super::take_up::refuse_other_definitions(&session, &deployment, &plan)?;
    let is_same =
        std::fs::read(current_file(&session)).is_ok_and(|bytes| bytes == deployment.text.as_bytes());
    if !is_same {
        context.console.talk(format!(
            "{} is not what session {} ran; `--with-current` takes it as it is now",
            session.file, session.session_id
        ));
    }
    Ok(Attempt { session, plan, plugins, deployment })
}

async fn with_current(
    mut session: SessionRecord,
    store: &Stores,
    args: &RetryArgs,
    context: &Context,
) -> Result<Attempt, Failure> {
    let before = pinned(&session, store).await?;
    let path = current_file(&session);
    let bytes = read_file(&path, context).map_err(Failure::bad_input)?;
    let plugins = find_plugins(context);
    let pipeline = Arc::new(valid(check(&session.file, bytes, &plugins), context)?);
    if pipeline.name.as_str() != session.pipeline_id {
        return Err(Failure::bad_input(ControlError::OtherPipeline {
            session: session.session_id.to_string(),
            file: session.file.clone(),
            found: pipeline.name.to_string(),
            pipeline: session.pipeline_id.clone(),
        }));
    }
    let parameters = parameters(&session, &pipeline, Kept::Given, &args.go_on.secrets, context)?;
    let plan = plan_of(&session, pipeline.clone(), &plugins, parameters)?;
    let mut sink = Sink::new();
    if context.settings.backend == BackendKind::Local {
        check_runnable(&pipeline, &plan.selection, &plugins, &mut sink);
    }
    report(&pipeline, &session.file, sink, context)?;
    let mut deployment = deployment_record(&plan, &session.file, plugin_names(&plugins), Timestamp::now());
    if context.settings.backend == BackendKind::Aws {
        deployment = deployed(&plan, &plugins, deployment, DeployMode::Refuse, store, context).await?;
    }
    show_difference(&before, &deployment, context);
    let used = used_plugins(&pipeline, &plugins);
    if !args.dry_run {
        keep_plugins(&used, context);
    }
    session.plugins = plugin_records(&used);
    session.jobs = plan.selection.len();
    session.parameters = plan.parameters.without_secrets();
    session.given = plan.parameters.given.iter().cloned().collect();
    session.secrets = plan.parameters.secrets.iter().cloned().collect();
    session.git = git_record(std::path::Path::new(&session.directory));
    Ok(Attempt { session, plan: Arc::new(plan), plugins, deployment })
}

/// The text's difference, and what it makes of the jobs' definitions.
fn show_difference(before: &DeploymentRecord, now: &DeploymentRecord, context: &Context) {
    let console = &context.console;
    if before.text == now.text {
        console.talk(format!("{} is what the session ran before", now.file));
    } else {
        let names = (format!("{} as the session ran it", now.file), format!("{} now", now.file));
        console.talk(difference(&before.text, &now.text, (&names.0, &names.1), console.colour));
    }
    let changed: Vec<&str> = now
        .definitions
        .iter()
        .filter(|(job, digest)| before.definitions.get(*job).is_some_and(|before| before != *digest))
        .map(|(job, _)| job.as_str())
        .collect();
    if !changed.is_empty() {
        console.talk(format!("other definitions: {}", changed.join(", ")));
    }
}

/// Jobs that keep an output which their definition of now has not made.
async fn changed_but_kept(
    found: &Retry,
    deployment: &DeploymentRecord,
    session: &SessionRecord,
    store: &Stores,
) -> Result<Vec<String>, Failure> {
    let before = pinned(session, store).await?;
    let is_changed = |job: &&String| before.definitions.get(*job) != deployment.definitions.get(*job);
    Ok(found.kept.iter().filter(is_changed).cloned().collect())
}
