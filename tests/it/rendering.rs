//! What a person sees.

use crate::catalogue::TestCatalogue;
use bunsui::diagnostic::{Sink, render_human, views};
use bunsui::{document, pipeline};

fn render(text: &str, colour: bool) -> String {
    let mut sink = Sink::new();
    let source = document::decode("pipelines/etl.toml", text.as_bytes().to_vec(), &mut sink);
    if let Some(document) = document::parse(&source, &mut sink) {
        pipeline::validate(&document, &TestCatalogue::new(), &mut sink);
    }
    render_human(&source, &sink.into_sorted(), colour, 100)
}

#[test]
fn a_cycle_has_a_label_for_each_edge() {
    let text = r#"[pipeline]
name = "etl"

[jobs]
a = { depends_on = ["c"], operations = [{ name = "x", type = "free" }] }
b.operations = [{ name = "x", type = "free" }]
b.depends_on = ["a"]

[jobs.c]
depends_on = [
  "b",     # closes the loop
]
operations = [{ name = "x", type = "free" }]
"#;
    insta::assert_snapshot!(render(text, false));
}

#[test]
fn a_schema_error_points_at_the_key() {
    let text = r#"[pipeline]
name = "etl"

[params]
size = { type = "string", default = "256" }

[jobs.transform]
[[jobs.transform.operations]]
name = "summarise"
type = "ecs"
cluster = "data"
task_definition = "etl-transform"
contaner = "main"
cpu = "${params.size}"
memory = true
local = { command = "python3", image = "x" }
"#;
    insta::assert_snapshot!(render(text, false));
}

#[test]
fn a_warning_looks_like_one() {
    let text = r#"[pipeline]
name = "etl"
[jobs.a]
[[jobs.a.operations]]
name = "x"
type = "checked"
a = 200
"#;
    insta::assert_snapshot!(render(text, false));
}

#[test]
fn findings_without_a_place_name_the_file() {
    insta::assert_snapshot!(render("", false));
}

#[test]
fn a_long_line_is_cut_around_its_labels() {
    let long = "x".repeat(300);
    let text = format!("[pipeline]\nname = \"etl\"\ntable = {{ a = \"{long}\", b = 1 }}\n[jobs]\n");
    insta::assert_snapshot!(render(&text, false));
    let text = format!("[pipeline]\nname = \"etl\"\ndescription = {{ a = \"{long}\", a = \"{long}\" }}\n");
    insta::assert_snapshot!(render(&text, false));
}

#[test]
fn control_characters_become_pictures() {
    insta::assert_snapshot!(render("[pipeline]\nname = \"\\u001b[31m\u{202e}red\"\n\u{1b}[2J\n", false));
}

#[test]
fn colour_is_there_when_asked_for() {
    let text = "[pipeline]\nname = 1\n";
    assert!(render(text, true).contains("\u{1b}["));
    assert!(!render(text, false).contains('\u{1b}'));
    assert!(!render(text, true).contains("\u{1b}]8"), "no hyperlinks");
}

#[test]
fn fifty_findings_are_shown_and_the_rest_counted() {
    let text: String = (0..60).map(|n| format!("key{n} = 1\n")).collect();
    let shown = render(&text, false);
    assert_eq!(shown.matches("bunsui::pipeline::").count(), 50);
    assert!(
        shown.ends_with("and 12 more; `bunsui validate --format json` shows all of a pipeline file\n\n"),
        "{}",
        &shown[shown.len() - 80..]
    );
}

#[test]
fn as_data_a_finding_has_lines_and_columns_from_one() {
    let text = "[pipeline]\nname = 'é'\n[jobs]\né = 1\n'é' = 2\n'é' = { a = 1 }\n";
    let mut sink = Sink::new();
    let source = document::decode("-", text.as_bytes().to_vec(), &mut sink);
    document::parse(&source, &mut sink);
    let found = views(&source, &sink.into_sorted());
    insta::assert_json_snapshot!(found.last());
}
