//! The pipelines and their jobs as a tree.

use super::text::{fit, pad, pad_left, width};
use super::{Areas, Theme, line, rule, selected};
use crate::pipeline::{Id, Param};
use crate::report::text::{duration, printable};
use crate::session::JobStatus;
use crate::tui::source::Found;
use crate::tui::state::{Branch, State, duration_of, status_words};
use ratatui::Frame;
use ratatui::text::{Line, Span};

/// Columns of each column; the name takes what is left.
struct Columns {
    name: usize,
    file: usize,
    status: usize,
}

const TOOK: usize = 8;
const CREATED: usize = 12;

impl Columns {
    fn of(found: &[Found], columns: u16) -> Self {
        let longest = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
        let file = longest(&mut found.iter().map(|found| width(&validity(found)))).max(8);
        let statuses =
            found.iter().map(|found| found.last.as_ref().map_or(9, |row| width(&status_words(row))));
        let status = longest(&mut statuses.into_iter()).max(12);
        let left = usize::from(columns).saturating_sub(4 + file + status + TOOK + CREATED + 9);
        let name = longest(&mut found.iter().map(|found| width(&found.name))).max(8);
        Self { name: name.min(left.max(8)), file, status }
    }
}

pub(super) fn draw(state: &State, theme: Theme, areas: Areas, frame: &mut Frame<'_>) {
    let pipelines = &state.pipelines;
    let Some(found) = &pipelines.found else { return };
    let columns = Columns::of(found, areas.list.width);
    let (name, file) = (pad("PIPELINE", columns.name), pad("FILE", columns.file));
    let status = pad("LAST SESSION", columns.status + 2);
    let heading = format!("    {name}  {file}  {status} {}  CREATED, UTC", pad_left("TOOK", TOOK));
    line(frame, areas.head, 0, Line::styled(heading, theme.strong()));
    if pipelines.shown.is_empty() {
        let text = if found.is_empty() {
            "There is no file in pipelines/ here, and nothing has run yet.\n  `bunsui init` makes a first one."
        } else {
            "No pipeline holds this text; Esc shows all."
        };
        for (at, text) in text.lines().enumerate() {
            line(frame, areas.list, 1 + at, Line::from(format!("  {}", text.trim_start())));
        }
        return;
    }
    let window = pipelines.shown.iter().enumerate().skip(pipelines.cursor.top);
    for (at, branch) in window.take(usize::from(areas.list.height)) {
        let mut drawn = match branch {
            Branch::Pipeline(pipeline) => pipeline_line(&found[*pipeline], state, &columns, theme),
            Branch::Job(pipeline, job) => job_line(&found[*pipeline], *job, theme),
        };
        if at == pipelines.cursor.at {
            drawn = selected(drawn);
        }
        line(frame, areas.list, at - pipelines.cursor.top, drawn);
    }
    aside(state, theme, areas, frame);
}

/// Whether its file can be run.
fn validity(found: &Found) -> String {
    match (&found.file, found.errors, found.warnings) {
        (None, ..) => "no file here".to_owned(),
        (Some(_), 0, 0) => "✓ valid".to_owned(),
        (Some(_), 0, 1) => "! 1 warning".to_owned(),
        (Some(_), 0, warnings) => format!("! {warnings} warnings"),
        (Some(_), 1, _) => "✗ 1 error".to_owned(),
        (Some(_), errors, _) => format!("✗ {errors} errors"),
    }
}

fn pipeline_line(found: &Found, state: &State, columns: &Columns, theme: Theme) -> Line<'static> {
    let is_unfolded = state.pipelines.unfolded.contains(&found.name);
    let fold = match (found.pipeline.is_none() && found.jobs.is_empty(), is_unfolded) {
        (true, _) => " ",
        (false, false) => "+",
        (false, true) => "-",
    };
    let style = match (&found.file, found.errors, found.warnings) {
        (None, ..) => theme.dim(),
        (Some(_), 0, 0) => theme.good(),
        (Some(_), 0, _) => theme.warn(),
        (Some(_), ..) => theme.bad(),
    };
    let validity = pad(&validity(found), columns.file);
    // The sign of a valid file alone is green.
    let sign = validity.chars().next().map_or(0, char::len_utf8);
    let mut spans = vec![
        Span::raw(format!(" {fold}  {}  ", pad(&printable(&found.name), columns.name))),
        Span::styled(validity[..sign].to_owned(), style),
        Span::styled(format!("{}  ", &validity[sign..]), theme.word(style)),
    ];
    match &found.last {
        None if state.trouble.is_some() => spans.push(Span::styled("not known", theme.dim())),
        None => spans.push(Span::styled("never run", theme.dim())),
        Some(row) => {
            let (style, sign) = theme.session(row.record.status, row.is_driven);
            let took = duration_of(row, state.now).map_or("-".into(), duration);
            let created = row.record.created_at.strftime("%m-%d %H:%M");
            spans.push(Span::styled(format!("{sign} "), style));
            spans.push(Span::styled(pad(&status_words(row), columns.status), theme.word(style)));
            spans.push(Span::raw(format!(" {}  {created}", pad_left(&took, TOOK))));
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

/// What is found in the file, or what the pipeline is for and takes.
fn aside(state: &State, theme: Theme, areas: Areas, frame: &mut Frame<'_>) {
    let Some(found) = state.pipelines.selected().filter(|_| areas.aside.height > 0) else { return };
    let columns = usize::from(areas.aside.width);
    rule(frame, areas.aside, found.file.as_deref().unwrap_or(&found.name), theme);
    let mut lines: Vec<Line<'static>> = Vec::new();
    let text = |text: &str| Line::from(fit(&printable(text), columns));
    if let Some(pipeline) = &found.pipeline {
        lines.extend(pipeline.description.as_deref().map(text));
        let jobs = pipeline.jobs.len();
        lines.push(Line::from(format!("{jobs} job{}", if jobs == 1 { "" } else { "s" })));
        lines.extend(found.findings.trim().lines().map(text));
        if !pipeline.params.is_empty() {
            lines.extend([Line::default(), Line::styled("parameters", theme.strong())]);
            lines.extend(pipeline.params.values().map(|param| text(&parameter(param))));
        }
    } else {
        lines.extend(found.findings.trim().lines().map(text));
    }
    for (at, drawn) in lines.into_iter().enumerate() {
        line(frame, areas.aside, at + 1, drawn);
    }
}

/// `  year  integer, default 2015; year to summarise`
fn parameter(param: &Param) -> String {
    let mut text = format!("  {}  {}", pad(param.name.as_str(), 16), param.kind.name());
    if param.secret {
        text.push_str(", secret");
    }
    match &param.default {
        Some(default) => text.push_str(&format!(", default {default}")),
        None if param.required => text.push_str(", required"),
        None => {}
    }
    if let Some(description) = &param.description {
        text.push_str(&format!("; {description}"));
    }
    text
}

pub(super) fn notice(state: &State) -> String {
    let pipelines = &state.pipelines;
    let all = pipelines.found.as_ref().map_or(0, Vec::len);
    match pipelines.filter.is_empty() {
        true => format!("{all} pipeline{}", if all == 1 { "" } else { "s" }),
        false => format!("pipelines with `{}`, of {all}", printable(&pipelines.filter)),
    }
}
