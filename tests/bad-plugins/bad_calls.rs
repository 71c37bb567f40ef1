//! A plugin whose calls misbehave as the operation's key `local.sin` says: in every call, or only in the one that `local.in` names.
#![expect(unsafe_code, reason = "to misbehave")]

use bunsui_plugin_sdk::{
    CheckRequest, ExplainRequest, Explanation, Finding, Fragment, Host, Level, LocalTask, LogSource,
    LogsRequest, OperationType, PermissionsRequest, PluginError, PreflightRequest, Statement, StatesRequest,
    StopReport, StopRequest, TaskFailure, export_plugin,
};
use serde_json::{Map, Value as Json, json};
use std::io::Write;
use std::sync::Mutex;

unsafe extern "C" {
    fn fork() -> i32;
    fn close(fd: i32) -> i32;
    fn write(fd: i32, bytes: *const u8, count: usize) -> isize;
    fn malloc(size: usize) -> *mut u8;
    fn free(memory: *mut u8);
}

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
        sin("check", &request.keys);
        Ok(vec![
            Finding::warning("/x", format!("`{}` was looked at", request.operation)).help("nothing to do"),
        ])
    }

    fn states(&self, request: &StatesRequest) -> Result<Fragment, PluginError> {
        sin("states", &request.keys);
        let Some(state) = request.keys.get("state") else {
            return Err(PluginError::new("it has no states").at("/x").help("use another type"));
        };
        let state = if state == "task" {
            json!({"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": {}, "End": true})
        } else {
            state.clone()
        };
        Ok(Fragment { start_at: "s".to_owned(), states: Map::from_iter([("s".to_owned(), state)]) })
    }

    fn permissions(&self, request: &PermissionsRequest) -> Result<Vec<Statement>, PluginError> {
        sin("permissions", &request.keys);
        let texts = |key: &str| {
            let list = request.keys[key].as_array().into_iter().flatten();
            list.filter_map(|text| Some(text.as_str()?.to_owned())).collect()
        };
        Ok(vec![Statement { actions: texts("actions"), resources: texts("resources"), condition: None }])
    }

    fn preflight(&self, request: &PreflightRequest) -> Result<Vec<Finding>, PluginError> {
        sin("preflight", &request.keys);
        Ok(Vec::new())
    }

    fn stop(&self, request: &StopRequest) -> Result<StopReport, PluginError> {
        sin("stop", &request.keys);
        Ok(StopReport::default())
    }

    fn explain(&self, request: &ExplainRequest) -> Option<Explanation> {
        sin("explain", &request.keys);
        None
    }

    fn logs(&self, request: &LogsRequest) -> Result<Vec<LogSource>, PluginError> {
        sin("logs", &request.keys);
        Ok(Vec::new())
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
        if task.keys["local"]["sin"] == "flood" {
            while host.stop() == bunsui_plugin_sdk::Stop::No {
                host.log(Level::Info, "and another line", &Map::new());
            }
        }
        if task.keys["local"]["sin"] == "a long line" {
            let fields = Map::from_iter([("all".to_owned(), "f".repeat(1_000_000).into())]);
            host.log(Level::Info, &"é".repeat(300_000), &fields);
        }
        sin("run_local", &task.keys);
        Ok(json!({ "done": task.operation }))
    }
}

/// What a plugin must not do.
fn sin(call: &str, keys: &Json) {
    let only_in = keys["local"]["in"].as_str();
    if only_in.is_some_and(|only_in| only_in != call) {
        return;
    }
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
        "spin" => loop {
            std::hint::spin_loop();
        },
        "deadlock" => deadlock(),
        "leak" => leak(),
        "fork" => fork_and_stay(),
        "close everything" => close_all(3),
        "close stdout" => close_all_of([1]),
        // SAFETY: none; that is the point.
        "free twice" => unsafe {
            let memory = malloc(64);
            free(memory);
            free(memory);
        },
        "print" => {
            let mut stdout = std::io::stdout();
            let _ = stdout.write_all(b"\x08\0\0\0garbage!\n");
            let _ = stdout.flush();
        }
        "write into everything" => write_into_all(),
        _ => {}
    }
}

/// Two that wait for each other.
fn deadlock() {
    static LOCKS: [Mutex<()>; 2] = [Mutex::new(()), Mutex::new(())];
    let both = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        for (first, second) in [(0, 1), (1, 0)] {
            let both = &both;
            scope.spawn(move || {
                let _first = LOCKS[first].lock();
                both.wait();
                let _second = LOCKS[second].lock();
            });
        }
    });
}

fn leak() {
    loop {
        // Not zero: pages that nobody wrote to are no memory.
        std::mem::forget(vec![1_u8; 8 << 20]);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

fn fork_and_stay() {
    // SAFETY: none; that is the point.
    if unsafe { fork() } == 0 {
        // SAFETY: the child's parent must not take it for its own.
        if unsafe { fork() } != 0 {
            return;
        }
        loop {
            std::thread::sleep(std::time::Duration::from_secs(1));
        }
    }
}

fn close_all(from: i32) {
    close_all_of(from..1024);
}

fn close_all_of(descriptors: impl IntoIterator<Item = i32>) {
    for fd in descriptors {
        // SAFETY: none; they are not ours.
        unsafe { close(fd) };
    }
}

/// Into the host's own pipes, too.
fn write_into_all() {
    let garbage = b"\xff\xff\xff\xffgarbage";
    for fd in 3..64 {
        // SAFETY: none; they are not ours. What can only be read from refuses it.
        unsafe { write(fd, garbage.as_ptr(), garbage.len()) };
    }
}
