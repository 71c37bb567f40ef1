//! Plugins, from the outside: real libraries, real hosts, real processes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod aws_service;
mod calls;
mod commands;
mod conformance;
mod ecs;
mod guide;
mod lambda;
mod left_over;
mod list;
mod new;
mod refusals;
mod sins;

use bunsui::plugin::{LocalRun, LogLine, Plugins, PluginsOptions};
use bunsui::state_machine::TaskFailure;
use serde_json::{Value as Json, json};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Where `cargo test` puts fresh plugin libraries: beside the test itself.
pub(crate) fn shipped() -> PathBuf {
    std::env::current_exe().unwrap().parent().unwrap().to_owned()
}

#[track_caller]
pub(crate) fn example(name: &str) -> PathBuf {
    let library = shipped().parent().unwrap().join("examples").join(format!("lib{name}.so"));
    assert!(library.is_file(), "`cargo test` builds the bad plugins, and so does `cargo build --examples`");
    library
}

pub(crate) fn options(folder: &Path) -> PluginsOptions {
    PluginsOptions {
        folders: vec![(folder.to_owned(), "the test".to_owned())],
        executable: env!("CARGO_BIN_EXE_bunsui").into(),
        ..PluginsOptions::default()
    }
}

/// A folder with copies of libraries: `(name of the copy, library)`.
pub(crate) fn folder_of(libraries: &[(&str, PathBuf)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, library) in libraries {
        std::fs::copy(library, folder.path().join(name)).unwrap();
    }
    folder
}

/// The shipped plugins.
fn shipped_plugins() -> Plugins {
    Plugins::find(options(&shipped()))
}

/// What a task did.
#[derive(Debug)]
struct Ran {
    result: Result<Json, TaskFailure>,
    lines: Vec<LogLine>,
}

impl Ran {
    #[track_caller]
    fn output(&self) -> &Json {
        self.result.as_ref().expect("the task succeeds")
    }

    #[track_caller]
    fn failure(&self) -> (&str, &str) {
        let failure = self.result.as_ref().expect_err("the task fails");
        (&failure.error, &failure.cause)
    }

    fn messages(&self) -> Vec<&str> {
        self.lines.iter().map(|line| line.message.as_str()).collect()
    }
}

fn task(kind: &str, directory: &Path, keys: Json, state: &str, arguments: Json) -> LocalRun {
    LocalRun {
        kind: kind.to_owned(),
        keys,
        state: state.to_owned(),
        arguments,
        directory: directory.to_owned(),
        objects: directory.join("objects"),
        session: "s1".to_owned(),
        job: "job".to_owned(),
        operation: "op".to_owned(),
        attempt: 1,
        try_number: 1,
        timeout: None,
    }
}

async fn run(plugins: &Plugins, task: LocalRun) -> Ran {
    let (log, mut said) = mpsc::channel(100_000);
    let result = plugins.run_local(task, log, CancellationToken::new()).await;
    let mut lines = Vec::new();
    while let Ok(line) = said.try_recv() {
        lines.push(line);
    }
    Ran { result, lines }
}

/// Runs a task and stops it at its first line that is `mark`.
async fn run_until(plugins: &Plugins, task: LocalRun, mark: &str) -> Ran {
    let (log, mut said) = mpsc::channel(100_000);
    let cancelled = CancellationToken::new();
    let running = plugins.run_local(task, log, cancelled.clone());
    tokio::pin!(running);
    let mut lines = Vec::new();
    let result = loop {
        tokio::select! {
            result = &mut running => break result,
            Some(line) = said.recv() => {
                if line.message == mark {
                    cancelled.cancel();
                }
                lines.push(line);
            }
        }
    };
    // The end may have been heard before the last lines were taken.
    while let Ok(line) = said.try_recv() {
        lines.push(line);
    }
    Ran { result, lines }
}

/// A named pipe that processes keep open: reading it ends when none of them is left.
struct Alive(PathBuf);

impl Alive {
    fn in_folder(folder: &Path) -> Self {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let file = folder.join("alive");
        mknodat(CWD, &file, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        Self(file)
    }

    /// Starts waiting; the receiver hears when there was a process and none is left.
    fn all_gone(&self) -> std::sync::mpsc::Receiver<()> {
        let (gone, receiver) = std::sync::mpsc::channel();
        let file = self.0.clone();
        std::thread::spawn(move || {
            std::fs::read(file).unwrap();
            let _ = gone.send(());
        });
        receiver
    }
}

#[track_caller]
fn assert_gone(gone: &std::sync::mpsc::Receiver<()>) {
    // Generous: what is asked is whether it ends, and a busy machine is slow.
    let within = std::time::Duration::from_secs(30);
    assert!(gone.recv_timeout(within).is_ok(), "a process is left");
}

fn ecs(directory: &Path, command: Json) -> LocalRun {
    ecs_with(directory, command, json!([]))
}

fn ecs_with(directory: &Path, command: Json, environment: Json) -> LocalRun {
    let keys = json!({ "task_definition": "t", "container": "main", "local": { "command": command } });
    let container = json!({ "Name": "main", "Environment": environment });
    let arguments = json!({ "TaskDefinition": "t", "Overrides": { "ContainerOverrides": [container] } });
    task("ecs", directory, keys, "task", arguments)
}
