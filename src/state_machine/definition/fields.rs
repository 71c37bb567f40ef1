//! Reading the fields of one object of a definition, and collecting what is wrong with them.

use super::DefinitionError;
use crate::diagnostic::nearest;
use crate::expression::{StatesUse, check, expression_of};
use serde_json::{Map as Object, Value as Json};

/// What was found wrong.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<DefinitionError>);

impl Problems {
    pub(super) fn report(&mut self, pointer: impl Into<String>, message: impl Into<String>) {
        self.0.push(DefinitionError { pointer: pointer.into(), message: message.into() });
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn into_vec(self) -> Vec<DefinitionError> {
        self.0
    }
}

/// A pointer one step deeper.
pub(super) fn child(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// What a value is, in a sentence.
pub(super) fn type_name(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "an array",
        Json::Object(_) => "an object",
    }
}

/// One object and where it is.
#[derive(Debug, Clone)]
pub(super) struct Fields<'j> {
    pub(super) pointer: String,
    pub(super) object: &'j Object<String, Json>,
}

/// Where a template stands: only a catcher's sees `$states.errorOutput`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    State,
    Catcher,
}

impl<'j> Fields<'j> {
    /// The value as an object, or a report.
    pub(super) fn of(value: &'j Json, pointer: String, problems: &mut Problems) -> Option<Self> {
        if let Json::Object(object) = value {
            return Some(Self { pointer, object });
        }
        problems.report(pointer, format!("{} stands where an object is expected", type_name(value)));
        None
    }

    pub(super) fn pointer_to(&self, key: &str) -> String {
        child(&self.pointer, key)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.object.contains_key(key)
    }

    /// Reports fields that are not among `known`; those of JSONPath with words of their own.
    pub(super) fn only(&self, known: &[&str], owner: &str, problems: &mut Problems) {
        for key in self.object.keys().filter(|key| !known.contains(&key.as_str())) {
            let message = if JSONPATH_FIELDS.contains(&key.as_str()) || key.ends_with("Path") {
                format!("`{key}` belongs to JSONPath; a JSONata state has Arguments, Assign and Output")
            } else if let Some(near) = nearest(key, known.iter().copied()) {
                format!("{owner} has no field `{key}`; did you mean `{near}`?")
            } else {
                format!("{owner} has no field `{key}`")
            };
            problems.report(self.pointer_to(key), message);
        }
    }

    pub(super) fn string(&self, key: &str, problems: &mut Problems) -> Option<&'j str> {
        match self.object.get(key)? {
            Json::String(text) => Some(text),
            other => {
                problems
                    .report(self.pointer_to(key), format!("`{key}` is {}, not a string", type_name(other)));
                None
            }
        }
    }

    pub(super) fn required_string(&self, key: &str, problems: &mut Problems) -> Option<&'j str> {
        if !self.has(key) {
            problems.report(self.pointer.clone(), format!("`{key}` is missing"));
        }
        self.string(key, problems)
    }

    pub(super) fn array(&self, key: &str, problems: &mut Problems) -> Option<&'j [Json]> {
        match self.object.get(key)? {
            Json::Array(items) => Some(items),
            other => {
                problems
                    .report(self.pointer_to(key), format!("`{key}` is {}, not an array", type_name(other)));
                None
            }
        }
    }

    /// A whole number within bounds.
    pub(super) fn integer(&self, key: &str, from: u64, to: u64, problems: &mut Problems) -> Option<u64> {
        let value = self.object.get(key)?;
        let number = value.as_u64().filter(|number| (from..=to).contains(number));
        if number.is_none() {
            problems.report(
                self.pointer_to(key),
                format!("`{key}` is `{value}`, not a whole number from {from} to {to}"),
            );
        }
        number
    }

    /// A whole number within bounds, or an expression.
    pub(super) fn integer_or_expression(
        &self,
        key: &str,
        from: u64,
        to: u64,
        problems: &mut Problems,
    ) -> Option<Json> {
        match self.object.get(key)? {
            Json::String(text) if expression_of(text).is_some() => self.template(key, Place::State, problems),
            value => self.integer(key, from, to, problems).map(|_| value.clone()),
        }
    }

    /// A string, which may be an expression.
    pub(super) fn text(&self, key: &str, problems: &mut Problems) -> Option<Json> {
        self.string(key, problems)?;
        self.template(key, Place::State, problems)
    }

    /// Any value, in which strings may be expressions.
    pub(super) fn template(&self, key: &str, place: Place, problems: &mut Problems) -> Option<Json> {
        let value = self.object.get(key)?;
        check_template(value, &self.pointer_to(key), place, problems);
        Some(value.clone())
    }
}

fn check_template(value: &Json, pointer: &str, place: Place, problems: &mut Problems) {
    match value {
        Json::String(text) => {
            let Some(source) = expression_of(text) else { return };
            if let Err(message) = check(source) {
                problems.report(pointer, message);
            } else if place == Place::State && StatesUse::of(value).error_output {
                problems
                    .report(pointer, "`$states.errorOutput` exists only in the Assign and Output of a Catch");
            }
        }
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                check_template(item, &format!("{pointer}/{index}"), place, problems);
            }
        }
        Json::Object(fields) => {
            for (key, item) in fields {
                check_template(item, &child(pointer, key), place, problems);
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

const JSONPATH_FIELDS: &[&str] = &["Parameters", "Result", "ResultSelector"];
