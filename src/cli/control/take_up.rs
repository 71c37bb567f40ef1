//! From a stored session to one that can be driven: what it is pinned to, its parameters, its secrets given again.

use super::{ControlError, pin_missing};
use crate::backend::Stores;
use crate::backend::local::kept_library;
use crate::cli::detach::DetachArgs;
use crate::cli::drive::{Drive, this_runner};
use crate::cli::load::{Checked, check, find_plugins_before, report};
use crate::cli::output::Output;
use crate::cli::parameters::{ParameterArgs, given};
use crate::cli::run::parse_count;
use crate::cli::{Context, Failure, Outcome, compile};
use crate::diagnostic::Sink;
use crate::pipeline::Pipeline;
use crate::plan::{Given, GivenValue, Parameters, Plan, parameter_variable, plan, resolve_parameters};
use crate::plugin::Plugins;
use crate::report::text::one_line;
use crate::runner::port::{SessionStore, deployment};
use crate::runner::{Entry, deployment_record, reused_outputs};
use crate::session::{DeploymentRecord, SessionRecord};
use crate::state_machine;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Arguments of commands that go on with a stored session.
#[derive(Debug, clap::Args)]
pub(super) struct GoOnArgs {
    #[command(flatten)]
    pub(super) secrets: ParameterArgs,
    /// Jobs in flight, at most; default: what the pipeline says, else four a processor, on AWS 256
    #[arg(long, value_name = "N", value_parser = parse_count)]
    max_concurrency: Option<NonZeroU32>,
    #[command(flatten)]
    pub(super) detach: DetachArgs,
    /// Progress for people on stderr, or one JSON object an event on stdout, the last one the session
    #[arg(long, value_enum, default_value_t = Output::Human)]
    pub(super) output: Output,
}

impl GoOnArgs {
    /// Drives a session as they say.
    pub(super) async fn finish(&self, drive: Drive<'_>) -> Outcome {
        let (max_concurrency, is_detached) = (self.max_concurrency, self.detach.detached);
        Drive { max_concurrency, is_detached, ..drive }.finish().await
    }
}

/// A stored session, and how it is to be driven.
pub(super) struct TakeUp<'s> {
    pub(super) session: SessionRecord,
    pub(super) store: Stores,
    pub(super) entry: Entry,
    pub(super) secrets: &'s ParameterArgs,
    pub(super) output: Output,
}

/// Makes everything ready to drive a stored session, from what it is pinned to.
pub(super) async fn take_up<'a>(taken: TakeUp<'_>, context: &'a Context) -> Result<Drive<'a>, Failure> {
    let TakeUp { session, store, entry, secrets, output } = taken;
    let pinned = pinned(&session, &store).await?;
    let plugins = pinned_plugins(&session, context);
    let checked = check(&pinned.file, pinned.text.clone().into_bytes(), &plugins);
    let pipeline = Arc::new(valid(checked, context)?);
    let parameters = match &entry {
        Entry::Cancel { .. } => Parameters { values: session.parameters.clone(), ..Parameters::default() },
        _ => parameters(&session, &pipeline, Kept::All, secrets, context)?,
    };
    let plan = Arc::new(plan_of(&session, pipeline, &plugins, parameters)?);
    refuse_other_definitions(&session, &pinned, &plan)?;
    say_if_changed(&session, &pinned, context);
    ready(Ready { session, store, entry, output, plan, plugins, deployment: pinned }, context).await
}

/// All that a [`Drive`] is made of.
pub(super) struct Ready {
    pub(super) session: SessionRecord,
    pub(super) store: Stores,
    pub(super) entry: Entry,
    pub(super) output: Output,
    pub(super) plan: Arc<Plan>,
    pub(super) plugins: Plugins,
    pub(super) deployment: DeploymentRecord,
}

pub(super) async fn ready(ready: Ready, context: &Context) -> Result<Drive<'_>, Failure> {
    let Ready { mut session, store, entry, output, plan, plugins, deployment } = ready;
    let reused = match &entry {
        // What is cancelled reads nothing any more.
        Entry::Cancel { .. } => Vec::new(),
        _ => {
            let there = store.sessions.jobs(&session.session_id).await.map_err(Failure::surroundings)?;
            let from = session.slice.as_ref().and_then(|slice| slice.outputs_of.as_ref());
            let from = from.map(|from| (from, &*store.sessions as &dyn SessionStore));
            reused_outputs(&plan, from, &there).await.map_err(Failure::bad_input)?
        }
    };
    // Whoever only ends a session does not keep others of its key from being driven.
    session.exclusive = match &entry {
        Entry::Cancel { .. } => None,
        _ => crate::cli::run::exclusive_key(&plan)?,
    };
    session.runner = this_runner(context);
    let directory = PathBuf::from(&session.directory);
    Ok(Drive {
        context,
        store,
        plugins: Arc::new(plugins),
        directory,
        plan,
        deployment,
        session,
        entry,
        reused,
        max_concurrency: None,
        is_detached: false,
        output,
    })
}

/// What a session is pinned to.
pub(super) async fn pinned(session: &SessionRecord, store: &Stores) -> Result<DeploymentRecord, Failure> {
    let pinned = deployment(&*store.objects, session).await.map_err(Failure::surroundings)?;
    pinned.ok_or_else(|| pin_missing(session))
}

/// The pipeline, or its findings printed.
pub(super) fn valid(checked: Checked, context: &Context) -> Result<Pipeline, Failure> {
    checked.pipeline.ok_or_else(|| {
        context.console.diagnostics(&checked.source, &checked.diagnostics);
        Failure::reported()
    })
}

/// The session's part of a pipeline, compiled.
pub(super) fn plan_of(
    session: &SessionRecord,
    pipeline: Arc<Pipeline>,
    plugins: &Plugins,
    parameters: Parameters,
) -> Result<Plan, Failure> {
    let selection =
        crate::cli::slice::selection(&pipeline, session.slice.as_ref()).map_err(Failure::bad_input)?;
    let machines = state_machine::compile(&pipeline, plugins).map_err(compile::failure)?;
    Ok(plan(pipeline, machines, parameters, selection))
}

/// Plugins as they are installed, but those that the session is pinned to and that have changed since, as they were.
pub(super) fn pinned_plugins(session: &SessionRecord, context: &Context) -> Plugins {
    let installed = find_plugins_before(Vec::new(), context);
    let mut folders = Vec::new();
    for pinned in &session.plugins {
        let now = installed.found().iter().find(|found| found.name == pinned.name);
        if now.is_some_and(|now| now.sha256 == pinned.sha256) {
            continue;
        }
        let what = match now {
            Some(now) if now.version != pinned.version => format!("is {} now", now.version),
            Some(_) => "has changed".to_owned(),
            None => "is not found any more".to_owned(),
        };
        let about = format!("plugin {} {what} since session {} began", pinned.name, session.session_id);
        match kept_library(&context.settings.local.state, pinned) {
            Some(folder) => {
                let which = format!("{} {}", pinned.name, pinned.version);
                context.console.talk(format!("{about}; the session goes on with the {which} that it began with"));
                folders.push((folder, format!("pinned by session {}", session.session_id)));
            }
            None => context.console.talk(format!(
                "{about}, and the library that it began with is no longer kept; what is installed is used if it gives the same definitions"
            )),
        }
    }
    if folders.is_empty() { installed } else { find_plugins_before(folders, context) }
}

/// Which of its parameters a session keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// All of them.
    All,
    /// Those that were given: with another file, defaults are that file's.
    Given,
}

/// The session's own parameters, and its secrets as they are given again. Params that the session keeps no value of may be
/// given.
pub(super) fn parameters(
    session: &SessionRecord,
    pipeline: &Pipeline,
    kept: Kept,
    secrets: &ParameterArgs,
    context: &Context,
) -> Result<Parameters, Failure> {
    let id = || session.session_id.to_string();
    let is_secret = |name: &str| pipeline.params.get(name).is_some_and(|param| param.secret);
    let is_kept = |name: &str| kept == Kept::All || session.given.iter().any(|given| given == name);
    let is_pinned = |name: &str| session.parameters.contains_key(name) && is_kept(name) && !is_secret(name);
    let given = given(secrets, pipeline, context)?;
    // Variables of the environment may be there for other sessions: only what was asked for in so many words is refused.
    if let Some(pinned) = given.iter().find(|given| given.origin == "--param" && is_pinned(&given.name)) {
        let name = pinned.name.clone();
        return Err(Failure::bad_input(ControlError::ParametersPinned { session: id(), name }));
    }
    let given: Vec<Given> = given.into_iter().filter(|given| !is_pinned(&given.name)).collect();
    for name in session.secrets.iter().filter(|name| pipeline.params.contains_key(name.as_str())) {
        if !given.iter().any(|given| given.name == *name) {
            let variable = parameter_variable(name);
            let error = ControlError::SecretNeeded { session: id(), name: name.clone(), variable };
            return Err(Failure::bad_input(error));
        }
    }
    let stored = session
        .parameters
        .iter()
        .filter(|(name, _)| pipeline.params.contains_key(name.as_str()) && is_pinned(name))
        .map(|(name, value)| Given {
            name: name.clone(),
            value: GivenValue::Value(value.clone()),
            origin: format!("session {}", session.session_id),
        });
    let mut sink = Sink::new();
    let all: Vec<Given> = stored.chain(given).collect();
    let parameters = resolve_parameters(pipeline, &all, &mut sink);
    report(pipeline, &session.file, sink, context)?;
    parameters.ok_or_else(Failure::reported)
}

pub(super) fn refuse_other_definitions(
    session: &SessionRecord,
    pinned: &DeploymentRecord,
    plan: &Plan,
) -> Result<(), Failure> {
    let now = deployment_record(plan, &pinned.file, Vec::new(), pinned.created_at);
    let differing: Vec<&str> = pinned
        .definitions
        .iter()
        .filter(|(job, digest)| now.definitions.get(*job) != Some(digest))
        .map(|(job, _)| job.as_str())
        .collect();
    if differing.is_empty() {
        return Ok(());
    }
    let plugins: Vec<String> =
        session.plugins.iter().map(|plugin| format!("{} {}", plugin.name, plugin.version)).collect();
    Err(Failure::surroundings(ControlError::PluginsChanged {
        session: session.session_id.to_string(),
        jobs: one_line(&differing.join(", "), 120),
        plugins: if plugins.is_empty() { pinned.plugins.join(", ") } else { plugins.join(", ") },
    }))
}

/// The pipeline file of a session as it is now; none where it cannot be read.
pub(super) fn current_file(session: &SessionRecord) -> PathBuf {
    let name = Path::new(&session.file).file_name().map(PathBuf::from).unwrap_or_default();
    Path::new(&session.directory).join(name)
}

fn say_if_changed(session: &SessionRecord, pinned: &DeploymentRecord, context: &Context) {
    let is_same = std::fs::read(current_file(session)).is_ok_and(|bytes| bytes == pinned.text.as_bytes());
    // What was read from standard input is no file, and cannot change.
    if !is_same && session.file != crate::cli::load::STDIN {
        context.console.talk(format!(
            "{} has changed since session {} began; the session goes on with the file that it began with",
            session.file, session.session_id
        ));
    }
}
