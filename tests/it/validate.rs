//! `bunsui validate`: many files at once, formats for machines, warnings that settings decide about.

use crate::jsonata_oracle::node;
use bunsui_test_support::Scratch;
use serde_json::Value as Json;

fn job(more: &str) -> String {
    format!("[[jobs.a.operations]]\nname = \"one\"\ntype = \"lambda\"\nfunction = \"f\"\n{more}")
}

/// A pipeline of that name in which nothing is wrong but what `more` says.
fn pipeline(name: &str, more: &str) -> String {
    format!("[pipeline]\nname = \"{name}\"\n{}", job(more))
}

/// Files with one error each, one warning, and one in which nothing is wrong.
fn project() -> Scratch {
    let scratch = crate::scratch();
    scratch.write("pipelines/good.toml", pipeline("good", ""));
    scratch.write("pipelines/deep/bad.toml", pipeline("bad", "paylod = 1\n"));
    scratch.write(
        "pipelines/idle.toml",
        pipeline("idle", "[params]\nyear = { type = \"integer\", default = 1 }\n"),
    );
    scratch
}

fn codes(json: &Json) -> Vec<(String, String)> {
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    json["diagnostics"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| (text(&one["file"]), text(&one["code"])))
        .collect()
}

#[test]
fn files_folders_and_patterns_name_each_file_once() {
    let scratch = project();
    let of = |arguments: &str| codes(&scratch.run(&format!("validate {arguments} --format json")).json());
    let (bad, idle) = ("pipelines/deep/bad.toml", "pipelines/idle.toml");
    let unknown = (bad.to_owned(), "bunsui::pipeline::unknown_key".to_owned());
    let unused = (idle.to_owned(), "bunsui::param::unused".to_owned());
    assert_eq!(of(""), [unknown.clone(), unused.clone()]);
    assert_eq!(of("pipelines pipelines/deep ./pipelines/idle.toml"), [unknown.clone(), unused.clone()]);
    assert_eq!(of("pipelines/*.toml"), std::slice::from_ref(&unused));
    assert_eq!(of("pipelines/idle.toml pipelines/**/*.toml"), [unused.clone(), unknown.clone()]);
    // What cannot be found keeps nothing else from being looked at.
    let found = of("pipelines/gone.toml x/*.toml pipelines/idle.toml");
    let unreadable = |file: &str| (file.to_owned(), "bunsui::pipeline::unreadable".to_owned());
    assert_eq!(found, [unreadable("pipelines/gone.toml"), unreadable("x/*.toml"), unused]);
    // Files of other tools lie in many a project's folder.
    scratch.write("Cargo.toml", "[package]\n");
    assert_eq!(scratch.run("validate . --quiet").expect_code(2).stderr.matches("unknown_key").count(), 1);
}

#[test]
fn the_end_says_how_many_and_quiet_says_errors_only() {
    let scratch = project();
    let all = scratch.run("validate").expect_code(2).stderr;
    assert!(all.ends_with("3 files: 1 error, 1 warning\n"), "{all}");
    let quiet = scratch.run("validate -q").expect_code(2).stderr;
    assert!(quiet.contains("paylod") && !quiet.contains("unused") && !quiet.contains("3 files"), "{quiet}");
    assert_eq!(scratch.run("validate -q pipelines/idle.toml").expect_code(0).stderr, "");
}

#[test]
fn settings_take_warnings_away_or_make_errors_of_them() {
    let scratch = project();
    let of = |variable: &str, code: i32| {
        let mut command = scratch.command(["validate", "pipelines/idle.toml"]);
        command.env(variable, "bunsui::param::unused");
        let finished = scratch.finish(&mut command);
        assert_eq!(finished.code, Some(code), "{}", finished.stderr);
        finished.stderr
    };
    assert_eq!(of("BUNSUI_VALIDATE__ALLOW", 0), "pipelines/idle.toml: no findings\n");
    assert!(of("BUNSUI_VALIDATE__DENY", 2).ends_with("pipelines/idle.toml: 1 error\n"));
    // A code that there is not would be without effect and without a word.
    scratch.write("bunsui.toml", "[validate]\nallow = [\"bunsui::param::idle\"]\n");
    let refused = scratch.run("validate pipelines/idle.toml").expect_code(2).stderr;
    assert!(refused.contains("`bunsui::param::idle` is not a value of `validate.allow`"), "{refused}");
}

#[test]
fn two_pipelines_of_one_name_are_found_together() {
    let scratch = crate::scratch();
    scratch.write("a.toml", pipeline("same", ""));
    scratch.write("b.toml", pipeline("same", ""));
    scratch.run("validate a.toml").expect_code(0);
    let found = scratch.run("validate b.toml a.toml --format json").expect_code(2).json();
    assert_eq!(codes(&found), [("a.toml".to_owned(), "bunsui::pipeline::duplicate_name".to_owned())]);
    assert_eq!(found["diagnostics"][0]["message"], "the pipeline of `b.toml` is called `same` too");
    assert_eq!(found["diagnostics"][0]["line"], 2);
}

#[test]
fn standard_input_has_the_name_that_it_is_given() {
    let scratch = crate::scratch();
    let text = pipeline("p", "paylod = 1\n");
    let run = |arguments: &str| scratch.run_with_input(&format!("validate - {arguments}"), &text);
    assert!(run("").stderr.contains("<stdin>:7:1"));
    let named = run("--stdin-filename pipelines/etl.toml").stderr;
    assert!(
        named.contains("pipelines/etl.toml:7:1") && named.contains("pipelines/etl.toml: 1 error"),
        "{named}"
    );
}

#[test]
fn settings_files_are_checked_as_what_they_are() {
    let scratch = crate::scratch();
    scratch.write("sub/bunsui.toml", "[aws]\nregoin = \"eu-west-1\"\n");
    scratch.write("sub/pipelines/p.toml", pipeline("p", ""));
    let found = scratch.run("validate sub --format json").expect_code(2).json();
    assert_eq!(codes(&found), [("sub/bunsui.toml".to_owned(), "bunsui::settings::unknown_key".to_owned())]);
}

#[test]
fn workflow_commands_point_at_lines() {
    let scratch = project();
    let printed = scratch.run("validate --format github").expect_code(2);
    let lines: Vec<&str> = printed.stdout.lines().collect();
    assert_eq!(
        lines[0].split("::").next().map(str::to_owned).or(Some(String::new())),
        Some(String::new()),
        "commands begin with two colons"
    );
    assert!(
        lines[0].starts_with("::error file=pipelines/deep/bad.toml,line=7,endLine=7,col=1,endColumn=7,title=bunsui%3A%3Apipeline%3A%3Aunknown_key::"),
        "{}",
        lines[0]
    );
    assert!(lines[1].starts_with("::warning file=pipelines/idle.toml,line=8,"), "{}", lines[1]);
    assert_eq!(lines.len(), 2);
    assert!(
        printed.stderr.ends_with("3 files: 1 error, 1 warning\n"),
        "a log reads it too: {}",
        printed.stderr
    );
}

#[test]
fn sarif_is_what_its_schema_says() {
    let scratch = project();
    scratch.write(
        "pipelines/cycle ü.toml",
        "[pipeline]\nname = \"c\"\n[jobs.a]\ndepends_on = [\"b\"]\n[jobs.b]\ndepends_on = [\"a\"]\n",
    );
    scratch.write("pipelines/empty.toml", "");
    let log = scratch.run("validate pipelines gone.toml --format sarif").expect_code(2).json();
    let run = &log["runs"][0];
    let results = run["results"].as_array().expect("a list");
    assert!(results.len() >= 5, "{log}");
    for result in results {
        let rule = &run["tool"]["driver"]["rules"][result["ruleIndex"].as_u64().expect("a number") as usize];
        assert_eq!(rule["id"], result["ruleId"]);
        assert!(rule["help"]["markdown"].as_str().is_some_and(|text| text.contains("Wrong")), "{rule}");
    }
    let cycle =
        results.iter().find(|result| result["ruleId"] == "bunsui::pipeline::cycle").expect("it is found");
    let place = &cycle["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "pipelines/cycle%20%C3%BC.toml");
    assert_eq!(cycle["relatedLocations"].as_array().map(Vec::len), Some(1));
    let Some(schema) = node("sarif-schema.mjs", &[], "") else { return };
    // One pattern of the schema as it is published is no regular expression: it has a bracket too many.
    let schema = schema.replace("[a-zA-Z]{2}]?$", "[a-zA-Z]{2}$");
    let schema: Json = serde_json::from_str(&schema).expect("it is JSON");
    let validator = jsonschema::validator_for(&schema).expect("it is a schema");
    let wrong: Vec<String> = validator.iter_errors(&log).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(
        !validator.is_valid(&serde_json::json!({"version": "2.1.0"})),
        "the schema refuses what has no runs"
    );
}
