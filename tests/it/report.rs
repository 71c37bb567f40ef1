//! `bunsui report`, and the report that every session leaves at its end.

use crate::product::{Running, files_below, given, job, pipeline, pipeline_with, run_json, summary};
use crate::scratch;
use bunsui_test_support::Scratch;
use std::path::PathBuf;

/// The reports among the objects.
fn left(scratch: &Scratch) -> Vec<PathBuf> {
    let folder = scratch.directory().join(".bunsui/objects/reports");
    if folder.exists() { files_below(folder) } else { Vec::new() }
}

/// The only report, as a text.
#[track_caller]
fn only(scratch: &Scratch) -> String {
    let left = left(scratch);
    assert_eq!(left.len(), 1, "{left:?}");
    std::fs::read_to_string(&left[0]).unwrap()
}

#[track_caller]
fn assert_says(page: &str, parts: &[&str]) {
    for part in parts {
        assert!(page.contains(part), "no `{part}` in {page}");
    }
}

fn failing() -> Scratch {
    let scratch = scratch();
    scratch.write(
        "t.toml",
        pipeline_with(
            "[params]\nday = { type = \"string\", default = \"monday\" }\ntoken = { type = \"string\", secret = true }",
            &(given("first", "", "{ rows = 3 }")
                + &job(
                    "second",
                    "depends_on = [\"first\"]",
                    "environment = { TOKEN = \"${params.token}\" }",
                    "echo said $TOKEN; exit 4",
                )
                + &given("third", "depends_on = [\"second\"]", "1")),
        ),
    );
    scratch
}

#[test]
fn a_session_that_failed_leaves_a_report() {
    let scratch = failing();
    let run = scratch.run("run t.toml --param token=hunter22-secret --label team=data").expect_code(1);
    assert!(run.stderr.contains("its report: .bunsui/objects/reports/"), "{}", run.stderr);
    let page = only(&scratch);
    assert_says(
        &page,
        &[
            "</span> failed",
            "t.toml:",
            "exited with code 4",
            "said [secret]",
            "upstream failed",
            "rows: 3",
            "monday",
            "data",
        ],
    );
    assert!(!page.contains("hunter22"), "a secret is shown");
}

#[test]
fn it_can_be_made_again_and_written_anywhere() {
    let scratch = failing();
    scratch.run("run t.toml --param token=x-y-z-secret").expect_code(1);
    let stored = left(&scratch).remove(0);
    std::fs::remove_file(&stored).unwrap();

    let made = scratch.run("report last --format json").expect_code(0).json();
    assert_eq!(scratch.directory().join(made["place"].as_str().unwrap()), stored);
    assert!(made["key"].as_str().unwrap().starts_with("reports/2"), "{made}");
    assert_eq!(made["bytes"].as_u64(), Some(std::fs::metadata(&stored).unwrap().len()));

    let printed = scratch.run("report last --output -").expect_code(0).stdout;
    assert!(printed.starts_with("<!DOCTYPE html>"), "{printed}");
    let written = scratch.run("report last --output here.html --open --no-open").expect_code(0);
    assert_eq!(written.stdout, "here.html\n");
    assert!(scratch.directory().join("here.html").exists());

    let refused = scratch.run("report last --output nowhere/here.html").expect_code(3);
    assert!(refused.stderr.contains("bunsui::store::report_unwritable"), "{}", refused.stderr);
    let unknown = scratch.run("report k3f9qa").expect_code(2);
    assert!(unknown.stderr.contains("bunsui::session::not_found"), "{}", unknown.stderr);
}

#[test]
fn a_report_that_cannot_be_written_changes_no_session() {
    let scratch = scratch();
    scratch.write("t.toml", pipeline(&given("a", "", "1")));
    scratch.write(".bunsui/objects/reports", "a file where a folder is to be");
    let run = scratch.run("run t.toml").expect_code(0);
    assert!(run.stderr.contains("warning: the report of session"), "{}", run.stderr);
    assert!(!run.stderr.contains("its report:"), "{}", run.stderr);
}

#[test]
fn every_end_leaves_one() {
    let scratch = scratch();
    scratch.write("t.toml", pipeline_with("timeout = \"1s\"", &job("slow", "", "", "sleep 60")));
    let timed_out = run_json(&scratch, "").expect_code(1);
    assert_eq!(summary(&timed_out)["status"], "timed_out");
    let place = timed_out.json_lines().pop().unwrap()["report"].as_str().unwrap().to_owned();
    let page = std::fs::read_to_string(scratch.directory().join(place)).unwrap();
    assert_says(&page, &["</span> timed out", "slow"]);

    let other = crate::scratch();
    other.write("t.toml", pipeline(&job("slow", "", "", "sleep 60")));
    let running = Running::start(&other, "run t.toml");
    running.wait_for("started    slow");
    other.run("session cancel last --reason enough").expect_code(0);
    running.end();
    assert_says(&only(&other), &["</span> cancelled", "slow", "Cancelled by ", ": enough"]);
    let shown = other.run("session show last").expect_code(0).stdout;
    assert!(shown.contains("cancelled   at ") && shown.contains(": enough"), "{shown}");
}

#[test]
fn a_session_that_is_paused_leaves_one_when_it_has_ended() {
    let scratch = scratch();
    scratch
        .write("t.toml", pipeline(&(job("a", "", "", "sleep 1") + &given("b", "depends_on = [\"a\"]", "1"))));
    let running = Running::start(&scratch, "run t.toml");
    running.wait_for("started    a");
    scratch.run("session pause last").expect_code(0);
    running.end();
    assert_eq!(left(&scratch), Vec::<PathBuf>::new());
    scratch.run("session resume last").expect_code(0);
    assert_says(&only(&scratch), &["</span> succeeded", "⋯ nobody drove the session"]);
}

#[test]
fn a_retry_writes_it_again_with_both_attempts() {
    let scratch = scratch();
    scratch.write("t.toml", pipeline(&job("once", "", "", "mkdir there || exit 0; exit 1")));
    scratch.run("run t.toml").expect_code(1);
    assert_says(&only(&scratch), &["</span> failed"]);
    scratch.run("session retry last").expect_code(0);
    let page = only(&scratch);
    assert_says(&page, &["</span> succeeded", "all attempts", "<dt>retried</dt><dd>1</dd>"]);
}

#[test]
fn it_is_compared_with_the_last_success() {
    let scratch = scratch();
    let text = |seconds: &str, more: &str| {
        pipeline_with(
            "[params]\nn = { type = \"integer\", default = 1 }",
            &(job("a", "", "", &format!("sleep {seconds}")) + more),
        )
    };
    scratch.write("t.toml", text("0", &given("gone", "", "1")));
    scratch.run("run t.toml").expect_code(0);
    scratch.write("t.toml", text("1", &given("added", "", "1")));
    scratch.run("run t.toml --param n=2").expect_code(0);
    let page = scratch.run("report last --output -").expect_code(0).stdout;
    assert_says(
        &page,
        &[
            "Compared with the last success",
            "slower",
            "1 new job: added",
            "1 job is no more: gone",
            "Parameters that differ",
        ],
    );
}

#[test]
fn who_deletes_a_session_deletes_its_report() {
    let scratch = scratch();
    scratch.write("t.toml", pipeline(&given("a", "", "1")));
    scratch.run("run t.toml").expect_code(0);
    scratch.run("run t.toml").expect_code(0);
    assert_eq!(left(&scratch).len(), 2);
    scratch.run("session delete last").expect_code(0);
    assert_eq!(left(&scratch).len(), 1);
    let store = rusqlite::Connection::open(scratch.directory().join(".bunsui/bunsui.db")).unwrap();
    store
        .execute(
            "UPDATE sessions SET created_at = ?1, record = json_set(record, '$.created_at', ?1)",
            ["2020-01-01T00:00:00Z"],
        )
        .unwrap();
    scratch.run("session prune --older-than 30d").expect_code(0);
    assert_eq!(left(&scratch), Vec::<PathBuf>::new());
}

/// A session has ended.
fn ended() -> Scratch {
    let scratch = scratch();
    scratch.write("t.toml", pipeline(&given("a", "", "{ rows = 3 }")));
    scratch.run("run t.toml").expect_code(0);
    scratch
}

/// A program that stands for what shows files: writes what it was given, and ends with a code.
fn opener(scratch: &Scratch, name: &str, code: u8) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = scratch.directory().join("bin").join(name);
    scratch.write(&format!("bin/{name}"), format!("#!/bin/sh\nprintf '%s\\n' \"$@\" > shown\nexit {code}\n"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

#[test]
fn a_report_is_opened_by_what_browser_names_or_the_desktop_has() {
    let scratch = ended();
    let xdg_open = opener(&scratch, "xdg-open", 0);
    let folder = xdg_open.trim_end_matches("/xdg-open").to_owned();
    let scratch = scratch.with_variable("PATH", &format!("{folder}:/usr/bin:/bin"));
    let quiet = scratch.run("report last --open").expect_code(0);
    assert_eq!(quiet.stderr, "", "there is nothing to say");
    let shown = scratch.read("shown");
    let path = scratch.directory().join(quiet.stdout.trim());
    assert_eq!(shown.trim_end(), path.display().to_string());
    assert!(std::fs::read_to_string(shown.trim_end()).unwrap().starts_with("<!DOCTYPE html>"));
    let browser = opener(&scratch, "my-browser", 0);
    let scratch = scratch.with_variable("BROWSER", &browser);
    scratch.run("report last --open --output copy.html").expect_code(0);
    assert_eq!(scratch.read("shown").trim_end(), scratch.directory().join("copy.html").display().to_string());
    scratch.write("shown", "");
    scratch.run("report last --open --no-open").expect_code(0);
    assert_eq!(scratch.read("shown"), "");
}

#[test]
fn where_there_is_no_browser_the_reports_path_is_said() {
    let scratch = ended();
    let copy = scratch.directory().join("copy.html").display().to_string();
    let scratch = scratch.with_variable("PATH", "/nowhere");
    let none = scratch.run("report last --open --output copy.html").expect_code(0);
    assert_eq!(none.stdout, "copy.html\n");
    assert!(none.stderr.starts_with("not shown: `xdg-open` cannot be started ("), "{}", none.stderr);
    assert!(none.stderr.ends_with(&format!("; the report is {copy}\n")), "{}", none.stderr);
    // As xdg-open ends where it finds no browser.
    let browser = opener(&scratch, "fails", 3);
    let scratch = scratch.with_variable("BROWSER", &browser);
    let failed = scratch.run("report last --open --output copy.html").expect_code(0);
    let expected = format!(
        "not shown: `{browser}` could not show it (exit status: 3), as where there is no browser; the report is {copy}\n"
    );
    assert_eq!(failed.stderr, expected);
}
