//! A folder of a test's own, and bunsui run in it.

use crate::{Redactions, plugin_folder};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// No run takes so long, however busy the machine is: one that hangs shall cost its test and not the whole run of tests.
const LONG: Duration = Duration::from_secs(180);

/// A folder that is gone with this value, and the environment of what runs in it: `PATH`, `HOME` (a folder beside the working
/// one), `BUNSUI_PLUGIN_PATH`, `AWS_EC2_METADATA_DISABLED`, and nothing else.
#[derive(Debug)]
pub struct Scratch {
    executable: PathBuf,
    root: tempfile::TempDir,
    directory: PathBuf,
    variables: BTreeMap<String, String>,
}

/// What a run of bunsui left.
#[derive(Debug)]
pub struct Finished {
    /// None where a signal ended it.
    pub code: Option<i32>,
    /// As it was.
    pub stdout: String,
    /// As it was.
    pub stderr: String,
    redactions: Redactions,
}

impl Scratch {
    /// An empty folder. `executable`: `env!("CARGO_BIN_EXE_bunsui")`.
    ///
    /// # Panics
    ///
    /// Where there is no room for a folder.
    pub fn new(executable: impl Into<PathBuf>) -> Self {
        let root = tempfile::Builder::new().prefix("bunsui-test-").tempdir().expect("a scratch folder");
        let real = root.path().canonicalize().expect("it is there");
        let directory = real.join("work");
        fs::create_dir_all(&directory).expect("made");
        fs::create_dir_all(real.join("home")).expect("made");
        let variables = BTreeMap::from([
            ("PATH".to_owned(), std::env::var("PATH").unwrap_or_default()),
            ("HOME".to_owned(), real.join("home").to_string_lossy().into_owned()),
            ("BUNSUI_PLUGIN_PATH".to_owned(), plugin_folder().to_string_lossy().into_owned()),
            // Nothing may look for a machine of Amazon's to be on.
            ("AWS_EC2_METADATA_DISABLED".to_owned(), "true".to_owned()),
        ]);
        Self { executable: executable.into(), root, directory, variables }
    }

    /// The working folder.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The home folder.
    pub fn home(&self) -> PathBuf {
        self.directory.with_file_name("home")
    }

    /// Sets a variable for what is run from now on.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The executable in a folder of its own, without the libraries that lie beside it where it was built.
    ///
    /// # Panics
    ///
    /// Where it cannot be put there.
    #[must_use]
    pub fn alone(mut self) -> Self {
        let own = self.root.path().join("alone/bin/bunsui");
        fs::create_dir_all(own.parent().expect("it has one")).expect("made");
        if fs::hard_link(&self.executable, &own).is_err() {
            fs::copy(&self.executable, &own).expect("copied");
        }
        self.executable = own;
        self
    }

    /// Takes a variable away.
    #[must_use]
    pub fn without_variable(mut self, name: &str) -> Self {
        self.variables.remove(name);
        self
    }

    /// Writes a file below the working folder, and the folders to it.
    ///
    /// # Panics
    ///
    /// Where that fails.
    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.directory.join(path);
        fs::create_dir_all(path.parent().expect("it is below the folder")).expect("made");
        fs::write(&path, text).expect("written");
        path
    }

    /// Reads a file below the working folder.
    ///
    /// # Panics
    ///
    /// Where it is not there.
    #[track_caller]
    pub fn read(&self, path: &str) -> String {
        let path = self.directory.join(path);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
    }

    /// Copies a file or a folder of the repository to the same path below the working folder.
    ///
    /// # Panics
    ///
    /// Where that fails.
    pub fn copy_of_repository(&self, path: &str) -> PathBuf {
        let target = self.directory.join(path);
        copy(&crate::repository().join(path), &target);
        target
    }

    /// The command, for tests that do more than wait for it.
    pub fn command(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(&self.executable);
        command.args(arguments).current_dir(&self.directory).env_clear().envs(&self.variables);
        // Where an instrumented build leaves its counters: else what only these processes reach would count as not covered.
        command.envs(std::env::var_os("LLVM_PROFILE_FILE").map(|file| ("LLVM_PROFILE_FILE", file)));
        command
    }

    /// Runs bunsui with arguments as a shell would split this line at its spaces (quotes mean nothing here).
    ///
    /// # Panics
    ///
    /// Where it cannot be started.
    pub fn run(&self, line: &str) -> Finished {
        self.run_with(line.split_whitespace())
    }

    /// Runs bunsui with arguments.
    ///
    /// # Panics
    ///
    /// Where it cannot be started.
    pub fn run_with(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Finished {
        self.finish(self.command(arguments).stdin(Stdio::null()))
    }

    /// Runs a command of [`command`](Self::command)'s making to its end.
    ///
    /// # Panics
    ///
    /// Where it cannot be started, or does not end.
    pub fn finish(&self, command: &mut Command) -> Finished {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        self.finished(command.spawn().expect("it starts"))
    }

    /// Runs bunsui and gives it a text on standard input.
    ///
    /// # Panics
    ///
    /// Where it cannot be started.
    pub fn run_with_input(&self, line: &str, input: &str) -> Finished {
        let mut command = self.command(line.split_whitespace());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("bunsui starts");
        let mut stdin = child.stdin.take().expect("it is piped");
        let input = input.to_owned();
        // It may print before it has read all; a full pipe on either side would stop both.
        let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
        let finished = self.finished(child);
        let _ = writer.join();
        finished
    }

    fn finished(&self, mut child: Child) -> Finished {
        let stdout = reader(child.stdout.take().expect("it is piped"));
        let stderr = reader(child.stderr.take().expect("it is piped"));
        let status = wait(&mut child);
        let text = |reader: JoinHandle<Vec<u8>>| {
            String::from_utf8_lossy(&reader.join().unwrap_or_default()).into_owned()
        };
        let (stdout, stderr) = (text(stdout), text(stderr));
        let Some(status) = status else {
            panic!("it did not end within {LONG:?}\nstdout:\n{stdout}\nstderr:\n{stderr}")
        };
        Finished { code: status.code(), stdout, stderr, redactions: self.redactions() }
    }

    /// What is replaced in this folder's snapshots.
    pub fn redactions(&self) -> Redactions {
        Redactions::new()
            .path(&self.directory, "[WORK]")
            .path(&self.home(), "[HOME]")
            .path(self.root.path(), "[SCRATCH]")
            .path(&plugin_folder(), "[PLUGINS]")
            .path(self.executable.parent().unwrap_or(Path::new("/")), "[BIN]")
            .path(&crate::repository(), "[REPOSITORY]")
    }
}

impl Finished {
    /// Exit code, stdout and stderr as one text, without what changes from run to run.
    pub fn snapshot(&self) -> String {
        let mut text = String::new();
        match self.code {
            Some(code) => writeln!(text, "exit code: {code}"),
            None => writeln!(text, "ended by a signal"),
        }
        .expect("a string takes everything");
        for (name, stream) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            let stream = self.redactions.apply(stream);
            writeln!(text, "----- {name} -----").expect("a string takes everything");
            for line in stream.lines() {
                writeln!(text, "{}", line.trim_end()).expect("a string takes everything");
            }
        }
        text
    }

    /// Expects an exit code; where it differs, the test fails with all that was said.
    ///
    /// # Panics
    ///
    /// Where it ended otherwise.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Each line of stdout as JSON.
    ///
    /// # Panics
    ///
    /// Where one is not.
    #[track_caller]
    pub fn json_lines(&self) -> Vec<serde_json::Value> {
        let read = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("not JSON ({error}): {line}"))
        };
        self.stdout.lines().map(read).collect()
    }

    /// Stdout as one JSON value.
    ///
    /// # Panics
    ///
    /// Where it is not.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.stdout))
    }
}

fn reader(mut stream: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        bytes
    })
}

/// None: it had to be killed.
fn wait(child: &mut Child) -> Option<ExitStatus> {
    let began = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            return Some(status);
        }
        if began.elapsed() > LONG {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

fn copy(source: &Path, target: &Path) {
    if source.is_dir() {
        fs::create_dir_all(target).expect("made");
        for entry in fs::read_dir(source).expect("a folder") {
            let entry = entry.expect("an entry");
            copy(&entry.path(), &target.join(entry.file_name()));
        }
    } else {
        fs::create_dir_all(target.parent().expect("it is in a folder")).expect("made");
        fs::copy(source, target).unwrap_or_else(|error| panic!("cannot copy {}: {error}", source.display()));
    }
}
