//! What there is to know at first sight: what failed and why, what that stopped, what to do.

use super::status::{Look, of_job, of_session};
use super::view::{View, counted, grouped, moment_markup, ticked};
use crate::pipeline::format_duration;
use crate::report::failure::{cause, diagnostic};
use crate::report::picture::{shown, shown_line};
use crate::report::text::pause_line;
use crate::session::{FailureRecord, JobStatus, SessionStatus};
use indexmap::IndexMap;
use maud::{Markup, html};

/// Reasons and names in a list; more are told below.
const MOST_FAILURES: usize = 6;
const MOST_NAMES: usize = 6;
/// Columns of a line.
const LINE: usize = 200;
/// What may still run, a line each.
const MOST_LEFT: usize = 20;

pub(super) fn section(view: &View<'_>) -> Markup {
    let look = of_session(view.story.session.status);
    html! {
        div class={ "verdict " (look.class) } {
            @if let Some(lead) = lead(view) { p class="lead" { (lead) } }
            (failures(view))
            (may_still_run(view))
            (next(view))
        }
    }
}

/// What became of the session, in a sentence; none where its status says it all.
fn lead(view: &View<'_>) -> Option<Markup> {
    let session = view.story.session;
    let count = |status: JobStatus| view.story.jobs.iter().filter(|job| job.status == status).count();
    Some(match session.status {
        SessionStatus::Failed => failed(view, count(JobStatus::UpstreamFailed)),
        SessionStatus::TimedOut => {
            let timeout = view.story.pipeline.and_then(|pipeline| pipeline.timeout);
            let limit =
                timeout.map(|timeout| format!(" of {}", format_duration(timeout))).unwrap_or_default();
            html! { "The pipeline's timeout" (limit) " ran out. " (failed(view, count(JobStatus::UpstreamFailed))) }
        }
        SessionStatus::Cancelled | SessionStatus::Cancelling => {
            let cancel = view.story.history.told().cancel()?;
            html! { "Cancelled by " (shown(&cancel.by, LINE)) " at " (moment_markup(cancel.at)) ": " (shown_line(&cancel.reason, LINE)) }
        }
        SessionStatus::Paused | SessionStatus::Pausing => {
            let pause = session.pause.as_ref()?;
            html! { (shown(&pause_line(pause), 2 * LINE)) }
        }
        SessionStatus::Created | SessionStatus::Running => {
            html! { "It had not ended when this page was made: " (counted(count(JobStatus::Running), "job")) " ran, "
            (grouped(count(JobStatus::Pending))) " waited." }
        }
        SessionStatus::Succeeded if view.failed().next().is_some() => {
            html! { (counted(view.failed().count(), "job")) " failed, which is allowed." }
        }
        SessionStatus::Succeeded if view.times.iter().all(|times| times.ran.is_none()) => {
            html! { "No job ran; the table of jobs says why." }
        }
        SessionStatus::Succeeded => return None,
    })
}

/// `2 of 6 jobs failed; 1 job did not run because of that.`
fn failed(view: &View<'_>, stopped: usize) -> Markup {
    let allowed = view.failed().filter(|job| view.is_allowed(*job)).count();
    let failed = view.failed().count() - allowed;
    html! {
        (grouped(failed)) " of " (counted(view.story.jobs.len(), "job")) " failed"
        @if allowed > 0 { ", and " (grouped(allowed)) " that may" }
        @if stopped > 0 { "; " (counted(stopped, "job")) " did not run because of that" }
        "."
    }
}

fn failures(view: &View<'_>) -> Markup {
    let groups = groups(view);
    let shown = &groups[..groups.len().min(MOST_FAILURES)];
    let more = view.failed().count() - shown.iter().map(Vec::len).sum::<usize>();
    html! {
        @if !groups.is_empty() {
            ul class="causes" {
                @for group in shown { li { (failure(view, group)) } }
                @if more > 0 { li { a href="#failures" { "and " (grouped(more)) " more" } } }
            }
        }
    }
}

/// The failed jobs, those of one reason together: a service that is away fails many. Those that may fail come last.
fn groups(view: &View<'_>) -> Vec<Vec<usize>> {
    let mut groups: IndexMap<(bool, &str), Vec<usize>> = IndexMap::new();
    for job in view.failed() {
        if let Some(failure) = &view.job(job).failure {
            groups.entry((view.is_allowed(job), why(failure))).or_default().push(job);
        }
    }
    groups.sort_by(|(is_allowed, _), _, (other, _), _| is_allowed.cmp(other));
    groups.into_values().collect()
}

fn why(failure: &FailureRecord) -> &str {
    failure.summary.as_ref().or(failure.error.as_ref()).map_or("nobody knows why", String::as_str)
}

/// Failed jobs of one reason: why, where, what that stopped.
fn failure(view: &View<'_>, jobs: &[usize]) -> Markup {
    let first = jobs[0];
    let Look { sign, class, .. } = of_job(view.job(first).status);
    let Some(failure) = &view.job(first).failure else { return html! {} };
    let said = failure.log_lines.last().filter(|_| cause(failure).is_none());
    html! {
        span class={ "sign " (class) } aria-hidden="true" { (sign) }
        (names(jobs, |job| html! { strong { (link(view, job)) } })) ": "
        (ticked(&shown_line(why(failure), LINE)))
        @if view.is_allowed(first) { " (which is allowed)" }
        @if let Some(place) = place(view, first) { " " code class="place" { (place) } }
        @if let Some(said) = said { div { "said last: " code { (shown_line(said, LINE)) } } }
        @if let Some(advice) = advice(failure) { div { "what to do: " (ticked(&shown_line(&advice, LINE))) } }
        (stopped(view, jobs))
    }
}

/// A failed job's name, leading to what is told of it.
fn link(view: &View<'_>, job: usize) -> Markup {
    if view.told.contains(&job) {
        return html! { a href=(format!("#failure-{job}")) { (view.job(job).job_key) } };
    }
    view.name(job)
}

/// `a, b and 3 more`
fn names(jobs: &[usize], name: impl Fn(usize) -> Markup) -> Markup {
    html! {
        @for (at, job) in jobs.iter().take(MOST_NAMES).enumerate() { @if at > 0 { ", " } (name(*job)) }
        @if jobs.len() > MOST_NAMES { " and " (grouped(jobs.len() - MOST_NAMES)) " more" }
    }
}

/// What is known to help, or not to.
fn advice(failure: &FailureRecord) -> Option<String> {
    let chance = match failure.recoverable {
        Some(true) => Some("trying again can help"),
        Some(false) => Some("trying again without a change will fail again"),
        None => None,
    };
    let help = failure.help.as_deref().and_then(|help| help.lines().next());
    match (help, chance) {
        (Some(help), Some(chance)) => Some(format!("{help} ({chance})")),
        (help, chance) => help.or(chance).map(str::to_owned),
    }
}

/// `pipelines/etl.toml:51`
fn place(view: &View<'_>, job: usize) -> Option<String> {
    let pipeline = view.story.pipeline?;
    let found = diagnostic(view.failed_job(job)?, pipeline);
    let start = found.labels.first()?.span.start;
    let line = pipeline.source.text.get(..start)?.matches('\n').count() + 1;
    Some(format!("{}:{line}", shown(&pipeline.source.name, LINE)))
}

/// The jobs that did not run because these failed.
pub(super) fn stopped(view: &View<'_>, jobs: &[usize]) -> Markup {
    let stopped = view.stopped(jobs);
    let it = if jobs.len() == 1 { "it" } else { "them" };
    html! {
        @if !stopped.is_empty() { div { "not run because of " (it) ": " (names(&stopped, |job| view.name(job))) } }
    }
}

fn may_still_run(view: &View<'_>) -> Markup {
    let lines: Vec<&String> =
        view.story.jobs.iter().flat_map(|job| &job.may_still_run).take(MOST_LEFT).collect();
    html! {
        @if !lines.is_empty() {
            p { strong { "May still run:" } }
            ul { @for line in lines { li { (shown(line, 500)) } } }
        }
    }
}

/// The commands to go on with.
fn next(view: &View<'_>) -> Markup {
    let id = &view.story.session.session_id;
    let retry = html! { code { "bunsui session retry " (id) } };
    html! {
        p class="next" {
            @match view.story.session.status {
                SessionStatus::Failed | SessionStatus::TimedOut => {
                    "What did not succeed, again: "
                    (retry)
                    span { "The same with the pipeline file as it is by then: " code { "bunsui session retry " (id) " --with-current" } }
                }
                SessionStatus::Cancelled => { "What did not succeed, again: " (retry) }
                SessionStatus::Paused => { "To go on with it: " code { "bunsui session resume " (id) } }
                SessionStatus::Succeeded => { "What its operations said: " code { "bunsui logs " (id) } }
                SessionStatus::Created | SessionStatus::Running | SessionStatus::Pausing | SessionStatus::Cancelling => {
                    "How it stands now: " code { "bunsui session show " (id) } }
            }
        }
    }
}
