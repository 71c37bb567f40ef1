//! `bunsui logs`, `session list`, `session show` and `pipeline show`: what was said, and how it went.

use crate::product::{Running, files_below, function, given, job, pipeline, wait_until};
use crate::scratch;
use bunsui_test_support::Scratch;
use insta::assert_snapshot;
use rustix::process::{Pid, Signal, kill_process};
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
    assert!(
        scratch
            .run("logs last --download .")
            .expect_code(3)
            .stderr
            .contains("`.` cannot be written: it is a folder")
    );
    let hidden = std::fs::read_dir(scratch.directory()).unwrap().map(|entry| entry.unwrap().file_name());
    let hidden: Vec<_> = hidden.filter(|name| name.to_string_lossy().ends_with(".part")).collect();
    assert!(hidden.is_empty(), "{hidden:?}");
}

#[test]
fn a_download_keeps_links_and_writes_to_what_is_no_file() {
    let scratch = with_history();
    let place = |name: &str| scratch.directory().join(name);
    scratch.write("there.jsonl", "old");
    std::os::unix::fs::symlink("there.jsonl", place("link.jsonl")).unwrap();
    scratch.run("logs last --download link.jsonl").expect_code(0);
    assert!(std::fs::symlink_metadata(place("link.jsonl")).unwrap().is_symlink());
    let lines = scratch.read("there.jsonl");
    assert!(lines.starts_with("{\"ts\":") && lines.lines().count() > 4, "{lines}");
    let piped = scratch.run("logs last --download /dev/stdout").expect_code(0);
    assert_eq!(piped.stdout, lines);
}

#[test]
fn a_download_that_is_interrupted_leaves_nothing() {
    let scratch = with_history();
    // More than can be written before the signal comes.
    let file = files_below(scratch.directory().join(".bunsui/objects/logs")).remove(0);
    let line = std::fs::read_to_string(&file).unwrap().lines().next().unwrap().to_owned() + "\n";
    std::fs::write(&file, line.repeat(400_000)).unwrap();
    let begun = || {
        let names = std::fs::read_dir(scratch.directory()).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().starts_with(".lines.jsonl.")).count() == 1
    };
    let mut command = scratch.command(["logs", "last", "--download", "lines.jsonl"]);
    let child = command.stderr(Stdio::piped()).spawn().expect("it starts");
    wait_until("lines are written", begun);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("it was interrupted"));
    assert!(!begun() && !scratch.directory().join("lines.jsonl").exists());
}

#[test]
fn a_span_of_time_in_which_nothing_can_lie_is_refused() {
    let scratch = with_history();
    for command in ["logs last", "session list"] {
        let refused = scratch.run(&format!("{command} --since 1h --until 2h")).expect_code(2);
        assert!(refused.stderr.contains("bunsui::session::empty_span"), "{}", refused.stderr);
        let same = format!("{command} --since 2026-11-24T09:15:30Z --until 2026-11-24T09:15:30Z");
        let refused = scratch.run(&same).expect_code(2).stderr;
        assert!(refused.contains("nothing lies between"), "{refused}");
        scratch.run(&format!("{command} --since 2h")).expect_code(0);
    }
}

#[test]
fn secrets_are_in_nothing_that_is_stored_or_shown() {
    let scratch = scratch();
    let own = "environment = { TOKEN = \"${params.token}\" }";
    let params = "[params]\ntoken = { type = \"string\", secret = true }\n\n";
    let script = "echo token $TOKEN; printf '\\033[1m%s' $TOKEN >&2; exit 3";
    scratch.write("t.toml", pipeline(&(params.to_owned() + &job("a", "", own, script))));
    let scratch = scratch.with_variable("BUNSUI_PARAM_TOKEN", "hunter22");
    scratch.run("run t.toml").expect_code(1);
    scratch.run("logs last --download lines.jsonl").expect_code(0);
    let shown = [
        "logs last",
        "session show last --output json",
        "session show last --output csv",
        "session list --output csv",
    ];
    let mut texts: Vec<String> =
        shown.iter().map(|command| scratch.run(command).expect_code(0).stdout).collect();
    texts.push(scratch.read("lines.jsonl"));
    for text in texts {
        assert!(!text.contains("hunter22"), "{text}");
    }
    assert!(scratch.read("lines.jsonl").contains("token [secret]"));
    for file in files(&scratch.directory().join(".bunsui")) {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(8).any(|window| window == b"hunter22"), "{}", file.display());
    }
    assert!(sessions(&scratch, "--param token=hunter22").is_empty());
    assert!(sessions(&scratch, "--param token=[secret]").is_empty());
}

fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    entries
        .flat_map(|entry| match entry.path() {
            // Libraries of plugins.
            path if path.ends_with("plugins") => Vec::new(),
            path if path.is_dir() => files(&path),
            path => vec![path],
        })
        .collect()
}

/// `logs last` that follows, into a file.
pub(crate) struct Following(Child);

impl Following {
    pub(crate) fn start(scratch: &Scratch, arguments: &str) -> Self {
        let line = format!("logs last --follow {arguments}");
        let mut command = scratch.command(line.split_whitespace());
        let into = |name: &str| std::fs::File::create(scratch.directory().join(name)).unwrap();
        command.stdin(Stdio::null()).stdout(into("followed")).stderr(into("followed.err"));
        Self(command.spawn().expect("bunsui starts"))
    }

    pub(crate) fn end(mut self) -> Option<i32> {
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

fn sessions(scratch: &Scratch, filter: &str) -> Vec<String> {
    let list = scratch.run(&format!("session list --output json {filter}")).expect_code(0).json();
    let sessions = list["sessions"].as_array().expect("a list").iter();
    sessions.map(|session| session["session_id"].as_str().expect("a text").to_owned()).collect()
}

#[test]
fn sessions_are_found_by_time_parameter_and_label() {
    let scratch = scratch();
    let params = "[params]\nyear = { type = \"integer\", default = 2015 }\nname = { type = \"string\", default = \"x\" }\n\n";
    scratch.write("t.toml", pipeline(&(params.to_owned() + &given("a", "", "1"))));
    scratch.run("run t.toml --label team=data --label n=1").expect_code(0);
    scratch.run("run t.toml --param year=2014 --param name=2014 --label team=data").expect_code(0);
    let all = sessions(&scratch, "");
    assert_eq!(all.len(), 2);
    assert_eq!(sessions(&scratch, "--since 1h"), all);
    assert!(sessions(&scratch, "--until 1h").is_empty());
    assert_eq!(sessions(&scratch, "--param year=2014"), all[..1]);
    assert_eq!(sessions(&scratch, "--param name=2014"), all[..1]);
    assert_eq!(sessions(&scratch, "--param name=x --label n=1"), all[1..]);
    assert_eq!(sessions(&scratch, "--label team=data"), all);
    assert!(sessions(&scratch, "--label team=data --label n=2").is_empty());
    assert!(scratch.run("session list --label team").expect_code(2).stderr.contains("it is `KEY=VALUE`"));
    let csv = scratch.run("session list --output csv --label n=1").expect_code(0).stdout;
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].starts_with("session_id,pipeline,version,status,"), "{csv}");
    assert_eq!(lines.len(), 2, "{csv}");
    let row = lines[1];
    assert!(row.starts_with(&format!("{},t,", all[1])), "{csv}");
    assert!(row.ends_with(r#",t.toml,team=data n=1,"{""year"":2015,""name"":""x""}""#), "{csv}");
}

#[test]
fn a_session_shows_every_attempt_of_every_job() {
    let scratch = with_history();
    let shown = scratch.run("session show last").expect_code(0).snapshot();
    let (_, history) = shown.split_once("retried     once").expect("the facts");
    let (history, _) = history.split_once("session [SESSION]").expect("the summary");
    assert_snapshot!(history, @"

      JOB     ATTEMPT  STARTED (UTC)         WAITED      RAN  TRIES  ENDED
      first         1  [TIME]  [DURATION]  [DURATION]      1  succeeded
      second        1  [TIME]  [DURATION]  [DURATION]      1  failed
      second        2  [TIME]  [DURATION]  [DURATION]      1  succeeded
      third         1  [TIME]  [DURATION]  [DURATION]      1  succeeded

    critical path: first ([DURATION]) > second ([DURATION]) > third ([DURATION])
    ");
    let session = scratch.run("session show last --output json").expect_code(0).json();
    let attempts = session["attempts"].as_array().expect("a list").iter();
    let attempts: Vec<String> = attempts
        .map(|one| format!("{} {} {}", one["job"], one["attempt"], one["ended"]).replace('"', ""))
        .collect();
    let expected = ["first 1 succeeded", "second 1 failed", "second 2 succeeded", "third 1 succeeded"];
    assert_eq!(attempts, expected);
    for attempt in session["attempts"].as_array().expect("a list") {
        for member in ["waited_ms", "ran_ms", "between_tries_ms"] {
            assert!(attempt[member].as_i64().is_some_and(|millis| millis >= 0), "{attempt}");
        }
    }
    let path = session["critical_path"].as_array().expect("a list").iter();
    assert_eq!(
        path.map(|step| step["job"].as_str().unwrap_or("?")).collect::<Vec<_>>(),
        ["first", "second", "third"]
    );
    let csv = scratch.run("session show last --output csv").expect_code(0).stdout;
    let row = csv.lines().nth(2).expect("a row");
    let id = session["session_id"].as_str().expect("a text");
    assert!(row.starts_with(&format!("{id},second,1,{id}--second-1,,20")), "{csv}");
    assert!(row.contains(",failed,") && row.contains(",run,"), "{csv}");
}

#[test]
fn a_pipeline_shows_how_its_sessions_went() {
    let scratch = with_history();
    scratch.run("run t.toml").expect_code(0);
    std::fs::remove_file(scratch.directory().join("go")).unwrap();
    scratch.run("run t.toml").expect_code(1);
    let shown = scratch.run("pipeline show t").expect_code(0).snapshot();
    let (_, statistics) = shown.split_once("last session: ").expect("the last session");
    let mut lines: Vec<&str> = statistics.lines().collect();
    let jobs = 1 + lines.iter().position(|line| line.starts_with("  sessions ")).expect("the sessions");
    // The slowest comes first, whichever that is.
    lines[jobs..jobs + 3].sort_unstable();
    assert_snapshot!(lines.join("\n"), @"
    [SESSION] failed

    last 3 sessions: 2 succeeded, 1 failed; success rate 66.6%

                SUCCEEDED  FAILED      P50      P90      P99      MAX
      sessions          2       1  [DURATION]  [DURATION]  [DURATION]  [DURATION]
      first             3       0  [DURATION]  [DURATION]  [DURATION]  [DURATION]
      second            2       1  [DURATION]  [DURATION]  [DURATION]  [DURATION]
      third             2       0  [DURATION]  [DURATION]  [DURATION]  [DURATION]

    failed most often: second (1 of 3)
    ----- stderr -----
    ");
    let shown = scratch.run("pipeline show t --output json").expect_code(0).json();
    let statistics = &shown["statistics"];
    assert_eq!(
        (&statistics["sessions"], &statistics["success_rate"]),
        (&3.into(), &(2.0 / 3.0).into()),
        "{shown}"
    );
    let duration = &statistics["duration_ms"];
    assert!(duration["p50"].as_u64().is_some_and(|millis| millis > 0), "{shown}");
    assert_eq!(duration["p50"], duration["max"], "one has succeeded that was not retried: {shown}");
    let of_last = scratch.run("pipeline show t --last 1 --output csv").expect_code(0).stdout;
    assert!(
        of_last.starts_with(
            "pipeline,job,succeeded,failed,success_rate,p50_ms,p90_ms,p99_ms,max_ms\nt,,0,1,0.0000,,,,\n"
        ),
        "{of_last}"
    );
    assert!(of_last.contains("\nt,second,0,1,0.0000,,,,\n"), "{of_last}");
}
