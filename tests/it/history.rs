//! `bunsui logs`: what was done and said.

use crate::product::{Running, function, given, job, pipeline, wait_until};
use crate::scratch;
use bunsui_test_support::Scratch;
use insta::assert_snapshot;
use serde_json::Value as Json;
use std::process::{Child, Stdio};

/// Fails in its second job the first time; says something in colour, and something of several lines.
fn with_history() -> Scratch {
    let scratch = scratch();
    let first = function("first", "", "", "f");
    let second = job("second", "depends_on = [\"first\"]", "", "echo trying; test -e go");
    scratch.write("t.toml", pipeline(&(first + &second + &given("third", "depends_on = [\"second\"]", "1"))));
    scratch.write(
        "handlers.py",
        "import logging\ndef f(event, context):\n    print('Rows: 12')\n    print('\\x1b[31mred\\x9b0m')\n    return 1\n",
    );
    scratch.run("run t.toml --label n=1").expect_code(1);
    scratch.write("go", "");
    scratch.run("session retry last").expect_code(0);
    scratch
}

fn messages(scratch: &Scratch, arguments: &str) -> Vec<String> {
    let lines = scratch.run(&format!("logs last --output json {arguments}")).expect_code(0).json_lines();
    lines.iter().map(|line| line["message"].as_str().expect("a text").to_owned()).collect()
}

#[test]
fn logs_are_one_stream_of_what_was_done_and_said() {
    let scratch = with_history();
    assert_snapshot!(scratch.run("logs last").snapshot(), @r#"
    exit code: 0
    ----- stdout -----
    [TIME] [runner] session [SESSION] of t: 3 jobs
    [TIME] [runner] first started
    [TIME] first/call  Rows: 12
    [TIME] first/call  \u{1b}[31mred\u{9b}0m
    [TIME] [runner] first succeeded
    [TIME] [runner] second started
    [TIME] second/run  trying
    [TIME] [runner] ERROR second failed: container `main` exited with code 1
    [TIME] [runner] WARN third not run: `second` failed
    [TIME] [runner] ERROR session failed
    [TIME] [runner] retry 1, asked for by uid 0
    [TIME] [runner] second started, attempt 2
    [TIME] second/run [attempt 2, try 1]  trying
    [TIME] [runner] second succeeded
    [TIME] [runner] third started
    [TIME] [runner] third succeeded
    [TIME] [runner] session succeeded
    ----- stderr -----
    "#);
    assert_snapshot!(scratch.run("logs last --job second --source runner").snapshot(), @"
    exit code: 0
    ----- stdout -----
    [TIME] [runner] second started
    [TIME] [runner] DEBUG second/run started, try 1
    [TIME] [runner] DEBUG second/run: try 1 failed with States.TaskFailed
    [TIME] [runner] ERROR second failed: container `main` exited with code 1
    [TIME] [runner] second started, attempt 2
    [TIME] [runner] DEBUG second/run started, try 1
    [TIME] [runner] DEBUG second/run succeeded, try 1
    [TIME] [runner] second succeeded
    ----- stderr -----
    ");
}

#[test]
fn lines_are_chosen_by_who_what_and_when() {
    let scratch = with_history();
    assert_eq!(messages(&scratch, "--source operation --job second"), ["trying", "trying"]);
    assert_eq!(messages(&scratch, "--source operation --attempt 2"), ["trying"]);
    assert_eq!(messages(&scratch, "--grep ^Rows:.[0-9]+$"), ["Rows: 12"]);
    assert!(messages(&scratch, "--grep ^rows").is_empty());
    assert_eq!(messages(&scratch, "--grep ^rows --ignore-case"), ["Rows: 12"]);
    assert_eq!(messages(&scratch, "--tail 1"), ["session succeeded"]);
    assert_eq!(
        messages(&scratch, "--level error").first().map(String::as_str).map(|line| &line[..13]),
        Some("second failed")
    );
    // The steps of an operation are shown where they are asked for.
    let steps =
        |arguments: &str| messages(&scratch, arguments).iter().any(|line| line.contains("started, try 1"));
    assert!(!steps("") && steps("--level debug") && steps("--source runner"));
    // All is before tomorrow and nothing is before yesterday.
    let all = messages(&scratch, "");
    assert_eq!(messages(&scratch, "--since 1d"), all);
    assert!(messages(&scratch, "--until 1d").is_empty());
    let whole: Vec<Json> = scratch.run("logs last --output json").json_lines();
    let ts = whole[3]["ts"].as_str().expect("a text");
    let parts = [messages(&scratch, &format!("--until {ts}")), messages(&scratch, &format!("--since {ts}"))];
    assert_eq!(parts.concat(), all, "a time is in one of two parts that it separates");
}

#[test]
fn what_is_no_expression_or_time_is_refused() {
    let scratch = with_history();
    assert_snapshot!(scratch.run("logs last --grep rows(2015").snapshot(), @r#"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    bunsui::session::bad_pattern

      × `rows(2015` is no regular expression: unclosed group
      help: a character that means itself and is not a letter or a digit is written with `\` before it
    "#);
    assert_snapshot!(scratch.run("logs last --since yesterday").snapshot(), @"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: invalid value 'yesterday' for '--since <TIME>': it is a duration such as `10m`, a day such as `2026-11-24`, or a time such as `[TIME]`

    For more information, try '--help'.
    ");
}

#[test]
fn what_was_said_does_nothing_to_a_terminal() {
    let scratch = with_history();
    for command in ["logs last", "logs last --output json", "logs last --download -"] {
        let stdout = scratch.run(command).expect_code(0).stdout;
        assert!(stdout.contains("red"), "{stdout}");
        assert!(!stdout.contains(['\u{1b}', '\u{9b}']), "{command}: {stdout}");
    }
    assert!(messages(&scratch, "").contains(&"\u{1b}[31mred\u{9b}0m".to_owned()), "as data it is whole");
}

#[test]
fn lines_are_downloaded_whole_or_not_at_all() {
    let scratch = with_history();
    assert_snapshot!(scratch.run("logs last --download lines.jsonl --source operation").snapshot(), @"
    exit code: 0
    ----- stdout -----
    ----- stderr -----
    4 lines in lines.jsonl
    ");
    let lines = scratch.read("lines.jsonl");
    assert_eq!(lines, scratch.run("logs last --output json --source operation").stdout);
    assert_eq!(lines, scratch.run("logs last --download - --source operation").stdout);
    assert_snapshot!(scratch.run("logs last --download missing/lines.jsonl").snapshot(), @r#"
    exit code: 3
    ----- stdout -----
    ----- stderr -----
    bunsui::session::download_failed

      × `missing/lines.jsonl` cannot be written: No such file or directory (os error 2)
      help: name a file in a folder that is there and that you may write to; what stood there before
            is as it was
    "#);
    assert!(
        scratch.run("logs last --download a --follow").expect_code(2).stderr.contains("cannot be used with")
    );
}

/// `logs last` that follows, into a file.
struct Following(Child);

impl Following {
    fn start(scratch: &Scratch, arguments: &str) -> Self {
        let line = format!("logs last --follow {arguments}");
        let mut command = scratch.command(line.split_whitespace());
        let into = |name: &str| std::fs::File::create(scratch.directory().join(name)).unwrap();
        command.stdin(Stdio::null()).stdout(into("followed")).stderr(into("followed.err"));
        Self(command.spawn().expect("bunsui starts"))
    }

    fn end(mut self) -> Option<i32> {
        wait_until("following ends", || self.0.try_wait().unwrap().is_some());
        self.0.wait().unwrap().code()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        // A test that failed must leave nothing.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn another_process_follows_a_session_to_its_end() {
    let scratch = scratch();
    let script = "echo begun; while [ ! -e go ]; do sleep 0.05; done; echo done";
    scratch.write(
        "t.toml",
        pipeline(&(job("a", "", "", script) + &job("b", "depends_on = [\"a\"]", "", "echo last"))),
    );
    let running = Running::start(&scratch, "run t.toml");
    wait_until("its log line is there", || scratch.run("logs last").stdout.contains("a/run  begun"));
    let following = Following::start(&scratch, "--tail 1");
    wait_until("what there was is shown", || scratch.read("followed").contains("a/run  begun"));
    scratch.write("go", "");
    assert_eq!(running.end().0, Some(0));
    assert_eq!(following.end(), Some(0));
    assert_snapshot!(scratch.redactions().apply(&scratch.read("followed")), @"
    [TIME] a/run  begun
    [TIME] a/run  done
    [TIME] [runner] a succeeded
    [TIME] [runner] b started
    [TIME] b/run  last
    [TIME] [runner] b succeeded
    [TIME] [runner] session succeeded
    ");
}

#[test]
fn whoever_follows_is_told_that_the_runner_is_gone() {
    let scratch = scratch();
    scratch
        .write("t.toml", pipeline(&job("a", "", "", "echo begun; while [ ! -e go ]; do sleep 0.05; done")));
    let running = Running::start(&scratch, "run t.toml");
    wait_until("its log line is there", || scratch.run("logs last").stdout.contains("a/run  begun"));
    let following = Following::start(&scratch, "");
    running.signal(rustix::process::Signal::KILL);
    running.end();
    assert_eq!(following.end(), Some(4));
    let said = scratch.read("followed.err");
    assert!(said.contains("its runner is gone; to go on with it: bunsui session resume"), "{said}");
}
