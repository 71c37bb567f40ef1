//! Evaluating fields of a state, and what is told where one gives no usable value.

use super::super::definition::Kind;
use super::branch::{Branch, Visit};
use super::event::Details;
use super::failure::{Failure, QUERY_EVALUATION};
use crate::expression::{Bindings, EvaluationError, StatesUse, evaluate_field, expression_of};
use crate::state_machine::timestamp;
use serde_json::{Map, Value as Json, json};
use std::ops::RangeInclusive;

/// What `$states` is made of, but for the context.
pub(super) struct States<'v> {
    pub(super) input: &'v Json,
    pub(super) result: Option<&'v Json>,
    pub(super) error_output: Option<&'v Json>,
}

impl<'v> States<'v> {
    /// Before a result is there.
    pub(super) fn of(input: &'v Json) -> Self {
        Self { input, result: None, error_output: None }
    }
}

impl Branch<'_> {
    /// Evaluates a field; where that fails, EvaluationFailed is told.
    pub(super) fn evaluate(
        &mut self,
        visit: &Visit<'_>,
        states: &States<'_>,
        path: &str,
        value: &Json,
    ) -> Result<Json, Failure> {
        self.try_evaluate(visit, states, path, value).map_err(|error| self.evaluation_failed(visit, &error))
    }

    fn try_evaluate(
        &self,
        visit: &Visit<'_>,
        states: &States<'_>,
        path: &str,
        value: &Json,
    ) -> Result<Json, EvaluationError> {
        let context = StatesUse::of(value).context.then(|| self.context(visit));
        let mut bindings = Bindings::default();
        self.scope.each(&mut |name, value| bindings.bind(name, value));
        let mut parts = vec![("input", states.input)];
        parts.extend(states.result.map(|result| ("result", result)));
        parts.extend(states.error_output.map(|output| ("errorOutput", output)));
        parts.extend(context.as_ref().map(|context| ("context", context)));
        bindings.bind_object("states", parts);
        evaluate_field(value, &bindings, path)
    }

    fn evaluation_failed(&mut self, visit: &Visit<'_>, error: &EvaluationError) -> Failure {
        let mut failure = self.raise(visit, QUERY_EVALUATION, &error.cause());
        let name = visit.state.name.as_str();
        let details = Details::new()
            .with("error", QUERY_EVALUATION)
            .maybe("cause", failure.cause.clone())
            .with("location", error.path.as_str())
            .with("state", name);
        failure.event = self.emit("EvaluationFailed", Some(name), details);
        failure
    }

    /// A field that must be a string.
    pub(super) fn evaluate_text(
        &mut self,
        visit: &Visit<'_>,
        states: &States<'_>,
        path: &str,
        value: &Json,
    ) -> Result<String, Failure> {
        match self.evaluate(visit, states, path, value)? {
            Json::String(text) => Ok(text),
            other => Err(self.unexpected(visit, path, value, "string", &other)),
        }
    }

    /// A field that must be a boolean.
    pub(super) fn evaluate_boolean(
        &mut self,
        visit: &Visit<'_>,
        states: &States<'_>,
        path: &str,
        value: &Json,
    ) -> Result<bool, Failure> {
        match self.evaluate(visit, states, path, value)? {
            Json::Bool(boolean) => Ok(boolean),
            other => Err(self.unexpected(visit, path, value, "boolean", &other)),
        }
    }

    /// A field that must be a whole number within bounds.
    pub(super) fn evaluate_integer(
        &mut self,
        visit: &Visit<'_>,
        states: &States<'_>,
        path: &str,
        value: &Json,
        bounds: RangeInclusive<u64>,
    ) -> Result<u64, Failure> {
        let evaluated = self.evaluate(visit, states, path, value)?;
        match evaluated.as_u64().filter(|number| bounds.contains(number)) {
            Some(number) => Ok(number),
            None => {
                let expected = format!("integer from {} to {}", bounds.start(), bounds.end());
                Err(self.unexpected(visit, path, value, &expected, &evaluated))
            }
        }
    }

    /// A field that must be a list.
    pub(super) fn evaluate_list(
        &mut self,
        visit: &Visit<'_>,
        states: &States<'_>,
        path: &str,
        value: &Json,
    ) -> Result<Vec<Json>, Failure> {
        match self.evaluate(visit, states, path, value)? {
            Json::Array(items) => Ok(items),
            other => Err(self.unexpected(visit, path, value, "array", &other)),
        }
    }

    /// The value of a field is of another type than the field needs.
    pub(super) fn unexpected(
        &mut self,
        visit: &Visit<'_>,
        path: &str,
        source: &Json,
        expected: &str,
        found: &Json,
    ) -> Failure {
        let shown: String = found.to_string().chars().take(1_000).collect();
        let error = EvaluationError {
            code: None,
            message: format!(
                "returned an unexpected result type. Expected '{expected}', but was '{}' for value: {shown}",
                type_name(found)
            ),
            expression: source.as_str().and_then(expression_of).unwrap_or_default().to_owned(),
            path: path.to_owned(),
        };
        self.evaluation_failed(visit, &error)
    }

    /// `$states.context`
    pub(super) fn context(&self, visit: &Visit<'_>) -> Json {
        let mut context = self.execution.context_object();
        let mut state = Map::new();
        state.insert("Name".to_owned(), Json::from(visit.state.name.as_str()));
        state.insert("EnteredTime".to_owned(), Json::from(timestamp::print(visit.entered_at)));
        if matches!(visit.state.kind, Kind::Task(_) | Kind::Parallel { .. } | Kind::Map(_)) {
            state.insert("RetryCount".to_owned(), Json::from(visit.retries));
        }
        context.insert("State".to_owned(), Json::Object(state));
        if let Some(item) = &self.item {
            context.insert("Map".to_owned(), json!({ "Item": **item }));
        }
        Json::Object(context)
    }
}

fn type_name(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}
