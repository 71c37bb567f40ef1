//! `[jobs]`: the keys of each job and what it depends on.

use super::fields::{self, JOB_KEYS, Place, known_names};
use super::keys;
use super::operations::{self, OperationDraft, Surroundings};
use super::parts::in_parts;
use crate::diagnostic::{Diagnostic, Sink, Source, Span};
use crate::document::{Document, Entries, Entry, Table, Value, ValueKind};
use crate::expression::Template;
use crate::pipeline::{Id, Job, RunIf};
use std::time::Duration;

const RUN_IF: &[(&str, RunIf)] = &[
    ("all_succeeded", RunIf::AllSucceeded),
    ("none_failed", RunIf::NoneFailed),
    ("any_failed", RunIf::AnyFailed),
    ("always", RunIf::Always),
];

/// A job as far as it could be read.
pub(super) struct JobDraft<'d> {
    pub(super) id: Option<Id>,
    /// As written.
    pub(super) name: &'d str,
    /// Of the key in its header.
    pub(super) name_span: Span,
    /// Known jobs, each with the place where it is named.
    pub(super) depends_on: Vec<(usize, Span)>,
    pub(super) depends_on_span: Option<Span>,
    pub(super) operations: Vec<OperationDraft<'d>>,
    pub(super) when: Option<Written<'d>>,
    pub(super) output: Option<Written<'d>>,
    span: Span,
    description: Option<String>,
    pub(super) run_if: RunIf,
    allow_failure: bool,
    pub(super) timeout: Option<Duration>,
    is_whole: bool,
}

/// All jobs, in the order of the file.
#[derive(Default)]
pub(super) struct Jobs<'d> {
    pub(super) drafts: Vec<JobDraft<'d>>,
    /// In which each has its position.
    table: Option<&'d Table>,
}

impl<'d> Jobs<'d> {
    /// The position of the job of that name.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.table?.entries.get_index_of(name)
    }

    /// All names.
    pub(super) fn names(&self) -> impl Iterator<Item = &'d str> + Clone {
        self.drafts.iter().map(|job| job.name)
    }
}

/// A value of a job, or of the pipeline, in which references may stand.
pub(super) struct Written<'d> {
    pub(super) value: &'d Value,
    /// None where its text could not be read, which is reported.
    pub(super) template: Option<Template>,
    leaves: Vec<Template>,
}

impl<'d> Written<'d> {
    /// Reads a value; what is wrong with its texts is reported.
    pub(super) fn read(value: &'d Value, source: &Source, sink: &mut Sink) -> Self {
        let (template, leaves) = keys::parse(value, source, sink);
        let leaves = leaves.into_iter().map(|(leaf, _)| leaf).collect();
        Self { value, template, leaves }
    }

    /// Everything whose references can be checked.
    pub(super) fn readable(&self) -> impl Iterator<Item = &Template> {
        self.template.iter().chain(&self.leaves)
    }
}

/// Reads and checks all of them.
pub(super) fn read<'d>(
    document: &'d Document,
    around: &Surroundings<'_, 'd, '_>,
    sink: &mut Sink,
) -> Jobs<'d> {
    const HELP: &str = "add a job: `[jobs.<id>]`, and below it `[[jobs.<id>.operations]]`";
    let Some(entry) = document.root.entries.get("jobs") else {
        sink.report(Diagnostic::error("bunsui::pipeline::no_jobs", "the pipeline has no jobs").help(HELP));
        return Jobs::default();
    };
    let Some(table) = fields::table("jobs", &entry.value, sink) else { return Jobs::default() };
    if table.entries.is_empty() {
        sink.report(
            Diagnostic::error("bunsui::pipeline::no_jobs", "the pipeline has no jobs")
                .label(entry.key_span, "empty")
                .help(HELP),
        );
    }
    read_all(table, around, sink)
}

/// A job is read without a look at what others say, so those of a large file are read on several threads.
fn read_all<'d>(table: &'d Table, around: &Surroundings<'_, 'd, '_>, sink: &mut Sink) -> Jobs<'d> {
    let entries: Vec<(&String, &Entry)> = table.entries.iter().collect();
    let parts = in_parts(&entries, |_, part| {
        let mut found = Sink::new();
        let jobs: Vec<_> =
            part.iter().map(|&(name, entry)| read_one(name, entry, table, around, &mut found)).collect();
        (jobs, found)
    });
    let mut drafts = Vec::with_capacity(entries.len());
    for (part, found) in parts {
        drafts.extend(part);
        sink.take(found);
    }
    Jobs { drafts, table: Some(table) }
}

fn read_one<'d>(
    name: &'d str,
    entry: &'d Entry,
    jobs: &Table,
    around: &Surroundings<'_, 'd, '_>,
    sink: &mut Sink,
) -> JobDraft<'d> {
    let id = fields::id(name, "a job", entry.key_span, sink);
    let mut job = JobDraft {
        id,
        name,
        name_span: entry.key_span,
        depends_on: Vec::new(),
        depends_on_span: None,
        operations: Vec::new(),
        when: None,
        output: None,
        span: entry.value.span,
        description: None,
        run_if: RunIf::default(),
        allow_failure: false,
        timeout: None,
        is_whole: false,
    };
    let ValueKind::Table(table) = &entry.value.kind else {
        let help = if JOB_KEYS.contains(&name) {
            format!("`{name}` belongs to a job: `[jobs.<id>]`")
        } else {
            format!("write `[jobs.{name}]`, and below it `[[jobs.{name}.operations]]`")
        };
        sink.report(
            fields::wrong_type(name, &entry.value, "a table: each key of `[jobs]` is a job").help(help),
        );
        return job;
    };
    let what = format!("job `{name}`");
    let place = Place { table, what: &what, header: entry.value.span };
    fields::refuse_unknown(place, JOB_KEYS, sink);
    job.is_whole = true;
    job.description = fields::text(place, "description", sink);
    job.run_if = fields::choice(place, "run_if", RUN_IF, sink).unwrap_or_default();
    job.allow_failure = fields::boolean(place, "allow_failure", sink).unwrap_or(false);
    job.timeout = fields::duration(place, "timeout", sink);
    job.depends_on_span = table.entries.get("depends_on").map(|entry| entry.value.span);
    job.depends_on = depends_on(place, name, jobs, sink);
    let written = |key: &str| table.value(key);
    job.when = written("when").map(|value| Written::read(value, around.source, sink));
    job.output = written("output").map(|value| Written::read(value, around.source, sink));
    job.operations = read_operations(place, name, around, sink);
    job
}

fn depends_on(place: Place<'_, '_>, job: &str, jobs: &Table, sink: &mut Sink) -> Vec<(usize, Span)> {
    let Some(value) = place.table.value("depends_on") else { return Vec::new() };
    let names = fields::strings("depends_on", value, sink);
    let mut seen: Entries<&str, Span> = Entries::with_capacity(names.len());
    let mut found = Vec::with_capacity(names.len());
    for (name, span) in names {
        if let Some(first) = seen.get(name) {
            sink.report(
                Diagnostic::error(
                    "bunsui::pipeline::duplicate_dependency",
                    format!("job `{job}` depends on `{name}` twice"),
                )
                .label(span, "again here")
                .label(*first, "first here")
                .help("name each job once"),
            );
            continue;
        }
        seen.insert_new(name, span);
        if name == job {
            sink.report(
                Diagnostic::error(
                    "bunsui::pipeline::self_dependency",
                    format!("job `{job}` depends on itself"),
                )
                .label(span, "the job itself")
                .help("remove it"),
            );
            continue;
        }
        match jobs.entries.get_index_of(name) {
            Some(index) => found.push((index, span)),
            None => {
                let others = jobs.entries.keys().map(String::as_str).filter(|other| *other != job);
                sink.report(
                    Diagnostic::error("bunsui::pipeline::unknown_job", format!("there is no job `{name}`"))
                        .label(span, "unknown job")
                        .help(known_names(name, "other jobs", others)),
                );
            }
        }
    }
    found
}

fn read_operations<'d>(
    place: Place<'_, 'd>,
    job: &str,
    around: &Surroundings<'_, 'd, '_>,
    sink: &mut Sink,
) -> Vec<OperationDraft<'d>> {
    let help = || format!("add one below a header `[[jobs.{job}.operations]]`");
    let no_operations = |span: Span| {
        Diagnostic::error("bunsui::pipeline::no_operations", format!("job `{job}` has no operations"))
            .label(span, "does nothing")
            .help(help())
    };
    let Some(value) = place.table.value("operations") else {
        sink.report(no_operations(place.header));
        return Vec::new();
    };
    let items = match &value.kind {
        ValueKind::Array(items) => items,
        kind => {
            let diagnostic = fields::wrong_type("operations", value, "a list of tables");
            sink.report(match kind {
                ValueKind::Table(_) => {
                    diagnostic.help(format!("write `[[jobs.{job}.operations]]`, in double brackets"))
                }
                _ => diagnostic.help(help()),
            });
            return Vec::new();
        }
    };
    if items.is_empty() {
        sink.report(no_operations(value.span));
    }
    let numbered = items.iter().enumerate();
    let found: Vec<_> =
        numbered.filter_map(|(at, item)| operations::read(item, job, at + 1, around, sink)).collect();
    check_names(job, &found, sink);
    found
}

fn check_names(job: &str, operations: &[OperationDraft<'_>], sink: &mut Sink) {
    let mut seen: Entries<&str, Span> = Entries::with_capacity(operations.len());
    for operation in operations {
        let Some(name) = operation.name_text else { continue };
        if let Some(first) = seen.get(name) {
            sink.report(
                Diagnostic::error(
                    "bunsui::pipeline::duplicate_operation",
                    format!("job `{job}` has two operations named `{name}`"),
                )
                .label(operation.name_span, "again here")
                .label(*first, "first here")
                .help("give each operation of a job a name of its own"),
            );
        } else {
            seen.insert_new(name, operation.name_span);
        }
    }
}

impl JobDraft<'_> {
    /// Whether one of its operations is named so.
    pub(super) fn has_operation(&self, name: &str) -> bool {
        self.operations.iter().any(|operation| operation.name_text == Some(name))
    }

    /// The job, if nothing is missing. `ids` are those of all jobs.
    pub(super) fn finish(self, ids: &[Id]) -> Option<(Id, Job)> {
        let id = self.id?;
        if !self.is_whole {
            return None;
        }
        let job = Job {
            id: id.clone(),
            span: self.span,
            description: self.description,
            depends_on: self.depends_on.iter().filter_map(|(index, _)| ids.get(*index).cloned()).collect(),
            run_if: self.run_if,
            when: self.when.and_then(|written| written.template),
            allow_failure: self.allow_failure,
            timeout: self.timeout,
            operations: self.operations.into_iter().map(OperationDraft::finish).collect::<Option<_>>()?,
            output: self.output.and_then(|written| written.template),
        };
        Some((id, job))
    }
}
