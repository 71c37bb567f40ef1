//! `bunsui plugin check`

use crate::cli::output::Output;
use crate::cli::store::block_on;
use crate::cli::{Context, Exit, Failure, Outcome};
use crate::plugin::{Conformance, ConformanceOptions, Outcome as Ended, Verdict, conformance};
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct CheckArgs {
    /// The library, as it was built: it runs as code on this machine
    #[arg(value_name = "LIBRARY")]
    library: PathBuf,
    /// Do not run the examples that its schemas hold
    #[arg(long)]
    no_run: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t = Output::Human, value_name = "FORMAT")]
    output: Output,
}

/// Something is not as docs/plugin-abi.md says.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("`{library}` is not a plugin to rely on: {failed} of {count} checks failed")]
#[diagnostic(
    code("bunsui::plugin::not_conforming"),
    help("each is said above; docs/plugin-abi.md has what plugins promise")
)]
struct NotConforming {
    library: String,
    failed: usize,
    count: usize,
}

#[derive(Serialize)]
struct CheckView<'a> {
    library: &'a Path,
    #[serde(flatten)]
    conformance: &'a Conformance,
    passed: usize,
    warnings: usize,
    failed: usize,
    skipped: usize,
}

pub(super) fn check(args: &CheckArgs, context: &Context) -> Outcome {
    let options = ConformanceOptions {
        library: context.surroundings.directory.join(&args.library),
        executable: std::env::current_exe().unwrap_or_default(),
        runs_examples: !args.no_run,
        memory_limit: context.settings.plugins.memory_limit(),
    };
    let is_human = args.output == Output::Human;
    let console = &context.console;
    let mut say = |verdict: &Verdict| {
        if is_human {
            console.data(line(verdict));
        }
    };
    let found = block_on(conformance(&options, &mut say))?;
    let failed = found.count(Ended::Failed);
    match args.output {
        Output::Human => console.data(summary(&args.library, &found)),
        Output::Json => {
            let view = CheckView {
                library: &args.library,
                passed: found.count(Ended::Passed),
                warnings: found.count(Ended::Warning),
                failed,
                skipped: found.count(Ended::Skipped),
                conformance: &found,
            };
            console.data(serde_json::to_string_pretty(&view).unwrap_or_default());
        }
    }
    if failed == 0 {
        return Ok(Exit::Done);
    }
    let library = args.library.display().to_string();
    Err(Failure::bad_input(NotConforming { library, failed, count: found.verdicts.len() }))
}

fn line(verdict: &Verdict) -> String {
    let word = match verdict.outcome {
        Ended::Passed => "ok     ",
        Ended::Warning => "warning",
        Ended::Failed => "FAILED ",
        Ended::Skipped => "skipped",
    };
    let detail =
        verdict.detail.iter().map(|detail| format!("\n          {}", detail.replace('\n', "\n          ")));
    format!("{word} {}{}", verdict.check, detail.collect::<String>())
}

fn summary(library: &Path, found: &Conformance) -> String {
    let who = match (&found.plugin, &found.version) {
        (Some(plugin), Some(version)) => format!("{plugin} {version}"),
        _ => library.display().to_string(),
    };
    let count = |outcome| found.count(outcome);
    let mut text = format!("\n{who}: {} passed, {} failed", count(Ended::Passed), count(Ended::Failed));
    for (count, word) in [(count(Ended::Warning), "to look at"), (count(Ended::Skipped), "skipped")] {
        if count > 0 {
            text.push_str(&format!(", {count} {word}"));
        }
    }
    text
}
