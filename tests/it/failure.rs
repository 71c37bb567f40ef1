//! What failure looks like.

use crate::product::{function, given, job, jobs, pipeline, pipeline_with, run_json};
use crate::scratch;
use insta::assert_snapshot;
use serde_json::{Value as Json, json};

/// Versions of Python differ in what they underline in a stack trace.
fn without_carets(text: &str) -> String {
    let is_underline = |line: &str| !line.is_empty() && line.chars().all(|c| " ~^".contains(c));
    text.lines().filter(|line| !is_underline(line)).map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_session_in_which_much_goes_wrong() {
    let scratch = scratch();
    let text = function("load", "", "payload = { year = 2015 }", "load")
        + &function(
            "total",
            "depends_on = [\"load\"]",
            "payload = { rows = \"${jobs.load.rows}\" }",
            "total",
        )
        + &job("export", "depends_on = [\"load\"]", "", "echo writing; echo no place left >&2; exit 3")
        + &job("optional", "allow_failure = true", "", "exit 1")
        + &given("publish", "depends_on = [\"total\"]", "1")
        + &given("unwanted", "when = \"${params.go}\"", "1")
        + &given("after", "depends_on = [\"unwanted\"]", "1")
        + &given("cleanup", "depends_on = [\"export\"]\nrun_if = \"any_failed\"", "{ cleaned = true }");
    scratch.write("t.toml", pipeline_with("[params]\ngo = { type = \"boolean\", default = false }", &text));
    scratch.write(
        "handlers.py",
        "def load(event, context):\n    print('reading', event['year'])\n    return {'rows': 3}\n\n\
         def total(event, context):\n    print('adding')\n    return {'a': 1}['quantity']\n",
    );
    assert_snapshot!(without_carets(&scratch.run("run t.toml --max-concurrency 1").snapshot()), @r#"
    exit code: 1
    ----- stdout -----
    ----- stderr -----
    [TIME] session [SESSION] of t: 8 jobs
    [TIME] skipped    unwanted: `when` is false
    [TIME] skipped    after: `unwanted` was skipped
    [TIME] started    load
    [TIME] succeeded  load ([DURATION])
    [TIME] started    total
    [TIME] failed     total ([DURATION]): KeyError: 'quantity'
    [TIME] not run    publish: `total` failed
    [TIME] started    export
    [TIME] failed     export ([DURATION]): container `main` exited with code 3
    [TIME] started    optional
    [TIME] failed     optional ([DURATION]), which is allowed: container `main` exited with code 1
    [TIME] started    cleanup
    [TIME] succeeded  cleanup ([DURATION])

    bunsui::execution::failed

      × operation `call` of job `total` failed: KeyError: 'quantity'
        ╭─[t.toml:21:1]
     20 │     depends_on = ["load"]
     21 │ ╭─▶ [[jobs.total.operations]]
     22 │ │   name = "call"
     23 │ │   type = "lambda"
     24 │ │   function = "total"
     25 │ │   payload = { rows = "${jobs.load.rows}" }
     26 │ ├─▶ local = { handler = "handlers.py:total" }
        · ╰──── KeyError
     27 │
        ╰────
      help: trying again without a change will fail again

      cause:
        Traceback (most recent call last):
          File "[WORK]/handlers.py", line 7, in total
            return {'a': 1}['quantity']
      last log lines:
        adding
      all its log lines: bunsui logs [SESSION] --job total


    bunsui::execution::failed

      × operation `run` of job `export` failed: container `main` exited with code 3
        ╭─[t.toml:30:1]
     29 │     depends_on = ["load"]
     30 │ ╭─▶ [[jobs.export.operations]]
     31 │ │   name = "run"
     32 │ │   type = "ecs"
     33 │ │
     34 │ ├─▶ local = { command = ["sh", "-c", '''echo writing; echo no place left >&2; exit 3'''] }
        · ╰──── States.TaskFailed
     35 │
        ╰────
      help: whether trying again helps is not known

      last log lines:
        writing
        no place left
      all its log lines: bunsui logs [SESSION] --job export


    bunsui::execution::failed

      ⚠ operation `run` of job `optional` failed: container `main` exited with code 1
      │ (`allow_failure`: the session goes on)
        ╭─[t.toml:38:1]
     37 │     allow_failure = true
     38 │ ╭─▶ [[jobs.optional.operations]]
     39 │ │   name = "run"
     40 │ │   type = "ecs"
     41 │ │
     42 │ ├─▶ local = { command = ["sh", "-c", '''exit 1'''] }
        · ╰──── States.TaskFailed
     43 │
        ╰────
      help: whether trying again helps is not known

      all its log lines: bunsui logs [SESSION] --job optional


    session [SESSION] failed in [DURATION]

      load      succeeded  [DURATION]  rows: 3
      total     failed  [DURATION]  KeyError: 'quantity'
      export    failed  [DURATION]  container `main` exited with code 3
      optional  failed  [DURATION]  container `main` exited with code 1
      publish   upstream failed        -  `total` failed
      unwanted  skipped                -  `when` is false
      after     skipped                -  `unwanted` was skipped
      cleanup   succeeded  [DURATION]  cleaned: true

    8 jobs: 2 succeeded, 3 failed, 1 upstream failed, 2 skipped
    its report: .bunsui/objects/reports/[DAY]/[SESSION].html
    its log lines: bunsui logs [SESSION]
    what did not succeed, again: bunsui session retry [SESSION]
    with the file as it is then: bunsui session retry [SESSION] --with-current
    "#);
}

#[test]
fn a_value_that_is_not_there_is_named_where_it_is_asked_for() {
    let scratch = scratch();
    let text = given("load", "", "{ rows = 3 }")
        + &function(
            "text",
            "depends_on = [\"load\"]",
            "payload = { text = \"there are ${jobs.load.cols} columns\" }",
            "f",
        )
        + &given("output", "depends_on = [\"load\"]\noutput = { columns = \"${jobs.load.cols}\" }", "1")
        + &given("when", "depends_on = [\"load\"]\nwhen = \"${jobs.load.good}\"", "1")
        + &function(
            "jsonata",
            "depends_on = [\"load\"]",
            "payload = { sum = \"{% $jobs.load.rows + 'x' %}\" }",
            "f",
        )
        + &given("number", "depends_on = [\"load\"]\nwhen = \"${jobs.load.rows}\"", "1");
    scratch.write("t.toml", pipeline(&text));
    assert_snapshot!(scratch.run("run t.toml --max-concurrency 1").snapshot(), @r#"
    exit code: 1
    ----- stdout -----
    ----- stderr -----
    [TIME] session [SESSION] of t: 6 jobs
    [TIME] started    load
    [TIME] succeeded  load ([DURATION])
    [TIME] failed     when (not started): its `when` cannot be evaluated: `${jobs.load.good}` has no value
    [TIME] failed     number (not started): `when` gave `3`, not a boolean
    [TIME] started    text
    [TIME] failed     text ([DURATION]): `${jobs.load.cols}` has no value
    [TIME] started    output
    [TIME] failed     output ([DURATION]): `${jobs.load.cols}` has no value
    [TIME] started    jsonata
    [TIME] failed     jsonata ([DURATION]): `{% $jobs.load.rows + 'x' %}`: The right side of the + operator must evaluate to a number

    bunsui::execution::failed

      × operation `call` of job `text` failed: `${jobs.load.cols}` has no value
        ╭─[t.toml:23:31]
     22 │ function = "text"
     23 │ payload = { text = "there are ${jobs.load.cols} columns" }
        ·                               ────────┬────────
        ·                                       ╰── States.QueryEvaluationError
     24 │ local = { handler = "handlers.py:f" }
        ╰────
      help: the output of job `load` holds no such value (where a job did not succeed, it is null)
            trying again without a change will fail again

      cause:
        An error occurred while executing the state 'call' (entered at the event id #4). The JSONata expression '"there are " & ($exists($jobs.load.cols) ? $jobs.load.cols : $error("`${jobs.load.cols}` has no value")) & " columns"' specified for the field 'Arguments/Payload/text' threw an error during evaluation. D3137: `${jobs.load.cols}` has no value
      all its log lines: bunsui logs [SESSION] --job text


    bunsui::execution::failed

      × job `output` failed: `${jobs.load.cols}` has no value
        ╭─[t.toml:28:23]
     27 │ depends_on = ["load"]
     28 │ output = { columns = "${jobs.load.cols}" }
        ·                       ────────┬────────
        ·                               ╰── States.QueryEvaluationError
     29 │ [[jobs.output.operations]]
        ╰────
      help: the output of job `load` holds no such value (where a job did not succeed, it is null)
            trying again without a change will fail again

      cause:
        An error occurred while executing the state 'bunsui.output' (entered at the event id #9). The JSONata expression '$jobs.load.cols' specified for the field 'Output/columns' returned nothing (undefined).
      all its log lines: bunsui logs [SESSION] --job output


    bunsui::execution::failed

      × job `when` failed: its `when` cannot be evaluated: `${jobs.load.good}` has no value
        ╭─[t.toml:37:9]
     36 │ depends_on = ["load"]
     37 │ when = "${jobs.load.good}"
        ·         ────────┬────────
        ·                 ╰── States.QueryEvaluationError
     38 │ [[jobs.when.operations]]
        ╰────
      help: the output of job `load` holds no such value (where a job did not succeed, it is null)
            trying again without a change will fail again

      cause:
        The JSONata expression '$jobs.load.good' specified for the field 'when' returned nothing (undefined).
      all its log lines: bunsui logs [SESSION] --job when


    bunsui::execution::failed

      × operation `call` of job `jsonata` failed: `{% $jobs.load.rows + 'x' %}`: The right side of the
      │ + operator must evaluate to a number
        ╭─[t.toml:46:1]
     45 │     depends_on = ["load"]
     46 │ ╭─▶ [[jobs.jsonata.operations]]
     47 │ │   name = "call"
     48 │ │   type = "lambda"
     49 │ │   function = "jsonata"
     50 │ │   payload = { sum = "{% $jobs.load.rows + 'x' %}" }
     51 │ ├─▶ local = { handler = "handlers.py:f" }
        · ╰──── States.QueryEvaluationError
     52 │
        ╰────
      help: trying again without a change will fail again

      cause:
        An error occurred while executing the state 'call' (entered at the event id #4). The JSONata expression '$jobs.load.rows + 'x'' specified for the field 'Arguments/Payload/sum' threw an error during evaluation. T2002: The right side of the + operator must evaluate to a number
      all its log lines: bunsui logs [SESSION] --job jsonata


    bunsui::execution::failed

      × job `number` failed: `when` gave `3`, not a boolean
        ╭─[t.toml:55:9]
     54 │ depends_on = ["load"]
     55 │ when = "${jobs.load.rows}"
        ·         ────────┬────────
        ·                 ╰── States.QueryEvaluationError
     56 │ [[jobs.number.operations]]
        ╰────
      help: trying again without a change will fail again

      all its log lines: bunsui logs [SESSION] --job number


    session [SESSION] failed in [DURATION]

      load     succeeded  [DURATION]  rows: 3
      text     failed  [DURATION]  `${jobs.load.cols}` has no value
      output   failed  [DURATION]  `${jobs.load.cols}` has no value
      when     failed                 -  its `when` cannot be evaluated: `${jobs.load.good}` has no val…
      jsonata  failed  [DURATION]  `{% $jobs.load.rows + 'x' %}`: The right side of the + operato…
      number   failed                 -  `when` gave `3`, not a boolean

    6 jobs: 1 succeeded, 5 failed
    its report: .bunsui/objects/reports/[DAY]/[SESSION].html
    its log lines: bunsui logs [SESSION]
    what did not succeed, again: bunsui session retry [SESSION]
    with the file as it is then: bunsui session retry [SESSION] --with-current
    "#);
}

#[test]
fn a_retry_that_does_not_help() {
    let scratch = scratch();
    let retry = "retry = { max_attempts = 2, interval = \"1s\", jitter = \"none\" }";
    let text = job("process", "", retry, "echo trying; exit 4") + &function("python", "", retry, "f");
    scratch.write("t.toml", pipeline(&text));
    scratch.write("handlers.py", "def f(event, context):\n    raise RuntimeError('the service is away')\n");
    assert_snapshot!(scratch.run("run t.toml --max-concurrency 1").snapshot(), @r#"
    exit code: 1
    ----- stdout -----
    ----- stderr -----
    [TIME] session [SESSION] of t: 2 jobs
    [TIME] started    process
    [TIME] retrying   process/run: try 1 failed with States.TaskFailed, the next in [DURATION]
    [TIME] failed     process ([DURATION]): container `main` exited with code 4
    [TIME] started    python
    [TIME] retrying   python/call: try 1 failed with RuntimeError, the next in [DURATION] (the service is away)
    [TIME] failed     python ([DURATION]): RuntimeError: the service is away

    bunsui::execution::failed

      × operation `run` of job `process` failed: container `main` exited with code 4
        ╭─[t.toml:11:1]
     10 │
     11 │ ╭─▶ [[jobs.process.operations]]
     12 │ │   name = "run"
     13 │ │   type = "ecs"
     14 │ │   retry = { max_attempts = 2, interval = "1s", jitter = "none" }
     15 │ ├─▶ local = { command = ["sh", "-c", '''echo trying; exit 4'''] }
        · ╰──── States.TaskFailed, after 2 tries
     16 │
        ╰────
      help: whether trying again helps is not known

      last log lines:
        trying
      all its log lines: bunsui logs [SESSION] --job process


    bunsui::execution::failed

      × operation `call` of job `python` failed: RuntimeError: the service is away
        ╭─[t.toml:19:1]
     18 │
     19 │ ╭─▶ [[jobs.python.operations]]
     20 │ │   name = "call"
     21 │ │   type = "lambda"
     22 │ │   function = "python"
     23 │ │   retry = { max_attempts = 2, interval = "1s", jitter = "none" }
     24 │ ├─▶ local = { handler = "handlers.py:f" }
        · ╰──── RuntimeError, after 2 tries
     25 │
        ╰────
      help: whether trying again helps is not known

      cause:
        Traceback (most recent call last):
          File "[WORK]/handlers.py", line 2, in f
            raise RuntimeError('the service is away')
      all its log lines: bunsui logs [SESSION] --job python


    session [SESSION] failed in [DURATION]

      process  failed  [DURATION]  container `main` exited with code 4
      python   failed  [DURATION]  RuntimeError: the service is away

    2 jobs: 2 failed
    its report: .bunsui/objects/reports/[DAY]/[SESSION].html
    its log lines: bunsui logs [SESSION]
    what did not succeed, again: bunsui session retry [SESSION]
    with the file as it is then: bunsui session retry [SESSION] --with-current
    "#);
}

#[test]
fn programs_that_are_not_there_or_leave_nothing() {
    let scratch = scratch();
    let text = "[jobs.nowhere]\n[[jobs.nowhere.operations]]\nname = \"run\"\ntype = \"ecs\"\nlocal = { command = [\"nowhere\"] }\n\n"
        .to_owned()
        + &job("empty", "", "result = true", "true")
        + &job("noise", "", "result = true", "echo no json > \"$BUNSUI_OUTPUT\"")
        + &job("killed", "", "", "kill -9 $$")
        + &function("missing", "", "", "nowhere");
    scratch.write("t.toml", pipeline(&text));
    scratch.write("handlers.py", "x = 1\n");
    let finished = run_json(&scratch, "").expect_code(1);
    let text = |value: &Json| value.as_str().unwrap_or("-").to_owned();
    let said: String = jobs(&finished)
        .iter()
        .map(|(id, job)| {
            let failure = &job["failure"];
            let [error, summary, help] = ["error", "summary", "help"].map(|key| text(&failure[key]));
            format!("{id}: {error}\n  {summary}\n  {help} (recoverable: {})\n", failure["recoverable"])
        })
        .collect();
    assert_snapshot!(scratch.redactions().apply(&said), @"
    empty: S3.NoSuchKeyException
      operation `run` has `result = true`, and its process left no file at $BUNSUI_OUTPUT (`[WORK]/.bunsui/objects/outputs/[SESSION]/empty.1/run.json`)
      write JSON to the file that $BUNSUI_OUTPUT names, or remove `result = true` (recoverable: false)
    killed: States.TaskFailed
      container `main` exited with code 137 (killed, often for using more memory than it may)
      give the operation more `memory`, or let it do less at once (recoverable: null)
    missing: Runtime.HandlerNotFound
      Runtime.HandlerNotFound: `[WORK]/handlers.py` has no function `nowhere`
      does the file have the function that `local.handler` names? (recoverable: false)
    noise: States.QueryEvaluationError
      what operation `run` left at $BUNSUI_OUTPUT (`[WORK]/.bunsui/objects/outputs/[SESSION]/noise.1/run.json`) is not JSON: expected ident at line 1 column 2
      write JSON to the file that $BUNSUI_OUTPUT names, or remove `result = true` (recoverable: false)
    nowhere: ECS.TaskFailedToStart
      command not found: `nowhere`
      a name is looked for in the PATH, a path with a `/` starts at the pipeline file's folder (recoverable: false)
    ");
}

#[test]
fn too_much_for_one_input() {
    let scratch = scratch();
    let text = function("small", "", "", "small")
        + &function("large", "", "", "large")
        + &function(
            "both",
            "depends_on = [\"small\", \"large\"]",
            "payload = { a = \"${jobs.small.text}\", b = \"${jobs.large.text}\" }",
            "small",
        );
    scratch.write("t.toml", pipeline(&text));
    scratch.write(
        "handlers.py",
        "def small(event, context):\n    return {'text': 'x' * 120000}\ndef large(event, context):\n    return {'text': 'x' * 150000}\n",
    );
    let finished = run_json(&scratch, "").expect_code(1);
    let failure = jobs(&finished)["both"]["failure"].clone();
    assert_eq!(failure["error"], "States.DataLimitExceeded");
    assert_eq!(
        failure["summary"],
        "the input of job `both` is 270050 bytes, over Step Functions' limit of 262144; the largest part is \
         `${jobs.large.text}` with 150002 bytes"
    );
    assert_eq!(failure["recoverable"], json!(false));
    let shown = scratch.run("session show last").expect_code(0).stdout;
    let label = shown.lines().find(|line| line.contains("┬")).expect("a label");
    let place = shown.lines().find(|line| line.contains("${jobs.large.text}\" }")).expect("the line");
    let column = |line: &str, what: char| line.chars().position(|c| c == what);
    // The label is below the reference that brings most, not below the job's header.
    assert_eq!(
        column(label, '─'),
        place.find("${jobs.large").map(|at| place[..at].chars().count()),
        "{shown}"
    );
}

#[test]
fn a_failed_session_can_be_looked_at_later() {
    let scratch = scratch();
    scratch.write("t.toml", pipeline(&job("bad", "", "", "echo the reason; exit 3")));
    let run = scratch.run("run t.toml").expect_code(1);
    // The file may be gone or another by then.
    std::fs::remove_file(scratch.directory().join("t.toml")).expect("removed");
    let shown = scratch.run("session show last").expect_code(0);
    let from = |text: &str| text[text.find("bunsui::execution::failed").expect("shown")..].to_owned();
    assert_eq!(from(&shown.stdout).trim_end(), from(&run.stderr).trim_end());
}
