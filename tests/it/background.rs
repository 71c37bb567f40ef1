//! Runners in the background, following them, and pauses in which they wait.

use crate::product::{Running, assert_none_left, job, pipeline, statuses_of, wait_until};
use crate::scratch;
use bunsui_test_support::Scratch;
use rustix::process::{Pid, Signal, kill_process};

const WAITS: &str = "touch started; while [ ! -e go ]; do sleep 0.05; done";

fn two() -> Scratch {
    let scratch = scratch();
    let text =
        job("first", "", "", WAITS) + &job("second", "depends_on = [\"first\"]", "", "echo second >> ran");
    scratch.write("t.toml", pipeline(&text));
    scratch
}

fn wait_for_start(scratch: &Scratch) {
    let mark = scratch.directory().join("started");
    wait_until("the first job runs", || mark.exists());
}

fn shown(scratch: &Scratch) -> serde_json::Value {
    scratch.run("session show last --output json").expect_code(0).json()
}

fn wait_for_status(scratch: &Scratch, status: &str) {
    wait_until(status, || shown(scratch)["status"] == status);
}

#[test]
fn a_detached_run_prints_its_id_and_goes_on() {
    let scratch = two();
    let detached = scratch.run("run t.toml --detach").expect_code(0);
    let id = detached.stdout.trim().to_owned();
    wait_for_start(&scratch);
    let session = shown(&scratch);
    assert_eq!(session["session_id"].as_str(), Some(id.as_str()));
    // It leads a session of its own: no terminal's signals reach it.
    let pid = session["runner"]["pid"].as_u64().unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    assert_eq!(fields[3], pid.to_string(), "its session: {stat}");
    let following = Running::start(&scratch, "session attach last");
    following.wait_for("started    first");
    scratch.write("go", "");
    let (code, said) = following.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("succeeded  second") && said.contains("2 jobs: 2 succeeded"), "{said}");
    let log = scratch.read(&format!(".bunsui/runners/{id}.log"));
    assert!(log.contains("succeeded  second"), "{log}");
    assert_none_left(&scratch);
}

#[test]
fn what_cannot_run_is_refused_where_it_was_asked_for() {
    let scratch = two();
    let refused = scratch.run("run u.toml --detach").expect_code(2);
    assert!(refused.stderr.contains("bunsui::pipeline::unreadable"), "{}", refused.stderr);
    assert_eq!(refused.stdout, "");
    scratch.write("t.toml", "[pipeline]\nname = \"t\"\nx = 1\n");
    let refused = scratch.run("run t.toml --detach").expect_code(2);
    assert!(refused.stderr.contains("bunsui::pipeline::unknown_key"), "{}", refused.stderr);
    let refused = scratch.run("session resume last --detach").expect_code(2);
    assert!(refused.stderr.contains("bunsui::session::none"), "{}", refused.stderr);
    assert_none_left(&scratch);
}

#[test]
fn a_resume_and_a_retry_go_into_the_background_too() {
    let scratch = two();
    let running = Running::start(&scratch, "run t.toml");
    wait_for_start(&scratch);
    running.signal(Signal::KILL);
    running.end();
    scratch.write("go", "");
    scratch.run("session resume last --detach").expect_code(0);
    wait_for_status(&scratch, "succeeded");
    scratch.run("session retry last --job second --detach").expect_code(0);
    wait_until("it was retried", || {
        shown(&scratch)["retries"] == 1 && shown(&scratch)["status"] == "succeeded"
    });
    assert_eq!(scratch.read("ran").lines().count(), 2);
}

#[test]
fn a_follower_can_leave_and_come_back_and_never_drives() {
    let scratch = two();
    scratch.run("run t.toml --detach").expect_code(0);
    wait_for_start(&scratch);
    let following = Running::start(&scratch, "session attach last");
    following.wait_for("started    first");
    following.signal(Signal::INT);
    let (code, said) = following.end();
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("goes on"), "{said}");
    assert_eq!(shown(&scratch)["status"], "running");
    // What happened until now is told again.
    let json = scratch
        .command(["session", "attach", "last", "--output", "json"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    scratch.write("go", "");
    let output = json.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<u64> = text
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["number"].as_u64())
        .collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    assert!(text.lines().last().unwrap().contains("session_summary"));
}

#[test]
fn a_follower_is_told_that_the_runner_died() {
    let scratch = two();
    let running = Running::start(&scratch, "run t.toml");
    wait_for_start(&scratch);
    let following = Running::start(&scratch, "session attach last");
    following.wait_for("started    first");
    running.signal(Signal::KILL);
    running.end();
    let (code, said) = following.end();
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("its runner is gone; to go on with it: bunsui session resume"), "{said}");
    let list = scratch.run("session list").stdout;
    assert!(list.contains("its runner is gone"), "{list}");
}

#[test]
fn a_terminal_that_goes_away_leaves_the_session_to_run() {
    let scratch = two();
    let running = Running::start(&scratch, "run t.toml");
    wait_for_start(&scratch);
    running.signal(Signal::HUP);
    scratch.write("go", "");
    let (code, said) = running.end();
    // Standard error is a pipe here and stays what it was.
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(statuses_of(&shown(&scratch)), "first=succeeded second=succeeded");
}

#[test]
fn a_pause_with_an_end_ends_by_itself() {
    let scratch = two();
    let running = Running::start(&scratch, "run t.toml");
    wait_for_start(&scratch);
    let said = scratch
        .run_with(["session", "pause", "last", "--until", "2s", "--reason", "tea"])
        .expect_code(0)
        .stderr;
    assert!(said.contains("paused by") && said.contains("tea, until "), "{said}");
    scratch.write("go", "");
    running.wait_for("paused: tea; by");
    let list = scratch.run("session list").stdout;
    assert!(list.contains("  paused by") && list.contains("tea, until"), "{list}");
    assert!(scratch.run("session show last").stdout.contains("pause       paused by"));
    assert!(!scratch.directory().join("ran").exists(), "nothing starts in a pause");
    let (code, said) = running.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("resumed by the end of the pause"), "{said}");
    assert_eq!(shown(&scratch)["pause"], serde_json::Value::Null);
}

#[test]
fn a_pause_in_which_the_runner_waits_can_be_ended_changed_or_left() {
    let scratch = two();
    let running = Running::start(&scratch, "run t.toml");
    wait_for_start(&scratch);
    scratch.run("session pause last --until 1h").expect_code(0);
    // Before it is reached it can be taken back.
    let said = scratch.run("session resume last").expect_code(0).stderr;
    assert!(said.contains("is running: its runner"), "{said}");
    scratch.run("session pause last --until 1h").expect_code(0);
    scratch.write("go", "");
    wait_for_status(&scratch, "paused");
    scratch.run_with(["session", "pause", "last", "--until", "2h", "--reason", "longer"]).expect_code(0);
    wait_until("the reason is the new one", || shown(&scratch)["pause"]["reason"] == "longer");
    wait_for_status(&scratch, "paused");
    let refused = scratch.run("session pause last --until 2020-01-01T00:00:00Z").expect_code(2);
    assert!(refused.stderr.contains("bunsui::session::until_is_past"), "{}", refused.stderr);
    // An interrupt leaves it paused.
    running.signal(Signal::INT);
    let (code, said) = running.end();
    assert_eq!(code, Some(4), "{said}");
    assert_eq!(
        (&shown(&scratch)["status"], &shown(&scratch)["lease"]),
        (&"paused".into(), &serde_json::Value::Null)
    );
    scratch.run("session resume last").expect_code(0);
    assert_eq!(statuses_of(&shown(&scratch)), "first=succeeded second=succeeded");
}

#[test]
fn a_runner_that_was_stopped_and_overtaken_writes_nothing_more_and_says_so() {
    let scratch = two();
    let running = Running::start(&scratch, "run t.toml");
    wait_for_start(&scratch);
    let pid = Pid::from_raw(shown(&scratch)["runner"]["pid"].as_i64().unwrap() as i32).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    // As after thirty seconds of sleep.
    let store = rusqlite::Connection::open(scratch.directory().join(".bunsui/bunsui.db")).unwrap();
    store
        .execute(
            "UPDATE sessions SET record = json_set(record, '$.lease.expires_at', '2020-01-01T00:00:00Z')",
            [],
        )
        .unwrap();
    scratch.write("go", "");
    scratch.run("session resume last").expect_code(0);
    let events = || -> i64 { store.query_row("SELECT count(*) FROM events", [], |row| row.get(0)).unwrap() };
    let before = events();
    kill_process(pid, Signal::CONT).unwrap();
    let (code, said) = running.end();
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("bunsui::store::fenced"), "{said}");
    assert_eq!(events(), before, "no write of it lands");
    assert_eq!(scratch.read("ran").lines().count(), 1);
    assert_none_left(&scratch);
}
