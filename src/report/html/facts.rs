//! Who ran what, when, where and with what.

use super::status::{ORDER, badge, of_job, of_session};
use super::verdict;
use super::view::{View, counted, grouped, moment_markup, span_text};
use crate::report::picture::shown;
use crate::runner::port::deployment_key;
use crate::session::{RunnerRecord, SliceRecord};
use jiff::SignedDuration;
use maud::{Markup, html};

/// Bytes of a parameter's or label's value.
const MOST_OF_VALUE: usize = 2000;
/// Parameters and labels that are listed.
const MOST_VALUES: usize = 500;

pub(super) fn header(view: &View<'_>) -> Markup {
    let session = view.story.session;
    html! {
        header {
            p class="kind" { "bunsui session report" }
            h1 { (session.pipeline_id) " " (badge(of_session(session.status))) }
            p { "session " code { (session.session_id) } }
            @if let Some(about) = view.story.pipeline.and_then(|pipeline| pipeline.description.as_deref()) {
                p { (shown(about, MOST_OF_VALUE)) }
            }
        }
    }
}

/// The verdict, then figures.
pub(super) fn summary(view: &View<'_>) -> Markup {
    let session = view.story.session;
    let creator = session.created_by.as_ref().unwrap_or(&session.runner);
    html! {
        section aria-label="summary" {
            (verdict::section(view))
            dl class="tiles" {
                (took(view))
                @if let Some(at) = session.started_at { div { dt { "started" } dd { (moment_markup(at)) } } }
                div { dt { "by" } dd { (shown(&creator.user, 200)) " on " (shown(&creator.host, 200)) } }
                div { dt { "version" } dd { code { (shown(&session.version, 100)) } } }
                @if session.retries > 0 { div { dt { "retried" } dd { (session.retries) } } }
                (critical_path(view))
            }
            ul class="counts" aria-label="jobs by status" {
                @for status in ORDER {
                    @let count = view.story.jobs.iter().filter(|job| job.status == status).count();
                    @if count > 0 { li { (grouped(count)) " " (badge(of_job(status))) } }
                }
            }
        }
    }
}

/// From the first start to the last end; while there is none, how long it was driven.
fn took(view: &View<'_>) -> Markup {
    let session = view.story.session;
    html! {
        @match session.started_at.zip(session.ended_at) {
            Some((from, to)) => div { dt { "took" } dd { (span_text(Some(to.duration_since(from)))) } },
            None if session.started_at.is_some() => div { dt { "driven so far" } dd { (span_text(Some(view.driven()))) } },
            None => {},
        }
    }
}

fn critical_path(view: &View<'_>) -> Markup {
    let sum = |of: fn(&super::view::Times) -> Option<SignedDuration>| {
        view.critical.iter().filter_map(|job| of(&view.times[*job])).sum::<SignedDuration>()
    };
    let (ran, waited) = (sum(|times| times.ran), sum(|times| times.waited));
    let latest = if view.story.session.retries > 0 { " of latest attempts" } else { "" };
    html! {
        @if !view.critical.is_empty() {
            div {
                dt { "critical path" (latest) }
                dd {
                    (span_text(Some(ran))) " in " (counted(view.critical.len(), "job"))
                    @if waited * 50 > ran { ", waited " (span_text(Some(waited))) }
                }
            }
        }
    }
}

/// Parameters and labels; none where there are none.
pub(super) fn parameters(view: &View<'_>) -> Option<Markup> {
    let session = view.story.session;
    if session.parameters.is_empty() && session.secrets.is_empty() && session.labels.is_empty() {
        return None;
    }
    let how = |name: &String| if session.given.contains(name) { "given" } else { "default" };
    Some(html! {
        div class="scroll" tabindex="0" role="group" aria-label="parameters and labels" {
            table {
                caption { "Values of secrets are stored nowhere." }
                thead { tr { th scope="col" { "name" } th scope="col" { "value" } th scope="col" { "from" } } }
                tbody {
                    @for (name, value) in session.parameters.iter().take(MOST_VALUES) {
                        tr { th scope="row" { (shown(name, 200)) } td class="value" { (shown(&value.to_string(), MOST_OF_VALUE)) } td { (how(name)) } }
                    }
                    @for name in session.secrets.iter().take(MOST_VALUES) {
                        tr { th scope="row" { (shown(name, 200)) } td class="value" { "[secret]" } td { "given" } }
                    }
                    @for (name, value) in session.labels.iter().take(MOST_VALUES) {
                        tr { th scope="row" { (shown(name, 200)) } td class="value" { (shown(value, MOST_OF_VALUE)) } td { "label" } }
                    }
                }
            }
        }
    })
}

/// What it would take to run the same again.
pub(super) fn provenance(view: &View<'_>) -> Markup {
    let (session, pinned) = (view.story.session, view.story.pinned);
    let fact =
        |name: &str, text: String| html! { div { dt { (name) } dd { (shown(&text, MOST_OF_VALUE)) } } };
    let runner = |runner: &RunnerRecord| {
        format!("{} on {}, process {}, bunsui {}", runner.user, runner.host, runner.pid, runner.bunsui)
    };
    html! {
        dl class="facts" {
            (fact("session", session.session_id.to_string()))
            (fact("pipeline", format!("{}, version {}", session.pipeline_id, session.version)))
            (fact("file", session.file.clone()))
            @if let Some(pinned) = pinned {
                (fact("its SHA-256", sha256(pinned.text.as_bytes())))
                (fact("kept as", deployment_key(&session.pipeline_id, &session.version)))
            }
            (fact("asked for by", runner(session.created_by.as_ref().unwrap_or(&session.runner))))
            (fact("driven by", runner(&session.runner)))
            div { dt { "asked for at" } dd { (moment_markup(session.created_at)) } }
            @if let Some(at) = session.ended_at { div { dt { "ended at" } dd { (moment_markup(at)) } } }
            (fact("driven for", span_text(Some(view.driven()))))
            (fact("backend", view.story.backend.to_owned()))
            @if let Some((region, account)) = pinned.and_then(|pinned| place(pinned.machines.values().next()?)) {
                (fact("account", account)) (fact("region", region))
            }
            @for plugin in &session.plugins {
                (fact("plugin", format!("{} {}, SHA-256 {}", plugin.name, plugin.version, plugin.sha256)))
            }
            @if let Some(git) = &session.git {
                @let branch = git.branch.as_ref().map(|branch| format!(" on {branch}")).unwrap_or_default();
                @let dirty = if git.is_dirty { ", with changes that are not committed" } else { "" };
                (fact("git", format!("{}{branch}{dirty}", git.revision)))
            }
            @if let Some(slice) = &session.slice { (fact("part", part(slice))) }
            @if let Some(key) = &session.exclusive { (fact("exclusive", key.clone())) }
        }
    }
}

fn part(slice: &SliceRecord) -> String {
    let mut parts: Vec<String> = slice.only.iter().map(|job| format!("--only {job}")).collect();
    parts.extend(slice.from.iter().map(|job| format!("--from {job}")));
    parts.extend(slice.until.iter().map(|job| format!("--until {job}")));
    parts.extend(slice.outputs_of.iter().map(|session| format!("--outputs-of {session}")));
    parts.join(" ")
}

/// Region and account of a state machine's ARN.
fn place(arn: &str) -> Option<(String, String)> {
    let mut parts = arn.split(':').skip(3);
    Some((parts.next()?.to_owned(), parts.next()?.to_owned()))
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
