//! What differs from the last session of the same pipeline that had succeeded.

use super::view::{View, counted, moment_markup, span_text};
use crate::report::picture::{shown, shown_line};
use crate::session::{JobRecord, SessionRecord};
use jiff::SignedDuration;
use maud::{Markup, html};
use std::collections::{HashMap, HashSet};

/// Jobs whose times are set beside each other, and names in a list.
const MOST_ROWS: usize = 20;
const MOST_NAMES: usize = 50;
/// Smaller differences are noise: in milliseconds, and as a part of what it was.
const LEAST: i128 = 100;
const LEAST_PART: i128 = 5;

/// An earlier session.
pub struct Before {
    /// The session.
    pub session: SessionRecord,
    /// Its jobs.
    pub jobs: Vec<JobRecord>,
}

/// A job's time then and now.
struct Pair {
    job: usize,
    then: SignedDuration,
    now: SignedDuration,
}

impl Pair {
    fn change(&self) -> SignedDuration {
        self.now - self.then
    }

    fn is_telling(&self) -> bool {
        let change = self.change().as_millis().abs();
        change >= LEAST && change * LEAST_PART >= self.then.as_millis()
    }
}

/// None where there is no such session.
pub(super) fn section(view: &View<'_>) -> Option<Markup> {
    let before = view.story.before?;
    let then = &before.session;
    Some(html! {
        p {
            "Session " code { (then.session_id) } " of " (moment_markup(then.created_at))
            @if let Some((from, to)) = then.started_at.zip(then.ended_at) { ", which took " (span_text(Some(to.duration_since(from)))) }
            @if then.version != view.story.session.version { "; the pipeline was at version " code { (shown(&then.version, 100)) } " then" }
            "."
        }
        (times(view, before))
        (changed_jobs(view, before))
        (changed_parameters(view, then))
    })
}

fn times(view: &View<'_>, before: &Before) -> Markup {
    let ran = |job: &JobRecord| job.started_at.zip(job.ended_at).map(|(from, to)| to.duration_since(from));
    let then: HashMap<&str, SignedDuration> =
        before.jobs.iter().filter_map(|job| Some((job.job_key.as_str(), ran(job)?))).collect();
    let pair = |job: usize| {
        Some(Pair { job, then: *then.get(view.job(job).job_key.as_str())?, now: view.times[job].ran? })
    };
    let mut pairs: Vec<Pair> = (0..view.story.jobs.len()).filter_map(pair).filter(Pair::is_telling).collect();
    if pairs.is_empty() {
        return html! { p { "No job took notably longer or shorter." } };
    }
    // What became slower is looked for first.
    pairs.sort_by_key(|pair| (pair.change().is_negative(), std::cmp::Reverse(pair.change().abs()), pair.job));
    let count = pairs.len();
    let slower = pairs.iter().filter(|pair| !pair.change().is_negative()).count();
    if count > MOST_ROWS {
        let kept = slower.min((MOST_ROWS * 3 / 4).max(MOST_ROWS.saturating_sub(count - slower)));
        pairs.drain(kept..slower);
        pairs.truncate(MOST_ROWS);
    }
    html! {
        table {
            caption { (counted(count, "job")) " took notably longer or shorter" @if count > MOST_ROWS { "; the most of both" } "." }
            thead { tr { th scope="col" { "job" } @for title in ["then", "now", "change"] { th scope="col" class="figure" { (title) } } } }
            tbody { @for pair in &pairs { (row(view, pair)) } }
        }
    }
}

fn row(view: &View<'_>, pair: &Pair) -> Markup {
    let change = pair.change();
    let word = if change.is_negative() { "faster" } else { "slower" };
    html! {
        tr {
            th scope="row" { (view.name(pair.job)) }
            td class="figure" { (span_text(Some(pair.then))) }
            td class="figure" { (span_text(Some(pair.now))) }
            td class="figure" { (span_text(Some(change.abs()))) " " (word) }
        }
    }
}

fn changed_jobs(view: &View<'_>, before: &Before) -> Markup {
    let then: HashSet<&str> = before.jobs.iter().map(|job| job.job_key.as_str()).collect();
    let new: Vec<&str> =
        view.story.jobs.iter().map(|job| job.job_key.as_str()).filter(|job| !then.contains(job)).collect();
    let gone: Vec<&str> =
        before.jobs.iter().map(|job| job.job_key.as_str()).filter(|job| view.of_key(job).is_none()).collect();
    html! {
        (names(&format!("{}: ", counted(new.len(), "new job")), &new))
        (names(&format!("{} no more: ", counted(gone.len(), "job") + if gone.len() == 1 { " is" } else { " are" }), &gone))
    }
}

fn names(what: &str, names: &[&str]) -> Markup {
    let some: Vec<&str> = names.iter().take(MOST_NAMES).copied().collect();
    html! {
        @if !names.is_empty() { p { (what) (some.join(", ")) @if names.len() > MOST_NAMES { ", …" } } }
    }
}

fn changed_parameters(view: &View<'_>, then: &SessionRecord) -> Markup {
    let now = &view.story.session.parameters;
    let names: Vec<&String> =
        now.keys().chain(then.parameters.keys().filter(|name| !now.contains_key(*name))).collect();
    let differing = names.into_iter().filter(|name| now.get(*name) != then.parameters.get(*name));
    let text = |value: Option<&serde_json::Value>| {
        value.map_or("-".into(), |value| shown_line(&value.to_string(), 100))
    };
    let rows: Vec<_> = differing.take(MOST_NAMES).collect();
    html! {
        @if !rows.is_empty() {
            table {
                caption { "Parameters that differ." }
                thead { tr { @for title in ["name", "then", "now"] { th scope="col" { (title) } } } }
                tbody {
                    @for name in rows {
                        tr {
                            th scope="row" { (shown(name, 200)) }
                            td class="value" { (text(then.parameters.get(name))) }
                            td class="value" { (text(now.get(name))) }
                        }
                    }
                }
            }
        }
    }
}
