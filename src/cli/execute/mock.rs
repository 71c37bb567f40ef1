//! The mock file: what each Task gives, call by call.
//!
//! Takes: `{"State": {"0": {"Return": …}, "1-2": {"Throw": {"Error": "…", "Cause": "…"}}}}`. Gives: an answer a call.
//! Deliberately does not: know of retries; every try is a call.

use crate::diagnostic::nearest;
use crate::state_machine::TaskFailure;
use serde_json::{Map, Value as Json};
use std::collections::{BTreeMap, HashMap};

/// A range of calls may be this long.
const LONGEST_RANGE: usize = 100_000;

/// A JSON pointer and what is wrong there.
type Problem = (String, String);

/// Answers by state.
#[derive(Debug, Default)]
pub(super) struct Mock {
    states: HashMap<String, Answers>,
}

#[derive(Debug, Default)]
struct Answers {
    /// First call of a range → its last call and the answer.
    ranges: BTreeMap<usize, (usize, Answer)>,
    calls: usize,
}

type Answer = Result<Json, TaskFailure>;

impl Mock {
    /// No answers at all.
    pub(super) fn none() -> Self {
        Self::default()
    }

    /// The answer to the next call of a state; where there is none, how many there were.
    pub(super) fn answer(&mut self, state: &str) -> Result<Answer, usize> {
        let answers = self.states.get_mut(state).ok_or(0_usize)?;
        let found = answers.ranges.range(..=answers.calls).next_back();
        match found {
            Some((_, (last, answer))) if *last >= answers.calls => {
                answers.calls += 1;
                Ok(answer.clone())
            }
            _ => Err(answers.calls),
        }
    }

    /// Reads a mock file. `tasks` are the definition's Task states, where it could be read.
    pub(super) fn parse(json: &Json, tasks: Option<&[&str]>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut mock = Self::default();
        let Some(states) = object(json, "", &mut problems) else { return Err(problems) };
        for (name, value) in states {
            let pointer = child("", name);
            if let Some(tasks) = tasks
                && !tasks.contains(&name.as_str())
            {
                let near =
                    nearest(name, tasks.iter().copied()).map(|near| format!("; did you mean `{near}`?"));
                let message =
                    format!("the definition has no Task state `{name}`{}", near.unwrap_or_default());
                problems.push((pointer.clone(), message));
            }
            let answers = answers(value, &pointer, &mut problems);
            mock.states.insert(name.clone(), answers);
        }
        if problems.is_empty() { Ok(mock) } else { Err(problems) }
    }
}

fn answers(value: &Json, pointer: &str, problems: &mut Vec<Problem>) -> Answers {
    let mut answers = Answers::default();
    for (key, value) in object(value, pointer, problems).into_iter().flatten() {
        let pointer = child(pointer, key);
        let answer = answer(value, &pointer, problems);
        let Some((first, last)) = range(key) else {
            problems.push((pointer, format!("`{key}` is no call like `0` and no range of calls like `1-2`")));
            continue;
        };
        answers.ranges.insert(first, (last, answer));
    }
    let mut expected = 0;
    for (first, (last, _)) in &answers.ranges {
        if *first != expected {
            let what = if *first < expected { "has two answers" } else { "has no answer" };
            problems.push((pointer.to_owned(), format!("call {} {what}", (*first).min(expected))));
        }
        expected = last + 1;
    }
    answers
}

fn range(key: &str) -> Option<(usize, usize)> {
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    let (first, last) = match key.split_once('-') {
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(key)?, number(key)?),
    };
    (first <= last && last - first < LONGEST_RANGE && last < usize::MAX).then_some((first, last))
}

fn answer(value: &Json, pointer: &str, problems: &mut Vec<Problem>) -> Answer {
    let fields = object(value, pointer, problems);
    let one = fields.filter(|fields| fields.len() == 1).and_then(|fields| fields.iter().next());
    match one.map(|(key, value)| (key.as_str(), value)) {
        Some(("Return", value)) => Ok(value.clone()),
        Some(("Throw", value)) => Err(throw(value, &child(pointer, "Throw"), problems)),
        _ => {
            if fields.is_some() {
                problems
                    .push((pointer.to_owned(), "an answer has `Return` or `Throw`, one of them".to_owned()));
            }
            Ok(Json::Null)
        }
    }
}

fn throw(value: &Json, pointer: &str, problems: &mut Vec<Problem>) -> TaskFailure {
    let mut failure = TaskFailure { error: String::new(), cause: String::new() };
    let Some(fields) = object(value, pointer, problems) else { return failure };
    for (key, value) in fields {
        match (key.as_str(), value) {
            ("Error", Json::String(error)) => failure.error.clone_from(error),
            ("Cause", Json::String(cause)) => failure.cause.clone_from(cause),
            ("Error" | "Cause", _) => {
                problems.push((child(pointer, key), format!("`{key}` is not a string")));
            }
            _ => problems.push((child(pointer, key), format!("`Throw` has no field `{key}`"))),
        }
    }
    if !fields.contains_key("Error") {
        problems.push((pointer.to_owned(), "`Throw` needs an `Error`".to_owned()));
    }
    failure
}

fn object<'j>(value: &'j Json, pointer: &str, problems: &mut Vec<Problem>) -> Option<&'j Map<String, Json>> {
    let object = value.as_object();
    if object.is_none() {
        problems.push((pointer.to_owned(), "an object is expected here".to_owned()));
    }
    object
}

fn child(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check_problems(mock: Json, expected: &[(&str, &str)]) {
        let found = Mock::parse(&mock, Some(&["Fetch", "Store"])).expect_err("it is wrong");
        let expected: Vec<Problem> = expected
            .iter()
            .map(|(pointer, message)| ((*pointer).to_owned(), (*message).to_owned()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn answers_come_in_the_order_of_calls() {
        let json = json!({ "Fetch": { "2": { "Return": 2 }, "0-1": { "Throw": { "Error": "E" } } } });
        let mut mock = Mock::parse(&json, None).expect("it is right");
        let failure = TaskFailure { error: "E".to_owned(), cause: String::new() };
        assert_eq!(mock.answer("Fetch"), Ok(Err(failure.clone())));
        assert_eq!(mock.answer("Fetch"), Ok(Err(failure)));
        assert_eq!(mock.answer("Fetch"), Ok(Ok(json!(2))));
        assert_eq!(mock.answer("Fetch"), Err(3));
        assert_eq!(mock.answer("Store"), Err(0));
    }

    #[test]
    fn every_problem_is_named_with_its_place() {
        check_problems(json!([]), &[("", "an object is expected here")]);
        check_problems(
            json!({ "Fetc": {}, "Store": { "x": { "Return": 1 }, "0": { "Return": 1, "Throw": {} }, "1": 5 } }),
            &[
                ("/Fetc", "the definition has no Task state `Fetc`; did you mean `Fetch`?"),
                ("/Store/x", "`x` is no call like `0` and no range of calls like `1-2`"),
                ("/Store/0", "an answer has `Return` or `Throw`, one of them"),
                ("/Store/1", "an object is expected here"),
            ],
        );
        check_problems(
            json!({ "Store": { "0": { "Throw": { "Cause": 1, "Why": "" } } } }),
            &[
                ("/Store/0/Throw/Cause", "`Cause` is not a string"),
                ("/Store/0/Throw/Why", "`Throw` has no field `Why`"),
                ("/Store/0/Throw", "`Throw` needs an `Error`"),
            ],
        );
        check_problems(
            json!({ "Store": { "1-2": { "Return": 1 }, "2": { "Return": 1 } } }),
            &[("/Store", "call 0 has no answer"), ("/Store", "call 2 has two answers")],
        );
    }
}
