//! Failed jobs: the lines of the file that they belong to, what the service said, what to do.

use super::status::{badge, of_job};
use super::verdict;
use super::view::{View, grouped, span_text, ticked};
use crate::diagnostic::{Diagnostic, Lines, Span};
use crate::pipeline::Pipeline;
use crate::report::failure::{FailedJob, cause, diagnostic, logs_command};
use crate::report::picture::{shown, shown_line};
use crate::session::{FailureRecord, JobRecord};
use maud::{Markup, html};

/// Lines of the file that are shown of one.
const MOST_LINES: usize = 16;
/// Bytes of a cause, and log lines with their columns.
const MOST_OF_CAUSE: usize = 8000;
const MOST_LOG_LINES: usize = 40;
const LOG_WIDTH: usize = 400;

/// None where nothing failed.
pub(super) fn section(view: &View<'_>) -> Option<Markup> {
    let failed = view.failed().count();
    if failed == 0 {
        return None;
    }
    Some(html! {
        @for job in &view.told {
            @if let Some(failure) = &view.job(*job).failure { (article(view, *job, failure)) }
        }
        @if failed > view.told.len() {
            p class="quiet" {
                "and " (grouped(failed - view.told.len())) " more: " code { "bunsui session show " (view.story.session.session_id) }
            }
        }
    })
}

fn article(view: &View<'_>, job: usize, failure: &FailureRecord) -> Markup {
    let record = view.job(job);
    let Some(failed) = view.failed_job(job) else { return html! {} };
    let found = view.story.pipeline.map(|pipeline| (diagnostic(failed, pipeline), pipeline));
    let message = found.as_ref().map_or_else(|| bare(failure), |(found, _)| found.message.clone());
    html! {
        article class="failure" id=(format!("failure-{job}")) aria-labelledby=(format!("failure-{job}-title")) {
            h3 id=(format!("failure-{job}-title")) { (view.name(job)) " " (badge(of_job(record.status))) }
            p class="message" { (ticked(&shown(&message, 2000))) }
            p class="quiet" {
                @if let Some(error) = &failure.error { code { (shown(error, 500)) } ", " }
                "attempt " (record.attempt)
                @if failure.tries > 0 { ", " (tries(failure.tries)) }
                @if let Some(ran) = view.times[job].ran { ", took " (span_text(Some(ran))) }
            }
            (verdict::stopped(view, &[job]))
            @if let Some((found, pipeline)) = &found { (excerpt(found, pipeline)) }
            @if let Some(cause) = cause(failure) { h4 { "Cause" } (said(&shown(cause, MOST_OF_CAUSE), "cause")) }
            @if !failure.log_lines.is_empty() { h4 { "Last log lines" } (said(&log(&failure.log_lines), "last log lines")) }
            (help(failed, found.as_ref().map(|(found, _)| found), view.story.session.status.is_final()))
            (what_stays(record))
            (as_said(failure))
        }
    }
}

fn tries(tries: u32) -> String {
    if tries == 1 { "1 try".into() } else { format!("{tries} tries") }
}

/// What is said where the file cannot be read any more as it was.
fn bare(failure: &FailureRecord) -> String {
    let what = failure.summary.as_ref().or(failure.error.as_ref());
    what.cloned().unwrap_or_else(|| "it failed, and nothing is known of why".into())
}

fn said(text: &str, label: &str) -> Markup {
    html! { pre class="said" tabindex="0" role="group" aria-label=(label) { (text) } }
}

fn log(lines: &[String]) -> String {
    let from = lines.len().saturating_sub(MOST_LOG_LINES);
    let lines: Vec<String> = lines[from..].iter().map(|line| shown_line(line, LOG_WIDTH)).collect();
    lines.join("\n")
}

fn help(failed: FailedJob<'_>, found: Option<&Diagnostic>, is_final: bool) -> Markup {
    let text =
        found.and_then(|found| found.help.as_deref()).or(failed.failure.help.as_deref()).unwrap_or_default();
    html! {
        h4 { "What to do" }
        ul {
            @for line in text.lines().take(10) { li { (command(line)) } }
            li { "all its log lines: " code { (logs_command(failed)) } }
            @if is_final { li { "again from this job on: " code { "bunsui session retry " (failed.session) " --job " (failed.job_key) } } }
        }
    }
}

/// The cause as the service gave it, where something readable was made of it.
fn as_said(failure: &FailureRecord) -> Markup {
    let said =
        failure.cause.as_deref().filter(|said| cause(failure) != Some(said) && !said.trim().is_empty());
    html! {
        @if let Some(said) = said {
            details { summary { "the cause as the service gave it" } pre { (shown(said, MOST_OF_CAUSE)) } }
        }
    }
}

/// A line of help; a command at its end is set as one.
fn command(line: &str) -> Markup {
    match line.split_once(": bunsui ") {
        Some((why, command)) => {
            html! { (ticked(&shown(why, 500))) ": " code { "bunsui " (shown(command, 500)) } }
        }
        None => ticked(&shown(line, 1000)),
    }
}

fn what_stays(record: &JobRecord) -> Markup {
    html! {
        @if !record.may_still_run.is_empty() {
            h4 { "May still run" }
            ul { @for line in record.may_still_run.iter().take(50) { li { (shown(line, 500)) } } }
        }
    }
}

/// The lines of the file that are to blame.
fn excerpt(found: &Diagnostic, pipeline: &Pipeline) -> Markup {
    let Some(label) = found.labels.first() else { return html! {} };
    let lines = Lines::new(&pipeline.source.text);
    let (first, last) = (lines.line_of(label.span.start), lines.line_of(end_of(label.span)));
    // A neighbour without text says nothing.
    let is_telling = |line: usize| line < lines.count() && !lines.text(line).trim().is_empty();
    let from = first.checked_sub(1).filter(|line| is_telling(*line)).unwrap_or(first);
    let to = if is_telling(last + 1) { last + 1 } else { last }.min(first + MOST_LINES);
    html! {
        figure class="excerpt" {
            figcaption { code { (shown(&pipeline.source.name, 300)) ":" (first + 1) } }
            pre tabindex="0" role="group" aria-label="lines of the pipeline file" {
                span class="lines" {
                    @for line in from..=to {
                        @let is_meant = (first..=last).contains(&line);
                        span class=(if is_meant { "line meant" } else { "line" }) {
                            (format!("{} {:>5}  ", if is_meant { "▶" } else { " " }, line + 1))
                            (shown_line(lines.text(line), 300)) "\n"
                        }
                    }
                }
            }
        }
    }
}

/// The last byte of a span, not the one after it.
fn end_of(span: Span) -> usize {
    span.end.saturating_sub(1).max(span.start)
}
