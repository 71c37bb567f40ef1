//! `bunsui run FILE`: a session, from its parameters to its summary.

use super::aws::{DeployMode, deployed};
use super::detach::{self, DetachArgs};
use super::drive::{Drive, keep_plugins, plugin_names, plugin_records, this_runner, used_plugins};
use super::load::{LoadedPipeline, load_pipeline, report};
use super::output::Output;
use super::parameters::{ParameterArgs, given};
use super::provenance::git_record;
use super::slice::{SliceArgs, selection};
use super::store::{block_on, make_store, open_store};
use super::{Context, Failure, Outcome, compile};
use crate::backend::local::check_runnable;
use crate::diagnostic::Sink;
use crate::expression::EvaluationError;
use crate::pipeline::OnFailure;
use crate::plan::{Parameters, Plan, plan, resolve_parameters};
use crate::report::text::one_line;
use crate::runner::{Entry, deployment_record, reused_outputs};
use crate::session::{DeploymentRecord, SessionId, SessionRecord, SliceRecord};
use crate::settings::BackendKind;
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
    /// Jobs in flight, at most; default: what the pipeline says, else four a processor, on AWS 256
    #[arg(long, value_name = "N", value_parser = parse_count)]
    max_concurrency: Option<NonZeroU32>,
    /// Start nothing new after a failure, whatever the pipeline's `on_failure` says
    #[arg(long)]
    fail_fast: bool,
    /// On AWS: deploy the file first, if it is not what is deployed
    #[arg(long)]
    deploy: bool,
    #[command(flatten)]
    slice: SliceArgs,
    #[command(flatten)]
    detach: DetachArgs,
    /// Progress for people on stderr, or one JSON object an event on stdout, the last one the session
    #[arg(long, value_enum, default_value_t = Output::Human)]
    output: Output,
}

/// `exclusive` gives no key.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("`exclusive` of pipeline `{pipeline}` gives no key: {error}")]
#[diagnostic(
    code("bunsui::session::no_exclusive_key"),
    help("give a value for the params that it names, or a `default` to each")
)]
struct NoExclusiveKey {
    pipeline: String,
    error: EvaluationError,
}

pub(super) fn parse_count(text: &str) -> Result<NonZeroU32, String> {
    text.parse().map_err(|_| "it is a whole number, at least 1".into())
}

fn parse_label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("a label is `KEY=VALUE`".into()),
    }
}

pub(super) fn run(args: &Args, context: &Context) -> Outcome {
    if args.detach.detach {
        return detach::start(context);
    }
    let loaded = load_pipeline(&args.file, context)?;
    // Told by another program while this one compiles.
    let directory = loaded.directory.clone();
    let git = std::thread::spawn(move || git_record(&directory));
    block_on(async {
        let slice = args.slice.record(&loaded.pipeline, context).await?;
        let plan = make_plan(args, &loaded, slice.as_ref(), context)?;
        let outputs_of = slice.as_ref().and_then(|slice| slice.outputs_of.as_ref());
        let earlier = if outputs_of.is_some() { open_store(context).await? } else { None };
        let from = outputs_of.zip(earlier.as_ref()).map(|(id, store)| (id, &*store.sessions));
        let reused = reused_outputs(&plan, from, &[]).await.map_err(Failure::bad_input)?;
        // Only now: what cannot be run leaves nothing behind.
        let store = make_store(context).await?;
        say_what_is_left_out(&plan, context);
        let mut deployment =
            deployment_record(&plan, &loaded.file, plugin_names(&loaded.plugins), Timestamp::now());
        if context.settings.backend == BackendKind::Aws {
            let mode = if args.deploy { DeployMode::Deploy } else { DeployMode::Refuse };
            deployment = deployed(&plan, &loaded.plugins, deployment, mode, &store, context).await?;
        }
        let used = used_plugins(&plan.pipeline, &loaded.plugins);
        keep_plugins(&used, context);
        let session = SessionRecord {
            plugins: plugin_records(&used),
            git: git.join().ok().flatten(),
            slice,
            exclusive: exclusive_key(&plan)?,
            ..new_session(args, context, &loaded, &plan, &deployment)
        };
        let drive = Drive {
            context,
            store,
            plugins: loaded.plugins,
            directory: loaded.directory,
            plan: Arc::new(plan),
            deployment,
            session,
            entry: Entry::New,
            reused,
            is_detached: args.detach.detached,
            max_concurrency: args.max_concurrency,
            output: args.output,
        };
        drive.finish().await
    })?
}

fn make_plan(
    args: &Args,
    loaded: &LoadedPipeline,
    slice: Option<&SliceRecord>,
    context: &Context,
) -> Result<Plan, Failure> {
    let mut pipeline = loaded.pipeline.clone();
    let selection = selection(&pipeline, slice).map_err(Failure::bad_input)?;
    let mut sink = Sink::new();
    if context.settings.backend == BackendKind::Local {
        check_runnable(&pipeline, &selection, &*loaded.plugins, &mut sink);
    }
    let given = given(&args.parameters, &pipeline, context)?;
    let parameters = resolve_parameters(&pipeline, &given, &mut sink);
    report(&pipeline, &loaded.file, sink, context)?;
    let parameters = parameters.ok_or_else(Failure::reported)?;
    if context.settings.backend == BackendKind::Aws {
        refuse_plain_secrets(&parameters)?;
    }
    let machines = state_machine::compile(&pipeline, &*loaded.plugins).map_err(compile::failure)?;
    if args.fail_fast {
        Arc::make_mut(&mut pipeline).on_failure = OnFailure::Stop;
    }
    Ok(plan(pipeline, machines, parameters, selection))
}

/// A secret's value would stand in the history of Step Functions.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("secret `{name}` is a plain value, which AWS would show to whoever may look at executions")]
#[diagnostic(
    code("bunsui::param::plain_secret"),
    help(
        "give a reference that the operation resolves: `--param {name}=ssm:/path` or `secretsmanager:name`"
    )
)]
struct PlainSecret {
    name: String,
}

pub(super) fn refuse_plain_secrets(parameters: &Parameters) -> Result<(), Failure> {
    let is_reference = |value: &serde_json::Value| {
        value.as_str().is_some_and(|text| text.starts_with("ssm:/") || text.starts_with("secretsmanager:"))
    };
    let plain =
        parameters.secrets.iter().find(|name| !parameters.values.get(*name).is_some_and(is_reference));
    plain.map_or(Ok(()), |name| Err(Failure::bad_input(PlainSecret { name: name.clone() })))
}

/// The key that the pipeline's `exclusive` gives.
pub(super) fn exclusive_key(plan: &Plan) -> Result<Option<String>, Failure> {
    plan.exclusive_key().map_err(|error| {
        Failure::bad_input(NoExclusiveKey { pipeline: plan.pipeline.name.to_string(), error })
    })
}

/// A part of a pipeline begins with jobs whose upstreams do not run: these count as succeeded.
fn say_what_is_left_out(plan: &Plan, context: &Context) {
    let pipeline = &plan.pipeline;
    if plan.selection.len() == pipeline.jobs.len() {
        return;
    }
    let is_needed = |job: &usize| {
        !plan.selection.has(*job)
            && pipeline.graph.downstreams[*job].iter().any(|downstream| plan.selection.has(*downstream))
    };
    let left_out: Vec<&str> =
        (0..pipeline.jobs.len()).filter(is_needed).map(|job| pipeline.jobs[job].id.as_str()).collect();
    context.console.talk(format!(
        "{} of {} jobs run{}",
        plan.selection.len(),
        pipeline.jobs.len(),
        match left_out.as_slice() {
            [] => String::new(),
            left_out => {
                let names = one_line(&left_out.join(", "), 200);
                format!("; what they depend on counts as succeeded: {names}")
            }
        }
    ));
}

fn new_session(
    args: &Args,
    context: &Context,
    loaded: &LoadedPipeline,
    plan: &Plan,
    deployment: &DeploymentRecord,
) -> SessionRecord {
    let now = Timestamp::now();
    let id = SessionId::generate(now, rand::random());
    let pinned = (plan.pipeline.name.to_string(), deployment.version.clone());
    SessionRecord {
        file: loaded.file.clone(),
        directory: loaded.directory.display().to_string(),
        labels: args.label.iter().cloned().collect::<IndexMap<_, _>>(),
        parameters: plan.parameters.without_secrets(),
        given: plan.parameters.given.iter().cloned().collect(),
        secrets: plan.parameters.secrets.iter().cloned().collect(),
        jobs: plan.selection.len(),
        ..SessionRecord::new(id, pinned, this_runner(context), now)
    }
}
