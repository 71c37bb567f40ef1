//! `[params]`: types, constraints that fit them, defaults that satisfy them.

use super::fields::{self, Place};
use super::json;
use crate::diagnostic::{Diagnostic, Sink};
use crate::document::{Document, Entries, Entry, Value, ValueKind};
use crate::pipeline::{Id, Param, ParamConstraints, ParamType};
use serde_json::Value as Json;

const KEYS: &[&str] =
    &["type", "default", "description", "min", "max", "pattern", "one_of", "required", "secret"];
/// The params of a file as far as they could be read; references to those that could not are no further findings.
#[derive(Default)]
pub(super) struct Params<'d> {
    pub(super) by_name: Entries<&'d str, Option<Param>>,
}

/// Reads and checks all of them.
pub(super) fn read<'d>(document: &'d Document, sink: &mut Sink) -> Params<'d> {
    let mut params = Params::default();
    let Some(value) = document.root.value("params") else { return params };
    let Some(table) = fields::table("params", value, sink) else { return params };
    for (name, entry) in &table.entries {
        let id = fields::id(name, "a param", entry.key_span, sink);
        let param = read_one(name, entry, id, sink);
        params.by_name.insert_new(name, param);
    }
    params
}

fn read_one(name: &str, entry: &Entry, id: Option<Id>, sink: &mut Sink) -> Option<Param> {
    let ValueKind::Table(table) = &entry.value.kind else {
        let help = format!("write `{name} = {{ type = \"{}\", default = … }}`", type_of(&entry.value));
        sink.report(fields::wrong_type(name, &entry.value, "a table").help(help));
        return None;
    };
    let what = format!("param `{name}`");
    let place = Place { table, what: &what, header: entry.key_span };
    fields::refuse_unknown(place, KEYS, sink);
    if !table.entries.contains_key("type") {
        let help = match table.value("default") {
            Some(default) => format!("add `type = \"{}\"`", type_of(default)),
            None => format!("its type is one of {}", fields::list(ParamType::ALL.map(ParamType::name))),
        };
        sink.report(fields::missing_key(place, "type", help));
    }
    let types = ParamType::ALL.map(|kind| (kind.name(), kind));
    let kind = fields::choice(place, "type", &types, sink);
    let description = fields::text(place, "description", sink);
    let secret = fields::boolean(place, "secret", sink).unwrap_or(false);
    let required = fields::boolean(place, "required", sink);
    let mut param = Param {
        name: id?,
        span: entry.key_span,
        kind: kind?,
        description,
        default: None,
        required: required.unwrap_or(!table.entries.contains_key("default")),
        secret,
        constraints: ParamConstraints::default(),
    };
    check_secret(place, &param, sink);
    check_required(place, required, sink);
    // Choices are held to the type alone, the default to everything.
    let one_of = one_of(place, &param, sink);
    param.constraints = ParamConstraints { one_of, ..constraints(place, &param, sink) };
    param.default = default(place, &param, sink);
    Some(param)
}

fn type_of(value: &Value) -> &'static str {
    match &value.kind {
        ValueKind::String(_) => "string",
        ValueKind::Integer(_) => "integer",
        ValueKind::Float(_) => "number",
        ValueKind::Boolean(_) => "boolean",
        ValueKind::Datetime(_) => "date",
        ValueKind::Array(_) => "list",
        ValueKind::Table(_) => "table",
    }
}

fn check_secret(place: Place<'_, '_>, param: &Param, sink: &mut Sink) {
    if !param.secret {
        return;
    }
    let secret = fields::key_span(place, "secret");
    if let Some(entry) = place.table.entries.get("default") {
        sink.report(
            Diagnostic::error("bunsui::param::secret_default", "a secret has no default")
                .label(entry.value.span, "would stand in the file for everyone to read")
                .label(secret, "secret here")
                .help("remove the default; the value is given when the pipeline is run"),
        );
    }
    if param.kind != ParamType::String {
        let kind = param.kind.description();
        sink.report(
            Diagnostic::error(
                "bunsui::param::secret_type",
                format!("a secret is a string, and this is {kind}"),
            )
            .label(fields::key_span(place, "type"), "must be `\"string\"`")
            .label(secret, "secret here")
            .help("on AWS a secret is a reference such as `ssm:/path`, which is text"),
        );
    }
}

fn check_required(place: Place<'_, '_>, required: Option<bool>, sink: &mut Sink) {
    let Some(default) = place.table.entries.get("default").filter(|_| required == Some(true)) else { return };
    sink.report(
        Diagnostic::error("bunsui::param::required_default", "a param with a default is never required")
            .label(fields::key_span(place, "required"), "says that a value must be given")
            .label(default.key_span, "given here")
            .help("remove one of the two"),
    );
}

fn default(place: Place<'_, '_>, param: &Param, sink: &mut Sink) -> Option<Json> {
    let value = place.table.value("default").filter(|_| !param.secret)?;
    let default = json::literal(value, "a default", sink)?;
    match check_value(param, value, &default) {
        Ok(()) => Some(default),
        Err((message, help)) => {
            let what = format!("the default of `{}` cannot be used: {message}", param.name);
            sink.report(
                Diagnostic::error("bunsui::param::invalid_default", what)
                    .label(value.span, "not a value of this param")
                    .maybe_help(help),
            );
            None
        }
    }
}

/// Like [`Param::check`], which sees JSON only: there a TOML date is text.
fn check_value(param: &Param, value: &Value, json: &Json) -> Result<(), (String, Option<String>)> {
    if matches!(value.kind, ValueKind::Datetime(_)) && param.kind == ParamType::String {
        return Err((
            "found a date where a string is wanted".to_owned(),
            Some("put it between double quotes".to_owned()),
        ));
    }
    param.check(json).map_err(|error| (error.message, error.help))
}

fn one_of(place: Place<'_, '_>, unconstrained: &Param, sink: &mut Sink) -> Option<Vec<Json>> {
    let value = place.table.value("one_of")?;
    let ValueKind::Array(items) = &value.kind else {
        sink.report(fields::wrong_type("one_of", value, "a list"));
        return None;
    };
    if items.is_empty() {
        sink.report(unusable(value, "`one_of` is empty, so no value would do", "name at least one value"));
    }
    let mut choices = Vec::with_capacity(items.len());
    for item in items {
        let Some(choice) = json::literal(item, "`one_of`", sink) else { continue };
        match check_value(unconstrained, item, &choice) {
            Ok(()) => choices.push(choice),
            Err((message, _)) => {
                sink.report(unusable(item, &format!("a value of `one_of` cannot be used: {message}"), ""));
            }
        }
    }
    Some(choices)
}

fn unusable(value: &Value, message: &str, help: &str) -> Diagnostic {
    Diagnostic::error("bunsui::param::unusable_constraint", message)
        .label(value.span, "cannot be used")
        .maybe_help((!help.is_empty()).then(|| help.to_owned()))
}

fn constraints(place: Place<'_, '_>, unconstrained: &Param, sink: &mut Sink) -> ParamConstraints {
    let constraints = ParamConstraints {
        min: bound(place, "min", unconstrained, sink),
        max: bound(place, "max", unconstrained, sink),
        pattern: pattern(place, unconstrained.kind, sink),
        one_of: None,
    };
    if let (Some(min), Some(max)) = (&constraints.min, &constraints.max) {
        check_order(place, unconstrained, min, max, sink);
    }
    constraints
}

fn check_order(place: Place<'_, '_>, unconstrained: &Param, min: &Json, max: &Json, sink: &mut Sink) {
    let is_reversed = match unconstrained.kind {
        // Dates of several forms: whether the greatest is before the least is what a param with that least says.
        ParamType::Date => {
            let least = ParamConstraints { min: Some(min.clone()), ..ParamConstraints::default() };
            Param { constraints: least, ..unconstrained.clone() }.check(max).is_err()
        }
        _ => min.as_f64() > max.as_f64(),
    };
    let (Some(min_value), Some(max_value)) = (place.table.value("min"), place.table.value("max")) else {
        return;
    };
    if is_reversed {
        sink.report(
            Diagnostic::error("bunsui::param::min_over_max", format!("`min` {min} is more than `max` {max}"))
                .label(min_value.span, "the least value")
                .label(max_value.span, "the greatest value, which is less")
                .help("no value would do; exchange the two"),
        );
    }
}

fn bound(place: Place<'_, '_>, key: &str, unconstrained: &Param, sink: &mut Sink) -> Option<Json> {
    let kind = unconstrained.kind;
    let value = place.table.value(key)?;
    let wanted = match kind {
        ParamType::Integer => "an integer",
        ParamType::Number => "a number",
        ParamType::Date => "a date",
        ParamType::String | ParamType::List | ParamType::Table => "a length, an integer of 0 or more",
        ParamType::Boolean => {
            let message = format!("`{key}` means nothing for {}", kind.description());
            sink.report(unusable(value, &message, "remove it"));
            return None;
        }
    };
    let fits = match (&value.kind, kind) {
        (ValueKind::Integer(_), ParamType::Integer | ParamType::Number)
        | (ValueKind::Float(_), ParamType::Number)
        | (ValueKind::Datetime(_) | ValueKind::String(_), ParamType::Date) => true,
        (ValueKind::Integer(length), ParamType::String | ParamType::List | ParamType::Table) => *length >= 0,
        _ => false,
    };
    if !fits {
        let message = format!("`{key}` of {} must be {wanted}, found {}", kind.description(), found(value));
        sink.report(unusable(value, &message, ""));
        return None;
    }
    let bound = json::literal(value, "a constraint", sink)?;
    match unconstrained.check(&bound) {
        Err(error) if kind == ParamType::Date => {
            let message = format!("`{key}` cannot be used: {}", error.message);
            sink.report(unusable(value, &message, error.help.as_deref().unwrap_or_default()));
            None
        }
        _ => Some(bound),
    }
}

fn found(value: &Value) -> String {
    match &value.kind {
        ValueKind::Integer(number) => format!("`{number}`"),
        kind => kind.description().to_owned(),
    }
}

fn pattern(place: Place<'_, '_>, kind: ParamType, sink: &mut Sink) -> Option<regex::Regex> {
    let (text, value) = fields::string(place, "pattern", sink)?;
    if kind != ParamType::String {
        let message = format!("`pattern` means nothing for {}", kind.description());
        sink.report(unusable(value, &message, "remove it; patterns are for strings"));
        return None;
    }
    match regex::Regex::new(text) {
        Ok(regex) => Some(regex),
        Err(error) => {
            // The last line says what is wrong; those before it draw the place, which the label does.
            let reason = error.to_string();
            let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            sink.report(
                Diagnostic::error("bunsui::param::invalid_pattern", "`pattern` is no regular expression")
                    .label(value.span, reason)
                    .help(
                        "look-around and back-references are not available; single quotes keep backslashes",
                    ),
            );
            None
        }
    }
}
