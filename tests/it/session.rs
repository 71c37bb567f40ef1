//! `bunsui session` and `bunsui logs`: finding a session, and what is said where there is none.

use crate::product::{Running, function, given, job, pipeline, wait_until};
use crate::scratch;
use bunsui_test_support::Scratch;
use insta::assert_snapshot;

fn with_sessions() -> Scratch {
    let scratch = scratch();
    scratch.write(
        "t.toml",
        pipeline(
            &(function("a", "", "", "f") + &job("b-b", "depends_on = [\"a\"]", "", "echo good; echo bad")),
        ),
    );
    scratch.write(
        "handlers.py",
        // On one stream: between two, no order is promised.
        "def f(event, context):\n    print('plain')\n    print('worse')\n    return 1\n",
    );
    scratch.run("run t.toml --label n=1").expect_code(0);
    scratch
}

fn ids(scratch: &Scratch, filter: &str) -> Vec<String> {
    let list = scratch.run(&format!("session list --output json {filter}")).expect_code(0).json();
    let sessions = list["sessions"].as_array().expect("a list").iter();
    sessions.map(|session| session["session_id"].as_str().expect("a text").to_owned()).collect()
}

#[test]
fn where_nothing_ran_there_is_nothing() {
    let scratch = scratch();
    assert_snapshot!(scratch.run("session list").snapshot(), @"
    exit code: 0
    ----- stdout -----
    ----- stderr -----
    there is no session yet; `bunsui run FILE` makes one
    ");
    assert_snapshot!(scratch.run("session list --output json").snapshot(), @r#"
    exit code: 0
    ----- stdout -----
    {"sessions":[]}
    ----- stderr -----
    "#);
    assert_snapshot!(scratch.run("session show last").snapshot(), @"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    bunsui::session::none

      × there is no session yet in `[WORK]/.bunsui`
      help: `bunsui run FILE` makes one
    ");
    assert_snapshot!(scratch.run("logs last").snapshot(), @"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    bunsui::session::none

      × there is no session yet in `[WORK]/.bunsui`
      help: `bunsui run FILE` makes one
    ");
    assert!(!scratch.directory().join(".bunsui").exists(), "reading makes nothing");
}

#[test]
fn a_session_is_found_by_its_id_a_part_of_it_or_as_the_last() {
    let scratch = with_sessions();
    scratch.write("other.toml", "[pipeline]\nname = \"other\"\n".to_owned() + &given("x", "", "1"));
    scratch.run("run other.toml").expect_code(0);
    let ids = ids(&scratch, "");
    assert_eq!(ids.len(), 2);
    let shown = |wanted: &str| {
        let shown = scratch.run(&format!("session show {wanted} --output json")).expect_code(0).json();
        shown["session_id"].as_str().expect("a text").to_owned()
    };
    assert_eq!(shown("last"), ids[0], "the newest is the first of the list");
    assert_eq!(shown(&ids[1]), ids[1]);
    assert_eq!(shown(&ids[1][9..]), ids[1]);
    // Both have the day in common.
    let ambiguous = scratch.run(&format!("session show {}", &ids[0][..6])).expect_code(2);
    assert!(ambiguous.stderr.contains("bunsui::session::ambiguous"), "{}", ambiguous.stderr);
    assert!(ambiguous.stderr.contains("part of 2 sessions' ids"), "{}", ambiguous.stderr);
    // One letter is wrong.
    let mut near = ids[0].clone();
    near.pop();
    let not_found = scratch.run(&format!("session show {near}!")).expect_code(2);
    assert!(not_found.stderr.contains(&format!("did you mean `{}`?", ids[0])), "{}", not_found.stderr);
    assert_snapshot!(scratch.run("logs nonsense").snapshot(), @"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    bunsui::session::not_found

      × no session's id holds `nonsense`
      help: `bunsui session list` shows them
    ");
}

#[test]
fn lists_are_filtered() {
    let scratch = with_sessions();
    scratch.write("bad.toml", "[pipeline]\nname = \"bad\"\n[jobs.x]\n[[jobs.x.operations]]\nname = \"x\"\ntype = \"lambda\"\nfunction = \"f\"\nlocal = { handler = \"no.py:f\" }\n");
    scratch.run("run bad.toml").expect_code(1);
    let all = ids(&scratch, "");
    assert_eq!(ids(&scratch, "--pipeline t"), all[1..]);
    assert_eq!(ids(&scratch, "--status failed"), all[..1]);
    assert_eq!(ids(&scratch, "--status failed --status succeeded"), all);
    assert_eq!(ids(&scratch, "--limit 1"), all[..1]);
    assert_snapshot!(scratch.run("session list").snapshot(), @"
    exit code: 0
    ----- stdout -----
    SESSION                 PIPELINE  STATUS      CREATED (UTC)             TOOK  LABELS
    [SESSION]  bad       failed      [TIME]  [DURATION]
    [SESSION]  t         succeeded   [TIME]  [DURATION]  n=1
    ----- stderr -----
    ");
    assert_snapshot!(scratch.run("session list --status faild").snapshot(), @"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: invalid value 'faild' for '--status <STATUS>': a status is created, running, pausing, paused, cancelling, succeeded, failed, timed_out or cancelled

    For more information, try '--help'.
    ");
}

#[test]
fn log_lines_are_filtered() {
    let scratch = with_sessions();
    assert_snapshot!(scratch.run("logs last").snapshot(), @"
    exit code: 0
    ----- stdout -----
    [TIME] [runner] session [SESSION] of t: 2 jobs
    [TIME] [runner] a started
    [TIME] a/call  plain
    [TIME] a/call  worse
    [TIME] [runner] a succeeded
    [TIME] [runner] b-b started
    [TIME] b-b/run  good
    [TIME] b-b/run  bad
    [TIME] [runner] b-b succeeded
    [TIME] [runner] session succeeded
    ----- stderr -----
    ");
    assert_snapshot!(scratch.run("logs last --job b-b --operation run").snapshot(), @"
    exit code: 0
    ----- stdout -----
    [TIME] b-b/run  good
    [TIME] b-b/run  bad
    ----- stderr -----
    ");
    assert_snapshot!(scratch.run("logs last --level error").snapshot(), @"
    exit code: 0
    ----- stdout -----
    ----- stderr -----
    session [SESSION]: no such log lines
    ");
    assert_snapshot!(scratch.run("logs last --job b_b").snapshot(), @"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    bunsui::pipeline::no_such_job

      × pipeline `t` has no job `b_b`
      help: did you mean `b-b`?
    ");
    assert_snapshot!(scratch.run("logs last --job nope").snapshot(), @"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    bunsui::pipeline::no_such_job

      × pipeline `t` has no job `nope`
      help: its jobs: a, b-b
    ");
    assert_snapshot!(scratch.run("logs last --operation cal").snapshot(), @"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    bunsui::pipeline::no_such_operation

      × pipeline `t` has no operation `cal`
      help: did you mean `call`?
    ");
    assert_snapshot!(scratch.run("logs last --operation nope").snapshot(), @"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    bunsui::pipeline::no_such_operation

      × pipeline `t` has no operation `nope`
      help: operations here: `call`, `run`
    ");
    // What another job has is not this one's.
    assert_snapshot!(scratch.run("logs last --job a --operation run").snapshot(), @"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    bunsui::pipeline::no_such_operation

      × job `a` has no operation `run`
      help: operations here: `call`
    ");
    assert_snapshot!(scratch.run("logs last --level loud").snapshot(), @"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: invalid value 'loud' for '--level <LEVEL>'
      [possible values: debug, info, warn, error]

    For more information, try '--help'.
    ");
    let lines = scratch.run("logs last --output json").expect_code(0).json_lines();
    for line in lines {
        let keys: Vec<&str> = line.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(
            keys,
            [
                "ts",
                "level",
                "source",
                "session_id",
                "job_id",
                "operation",
                "attempt",
                "try",
                "message",
                "fields"
            ]
        );
        let ts = line["ts"].as_str().expect("a text");
        assert!(ts.len() == 24 && ts.ends_with('Z'), "milliseconds, UTC: {ts}");
    }
}

#[test]
fn log_lines_lie_where_they_will_lie_on_s3() {
    let scratch = with_sessions();
    let id = &ids(&scratch, "")[0];
    let (year, month, day) = (&id[..4], &id[4..6], &id[6..8]);
    let stored = scratch.read(&format!(".bunsui/objects/logs/{year}/{month}/{day}/{id}/b-b/run.1-1.jsonl"));
    assert_eq!(stored.lines().count(), 2, "{stored}");
}

#[test]
fn a_session_that_runs_can_be_looked_at() {
    let scratch = scratch();
    let script = "echo begun; touch started; while [ ! -e go ]; do sleep 0.05; done";
    scratch.write("t.toml", pipeline(&(job("a", "", "", script) + &given("b", "depends_on = [\"a\"]", "1"))));
    let running = Running::start(&scratch, "run t.toml");
    wait_until("its log line is there", || scratch.run("logs last").stdout.contains("a/run  begun"));
    let shown = scratch.run("session show last").expect_code(0).stdout;
    assert!(shown.contains("2 jobs: 1 running, 1 pending"), "{shown}");
    scratch.write("go", "");
    assert_eq!(running.end().0, Some(0));
}
