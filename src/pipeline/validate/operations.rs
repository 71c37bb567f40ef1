//! One `[[jobs.<id>.operations]]`: the host's keys and those of its type.

use super::defaults::Defaults;
use super::fields::{self, Place, list};
use super::keys::{self, Keys};
use super::params::Params;
use super::schema::TypeSchema;
use super::types::Types;
use super::verdict::{self, Subject};
use super::{keys::name, retry};
use crate::diagnostic::{Diagnostic, Sink, Source, Span, nearest};
use crate::document::{Table, Value, ValueKind};
use crate::expression::{Root, Template};
use crate::pipeline::{Id, Operation, Retry};
use indexmap::IndexMap;
use serde_json::Value as Json;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// An operation as far as it could be read.
pub(super) struct OperationDraft<'d> {
    pub(super) id: Option<Id>,
    /// As written, for references to it.
    pub(super) name_text: Option<&'d str>,
    pub(super) name_span: Span,
    pub(super) header: Span,
    /// A type that the catalogue knows.
    pub(super) kind: Option<&'d str>,
    pub(super) kind_span: Span,
    pub(super) keys: Keys<'d>,
    /// The keys as written, for a plugin's check: there is one, and schema and templates found nothing wrong.
    pub(super) to_check: Option<Json>,
    /// Its table.
    pub(super) table: &'d Value,
    description: Option<String>,
    pub(super) timeout: Option<Duration>,
    pub(super) retry: Option<Arc<Retry>>,
}

/// What reading an operation needs besides its table.
pub(super) struct Surroundings<'a, 'd, 'c> {
    pub(super) source: &'a Source,
    pub(super) types: &'a Types<'c>,
    pub(super) defaults: &'a Defaults<'d>,
    pub(super) params: &'a Params<'d>,
}

/// Reads and checks one.
pub(super) fn read<'d>(
    value: &'d Value,
    job: &str,
    number: usize,
    around: &Surroundings<'_, 'd, '_>,
    sink: &mut Sink,
) -> Option<OperationDraft<'d>> {
    let ValueKind::Table(table) = &value.kind else {
        let help = format!("write each operation below a header `[[jobs.{job}.operations]]`");
        sink.report(fields::wrong_type("operations", value, "a list of tables").help(help));
        return None;
    };
    let written = match table.value("name").map(|value| &value.kind) {
        Some(ValueKind::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let what = match written {
        Some(name) => format!("operation `{name}`"),
        None => format!("operation {number} of job `{job}`"),
    };
    let place = Place { table, what: &what, header: value.span };
    let (id, name_text, name_span) = read_name(place, sink);
    let kind = read_kind(place, around, sink);
    let (timeout, retry) = (fields::duration(place, "timeout", sink), retry::read(place, sink));
    let description = fields::text(place, "description", sink);
    let before = sink.errors();
    let (keys, written) = read_keys(place, table, kind, around, sink);
    let schema = kind.and_then(|kind| around.types.get(kind));
    let has_check = schema.is_some_and(|schema| schema.declared.has_check);
    let to_check = written.filter(|_| has_check && sink.errors() == before);
    if let Some(schema) = schema {
        check_param_types(&keys, schema, around.params, sink);
    }
    Some(OperationDraft {
        id,
        name_text,
        name_span,
        header: value.span,
        kind,
        kind_span: table.value("type").map_or(value.span, |value| value.span),
        keys,
        to_check,
        table: value,
        description,
        timeout: timeout.or(around.defaults.timeout),
        retry: retry.map(Arc::new).or_else(|| around.defaults.retry.clone()),
    })
}

fn read_name<'d>(place: Place<'_, 'd>, sink: &mut Sink) -> (Option<Id>, Option<&'d str>, Span) {
    if !place.table.entries.contains_key("name") {
        sink.report(fields::missing_key(place, "name", "give it a name: other operations and logs use it"));
    }
    match fields::string(place, "name", sink) {
        Some((text, value)) => (fields::id(text, "an operation", value.span, sink), Some(text), value.span),
        None => (None, None, place.header),
    }
}

fn read_kind<'d>(
    place: Place<'_, 'd>,
    around: &Surroundings<'_, 'd, '_>,
    sink: &mut Sink,
) -> Option<&'d str> {
    if !place.table.entries.contains_key("type") {
        let help = format!("its type is one of {}", list(around.types.names()));
        sink.report(fields::missing_key(place, "type", help));
    }
    let (text, value) = fields::string(place, "type", sink)?;
    if around.types.get(text).is_some() {
        return Some(text);
    }
    sink.report(unknown_type(text, value.span, around.types));
    None
}

/// The finding for a type that no plugin provides.
pub(super) fn unknown_type(text: &str, span: Span, types: &Types<'_>) -> Diagnostic {
    let help = match (nearest(text, types.names()), types.about_missing()) {
        (Some(near), Some(about)) => format!("did you mean `{near}`? If not, {about}"),
        (Some(near), None) => format!("did you mean `{near}`? Known types: {}", list(types.names())),
        (None, Some(about)) => about,
        (None, None) if types.names().is_empty() => {
            "no plugin was found; see `bunsui plugin list`".to_owned()
        }
        (None, None) => {
            format!("known types: {}; `bunsui plugin list` shows where they come from", list(types.names()))
        }
    };
    Diagnostic::error(
        "bunsui::pipeline::unknown_type",
        format!("no plugin provides the operation type `{text}`"),
    )
    .label(span, "unknown type")
    .help(help)
}

/// The keys, and where their type is known the JSON that they were judged as.
fn read_keys<'d>(
    place: Place<'_, '_>,
    table: &'d Table,
    kind: Option<&'d str>,
    around: &Surroundings<'_, 'd, '_>,
    sink: &mut Sink,
) -> (Keys<'d>, Option<Json>) {
    let schema = kind.and_then(|kind| around.types.get(kind));
    let mut keys = keys::read(table, place.header, false, schema, around.source, sink);
    let (Some(kind), Some(schema)) = (kind, schema) else {
        // What the keys of an unknown type may be is not known, but the references in them are checked.
        return (keys, None);
    };
    if let Some(defaults) = around.defaults.by_type.get(kind) {
        keys.complete(defaults);
    }
    let subject = Subject { schema, keys: &keys, what: place.what, is_defaults: false };
    let written = keys.json();
    verdict::judge(&subject, &written, sink);
    (keys, Some(written))
}

impl OperationDraft<'_> {
    /// The operation, if nothing is missing.
    pub(super) fn finish(self) -> Option<Operation> {
        let mut keys = IndexMap::with_capacity(self.keys.entries.len());
        let mut key_spans = IndexMap::with_capacity(self.keys.entries.len());
        for (name, key) in self.keys.entries {
            keys.insert(name.to_owned(), key.template?);
            key_spans.insert(name.to_owned(), key.entry.key_span);
        }
        Some(Operation {
            name: self.id?,
            span: self.header,
            kind: self.kind?.to_owned(),
            description: self.description,
            keys,
            key_spans,
            timeout: self.timeout,
            retry: self.retry.map(Arc::unwrap_or_clone),
        })
    }
}

/// Where a key is nothing but a param, the param's type is held to the schema's.
fn check_param_types(keys: &Keys<'_>, schema: &TypeSchema<'_>, params: &Params<'_>, sink: &mut Sink) {
    for (key, found) in &keys.entries {
        let Some(template) =
            found.template.as_ref().filter(|template| !matches!(template, Template::Literal(_)))
        else {
            continue;
        };
        each_reference(template, &mut vec![Cow::from(*key)], &mut |reference, path| {
            let param = reference.name().and_then(|name| params.by_name.get(name)).and_then(Option::as_ref);
            let Some(param) = param.filter(|_| reference.root == Root::Params && reference.path.len() == 1)
            else {
                return;
            };
            let Some(wanted) = schema.types_at(path) else { return };
            if !json_types(param.kind).iter().any(|kind| wanted.contains(kind)) {
                let is = param.kind.description();
                let must = super::schema::describe(&wanted);
                sink.report(
                    Diagnostic::error(
                        "bunsui::reference::wrong_type",
                        format!("`{}` must be {must}, and param `{}` is {is}", name(path), param.name),
                    )
                    .label(reference.span, is)
                    .label(param.span, format!("{is} by its type"))
                    .help("change the param's type, or convert the value with JSONata"),
                );
            }
        });
    }
}

/// Values that are nothing but one reference, each with its path.
fn each_reference<'t>(
    template: &'t Template,
    path: &mut Vec<Cow<'t, str>>,
    visit: &mut dyn FnMut(&crate::expression::Reference, &[Cow<'t, str>]),
) {
    match template {
        Template::Reference(reference) => visit(reference, path),
        Template::List(items) => {
            for (at, item) in items.iter().enumerate() {
                path.push(Cow::from(at.to_string()));
                each_reference(item, path, visit);
                path.pop();
            }
        }
        Template::Table(table) => {
            for (key, value) in table {
                path.push(Cow::from(key));
                each_reference(value, path, visit);
                path.pop();
            }
        }
        Template::Literal(_) | Template::Text(_) | Template::Jsonata(_) => {}
    }
}

fn json_types(kind: crate::pipeline::ParamType) -> &'static [&'static str] {
    use crate::pipeline::ParamType;
    match kind {
        ParamType::String | ParamType::Date => &["string"],
        ParamType::Integer => &["integer", "number"],
        ParamType::Number => &["number", "integer"],
        ParamType::Boolean => &["boolean"],
        ParamType::List => &["array"],
        ParamType::Table => &["object"],
    }
}
