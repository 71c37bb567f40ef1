//! Signals to a running session, and what is left after each.

use crate::product::{
    Running, assert_none_left, function, job, pipeline, processes, run_json, statuses, wait_until,
};
use crate::scratch;
use bunsui_test_support::Scratch;
use rustix::process::{Pid, Signal, kill_process};

/// A job that says it has started and waits for a file, one after it, and one that waits for room.
fn two_in_a_row(script: &str) -> Scratch {
    let scratch = scratch();
    scratch.write(
        "t.toml",
        pipeline(&(job("first", "", "", script) + &job("second", "depends_on = [\"first\"]", "", "true"))),
    );
    scratch
}

const WAITS: &str = "touch started; while [ ! -e go ]; do sleep 0.05; done";

fn started(scratch: &Scratch) -> Running {
    let running = Running::start(scratch, "run t.toml");
    let mark = scratch.directory().join("started");
    wait_until("the job's process runs", || mark.exists());
    running
}

fn status_of_last(scratch: &Scratch) -> String {
    let shown = scratch.run("session show last --output json").expect_code(0).json();
    let records = shown["job_records"].as_array().expect("a list");
    let jobs: Vec<&str> = records.iter().filter_map(|job| job["status"].as_str()).collect();
    format!("{}: {}", shown["status"].as_str().unwrap_or("?"), jobs.join(" "))
}

#[track_caller]
fn check_pause(signal: Signal, reason: &str) {
    let scratch = two_in_a_row(WAITS);
    let running = started(&scratch);
    running.signal(signal);
    running.wait_for(&format!(
        "pausing: {reason}; nothing new starts, 1 running job may finish (interrupt again to cancel, a third time to leave at once)"
    ));
    scratch.write("go", "");
    let (code, said) = running.end();
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("succeeded  first"), "{said}");
    assert!(said.contains(&format!("paused: {reason}")), "{said}");
    assert!(!said.contains("started    second"), "{said}");
    assert_eq!(status_of_last(&scratch), "paused: succeeded pending");
    assert_none_left(&scratch);
}

#[test]
fn one_interrupt_lets_running_jobs_finish_and_pauses() {
    check_pause(Signal::INT, "interrupted");
}

#[test]
fn being_told_to_terminate_counts_as_one_interrupt() {
    check_pause(Signal::TERM, "told to terminate");
}

#[test]
fn an_interrupt_during_the_last_job_leaves_a_finished_session() {
    let scratch = scratch();
    scratch.write("t.toml", pipeline(&job("only", "", "", WAITS)));
    let running = started(&scratch);
    running.signal(Signal::INT);
    running.wait_for("pausing");
    scratch.write("go", "");
    let (code, said) = running.end();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(status_of_last(&scratch), "succeeded: succeeded");
}

#[test]
fn two_interrupts_cancel() {
    let scratch = two_in_a_row("touch started; sleep 1000 & sleep 1000");
    let running = started(&scratch);
    running.signal(Signal::INT);
    running.wait_for("pausing");
    running.signal(Signal::INT);
    let (code, said) = running.end();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("cancelling: interrupted; running jobs are stopped"), "{said}");
    assert!(said.contains("cancelled  first: the session was cancelled"), "{said}");
    assert!(said.contains("cancelled  second: the session was cancelled before it started"), "{said}");
    assert_eq!(status_of_last(&scratch), "cancelled: cancelled cancelled");
    assert_none_left(&scratch);
}

#[test]
fn three_interrupts_leave_at_once() {
    let scratch = two_in_a_row("trap '' TERM INT; touch started; while :; do sleep 1; done");
    let running = started(&scratch);
    running.signal(Signal::INT);
    running.wait_for("pausing");
    running.signal(Signal::INT);
    running.wait_for("cancelling");
    running.signal(Signal::INT);
    let (code, said) = running.end();
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains("left session"), "{said}");
    assert_none_left(&scratch);
}

/// A process with a child of its own and a function that waits in a warm process.
fn long_work() -> Scratch {
    let scratch = scratch();
    let process = job("process", "", "", "sleep 1000 & touch started; setsid sleep 1000 & wait");
    let work = process + &function("warm", "", "", "wait");
    scratch.write("t.toml", pipeline(&work));
    scratch.write(
        "handlers.py",
        "import pathlib, time\ndef wait(event, context):\n    pathlib.Path('warm').touch()\n    time.sleep(1000)\n",
    );
    scratch
}

#[test]
fn a_runner_that_is_killed_leaves_no_process() {
    let scratch = long_work();
    let running = started(&scratch);
    let warm = scratch.directory().join("warm");
    wait_until("the function's process runs", || warm.exists());
    // bunsui, two plugin hosts, a shell, two of its children, a function.
    assert!(processes(&scratch).len() >= 7, "{:?}", processes(&scratch));
    running.signal(Signal::KILL);
    let (code, _) = running.end();
    assert_eq!(code, None);
    assert_none_left(&scratch);
}

/// Kills the plugin host of ecs.
fn kill_host(scratch: &Scratch) {
    let is_host = |(_, arguments): &&(i32, String)| {
        arguments.contains("__plugin-host") && arguments.contains("libbunsui_plugin_ecs")
    };
    let found = processes(scratch);
    let (pid, _) = found.iter().find(is_host).unwrap_or_else(|| panic!("no host: {found:?}"));
    kill_process(Pid::from_raw(*pid).expect("not 0"), Signal::KILL).expect("it runs");
}

#[test]
fn a_plugin_host_that_is_killed_fails_its_task() {
    let scratch = two_in_a_row("touch started; sleep 1000 & sleep 1000");
    let running = started(&scratch);
    kill_host(&scratch);
    let (code, said) = running.end();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("Plugin.Crashed"), "{said}");
    assert!(said.contains("plugin `ecs` crashed"), "{said}");
    assert_none_left(&scratch);
}

#[test]
fn a_retry_after_a_crash_gets_a_fresh_host() {
    let scratch = scratch();
    let script = "if [ -e started ]; then exit 0; fi; touch started; sleep 1000";
    let retry = "retry = { max_attempts = 2, interval = \"1s\", on = [\"Plugin.Crashed\"] }";
    scratch.write("t.toml", pipeline(&job("first", "", retry, script)));
    let running = started(&scratch);
    kill_host(&scratch);
    let (code, said) = running.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("retrying   first/run: try 1 failed with Plugin.Crashed"), "{said}");
    assert_none_left(&scratch);
}

/// As where a container's command is started by somebody outside of it: the leader of its session is in no process list.
#[test]
fn a_host_may_die_where_the_sessions_leader_is_outside() {
    let scratch = scratch();
    let crash = "retry = { max_attempts = 2, interval = \"1s\", on = [\"Plugin.Crashed\"] }";
    let script = "if [ -e started ]; then exit 0; fi; touch started; kill -9 $PPID; sleep 1000";
    scratch.write("t.toml", pipeline(&job("first", "", crash, script)));
    let Some(mut command) = in_a_namespace_of_its_own(&scratch, "run t.toml") else { return };
    let finished = scratch.finish(command.stdin(std::process::Stdio::null())).expect_code(0);
    assert!(finished.stderr.contains("try 1 failed with Plugin.Crashed"), "{}", finished.stderr);
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
    assert_none_left(&scratch);
}

/// None where this user may not make namespaces.
fn in_a_namespace_of_its_own(scratch: &Scratch, line: &str) -> Option<std::process::Command> {
    let forms: [&[&str]; 2] = [&[], &["--user", "--map-root-user"]];
    let unshare = |form: &[&str]| {
        let mut command = std::process::Command::new("unshare");
        command.args(form).args(["--pid", "--fork", "--mount-proc"]);
        command
    };
    let Some(form) = forms
        .into_iter()
        .find(|form| unshare(form).arg("true").output().is_ok_and(|output| output.status.success()))
    else {
        eprintln!("skipped: namespaces cannot be made here");
        return None;
    };
    let inner = scratch.command(line.split_whitespace());
    let mut command = unshare(form);
    command.arg(inner.get_program()).args(inner.get_args()).current_dir(scratch.directory()).env_clear();
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Some(command)
}

#[test]
fn a_finished_session_leaves_no_process() {
    let scratch = scratch();
    scratch.write(
        "t.toml",
        pipeline(
            &(job("left", "", "", "setsid sleep 1000 & sleep 1000 & true") + &function("warm", "", "", "f")),
        ),
    );
    scratch.write("handlers.py", "def f(event, context):\n    return 1\n");
    let finished = run_json(&scratch, "").expect_code(0);
    assert_eq!(statuses(&finished), "left=succeeded warm=succeeded");
    assert_none_left(&scratch);
}
