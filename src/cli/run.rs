//! `bunsui run FILE`: a session, from its parameters to its summary.

use super::drive::{Drive, Output, plugin_names, this_runner};
use super::load::{LoadedPipeline, load_pipeline, need_local_backend, report};
use super::parameters::{ParameterArgs, given};
use super::store::block_on;
use super::{Context, Failure, Outcome, compile};
use crate::backend::local::{SqliteStore, check_runnable};
use crate::diagnostic::Sink;
use crate::pipeline::OnFailure;
use crate::plan::{Plan, plan, resolve_parameters};
use crate::runner::{Entry, deployment_record};
use crate::session::{DeploymentRecord, RECORD_VERSION, SessionId, SessionRecord, SessionStatus};
use crate::state_machine;
use indexmap::IndexMap;
use jiff::Timestamp;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The pipeline file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    parameters: ParameterArgs,
    /// A label of the session, to find it by; may be given several times
    #[arg(long, value_name = "K=V", value_parser = parse_label)]
    label: Vec<(String, String)>,
    /// Jobs in flight, at most; default: what the pipeline says, else four a processor
    #[arg(long, value_name = "N", value_parser = parse_count)]
    max_concurrency: Option<NonZeroU32>,
    /// Start nothing new after a failure, whatever the pipeline's `on_failure` says
    #[arg(long)]
    fail_fast: bool,
    /// Progress for people on stderr, or one JSON object an event on stdout, the last one the session
    #[arg(long, value_enum, default_value_t = Output::Human)]
    output: Output,
}

fn parse_count(text: &str) -> Result<NonZeroU32, String> {
    text.parse().map_err(|_| "it is a whole number, at least 1".into())
}

fn parse_label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("a label is `KEY=VALUE`".into()),
    }
}

pub(super) fn run(args: &Args, context: &Context) -> Outcome {
    need_local_backend(context)?;
    let loaded = load_pipeline(&args.file, context)?;
    let plan = Arc::new(make_plan(args, &loaded, context)?);
    block_on(drive(args, context, loaded, plan))?
}

fn make_plan(args: &Args, loaded: &LoadedPipeline, context: &Context) -> Result<Plan, Failure> {
    let mut pipeline = loaded.pipeline.clone();
    let mut sink = Sink::new();
    check_runnable(&pipeline, &*loaded.plugins, &mut sink);
    let given = given(&args.parameters, &pipeline, context)?;
    let parameters = resolve_parameters(&pipeline, &given, &mut sink);
    report(&pipeline, &loaded.file, sink, context)?;
    let parameters = parameters.ok_or_else(Failure::reported)?;
    let machines = state_machine::compile(&pipeline, &*loaded.plugins).map_err(compile::failure)?;
    if args.fail_fast {
        Arc::make_mut(&mut pipeline).on_failure = OnFailure::Stop;
    }
    Ok(plan(pipeline, machines, parameters))
}

async fn drive(args: &Args, context: &Context, loaded: LoadedPipeline, plan: Arc<Plan>) -> Outcome {
    let store = SqliteStore::open(&context.settings.local.state).map_err(Failure::surroundings)?;
    let plugins = plugin_names(&loaded.plugins);
    let deployment = deployment_record(&plan, &loaded.file, plugins, Timestamp::now());
    let session = new_session(args, context, &loaded, &plan, &deployment);
    let drive = Drive {
        context,
        store,
        plugins: loaded.plugins,
        directory: loaded.directory,
        plan,
        deployment,
        session,
        entry: Entry::New,
        max_concurrency: args.max_concurrency,
        output: args.output,
    };
    drive.finish().await
}

fn new_session(
    args: &Args,
    context: &Context,
    loaded: &LoadedPipeline,
    plan: &Plan,
    deployment: &DeploymentRecord,
) -> SessionRecord {
    let now = Timestamp::now();
    SessionRecord {
        record_version: RECORD_VERSION,
        session_id: SessionId::generate(now, rand::random()),
        pipeline_id: plan.pipeline.name.to_string(),
        version: deployment.version.clone(),
        file: loaded.file.clone(),
        directory: loaded.directory.display().to_string(),
        status: SessionStatus::Created,
        created_at: now,
        started_at: None,
        ended_at: None,
        labels: args.label.iter().cloned().collect::<IndexMap<_, _>>(),
        parameters: plan.parameters.without_secrets(),
        secrets: plan.parameters.secrets.iter().cloned().collect(),
        runner: this_runner(context),
        lease: None,
        active_ms: 0,
        jobs: plan.pipeline.jobs.len(),
    }
}
