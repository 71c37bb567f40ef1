//! A runner in the background: `--detach`, and what a terminal that goes away makes of one in the foreground.

use super::{Context, Exit, Failure, Outcome};
use crate::runner::port::StoreError;
use crate::session::SessionId;
use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where a command drives its session.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(super) struct DetachArgs {
    /// Drive it in the background: print the session's id and return; `bunsui session attach` follows it
    #[arg(long)]
    pub(super) detach: bool,
    /// This is the process in the background (started by `--detach`)
    #[arg(long, hide = true, conflicts_with = "detach")]
    pub(super) detached: bool,
}

/// Starts this command again in the background and waits until it drives its session. Until then it speaks to this terminal:
/// what it refuses is refused here.
pub(super) fn start(context: &Context) -> Outcome {
    let failed = |error: std::io::Error| {
        Failure::surroundings(StoreError::Unusable {
            place: "this executable".into(),
            message: format!("it cannot be started in the background: {error}"),
            help: None,
        })
    };
    let arguments = std::env::args_os()
        .skip(1)
        .map(|argument| if argument == "--detach" { "--detached".into() } else { argument });
    let mut child = Command::new(std::env::current_exe().map_err(failed)?)
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut id = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout).read_line(&mut id).map_err(failed)?;
    }
    let id = id.trim();
    if id.is_empty() {
        return match child.wait().map_err(failed)?.code() {
            Some(0) => Ok(Exit::Done),
            Some(1) => Ok(Exit::Unsuccessful),
            Some(2) => Err(Failure::reported()),
            Some(4) => Ok(Exit::Paused),
            _ => Ok(Exit::Surroundings),
        };
    }
    context.console.data(id);
    context.console.talk(format!("it runs in the background; to follow it: bunsui session attach {id}"));
    Ok(Exit::Done)
}

/// Makes this process one of the background: no terminal's signals reach it any more.
pub(super) fn leave_terminal() {
    // It cannot lead a group of processes: `start` has just made it.
    let _ = rustix::process::setsid();
}

/// Tells whoever started this process that it drives its session, and speaks into a file from here on.
pub(super) fn let_go(session: &SessionId, state: &Path) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{session}").and_then(|()| stdout.flush());
    drop(stdout);
    let Ok(log) = log_file(session, state) else { return };
    if let Ok(nothing) = File::open("/dev/null") {
        let _ = rustix::stdio::dup2_stdin(&nothing);
    }
    let _ = rustix::stdio::dup2_stdout(&log);
    let _ = rustix::stdio::dup2_stderr(&log);
}

/// Which of the standard streams are a terminal. To be asked while it is there: one that has gone is none any more.
#[derive(Debug, Clone, Copy)]
pub(super) struct OnTerminal {
    stdout: bool,
    stderr: bool,
}

impl OnTerminal {
    pub(super) fn now() -> Self {
        Self { stdout: std::io::stdout().is_terminal(), stderr: std::io::stderr().is_terminal() }
    }
}

/// The terminal has gone: what was to be printed on it is written into a file. A pipe or a file stays what it is.
pub(super) fn hang_up(session: &SessionId, state: &Path, streams: OnTerminal) {
    if !streams.stdout && !streams.stderr {
        return;
    }
    let Ok(log) = log_file(session, state) else { return };
    if streams.stdout {
        let _ = rustix::stdio::dup2_stdout(&log);
    }
    if streams.stderr {
        let _ = rustix::stdio::dup2_stderr(&log);
    }
}

/// Where a runner in the background speaks.
pub(super) fn log_path(session: &SessionId, state: &Path) -> PathBuf {
    state.join("runners").join(format!("{session}.log"))
}

fn log_file(session: &SessionId, state: &Path) -> std::io::Result<File> {
    let path = log_path(session, state);
    std::fs::create_dir_all(path.parent().unwrap_or(state))?;
    File::options().create(true).append(true).open(path)
}
