//! Events in brief: what the console said.

use super::view::View;
use crate::report::picture::shown;
use jiff::Timestamp;
use maud::{Markup, html};

pub(super) fn section(view: &View<'_>) -> Option<Markup> {
    let history = view.story.history;
    let (first, left_out, last) = history.lines();
    if first.is_empty() {
        return None;
    }
    let row = |(at, line): &(Timestamp, String)| {
        html! {
            tr { td { time datetime=(at.to_string()) { (at.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()) } } td class="value" { (shown(line, 600)) } }
        }
    };
    Some(html! {
        details {
            summary { (history.count()) " events; those that a person wants to know of" }
            div class="scroll" tabindex="0" role="group" aria-label="events" {
                table {
                    caption { "Times are UTC." }
                    thead { tr { th scope="col" { "at" } th scope="col" { "what happened" } } }
                    tbody {
                        @for line in first { (row(line)) }
                        @if left_out > 0 { tr { td colspan="2" class="quiet" { (left_out) " lines are left out here" } } }
                        @for line in last { (row(line)) }
                    }
                }
            }
        }
    })
}
