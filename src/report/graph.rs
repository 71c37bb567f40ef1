//! A pipeline's graph as text: for a terminal, as a Mermaid flowchart, in Graphviz's language; and as a picture.
//!
//! Takes: a [`Pipeline`]. Gives: text in a stable order (each job after its upstreams, ties in the order of the file)
//! in which every dependency can be seen.
//! Deliberately does not: know what ran (that is a session's), or print.

mod lanes;
mod svg;

pub use svg::svg;

use crate::pipeline::{Id, Job, Pipeline, RunIf};
use lanes::Row;
use std::fmt::Write;

/// Wider drawings cannot be followed by eye; a list says the same.
const MOST_LANES: usize = 16;

/// For a terminal: a lane for each job that is waited for, and beside every job what it waits for.
///
/// A lane leads down to one job; whoever is joined to the lane is waited for by that job. Graphs too wide to draw
/// become a list by levels.
pub fn text(pipeline: &Pipeline) -> String {
    let rows = lanes::draw(&pipeline.graph);
    let is_narrow = rows.iter().all(|row| row.lanes() <= MOST_LANES);
    let body = if is_narrow { drawing(pipeline, &rows) } else { levels(pipeline) };
    let jobs = pipeline.jobs.len();
    let dependencies: usize = pipeline.graph.upstreams.iter().map(Vec::len).sum();
    format!(
        "{}: {jobs} {}, {dependencies} {}\n\n{body}",
        pipeline.name,
        if jobs == 1 { "job" } else { "jobs" },
        if dependencies == 1 { "dependency" } else { "dependencies" },
    )
}

/// The drawing line by line, for whoever says more beside each job: the lanes, and the job whose line it is. Nothing where
/// the graph is too wide to draw.
pub fn rows(pipeline: &Pipeline) -> Vec<(String, Option<usize>)> {
    let rows = lanes::draw(&pipeline.graph);
    if rows.iter().any(|row| row.lanes() > MOST_LANES) {
        return pipeline.graph.order.iter().map(|job| (String::new(), Some(*job))).collect();
    }
    let mut order = pipeline.graph.order.iter().copied();
    let of_job = |row: &Row| matches!(row, Row::Job(..));
    rows.iter().map(|row| (row.text(), if of_job(row) { order.next() } else { None })).collect()
}

fn drawing(pipeline: &Pipeline, rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.text().trim_end().chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    let mut list = table(pipeline, pipeline.graph.order.iter().copied()).into_iter();
    for row in rows {
        match row {
            Row::Job(..) => {
                let _ =
                    writeln!(text, "{:width$}  {}", row.text().trim_end(), list.next().unwrap_or_default());
            }
            Row::Joints(_) => {
                let _ = writeln!(text, "{}", row.text().trim_end());
            }
        }
    }
    text
}

/// A job's level is the length of the longest way to it.
fn levels(pipeline: &Pipeline) -> String {
    let mut level = vec![0; pipeline.jobs.len()];
    for &job in &pipeline.graph.order {
        level[job] = pipeline.graph.upstreams[job].iter().map(|&up| level[up] + 1).max().unwrap_or(0);
    }
    let mut jobs = pipeline.graph.order.clone();
    jobs.sort_by_key(|&job| level[job]);
    let deepest = level.iter().max().map_or(0, |deepest| deepest.to_string().len());
    let mut text = String::new();
    let mut previous = None;
    for (line, job) in table(pipeline, jobs.iter().copied()).into_iter().zip(&jobs) {
        let number =
            if previous == Some(level[*job]) { String::new() } else { (level[*job] + 1).to_string() };
        let _ = writeln!(text, "{number:>deepest$}  {line}");
        previous = Some(level[*job]);
    }
    text
}

/// A line a job: name, operation types, what it waits for, and what else decides whether it runs.
fn table(pipeline: &Pipeline, order: impl Iterator<Item = usize> + Clone) -> Vec<String> {
    let width = |cell: fn(&Job) -> String| {
        let cells = pipeline.jobs.values().map(|job| cell(job).chars().count());
        cells.max().unwrap_or(0)
    };
    let (names, types) = (width(|job| job.id.to_string()), width(kinds));
    order
        .map(|index| {
            let job = &pipeline.jobs[index];
            let mut line = format!("{:names$}  {:types$}", job.id.as_str(), kinds(job));
            if !job.depends_on.is_empty() {
                let upstreams: Vec<&str> = job.depends_on.iter().map(Id::as_str).collect();
                let _ = write!(line, "  ← {}", upstreams.join(", "));
            }
            for condition in conditions(job) {
                let _ = write!(line, "  [{condition}]");
            }
            line.trim_end().to_owned()
        })
        .collect()
}

/// `lambda`, `lambda, ecs`; the same type twice in a row is `ecs ×2`.
pub(super) fn kinds(job: &Job) -> String {
    let mut runs: Vec<(&str, usize)> = Vec::new();
    for operation in &job.operations {
        match runs.last_mut() {
            Some((kind, count)) if *kind == operation.kind => *count += 1,
            _ => runs.push((&operation.kind, 1)),
        }
    }
    let run = |(kind, count): (&str, usize)| match count {
        1 => kind.to_owned(),
        _ => format!("{kind} ×{count}"),
    };
    runs.into_iter().map(run).collect::<Vec<_>>().join(", ")
}

pub(super) fn conditions(job: &Job) -> Vec<&'static str> {
    let mut conditions: Vec<_> = run_if(job).into_iter().collect();
    conditions.extend(job.when.is_some().then_some("when"));
    conditions.extend(job.allow_failure.then_some("may fail"));
    conditions
}

/// How `run_if` is shown where it is not the usual one.
pub(super) fn run_if(job: &Job) -> Option<&'static str> {
    match job.run_if {
        RunIf::AllSucceeded => None,
        RunIf::NoneFailed => Some("if none failed"),
        RunIf::AnyFailed => Some("if any failed"),
        RunIf::Always => Some("always"),
    }
}

/// A Mermaid flowchart. Jobs are numbered, since ids such as `end` are words of Mermaid's.
pub fn mermaid(pipeline: &Pipeline) -> String {
    let mut text = format!("---\ntitle: \"{}\"\n---\nflowchart LR\n", pipeline.name);
    for &index in &pipeline.graph.order {
        let job = &pipeline.jobs[index];
        let kinds = escape_mermaid(&kinds(job));
        let _ = writeln!(
            text,
            "    j{index}[\"{}<br/><small>{kinds}</small>\"]",
            escape_mermaid(job.id.as_str())
        );
    }
    for (from, to) in edges(pipeline) {
        let arrow = match run_if(&pipeline.jobs[to]) {
            None => "-->".to_owned(),
            Some(condition) => format!("-.->|{condition}|"),
        };
        let _ = writeln!(text, "    j{from} {arrow} j{to}");
    }
    text
}

/// Graphviz's language.
pub fn dot(pipeline: &Pipeline) -> String {
    let name = quote_dot(pipeline.name.as_str());
    let mut text = format!("digraph {name} {{\n    rankdir=LR;\n    node [shape=box, style=rounded];\n");
    for &index in &pipeline.graph.order {
        let job = &pipeline.jobs[index];
        let label = quote_dot(&format!("{}\n{}", job.id, kinds(job)));
        let tooltip = quote_dot(job.description.as_deref().unwrap_or(job.id.as_str()));
        let _ = writeln!(text, "    {} [label={label}, tooltip={tooltip}];", quote_dot(job.id.as_str()));
    }
    for (from, to) in edges(pipeline) {
        let (from, job) = (&pipeline.jobs[from], &pipeline.jobs[to]);
        let style = run_if(job).map(|condition| format!(" [style=dashed, label={}]", quote_dot(condition)));
        let ends = (quote_dot(from.id.as_str()), quote_dot(job.id.as_str()));
        let _ = writeln!(text, "    {} -> {}{};", ends.0, ends.1, style.unwrap_or_default());
    }
    text.push_str("}\n");
    text
}

/// By downstream job in order, its upstreams as the file lists them.
fn edges(pipeline: &Pipeline) -> impl Iterator<Item = (usize, usize)> {
    let graph = &pipeline.graph;
    graph.order.iter().flat_map(|&to| graph.upstreams[to].iter().map(move |&from| (from, to)))
}

/// As entities, which Mermaid writes with `#`.
fn escape_mermaid(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '"' => escaped.push_str("#quot;"),
            '#' => escaped.push_str("#35;"),
            '<' => escaped.push_str("#lt;"),
            '>' => escaped.push_str("#gt;"),
            '\n' | '\r' => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}

fn quote_dot(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => {}
            // Shown, not sent: the text may end up on a terminal.
            c if c.is_control() && c != '\t' => {
                quoted.push('\\');
                quoted.extend(c.escape_default());
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
pub(super) mod tests;
