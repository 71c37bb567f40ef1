//! The graph of jobs, coloured by what became of them; of many jobs an overview.

use super::overview;
use super::status::of_job;
use super::view::View;
use crate::pipeline::{Id, Job, Pipeline};
use crate::report::graph::{conditions, kinds, run_if};
use crate::report::picture::{Drawing, Edge, Line, Node, name};
use maud::{Markup, html};

/// More boxes than this are no picture any more.
const MOST_DRAWN: usize = 400;
/// A wider picture than this does not fit into the page.
const WIDE: f64 = 1130.0;

/// None where the graph is not known.
pub(super) fn section(view: &View<'_>) -> Option<Markup> {
    let Some(pipeline) = view.story.pipeline else {
        return Some(html! {
            p class="note" { "The pipeline file cannot be read with the plugins that are installed here: there is no graph of it." }
        });
    };
    if pipeline.jobs.len() > MOST_DRAWN {
        return Some(overview::by_level(view, pipeline));
    }
    let drawing = drawing(view, pipeline);
    Some(html! {
        p class="note" {
            "From left to right; a box leads to the job in the table."
            @if !view.critical.is_empty() { " ◆ and a bold line: the critical path." }
            @if has_conditions(pipeline) { " A dashed line: the job runs under another condition than success." }
        }
        a class="skip" href="#after-graph" { "past the picture" }
        @if drawing.width() > WIDE { p class="fit" { label { input type="checkbox"; " fit to the page" } } }
        div class="scroll drawn" tabindex="0" role="group" aria-label="picture of the graph" { (drawing.inline()) }
        span id="after-graph" tabindex="-1" {}
    })
}

fn has_conditions(pipeline: &Pipeline) -> bool {
    pipeline.jobs.values().any(|job| run_if(job).is_some() && !job.depends_on.is_empty())
}

fn drawing(view: &View<'_>, pipeline: &Pipeline) -> Drawing {
    let nodes = pipeline.jobs.values().map(|job| node(view, job)).collect();
    let at = |job: usize| view.of_key(pipeline.jobs[job].id.as_str());
    let next: std::collections::HashSet<_> =
        view.critical.windows(2).map(|pair| (pair[0], pair[1])).collect();
    let edge = |from: usize, to: usize| match (at(from), at(to)) {
        (Some(one), Some(other)) if next.contains(&(one, other)) => match run_if(&pipeline.jobs[to]) {
            None => Edge::Critical,
            Some(_) => Edge::CriticalConditional,
        },
        _ if run_if(&pipeline.jobs[to]).is_some() => Edge::Conditional,
        _ => Edge::Plain,
    };
    let title = format!("graph of pipeline {}", pipeline.name);
    let description = format!("{} jobs; the table of jobs says the same in words", pipeline.jobs.len());
    Drawing::new((title, description), nodes, &pipeline.graph, edge)
}

fn node(view: &View<'_>, job: &Job) -> Node {
    let Some(at) = view.of_key(job.id.as_str()) else {
        let lines = vec![name("", job.id.as_str()), Line::Note("not in this part".into())];
        return Node {
            words: format!("{}: not in this part", job.id),
            lines,
            class: "idle".into(),
            link: None,
        };
    };
    let record = view.job(at);
    let look = of_job(record.status);
    let took = view.took(at);
    let took = if took == "-" { String::new() } else { format!(" · {took}") };
    let is_critical = view.is_critical(at);
    let name = name(if is_critical { "◆ " } else { "" }, job.id.as_str());
    let again = if record.attempt > 1 { format!(" · attempt {}", record.attempt) } else { String::new() };
    let note = format!("{} {}{took}{again}", look.sign, look.word);
    Node {
        words: words(job, look.word, &took),
        lines: vec![name, Line::Note(note)],
        class: format!("{}{}", look.class, if is_critical { " critical" } else { "" }),
        link: view.link(at),
    }
}

fn words(job: &Job, status: &str, took: &str) -> String {
    let mut words = format!("{}: {status}{took}; {}", job.id, kinds(job));
    for condition in conditions(job) {
        words.push_str(&format!(", {condition}"));
    }
    if !job.depends_on.is_empty() {
        let upstreams: Vec<&str> = job.depends_on.iter().take(10).map(Id::as_str).collect();
        words.push_str(&format!("; after {}", upstreams.join(", ")));
    }
    words
}
