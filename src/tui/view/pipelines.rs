//! The pipelines and their jobs as a tree.

use super::text::{fit, pad, width};
use super::{Areas, Theme, line, selected};
use crate::pipeline::Id;
use crate::report::text::{duration, printable};
use crate::session::JobStatus;
use crate::tui::source::Found;
use crate::tui::state::{Branch, State, duration_of, status_words};
use ratatui::Frame;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};

pub(super) fn draw(state: &State, theme: Theme, areas: Areas, frame: &mut Frame<'_>) {
    let pipelines = &state.pipelines;
    let Some(found) = &pipelines.found else { return };
    let name = found.iter().map(|found| width(&found.name)).max().unwrap_or(0).clamp(8, 40);
    let heading = format!("    {}  {}  LAST SESSION", pad("PIPELINE", name), pad("FILE", 18));
    line(frame, areas.head, 0, Line::styled(heading, theme.dim().add_modifier(Modifier::BOLD)));
    if pipelines.shown.is_empty() {
        let text = if found.is_empty() {
            "There is no file in pipelines/ here, and nothing has run yet. `bunsui init` makes a first one."
        } else {
            "No pipeline holds this text; Esc shows all."
        };
        line(frame, areas.list, 1, Line::from(format!("  {text}")));
        return;
    }
    let window = pipelines.shown.iter().enumerate().skip(pipelines.cursor.top);
    for (at, branch) in window.take(usize::from(areas.list.height)) {
        let mut drawn = match branch {
            Branch::Pipeline(pipeline) => pipeline_line(&found[*pipeline], state, name, theme),
            Branch::Job(pipeline, job) => job_line(&found[*pipeline], *job, theme),
        };
        if at == pipelines.cursor.at {
            drawn = selected(drawn);
        }
        line(frame, areas.list, at - pipelines.cursor.top, drawn);
    }
    aside(state, theme, areas, frame);
}

fn pipeline_line(found: &Found, state: &State, name: usize, theme: Theme) -> Line<'static> {
    let is_unfolded = state.pipelines.unfolded.contains(&found.name);
    let fold = match (found.pipeline.is_none() && found.jobs.is_empty(), is_unfolded) {
        (true, _) => " ",
        (false, false) => "+",
        (false, true) => "-",
    };
    let (style, validity) = match (&found.file, found.errors, found.warnings) {
        (None, ..) => (theme.dim(), "no file here".to_owned()),
        (Some(_), 0, 0) => (theme.good(), "✓ valid".to_owned()),
        (Some(_), 0, 1) => (theme.warn(), "! 1 warning".to_owned()),
        (Some(_), 0, warnings) => (theme.warn(), format!("! {warnings} warnings")),
        (Some(_), 1, _) => (theme.bad(), "✗ 1 error".to_owned()),
        (Some(_), errors, _) => (theme.bad(), format!("✗ {errors} errors")),
    };
    let mut spans = vec![
        Span::raw(format!(" {fold}  {}  ", pad(&printable(&found.name), name))),
        Span::styled(pad(&validity, 18), style),
    ];
    match &found.last {
        None => spans.push(Span::styled("  never run", theme.dim())),
        Some(row) => {
            let (style, sign) = theme.session(row.record.status, row.is_driven);
            spans.push(Span::styled(format!("  {sign} {}", status_words(row)), style));
            let took =
                duration_of(row, state.now).map(|took| format!(" in {}", duration(took))).unwrap_or_default();
            let at = row.record.created_at.strftime("%Y-%m-%d %H:%M:%S UTC");
            spans.push(Span::raw(format!("{took}, {at}")));
        }
    }
    Line::from(spans)
}

/// A job, with how it stands in the last session.
fn job_line(found: &Found, job: usize, theme: Theme) -> Line<'static> {
    let names = found.job_names();
    let Some(name) = names.get(job).copied() else { return Line::default() };
    let job = found.pipeline.as_ref().and_then(|pipeline| pipeline.jobs.get(name));
    let status = found.jobs.get(name).copied().unwrap_or(JobStatus::Pending);
    let (style, sign) = match &found.last {
        Some(_) => theme.job(status),
        None => (theme.dim(), " "),
    };
    let upstreams: Vec<&str> = job.iter().flat_map(|job| &job.depends_on).map(Id::as_str).collect();
    let upstreams =
        if upstreams.is_empty() { String::new() } else { format!("  ← {}", upstreams.join(", ")) };
    Line::from(vec![
        Span::styled(format!("      {sign} "), style),
        Span::raw(printable(name).into_owned()),
        Span::styled(upstreams, theme.dim()),
    ])
}

/// What is found in the file, or what the pipeline is for.
fn aside(state: &State, theme: Theme, areas: Areas, frame: &mut Frame<'_>) {
    let Some(found) = state.pipelines.selected().filter(|_| areas.aside.height > 0) else { return };
    let columns = usize::from(areas.aside.width);
    let title = format!("── {} ", found.file.as_deref().map_or_else(|| printable(&found.name), printable));
    let rule = "─".repeat(columns.saturating_sub(width(&title)));
    line(frame, areas.aside, 0, Line::styled(format!("{title}{rule}"), theme.dim()));
    let mut text = String::new();
    if let Some(pipeline) = &found.pipeline {
        text.push_str(pipeline.description.as_deref().unwrap_or_default());
        text.push_str(&format!("\n{} jobs, {} params\n", pipeline.jobs.len(), pipeline.params.len()));
    }
    text.push_str(&found.findings);
    for (at, text) in text.trim().lines().enumerate() {
        line(frame, areas.aside, at + 1, Line::from(fit(&printable(text), columns)));
    }
}

pub(super) fn notice(state: &State) -> String {
    let pipelines = &state.pipelines;
    let all = pipelines.found.as_ref().map_or(0, Vec::len);
    match pipelines.filter.is_empty() {
        true => format!("{all} pipeline{}", if all == 1 { "" } else { "s" }),
        false => format!("pipelines with `{}`, of {all}", printable(&pipelines.filter)),
    }
}
