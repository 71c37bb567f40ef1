//! `bunsui compile FILE`: the definitions, as Step Functions takes them.

use super::load::load_pipeline;
use super::{Context, Exit, Failure, Outcome};
use crate::plan::NoSuchJob;
use crate::state_machine::{self, CompileError, StateMachine, definition_text};
use serde_json::{Map, Value as Json};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The pipeline file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only this job's definition, without its name around it
    #[arg(long, value_name = "ID")]
    job: Option<String>,
}

pub(super) fn run(args: &Args, context: &Context) -> Outcome {
    let loaded = load_pipeline(&args.file, context)?;
    let machines = state_machine::compile(&loaded.pipeline, &*loaded.plugins).map_err(failure)?;
    let jobs = loaded.pipeline.jobs.keys().map(crate::pipeline::Id::as_str);
    let mut named: Vec<(&str, StateMachine)> = jobs.clone().zip(machines).collect();
    let definition = match &args.job {
        Some(wanted) => match named.iter().position(|(job, _)| job == wanted) {
            Some(at) => named.swap_remove(at).1.definition,
            None => {
                let pipeline = loaded.pipeline.name.as_str();
                return Err(Failure::bad_input(NoSuchJob::new(pipeline, wanted, jobs)));
            }
        },
        None => Json::Object(
            named
                .into_iter()
                .map(|(job, machine)| (job.to_owned(), machine.definition))
                .collect::<Map<_, _>>(),
        ),
    };
    context.console.raw(&definition_text(&definition));
    Ok(Exit::Done)
}

/// A plugin that fails is part of the surroundings.
pub(super) fn failure(error: CompileError) -> Failure {
    Failure::surroundings(error)
}
