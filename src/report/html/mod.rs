//! A session as one HTML page that needs nothing besides itself: no network, no script.
//!
//! Takes: a session's records, what its events said, the file that it is pinned to. Gives: the page, the same for the same story.
//! Deliberately does not: read stores, or trust a text: whatever somebody wrote is escaped, and made fit to be shown.

mod compare;
mod events;
mod facts;
mod failures;
mod graph;
mod history;
mod jobs;
mod overview;
mod scale;
mod status;
mod timeline;
mod verdict;
mod view;

pub use compare::Before;
pub use history::History;

use super::picture::STYLE as PICTURE_STYLE;
use crate::pipeline::Pipeline;
use crate::session::{DeploymentRecord, JobRecord, SessionRecord};
use jiff::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use view::View;

const STYLE: &str = include_str!("page.css");

/// All that a report is made of.
pub struct Story<'a> {
    /// The session.
    pub session: &'a SessionRecord,
    /// Its jobs, in the order of the file.
    pub jobs: &'a [JobRecord],
    /// The pipeline as the session knows it; none where its plugins are not there any more.
    pub pipeline: Option<&'a Pipeline>,
    /// What the session is pinned to.
    pub pinned: Option<&'a DeploymentRecord>,
    /// Its events, told.
    pub history: &'a History,
    /// The last session of the pipeline that had succeeded before.
    pub before: Option<&'a Before>,
    /// `local` or `aws`.
    pub backend: &'static str,
    /// When the report is made.
    pub made_at: Timestamp,
}

/// The page.
pub fn render(story: &Story<'_>) -> String {
    let view = View::new(story);
    let title = format!(
        "{} {}: session {}",
        story.session.pipeline_id,
        status::of_session(story.session.status).word,
        story.session.session_id
    );
    let style = format!("{PICTURE_STYLE}{STYLE}");
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        sha256_base64(style.as_bytes())
    );
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content={ "bunsui " (env!("CARGO_PKG_VERSION")) };
                title { (title) }
                style { (PreEscaped(style)) }
            }
            body { (body(&view)) }
        }
    };
    page.into_string()
}

fn body(view: &View<'_>) -> Markup {
    let sections = sections(view);
    html! {
        a class="skip" href="#main" { "skip to the report" }
        (facts::header(view))
        nav aria-label="sections" {
            ul { @for (id, title, _) in &sections { li { a href={ "#" (id) } { (title) } } } }
        }
        main id="main" tabindex="-1" {
            (facts::summary(view))
            @for (id, title, content) in &sections {
                section aria-labelledby=(id) {
                    h2 id=(id) tabindex="-1" { (title) }
                    (content)
                }
            }
        }
        footer { p {
            "made by bunsui " (env!("CARGO_PKG_VERSION")) " at " (view::moment_markup(view.story.made_at))
            "; made again from what is stored by " code { "bunsui report " (view.story.session.session_id) }
        } }
    }
}

/// Each section that has something to say: its id, its title, what is in it.
fn sections(view: &View<'_>) -> Vec<(&'static str, &'static str, Markup)> {
    let mut sections = Vec::new();
    let mut add =
        |id, title, content: Option<Markup>| sections.extend(content.map(|content| (id, title, content)));
    add("failures", "Failures", failures::section(view));
    add("graph", "Graph", graph::section(view));
    add("timeline", "Timeline", timeline::section(view));
    add("jobs", "Jobs", Some(jobs::section(view)));
    add("slowest", "Slowest jobs", jobs::slowest(view));
    add("compared", "Compared with the last success", compare::section(view));
    add("parameters", "Parameters and labels", facts::parameters(view));
    add("provenance", "Provenance", Some(facts::provenance(view)));
    add("events", "Events", events::section(view));
    sections
}

/// As a content security policy names a text.
fn sha256_base64(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digest = Sha256::digest(bytes);
    let mut text = String::new();
    for three in digest.chunks(3) {
        let bits = three
            .iter()
            .enumerate()
            .fold(0_usize, |bits, (at, byte)| bits | usize::from(*byte) << (16 - 8 * at));
        for at in 0..4 {
            let is_filler = at > three.len();
            text.push(if is_filler { '=' } else { char::from(LETTERS[bits >> (18 - 6 * at) & 63]) });
        }
    }
    text
}

#[cfg(test)]
mod tests;
