//! Settings, from files, variables and flags, as `config show` prints them.

use crate::scratch;
use insta::assert_snapshot;

#[test]
fn each_value_is_shown_with_its_layer() {
    let scratch = scratch().with_variable("BUNSUI_LOGS__COLLECT", "all");
    scratch.write("bunsui.toml", "[local]\nstate = \"state\"\n\n[env.live]\naws.region = \"eu-west-1\"\n");
    let shown = scratch.run("--backend aws config show --env live").expect_code(0);
    // Columns are as wide as this scratch folder's path; what matters stands at either side of them.
    let lines = shown.stdout.lines().filter_map(|line| line.split_once("  #"));
    let text: Vec<_> = lines.map(|(value, layer)| format!("{}  #{layer}", value.trim_end())).collect();
    assert_snapshot!(scratch.redactions().apply(&text.join("\n")), @r#"
    backend = "aws"  # --backend
    local.state = "[WORK]/state"  # bunsui.toml:2
    aws.region = "eu-west-1"  # [env.live] bunsui.toml:5
    aws.prefix = "bunsui-"  # default
    plugins.search_path = ["[PLUGINS]"]  # BUNSUI_PLUGIN_PATH
    plugins.paths = []  # default
    logs.collect = "all"  # BUNSUI_LOGS__COLLECT
    "#);
}

#[test]
fn the_same_as_json() {
    let scratch = scratch().without_variable("BUNSUI_PLUGIN_PATH");
    let json = scratch.run("config show --output json").expect_code(0).json();
    assert_eq!(
        json["settings"][0],
        serde_json::json!({ "key": "backend", "value": "local", "layer": "default" })
    );
    let state = scratch.directory().join(".bunsui");
    assert_eq!(json["settings"][1]["value"], state.to_str().expect("is text"));
}

#[test]
fn findings_point_at_the_file() {
    let scratch = scratch();
    scratch.write("bunsui.toml", "[local]\nsate = \".bunsui\"\n\n[aws]\naccount = 123456789012\n");
    assert_snapshot!(scratch.run("config show").snapshot(), @"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    bunsui::settings::unknown_key

      × unknown setting `local.sate`
       ╭─[bunsui.toml:2:1]
     1 │ [local]
     2 │ sate = \".bunsui\"
       · ──┬─
       ·   ╰── not known here
     3 │
       ╰────
      help: did you mean `state`?

    bunsui::settings::wrong_type

      × `aws.account` is an integer, but has to be a string
       ╭─[bunsui.toml:5:11]
     4 │ [aws]
     5 │ account = 123456789012
       ·           ──────┬─────
       ·                 ╰── this is an integer
       ╰────
      help: put it in quotes
    ");
}

#[test]
fn a_word_that_is_none_is_answered_with_those_there_are() {
    let scratch = scratch();
    scratch
        .write("bunsui.toml", "backend = \"cloud\"\n[logs]\ncollect = \"fail\"\n[aws]\naccount = \"12\"\n");
    assert_snapshot!(scratch.run("config show").snapshot(), @r#"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    bunsui::settings::invalid_value

      × `cloud` is not a value of `backend`
       ╭─[bunsui.toml:1:11]
     1 │ backend = "cloud"
       ·           ───┬───
       ·              ╰── not one of its words
     2 │ [logs]
       ╰────
      help: it is one of `local`, `aws`

    bunsui::settings::invalid_value

      × `fail` is not a value of `logs.collect`
       ╭─[bunsui.toml:3:11]
     2 │ [logs]
     3 │ collect = "fail"
       ·           ───┬──
       ·              ╰── not one of its words
     4 │ [aws]
       ╰────
      help: did you mean `failed`? It is one of `failed`, `all`, `none`

    bunsui::settings::invalid_value

      × `12` is not a value of `aws.account`: it has to be the twelve digits of an account
       ╭─[bunsui.toml:5:11]
     4 │ [aws]
     5 │ account = "12"
       ·           ──┬─
       ·             ╰── has another form
       ╰────
    "#);
}

#[test]
fn a_syntax_error_is_found_and_other_commands_stop_too() {
    let scratch = scratch();
    scratch.write("bunsui.toml", "backend = \n");
    let shown = scratch.run("validate").expect_code(2);
    assert!(shown.stderr.contains("bunsui::syntax::"), "{}", shown.stderr);
    assert!(shown.stderr.contains("bunsui.toml:1:"), "{}", shown.stderr);
}

#[test]
fn an_unknown_variable_is_an_error() {
    let scratch = scratch().with_variable("BUNSUI_LOCAL__SATE", "x");
    assert_snapshot!(scratch.run("config show").snapshot(), @"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    bunsui::settings::unknown_variable

      × `BUNSUI_LOCAL__SATE` is in the environment, but there is no such setting
      help: did you mean `BUNSUI_LOCAL__STATE`?
    ");
}

#[test]
fn an_unknown_environment_is_an_error() {
    let scratch = scratch();
    scratch.write("bunsui.toml", "[env.production]\nbackend = \"aws\"\n");
    assert_snapshot!(scratch.run("--env prod config show").snapshot(), @"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    bunsui::settings::unknown_environment

      × there is no environment `prod`
      help: known here: `production`
    ");
}

/// `/proc/self/mem` is a file that everybody may open, root too, and nobody can read from its start.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_cannot_be_read_is_named() {
    let scratch = scratch();
    std::os::unix::fs::symlink("/proc/self/mem", scratch.directory().join("bunsui.toml")).expect("linked");
    let refused = scratch.run("config show").expect_code(2);
    assert!(refused.stderr.contains("bunsui::settings::unreadable_file"), "{}", refused.stderr);
    assert!(refused.stderr.contains("bunsui.toml"), "{}", refused.stderr);
}
