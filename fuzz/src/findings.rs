//! What holds of all findings, whatever they are about.

use bunsui::diagnostic::{
    Diagnostic, DiagnosticView, Severity, Source, github, pages, render_human, sarif, views,
};
use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

static CODES: LazyLock<HashSet<&str>> = LazyLock::new(|| pages().iter().map(|page| page.code).collect());

/// Each has a page and one line of a message, its places are characters of the text, and all forms of it can be printed.
pub fn check(source: &Arc<Source>, found: &[Diagnostic]) {
    found.iter().for_each(|finding| check_one(source, finding));
    let views = views(source, found);
    assert_eq!(views.len(), found.len());
    for view in &views {
        check_view(source, view);
    }
    let shown = render_human(source, found, false, 100);
    assert!(!shown.contains("Failed to read contents"), "{shown}");
    assert!(
        shown.chars().all(|c| c == '\n' || !c.is_control()),
        "control characters would be printed: {shown:?}"
    );
    let lines = github(&views);
    assert_eq!(lines.lines().count(), views.len(), "one line a finding: {lines}");
    sarif(&views, "1");
}

/// Whether any of them refuses what was read.
pub fn refuse(found: &[Diagnostic]) -> bool {
    found.iter().any(|finding| finding.severity == Severity::Error)
}

fn check_one(source: &Source, finding: &Diagnostic) {
    assert!(CODES.contains(finding.code), "no page: {finding:?}");
    // What a plugin says is the plugin's.
    let is_ours = finding.code != "bunsui::pipeline::operation_check";
    assert!(!is_ours || !finding.message.is_empty() && !finding.message.contains('\n'), "{finding:?}");
    for label in &finding.labels {
        assert!(label.span.start <= label.span.end, "{finding:?}");
        assert!(
            source.text.get(label.span.start..label.span.end).is_some(),
            "{finding:?} of {:?}",
            source.text
        );
    }
}

fn check_view(source: &Source, view: &DiagnosticView) {
    let lines = source.text.split('\n').count();
    for label in &view.labels {
        let (start, end) = ((label.line, label.column), (label.end_line, label.end_column));
        assert!((1, 1) <= start && start <= end && end.0 <= lines, "{view:?}");
    }
}
