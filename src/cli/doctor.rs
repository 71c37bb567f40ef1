//! `bunsui doctor`: whether everything is there that runs need, each with what to do.

use super::aws::beyond_boundary;
use super::load::{find_plugins, load_pipeline};
use super::output::Output;
use super::preflight::preflight;
use super::store::block_on;
use super::{Context, Exit, Failure, Outcome, compile};
use crate::diagnostic::{DiagnosticView, views};
use crate::settings::BackendKind;
use crate::state_machine;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Pipeline files: with the AWS backend, whether what their operations name is there too
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Text for people, or JSON
    #[arg(long, value_enum, default_value_t = Output::Human)]
    output: Output,
}

/// One thing that was looked at.
#[derive(Debug, serde::Serialize)]
pub(super) struct Finding {
    /// `credentials`, `table bunsui-sessions`
    pub(super) what: String,
    /// Whether a run can do with it as it is.
    pub(super) is_well: bool,
    /// What was found.
    pub(super) found: String,
    /// What to do, where it is not well.
    pub(super) help: Option<String>,
}

impl Finding {
    pub(super) fn well(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self { what: what.into(), is_well: true, found: found.into(), help: None }
    }

    pub(super) fn wrong(what: impl Into<String>, found: impl Into<String>, help: impl Into<String>) -> Self {
        Self { what: what.into(), is_well: false, found: found.into(), help: Some(help.into()) }
    }

    /// From an error with its help.
    #[cfg(feature = "aws")]
    pub(super) fn error(what: impl Into<String>, error: &(dyn miette::Diagnostic + 'static)) -> Self {
        let help = error.help().map(|help| help.to_string()).unwrap_or_default();
        Self::wrong(what, error.to_string(), help)
    }
}

pub(super) fn run(args: &Args, context: &Context) -> Outcome {
    let mut findings = vec![plugins(context)];
    match context.settings.backend {
        BackendKind::Local => findings.push(state(context)),
        BackendKind::Aws => {
            findings.extend(block_on(super::aws::findings(context))?);
            for file in &args.files {
                findings.extend(surroundings(file, context)?);
            }
        }
    }
    let is_well = findings.iter().all(|finding| finding.is_well);
    match args.output {
        Output::Json => {
            context.console.data(serde_json::json!({"is_well": is_well, "findings": findings}));
        }
        Output::Human => {
            for finding in &findings {
                let mark = if finding.is_well { "ok   " } else { "wrong" };
                context.console.data(format!("{mark}  {}: {}", finding.what, finding.found));
                if let Some(help) = finding.help.as_ref().filter(|help| !help.is_empty()) {
                    context.console.data(format!("       help: {help}"));
                }
            }
        }
    }
    if is_well { Ok(Exit::Done) } else { Err(Failure { report: None, exit: Exit::Surroundings }) }
}

/// What plugins find of a pipeline's surroundings.
fn surroundings(file: &Path, context: &Context) -> Result<Vec<Finding>, Failure> {
    let loaded = load_pipeline(file, context)?;
    let machines = state_machine::compile(&loaded.pipeline, &*loaded.plugins).map_err(compile::failure)?;
    let found = block_on(async {
        let mut found = preflight(&loaded.pipeline, &machines, &loaded.plugins, context).await;
        found.extend(beyond_boundary(&loaded.pipeline, &machines, &loaded.plugins, context).await?);
        Ok::<_, Failure>(found)
    })??;
    if found.is_empty() {
        let operations: usize = loaded.pipeline.jobs.values().map(|job| job.operations.len()).sum();
        return Ok(vec![Finding::well(
            &loaded.file,
            format!("what its {operations} operations name is there"),
        )]);
    }
    let finding = |view: DiagnosticView| Finding {
        what: format!("{}:{}", view.file, view.line.unwrap_or(1)),
        is_well: view.severity != "error",
        found: view.message,
        help: view.help,
    };
    Ok(views(&loaded.pipeline.source, &found).into_iter().map(finding).collect())
}

fn plugins(context: &Context) -> Finding {
    let plugins = find_plugins(context);
    let names: Vec<String> =
        plugins.found().iter().map(|found| format!("{} {}", found.name, found.version)).collect();
    if names.is_empty() {
        let help = "`bunsui plugin list` says where they were looked for, and why others were passed over";
        return Finding::wrong("plugins", "none is found", help);
    }
    Finding::well("plugins", names.join(", "))
}

fn state(context: &Context) -> Finding {
    let state = &context.settings.local.state;
    let what = format!("state folder {}", state.display());
    match crate::backend::local::SqliteStore::open_existing(state) {
        Ok(Some(_)) => Finding::well(what, "its store opens"),
        Ok(None) => Finding::well(what, "nothing has run yet"),
        Err(error) => {
            let help = miette::Diagnostic::help(&error).map(|help| help.to_string()).unwrap_or_default();
            Finding::wrong(what, error.to_string(), help)
        }
    }
}
