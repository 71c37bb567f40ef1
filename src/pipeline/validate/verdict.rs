//! What a schema says of an operation's keys, in our words and at the places of the file.
//!
//! Takes: a type's schema and the keys. Gives: findings. A verdict on a value that holds a reference is dropped,
//! since the value is not known yet; a param's type is.
//! Deliberately does not: know any operation type.

use super::fields::{self, OPERATION_KEYS, Place};
use super::keys::{Keys, name, steps};
use super::rule::{self, Level, Said};
use super::schema::{TypeSchema, describe, required};
use super::words::{constant, example, filled, first_sentence, items, rewrite, shown, type_names};
use crate::diagnostic::{Diagnostic, Sink, Span, nearest};
use crate::document::{Table, ValueKind};
use crate::expression::Template;
use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind as Kind;
use serde_json::Value as Json;

/// What is judged.
pub(super) struct Subject<'a, 'd, 'c> {
    pub(super) schema: &'a TypeSchema<'c>,
    pub(super) keys: &'a Keys<'d>,
    /// ``operation `fetch` ``
    pub(super) what: &'a str,
    /// `[defaults.<type>]` itself: keys may be missing there.
    pub(super) is_defaults: bool,
}

/// Judges the keys, given as written in `json` too.
pub(super) fn judge(subject: &Subject<'_, '_, '_>, json: &Json, sink: &mut Sink) {
    let Ok(validator) = &subject.schema.validator else { return };
    if validator.is_valid(json) {
        return;
    }
    let mut judge = Judge { subject, found: Vec::new(), meant: Vec::new(), is_open: subject.is_defaults };
    let errors: Vec<_> = validator.iter_errors(json).collect();
    let is_type = |error: &&ValidationError<'_>| matches!(error.kind(), Kind::Type { .. });
    let wrong_types: Vec<_> = errors.iter().filter(is_type).collect();
    for error in &errors {
        // What has the wrong type has none of the right forms either: one finding.
        let is_other_at = |other: &&ValidationError<'_>| other.instance_path() == error.instance_path();
        if is_type(&error) || !wrong_types.iter().any(is_other_at) {
            judge.verdict(error);
        }
    }
    if let (true, false, Some(error)) = (judge.found.is_empty(), judge.is_open, errors.first()) {
        // What the schema refuses is never accepted for want of words.
        judge.other(&steps(error.instance_path().as_str()), error.kind(), error);
    }
    let Judge { found, meant, .. } = judge;
    for (finding, missing) in found {
        // `fuction` is one mistake, not an unknown key and a missing one.
        if !missing.is_some_and(|key| meant.contains(&key)) {
            sink.report(finding);
        }
    }
}

struct Judge<'a, 'd, 'c> {
    subject: &'a Subject<'a, 'd, 'c>,
    /// Findings, each with the path of the key whose absence it is.
    found: Vec<(Diagnostic, Option<String>)>,
    /// Paths of keys that an unknown key is likely meant to be.
    meant: Vec<String>,
    /// Whether something was left to a value that is not known yet, or was said of the defaults themselves.
    is_open: bool,
}

impl<'c> Judge<'_, '_, 'c> {
    fn verdict(&mut self, error: &ValidationError<'_>) {
        if !self.holds(error) {
            self.is_open = true;
            return;
        }
        let path = steps(error.instance_path().as_str());
        if self.subject.keys.locate(&path).is_default && !self.subject.is_defaults {
            self.is_open = true;
            return;
        }
        let way = rule::way(self.subject.schema, error.evaluation_path().as_str());
        if let Kind::PropertyNames { error } = error.kind() {
            return self.refused_name(path, &way, error.instance().as_str().unwrap_or_default());
        }
        if let Some(said) = rule::said(&way, "x-bunsui-message") {
            return self.authors_words(&path, said, rule::said(&way, "x-bunsui-help"), error);
        }
        let before = self.found.len();
        self.own_words(&path, &way, error);
        if let Some(help) = rule::said(&way, "x-bunsui-help") {
            let help = self.filled(&path, help);
            for (finding, _) in &mut self.found[before..] {
                finding.help = Some(help.clone());
            }
        }
    }

    /// What the schema's author says where this fails.
    fn authors_words(
        &mut self,
        path: &[String],
        said: Said<'_>,
        help: Option<Said<'_>>,
        error: &ValidationError<'_>,
    ) {
        let wants_more = matches!(
            error.kind(),
            Kind::Required { .. }
                | Kind::AnyOf { .. }
                | Kind::OneOfNotValid { .. }
                | Kind::MinProperties { .. }
        );
        if self.subject.is_defaults && path.is_empty() && wants_more {
            return;
        }
        let mut place = path.to_vec();
        if let Some(at) = said.at {
            place.truncate(said.depth);
            place.extend(steps(at));
        }
        let message = self.filled(path, said);
        let help = help.map(|help| self.filled(path, help));
        let span = self.subject.keys.locate(&place).span;
        let finding = Diagnostic::error(code_of(error.kind()), message).label(span, "refused");
        let finding = finding.maybe_help(help);
        // Several verdicts within one annotated rule are one finding.
        if self.found.iter().all(|(other, _)| *other != finding) {
            self.push(finding);
        }
    }

    /// A key of a table that may have any, but not of every name.
    fn refused_name(&mut self, mut path: Vec<String>, way: &[Level<'c>], key: &str) {
        let table = self.whole(&path);
        let quoted = match key {
            "" => "\"\"".to_owned(),
            // What is refused may well be what cannot be printed.
            key => key
                .chars()
                .map(|c| if c.is_control() { c.escape_default().to_string() } else { c.into() })
                .collect(),
        };
        let words = |annotation: &str| {
            let said = rule::said(way, annotation)?;
            Some(filled(said.text, |inner| inner.is_empty().then(|| quoted.clone())))
        };
        let message =
            words("x-bunsui-message").unwrap_or_else(|| format!("`{quoted}` may not be a key of {table}"));
        path.push(key.to_owned());
        let located = self.subject.keys.locate(&path);
        let span = located.key_span.unwrap_or(located.span);
        self.push(
            Diagnostic::error(INVALID, message).label(span, "refused").maybe_help(words("x-bunsui-help")),
        );
    }

    fn filled(&self, path: &[String], said: Said<'_>) -> String {
        let base = path.get(..said.depth).unwrap_or(path);
        filled(said.text, |inner| {
            let mut full = base.to_vec();
            full.extend(inner.split('.').filter(|step| !step.is_empty()).map(str::to_owned));
            let (last, table) = full.split_last()?;
            if self.key_at(table, last).is_none() && !self.has_item(table, last) {
                return None;
            }
            let value = shown(&super::json::as_written(self.subject.keys.locate(&full).value?));
            Some(if value.is_empty() { "\"\"".to_owned() } else { value })
        })
    }

    fn own_words(&mut self, path: &[String], way: &[Level<'c>], error: &ValidationError<'_>) {
        match error.kind() {
            Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
                unexpected.iter().for_each(|key| self.unknown_key(path, key));
            }
            Kind::Required { property } => self.required(path, property.as_str().unwrap_or_default(), way),
            Kind::Type { kind } => self.wrong_type(path, &type_names(kind)),
            Kind::Enum { options } => {
                self.unknown_value(path, options.as_array().map_or(&[], Vec::as_slice));
            }
            Kind::Constant { expected_value } => {
                self.unknown_value(path, std::slice::from_ref(expected_value));
            }
            Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
                self.alternatives(path, error, context);
            }
            Kind::OneOfMultipleValid { .. } => self.several(path, error),
            Kind::Not { schema } => match rule::refused_together(schema) {
                Some(keys) => self.together(path, &keys, error),
                None => self.other(path, error.kind(), error),
            },
            Kind::FalseSchema => match (path.split_last(), rule::dependent_on(way)) {
                (Some((key, table)), Some((other, depth))) if table.len() == depth => {
                    self.together(table, &[other, key], error);
                }
                _ => self.other(path, error.kind(), error),
            },
            kind => self.other(path, kind, error),
        }
    }

    /// A key is missing, perhaps for the sake of another.
    fn required(&mut self, path: &[String], key: &str, way: &[Level<'c>]) {
        let before = self.found.len();
        self.missing(path, &[key]);
        let needing = rule::needing(way, key).into_iter().find_map(|(other, depth)| {
            let (span, _) = self.key_at(path.get(..depth)?, other)?;
            Some((other, span))
        });
        if let (Some((other, span)), Some((finding, _))) = (needing, self.found.get_mut(before)) {
            *finding = finding.clone().label(span, format!("`{other}` needs it"));
        }
    }

    /// The place of a table's key, and whether it is from the defaults.
    fn key_at(&self, table: &[String], key: &str) -> Option<(Span, bool)> {
        if table.is_empty() {
            let found = self.subject.keys.entries.get(key)?;
            return Some((found.entry.key_span, found.is_default));
        }
        let is_default = self.subject.keys.locate(table).is_default;
        let entry = self.table_at(table)?.entries.get(key)?;
        Some((entry.key_span, is_default))
    }

    /// Whether a list has an item of that number.
    fn has_item(&self, list: &[String], number: &str) -> bool {
        let found = self.subject.keys.locate(list).value;
        let number = number.parse::<usize>();
        matches!((found.map(|value| &value.kind), number), (Some(ValueKind::Array(items)), Ok(number)) if number < items.len())
    }

    /// Whether a verdict can be relied on although references may stand in what it speaks of.
    fn holds(&self, error: &ValidationError<'_>) -> bool {
        let path = steps(error.instance_path().as_str());
        let way = rule::way(self.subject.schema, error.evaluation_path().as_str());
        let is_open = |rule: &Json, depth: usize| {
            let place = path.get(..depth).unwrap_or(&path);
            rule::is_open(self.subject.schema, rule, self.subject.keys, place)
        };
        if rule::conditions(&way).any(|(condition, depth)| is_open(condition, depth)) {
            return false;
        }
        match error.kind() {
            Kind::Not { schema } => return !is_open(schema, path.len()),
            Kind::OneOfMultipleValid { context } => {
                let alternatives = self.subject.schema.alternatives(error.schema_path().as_str());
                let fits = context
                    .iter()
                    .zip(alternatives)
                    .filter(|(errors, alternative)| errors.is_empty() && !is_open(alternative, path.len()));
                return fits.count() > 1;
            }
            _ => {}
        }
        let located = self.subject.keys.locate(&path);
        match located.template {
            None if path.is_empty() => match error.kind() {
                Kind::AnyOf { context } | Kind::OneOfNotValid { context } => self.all_refused(context),
                _ => true,
            },
            // Not readable: reported already.
            None => located.value.is_none(),
            Some(Template::Literal(_)) => true,
            Some(Template::Reference(_) | Template::Jsonata(_)) => false,
            Some(Template::Text(_)) => matches!(error.kind(), Kind::Type { .. }),
            Some(Template::List(_) | Template::Table(_)) => match error.kind() {
                Kind::AnyOf { context } | Kind::OneOfNotValid { context } => self.all_refused(context),
                Kind::Enum { .. } | Kind::Constant { .. } | Kind::Contains | Kind::UniqueItems => false,
                _ => true,
            },
        }
    }

    fn all_refused(&self, context: &[Vec<ValidationError<'static>>]) -> bool {
        context.iter().all(|branch| branch.iter().any(|error| self.holds(error)))
    }

    fn push(&mut self, diagnostic: Diagnostic) {
        self.found.push((diagnostic, None));
    }

    fn whole(&self, path: &[String]) -> String {
        if path.is_empty() { self.subject.what.to_owned() } else { format!("`{}`", name(path)) }
    }

    fn table_at(&self, path: &[String]) -> Option<&Table> {
        match &self.subject.keys.locate(path).value?.kind {
            ValueKind::Table(table) => Some(table),
            _ => None,
        }
    }

    fn unknown_key(&mut self, path: &[String], key: &str) {
        let mut full = path.to_vec();
        full.push(key.to_owned());
        let located = self.subject.keys.locate(&full);
        if located.is_default && !self.subject.is_defaults {
            self.is_open = true;
            return;
        }
        let Some(span) = located.key_span else { return };
        let mut known = self.subject.schema.keys_at(path);
        if path.is_empty() && !self.subject.is_defaults {
            known.extend(OPERATION_KEYS);
        }
        if let Some(near) = nearest(key, known.iter().copied()) {
            let mut meant = path.to_vec();
            meant.push(near.to_owned());
            self.meant.push(name(&meant));
        }
        let what = match path {
            [] => format!("{} of type `{}`", self.subject.what, self.subject.schema.declared.name),
            path => format!("`{}`", name(path)),
        };
        let what =
            if self.subject.is_defaults && path.is_empty() { self.subject.what.to_owned() } else { what };
        self.push(fields::unknown_key(key, span, &what, &known));
    }

    /// One of several keys is missing.
    fn missing(&mut self, path: &[String], keys: &[&str]) {
        if self.subject.is_defaults && path.is_empty() {
            return;
        }
        let located = self.subject.keys.locate(path);
        let empty = Table::default();
        let what = match path {
            [] => format!("{} of type `{}`", self.subject.what, self.subject.schema.declared.name),
            path => format!("`{}`", name(path)),
        };
        let place = Place { table: self.table_at(path).unwrap_or(&empty), what: &what, header: located.span };
        let mut full = path.to_vec();
        full.push(keys.first().copied().unwrap_or_default().to_owned());
        let about =
            self.subject.schema.at(&full).and_then(|schema| schema.get("description")).and_then(Json::as_str);
        let finding = match keys {
            [key] => fields::missing_key(
                place,
                key,
                match about {
                    Some(about) => format!("`{key}`: {}", first_sentence(about)),
                    None => format!("add `{key} = …`"),
                },
            ),
            keys => {
                let list = fields::list(keys.iter().copied());
                Diagnostic::error("bunsui::pipeline::missing_key", format!("{what} has none of {list}"))
                    .label(located.span, "one of them is missing")
                    .help(self.ways(path, keys).unwrap_or_else(|| format!("give it one of {list}")))
            }
        };
        self.found.push((finding, (keys.len() == 1).then(|| name(&full))));
    }

    /// How each of several keys is written, where the schema has an example of one.
    fn ways(&self, path: &[String], keys: &[&str]) -> Option<String> {
        let example_of = |key: &&str| {
            let mut full = path.to_vec();
            full.push((*key).to_owned());
            example(self.subject.schema.at(&full)?)
        };
        let examples: Vec<Option<String>> = keys.iter().map(example_of).collect();
        examples.iter().find(|example| example.is_some())?;
        let written: Vec<String> = keys
            .iter()
            .zip(&examples)
            .map(|(key, example)| format!("`{key} = {}`", example.as_deref().unwrap_or("…")))
            .collect();
        let (last, first) = written.split_last()?;
        Some(format!("give it {} or {last}", first.join(", ")))
    }

    fn wrong_type(&mut self, path: &[String], wanted: &[&str]) {
        let Some(value) = self.subject.keys.locate(path).value else { return };
        let finding = fields::wrong_type(&name(path), value, &describe(wanted));
        self.push(finding.maybe_help(rewrite(value, wanted)));
    }

    fn unknown_value(&mut self, path: &[String], options: &[Json]) {
        let Some(value) = self.subject.keys.locate(path).value else { return };
        let options: Vec<String> = options.iter().filter(|option| !option.is_null()).map(shown).collect();
        let options = options.iter().map(String::as_str);
        let found = shown(&super::json::as_written(value));
        let help = match nearest(&found, options.clone()) {
            Some(near) => format!("did you mean `{near}`? It is one of {}", fields::list(options)),
            None => format!("it is one of {}", fields::list(options)),
        };
        let message = format!("`{}` cannot be `{found}`", name(path));
        let finding = Diagnostic::error("bunsui::pipeline::unknown_value", message);
        self.push(finding.label(value.span, "not a known value").help(help));
    }

    /// None of several forms fits: speak of the one that was meant.
    fn alternatives(
        &mut self,
        path: &[String],
        error: &ValidationError<'_>,
        context: &[Vec<ValidationError<'static>>],
    ) {
        let is_here = |inner: &ValidationError<'_>| inner.instance_path() == error.instance_path();
        let refuses_type = |branch: &&Vec<ValidationError<'static>>| {
            branch.iter().any(|inner| is_here(inner) && matches!(inner.kind(), Kind::Type { .. }))
        };
        let viable: Vec<_> = context.iter().filter(|branch| !refuses_type(branch)).collect();
        match viable.as_slice() {
            [] => {
                let kinds = context.iter().flatten().filter(|inner| is_here(inner));
                let names: Vec<&str> = kinds
                    .filter_map(|inner| match inner.kind() {
                        Kind::Type { kind } => Some(type_names(kind)),
                        _ => None,
                    })
                    .flatten()
                    .collect();
                self.wrong_type(path, &names);
            }
            [only] => only.iter().for_each(|inner| self.verdict(inner)),
            several if several.iter().all(|branch| constant(branch).is_some()) => {
                let options: Vec<Json> = several.iter().filter_map(|branch| constant(branch)).collect();
                self.unknown_value(path, &options);
            }
            several => self.forms(path, error, several),
        }
    }

    /// The forms of a table, told apart by the keys that each needs.
    fn forms(
        &mut self,
        path: &[String],
        error: &ValidationError<'_>,
        branches: &[&Vec<ValidationError<'static>>],
    ) {
        let schemas = self.subject.schema.alternatives(error.schema_path().as_str());
        let known = self.subject.schema.keys_at(path);
        let keys: Vec<String> =
            self.table_at(path).map(|table| table.entries.keys().cloned().collect()).unwrap_or_default();
        let unknown: Vec<&String> = keys.iter().filter(|key| !known.contains(&key.as_str())).collect();
        if !known.is_empty() && !unknown.is_empty() {
            unknown.into_iter().for_each(|key| self.unknown_key(path, key));
            return;
        }
        let here = |inner: &ValidationError<'_>| inner.instance_path() == error.instance_path();
        let lacks = |branch: &&&Vec<ValidationError<'static>>| {
            branch.iter().any(|inner| here(inner) && matches!(inner.kind(), Kind::Required { .. }))
        };
        let begun: Vec<_> = branches.iter().filter(|branch| !lacks(branch)).collect();
        match begun.as_slice() {
            [] if !keys.is_empty() || !schemas.is_empty() => {
                let mut needed: Vec<&str> =
                    schemas.iter().filter_map(|schema| required(schema).next()).collect();
                needed.dedup();
                if needed.is_empty() {
                    self.fewest(branches);
                } else {
                    self.missing(path, &needed);
                }
            }
            [only] => only.iter().for_each(|inner| self.verdict(inner)),
            several if several.len() > 1 => self.several(path, error),
            _ => self.fewest(branches),
        }
    }

    fn fewest(&mut self, branches: &[&Vec<ValidationError<'static>>]) {
        if let Some(branch) = branches.iter().min_by_key(|branch| branch.len()) {
            branch.iter().for_each(|inner| self.verdict(inner));
        }
    }

    /// Several forms fit, since their keys are given together.
    fn several(&mut self, path: &[String], error: &ValidationError<'_>) {
        let schemas = self.subject.schema.alternatives(error.schema_path().as_str());
        let keys: Vec<&str> = schemas.iter().flat_map(|schema| required(schema)).collect();
        self.together(path, &keys, error);
    }

    /// Keys of which only one may be given.
    fn together(&mut self, path: &[String], keys: &[&str], error: &ValidationError<'_>) {
        let mut given: Vec<(&str, Span, bool)> = Vec::new();
        for key in keys {
            if let Some((span, is_default)) = self.key_at(path, key)
                && given.iter().all(|(other, ..)| other != key)
            {
                given.push((key, span, is_default));
            }
        }
        if given.len() < 2 {
            return self.other(path, error.kind(), error);
        }
        if !self.subject.is_defaults && given.iter().all(|(.., is_default)| *is_default) {
            self.is_open = true;
            return;
        }
        // The last one is the one too many; what the defaults say was there before.
        given.sort_by_key(|(_, span, is_default)| (!is_default, *span));
        let list = fields::list(given.iter().map(|(key, ..)| *key));
        let message = format!("{} takes only one of {list}", self.whole(path));
        let mut finding = Diagnostic::error("bunsui::pipeline::exclusive_keys", message);
        for (index, (key, span, _)) in given.iter().rev().enumerate() {
            finding = finding.label(
                *span,
                if index == 0 { "one too many".to_owned() } else { format!("`{key}` is given here") },
            );
        }
        self.push(finding.help("keep the one that is meant"));
    }

    fn other(&mut self, path: &[String], kind: &Kind, error: &ValidationError<'_>) {
        let located = self.subject.keys.locate(path);
        let name = self.whole(path);
        let range = |text: String| format!("{name} is {}, which is not {text}", shown(error.instance()));
        let (code, message) = match kind {
            Kind::Minimum { limit } => (OUT, range(format!("{limit} or more"))),
            Kind::ExclusiveMinimum { limit } => (OUT, range(format!("more than {limit}"))),
            Kind::Maximum { limit } => (OUT, range(format!("{limit} or less"))),
            Kind::ExclusiveMaximum { limit } => (OUT, range(format!("less than {limit}"))),
            Kind::MinLength { limit } if *limit == 1 => (INVALID, format!("{name} is empty")),
            Kind::MinLength { limit } => (INVALID, format!("{name} is shorter than {limit} characters")),
            Kind::MaxLength { limit } => (INVALID, format!("{name} is longer than {limit} characters")),
            Kind::MinItems { limit } | Kind::MinProperties { limit } => {
                (INVALID, format!("{name} needs at least {limit} {}", items(*limit)))
            }
            Kind::MaxItems { limit } | Kind::MaxProperties { limit } => {
                (INVALID, format!("{name} takes at most {limit} {}", items(*limit)))
            }
            Kind::UniqueItems => (INVALID, format!("{name} names something twice")),
            Kind::Pattern { pattern } => (INVALID, format!("{name} does not match the pattern `{pattern}`")),
            Kind::FalseSchema => (INVALID, format!("{name} may not be given here")),
            Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => {
                (INVALID, format!("{name} has none of the forms it may have"))
            }
            Kind::OneOfMultipleValid { .. } => (INVALID, format!("{name} fits more than one of its forms")),
            _ => (INVALID, format!("{name} cannot be used: {}", error.masked())),
        };
        let about =
            self.subject.schema.at(path).and_then(|schema| schema.get("description")).and_then(Json::as_str);
        self.push(
            Diagnostic::error(code, message)
                .label(located.span, "refused")
                .maybe_help(about.map(|about| format!("{name}: {}", first_sentence(about)))),
        );
    }
}

/// The code of a finding in words of the schema's author.
fn code_of(kind: &Kind) -> &'static str {
    match kind {
        Kind::Required { .. } => "bunsui::pipeline::missing_key",
        Kind::AdditionalProperties { .. } | Kind::UnevaluatedProperties { .. } => {
            "bunsui::pipeline::unknown_key"
        }
        Kind::Type { .. } => "bunsui::pipeline::wrong_type",
        Kind::Enum { .. } | Kind::Constant { .. } => "bunsui::pipeline::unknown_value",
        Kind::Minimum { .. }
        | Kind::Maximum { .. }
        | Kind::ExclusiveMinimum { .. }
        | Kind::ExclusiveMaximum { .. } => OUT,
        _ => INVALID,
    }
}

const OUT: &str = "bunsui::pipeline::out_of_range";
const INVALID: &str = "bunsui::pipeline::invalid_value";
