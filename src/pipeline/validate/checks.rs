//! What only a plugin can say of an operation's keys, asked for all operations at once.

use super::jobs::JobDraft;
use super::keys::steps;
use super::operations::OperationDraft;
use crate::diagnostic::{Diagnostic, Severity, Sink};
use crate::pipeline::{CatalogueError, CheckRequest, Finding};

/// Every operation whose plugin has a check, and in which nothing else is wrong: its job's position, and its own in that.
pub(super) struct Checked(Vec<(usize, usize)>);

/// What the plugins said, in the order of the requests.
pub(super) type Answers = Result<Vec<Vec<Finding>>, CatalogueError>;

/// Takes from each operation what its plugin wants to see.
pub(super) fn requests(jobs: &mut [JobDraft<'_>]) -> (Checked, Vec<CheckRequest>) {
    let (mut places, mut requests) = (Vec::new(), Vec::new());
    for (job_at, job) in jobs.iter_mut().enumerate() {
        for (at, operation) in job.operations.iter_mut().enumerate() {
            let Some(keys) = operation.to_check.take() else { continue };
            places.push((job_at, at));
            requests.push(CheckRequest {
                kind: operation.kind.unwrap_or_default().to_owned(),
                operation: operation.name_text.unwrap_or_default().to_owned(),
                keys,
            });
        }
    }
    (Checked(places), requests)
}

impl Checked {
    /// Reports what they said.
    pub(super) fn report(&self, answers: Answers, jobs: &[JobDraft<'_>], sink: &mut Sink) {
        let asked = self.0.iter().map(|(job, operation)| (&jobs[*job], &jobs[*job].operations[*operation]));
        match answers {
            Ok(answers) => {
                for ((_, operation), findings) in asked.zip(answers) {
                    findings.into_iter().for_each(|finding| sink.report(placed(operation, finding)));
                }
            }
            Err(error) => sink.report(failed(&asked.collect::<Vec<_>>(), &error)),
        }
    }
}

fn placed(operation: &OperationDraft<'_>, finding: Finding) -> Diagnostic {
    // As relative JSON pointers have it, `#` at the end is the key, not its value.
    let (pointer, is_of_key) = match finding.pointer.strip_suffix('#') {
        Some(pointer) => (pointer, true),
        None => (finding.pointer.as_str(), false),
    };
    let located = operation.keys.locate(&steps(pointer));
    let span = located.key_span.filter(|_| is_of_key).unwrap_or(located.span);
    let by = format!("says the plugin of `{}`", operation.kind.unwrap_or_default());
    let diagnostic = Diagnostic::error("bunsui::pipeline::operation_check", finding.message)
        .label(span, by)
        .maybe_help(finding.help);
    Diagnostic { severity: finding.severity, ..diagnostic }
}

fn failed(asked: &[(&JobDraft<'_>, &OperationDraft<'_>)], error: &CatalogueError) -> Diagnostic {
    let is_named = |job: &JobDraft<'_>, operation: &OperationDraft<'_>| {
        let name = operation.name_text.unwrap_or_default();
        error.operation == name || error.operation == format!("{}.{name}", job.name)
    };
    let place = asked.iter().find(|(job, operation)| is_named(job, operation)).or_else(|| asked.first());
    let diagnostic = Diagnostic {
        severity: Severity::Error,
        ..Diagnostic::error("bunsui::plugin::call_failed", error.to_string())
    };
    match place {
        Some((_, operation)) => diagnostic.label(operation.kind_span, "checked by this plugin"),
        None => diagnostic,
    }
    .maybe_help(error.help.clone())
}
