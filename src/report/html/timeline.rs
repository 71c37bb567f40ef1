//! When each job waited and ran, attempt by attempt.

use super::history::{Attempt, Outcome};
use super::scale::Scale;
use super::status::of_job;
use super::view::{View, grouped, span_text};
use crate::report::picture::{cut_middle, number};
use crate::session::JobStatus;
use jiff::Timestamp;
use maud::{Markup, html};

/// Jobs that are drawn.
const MOST_ROWS: usize = 150;
const ROW: f64 = 22.0;
const AXIS: f64 = 26.0;
const WIDTH: f64 = 1060.0;
/// Where times end; names stand left of them, spans right.
const RIGHT: f64 = 980.0;
/// Pixels of a wait that is drawn.
const LEAST_WAIT: f64 = 1.0;
/// Characters of a name.
const NAME: usize = 30;

/// None where nothing ran.
pub(super) fn section(view: &View<'_>) -> Option<Markup> {
    let has_run = |job: &usize| !view.story.history.attempts(&view.job(*job).job_key).is_empty();
    let candidates: Vec<usize> = (0..view.story.jobs.len()).filter(has_run).collect();
    let ran = candidates.len();
    let mut rows = view.most_telling(candidates, MOST_ROWS);
    if rows.is_empty() {
        return None;
    }
    rows.sort_by_key(|job| (view.story.history.attempts(&view.job(*job).job_key)[0].started_at, *job));
    let scale = Scale::new(&spans(view), room_for_names(view, &rows), RIGHT);
    let height = AXIS + ROW * rows.len() as f64 + 6.0;
    let label = format!("timeline of {} jobs; the table of jobs has the same figures", rows.len());
    Some(html! {
        (legend(view, &scale, &rows, ran))
        div class="scroll" tabindex="0" role="group" aria-label="picture of the timeline" {
            svg class="timeline" width=(number(WIDTH)) height=(number(height)) viewBox=(format!("0 0 {} {}", number(WIDTH), number(height)))
                role="img" aria-label=(label) {
                (axis(&scale, height))
                @for (at, job) in rows.iter().enumerate() { (row(view, *job, AXIS + ROW * at as f64, &scale)) }
            }
        }
    })
}

/// How far right times begin: names of twelve pixels, and the mark of the critical path.
fn room_for_names(view: &View<'_>, rows: &[usize]) -> f64 {
    let longest = rows.iter().map(|job| view.job(*job).job_key.len().min(NAME)).max().unwrap_or(0);
    longest as f64 * 7.3 + 36.0
}

/// When the session was driven.
fn spans(view: &View<'_>) -> Vec<(Timestamp, Timestamp)> {
    let session = view.story.session;
    let until = session.ended_at.unwrap_or(view.story.made_at);
    let goes = view.story.history.goes();
    if goes.is_empty() {
        return vec![(session.started_at.unwrap_or(session.created_at), until)];
    }
    goes.iter().map(|(from, to)| (*from, to.unwrap_or(until).max(*from))).collect()
}

/// What is in the picture, and nothing else.
fn legend(view: &View<'_>, scale: &Scale, rows: &[usize], ran: usize) -> Markup {
    let attempts = || rows.iter().flat_map(|job| view.story.history.attempts(&view.job(*job).job_key));
    let is_drawn = |class: &str| attempts().any(|attempt| class_of(attempt.outcome) == class);
    let waited = |job: &usize| {
        let times = view.times[*job].ready_at.zip(view.job(*job).started_at);
        times.is_some_and(|(from, to)| scale.x(to) - scale.x(from) >= LEAST_WAIT)
    };
    let swatch = |class: &str, words: &str, is_drawn: bool| {
        html! {
            @if is_drawn {
                li { svg class="timeline" width="30" height="14" aria-hidden="true" { rect class=(class) x="1" y="2" width="28" height="10" rx="2" {} } " " (words) }
            }
        }
    };
    html! {
        @if rows.len() < ran {
            p class="note" { "The " (rows.len()) " of " (grouped(ran)) " jobs that ran of which there is most to say." }
        }
        ul class="legend" aria-label="legend" {
            (swatch("waiting", "waited for its turn", rows.iter().any(waited)))
            (swatch("good", "ran", is_drawn("good")))
            (swatch("bad", "ran, and failed", is_drawn("bad")))
            (swatch("odd", "ran, and was stopped or lost", is_drawn("odd")))
            (swatch("busy", "still runs", is_drawn("busy")))
            (swatch("delay", "between two tries", attempts().any(|attempt| !attempt.waits.is_empty())))
            @if attempts().any(|attempt| attempt.number > 1) { li { "2, 3, …: which attempt" } }
            @if !view.critical.is_empty() { li { "◆ on the critical path" } }
            @if !scale.breaks().is_empty() { li { "⋯ nobody drove the session" } }
            li { "times of day are UTC" }
        }
    }
}

fn class_of(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Open => "busy",
        Outcome::Succeeded => "good",
        Outcome::Failed | Outcome::TimedOut => "bad",
        Outcome::Cancelled | Outcome::Lost => "odd",
    }
}

fn axis(scale: &Scale, height: f64) -> Markup {
    html! {
        @for mark in scale.marks() {
            line class="grid" x1=(number(mark.x)) x2=(number(mark.x)) y1=(number(AXIS - 6.0)) y2=(number(height)) {}
            text class="mark" x=(number(mark.x)) y="13" { (mark.label) }
        }
        @for (from, to) in scale.breaks() {
            text class="mark" x=(number((from + to) / 2.0 - 6.0)) y=(number(AXIS - 2.0)) { "⋯" }
        }
    }
}

fn row(view: &View<'_>, job: usize, y: f64, scale: &Scale) -> Markup {
    let record = view.job(job);
    let attempts = view.story.history.attempts(&record.job_key);
    let look = of_job(record.status);
    let is_critical = view.is_critical(job);
    let mark = if is_critical { "◆ " } else { "" };
    let until = view.story.session.ended_at.unwrap_or(view.story.made_at);
    let ends = attempts.last().map_or(scale.left, |last| {
        scale.x(last.ended_at.unwrap_or(until)).max(scale.x(last.started_at) + 2.0)
    });
    let running = (record.status == JobStatus::Running).then_some(record.started_at).flatten();
    let took = view.times[job].ran.or(running.map(|from| until.duration_since(from)));
    let words = format!(
        "{}: {}, waited {}, took {}, {} attempts",
        record.job_key,
        look.word,
        span_text(view.times[job].waited),
        span_text(took),
        attempts.len()
    );
    html! {
        g class=(if is_critical { "row critical" } else { "row" }) {
            title { (words) }
            text class="job" x=(number(scale.left - 8.0)) y=(number(y + 15.0)) { (mark) (cut_middle(&record.job_key, NAME)) }
            @if let (Some(from), Some(to)) = (view.times[job].ready_at, record.started_at) {
                (bar("waiting", scale, (from, to), y + 8.0, 6.0))
            }
            @for attempt in attempts { (drawn(attempt, until, y, scale)) }
            text class="took" x=(number(ends + 5.0)) y=(number(y + 15.0)) { (look.sign) " " (span_text(took)) }
        }
    }
}

fn drawn(attempt: &Attempt, until: Timestamp, y: f64, scale: &Scale) -> Markup {
    let ended = attempt.ended_at.unwrap_or(until);
    html! {
        (bar(class_of(attempt.outcome), scale, (attempt.started_at, ended), y + 4.0, 14.0))
        @for (from, to) in &attempt.waits { (bar("delay", scale, (*from, (*to).min(ended)), y + 7.0, 8.0)) }
        @if attempt.number > 1 && scale.x(ended) - scale.x(attempt.started_at) > 16.0 {
            text class="number" x=(number(scale.x(attempt.started_at) + 4.0)) y=(number(y + 15.0)) { (attempt.number) }
        }
    }
}

fn bar(class: &str, scale: &Scale, (from, to): (Timestamp, Timestamp), y: f64, height: f64) -> Markup {
    let (left, right) = (scale.x(from), scale.x(to));
    let width = (right - left).max(2.0);
    if class == "waiting" && right - left < LEAST_WAIT {
        return html! {};
    }
    // The outline of a narrow one would hide it.
    let slim = if width < 5.0 { " slim" } else { "" };
    html! {
        rect class={ (class) (slim) } x=(number(left)) y=(number(y)) width=(number(width)) height=(number(height)) rx="2" {}
    }
}
