//! `bunsui graph FILE`: the jobs and what they wait for.

use super::load::load_pipeline_with;
use super::{Context, Exit, Outcome};
use crate::plugin::ProjectPlugins;
use crate::report::graph;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The pipeline file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// A drawing for this terminal, a Mermaid flowchart, Graphviz's language, or a picture
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Also load libraries that only this project's bunsui.toml names: they run as code on this machine
    #[arg(long)]
    trust_project_plugins: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    Text,
    Mermaid,
    Dot,
    Svg,
}

pub(super) fn run(args: &Args, context: &Context) -> Outcome {
    let project = ProjectPlugins::for_looking(args.trust_project_plugins);
    let loaded = load_pipeline_with(&args.file, project, context)?;
    let text = match args.format {
        Format::Text => graph::text(&loaded.pipeline),
        Format::Mermaid => graph::mermaid(&loaded.pipeline),
        Format::Dot => graph::dot(&loaded.pipeline),
        Format::Svg => graph::svg(&loaded.pipeline),
    };
    context.console.data(text.trim_end());
    Ok(Exit::Done)
}
