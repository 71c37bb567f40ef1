//! Jobs that need each other.

use super::jobs::JobDraft;
use crate::diagnostic::{Diagnostic, Sink};
use crate::pipeline::graph::{cycles, edges};

/// More jobs than this are not all named in one sentence.
const NAMED: usize = 8;

/// Reports each cycle, every edge of it with a label.
pub(super) fn check(jobs: &[JobDraft<'_>], upstreams: &[Vec<usize>], sink: &mut Sink) {
    for cycle in cycles(upstreams) {
        let mut diagnostic = Diagnostic::error(
            "bunsui::pipeline::cycle",
            format!("jobs need each other: {}", path(jobs, &cycle)),
        );
        for (job, needed) in edges(&cycle) {
            let place =
                jobs[job].depends_on.iter().find(|(index, _)| *index == needed).map(|(_, span)| *span);
            let span = place.unwrap_or(jobs[job].name_span);
            diagnostic =
                diagnostic.label(span, format!("`{}` needs `{}`", jobs[job].name, jobs[needed].name));
        }
        sink.report(diagnostic.help("take one of these out of its `depends_on`"));
    }
}

fn path(jobs: &[JobDraft<'_>], cycle: &[usize]) -> String {
    let mut names: Vec<&str> = cycle.iter().map(|job| jobs[*job].name).collect();
    names.extend(names.first().copied());
    if names.len() > NAMED + 1 {
        let last = names[names.len() - 2..].to_vec();
        names.truncate(NAMED - 2);
        names.push("…");
        names.extend(last);
    }
    names.join(" -> ")
}
