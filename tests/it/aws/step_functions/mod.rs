//! The whole of bunsui against a Step Functions that throttles, forgets, answers late and redrives, which no emulator does: a stand-in
//! has it, and ministack has all else.
//!
//! Takes: jobs, and a script that says of each execution what becomes of it. Gives: what bunsui made of it, and what the server saw.
//! Deliberately does not: run handlers. What executions give is what the script says.

mod cancel;
mod crash;
mod events;
mod explained;
mod faults;
mod logs;
mod mended;
mod quotas;
mod redrive;
mod starts;
mod tui;
mod two_runners;

use super::{connection, functions, make_tables, of_connection, scratch_at};
use bunsui::backend::aws::Connection;
use bunsui::runner::port::SessionStore;
use bunsui::session::{SessionEvent, SessionId};
use bunsui_test_support::step_functions::{Execution, Options, Script, StandIn};
use bunsui_test_support::{Finished, Scratch, ministack};
use serde_json::Value as Json;
use std::sync::Arc;
use std::time::Duration;

/// An account: its Step Functions is the stand-in's, its tables and its bucket are ministack's.
struct Site {
    account: String,
    connection: Connection,
    stand_in: StandIn,
    /// What asks ministack in the test's own process.
    runtime: tokio::runtime::Runtime,
}

impl Site {
    /// Nothing is deployed in it. None: ministack is not installed.
    fn new(options: Options) -> Option<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a thread");
        let connection = runtime.block_on(connection())?;
        runtime.block_on(make_tables(&connection));
        let account = connection.account().to_owned();
        let stand_in = StandIn::start(Options { account: account.clone(), ..options });
        Some(Self { account, connection, stand_in, runtime })
    }

    /// A folder from which bunsui works in this account, as from a machine of its own.
    fn machine(&self) -> Scratch {
        self.machine_behind(&ministack().expect("it runs").address, &self.stand_in.address)
    }

    /// The same, with a way of its own to Step Functions, and to all else.
    fn machine_behind(&self, aws: &str, step_functions: &str) -> Scratch {
        scratch_at(ministack().expect("it runs"), &self.account)
            .with_variable("BUNSUI_AWS__ENDPOINT_URL", aws)
            .with_variable("BUNSUI_AWS__ENDPOINT_URLS__SFN", step_functions)
            .with_variable(
                "BUNSUI_AWS__EXECUTION_ROLE",
                &format!("arn:aws:iam::{}:role/bunsui/t", self.account),
            )
    }

    /// The same as [`machine`](Self::machine), with a pipeline of these jobs, which is deployed.
    fn deployed(&self, jobs: &str) -> Scratch {
        let scratch = self.machine();
        scratch.write("t.toml", functions(jobs));
        scratch.run("deploy t.toml").expect_code(0);
        self.stand_in.forget_calls();
        scratch
    }

    fn store(&self) -> Arc<dyn SessionStore> {
        of_connection(&self.connection).sessions
    }

    /// A session's events, whose numbers have no gap.
    #[track_caller]
    fn events(&self, session: &SessionId) -> Vec<SessionEvent> {
        let events = self.runtime.block_on(self.store().events(session, 0, 100_000)).expect("they are there");
        for (at, event) in events.iter().enumerate() {
            assert_eq!(event.number, at as u64 + 1, "{event:?}");
        }
        events
    }

    /// The executions of a job, in the order of their starts.
    fn executions(&self, job: &str) -> Vec<Execution> {
        let all = self.stand_in.executions().into_iter();
        all.filter(|execution| job_of(&execution.machine) == job).collect()
    }

    /// The only execution of a job.
    #[track_caller]
    fn execution(&self, job: &str) -> Execution {
        let mut all = self.executions(job);
        assert_eq!(all.len(), 1, "executions of {job}: {all:?}");
        all.remove(0)
    }

    /// How often an API was called, not counting calls that were throttled.
    fn calls(&self, api: &str) -> u64 {
        self.stand_in.calls().get(api).map_or(0, |calls| calls.calls - calls.throttled)
    }

    /// How often each execution was created, those that are gone by now included; sorted.
    fn created(&self) -> Vec<u32> {
        let mut created: Vec<u32> = self.stand_in.starts().values().map(|starts| starts.created).collect();
        created.sort_unstable();
        created
    }
}

/// The job whose state machine it is, by its name or ARN.
fn job_of(machine: &str) -> &str {
    machine.rsplit("--").next().unwrap_or_default()
}

/// So many seconds, in the stand-in's time.
fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// It takes half a second and gives this.
fn quick(output: Json) -> Script {
    Script::succeeded(seconds(0.5), output)
}

/// A job of two operations, `extract` and `load`.
fn two_operations(id: &str) -> String {
    let operation = |name: &str| {
        format!("[[jobs.{id}.operations]]\nname = \"{name}\"\ntype = \"lambda\"\nfunction = \"{name}\"\n")
    };
    format!("[jobs.{id}]\n{}{}\n", operation("extract"), operation("load"))
}

/// Both operations were tried, and the second failed.
fn load_failed() -> Script {
    Script::failed(seconds(0.5), "ValueError", "no good").through(["extract", "load"])
}

/// A job's record in the session that is shown.
#[track_caller]
fn record(scratch: &Scratch, job: &str) -> Json {
    record_of(&scratch.run("session show last --output json").expect_code(0).json(), job)
}

#[track_caller]
fn record_of(session: &Json, job: &str) -> Json {
    let records = session["job_records"].as_array().expect("a list");
    let found = records.iter().find(|record| record["job_key"] == job);
    found.unwrap_or_else(|| panic!("no job {job} in {session}")).clone()
}

/// Runs bunsui until it ends itself at a step.
#[track_caller]
fn killed_at(scratch: &Scratch, step: &str, line: &str) -> Finished {
    let mut command = scratch.command(line.split_whitespace());
    command.env("BUNSUI_FAILPOINT", step);
    let finished = scratch.finish(&mut command);
    assert_eq!(finished.code, None, "`{line}` is killed at {step}: {}", finished.stderr);
    finished
}

/// So many cases of a test run at once: each waits for most of its time.
const AT_ONCE: usize = 8;

/// Does some of them at a time; a panic of one is the test's.
fn at_once<T: Send>(all: impl IntoIterator<Item = T>, work: impl Fn(T) + Sync) {
    let all = std::sync::Mutex::new(all.into_iter().collect::<std::collections::VecDeque<T>>());
    let next = || all.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop_front();
    std::thread::scope(|scope| {
        let (next, work) = (&next, &work);
        let worker = || {
            while let Some(one) = next() {
                work(one);
            }
        };
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(worker)).collect();
        for thread in threads {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
}

/// How many rounds of what takes patience: `BUNSUI_CRASHES`, as for the other tests of crashes.
fn rounds(least: usize) -> usize {
    std::env::var("BUNSUI_CRASHES").ok().and_then(|count| count.parse().ok()).unwrap_or(least)
}
