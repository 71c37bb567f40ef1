//! A plugin whose calls misbehave as the operation's key `local.sin` says.
#![expect(unsafe_code, reason = "to misbehave")]

use bunsui_plugin_sdk::{
    CheckRequest, Finding, Fragment, Host, Level, LocalTask, OperationType, PluginError, StatesRequest,
    TaskFailure, export_plugin,
};
use serde_json::{Value as Json, json};
use std::io::Write;

export_plugin! { name: "misbehaving", version: "1.2.3", operation_types: [Misbehave] }

struct Misbehave;

impl OperationType for Misbehave {
    fn name(&self) -> &'static str {
        "misbehave"
    }

    fn summary(&self) -> &'static str {
        "does what it should not"
    }

    fn schema(&self) -> Json {
        json!({ "type": "object" })
    }

    fn has_check(&self) -> bool {
        true
    }

    fn has_run_local(&self) -> bool {
        true
    }

    fn check(&self, request: &CheckRequest) -> Result<Vec<Finding>, PluginError> {
        sin(&request.keys);
        Ok(vec![
            Finding::warning("/x", format!("`{}` was looked at", request.operation)).help("nothing to do"),
        ])
    }

    fn states(&self, request: &StatesRequest) -> Result<Fragment, PluginError> {
        sin(&request.keys);
        Err(PluginError::new("it has no states").at("/x").help("use another type"))
    }

    fn run_local(&self, task: &LocalTask, host: &Host<'_>) -> Result<Json, TaskFailure> {
        if task.keys["local"]["sin"] == "never stop" {
            host.log(Level::Info, "stuck", &serde_json::Map::new());
            loop {
                std::thread::park();
            }
        }
        if task.keys["local"]["sin"] == "wait" {
            host.log(Level::Info, "waiting", &serde_json::Map::new());
            let fd = host.stop_fd().expect("the host has one");
            let mut fds = [rustix::event::PollFd::from_borrowed_fd(fd, rustix::event::PollFlags::IN)];
            while rustix::event::poll(&mut fds, None).is_err() {}
            return Err(TaskFailure::new("Stopped", format!("{:?}", host.stop())));
        }
        if task.keys["local"]["sin"] == "leave a process" {
            let script = "exec 3>alive; setsid sleep 1000 & sleep 1000 & echo started >&2; wait";
            let child =
                std::process::Command::new("sh").arg("-c").arg(script).current_dir(&task.directory).spawn();
            let mut child = child.expect("it starts");
            host.log(Level::Info, "started", &serde_json::Map::new());
            let _ = child.wait();
        }
        sin(&task.keys);
        Ok(json!({ "done": task.operation }))
    }
}

fn sin(keys: &Json) {
    match keys["local"]["sin"].as_str().unwrap_or_default() {
        "panic" => panic!("boom {}", 42),
        "abort" => {
            let _ = std::io::stderr().write_all(b"about to abort\n");
            std::process::abort();
        }
        // SAFETY: none; that is the point.
        "segfault" => unsafe { std::ptr::null_mut::<u8>().write_volatile(1) },
        "exit" => std::process::exit(7),
        "hang" => loop {
            std::thread::park();
        },
        "print" => {
            let mut stdout = std::io::stdout();
            let _ = stdout.write_all(b"\x08\0\0\0garbage!\n");
            let _ = stdout.flush();
        }
        _ => {}
    }
}
