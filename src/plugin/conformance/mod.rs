//! Whether a library is a plugin that bunsui can rely on: a suite of checks over any library, in Rust, C or something else.
//!
//! Takes: a library. Gives: a verdict on each claim that docs/plugin-abi.md makes of plugins.
//! The interface itself is tried by a process of its own, in which the suite holds the raw table of functions; what the plugin means
//! is tried through a plugin host, as every command does.
//! Deliberately does not: judge what an operation type is good for, or speak to AWS.

mod abi_suite;
mod declared;
mod example;
mod guarded;
mod here;

use super::client::DEADLINE;
use super::library::{self, LoadError};
use super::{Plugins, processes};
pub use abi_suite::conformance_main;
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// As it should be.
    Passed,
    /// Usable, but who uses the plugin would be better off otherwise.
    Warning,
    /// Not as docs/plugin-abi.md says.
    Failed,
    /// Could not be tried.
    Skipped,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// What was tried, as a claim: `describing itself twice gives the same`.
    pub check: String,
    /// How it ended.
    pub outcome: Outcome,
    /// What was found instead, or why it could not be tried; several lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Verdict {
    fn new(check: impl Into<String>, outcome: Outcome, detail: Option<String>) -> Self {
        Self { check: check.into(), outcome, detail }
    }

    /// Passed, or failed for a reason.
    fn of(check: impl Into<String>, tried: Result<(), String>) -> Self {
        match tried {
            Ok(()) => Self::new(check, Outcome::Passed, None),
            Err(reason) => Self::new(check, Outcome::Failed, Some(reason)),
        }
    }
}

/// What is tried.
#[derive(Debug, Clone)]
pub struct ConformanceOptions {
    /// The library.
    pub library: PathBuf,
    /// bunsui's own executable: it is started as a host, and for the suite that holds the table of functions.
    pub executable: PathBuf,
    /// Whether examples are run, where they have a local form.
    pub runs_examples: bool,
    /// How many bytes of memory a host may have.
    pub memory_limit: u64,
}

/// What a library is, and how it fared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conformance {
    /// Its name; none where it does not say one that can be used.
    pub plugin: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// Its operation types.
    pub operation_types: Vec<String>,
    /// All that was tried, in order.
    pub verdicts: Vec<Verdict>,
}

impl Conformance {
    /// How many checks ended so.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.verdicts.iter().filter(|verdict| verdict.outcome == outcome).count()
    }
}

/// How long a check of the table of functions may take.
const LONGEST_CHECK: Duration = Duration::from_secs(20);

/// Tries a library. `said` hears each verdict as it is found.
pub async fn conformance(
    options: &ConformanceOptions,
    said: &mut (dyn FnMut(&Verdict) + Send),
) -> Conformance {
    let mut found =
        Conformance { plugin: None, version: None, operation_types: Vec::new(), verdicts: Vec::new() };
    let mut say = |verdict: Verdict| {
        said(&verdict);
        found.verdicts.push(verdict);
    };
    let loadable = library::inspect(&options.library)
        .and_then(|()| library::refuse_writable(&options.library))
        .map_err(|error| about(&error));
    let is_loadable = loadable.is_ok();
    say(Verdict::of("it is a shared library that only its owner can change", loadable));
    if !is_loadable {
        return found;
    }
    if !try_table(options, &mut say) {
        return found;
    }
    match Plugins::of_library(&options.library, &options.executable, options.memory_limit) {
        Ok((folder, plugins)) => {
            let plugin = &plugins.found()[0];
            found.plugin = Some(plugin.name.clone());
            found.version = Some(plugin.version.clone());
            found.operation_types.clone_from(&plugin.operation_types);
            say(Verdict::of("what it declares can be used", Ok(())));
            for kind in &plugin.operation_types {
                declared::try_type(&plugins, kind, &mut say);
                example::try_examples(&plugins, kind, options.runs_examples, &mut say).await;
            }
            drop((plugins, folder));
        }
        Err(passed_over) => {
            let reason = format!("{} [{}]", passed_over.reason, passed_over.code);
            say(Verdict::of("what it declares can be used", Err(reason)));
        }
    }
    found
}

fn about(error: &LoadError) -> String {
    format!("{error} [{}]", error.code())
}

/// What the process that tries the table of functions says, a line each.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    /// A check begins: if nothing more comes, it is the one that ended the process.
    Begun(String),
    /// A check ended.
    Ended(Verdict),
    /// All are done.
    Done,
}

/// Tries the table of functions in a process of its own; false: no host would get further.
fn try_table(options: &ConformanceOptions, say: &mut impl FnMut(Verdict)) -> bool {
    let mut command = Command::new(&options.executable);
    command.arg("__plugin-conformance").arg(&options.library);
    // Memory that was given back is overwritten, so that who still reads it is seen.
    command.env("MALLOC_PERTURB_", "165");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let started = processes::start_host(&mut command);
    let Ok(mut child) = started.map_err(|error| {
        let reason = format!("`{}` cannot be started: {error}", options.executable.display());
        say(Verdict::of("its table of functions can be tried", Err(reason)));
    }) else {
        return false;
    };
    let lines = hear(child.stdout.take());
    let talk = read_all(child.stderr.take());
    let mut current = "it can be loaded".to_owned();
    let mut is_usable = true;
    let ended_early = loop {
        match lines.recv_timeout(LONGEST_CHECK) {
            Ok(Said::Begun(check)) => current = check,
            Ok(Said::Ended(verdict)) => {
                is_usable &= verdict.check != abi_suite::LOADS || verdict.outcome != Outcome::Failed;
                say(verdict);
            }
            Ok(Said::Done) => break None,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                break Some(format!("no answer within {} seconds", LONGEST_CHECK.as_secs()));
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break Some(String::new()),
        }
    };
    let is_hung = ended_early.as_ref().is_some_and(|reason| !reason.is_empty());
    if is_hung || ended_early.is_none() {
        let _ = child.kill();
    }
    let status = child.wait();
    processes::end_what_host_left(child.id());
    if let Some(mut reason) = ended_early {
        if let (false, Ok(status)) = (is_hung, status) {
            let talk = talk.recv_timeout(Duration::from_millis(500)).unwrap_or_default();
            let last: Vec<&str> = talk.lines().rev().take(4).collect();
            let last: Vec<&str> = last.into_iter().rev().collect();
            reason = format!("its process {}", super::life::how_it_ended(status));
            if !last.is_empty() {
                reason = format!("{reason}; its last words:\n{}", last.join("\n"));
            }
        }
        is_usable &= current != abi_suite::LOADS;
        say(Verdict::of(current, Err(reason)));
    }
    is_usable
}

fn hear(output: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Said> {
    let (said, heard) = mpsc::channel();
    std::thread::spawn(move || {
        let lines =
            output.into_iter().flat_map(|output| BufReader::new(output).lines()).map_while(Result::ok);
        // What the plugin prints is on standard error; a line that is none of ours is nothing.
        for line in lines.filter_map(|line| serde_json::from_str(&line).ok()) {
            if said.send(line).is_err() {
                return;
            }
        }
    });
    heard
}

fn read_all(talk: Option<impl Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (said, heard) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(talk) = talk {
            let _ = talk.take(1 << 20).read_to_end(&mut text);
        }
        let _ = said.send(String::from_utf8_lossy(&text).into_owned());
    });
    heard
}

/// As every call but a local run.
const CALL_DEADLINE: Duration = DEADLINE;
