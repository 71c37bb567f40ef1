//! What Step Functions' own errors mean, said in the words of the pipeline file.
//!
//! Takes: a job and an error as the service gave it. Gives: a line, whether trying again helps, the reference to blame.
//! Deliberately does not: know errors of operations; plugins explain those.

use crate::expression::{Reference, Root, Template};
use crate::pipeline::{Job, Operation, Pipeline, format_duration};

/// An error of Step Functions' own, explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Explained {
    /// One line.
    pub(crate) summary: String,
    /// Whether trying again can help.
    pub(crate) recoverable: Option<bool>,
    /// What to do.
    pub(crate) help: Option<String>,
}

/// Explains an error; none for one that is an operation's.
pub(crate) fn explain(
    pipeline: &Pipeline,
    job: &Job,
    operation: Option<&Operation>,
    error: &str,
    cause: &str,
) -> Option<Explained> {
    match error {
        "States.Timeout" => {
            let limit = operation.and_then(|operation| operation.timeout);
            let summary = match limit {
                Some(limit) => format!("its timeout of {} ran out", format_duration(limit)),
                None => "its timeout ran out".into(),
            };
            let help = Some("give it a longer `timeout`, or let it do less at once".into());
            Some(Explained { summary, recoverable: Some(true), help })
        }
        "States.QueryEvaluationError" => {
            let (summary, help) = evaluation(pipeline, job, cause)?;
            Some(Explained { summary, recoverable: Some(false), help })
        }
        "States.DataLimitExceeded" => Some(Explained {
            summary: cause.trim_end_matches('.').to_owned(),
            recoverable: Some(false),
            help: Some("pass large values by reference: store them, and give their place".into()),
        }),
        _ => None,
    }
}

/// The reference that an evaluation error is about: the one that had no value.
pub(crate) fn missing_reference<'a>(job: &'a Job, cause: &str, text: &str) -> Option<&'a Reference> {
    let failed = FailedExpression::of(cause)?;
    let is_missing = |reference: &&Reference| match failed.thrown {
        None => jsonata(reference) == failed.expression,
        Some(message) => text
            .get(reference.span.start..reference.span.end)
            .is_some_and(|written| message == format!("`{written}` has no value")),
    };
    references(job).into_iter().find(is_missing)
}

fn evaluation(pipeline: &Pipeline, job: &Job, cause: &str) -> Option<(String, Option<String>)> {
    let failed = FailedExpression::of(cause)?;
    if let Some(reference) = missing_reference(job, cause, &pipeline.source.text) {
        let written = &pipeline.source.text[reference.span.start..reference.span.end];
        return Some((format!("`{written}` has no value"), Some(missing_help(reference))));
    }
    let summary = match failed.thrown {
        None => format!("`{{% {} %}}` has no value", failed.expression),
        Some(message) => format!("`{{% {} %}}`: {message}", failed.expression),
    };
    Some((summary, None))
}

fn missing_help(reference: &Reference) -> String {
    let name = reference.name().unwrap_or_default();
    match reference.root {
        Root::Jobs => format!(
            "the output of job `{name}` holds no such value (where a job did not succeed, it is null)"
        ),
        Root::Operations => format!("the result of operation `{name}` holds no such value"),
        Root::Params => format!("param `{name}` was not given, or holds no such value"),
        Root::Session | Root::Pipeline => "there is no such value".into(),
    }
}

/// `{% … %}` of a reference, without the braces. An operation's variable is named as `state_machine::compile` does.
fn jsonata(reference: &Reference) -> String {
    let variable = |name: &str| format!("operation_{}", name.replace('-', "_"));
    let compiled = Template::Reference(reference.clone()).compile(&variable);
    let compiled = compiled.as_str().unwrap_or_default();
    compiled.trim_start_matches("{%").trim_end_matches("%}").trim().to_owned()
}

fn references(job: &Job) -> Vec<&Reference> {
    job.operations
        .iter()
        .flat_map(|operation| operation.keys.values())
        .chain(job.output.as_ref())
        .chain(job.when.as_ref())
        .flat_map(Template::references)
        .collect()
}

/// What an evaluation error's sentence says.
struct FailedExpression<'a> {
    expression: &'a str,
    /// None where it returned nothing; else the message, without its code.
    thrown: Option<&'a str>,
}

impl<'a> FailedExpression<'a> {
    fn of(cause: &'a str) -> Option<Self> {
        let (_, rest) = cause.split_once("The JSONata expression '")?;
        let (expression, rest) = rest.split_once("' specified for the field '")?;
        let (_, what) = rest.split_once("' ")?;
        if what.starts_with("returned nothing") {
            return Some(Self { expression, thrown: None });
        }
        let message = what.strip_prefix("threw an error during evaluation. ").unwrap_or(what);
        let message = match message.split_once(": ") {
            Some((code, message)) if is_code(code) => message,
            _ => message,
        };
        Some(Self { expression, thrown: Some(message) })
    }
}

/// `D3137`, `T2001`.
fn is_code(text: &str) -> bool {
    text.len() == 5 && text.starts_with(char::is_alphabetic) && text[1..].chars().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(cause: &str, expression: &str, thrown: Option<&str>) {
        let failed = FailedExpression::of(cause).expect("it is such a sentence");
        assert_eq!((failed.expression, failed.thrown), (expression, thrown));
    }

    #[test]
    fn the_sentences_of_evaluation_errors_are_read() {
        check(
            "An error occurred while executing the state 'm' (entered at the event id #4). The JSONata expression \
             '$jobs.`a-b`.x' specified for the field 'Arguments/Payload/text' returned nothing (undefined).",
            "$jobs.`a-b`.x",
            None,
        );
        check(
            "The JSONata expression '1 + \"a\"' specified for the field '' threw an error during evaluation. \
             T2001: The left side of the + operator must evaluate to a number",
            "1 + \"a\"",
            Some("The left side of the + operator must evaluate to a number"),
        );
        assert!(FailedExpression::of("something else").is_none());
    }
}
