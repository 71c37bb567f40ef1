//! `bunsui tui`: sessions, jobs, log lines and pipelines on a terminal, live.

mod logs;
mod pipelines;
mod reader;

use super::{Context, Exit, Failure, Outcome};
use crate::plugin::ProjectPlugins;
use crate::tui::Theme;
use reader::Reader;
use std::io::{IsTerminal, Read, Seek, Write};
use std::os::fd::OwnedFd;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Also load libraries that only this project's bunsui.toml names: they run as code on this machine
    #[arg(long)]
    trust_project_plugins: bool,
}

/// There is nothing to draw on.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{what}")]
#[diagnostic(
    code("bunsui::settings::no_terminal"),
    help("`bunsui session list` and `bunsui session attach` need none; over SSH, `ssh -t` gives one")
)]
struct NoTerminal {
    what: String,
}

pub(super) fn run(args: &Args, globals: Vec<String>, context: &Context) -> Outcome {
    if !(std::io::stdin().is_terminal() && std::io::stdout().is_terminal()) {
        let what = "standard input and output are no terminal, on which it could be drawn".into();
        return Err(Failure::bad_input(NoTerminal { what }));
    }
    let unusable = |error: std::io::Error| {
        Failure::surroundings(NoTerminal { what: format!("the terminal cannot be used: {error}") })
    };
    let is_plain = variable(context, "NO_COLOR").is_some_and(|value| !value.is_empty());
    let theme = if is_plain { Theme::Plain } else { Theme::Colour };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(unusable)?;
    let project = ProjectPlugins::for_looking(args.trust_project_plugins);
    let source = Reader::new(context, globals, project);
    let later = Later::begin().map_err(unusable)?;
    let ended = crate::tui::run(&source, theme, &runtime);
    drop(later);
    // What was being read is of no use any more.
    runtime.shutdown_background();
    ended.map(|()| Exit::Done).map_err(unusable)
}

fn variable<'c>(context: &'c Context, name: &str) -> Option<&'c str> {
    let variables = &context.surroundings.variables;
    variables.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// What is said on stderr while the terminal is drawn on is kept, and said when this ends.
struct Later {
    stderr: OwnedFd,
    kept: std::fs::File,
}

impl Later {
    fn begin() -> std::io::Result<Option<Self>> {
        if !std::io::stderr().is_terminal() {
            return Ok(None);
        }
        let stderr = rustix::io::dup(std::io::stderr())?;
        let kept = tempfile::tempfile()?;
        rustix::stdio::dup2_stderr(&kept)?;
        Ok(Some(Self { stderr, kept }))
    }
}

impl Drop for Later {
    fn drop(&mut self) {
        let _ = rustix::stdio::dup2_stderr(&self.stderr);
        let mut text = Vec::new();
        let _ = self.kept.rewind().and_then(|()| self.kept.read_to_end(&mut text));
        let _ = std::io::stderr().write_all(&text);
    }
}
