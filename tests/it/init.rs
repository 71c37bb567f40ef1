//! `bunsui init`: a project that runs, and nothing overwritten.

use crate::scratch;
use insta::assert_snapshot;

#[test]
fn a_new_project_has_settings_and_a_pipeline() {
    let scratch = scratch();
    assert_snapshot!(scratch.run("init weather").snapshot(), @"
    exit code: 0
    ----- stdout -----
    ----- stderr -----
     created weather/bunsui.toml
     created weather/pipelines/hello.toml
     created weather/pipelines/hello/count.py
     created weather/pipelines/hello/greet.py
     created weather/.gitignore

    Next: cd weather && bunsui run pipelines/hello.toml --param name=you
    ");
    assert!(
        scratch
            .read("weather/pipelines/hello.toml")
            .starts_with("#:schema ../.bunsui/pipeline.schema.json\n")
    );
}

#[test]
fn what_is_there_is_kept() {
    let scratch = scratch();
    scratch.write("bunsui.toml", "backend = \"local\" # mine\n");
    scratch.write(".gitignore", "/target\n");
    assert_snapshot!(scratch.run("init").snapshot(), @"
    exit code: 0
    ----- stdout -----
    ----- stderr -----
        kept bunsui.toml
     created pipelines/hello.toml
     created pipelines/hello/count.py
     created pipelines/hello/greet.py
    extended .gitignore

    Next: bunsui run pipelines/hello.toml --param name=you
    ");
    assert_eq!(scratch.read("bunsui.toml"), "backend = \"local\" # mine\n");
    assert_eq!(scratch.read(".gitignore"), "/target\n.bunsui/\n__pycache__/\n");
}

#[test]
fn the_settings_it_writes_are_right_and_comments_are_too() {
    let scratch = scratch();
    scratch.run("init").expect_code(0);
    scratch.run("config show").expect_code(0);
    // What is commented out has to be right as well: people take the `#` away.
    let uncommented: String = scratch
        .read("bunsui.toml")
        .lines()
        .skip(1)
        .map(|line| line.strip_prefix("# ").unwrap_or(line).to_owned() + "\n")
        .collect();
    scratch.write("bunsui.toml", uncommented);
    scratch.run("config show --env production").expect_code(0);
}

#[test]
fn it_works_where_settings_are_wrong() {
    let scratch = scratch();
    scratch.write("bunsui.toml", "nonsense = 1\n");
    scratch.run("init new").expect_code(0);
}

#[test]
fn a_file_in_the_way_is_named() {
    let scratch = scratch();
    scratch.write("pipelines", "a file, not a folder");
    let failed = scratch.run("init").expect_code(3);
    assert!(failed.stderr.contains("bunsui::settings::cannot_write"), "{}", failed.stderr);
    assert!(failed.stderr.contains("pipelines/hello.toml"), "{}", failed.stderr);
}
