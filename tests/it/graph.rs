//! `bunsui graph` of the pipelines that are shipped.

use crate::scratch;
use insta::assert_snapshot;

#[test]
fn etl_as_text() {
    let scratch = scratch();
    scratch.copy_of_repository("pipelines");
    assert_snapshot!(scratch.run("graph pipelines/etl.toml").snapshot(), @"
    exit code: 0
    ----- stdout -----
    etl: 7 jobs, 8 dependencies

    ○      extract      lambda
    ○      transform    ecs          ← extract
    ├─┬─╮
    ○ │ │  temperature  lambda       ← transform
    │ ○ │  rain         lambda       ← transform
    ├─╯ │
    │   ○  wind         lambda       ← transform  [may fail]
    ├───╯
    ○      report       lambda, ecs  ← temperature, rain, wind
    ○      announce     lambda       ← report  [always]  [when]  [may fail]
    ----- stderr -----
    ");
}

#[test]
fn failing_as_mermaid() {
    let scratch = scratch();
    scratch.copy_of_repository("pipelines");
    assert_snapshot!(scratch.run("graph pipelines/failing.toml --format mermaid").snapshot(), @r#"
    exit code: 0
    ----- stdout -----
    ---
    title: "failing"
    ---
    flowchart LR
        j0["load<br/><small>lambda</small>"]
        j1["totals<br/><small>lambda</small>"]
        j2["export<br/><small>ecs</small>"]
        j3["publish<br/><small>lambda</small>"]
        j4["audit<br/><small>ecs</small>"]
        j5["alarm<br/><small>lambda</small>"]
        j0 --> j1
        j0 --> j2
        j1 --> j3
        j1 -.->|if any failed| j5
        j2 -.->|if any failed| j5
    ----- stderr -----
    "#);
}

#[test]
fn etl_as_a_picture() {
    let scratch = scratch();
    scratch.copy_of_repository("pipelines");
    let picture = scratch.run("graph pipelines/etl.toml --format svg").expect_code(0).stdout;
    assert!(picture.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""), "{picture}");
    assert!(picture.trim_end().ends_with("</svg>") && !picture.contains("<script"), "{picture}");
    for job in ["extract", "transform", "temperature", "rain", "wind", "report", "announce"] {
        assert!(picture.contains(&format!(">{job}</text>")), "{picture}");
    }
    assert_eq!(picture.matches("<path ").count(), 8, "a dependency each: {picture}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let refused = scratch().run("graph nowhere.toml").expect_code(2);
    assert!(refused.stderr.contains("nowhere.toml"), "{}", refused.stderr);
}
