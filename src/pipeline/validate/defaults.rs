//! `[defaults]`: what holds for every operation that does not say otherwise, and `[defaults.<type>]`.

use super::fields::{self, Place, unknown_key};
use super::keys::{self, Keys};
use super::operations::unknown_type;
use super::retry;
use super::types::Types;
use super::verdict::{self, Subject};
use crate::diagnostic::{Sink, Source};
use crate::document::{Document, ValueKind};
use crate::pipeline::Retry;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

const KEYS: &[&str] = &["timeout", "retry"];

/// What `[defaults]` says.
#[derive(Default)]
pub(super) struct Defaults<'d> {
    pub(super) timeout: Option<Duration>,
    pub(super) retry: Option<Arc<Retry>>,
    pub(super) by_type: HashMap<&'d str, Keys<'d>>,
}

/// Reads and checks them; the keys of a type are held to its schema here, once.
pub(super) fn read<'d>(
    document: &'d Document,
    source: &Source,
    types: &Types<'_>,
    sink: &mut Sink,
) -> Defaults<'d> {
    let mut defaults = Defaults::default();
    let Some(value) = document.root.value("defaults") else { return defaults };
    let Some(table) = fields::table("defaults", value, sink) else { return defaults };
    let place = Place { table, what: "`[defaults]`", header: value.span };
    defaults.timeout = fields::duration(place, "timeout", sink);
    defaults.retry = retry::read(place, sink).map(Arc::new);
    for (name, entry) in table.entries.iter().filter(|(name, _)| !KEYS.contains(&name.as_str())) {
        match (&entry.value.kind, types.get(name)) {
            (ValueKind::Table(own), Some(schema)) => {
                let what = format!("`[defaults.{name}]`");
                let keys = keys::read(own, entry.value.span, true, Some(schema), source, sink);
                let subject = Subject { schema, keys: &keys, what: &what, is_defaults: true };
                verdict::judge(&subject, &keys.json(), sink);
                defaults.by_type.insert(name, keys);
            }
            (ValueKind::Table(_), None) => sink.report(unknown_type(name, entry.key_span, types)),
            (_, Some(_)) => sink.report(fields::wrong_type(name, &entry.value, "a table")),
            (_, None) => {
                let known: Vec<&str> = KEYS.iter().copied().chain(types.names()).collect();
                sink.report(unknown_key(name, entry.key_span, place.what, &known));
            }
        }
    }
    defaults
}
