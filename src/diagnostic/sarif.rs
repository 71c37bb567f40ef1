//! Findings as SARIF 2.1.0 (OASIS, "Static Analysis Results Interchange Format"), which code hosts and editors take.

use super::code::page;
use super::render::{DiagnosticView, LabelView};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

/// One run with all findings. Columns count characters, as everywhere in bunsui.
pub fn sarif(views: &[DiagnosticView], version: &str) -> Json {
    let codes: BTreeSet<&str> = views.iter().map(|view| view.code.as_str()).collect();
    let codes: Vec<&str> = codes.into_iter().collect();
    let results: Vec<Json> = views.iter().map(|view| result(view, &codes)).collect();
    json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "bunsui",
                "semanticVersion": version,
                "rules": codes.iter().map(|code| rule(code)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(code: &str) -> Json {
    let text = page(code).map(|page| page.text).unwrap_or_default();
    let first = text.split("\n\n").next().unwrap_or_default().replace('\n', " ");
    json!({
        "id": code,
        "name": name(code),
        "shortDescription": {"text": first_sentence(&first)},
        "fullDescription": {"text": first},
        "help": {"text": format!("bunsui explain {code}"), "markdown": text},
    })
}

/// `bunsui::pipeline::unused_output` as `PipelineUnusedOutput`: readers show it as a title.
fn name(code: &str) -> String {
    let words = code.split("::").skip(1).flat_map(|part| part.split('_'));
    words
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
        })
        .collect::<Vec<String>>()
        .concat()
}

fn first_sentence(text: &str) -> &str {
    text.split_once(". ").map_or(text, |(first, _)| first).trim_end_matches('.')
}

fn result(view: &DiagnosticView, codes: &[&str]) -> Json {
    let artifact = json!({"uri": uri(&view.file)});
    let location = |label: &LabelView| {
        json!({"physicalLocation": {"artifactLocation": artifact, "region": region(label)},
               "message": {"text": label.message}})
    };
    let mut result = json!({
        "ruleId": view.code,
        "ruleIndex": codes.iter().position(|code| *code == view.code),
        "level": view.severity,
        "message": {"text": view.text()},
        "locations": [match view.labels.first() {
            Some(label) => json!({"physicalLocation": {"artifactLocation": artifact, "region": region(label)}}),
            None => json!({"physicalLocation": {"artifactLocation": artifact}}),
        }],
    });
    let related: Vec<Json> = view.labels.iter().skip(1).map(location).collect();
    if !related.is_empty() {
        result["relatedLocations"] = related.into();
    }
    result
}

/// A region ends behind its last character; one without any is a place.
fn region(label: &LabelView) -> Json {
    json!({
        "startLine": label.line,
        "startColumn": label.column,
        "endLine": label.end_line,
        "endColumn": label.end_column,
    })
}

/// A path as a relative reference (RFC 3986): what may not stand there is percent-encoded.
fn uri(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path).replace('\\', "/");
    let is_free = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/!$&'()*+,;=@".contains(&byte);
    let encoded: String = path
        .bytes()
        .map(|byte| if is_free(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    if encoded.starts_with('/') { format!("file://{encoded}") } else { encoded }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_references() {
        assert_eq!(uri("./a b/ü:1.toml"), "a%20b/%C3%BC%3A1.toml");
        assert_eq!(uri("/x/y.toml"), "file:///x/y.toml");
        assert_eq!(name("bunsui::pipeline::unused_output"), "PipelineUnusedOutput");
    }
}
