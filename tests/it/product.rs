//! What tests of the running product share: pipelines of shell scripts, processes that are waited for, what is left of them.

use bunsui_test_support::{Finished, Scratch};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// No condition takes so long, however busy the machine is; only a failing test waits for all of it.
const LONG: Duration = Duration::from_secs(60);

/// A pipeline named `t` of these jobs; those of type ecs need no more than `local`.
pub(crate) fn pipeline(jobs: &str) -> String {
    pipeline_with("", jobs)
}

/// The same with more keys in `[pipeline]`, or tables after it.
pub(crate) fn pipeline_with(head: &str, jobs: &str) -> String {
    format!(
        "[pipeline]\nname = \"t\"\n{head}\n\n[defaults.ecs]\ncontainer = \"main\"\ntask_definition = \"t\"\n\n{jobs}"
    )
}

/// A job whose one operation `run` is a shell script. `keys` are the job's, `own` the operation's.
pub(crate) fn job(id: &str, keys: &str, own: &str, script: &str) -> String {
    format!(
        "[jobs.{id}]\n{keys}\n[[jobs.{id}.operations]]\nname = \"run\"\ntype = \"ecs\"\n{own}\n\
         local = {{ command = [\"sh\", \"-c\", '''{script}'''] }}\n\n"
    )
}

/// A job that is a Lambda function of `handlers.py`. `own` are its operation's keys.
pub(crate) fn function(id: &str, keys: &str, own: &str, handler: &str) -> String {
    format!(
        "[jobs.{id}]\n{keys}\n[[jobs.{id}.operations]]\nname = \"call\"\ntype = \"lambda\"\nfunction = \"{id}\"\n{own}\n\
         local = {{ handler = \"handlers.py:{handler}\" }}\n\n"
    )
}

/// A job that does nothing and gives `result`.
pub(crate) fn given(id: &str, keys: &str, result: &str) -> String {
    format!(
        "[jobs.{id}]\n{keys}\n[[jobs.{id}.operations]]\nname = \"give\"\ntype = \"lambda\"\nfunction = \"{id}\"\n\
         local = {{ result = {result} }}\n\n"
    )
}

/// Runs t.toml with `--output json`.
pub(crate) fn run_json(scratch: &Scratch, arguments: &str) -> Finished {
    scratch.run(&format!("run t.toml --output json {arguments}"))
}

/// The session's summary: the last line of `--output json`.
#[track_caller]
pub(crate) fn summary(finished: &Finished) -> Json {
    let last = finished.json_lines().pop().unwrap_or_else(|| panic!("no output: {}", finished.stderr));
    assert_eq!(last["event"], "session_summary", "{last}");
    last["session"].clone()
}

/// Each job's record, by its key.
#[track_caller]
pub(crate) fn jobs(finished: &Finished) -> BTreeMap<String, Json> {
    let summary = summary(finished);
    let records = summary["job_records"].as_array().expect("a list").iter();
    records.map(|job| (job["job_key"].as_str().expect("a text").to_owned(), job.clone())).collect()
}

/// `a=succeeded b=failed`, in the order of the file.
#[track_caller]
pub(crate) fn statuses(finished: &Finished) -> String {
    statuses_of(&summary(finished))
}

/// The same of what `session show --output json` prints.
#[track_caller]
pub(crate) fn statuses_of(session: &Json) -> String {
    let records = session["job_records"].as_array().expect("a list").iter();
    let texts = records.map(|job| {
        format!("{}={}", job["job_key"].as_str().unwrap_or("?"), job["status"].as_str().unwrap_or("?"))
    });
    texts.collect::<Vec<_>>().join(" ")
}

/// The output of a job, where its record holds it.
#[track_caller]
pub(crate) fn output(finished: &Finished, job: &str) -> Json {
    jobs(finished)[job]["output"]["inline"].clone()
}

/// Waits until it is so.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LONG, "waited for {LONG:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The same; if it does not come true, what was said until then is shown.
#[track_caller]
pub(crate) fn wait_or_say(what: &str, is_so: impl Fn() -> bool, said: impl Fn() -> String) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LONG, "waited for {LONG:?}: {what}; it was said:\n{}", said());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A bunsui that runs while the test goes on.
pub(crate) struct Running {
    child: Child,
    said: Arc<Mutex<String>>,
    reader: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    /// Starts it; what it says on stderr is kept.
    pub(crate) fn start(scratch: &Scratch, line: &str) -> Self {
        let mut command = scratch.command(line.split_whitespace());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("bunsui starts");
        let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let said = Arc::new(Mutex::new(String::new()));
        let into = said.clone();
        let reader = std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let mut text = into.lock().expect("nobody panics with it");
                text.push_str(&line);
                text.push('\n');
            }
        });
        Self { child, said, reader: Some(reader) }
    }

    /// All that it said until now.
    pub(crate) fn said(&self) -> String {
        self.said.lock().expect("nobody panics with it").clone()
    }

    /// Waits until it has said this.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) {
        let began = Instant::now();
        while !self.said().contains(text) {
            assert!(began.elapsed() < LONG, "it does not say `{text}`; it said:\n{}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("it still runs");
    }

    /// Waits for its end and gives its exit code and all that it said.
    #[track_caller]
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let began = Instant::now();
        let status: ExitStatus = loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                break status;
            }
            assert!(began.elapsed() < LONG, "it does not end; it said:\n{}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        };
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        (status.code(), self.said())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test that failed must leave nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processes in whose environment the scratch folder's home is: bunsui, its plugin hosts, and all that they started.
/// Each with its arguments, joined by spaces.
pub(crate) fn processes(scratch: &Scratch) -> Vec<(i32, String)> {
    let home = format!("HOME={}", scratch.home().display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("there is a /proc").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment.split(|byte| *byte == 0).any(|variable| variable == home.as_bytes()) {
            let arguments = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            found.push((pid, String::from_utf8_lossy(&arguments).replace('\0', " ")));
        }
    }
    found
}

/// Waits until no process of the scratch folder is left.
#[track_caller]
pub(crate) fn assert_none_left(scratch: &Scratch) {
    let began = Instant::now();
    loop {
        let left = processes(scratch);
        if left.is_empty() {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "processes are left: {left:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// All files below a folder.
pub(crate) fn files_below(folder: PathBuf) -> Vec<PathBuf> {
    let mut folders = vec![folder];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            if entry.path().is_dir() { folders.push(entry.path()) } else { files.push(entry.path()) }
        }
    }
    files
}
