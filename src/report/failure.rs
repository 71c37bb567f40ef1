//! A failed job, shown at its lines of the pipeline file.

use super::text::{one_line, printable_lines};
use crate::diagnostic::{Diagnostic, Span, render_human};
use crate::expression::Template;
use crate::pipeline::{Job, Operation, Pipeline};
use crate::runner::missing_reference;
use crate::session::{FailureRecord, JobStatus};

/// Blocks of more lines than this are labelled at their header alone.
const MOST_LABELLED_LINES: usize = 14;

/// A failure, and which job's it is.
#[derive(Debug, Clone, Copy)]
pub struct FailedJob<'a> {
    /// The session.
    pub session: &'a str,
    /// The job's key.
    pub job_key: &'a str,
    /// `failed` or `timed_out`.
    pub status: JobStatus,
    /// Why.
    pub failure: &'a FailureRecord,
}

/// The failure as a diagnostic, then the cause, the last log lines, and the command for all of them.
pub fn render(failed: FailedJob<'_>, pipeline: &Pipeline, colour: bool, width: usize) -> String {
    let mut text = render_human(&pipeline.source, &[diagnostic(failed, pipeline)], colour, width);
    let failure = failed.failure;
    if let Some(cause) = cause(failure) {
        block(&mut text, "cause", &printable_lines(cause));
    }
    if !failure.log_lines.is_empty() {
        let lines: Vec<String> = failure.log_lines.iter().map(|line| one_line(line, 400)).collect();
        block(&mut text, "last log lines", &lines.join("\n"));
    }
    // Not among the help, which is wrapped: this is to be copied.
    text.push_str(&format!("  all its log lines: {}\n\n", logs_command(failed)));
    text
}

/// What prints all that the job said.
pub(super) fn logs_command(failed: FailedJob<'_>) -> String {
    format!("bunsui logs {} --job {}", failed.session, failed.job_key)
}

/// The cause where it says more than the summary. One that is JSON is what a service said of the whole task: where a
/// summary was made of it, that is what a reader needs (`--output json` has all).
pub(super) fn cause(failure: &FailureRecord) -> Option<&str> {
    if failure.detail.is_some() {
        return failure.detail.as_deref();
    }
    let cause = failure.cause.as_deref().filter(|cause| !cause.trim().is_empty())?;
    let Some(summary) = failure.summary.as_deref() else { return Some(cause) };
    let is_said = summary.contains(cause.trim_end_matches('.')) || cause.starts_with('{');
    (!is_said).then_some(cause)
}

fn block(text: &mut String, title: &str, content: &str) {
    text.push_str(&format!("  {title}:\n"));
    for line in content.lines() {
        text.push_str("    ");
        text.push_str(line);
        text.push('\n');
    }
}

/// The failure as a diagnostic of the pipeline file.
pub fn diagnostic(failed: FailedJob<'_>, pipeline: &Pipeline) -> Diagnostic {
    let job = pipeline.jobs.get(failed.job_key);
    let failure = failed.failure;
    let operation = job
        .zip(failure.operation.as_deref())
        .and_then(|(job, name)| job.operations.iter().find(|operation| operation.name.as_str() == name));
    let (code, verb) = match failed.status {
        JobStatus::TimedOut => ("bunsui::execution::timed_out", "ran out of time"),
        _ => ("bunsui::execution::failed", "failed"),
    };
    let place = match &failure.operation {
        Some(operation) => format!("operation `{operation}` of job `{}` {verb}", failed.job_key),
        None => format!("job `{}` {verb}", failed.job_key),
    };
    let what = failure.summary.as_ref().or(failure.error.as_ref());
    let message = what.map_or(place.clone(), |what| format!("{place}: {}", one_line(what, 400)));
    let mut diagnostic = if job.is_some_and(|job| job.allow_failure) {
        Diagnostic::warning(code, format!("{message} (`allow_failure`: the session goes on)"))
    } else {
        Diagnostic::error(code, message)
    };
    let block = operation.map(|operation| span_of(operation, pipeline)).or(job.map(|job| job.span));
    if let Some(span) = job.and_then(|job| culprit(job, failure, pipeline)).or(block) {
        diagnostic = diagnostic.label(span, label(failure));
    }
    diagnostic.help(help(failed.failure))
}

/// The reference to blame, where one is known.
fn culprit(job: &Job, failure: &FailureRecord, pipeline: &Pipeline) -> Option<Span> {
    let text = &pipeline.source.text;
    let missing = failure.cause.as_deref().and_then(|cause| missing_reference(job, cause, text));
    let blamed = || match (failure.error.as_deref(), failure.operation.is_some()) {
        // A condition that gave no boolean, and an input that is too large: neither has a cause of the service's.
        (Some("States.QueryEvaluationError"), false) if failure.cause.is_none() => {
            job.when.iter().flat_map(Template::references).next()
        }
        (Some("States.DataLimitExceeded"), false) => {
            let (_, rest) = failure.summary.as_deref()?.split_once("`${")?;
            let (named, _) = rest.split_once("}`")?;
            let operations = job.operations.iter().flat_map(|operation| operation.keys.values());
            operations.chain(job.output.as_ref()).flat_map(Template::references).find(|reference| {
                text.get(reference.span.start..reference.span.end)
                    .is_some_and(|written| written.contains(named))
            })
        }
        _ => None,
    };
    missing.or_else(blamed).map(|reference| reference.span)
}

fn label(failure: &FailureRecord) -> String {
    let error = failure.error.as_deref().unwrap_or("no error name");
    match failure.tries {
        0 | 1 => error.to_owned(),
        tries => format!("{error}, after {tries} tries"),
    }
}

fn help(failure: &FailureRecord) -> String {
    let chance = match failure.recoverable {
        Some(true) => "trying again can help: the error may be gone by then",
        Some(false) => "trying again without a change will fail again",
        None => "whether trying again helps is not known",
    };
    failure.help.iter().map(String::as_str).chain([chance]).collect::<Vec<_>>().join("\n")
}

/// The operation's block: from its header to its last key, or the header alone where that is long.
fn span_of(operation: &Operation, pipeline: &Pipeline) -> Span {
    let text = &pipeline.source.text;
    let own_keys = operation.key_spans.values().filter(|span| span.start > operation.span.start);
    let Some(last) = own_keys.map(|span| span.end).max() else { return operation.span };
    let end = text[last..].find('\n').map_or(text.len(), |at| last + at);
    let lines = text[operation.span.start..end].lines().count();
    if lines > MOST_LABELLED_LINES {
        return operation.span;
    }
    Span { start: operation.span.start, end }
}
