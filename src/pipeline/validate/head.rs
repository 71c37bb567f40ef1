//! `[pipeline]`.

use super::fields::{self, PIPELINE_KEYS, Place};
use super::jobs::Written;
use crate::diagnostic::{Diagnostic, Sink};
use crate::document::{Document, ValueKind};
use crate::pipeline::{Id, OnFailure};
use std::num::NonZeroU32;
use std::time::Duration;

/// What `[pipeline]` says.
pub(super) struct Head<'d> {
    pub(super) name: Option<Id>,
    pub(super) description: Option<String>,
    pub(super) timeout: Option<Duration>,
    pub(super) max_concurrency: Option<NonZeroU32>,
    pub(super) on_failure: OnFailure,
    /// None also where it is `false`.
    pub(super) exclusive: Option<Written<'d>>,
}

const ON_FAILURE: &[(&str, OnFailure)] = &[("finish", OnFailure::Finish), ("stop", OnFailure::Stop)];

/// Reads and checks it; only the name is needed.
pub(super) fn read<'d>(document: &'d Document, sink: &mut Sink) -> Option<Head<'d>> {
    const HELP: &str = "begin the file with `[pipeline]` and `name = \"…\"`";
    let Some(entry) = document.root.entries.get("pipeline") else {
        sink.report(
            Diagnostic::error("bunsui::pipeline::missing_key", "the file has no `[pipeline]`").help(HELP),
        );
        return None;
    };
    let table = fields::table("pipeline", &entry.value, sink)?;
    let place = Place { table, what: "`[pipeline]`", header: entry.value.span };
    fields::refuse_unknown(place, PIPELINE_KEYS, sink);
    if !table.entries.contains_key("name") {
        sink.report(fields::missing_key(place, "name", "give the pipeline a name: `name = \"etl\"`"));
    }
    let name = fields::string(place, "name", sink);
    Some(Head {
        name: name.and_then(|(text, value)| fields::id(text, "a pipeline", value.span, sink)),
        description: fields::text(place, "description", sink),
        timeout: fields::duration(place, "timeout", sink),
        max_concurrency: fields::count(place, "max_concurrency", sink),
        on_failure: fields::choice(place, "on_failure", ON_FAILURE, sink).unwrap_or_default(),
        exclusive: exclusive(place, document, sink),
    })
}

fn exclusive<'d>(place: Place<'_, 'd>, document: &Document, sink: &mut Sink) -> Option<Written<'d>> {
    let value = place.table.value("exclusive")?;
    match value.kind {
        ValueKind::Boolean(false) => None,
        ValueKind::Boolean(true) | ValueKind::String(_) => Some(Written::read(value, &document.source, sink)),
        _ => {
            sink.report(
                fields::wrong_type("exclusive", value, "true or a text").help(
                    "`true` allows one session of the pipeline at a time, `\"${params.<name>}\"` one for each value",
                ),
            );
            None
        }
    }
}
