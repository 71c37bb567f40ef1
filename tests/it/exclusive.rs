//! `[pipeline] exclusive`: one session at a time.

use crate::product::{Running, job, pipeline_with, wait_until};
use crate::scratch;
use bunsui_test_support::Scratch;
use rustix::process::Signal;

fn waiting(exclusive: &str) -> Scratch {
    let scratch = scratch();
    let head = format!(
        "exclusive = {exclusive}\n[params]\nyear = {{ type = \"integer\", default = 2015 }}\nday = {{ type = \"date\", required = false }}"
    );
    let script = "touch started; while [ ! -e go ]; do sleep 0.05; done";
    scratch.write("t.toml", pipeline_with(&head, &job("a", "", "", script)));
    scratch
}

fn started(scratch: &Scratch, arguments: &str) -> Running {
    let running = Running::start(scratch, &format!("run t.toml {arguments}"));
    let mark = scratch.directory().join("started");
    wait_until("the job runs", || mark.exists());
    running
}

#[test]
fn a_second_session_of_a_key_is_refused_with_the_firsts_id() {
    let scratch = waiting("\"${params.year}\"");
    let running = started(&scratch, "");
    let refused = scratch.run("run t.toml").expect_code(2);
    assert!(refused.stderr.contains("bunsui::store::held"), "{}", refused.stderr);
    let first = scratch.run("session list --output json").json();
    let first = first["sessions"][0]["session_id"].as_str().unwrap().to_owned();
    assert!(refused.stderr.contains(&first) && refused.stderr.contains("`t/2015`"), "{}", refused.stderr);
    let refused = scratch.run("run t.toml --detach").expect_code(2);
    assert!(refused.stderr.contains(&first), "{}", refused.stderr);
    // Another key is free.
    let other = Running::start(&scratch, "run t.toml --param year=2016");
    other.wait_for("started    a");
    scratch.write("go", "");
    assert_eq!((running.end().0, other.end().0), (Some(0), Some(0)));
    scratch.run("run t.toml").expect_code(0);
    assert_eq!(scratch.run("session list --output json").json()["sessions"].as_array().unwrap().len(), 3);
}

#[test]
fn a_dead_runner_does_not_block() {
    let scratch = waiting("true");
    let running = started(&scratch, "");
    running.signal(Signal::KILL);
    running.end();
    scratch.write("go", "");
    scratch.run("run t.toml").expect_code(0);
    // And the first, when it is gone on with, is held to the same.
    std::fs::remove_file(scratch.directory().join("go")).unwrap();
    std::fs::remove_file(scratch.directory().join("started")).unwrap();
    let running = started(&scratch, "");
    let list = scratch.run("session list --output json").json();
    let first = list["sessions"][2]["session_id"].as_str().unwrap().to_owned();
    let refused = scratch.run(&format!("session resume {first}")).expect_code(2);
    assert!(refused.stderr.contains("bunsui::store::held"), "{}", refused.stderr);
    // Ending it takes no key.
    scratch.run(&format!("session cancel {first}")).expect_code(0);
    scratch.write("go", "");
    assert_eq!(running.end().0, Some(0));
}

#[test]
fn of_many_at_once_one_runs() {
    let scratch = waiting("true");
    let all: Vec<Running> = (0..6).map(|_| Running::start(&scratch, "run t.toml")).collect();
    let mark = scratch.directory().join("started");
    wait_until("one runs", || mark.exists());
    let is_refused = |running: &Running| running.said().contains("bunsui::store::held");
    wait_until("the others are refused", || all.iter().filter(|one| is_refused(one)).count() == 5);
    scratch.write("go", "");
    let mut codes: Vec<_> = all.into_iter().map(|one| one.end().0).collect();
    codes.sort_unstable();
    assert_eq!(codes, [Some(0), Some(2), Some(2), Some(2), Some(2), Some(2)]);
    assert_eq!(scratch.run("session list --output json").json()["sessions"].as_array().unwrap().len(), 1);
}

#[test]
fn a_key_that_is_nothing_is_refused() {
    let scratch = waiting("\"${params.day}\"");
    let refused = scratch.run("run t.toml").expect_code(2);
    assert!(refused.stderr.contains("bunsui::session::no_exclusive_key"), "{}", refused.stderr);
    assert!(refused.stderr.contains("day"), "{}", refused.stderr);
    scratch.write("go", "");
    scratch.run("run t.toml --param day=2026-11-24").expect_code(0);
    assert!(scratch.run("session show last").stdout.contains("exclusive   t/2026-11-24"));
}
