//! The examples on the pages of codes are true: what is wrong earns its code, what is right earns nothing.
//!
//! The first TOML block of a page is wrong, the second right. Most show a few lines; the word after `toml` says where they
//! stand, and the rest of a pipeline is put around them:
//!
//! - `job`: keys of a job, `operation`: keys of an operation, `lambda` and `ecs`: of an operation of that type
//! - `params`: in `[params]`
//! - no word: headers and keys; what they lack and what they name is added
//! - `bare`: a whole file
//!
//! On the page of settings a block is a bunsui.toml. Codes of what happens in a session, in a store or in a plugin's library
//! have examples for people.

use super::scratch;
use bunsui::diagnostic::{Page, pages};
use bunsui_test_support::repository;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Pages of pipelines whose code no shipped operation type earns: their examples show a type of somebody's own.
const OF_OTHER_TYPES: [&str; 1] = ["bunsui::pipeline::schema_unusable"];

/// What the lines around an example may earn, and files that are looked at together.
const AROUND: [&str; 2] = ["bunsui::param::unused", "bunsui::pipeline::duplicate_name"];

struct Example<'a> {
    place: &'a str,
    text: &'a str,
}

#[test]
fn examples_of_pipelines_are_true() {
    let folder = scratch();
    let mut checked = 0;
    for page in pages_of(&["pipeline", "param", "reference"]) {
        let Some([wrong, right]) = examples(&page) else { continue };
        let name = page.code.rsplit("::").next().unwrap_or_default();
        let area = page.code.split("::").nth(1).unwrap_or_default();
        folder.write(&format!("wrong/{area}-{name}.toml"), whole(&wrong));
        folder.write(&format!("right/{area}-{name}.toml"), whole(&right));
        checked += 1;
    }
    assert!(checked > 45, "only {checked} pages have such examples");
    let wrong = findings(&folder.run("validate wrong --format json").stdout);
    let right = findings(&folder.run("validate right --format json").stdout);
    let mut untrue = Vec::new();
    for page in pages_of(&["pipeline", "param", "reference"]) {
        if examples(&page).is_none() {
            continue;
        }
        let file = page.code.trim_start_matches("bunsui::").replace("::", "-");
        let of = |side: &str, found: &BTreeMap<String, Vec<String>>| {
            found.get(&format!("{side}/{file}.toml")).cloned().unwrap_or_default()
        };
        // What is put around an example may be idle, and all of them have one name or another's.
        let is_own = |code: &String| code == page.code || !AROUND.contains(&code.as_str());
        let accepted: Vec<String> = of("right", &right).into_iter().filter(is_own).collect();
        if !accepted.is_empty() {
            untrue.push(format!("{}: the right example earns {accepted:?}", page.code));
        }
        // What is not runnable here is valid all the same: only planning a run tells.
        let refused = if page.code == "bunsui::pipeline::no_local_form" {
            assert_eq!(folder.run(&format!("plan right/{file}.toml")).code, Some(0));
            folder
                .run(&format!("plan wrong/{file}.toml"))
                .stderr
                .split_whitespace()
                .map(str::to_owned)
                .collect()
        } else {
            of("wrong", &wrong)
        };
        if !refused.iter().any(|code| code == page.code) {
            untrue.push(format!("{}: the wrong example earns {refused:?}", page.code));
        }
    }
    assert!(untrue.is_empty(), "{}", untrue.join("\n"));
}

#[test]
fn examples_of_settings_are_true() {
    let mut checked = 0;
    for page in pages_of(&["settings"]) {
        let Some([wrong, right]) = examples(&page) else { continue };
        let folder = scratch();
        folder.write("bunsui.toml", wrong.text);
        let refused = folder.run("config show");
        assert!(refused.code == Some(2) && refused.stderr.contains(page.code), "{}", refused.stderr);
        folder.write("bunsui.toml", right.text);
        let accepted = folder.run("config show");
        assert_eq!(accepted.code, Some(0), "{}: {}", page.code, accepted.stderr);
        checked += 1;
    }
    assert!(checked >= 3, "only {checked} pages have such examples");
}

#[test]
fn examples_of_the_guides_are_valid() {
    let folder = scratch();
    let mut count = 0;
    for guide in ["README.md", "docs/user-guide.md"] {
        let text = std::fs::read_to_string(repository().join(guide)).unwrap();
        for example in blocks(&text) {
            count += 1;
            let own_name =
                whole(&example).replace("name = \"example\"", &format!("name = \"example-{count}\""));
            folder.write(&format!("examples/{count}.toml"), own_name);
        }
    }
    assert!(count >= 6, "only {count} examples were found");
    let folder = folder.with_variable("BUNSUI_VALIDATE__DENY", "bunsui::pipeline::timeout_too_long");
    let finished = folder.run("validate examples --quiet");
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
}

fn pages_of(areas: &[&str]) -> Vec<Page> {
    let mut pages = pages();
    pages.retain(|page| areas.iter().any(|area| page.code.starts_with(&format!("bunsui::{area}::"))));
    pages.retain(|page| !OF_OTHER_TYPES.contains(&page.code));
    pages
}

/// The wrong one and the right one; none where a page shows commands.
fn examples(page: &Page) -> Option<[Example<'static>; 2]> {
    let found: Vec<Example<'static>> = blocks(page.text).collect();
    if found.is_empty() {
        return None;
    }
    let count = found.len();
    found
        .try_into()
        .map_err(|_| count)
        .map_or_else(|count| panic!("{} has {count} examples", page.code), Some)
}

/// All TOML blocks of a text.
fn blocks(text: &str) -> impl Iterator<Item = Example<'_>> {
    text.split("```toml").skip(1).filter_map(|rest| {
        let (place, body) = rest.split_once('\n')?;
        Some(Example { place: place.trim(), text: body.split_once("```")?.0 })
    })
}

const HEAD: &str = "[pipeline]\nname = \"example\"\n";
const PARAMS: &str = "[params]\nyear = { type = \"integer\", default = 2015 }\nbucket = { type = \"string\", default = \"b\" }\n\
    folder = { type = \"string\", default = \"f\" }\ntoken = { type = \"string\", secret = true, required = false }\n";
const OTHERS: [&str; 3] = ["extract", "load-raw", "count"];

/// A whole file around an example.
fn whole(example: &Example<'_>) -> String {
    let Example { place, text } = example;
    let job = "[jobs.load]\ndepends_on = [\"extract\", \"load-raw\", \"count\"]\n";
    let fetch = operation("load", "fetch");
    let own = "[[jobs.load.operations]]\nname = \"own\"\n";
    let others: String = OTHERS.iter().map(|other| operation(other, "fetch")).collect();
    match *place {
        "bare" => text.to_string(),
        "params" => format!("{HEAD}[params]\n{text}{fetch}"),
        "job" if text.contains("depends_on") => format!("{HEAD}{PARAMS}[jobs.load]\n{text}{fetch}{others}"),
        "job" => format!("{HEAD}{PARAMS}{job}{text}{fetch}{others}"),
        "operation" => format!("{HEAD}{PARAMS}{job}{fetch}{own}function = \"f\"\n{text}{others}"),
        "lambda" => {
            let keys = "type = \"lambda\"\nfunction = \"f\"\n";
            let others = others.replace("\nfunction", "\nlocal = { result = {} }\nfunction");
            let fetch = fetch.replace("\nfunction", "\nlocal = { result = {} }\nfunction");
            format!("{HEAD}{PARAMS}{job}{fetch}{own}{keys}{text}{others}")
        }
        "ecs" => {
            let keys = "type = \"ecs\"\ntask_definition = \"t\"\ncontainer = \"main\"\n";
            format!("{HEAD}{PARAMS}{job}{fetch}{own}{keys}{text}{others}")
        }
        "" => completed(text),
        other => panic!("`{other}` is no place"),
    }
}

fn operation(job: &str, name: &str) -> String {
    format!("[[jobs.{job}.operations]]\nname = \"{name}\"\ntype = \"lambda\"\nfunction = \"f\"\n")
}

/// Headers and keys, with what they lack: `[pipeline]`, `[params]`, jobs that are named, operations of each job.
fn completed(text: &str) -> String {
    let mut file = String::new();
    if !text.contains("[pipeline]") {
        file.push_str(HEAD);
    }
    if !text.contains("[params]") {
        file.push_str(PARAMS);
    }
    file.push_str(text);
    let mut jobs: Vec<String> = text
        .lines()
        .filter_map(|line| Some(line.strip_prefix("[jobs.")?.split_once(']')?.0.to_owned()))
        .collect();
    for other in OTHERS {
        let is_named = text.contains(&format!("jobs.{other}.")) || text.contains(&format!("\"{other}\""));
        if is_named && !text.contains(&format!("[jobs.{other}]")) {
            jobs.push(other.to_owned());
        }
    }
    if !text.contains("[jobs.") && !text.contains("[[jobs.") {
        jobs.push("load".to_owned());
    }
    for job in jobs.iter().filter(|job| !text.contains(&format!("[[jobs.{job}.operations]]"))) {
        let _ = write!(file, "{}", operation(job, "fetch"));
    }
    file
}

fn findings(report: &str) -> BTreeMap<String, Vec<String>> {
    let report: Json = serde_json::from_str(report).expect("it is JSON");
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for diagnostic in report["diagnostics"].as_array().expect("a list") {
        let text = |key: &str| diagnostic[key].as_str().unwrap_or_default().to_owned();
        found.entry(text("file")).or_default().push(text("code"));
    }
    found
}
