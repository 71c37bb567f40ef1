//! No process is left over, whoever is killed.

use super::{Alive, assert_gone, ecs, example, folder_of, options, shipped, task};
use bunsui::plugin::Plugins;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use std::io::BufRead;
use std::path::Path;
use std::process::{Command, Stdio};
use tokio::sync::mpsc;

const FOLDER: &str = "BUNSUI_TEST_FOLDER";
const LEAVES: &str = "exec 3>alive; sleep 1000 & setsid sleep 1000 & echo started; wait";

/// Not a test by itself: what `a_runner_that_is_killed` starts and kills.
#[tokio::test]
#[ignore = "started by another test"]
async fn runner() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    bunsui::plugin::become_subreaper();
    let plugins = Plugins::find(options(&shipped()));
    let (log, mut said) = mpsc::channel(100_000);
    let command = json!(["sh", "-c", LEAVES]);
    let running = plugins.run_local(ecs(Path::new(&folder), command), log, Default::default());
    let print = async {
        while let Some(line) = said.recv().await {
            println!("{}", line.message);
        }
    };
    let _ = tokio::join!(running, print);
}

#[test]
fn a_runner_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let gone = Alive::in_folder(folder.path()).all_gone();
    let mut runner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "plugin::left_over::runner", "--ignored", "--nocapture"])
        .env(FOLDER, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufReader::new(runner.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().ends_with("started")), "the task starts");
    runner.kill().unwrap();
    runner.wait().unwrap();
    assert_gone(&gone);
}

/// The process of a plugin host, by the library it was started with.
pub(super) fn host_of(library: &Path) -> Pid {
    let is_host = |entry: &std::fs::DirEntry| {
        let arguments = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let library = library.as_os_str().as_encoded_bytes();
        arguments.split(|byte| *byte == 0).nth(2) == Some(library)
    };
    let entry = std::fs::read_dir("/proc").unwrap().flatten().find(is_host).expect("the host runs");
    Pid::from_raw(entry.file_name().to_str().unwrap().parse().unwrap()).unwrap()
}

#[tokio::test]
async fn a_host_that_is_killed() {
    bunsui::plugin::become_subreaper();
    let libraries = folder_of(&[("libbunsui_ecs.so", shipped().join("libbunsui_plugin_ecs.so"))]);
    let folder = tempfile::tempdir().unwrap();
    let gone = Alive::in_folder(folder.path()).all_gone();
    let plugins = Plugins::find(options(libraries.path()));
    let (log, mut said) = mpsc::channel(100_000);
    let command = json!(["sh", "-c", LEAVES]);
    let running = plugins.run_local(ecs(folder.path(), command), log, Default::default());
    let kill = async {
        assert_eq!(said.recv().await.unwrap().message, "started");
        kill_process(host_of(&libraries.path().join("libbunsui_ecs.so")), Signal::KILL).unwrap();
    };
    let (result, ()) = tokio::join!(running, kill);
    let failure = result.unwrap_err();
    assert_eq!(failure.error, "Plugin.Crashed");
    assert!(failure.cause.contains("plugin `ecs` crashed"), "{failure:?}");
    assert!(failure.cause.contains("signal 9 (SIGKILL)"), "{failure:?}");
    assert_gone(&gone);
}

#[tokio::test]
async fn a_plugin_that_leaves_processes_and_ends() {
    let libraries = folder_of(&[("libbunsui_misbehaving.so", example("bad_calls"))]);
    let folder = tempfile::tempdir().unwrap();
    let gone = Alive::in_folder(folder.path()).all_gone();
    let plugins = Plugins::find(options(libraries.path()));
    let (log, mut said) = mpsc::channel(100_000);
    let keys = json!({ "local": { "sin": "leave a process" } });
    let run = task("misbehave", folder.path(), keys, "s", json!({}));
    {
        let running = plugins.run_local(run, log, Default::default());
        tokio::pin!(running);
        tokio::select! {
            _ = &mut running => panic!("it does not end"),
            _ = said.recv() => {}
        }
    }
    // Reading begins only when a process has opened the pipe, so this cannot be too early.
    drop(plugins);
    assert_gone(&gone);
}
