//! Surroundings that fail: each is said clearly, and what was done before is kept.

use crate::product::{Running, given, job, pipeline, run_json, statuses, wait_until};
use crate::scratch;
use bunsui_test_support::Scratch;
use insta::assert_snapshot;
use rustix::process::Signal;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

fn one_job() -> Scratch {
    // Wide enough for the path of any scratch folder.
    let scratch = scratch().with_variable("COLUMNS", "200");
    scratch.write("t.toml", pipeline(&given("only", "", "1")));
    scratch
}

#[test]
fn a_file_where_the_state_folder_should_be() {
    let scratch = one_job();
    scratch.write(".bunsui", "a file");
    assert_snapshot!(scratch.run("run t.toml").snapshot(), @"
    exit code: 3
    ----- stdout -----
    ----- stderr -----
    bunsui::store::unusable

      × the store at `[WORK]/.bunsui` cannot be used: it is a file, not a folder
      help: move the file away, or set `[local] state` to a folder
    ");
    scratch.run("session list").expect_code(0);
}

#[test]
fn a_store_that_is_none() {
    let scratch = one_job();
    scratch.write(".bunsui/bunsui.db", "This is not a database. ".repeat(100));
    assert_snapshot!(scratch.run("run t.toml").snapshot(), @"
    exit code: 3
    ----- stdout -----
    ----- stderr -----
    bunsui::store::unusable

      × the store at `[WORK]/.bunsui/bunsui.db` cannot be used: file is not a database
      help: the file is damaged, or no bunsui store: move it away, and a new one is made
    ");
    assert_snapshot!(scratch.run("session list").snapshot(), @"
    exit code: 3
    ----- stdout -----
    ----- stderr -----
    bunsui::store::unusable

      × the store at `[WORK]/.bunsui/bunsui.db` cannot be used: file is not a database
      help: the file is damaged, or no bunsui store: move it away, and a new one is made
    ");
}

#[test]
fn a_store_that_somebody_holds_locked() {
    let scratch = one_job();
    scratch.run("run t.toml").expect_code(0);
    let connection =
        rusqlite::Connection::open(scratch.directory().join(".bunsui/bunsui.db")).expect("opened");
    connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;").expect("locked");
    assert_snapshot!(scratch.run("run t.toml").snapshot(), @"
    exit code: 3
    ----- stdout -----
    ----- stderr -----
    bunsui::store::unusable

      × the store at `[WORK]/.bunsui/bunsui.db` cannot be used: database is locked
      help: another process holds it locked: wait for it, or end it
    ");
}

#[test]
fn a_store_that_is_locked_for_a_moment_is_waited_for() {
    let scratch = one_job();
    scratch.run("run t.toml").expect_code(0);
    let connection =
        rusqlite::Connection::open(scratch.directory().join(".bunsui/bunsui.db")).expect("opened");
    connection.execute_batch("BEGIN IMMEDIATE;").expect("locked");
    let running = Running::start(&scratch, "run t.toml");
    // Its process is there, so it has reached the store or will soon; either way it has to come through.
    wait_until("it runs", || !crate::product::processes(&scratch).is_empty());
    connection.execute_batch("COMMIT;").expect("unlocked");
    assert_eq!(running.end().0, Some(0));
}

#[test]
fn a_store_that_is_deleted_under_the_runner() {
    let scratch = scratch();
    let script = "touch started; while [ ! -e go ]; do sleep 0.05; done";
    scratch.write("t.toml", pipeline(&job("only", "", "", script)));
    let running = Running::start(&scratch, "run t.toml");
    let mark = scratch.directory().join("started");
    wait_until("the job runs", || mark.exists());
    std::fs::remove_dir_all(scratch.directory().join(".bunsui")).expect("deleted");
    scratch.write("go", "");
    let (code, said) = running.end();
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("bunsui::store::unusable"), "{said}");
    assert!(said.contains("it was deleted"), "{said}");
    crate::product::assert_none_left(&scratch);
}

#[test]
fn two_runs_at_once_in_one_folder() {
    let scratch = scratch();
    // Each waits for the other: they do run at once.
    let script = "touch at.$$; while [ $(ls | grep -c '^at\\.') -lt 2 ]; do sleep 0.05; done";
    scratch.write("t.toml", pipeline(&(job("a", "", "", script) + &given("b", "depends_on = [\"a\"]", "1"))));
    let both = [Running::start(&scratch, "run t.toml"), Running::start(&scratch, "run t.toml")];
    // One that ends early leaves the other waiting: what both said tells why.
    let said = || both.each_ref().map(Running::said).join("\n---\n");
    let is_done = || said().matches("2 jobs: 2 succeeded").count() == 2;
    crate::product::wait_or_say("both runs succeed", is_done, said);
    for running in both {
        let (code, said) = running.end();
        assert_eq!(code, Some(0), "{said}");
    }
    let list = scratch.run("session list --output json").json();
    assert_eq!(list["sessions"].as_array().expect("a list").len(), 2);
}

#[test]
fn a_reader_that_goes_away_does_not_end_the_session() {
    let scratch = scratch();
    let script = "while [ ! -e go ]; do sleep 0.05; done";
    scratch.write("t.toml", pipeline(&(job("a", "", "", script) + &given("b", "depends_on = [\"a\"]", "1"))));
    let mut child = scratch
        .command(["run", "t.toml", "--output", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    stdout.read_line(&mut line).expect("it says something");
    assert!(line.contains("session_created"), "{line}");
    drop(stdout);
    scratch.write("go", "");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    let shown = scratch.run("session show last --output json").json();
    assert_eq!(shown["status"], "succeeded");
}

#[test]
fn a_reader_that_goes_away_ends_what_only_prints() {
    let scratch = scratch();
    let text: String = (0..2000).map(|n| given(&format!("j{n}"), "", "1")).collect();
    scratch.write("t.toml", pipeline(&text));
    let mut child = scratch
        .command(["compile", "t.toml"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    drop(child.stdout.take());
    let mut said = String::new();
    child.stderr.take().expect("it is piped").read_to_string(&mut said).expect("it is text");
    assert_eq!((child.wait().expect("it ends").code(), said.as_str()), (Some(0), ""));
}

#[test]
fn output_that_cannot_be_written_is_no_success() {
    let scratch = one_job();
    let full = std::fs::File::options().write(true).open("/dev/full").expect("there is one");
    let output = scratch.command(["compile", "t.toml"]).stdout(full).output().expect("it starts");
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("standard output cannot be written: No space left on device"), "{said}");
}

/// A small file system, unmounted with this value.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(place: &std::path::Path) -> Option<Self> {
        std::fs::create_dir_all(place).expect("made");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(place).output();
        if mount.is_ok_and(|output| output.status.success()) {
            return Some(Self(place.to_owned()));
        }
        eprintln!("NOT CHECKED: a full disk, for nothing can be mounted here");
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_disk_that_is_full() {
    let scratch = scratch();
    let Some(disk) = SmallDisk::mount(&scratch.directory().join(".bunsui")) else { return };
    scratch.write(
        "t.toml",
        pipeline(
            &(job("first", "", "", "echo first >> ran")
                + &job(
                    "fills",
                    "depends_on = [\"first\"]",
                    "",
                    "test -e go || cat /dev/zero > .bunsui/filled; true",
                )
                + &given("after", "depends_on = [\"fills\"]", "1")),
        ),
    );
    let finished = scratch.run("run t.toml").expect_code(3);
    assert!(finished.stderr.contains("the disk is full: free some space"), "{}", finished.stderr);
    assert!(finished.stderr.contains("succeeded  first"), "{}", finished.stderr);
    crate::product::assert_none_left(&scratch);
    // What was said is stored, and with some room the session goes on from there.
    std::fs::remove_file(disk.0.join("filled")).expect("it filled the disk");
    scratch.write("go", "");
    scratch.run("session resume last").expect_code(0);
    assert_eq!(scratch.read("ran"), "first\n");
    drop(disk);
}

#[test]
fn a_state_folder_that_cannot_be_written() {
    let scratch = one_job();
    let Some(disk) = SmallDisk::mount(&scratch.directory().join(".bunsui")) else { return };
    let remount = Command::new("mount").args(["-o", "remount,ro"]).arg(&disk.0).status();
    assert!(remount.expect("mount was there").success());
    assert_snapshot!(scratch.run("run t.toml").snapshot(), @"
    exit code: 3
    ----- stdout -----
    ----- stderr -----
    bunsui::store::unusable

      × the store at `[WORK]/.bunsui` cannot be used: Read-only file system (os error 30)
      help: make the folder writable, or set `[local] state` to one that is
    ");
}

#[test]
fn a_folder_with_spaces_and_other_letters() {
    let scratch = scratch();
    let folder = "Daten für später/雨 & ☂";
    let text = pipeline(&job("read", "", "result = true", "cat 'in put.json' > \"$BUNSUI_OUTPUT\""));
    scratch.write(&format!("{folder}/t.toml"), text);
    scratch.write(&format!("{folder}/in put.json"), "{\"wort\": \"Grüße 雨\"}");
    let file = format!("{folder}/t.toml");
    // Paths are relative to the pipeline file; the state folder is that of the folder one is in.
    let finished = scratch.run_with(["run", file.as_str(), "--output", "json"]).expect_code(0);
    assert_eq!(crate::product::output(&finished, "read")["result"]["wort"], "Grüße 雨");
    assert!(scratch.directory().join(".bunsui/bunsui.db").exists());
    assert!(!scratch.directory().join(folder).join(".bunsui").exists());
    let shown = scratch.run("session show last").expect_code(0);
    assert!(shown.stdout.contains(&file), "{}", shown.stdout);
}

#[test]
fn an_interrupt_before_anything_started_leaves_nothing_running() {
    let scratch = scratch();
    let text: String = (0..20).map(|n| job(&format!("j{n}"), "", "", "sleep 0.2")).collect();
    scratch.write("t.toml", pipeline(&text));
    let running = Running::start(&scratch, "run t.toml --max-concurrency 1");
    running.wait_for("started    j0");
    running.signal(Signal::INT);
    let (code, said) = running.end();
    assert_eq!(code, Some(4), "{said}");
    assert!(!said.contains("started    j3"), "{said}");
    // What was not started can be: a new session of the same file.
    let again = run_json(&scratch, "").expect_code(0);
    assert!(statuses(&again).starts_with("j0=succeeded j1=succeeded"));
}

#[test]
fn a_current_folder_that_is_gone() {
    let scratch = one_job();
    let folder = scratch.directory().join("gone");
    std::fs::create_dir(&folder).expect("made");
    let bunsui = scratch.command([""]).get_program().to_owned();
    let mut shell = Command::new("sh");
    shell.args(["-c", "rmdir ../gone; exec \"$0\" session list"]).arg(bunsui).current_dir(&folder);
    let output = shell.output().expect("sh is there");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("the current folder cannot be used: it is not there any more"), "{said}");
}

#[test]
fn log_lines_that_cannot_be_kept_are_not_lost_silently() {
    let scratch = scratch();
    let script = "rm -r .bunsui/objects; touch .bunsui/objects; echo one; echo two";
    scratch.write("t.toml", pipeline(&job("a", "", "", script)));
    let finished = scratch.run("run t.toml").expect_code(0);
    let lost: Vec<&str> = finished.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(lost.len(), 1, "it is said once: {}", finished.stderr);
    assert!(lost[0].starts_with("error: log lines of a/run are lost: `"), "{}", lost[0]);
    assert!(lost[0].contains("a/run.1-1.jsonl` cannot be written: "), "{}", lost[0]);
}

#[test]
fn a_store_that_is_locked_for_long_ends_the_session_and_all_that_runs() {
    let scratch = scratch();
    let script = "touch started; while [ ! -e go ]; do sleep 0.05; done";
    let text = job("a", "", "", script) + &job("b", "", "", "touch other; sleep 1000");
    scratch.write("t.toml", pipeline(&text));
    let running = Running::start(&scratch, "run t.toml");
    let marks = ["started", "other"].map(|name| scratch.directory().join(name));
    wait_until("both jobs run", || marks.iter().all(|mark| mark.exists()));
    let connection =
        rusqlite::Connection::open(scratch.directory().join(".bunsui/bunsui.db")).expect("opened");
    connection.busy_timeout(std::time::Duration::from_secs(30)).expect("set");
    connection.execute_batch("BEGIN IMMEDIATE;").expect("locked");
    scratch.write("go", "");
    let (code, said) = running.end();
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("another process holds it locked"), "{said}");
    crate::product::assert_none_left(&scratch);
}
