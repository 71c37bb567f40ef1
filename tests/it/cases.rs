//! Diagnostics as cases in files.
//!
//! A file of tests/cases holds cases, each begun by a line `# --- what it shows`. Every expected finding stands in lines
//! that begin with `#^`, above the line at which it points: severity, code, columns (from 1, the end excluded;
//! `12-+3:4` ends three lines below), message, the primary label and help. `#^ also` is a further label of one of the
//! findings, above the line that it labels. These lines are taken out before the text is read.
//! `BUNSUI_UPDATE_CASES=1` rewrites the files to what was found.
//!
//! The cases of tests/cases are judged by types of the test's own, those of tests/cases/plugins by real plugins: the shipped
//! ones, and one as a team writes it.

use crate::catalogue::TestCatalogue;
use bunsui::diagnostic::{DiagnosticView, LabelView, Sink, views};
use bunsui::pipeline::OperationCatalogue;
use bunsui::{document, pipeline};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const MARK: &str = "#^";
const CASE: &str = "# --- ";

#[test]
fn every_case_finds_what_it_states() {
    check("tests/cases", &TestCatalogue::new(), 60);
}

#[test]
fn every_case_of_a_plugin_finds_what_it_states() {
    let libraries = crate::plugin::folder_of(&[
        ("libbunsui_lambda.so", crate::plugin::shipped().join("libbunsui_plugin_lambda.so")),
        ("libbunsui_ecs.so", crate::plugin::shipped().join("libbunsui_plugin_ecs.so")),
        ("libbunsui_aws_service.so", crate::plugin::shipped().join("libbunsui_plugin_aws_service.so")),
        ("libbunsui_query.so", crate::plugin::example("query")),
    ]);
    let plugins = bunsui::plugin::Plugins::find(crate::plugin::options(libraries.path()));
    assert_eq!(plugins.names(), ["aws-service", "ecs", "lambda", "query"], "{:?}", plugins.passed_over());
    check("tests/cases/plugins", &plugins, 15);
}

#[track_caller]
fn check(folder: &str, catalogue: &dyn OperationCatalogue, least: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    let mut wrong = Vec::new();
    let mut cases = 0;
    for file in &files {
        let stated = std::fs::read_to_string(file).unwrap();
        let found: String = split(&stated).map(|case| annotate(case, catalogue)).collect();
        cases += split(&stated).count();
        if stated != found {
            if std::env::var_os("BUNSUI_UPDATE_CASES").is_some() {
                std::fs::write(file, &found).unwrap();
            } else {
                wrong.push(difference(file, &stated, &found));
            }
        }
    }
    assert!(cases >= least, "only {cases} cases were read");
    assert!(wrong.is_empty(), "{}\nBUNSUI_UPDATE_CASES=1 rewrites the files", wrong.join("\n"));
}

/// The cases of a file, each with its first line.
/// The title and the text of each case of a folder.
pub(crate) fn texts(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    let stated: Vec<String> = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let cases = stated.iter().flat_map(|text| split(text));
    let bare = |body: &str| body.split_inclusive('\n').filter(|line| !line.starts_with(MARK)).collect();
    let case = |case: &str| {
        let (title, body) = case.split_once('\n').expect("a title is a line");
        (title.trim_start_matches(CASE).to_owned(), bare(body))
    };
    cases.map(case).collect()
}

fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut starts: Vec<usize> = text.match_indices(CASE).map(|(at, _)| at).collect();
    starts.retain(|at| *at == 0 || text.as_bytes()[at - 1] == b'\n');
    assert_eq!(starts.first(), Some(&0), "a file begins with `{CASE}…`");
    let ends: Vec<usize> = starts.iter().skip(1).copied().chain([text.len()]).collect();
    starts.into_iter().zip(ends).map(|(start, end)| &text[start..end])
}

/// The case with the findings that it has.
fn annotate(case: &str, catalogue: &dyn OperationCatalogue) -> String {
    let (title, body) = case.split_once('\n').expect("a title is a line");
    let text: String = body.split_inclusive('\n').filter(|line| !line.starts_with(MARK)).collect();
    let marks = marks(title, &text, catalogue);
    let mut annotated = format!("{title}\n");
    for (number, line) in text.split_inclusive('\n').enumerate() {
        annotated.extend(
            marks.range(number + 1..=number + 1).flat_map(|(_, lines)| lines.iter().map(String::as_str)),
        );
        annotated.push_str(line);
    }
    let lines = text.split_inclusive('\n').count();
    annotated.extend(marks.range(lines + 1..).flat_map(|(_, lines)| lines.iter().map(String::as_str)));
    annotated.extend(marks.get(&0).into_iter().flatten().map(String::as_str));
    annotated
}

/// Annotations by the line they stand above; 0 for those of the file as a whole.
fn marks(title: &str, text: &str, catalogue: &dyn OperationCatalogue) -> BTreeMap<usize, Vec<String>> {
    let mut marks: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for view in find(title, text, catalogue) {
        let place = view.labels.first().map_or_else(|| "file".to_owned(), columns);
        let lines = marks.entry(view.line.unwrap_or(0)).or_default();
        lines.push(format!("{MARK} {}[{}] {place}: {}\n", view.severity, view.code, view.message));
        let label =
            view.labels.first().map(|label| label.message.clone()).filter(|message| !message.is_empty());
        lines.extend(label.map(|label| format!("{MARK}   label: {label}\n")));
        lines.extend(view.help.map(|help| format!("{MARK}   help: {help}\n")));
        let name = view.code.rsplit("::").next().unwrap_or_default();
        for label in view.labels.iter().skip(1) {
            let line = format!("{MARK} also[{name}] {}: {}\n", columns(label), label.message);
            marks.entry(label.line).or_default().push(line);
        }
    }
    marks
}

fn columns(label: &LabelView) -> String {
    match label.end_line - label.line {
        0 => format!("{}-{}", label.column, label.end_column),
        lines => format!("{}-+{lines}:{}", label.column, label.end_column),
    }
}

fn find(title: &str, text: &str, catalogue: &dyn OperationCatalogue) -> Vec<DiagnosticView> {
    let mut sink = Sink::new();
    let source = document::decode("case.toml", text.as_bytes().to_vec(), &mut sink);
    let parsed = document::parse(&source, &mut sink);
    // What keeps a pipeline from being made is the same as what is found with the warnings.
    let mut errors = Sink::new();
    let made = parsed.as_ref().and_then(|document| pipeline::validate(document, catalogue, &mut errors));
    let pipeline = made.filter(|_| !sink.has_errors());
    drop(parsed.as_ref().map(|document| pipeline::check(document, catalogue, &mut sink)));
    assert_eq!(
        pipeline.is_none(),
        sink.has_errors(),
        "{title}: a pipeline, if and only if there is no error"
    );
    let found = sink.into_sorted();
    views(&source, &found)
}

fn difference(file: &Path, stated: &str, found: &str) -> String {
    let stated: Vec<&str> = stated.lines().collect();
    let found: Vec<&str> = found.lines().collect();
    let mut text = format!("{}:\n", file.display());
    for line in stated.iter().filter(|line| !found.contains(line)) {
        text.push_str(&format!("  stated: {line}\n"));
    }
    for line in found.iter().filter(|line| !stated.contains(line)) {
        text.push_str(&format!("  found:  {line}\n"));
    }
    text
}
