//! The table of jobs, and those that took longest.

use super::status::{badge, of_job};
use super::view::{View, grouped, span_text, ticked};
use crate::report::picture::{shown, shown_line};
use crate::report::text::value_line;
use crate::session::{JobRecord, JobStatus, OutputRecord};
use maud::{Markup, html};

const SLOWEST: usize = 10;
/// Bytes of an output that is unfolded, and of all of them together.
const MOST_OF_OUTPUT: usize = 4000;
const MOST_OF_OUTPUTS: usize = 1_000_000;
/// Columns of what is said in one line.
const LINE: usize = 110;

pub(super) fn section(view: &View<'_>) -> Markup {
    let left_out = view.story.jobs.len() - view.listed.len();
    let mut room = MOST_OF_OUTPUTS;
    html! {
        @if left_out > 0 {
            p class="note" {
                "The " (grouped(view.listed.len())) " jobs of which there is most to say; " (grouped(left_out)) " others are left out: "
                code { "bunsui session show " (view.story.session.session_id) " --output json" }
            }
        }
        div class="scroll" tabindex="0" role="group" aria-label="table of jobs" {
            table class="jobs" {
                caption { "In the order of the file. " (marked(view)) "Waited: from when nothing was missing that it needs." }
                thead { tr {
                    th scope="col" { "job" } th scope="col" { "status" }
                    @for title in ["waited", "took", "attempt"] { th scope="col" class="figure" { (title) } }
                    th scope="col" { "result" }
                } }
                tbody { @for job in &view.listed { (row(view, *job, &mut room)) } }
            }
        }
    }
}

fn marked(view: &View<'_>) -> &'static str {
    if view.critical.is_empty() { "" } else { "◆ is on the critical path. " }
}

fn row(view: &View<'_>, job: usize, room: &mut usize) -> Markup {
    let (record, times) = (view.job(job), view.times[job]);
    let is_allowed = is_failed(record) && view.is_allowed(job);
    html! {
        tr id=(format!("job-{job}")) tabindex="-1" {
            th scope="row" {
                @if view.is_critical(job) { span title="on the critical path" { "◆\u{a0}" } }
                (record.job_key)
            }
            td { (badge(of_job(record.status))) @if is_allowed { span class="quiet" { " allowed" } } }
            td class="figure" { (span_text(times.waited)) }
            td class="figure" { (view.took(job)) }
            td class="figure" { @if record.attempt > 0 { (record.attempt) } @else { "-" } }
            td class="value" { (result(view, job, record, room)) }
        }
    }
}

fn is_failed(record: &JobRecord) -> bool {
    matches!(record.status, JobStatus::Failed | JobStatus::TimedOut)
}

fn result(view: &View<'_>, job: usize, record: &JobRecord, room: &mut usize) -> Markup {
    html! {
        @if let Some(from) = &record.reused_from { "output of session " code { (from) } " " }
        @match (&record.output, &record.failure, &record.reason) {
            (Some(output), ..) => (result_of(output, room)),
            (None, Some(failure), _) if is_failed(record) => {
                @let what = failure.summary.as_ref().or(failure.error.as_ref()).map_or("why", String::as_str);
                @if view.told.contains(&job) { a href=(format!("#failure-{job}")) { (ticked(&shown_line(what, LINE))) } }
                @else { (ticked(&shown_line(what, LINE))) }
            },
            (None, _, Some(reason)) => (ticked(&shown_line(reason, LINE))),
            _ => {},
        }
        @if !record.may_still_run.is_empty() { " " strong { "something of it may still run" } }
        @if view.story.history.attempts(&record.job_key).len() > 1 { " " (attempts(view, record)) }
    }
}

fn result_of(output: &OutputRecord, room: &mut usize) -> Markup {
    let value = match output {
        OutputRecord::Object { key, size } => return html! { (size) " bytes in " code { (shown(key, 300)) } },
        OutputRecord::Inline(value) => value,
    };
    let line = shown_line(&value_line(value, LINE), LINE);
    let whole = serde_json::to_string_pretty(value).unwrap_or_default();
    let is_more = whole.len() > LINE && *room > 0;
    if !is_more {
        return html! { (line) };
    }
    let whole = shown(&whole, MOST_OF_OUTPUT);
    *room = room.saturating_sub(whole.len());
    html! { details { summary { (line) } pre { (whole) } } }
}

fn attempts(view: &View<'_>, record: &JobRecord) -> Markup {
    html! {
        details {
            summary { "all attempts" }
            ol class="attempts" {
                @for attempt in view.story.history.attempts(&record.job_key).iter().take(20) {
                    li value=(attempt.number) {
                        (attempt.outcome.word())
                        @if attempt.is_redriven { ", redriven" }
                        ", " (span_text(attempt.ended_at.map(|ended| ended.duration_since(attempt.started_at))))
                        @if attempt.retries > 0 { ", " (attempt.retries + 1) " tries" }
                        @if let Some(why) = &attempt.why { ": " (ticked(why)) }
                    }
                }
            }
        }
    }
}

/// None where a look at the table says the same.
pub(super) fn slowest(view: &View<'_>) -> Option<Markup> {
    let mut jobs: Vec<usize> =
        (0..view.story.jobs.len()).filter(|job| view.times[*job].ran.is_some()).collect();
    if jobs.len() < 5 {
        return None;
    }
    jobs.sort_by_key(|job| (std::cmp::Reverse(view.times[*job].ran), *job));
    let whole: jiff::SignedDuration = jobs.iter().filter_map(|job| view.times[*job].ran).sum();
    let part = |job: usize| {
        let ran = view.times[job].ran.unwrap_or_default().as_secs_f64();
        if whole.is_zero() { "-".to_owned() } else { format!("{:.0} %", 100.0 * ran / whole.as_secs_f64()) }
    };
    Some(html! {
        table {
            caption { "By the time that their latest attempts took; the share is of all jobs' time together." }
            thead { tr { th scope="col" { "job" } th scope="col" class="figure" { "took" } th scope="col" class="figure" { "share" } } }
            tbody {
                @for job in jobs.into_iter().take(SLOWEST) {
                    tr {
                        th scope="row" { (view.name(job)) }
                        td class="figure" { (span_text(view.times[job].ran)) }
                        td class="figure" { (part(job)) }
                    }
                }
            }
        }
    })
}
