//! A session taken up again, paused and cancelled from another process, and by two at once.

use crate::product::{Running, assert_none_left, job, pipeline, pipeline_with, wait_until};
use crate::scratch;
use bunsui_test_support::Scratch;
use rustix::process::Signal;

const WAITS: &str = "echo $0 second >> ran; touch started; while [ ! -e go ]; do sleep 0.05; done";

/// Three jobs in a row; the second waits for a file.
fn three() -> Scratch {
    let scratch = scratch();
    let jobs = job("first", "", "", "echo first >> ran")
        + &job(
            "second",
            "depends_on = [\"first\"]",
            "environment = { CODE = \"${jobs.first.exit_code}\" }",
            WAITS,
        )
        + &job("third", "depends_on = [\"second\"]", "", "echo third >> ran");
    scratch.write("t.toml", pipeline(&jobs));
    scratch
}

fn started(scratch: &Scratch) -> Running {
    let running = Running::start(scratch, "run t.toml");
    let mark = scratch.directory().join("started");
    wait_until("the second job's process runs", || mark.exists());
    running
}

fn killed(scratch: &Scratch) {
    let running = started(scratch);
    running.signal(Signal::KILL);
    running.end();
}

/// How often each job's process began.
fn ran(scratch: &Scratch, job: &str) -> usize {
    let text = std::fs::read_to_string(scratch.directory().join("ran")).unwrap();
    text.lines().filter(|line| line.ends_with(job)).count()
}

fn statuses(scratch: &Scratch) -> String {
    let shown = scratch.run("session show last --output json").expect_code(0).json();
    let records = shown["job_records"].as_array().unwrap();
    let jobs: Vec<String> =
        records.iter().map(|job| format!("{}/{}", job["status"].as_str().unwrap(), job["attempt"])).collect();
    format!("{}: {}", shown["status"].as_str().unwrap(), jobs.join(" "))
}

/// The numbers of a session's events have no gap, whoever wrote them.
fn assert_whole_history(scratch: &Scratch) {
    let store = rusqlite::Connection::open(scratch.directory().join(".bunsui/bunsui.db")).unwrap();
    let (count, last): (i64, i64) = store
        .query_row("SELECT count(*), max(number) FROM events", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!(count, last);
}

#[test]
fn a_killed_runners_session_goes_on_where_it_was() {
    let scratch = three();
    killed(&scratch);
    assert_eq!(statuses(&scratch), "running: succeeded/1 running/1 pending/0");
    scratch.write("go", "");
    let finished = scratch.run("session resume last").expect_code(0);
    assert!(
        finished.stderr.contains("cut off    second: attempt 1 ended with its runner"),
        "{}",
        finished.stderr
    );
    assert_eq!(statuses(&scratch), "succeeded: succeeded/1 succeeded/2 succeeded/1");
    assert_eq!((ran(&scratch, "first"), ran(&scratch, "second"), ran(&scratch, "third")), (1, 2, 1));
    assert_whole_history(&scratch);
    assert_none_left(&scratch);
}

#[test]
fn the_file_it_began_with_is_used_though_it_changed() {
    let scratch = three();
    killed(&scratch);
    scratch.write("go", "");
    scratch.write("t.toml", "this is no TOML");
    let finished = scratch.run("session resume last").expect_code(0);
    assert!(finished.stderr.contains("t.toml has changed since session"), "{}", finished.stderr);
    assert_eq!(statuses(&scratch), "succeeded: succeeded/1 succeeded/2 succeeded/1");
}

#[test]
fn a_session_that_is_driven_is_left_to_its_runner() {
    let scratch = three();
    let running = started(&scratch);
    let refused = scratch.run("session resume last").expect_code(2);
    assert!(refused.stderr.contains("bunsui::session::driven"), "{}", refused.stderr);
    scratch.write("go", "");
    assert_eq!(running.end().0, Some(0));
    let refused = scratch.run("session resume last").expect_code(2);
    assert!(refused.stderr.contains("bunsui::session::is_final"), "{}", refused.stderr);
}

#[test]
fn of_two_that_take_it_up_at_once_one_drives() {
    for _ in 0..5 {
        let scratch = three();
        killed(&scratch);
        let both = [(); 2].map(|()| Running::start(&scratch, "session resume last"));
        wait_until("the second job's process runs again", || ran(&scratch, "second") == 2);
        scratch.write("go", "");
        let mut codes = both.map(|one| one.end().0);
        codes.sort();
        // The other one is refused: before it tries, or when its first event is.
        assert!(codes[0] == Some(0) && matches!(codes[1], Some(2 | 3)), "{codes:?}");
        assert_eq!((ran(&scratch, "second"), ran(&scratch, "third")), (2, 1));
        assert_whole_history(&scratch);
    }
}

#[test]
fn another_process_pauses_and_goes_on() {
    let scratch = three();
    let running = started(&scratch);
    let paused = scratch.run("session pause last --reason lunch").expect_code(0);
    assert!(paused.stderr.contains("is pausing: 1 running job may finish"), "{}", paused.stderr);
    scratch.write("go", "");
    let (code, said) = running.end();
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("paused: lunch"), "{said}");
    assert_eq!(statuses(&scratch), "paused: succeeded/1 succeeded/1 pending/0");
    scratch.run("session pause last").expect_code(0);
    scratch.run("session resume last").expect_code(0);
    assert_eq!(statuses(&scratch), "succeeded: succeeded/1 succeeded/1 succeeded/1");
    assert_eq!(ran(&scratch, "second"), 1);
}

#[test]
fn another_process_cancels_and_gets_a_receipt() {
    let scratch = three();
    let running = started(&scratch);
    let receipt = scratch.run("session cancel last --reason wrong").expect_code(0);
    for line in ["is cancelled", "stopped: second", "never started: third", "had succeeded: first"] {
        assert!(receipt.stderr.contains(line), "{}", receipt.stderr);
    }
    assert_eq!(running.end().0, Some(1));
    assert_none_left(&scratch);
    let again = scratch.run("session cancel last").expect_code(0);
    assert!(again.stderr.contains("stopped: second"), "{}", again.stderr);
}

#[test]
fn a_session_without_a_runner_can_be_paused_and_cancelled() {
    let scratch = three();
    killed(&scratch);
    scratch.run("session pause last").expect_code(0);
    assert_eq!(statuses(&scratch), "paused: succeeded/1 running/1 pending/0");
    let receipt = scratch.run("session cancel last").expect_code(0);
    assert!(receipt.stderr.contains("stopped: second"), "{}", receipt.stderr);
    assert_eq!(statuses(&scratch), "cancelled: succeeded/1 cancelled/1 cancelled/0");
    assert_eq!((ran(&scratch, "second"), ran(&scratch, "third")), (1, 0));
    assert_whole_history(&scratch);
}

#[test]
fn secrets_are_asked_for_again_and_nothing_else() {
    let scratch = scratch();
    let params =
        "[params]\ntoken = { type = \"string\", secret = true }\nn = { type = \"integer\", default = 1 }\n";
    let own = "environment = { TOKEN = \"${params.token}\" }";
    scratch.write(
        "t.toml",
        pipeline_with(
            params,
            &job(
                "first",
                "",
                own,
                "echo $TOKEN first >> ran; touch started; while [ ! -e go ]; do sleep 0.05; done",
            ),
        ),
    );
    let running = Running::start(&scratch, "run t.toml --param token=hunter22");
    let mark = scratch.directory().join("started");
    wait_until("the job's process runs", || mark.exists());
    running.signal(Signal::KILL);
    running.end();
    scratch.write("go", "");
    let refused = scratch.run("session resume last").expect_code(2);
    assert!(refused.stderr.contains("bunsui::session::secret_needed"), "{}", refused.stderr);
    let refused = scratch.run("session resume last --param token=hunter22 --param n=2").expect_code(2);
    assert!(refused.stderr.contains("bunsui::session::parameters_pinned"), "{}", refused.stderr);
    scratch.run("session resume last --param token=hunter22").expect_code(0);
    let text = std::fs::read_to_string(scratch.directory().join("ran")).unwrap();
    assert_eq!(text, "hunter22 first\nhunter22 first\n");
}

#[test]
fn a_cancel_that_was_cut_off_is_finished_and_not_undone() {
    let scratch = scratch();
    let script = "trap \"\" TERM; touch started; while [ ! -e go ]; do sleep 0.05; done";
    scratch.write("t.toml", pipeline(&(job("first", "", "", script) + &job("second", "", "", "true"))));
    let running = Running::start(&scratch, "run t.toml --max-concurrency 1");
    let mark = scratch.directory().join("started");
    wait_until("the job's process runs", || mark.exists());
    running.signal(Signal::INT);
    running.wait_for("pausing: interrupted");
    running.signal(Signal::INT);
    running.wait_for("cancelling: interrupted");
    running.signal(Signal::KILL);
    running.end();
    assert_eq!(statuses(&scratch), "cancelling: running/1 cancelled/0");
    let shown = scratch.run("session show last").expect_code(0);
    assert!(shown.stdout.contains("to finish the cancel: bunsui session cancel"), "{}", shown.stdout);
    let refused = scratch.run("session pause last").expect_code(2);
    assert!(refused.stderr.contains("bunsui::session::being_cancelled"), "{}", refused.stderr);
    scratch.run("session resume last").expect_code(1);
    assert_eq!(statuses(&scratch), "cancelled: cancelled/1 cancelled/0");
    assert_whole_history(&scratch);
}
