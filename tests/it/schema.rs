//! `bunsui schema` beside `bunsui validate`: what one accepts the other accepts, and keys, types and words that are wrong are so for both.

use crate::cases::texts;
use crate::catalogue::TestCatalogue;
use bunsui::diagnostic::{Severity, Sink};
use bunsui::pipeline::pipeline_schema;
use bunsui::settings::settings_schema;
use bunsui::{document, pipeline};
use bunsui_test_support::tool;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Codes of what a schema can tell.
const TELLABLE: [&str; 7] = [
    "bunsui::pipeline::unknown_key",
    "bunsui::pipeline::wrong_type",
    "bunsui::pipeline::unknown_value",
    "bunsui::pipeline::reserved_key",
    "bunsui::pipeline::unknown_type",
    "bunsui::pipeline::invalid_id",
    "bunsui::pipeline::invalid_duration",
];

/// The errors of a text; none where it is no TOML, which no schema judges.
fn errors(text: &str) -> Option<BTreeSet<&'static str>> {
    let mut sink = Sink::new();
    let source = document::decode("case.toml", text.as_bytes().to_vec(), &mut sink);
    let parsed = document::parse(&source, &mut sink).filter(|_| !sink.has_errors())?;
    pipeline::validate(&parsed, &TestCatalogue::new(), &mut sink);
    let found = sink.into_sorted();
    Some(found.iter().filter(|one| one.severity == Severity::Error).map(|one| one.code).collect())
}

/// Which of the files in a folder tombi finds errors in.
fn refused_by_tombi(tombi: &Path, folder: &Path) -> BTreeSet<String> {
    let done = Command::new(tombi)
        .args(["lint", "--offline", "."])
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .output()
        .expect("it starts");
    let text = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    let plain = regex::Regex::new("\x1b\\[[0-9;]*m").unwrap().replace_all(&text, "").into_owned();
    let mut refused = BTreeSet::new();
    let mut is_error = false;
    for line in plain.lines().map(str::trim) {
        match line.strip_prefix("at ") {
            Some(place) if is_error => {
                let file = place.split(':').next().unwrap_or_default();
                refused.insert(file.trim_start_matches("./").to_owned());
            }
            _ => is_error = line.starts_with("Error:"),
        }
    }
    refused
}

#[test]
fn editors_and_validate_agree() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("schema.json"), pipeline_schema(&TestCatalogue::new()).to_string())
        .unwrap();
    let (mut right, mut wrong) = (BTreeSet::new(), BTreeSet::new());
    let mut shown = std::collections::BTreeMap::new();
    for (at, (title, text)) in texts("tests/cases").into_iter().enumerate() {
        let Some(errors) = errors(&text) else { continue };
        let name = format!("{at:03}.toml");
        let is_tellable = !errors.is_empty() && errors.iter().all(|code| TELLABLE.contains(code));
        if errors.is_empty() {
            right.insert(name.clone());
        } else if is_tellable {
            wrong.insert(name.clone());
        } else {
            continue;
        }
        std::fs::write(folder.path().join(&name), format!("#:schema ./schema.json\n{text}")).unwrap();
        shown.insert(name, format!("{title}: {errors:?}"));
    }
    assert!(right.len() >= 8 && wrong.len() >= 5, "{} are right, {} wrong", right.len(), wrong.len());
    let Some(tombi) = tool("tombi") else { return };
    let refused = refused_by_tombi(&tombi, folder.path());
    let title = |name: &String| shown[name].clone();
    let strict: Vec<String> = right.intersection(&refused).map(title).collect();
    assert!(strict.is_empty(), "validate accepts and the schema does not: {strict:#?}");
    let lax: Vec<String> = wrong.difference(&refused).map(title).collect();
    assert!(lax.is_empty(), "validate refuses and the schema does not: {lax:#?}");
}

#[test]
fn examples_and_settings_are_what_their_schemas_say() {
    let scratch = crate::scratch();
    for example in ["etl.toml", "failing.toml", "services.toml"] {
        scratch.copy_of_repository(&format!("pipelines/{example}"));
    }
    let told = scratch.run("schema --write").expect_code(0).stderr;
    assert_eq!(told.matches("written: ").count(), 2, "{told}");
    let settings = "backend = \"aws\"\n[aws]\nregion = \"eu-west-1\"\n[aws.quotas]\nStartExecution = \"1/1\"\n[env.live]\nbackend = \"local\"\n";
    scratch.write("settings/right.toml", format!("#:schema ../.bunsui/settings.schema.json\n{settings}"));
    let wrong = settings.replace("\"local\"", "\"locl\"");
    scratch.write("settings/wrong.toml", format!("#:schema ../.bunsui/settings.schema.json\n{wrong}"));
    let Some(tombi) = tool("tombi") else { return };
    assert_eq!(refused_by_tombi(&tombi, &scratch.directory().join("pipelines")), BTreeSet::new());
    let refused = refused_by_tombi(&tombi, &scratch.directory().join("settings"));
    assert_eq!(refused, BTreeSet::from(["wrong.toml".to_owned()]));
}

#[test]
fn both_are_schemas() {
    for schema in [pipeline_schema(&TestCatalogue::new()), settings_schema()] {
        jsonschema::meta::validate(&schema).expect("it is a schema");
    }
    let scratch = crate::scratch();
    let printed = scratch.run("schema").expect_code(0).json();
    let types = printed["$defs"]["operation"]["oneOf"].as_array().expect("a list");
    assert_eq!(types.iter().map(|one| &one["title"]).collect::<Vec<_>>(), ["aws-service", "ecs", "lambda"]);
    let lambda = &types[2]["properties"];
    assert_eq!(lambda["function"]["description"], "The function: name, partial ARN or ARN");
    assert!(!printed.to_string().contains("x-bunsui"), "what only bunsui reads stays inside");
}
