//! `bunsui schema [pipeline|settings]`: JSON Schemas, for editors.

use super::load::locked_catalogue;
use super::{Context, Exit, Failure, Outcome};
use crate::backend::local::make_state_folder;
use crate::pipeline::pipeline_schema;
use crate::settings::settings_schema;
use serde_json::Value as Json;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Of which files
    #[arg(value_enum, default_value_t = Subject::Pipeline)]
    subject: Subject,
    /// Write both into the state folder, where the line `#:schema ../.bunsui/pipeline.schema.json` of a file points to
    #[arg(long, conflicts_with = "subject")]
    write: bool,
    /// Also load libraries that only this project's bunsui.toml names: they run as code on this machine
    #[arg(long)]
    trust_project_plugins: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Subject {
    /// Pipeline files, with the keys of every operation type that is installed or locked
    Pipeline,
    /// bunsui.toml
    Settings,
}

/// A schema cannot be written.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("`{path}` cannot be written")]
#[diagnostic(code("bunsui::settings::unwritable_schema"))]
struct UnwritableSchema {
    path: PathBuf,
    #[source]
    cause: std::io::Error,
}

pub(super) fn run(args: &Args, context: &Context) -> Outcome {
    if !args.write {
        let schema = match args.subject {
            Subject::Pipeline => of_pipelines(args, context)?,
            Subject::Settings => settings_schema(),
        };
        context.console.data(pretty(&schema));
        return Ok(Exit::Done);
    }
    let state = &context.settings.local.state;
    let of_pipelines = of_pipelines(args, context)?;
    for (name, schema) in [("pipeline", of_pipelines), ("settings", settings_schema())] {
        let path = state.join(format!("{name}.schema.json"));
        write(state, &path, &pretty(&schema))
            .map_err(|cause| Failure::surroundings(UnwritableSchema { path: path.clone(), cause }))?;
        context.console.talk(format!("written: {}", path.display()));
    }
    Ok(Exit::Done)
}

fn of_pipelines(args: &Args, context: &Context) -> Result<Json, Failure> {
    Ok(pipeline_schema(&locked_catalogue(args.trust_project_plugins, context)?))
}

fn pretty(schema: &Json) -> String {
    format!("{schema:#}")
}

fn write(state: &Path, path: &Path, text: &str) -> std::io::Result<()> {
    make_state_folder(state)?;
    std::fs::write(path, format!("{text}\n"))
}
