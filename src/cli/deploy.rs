//! `bunsui deploy FILE`: state machines made or brought up to date, and the version registered.

use super::aws::{DeployMode, deployed, prune};
use super::drive::plugin_names;
use super::load::{load_pipeline, need_aws_backend};
use super::preflight::preflight;
use super::store::{block_on, make_store};
use super::{Context, Exit, Failure, Outcome, compile};
use crate::diagnostic::Severity;
use crate::plan::{Parameters, Selection, plan};
use crate::runner::deployment_record;
use crate::state_machine;
use jiff::Timestamp;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The pipeline file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Say what would change, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Delete state machines and versions that neither this deployment needs, nor a session that has not ended
    #[arg(long, conflicts_with = "dry_run")]
    prune: bool,
}

pub(super) fn run(args: &Args, context: &Context) -> Outcome {
    need_aws_backend(context)?;
    let loaded = load_pipeline(&args.file, context)?;
    let machines = state_machine::compile(&loaded.pipeline, &*loaded.plugins).map_err(compile::failure)?;
    // Parameters are no part of a definition.
    let selection = Selection::all(&loaded.pipeline);
    let plan = plan(loaded.pipeline.clone(), machines, Parameters::default(), selection);
    let wanted = deployment_record(&plan, &loaded.file, plugin_names(&loaded.plugins), Timestamp::now());
    let mode = if args.dry_run { DeployMode::DryRun } else { DeployMode::Deploy };
    block_on(async {
        let stores = make_store(context).await?;
        // What is missing on AWS can be made after a deployment, so it is said and stops nothing.
        let mut found = preflight(&plan.pipeline, &plan.machines, &loaded.plugins, context).await;
        found.iter_mut().for_each(|found| found.severity = Severity::Warning);
        context.console.diagnostics(&plan.pipeline.source, &found);
        let deployment = deployed(&plan, &loaded.plugins, wanted, mode, &stores, context).await?;
        if args.prune {
            prune(&deployment, &stores, context).await?;
        }
        Ok::<_, Failure>(Exit::Done)
    })?
}
