//! Parameters: where values come from, what is refused, and secrets, which are written nowhere.

use crate::product::{files_below, function, job, output, pipeline_with, run_json};
use crate::scratch;
use bunsui_test_support::{Finished, Scratch};
use insta::assert_snapshot;
use serde_json::json;

const PARAMS: &str = "[params]\ns = { type = \"string\", default = \"default\" }\nn = { type = \"integer\", default = 1 }\n\
                      l = { type = \"list\", default = [] }\nmax-rows = { type = \"integer\", default = 10 }\n";

fn echo() -> Scratch {
    let scratch = scratch();
    let own = "payload = { s = \"${params.s}\", n = \"${params.n}\", l = \"${params.l}\", rows = \"${params.max-rows}\" }";
    scratch.write("t.toml", pipeline_with(PARAMS, &function("echo", "", own, "echo")));
    scratch.write("handlers.py", "def echo(event, context):\n    return event\n");
    scratch
}

#[test]
fn arguments_win_over_variables_and_those_over_files() {
    let scratch = echo()
        .with_variable("BUNSUI_PARAM_N", "3")
        .with_variable("BUNSUI_PARAM_MAX_ROWS", "33")
        .with_variable("BUNSUI_PARAM_OF_ANOTHER_PIPELINE", "x");
    scratch.write("values.toml", "s = \"from the file\"\nn = 2\nl = [1, \"zwei\"]\nmax-rows = 22\n");
    let finished = run_json(&scratch, "--params values.toml --param max-rows=44").expect_code(0);
    assert_eq!(
        output(&finished, "echo"),
        json!({"s": "from the file", "n": 3, "l": [1, "zwei"], "rows": 44})
    );
}

#[test]
fn a_file_may_be_json_and_a_value_a_file() {
    let scratch = echo();
    scratch.write("values.json", "{\"n\": 5, \"l\": [true]}");
    scratch.write("text.txt", "first line\nsecond line\n");
    let finished = run_json(&scratch, "--params values.json --param s=@text.txt").expect_code(0);
    assert_eq!(
        output(&finished, "echo"),
        json!({"s": "first line\nsecond line", "n": 5, "l": [true], "rows": 10})
    );
}

#[test]
fn all_that_is_wrong_with_values_is_said_at_once() {
    let scratch = scratch();
    let params = "[params]\nyear = { type = \"integer\", min = 2012, max = 2015 }\n\
                  bucket = { type = \"string\", pattern = \"^[a-z-]+$\" }\nwhole = { type = \"list\" }\n\
                  size = { type = \"string\", one_of = [\"small\", \"large\"] }\n\
                  token = { type = \"string\", secret = true }\n";
    scratch.write("t.toml", pipeline_with(params, &job("a", "", "", "true")));
    assert_snapshot!(scratch.run("run t.toml --param yaer=1 --param year=2016 --param bucket=A --param size=big").snapshot(), @r#"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    bunsui::param::unknown

      × t.toml: pipeline `t` has no param `yaer` (--param)
      help: did you mean `year`?

    bunsui::param::invalid_value

      × param `year` (--param): `2016` is more than the maximum `2015`
       ╭─[t.toml:4:1]
     3 │ [params]
     4 │ year = { type = "integer", min = 2012, max = 2015 }
       · ──┬─
       ·   ╰── defined here
     5 │ bucket = { type = "string", pattern = "^[a-z-]+$" }
       ╰────

    bunsui::param::invalid_value

      × param `bucket` (--param): `A` does not match the pattern `^[a-z-]+$`
       ╭─[t.toml:5:1]
     4 │ year = { type = "integer", min = 2012, max = 2015 }
     5 │ bucket = { type = "string", pattern = "^[a-z-]+$" }
       · ───┬──
       ·    ╰── defined here
     6 │ whole = { type = "list" }
       ╰────

    bunsui::param::missing

      × param `whole` has no value
       ╭─[t.toml:6:1]
     5 │ bucket = { type = "string", pattern = "^[a-z-]+$" }
     6 │ whole = { type = "list" }
       · ──┬──
       ·   ╰── has no default
     7 │ size = { type = "string", one_of = ["small", "large"] }
       ╰────
      help: give it as `--param whole=JSON`, or in a file with `--params FILE`

    bunsui::param::invalid_value

      × param `size` (--param): `big` is not one of `small`, `large`
       ╭─[t.toml:7:1]
     6 │ whole = { type = "list" }
     7 │ size = { type = "string", one_of = ["small", "large"] }
       · ──┬─
       ·   ╰── defined here
     8 │ token = { type = "string", secret = true }
       ╰────

    bunsui::param::missing

      × param `token` has no value
       ╭─[t.toml:8:1]
     7 │ size = { type = "string", one_of = ["small", "large"] }
     8 │ token = { type = "string", secret = true }
       · ──┬──
       ·   ╰── has no default
     9 │
       ╰────
      help: give it as `--param token=@FILE` or in the variable `BUNSUI_PARAM_TOKEN`

    t.toml: 6 errors
    "#);
    assert_snapshot!(scratch.run("plan t.toml --param year").snapshot(), @"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: invalid value 'year' for '--param <K=V>': a parameter is `NAME=VALUE`

    For more information, try '--help'.
    ");
    assert_snapshot!(scratch.run("run t.toml --params nowhere.toml").snapshot(), @"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    bunsui::pipeline::unreadable

      × `nowhere.toml` cannot be read: there is no such file
    ");
    scratch.write("broken.json", "{\"year\": }");
    assert_snapshot!(scratch.run("run t.toml --params broken.json").snapshot(), @"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    bunsui::pipeline::unreadable

      × `broken.json` cannot be read: expected value at line 1 column 10
    ");
    scratch.write("broken.toml", "year = = 1\n");
    assert_snapshot!(scratch.run("run t.toml --params broken.toml").snapshot(), @"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    bunsui::syntax::unexpected_text

      × `=` is unexpected here
       ╭─[broken.toml:1:8]
     1 │ year = = 1
       ·        ┬
       ·        ╰── not expected
       ╰────
      help: remove it
    ");
}

/// The secret with what would be escaped in JSON, everywhere or by those who write ASCII, and on two lines.
const SECRET: &str = "hunter2\"geheim\\x\nzweite-zeile ü😀";
const PIECES: [&str; 3] = ["hunter2", "geheim", "zweite-zeile"];

#[track_caller]
fn assert_secret_is_nowhere(scratch: &Scratch, said: &[&Finished]) {
    for finished in said {
        for piece in PIECES {
            assert!(!finished.stdout.contains(piece), "{}", finished.stdout);
            assert!(!finished.stderr.contains(piece), "{}", finished.stderr);
        }
    }
    let files = files_below(scratch.directory().join(".bunsui"));
    assert!(files.iter().any(|file| file.ends_with("bunsui.db")));
    for file in files {
        let text = String::from_utf8_lossy(&std::fs::read(&file).expect("read")).into_owned();
        for piece in PIECES {
            assert!(!text.contains(piece), "`{piece}` is in {}", file.display());
        }
    }
}

/// A pipeline that does with its secret all that must not be done.
fn careless() -> Scratch {
    let scratch = scratch();
    let own = "payload = { token = \"${params.token}\" }";
    let text = function("returns", "", own, "returns")
        + &function(
            "raises",
            "",
            &format!("{own}\nretry = {{ max_attempts = 2, interval = \"1s\", on = [\"States.ALL\"] }}"),
            "raises",
        )
        + &job(
            "says",
            "",
            "environment = { TOKEN = \"${params.token}\" }",
            "echo \"$TOKEN\"; echo \"$TOKEN\" >&2; exit 3",
        )
        + &job(
            "leaves",
            "",
            "result = true\nenvironment = { TOKEN = \"Bearer ${params.token}\" }",
            "printf '{\"t\": 1}' > $BUNSUI_OUTPUT",
        )
        + &job("throws", "", "environment = { X = \"{% $error($params.token) %}\" }", "true")
        + &job("asks", "when = \"{% $params.token %}\"", "", "true")
        + &function(
            "reads",
            "depends_on = [\"returns\"]",
            "payload = { token = \"${jobs.returns.token}\" }",
            "checks",
        );
    scratch.write("t.toml", pipeline_with("[params]\ntoken = { type = \"string\", secret = true }", &text));
    scratch.write(
        "handlers.py",
        "import json\n\
         def returns(event, context):\n    print('the token is ' + event['token'])\n    print(event)\n    print(json.dumps(event))\n\
         \x20   print(json.dumps(event['token'].splitlines()))\n    print(json.dumps(json.dumps(event)))\n    return event\n\
         def raises(event, context):\n    raise ValueError('wrong token: ' + event['token'] + json.dumps(event))\n\
         def checks(event, context):\n    return len(event['token'])\n",
    );
    scratch.with_variable("BUNSUI_PARAM_TOKEN", SECRET)
}

#[test]
fn a_secret_is_written_nowhere() {
    let scratch = careless();
    let json = run_json(&scratch, "").expect_code(1);
    // What is stored of an output is redacted; those who read the output get it as it is.
    assert_eq!(output(&json, "reads"), SECRET.chars().count());
    let human = scratch.run("run t.toml").expect_code(1);
    let shown = scratch.run("session show last").expect_code(0);
    let data = scratch.run("session show last --output json").expect_code(0);
    let logs = scratch.run("logs last").expect_code(0);
    let plan = scratch.run("plan t.toml").expect_code(0);
    let compiled = scratch.run("compile t.toml").expect_code(0);
    assert!(logs.stdout.contains("the token is [secret]"), "{}", logs.stdout);
    assert!(human.stderr.contains("wrong token: [secret]"), "{}", human.stderr);
    assert!(shown.stdout.contains("token = [secret]"), "{}", shown.stdout);
    assert_secret_is_nowhere(&scratch, &[&json, &human, &shown, &data, &logs, &plan, &compiled]);
}

#[test]
fn a_secret_that_is_refused_is_not_shown() {
    let scratch = scratch();
    let params = "[params]\ntoken = { type = \"string\", secret = true, pattern = \"^[0-9]+$\" }\n\
                  pin = { type = \"integer\", secret = true }\n";
    scratch.write("t.toml", pipeline_with(params, &job("a", "", "", "true")));
    let refused = scratch.run("run t.toml --param token=hunter2 --param pin=geheim").expect_code(2);
    for piece in PIECES {
        assert!(!refused.stderr.contains(piece), "{}", refused.stderr);
    }
}
