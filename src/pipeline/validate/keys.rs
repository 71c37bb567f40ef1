//! The keys of an operation's type: its own over those of `[defaults.<type>]`, as templates and as written.
//!
//! Takes: the operation's table, the defaults and the type. Gives: templates, places, and the JSON that schema and
//! plugin see. Deliberately does not: judge them; `schema` does.

use super::fields::OPERATION_KEYS;
use super::json;
use super::schema::TypeSchema;
use crate::diagnostic::{Diagnostic, Sink, Source, Span};
use crate::document::{Entries, Entry, Table, Value, ValueKind};
use crate::expression::{Template, parse_readable, parse_template};
use serde_json::{Map, Value as Json};

/// Keys of a type with everything that is known of them.
#[derive(Debug, Default)]
pub(super) struct Keys<'d> {
    pub(super) entries: Entries<&'d str, Key<'d>>,
    /// Where a missing key is reported.
    pub(super) header: Span,
}

/// One key.
#[derive(Debug, Clone)]
pub(super) struct Key<'d> {
    pub(super) entry: &'d Entry,
    /// None where its text could not be read, which is reported.
    pub(super) template: Option<Template>,
    /// Then its strings, as far as they could be read.
    pub(super) leaves: Vec<Template>,
    /// Whether it comes from `[defaults.<type>]`, where it is judged once for all operations.
    pub(super) is_default: bool,
}

/// Reads the keys of one table. `schema` is none where the type is not known.
pub(super) fn read<'d>(
    table: &'d Table,
    header: Span,
    is_default: bool,
    schema: Option<&TypeSchema<'_>>,
    source: &Source,
    sink: &mut Sink,
) -> Keys<'d> {
    let mut entries = Entries::with_capacity(table.entries.len());
    for (key, entry) in &table.entries {
        if !is_default && OPERATION_KEYS.contains(&key.as_str()) {
            continue;
        }
        let is_static = match schema {
            Some(schema) => schema.is_static(key),
            // The one key that every type with a local form has, and there `${HOME}` may be a shell's.
            None if key == "local" => continue,
            None => false,
        };
        let (mut template, leaves) = parse(&entry.value, source, sink);
        if is_static {
            let count = sink.errors();
            let readable = template.iter().map(|template| (template, &entry.value));
            let leaves = leaves.iter().map(|(template, value)| (template, *value));
            readable
                .chain(leaves)
                .for_each(|(template, value)| refuse_references(key, template, value, sink));
            template = template.filter(|_| sink.errors() == count);
        }
        let leaves = leaves.into_iter().filter(|_| !is_static).map(|(template, _)| template).collect();
        entries.insert_new(key.as_str(), Key { entry, template, leaves, is_default });
    }
    Keys { entries, header }
}

/// The template of a value. Where one of its strings cannot be read as a whole, which is reported, those of the others and
/// what of that one can be read.
pub(super) fn parse<'v>(
    value: &'v Value,
    source: &Source,
    sink: &mut Sink,
) -> (Option<Template>, Vec<(Template, &'v Value)>) {
    let template = parse_template(value, source, sink);
    let mut leaves = Vec::new();
    if template.is_none() {
        collect_leaves(value, source, &mut leaves);
    }
    (template, leaves)
}

fn collect_leaves<'v>(value: &'v Value, source: &Source, leaves: &mut Vec<(Template, &'v Value)>) {
    match &value.kind {
        ValueKind::Array(items) => items.iter().for_each(|item| collect_leaves(item, source, leaves)),
        ValueKind::Table(table) => {
            table.entries.values().for_each(|entry| collect_leaves(&entry.value, source, leaves));
        }
        _ => leaves.extend(parse_readable(value, source).map(|template| (template, value))),
    }
}

/// What the type says is fixed when the pipeline is checked holds no reference.
fn refuse_references(key: &str, template: &Template, value: &Value, sink: &mut Sink) {
    for span in super::references::spans(template, value) {
        sink.report(
            Diagnostic::error("bunsui::reference::static_key", format!("no reference may stand in `{key}`"))
                .label(span, "would be known only when the pipeline runs")
                .help(format!("`{key}` is fixed; pass the value through another key, and write `$${{` for a literal `${{`")),
        );
    }
}

impl Key<'_> {
    /// Everything whose references can be checked.
    pub(super) fn readable(&self) -> impl Iterator<Item = &Template> {
        self.template.iter().chain(&self.leaves)
    }
}

impl<'d> Keys<'d> {
    /// Adds the defaults that the operation does not set itself.
    pub(super) fn complete(&mut self, defaults: &Keys<'d>) {
        let missing = defaults.entries.keys().filter(|key| !self.entries.contains_key(key)).count();
        self.entries.reserve_exact(missing);
        for (key, default) in &defaults.entries {
            if !self.entries.contains_key(key) {
                self.entries.insert_new(key, default.clone());
            }
        }
    }

    /// As written, references and all.
    pub(super) fn json(&self) -> Json {
        let pairs =
            self.entries.iter().map(|(key, found)| ((*key).to_owned(), json::as_written(&found.entry.value)));
        Json::Object(pairs.collect::<Map<_, _>>())
    }

    /// Finds what a path leads to; where it leads nowhere, the last thing on the way.
    pub(super) fn locate(&self, path: &[String]) -> Located<'_> {
        let mut located =
            Located { key_span: None, span: self.header, value: None, template: None, is_default: false };
        let Some((first, rest)) = path.split_first() else { return located };
        let Some(key) = self.entries.get(first.as_str()) else { return located };
        located = Located {
            key_span: Some(key.entry.key_span),
            span: key.entry.value.span,
            value: Some(&key.entry.value),
            template: key.template.as_ref(),
            is_default: key.is_default,
        };
        for step in rest {
            let Some((key_span, value)) = located.value.and_then(|value| child(value, step)) else { break };
            located.key_span = key_span;
            located.span = value.span;
            located.value = Some(value);
            located.template = located.template.and_then(|template| match template {
                Template::Table(table) => table.get(step.as_str()),
                Template::List(items) => step.parse::<usize>().ok().and_then(|at| items.get(at)),
                other => Some(other),
            });
        }
        located
    }
}

fn child<'v>(value: &'v Value, step: &str) -> Option<(Option<Span>, &'v Value)> {
    match &value.kind {
        ValueKind::Table(table) => table.entries.get(step).map(|entry| (Some(entry.key_span), &entry.value)),
        ValueKind::Array(items) => Some((None, items.get(step.parse::<usize>().ok()?)?)),
        _ => None,
    }
}

/// A place within the keys.
pub(super) struct Located<'a> {
    /// Of a table's entry.
    pub(super) key_span: Option<Span>,
    /// Of the value; the operation's header for the whole.
    pub(super) span: Span,
    pub(super) value: Option<&'a Value>,
    pub(super) template: Option<&'a Template>,
    pub(super) is_default: bool,
}

/// The steps of a JSON pointer.
pub(super) fn steps(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect()
}

/// How messages name a place: `network.subnets[0]`.
pub(super) fn name(path: &[impl AsRef<str>]) -> String {
    let mut name = String::new();
    for step in path.iter().map(AsRef::as_ref) {
        if step.bytes().all(|byte| byte.is_ascii_digit()) && !name.is_empty() {
            name.push_str(&format!("[{step}]"));
        } else {
            if !name.is_empty() {
                name.push('.');
            }
            name.push_str(step);
        }
    }
    name
}
