//! A good file, broken in up to five ways at once: every one of them is found, at its line.

use crate::catalogue::TestCatalogue;
use bunsui::diagnostic::{Sink, views};
use bunsui::{document, pipeline};
use proptest::prelude::*;

const GOOD: &str = r#"[pipeline]
name = "good"
timeout = "2h"
[params]
year = { type = "integer", default = 2015, min = 2012 }
city = { type = "string", default = "x" }
[jobs.one]
description = "first"
[[jobs.one.operations]]
name = "call"
type = "lambda"
function = "f"
payload = { year = "${params.year}" }
[jobs.two]
depends_on = ["one"]
run_if = "always"
[[jobs.two.operations]]
name = "call"
type = "lambda"
function = "g"
payload = { city = "${params.city}" }
[jobs.three]
depends_on = ["two"]
timeout = "5m"
[[jobs.three.operations]]
name = "call"
type = "lambda"
function = "h"
retry = { max_attempts = 3 }
"#;

/// What is replaced by what, and the code that this earns. No two of them meet.
const MEANING: [(&str, &str, &str); 10] = [
    ("timeout = \"2h\"", "timeout = \"2 hours\"", "bunsui::pipeline::invalid_duration"),
    ("min = 2012", "minimum = 2012", "bunsui::pipeline::unknown_key"),
    ("city = { type = \"string\"", "city = { type = \"text\"", "bunsui::pipeline::unknown_value"),
    ("description = \"first\"", "descripton = \"first\"", "bunsui::pipeline::unknown_key"),
    ("function = \"f\"", "function = 5", "bunsui::pipeline::wrong_type"),
    ("\"${params.year}\"", "\"${params.yaer}\"", "bunsui::reference::unknown_param"),
    ("run_if = \"always\"", "run_if = \"allways\"", "bunsui::pipeline::unknown_value"),
    ("depends_on = [\"two\"]", "depends_on = [\"too\"]", "bunsui::pipeline::unknown_job"),
    ("timeout = \"5m\"", "timeout = 300", "bunsui::pipeline::wrong_type"),
    ("max_attempts = 3", "max_attempts = 0", "bunsui::pipeline::out_of_range"),
];

const SYNTAX: [(&str, &str, &str); 7] = [
    ("name = \"good\"", "name = good", "bunsui::syntax::unquoted_value"),
    ("default = 2015", "default = 02015", "bunsui::syntax::invalid_number"),
    ("description = \"first\"", "description =", "bunsui::syntax::missing_value"),
    ("function = \"f\"", "function = \"f\\q\"", "bunsui::syntax::invalid_escape"),
    ("function = \"g\"", "function = \"g\nx = 1", "bunsui::syntax::unclosed_string"),
    ("run_if = \"always\"", "run_if = always", "bunsui::syntax::unquoted_value"),
    ("timeout = \"5m\"", "timeout = 5m", "bunsui::syntax::unquoted_value"),
];

/// Code and line of each finding.
fn found(text: &str) -> Vec<(String, usize)> {
    let mut sink = Sink::new();
    let source = document::decode("p.toml", text.as_bytes().to_vec(), &mut sink);
    let parsed = document::parse(&source, &mut sink);
    if let Some(parsed) = parsed.filter(|_| !sink.has_errors()) {
        pipeline::validate(&parsed, &TestCatalogue::new(), &mut sink);
    }
    let views = views(&source, &sink.into_sorted());
    views.into_iter().map(|view| (view.code, view.line.unwrap_or_default())).collect()
}

/// Breaks the good file in these ways, and sees that each is found where it is.
fn check(breaks: &[(&str, &str, &str)]) -> Result<(), TestCaseError> {
    let mut text = GOOD.to_owned();
    for (before, after, _) in breaks {
        prop_assert!(text.contains(before), "`{before}` is there once");
        text = text.replacen(before, after, 1);
    }
    let found = found(&text);
    for (_, after, code) in breaks {
        let first = after.lines().next().unwrap_or(after);
        let line = text.lines().position(|line| line.contains(first)).expect("it is there") + 1;
        let is_found = found.iter().any(|(found, at)| found == code && *at == line);
        prop_assert!(is_found, "{code} at line {line} is not among {found:?} of\n{text}");
    }
    Ok(())
}

#[test]
fn the_good_file_is_good() {
    assert_eq!(found(GOOD), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn mistakes_of_meaning_are_all_found(breaks in proptest::sample::subsequence(MEANING.to_vec(), 1..=5)) {
        check(&breaks)?;
    }

    #[test]
    fn mistakes_of_syntax_are_all_found(breaks in proptest::sample::subsequence(SYNTAX.to_vec(), 1..=5)) {
        check(&breaks)?;
    }
}
