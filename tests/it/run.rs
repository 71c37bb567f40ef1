//! `bunsui run` of pipelines that succeed: what is printed, stored and passed along.

use crate::product::{files_below, function, given, job, output, pipeline, pipeline_with, run_json, summary};
use crate::scratch;
use bunsui_test_support::Scratch;
use insta::assert_snapshot;
use serde_json::json;

const SMALL: &str = r#"[pipeline]
name = "small"

[params]
year = { type = "integer", default = 2015 }
dry = { type = "boolean", default = false }

[jobs.load]
[[jobs.load.operations]]
name = "read"
type = "lambda"
function = "load"
payload = { year = "${params.year}" }
local = { handler = "handlers.py:load" }

[jobs.sum]
depends_on = ["load"]
[[jobs.sum.operations]]
name = "add"
type = "ecs"
task_definition = "sum"
container = "main"
environment = { ROWS = "${jobs.load.rows}", NOTE = "${params.year}: ${jobs.load.rows} rows, dry ${params.dry}" }
local = { command = ["sh", "-c", 'echo "$NOTE"'] }

[jobs.tell]
depends_on = ["sum"]
when = "${params.dry}"
[[jobs.tell.operations]]
name = "send"
type = "lambda"
function = "tell"
local = { result = { sent = true } }
"#;

fn small() -> Scratch {
    let scratch = scratch();
    scratch.write("small.toml", SMALL);
    scratch.write(
        "handlers.py",
        "def load(event, context):\n    print('reading', event['year'])\n    return {'rows': 3}\n",
    );
    scratch
}

#[test]
fn a_pipeline_that_succeeds() {
    let scratch = small();
    assert_snapshot!(scratch.run("run small.toml --label team=data").snapshot(), @"
    exit code: 0
    ----- stdout -----
    ----- stderr -----
    [TIME] session [SESSION] of small: 3 jobs
    [TIME] started    load
    [TIME] succeeded  load ([DURATION])
    [TIME] started    sum
    [TIME] succeeded  sum ([DURATION])
    [TIME] skipped    tell: `when` is false

    session [SESSION] succeeded in [DURATION]

      load  succeeded  [DURATION]  rows: 3
      sum   succeeded  [DURATION]  exit_code: 0, task_arn: arn:aws:ecs:local:000000000000:task/defau…
      tell  skipped                -  `when` is false

    3 jobs: 2 succeeded, 1 skipped
    its report: .bunsui/objects/reports/[DAY]/[SESSION].html
    its log lines: bunsui logs [SESSION]
    ");
    assert_snapshot!(scratch.run("session list").snapshot(), @"
    exit code: 0
    ----- stdout -----
    SESSION                 PIPELINE  STATUS      CREATED (UTC)             TOOK  LABELS
    [SESSION]  small     succeeded   [TIME]  [DURATION]  team=data
    ----- stderr -----
    ");
    assert_snapshot!(scratch.run("logs last").snapshot(), @"
    exit code: 0
    ----- stdout -----
    [TIME] [runner] session [SESSION] of small: 3 jobs
    [TIME] [runner] load started
    [TIME] load/read  reading 2015
    [TIME] [runner] load succeeded
    [TIME] [runner] sum started
    [TIME] sum/add  2015: 3 rows, dry false
    [TIME] [runner] sum succeeded
    [TIME] [runner] tell skipped: `when` is false
    [TIME] [runner] session succeeded
    ----- stderr -----
    ");
    let shown = scratch.run("session show last").snapshot();
    let shown: String = shown
        .lines()
        .map(|line| {
            if line.starts_with("created") {
                "created     [BY WHOM]\n".to_owned()
            } else {
                format!("{line}\n")
            }
        })
        .collect();
    assert_snapshot!(shown, @"
    exit code: 0
    ----- stdout -----
    session     [SESSION]
    pipeline    small (version [DIGEST]) from small.toml
    created     [BY WHOM]
    bunsui [VERSION]
    plugin      ecs [VERSION] (sha256 [DIGEST])
    plugin      lambda [VERSION] (sha256 [DIGEST])
    param       year = 2015
    param       dry = false
    label       team=data

      JOB   ATTEMPT  STARTED (UTC)         WAITED      RAN  TRIES  ENDED
      load        1  [TIME]  [DURATION]  [DURATION]      1  succeeded
      sum         1  [TIME]  [DURATION]  [DURATION]      1  succeeded

    critical path: load ([DURATION]) > sum ([DURATION])

    session [SESSION] succeeded in [DURATION]

      load  succeeded  [DURATION]  rows: 3
      sum   succeeded  [DURATION]  exit_code: 0, task_arn: arn:aws:ecs:local:000000000000:task/defau…
      tell  skipped                -  `when` is false

    3 jobs: 2 succeeded, 1 skipped
    its report: .bunsui/objects/reports/[DAY]/[SESSION].html
    its log lines: bunsui logs [SESSION]
    ----- stderr -----
    ");
}

#[test]
fn json_output_is_a_line_an_event_and_then_the_session() {
    let scratch = small();
    let finished = scratch.run("run small.toml --output json").expect_code(0);
    assert_eq!(finished.stderr, "");
    let lines = finished.json_lines();
    let (last, events) = lines.split_last().expect("there are lines");
    let numbers: Vec<u64> = events.iter().filter_map(|event| event["number"].as_u64()).collect();
    assert_eq!(numbers, (1..=events.len() as u64).collect::<Vec<_>>());
    let kinds: Vec<&str> = events.iter().filter_map(|event| event["event"].as_str()).collect();
    assert_eq!(
        kinds,
        [
            "session_created",
            "lease_taken",
            "session_started",
            "job_started",
            "operation_started",
            "operation_succeeded",
            "job_succeeded",
            "job_started",
            "operation_started",
            "operation_succeeded",
            "job_succeeded",
            "job_skipped",
            "session_ended",
        ]
    );
    assert_eq!(last["event"], "session_summary");
    assert_eq!(last["session"]["status"], "succeeded");
    assert_eq!(last["session"]["parameters"], json!({"year": 2015, "dry": false}));
    assert_eq!(last["session"]["job_records"][0]["output"]["inline"], json!({"rows": 3}));
    // The same session, read again.
    let mut shown = scratch.run("session show last --output json").json();
    // What only the events know comes on top of it.
    for history in ["attempts", "critical_path", "cancel"] {
        assert!(shown.as_object_mut().expect("an object").remove(history).is_some());
    }
    assert_eq!(shown, last["session"]);
}

#[test]
fn values_keep_their_types_alone_and_become_text_in_text() {
    let scratch = scratch();
    let own = "payload = { alone = \"${params.n}\", flag = \"${params.b}\", list = \"${params.l}\", \
               text = \"${params.n} ${params.b} ${params.x} ${params.l[0]} $${params.n}\", \
               date = \"on ${params.d}\", who = \"${pipeline.name}\" }";
    let head = "[params]\nn = { type = \"integer\", default = 15 }\nb = { type = \"boolean\", default = true }\n\
                x = { type = \"number\", default = 0.5 }\nl = { type = \"list\", default = [\"ä\", 2] }\n\
                d = { type = \"date\", default = 2015-01-31 }";
    scratch.write("t.toml", pipeline_with(head, &function("echo", "", own, "echo")));
    scratch.write("handlers.py", "def echo(event, context):\n    return event\n");
    let finished = run_json(&scratch, "").expect_code(0);
    assert_eq!(
        output(&finished, "echo"),
        json!({"alone": 15, "flag": true, "list": ["ä", 2], "text": "15 true 0.5 ä ${params.n}", "date": "on 2015-01-31", "who": "t"})
    );
}

#[test]
fn operations_of_a_job_pass_results_on_whatever_their_names() {
    let scratch = scratch();
    let text = r#"
[jobs.a-b]
output = { all = "${operations.one-1.deep.k} ${operations.two.text}" }
[[jobs.a-b.operations]]
name = "one-1"
type = "lambda"
function = "f"
local = { result = { deep = { k = 7 }, unused = "x" } }
[[jobs.a-b.operations]]
name = "two"
type = "lambda"
function = "f"
payload = { text = "k is ${operations.one-1.deep.k}" }
local = { handler = "handlers.py:echo" }
[[jobs.a-b.operations]]
name = "three"
type = "ecs"
local = { command = ["true"] }

[jobs.c]
depends_on = ["a-b"]
[[jobs.c.operations]]
name = "echo"
type = "lambda"
function = "f"
payload = { whole = "${jobs.a-b}", part = "{% $jobs.`a-b`.all & '!' %}" }
local = { handler = "handlers.py:echo" }
"#;
    scratch.write("t.toml", pipeline(text));
    scratch.write("handlers.py", "def echo(event, context):\n    return event\n");
    let finished = run_json(&scratch, "").expect_code(0);
    assert_eq!(output(&finished, "a-b"), json!({"all": "7 k is 7"}));
    assert_eq!(output(&finished, "c"), json!({"whole": {"all": "7 k is 7"}, "part": "7 k is 7!"}));
}

#[test]
fn a_process_leaves_a_result() {
    let scratch = scratch();
    let text = job("leave", "", "result = true", "echo '{\"rows\": [1, 2]}' > \"$BUNSUI_OUTPUT\"")
        + &job(
            "read",
            "depends_on = [\"leave\"]",
            "result = true\nenvironment = { N = \"{% $count($jobs.leave.result.rows) %}\", FLAG = true }",
            "echo \"\\\"$N $FLAG\\\"\" > \"$BUNSUI_OUTPUT\"",
        )
        + &job("plain", "", "", "exit 0");
    scratch.write("t.toml", pipeline(&text));
    let finished = run_json(&scratch, "").expect_code(0);
    assert_eq!(output(&finished, "leave")["result"], json!({"rows": [1, 2]}));
    assert_eq!(output(&finished, "read")["result"], json!("2 true"));
    assert_eq!(output(&finished, "plain")["exit_code"], 0);
    assert!(output(&finished, "plain")["task_arn"].is_string());
}

#[test]
fn a_large_output_is_an_object_and_reaches_those_who_read_it() {
    let scratch = scratch();
    let text = function("big", "", "", "big")
        + &function(
            "length",
            "depends_on = [\"big\"]",
            "payload = { text = \"${jobs.big.text}\" }",
            "length",
        );
    scratch.write("t.toml", pipeline(&text));
    scratch.write(
        "handlers.py",
        "def big(event, context):\n    return {'text': 'ü' * 50000}\ndef length(event, context):\n    return len(event['text'])\n",
    );
    let finished = run_json(&scratch, "").expect_code(0);
    assert_eq!(output(&finished, "length"), 50_000);
    let object = crate::product::jobs(&finished)["big"]["output"]["object"].clone();
    let key = object["key"].as_str().expect("a key");
    let stored = scratch.read(&format!(".bunsui/objects/{key}"));
    assert_eq!(object["size"], stored.len());
    assert!(stored.contains("üüü"), "{}", &stored[..80]);
    let database = std::fs::read(scratch.directory().join(".bunsui/bunsui.db")).expect("there");
    assert!(!String::from_utf8_lossy(&database).contains("üüüü"), "records hold no large value");
}

#[test]
fn letters_of_all_kinds_go_through_everything() {
    let scratch = scratch();
    let own = "payload = { wort = \"Grüße, 雨 ☂ \\u0007 ${params.p}\" }";
    let head = "description = \"雨の日\"\n[params]\np = { type = \"string\", default = \"naïve “quote” \\\"x\\\" \\\\ \\n new\" }";
    let text = function("echo", "description = \"ällo\"", own, "echo")
        + &job(
            "say",
            "depends_on = [\"echo\"]",
            "environment = { W = \"${jobs.echo.wort}\" }",
            "printf '%s\\n' \"$W\"; printf '\\377bad\\n'",
        );
    scratch.write("t.toml", pipeline_with(head, &text));
    scratch.write(
        "handlers.py",
        "def echo(event, context):\n    print('got ' + event['wort'])\n    return event\n",
    );
    let finished = run_json(&scratch, "").expect_code(0);
    let expected = "Grüße, 雨 ☂ \u{7} naïve “quote” \"x\" \\ \n new";
    assert_eq!(output(&finished, "echo")["wort"], expected);
    let logs = scratch.run("logs last --job say").expect_code(0).stdout;
    assert!(
        logs.contains("Grüße, 雨 ☂ \\u{7} naïve “quote”"),
        "control characters are shown, not sent: {logs}"
    );
    assert!(logs.contains("\u{fffd}bad"), "{logs}");
}

#[test]
fn paths_are_relative_to_the_pipeline_file() {
    let scratch = scratch();
    let text = job("read", "", "", "cat data.txt; pwd") + &function("call", "", "", "read");
    scratch.write("deep/folder/t.toml", pipeline(&text));
    scratch.write("deep/folder/data.txt", "found\n");
    scratch.write(
        "deep/folder/handlers.py",
        "import helper\ndef read(event, context):\n    return open('data.txt').read()\n",
    );
    scratch.write("deep/folder/helper.py", "");
    let finished = scratch.run("run deep/folder/t.toml --output json").expect_code(0);
    assert_eq!(output(&finished, "call"), "found\n");
    assert!(scratch.run("logs last --job read").stdout.contains("deep/folder\n"));
}

#[test]
fn settings_say_where_the_state_is() {
    let scratch = scratch();
    scratch.write("bunsui.toml", "[local]\nstate = \"elsewhere/state\"\n");
    scratch.write("inner/t.toml", pipeline(&given("a", "", "1")));
    let mut command = scratch.command(["run", "t.toml"]);
    let output = command.current_dir(scratch.directory().join("inner")).output().expect("it starts");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(scratch.directory().join("elsewhere/state/bunsui.db").exists());
    scratch.run("session show last").expect_code(0);
}

#[test]
fn a_pipeline_may_come_from_standard_input() {
    let scratch = scratch();
    scratch.write("data.txt", "x");
    let finished =
        scratch.run_with_input("run - --output json", &pipeline(&job("a", "", "", "cat data.txt")));
    assert_eq!(summary(&finished.expect_code(0))["file"], "<stdin>");
}

#[test]
fn wrong_arguments_say_what_is_right() {
    let scratch = scratch();
    scratch.write("t.toml", pipeline(&given("a", "", "1")));
    assert_snapshot!(scratch.run("run t.toml --max-concurrency 0").snapshot(), @"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: invalid value '0' for '--max-concurrency <N>': it is a whole number, at least 1

    For more information, try '--help'.
    ");
    for command in ["resume", "retry"] {
        let refused = scratch.run(&format!("session {command} last --max-concurrency 0")).expect_code(2);
        assert!(refused.stderr.contains("it is a whole number, at least 1"), "{}", refused.stderr);
    }
    assert_snapshot!(scratch.run("run t.toml --label team").snapshot(), @"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: invalid value 'team' for '--label <K=V>': a label is `KEY=VALUE`

    For more information, try '--help'.
    ");
    assert_snapshot!(scratch.run("run t.toml --outptu json").snapshot(), @"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: unexpected argument '--outptu' found

      tip: a similar argument exists: '--output'

    Usage: bunsui run --output <OUTPUT> <FILE>

    For more information, try '--help'.
    ");
    assert_snapshot!(scratch.run("run").snapshot(), @"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: the following required arguments were not provided:
      <FILE>

    Usage: bunsui run <FILE>

    For more information, try '--help'.
    ");
    assert_snapshot!(scratch.run("rum t.toml").snapshot(), @"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: unrecognized subcommand 'rum'

      tip: a similar subcommand exists: 'run'

    Usage: bunsui [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
    assert_snapshot!(scratch.run("run tt.toml").snapshot(), @"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    bunsui::pipeline::unreadable

      × `tt.toml` cannot be read: there is no such file
      help: did you mean `t.toml`?
    ");
    assert_snapshot!(scratch.run("run .").snapshot(), @"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    bunsui::pipeline::unreadable

      × `.` cannot be read: it is a folder
    ");
    assert_snapshot!(scratch.run("run t.toml --backend aws").snapshot(), @"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    bunsui::aws::no_region

      × no AWS region is set
      help: set `[aws] region`, `--region` or AWS_REGION
    ");
}

#[test]
fn an_invalid_pipeline_starts_nothing() {
    let scratch = scratch();
    scratch.write("t.toml", pipeline(&given("a", "depends_on = [\"b\"]", "1")));
    scratch.run("run t.toml").expect_code(2);
    assert!(!scratch.directory().join(".bunsui/bunsui.db").exists());
}

#[test]
fn an_operation_without_a_local_form_is_found_before_anything_starts() {
    let scratch = scratch();
    scratch.write(
        "t.toml",
        pipeline("[jobs.a]\n[[jobs.a.operations]]\nname = \"x\"\ntype = \"lambda\"\nfunction = \"f\"\n"),
    );
    assert_snapshot!(scratch.run("run t.toml").snapshot(), @r#"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    bunsui::pipeline::no_local_form

      × operation `x` cannot run on this machine: it has no `local`
        ╭─[t.toml:10:1]
      9 │ [jobs.a]
     10 │ [[jobs.a.operations]]
        · ──────────┬──────────
        ·           ╰── says nothing of what it is here
     11 │ name = "x"
        ╰────
      help: add `local = { handler = "file.py:function" }`, or `local = { result = … }` for what it
            gives here

    t.toml: 1 error
    "#);
    assert!(!scratch.directory().join(".bunsui/bunsui.db").exists());
}

#[test]
fn state_is_kept_out_of_version_control() {
    let scratch = scratch();
    scratch.write("t.toml", pipeline(&job("a", "", "", "echo x")));
    scratch.run("run t.toml").expect_code(0);
    assert_eq!(scratch.read(".bunsui/.gitignore"), "*\n");
    let names: Vec<String> = files_below(scratch.directory().join(".bunsui"))
        .iter()
        .filter_map(|file| Some(file.strip_prefix(scratch.directory()).ok()?.to_str()?.to_owned()))
        .filter(|name| name.contains("/objects/"))
        .collect();
    assert_eq!(names.len(), 3, "the deployment, the log and the report: {names:?}");
}
