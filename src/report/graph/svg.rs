//! A pipeline's graph as SVG: what its jobs are, before anything ran.

use super::{conditions, kinds, run_if};
use crate::pipeline::{Id, Job, Pipeline};
use crate::report::picture::{Drawing, Edge, Node, name, note, shown};

/// An SVG file that needs nothing besides itself.
pub fn svg(pipeline: &Pipeline) -> String {
    let nodes = pipeline.jobs.values().map(node).collect();
    let edge = |_, to: usize| match run_if(&pipeline.jobs[to]) {
        None => Edge::Plain,
        Some(_) => Edge::Conditional,
    };
    Drawing::new(texts(pipeline), nodes, &pipeline.graph, edge).alone()
}

fn texts(pipeline: &Pipeline) -> (String, String) {
    let jobs = pipeline.jobs.len();
    let title = format!("pipeline {}", pipeline.name);
    let about = pipeline.description.as_deref().map(|text| shown(text, 400) + ". ").unwrap_or_default();
    (title, format!("{about}{jobs} {}, from left to right", if jobs == 1 { "job" } else { "jobs" }))
}

fn node(job: &Job) -> Node {
    let mut what = vec![kinds(job)];
    what.extend(conditions(job).into_iter().map(str::to_owned));
    let what = what.join(" · ");
    let mut lines = vec![name("", job.id.as_str())];
    lines.extend(job.description.as_deref().and_then(note));
    lines.extend(note(&what));
    Node { words: words(job, &what), lines, class: String::new(), link: None }
}

fn words(job: &Job, what: &str) -> String {
    let mut words = format!("{}: {what}", job.id);
    if let Some(description) = &job.description {
        words.push_str(&format!("; {}", shown(description, 400)));
    }
    if !job.depends_on.is_empty() {
        let upstreams: Vec<&str> = job.depends_on.iter().take(20).map(Id::as_str).collect();
        words.push_str(&format!("; after {}", upstreams.join(", ")));
    }
    words
}
