//! What is right and likely not meant: warnings about a pipeline in which nothing is wrong.
//!
//! Takes: the parts of a valid pipeline with their places. Gives: warnings, each with a code that `[validate] allow` takes away.
//! Deliberately does not: look at anything that an error was found in.

use super::jobs::{JobDraft, Jobs, Written};
use super::operations::OperationDraft;
use super::params::Params;
use super::types::Types;
use crate::diagnostic::{Diagnostic, Sink, Span};
use crate::document::{Document, Value, ValueKind};
use crate::expression::{Part, Reference, Root, Template};
use crate::pipeline::{Graph, RunIf, format_duration};
use std::collections::HashSet;
use std::time::Duration;

/// What Step Functions takes as input or output of a state, in bytes (its guide, "Quotas related to task executions").
const PAYLOAD: usize = 262_144;

/// Events of an execution's history; with one more it fails (the same page).
const EVENTS: u64 = 25_000;

/// Of each try of a task that waits for its end: scheduled, started, submitted, and how it ended.
const EVENTS_OF_A_TRY: u64 = 4;

/// A state is entered and exited.
const EVENTS_OF_A_STATE: u64 = 2;

/// More pairs of dependencies are not compared: nobody writes such files by hand.
const MOST_PAIRS: usize = 200_000;

/// A valid pipeline.
pub(super) struct Subject<'a, 'd> {
    pub(super) document: &'d Document,
    pub(super) timeout: Option<Duration>,
    pub(super) exclusive: Option<&'a Written<'d>>,
    pub(super) params: &'a Params<'d>,
    pub(super) jobs: &'a Jobs<'d>,
    pub(super) graph: &'a Graph,
    pub(super) types: &'a Types<'a>,
}

/// Reports all of them.
pub(super) fn check(subject: &Subject<'_, '_>, sink: &mut Sink) {
    unused(subject, sink);
    implied_dependencies(subject, sink);
    timeouts(subject, sink);
    for job in &subject.jobs.drafts {
        events(subject, job, sink);
        for operation in &job.operations {
            payload(subject, operation, sink);
            secrets(subject, operation, sink);
        }
    }
}

/// What nothing refers to: params, and outputs of jobs that others come after.
fn unused(subject: &Subject<'_, '_>, sink: &mut Sink) {
    let mut used = Used::default();
    subject.exclusive.iter().for_each(|exclusive| used.written(exclusive));
    for job in &subject.jobs.drafts {
        job.when.iter().chain(&job.output).for_each(|written| used.written(written));
        let keys = job.operations.iter().flat_map(|operation| operation.keys.entries.values());
        keys.flat_map(|key| &key.template).for_each(|template| used.template(template));
    }
    for (name, param) in &subject.params.by_name {
        let Some(param) = param.as_ref().filter(|_| !used.params.contains(*name)) else {
            continue;
        };
        sink.report(
            Diagnostic::warning("bunsui::param::unused", format!("nothing refers to param `{name}`"))
                .label(param.span, "is given and read by nobody")
                .help(format!("refer to it, `${{params.{name}}}`, or remove it")),
        );
    }
    for (at, job) in subject.jobs.drafts.iter().enumerate() {
        let Some(output) = &job.output else { continue };
        // The output of a last job is what the pipeline is for; what only tells how it went comes after it too.
        let goes_on = subject.graph.downstreams[at]
            .iter()
            .any(|downstream| subject.jobs.drafts[*downstream].run_if == RunIf::AllSucceeded);
        let is_read = used.jobs.contains(job.name) || !goes_on;
        if !is_read {
            let message = format!("no job refers to the output of job `{}`", job.name);
            sink.report(
                Diagnostic::warning("bunsui::pipeline::unused_output", message)
                    .label(output.value.span, "is made and read by nobody")
                    .help(format!("refer to it, `${{jobs.{}}}`, or remove `output`", job.name)),
            );
        }
    }
}

/// Names that are referred to.
#[derive(Default)]
struct Used<'a> {
    params: HashSet<&'a str>,
    jobs: HashSet<&'a str>,
}

impl<'a> Used<'a> {
    fn written(&mut self, written: &'a Written<'_>) {
        written.template.iter().for_each(|template| self.template(template));
    }

    fn template(&mut self, template: &'a Template) {
        if !template.is_literal() {
            template.references().into_iter().for_each(|reference| self.reference(reference));
        }
    }

    fn reference(&mut self, reference: &'a Reference) {
        let names = match reference.root {
            Root::Params => &mut self.params,
            Root::Jobs => &mut self.jobs,
            Root::Operations | Root::Session | Root::Pipeline => return,
        };
        names.extend(reference.name());
    }
}

/// A job that another dependency needs already. Only where that comes to the same: `run_if` other than `all_succeeded` looks at
/// direct upstreams.
fn implied_dependencies(subject: &Subject<'_, '_>, sink: &mut Sink) {
    let drafts = &subject.jobs.drafts;
    let is_plain = |job: usize| drafts[job].run_if == RunIf::AllSucceeded;
    let mut pairs = Vec::new();
    let mut places = Vec::new();
    for job in drafts.iter().filter(|job| job.run_if == RunIf::AllSucceeded && job.depends_on.len() > 1) {
        for (needed, span) in &job.depends_on {
            for (by, _) in job.depends_on.iter().filter(|(by, _)| by != needed && is_plain(*by)) {
                pairs.push((*by, *needed));
                places.push((job, *needed, *by, *span));
            }
        }
        if pairs.len() > MOST_PAIRS {
            return;
        }
    }
    if pairs.is_empty() {
        return;
    }
    let upstreams = subject.graph.upstreams.iter().enumerate();
    let plain = upstreams.map(|(job, needed)| if is_plain(job) { needed.clone() } else { Vec::new() });
    let implied = Graph::new(plain.collect()).are_upstream(&pairs);
    let mut last: Option<(Span, usize)> = None;
    for ((job, needed, by, span), is_implied) in places.into_iter().zip(implied) {
        // Once for each name, whichever others imply it.
        if !is_implied || last == Some((span, needed)) {
            continue;
        }
        last = Some((span, needed));
        let (needed, by) = (drafts[needed].name, drafts[by].name);
        let message = format!("job `{}` depends on `{needed}` through `{by}` already", job.name);
        sink.report(
            Diagnostic::warning("bunsui::pipeline::implied_dependency", message)
                .label(span, "changes nothing")
                .help("remove it: references to its output work as before"),
        );
    }
}

/// Time limits that a shorter one around them makes meaningless.
fn timeouts(subject: &Subject<'_, '_>, sink: &mut Sink) {
    let root = &subject.document.root;
    let defaults = root.value("defaults").and_then(|defaults| value(defaults, "timeout"));
    let of_pipeline = root.value("pipeline").and_then(|pipeline| value(pipeline, "timeout"));
    let pipeline = subject.timeout.zip(of_pipeline).map(|(limit, value)| Limit {
        what: "the pipeline".to_owned(),
        limit,
        span: value.span,
    });
    let jobs = root.value("jobs");
    for job in &subject.jobs.drafts {
        let of_job = job.timeout.and_then(|limit| {
            let written = value(value(jobs?, job.name)?, "timeout")?;
            Some(Limit { what: format!("job `{}`", job.name), limit, span: written.span })
        });
        if let (Some(of_job), Some(pipeline)) = (&of_job, &pipeline) {
            too_long(of_job, pipeline, sink);
        }
        for operation in &job.operations {
            let own = value(operation.table, "timeout");
            let Some((limit, written)) = operation.timeout.zip(own.or(defaults)) else { continue };
            let around = [of_job.as_ref(), pipeline.as_ref()].into_iter().flatten();
            let Some(around) = around.min_by_key(|around| around.limit) else { continue };
            let name = operation.name_text.unwrap_or_default();
            let of_operation = match own {
                Some(_) => format!("operation `{name}`"),
                // Said once, however many operations it holds for.
                None => "each operation (`[defaults]`)".to_owned(),
            };
            let own = Limit { what: of_operation, limit, span: written.span };
            too_long(&own, around, sink);
        }
    }
}

/// A time limit and where it is written.
struct Limit {
    what: String,
    limit: Duration,
    span: Span,
}

fn too_long(own: &Limit, around: &Limit, sink: &mut Sink) {
    if own.limit <= around.limit {
        return;
    }
    let message = format!(
        "the timeout of {} is {}, and that of {} only {}",
        own.what,
        format_duration(own.limit),
        around.what,
        format_duration(around.limit)
    );
    sink.report(
        Diagnostic::warning("bunsui::pipeline::timeout_too_long", message)
            .label(own.span, "is never reached")
            .label(around.span, "ends it before")
            .help("make the one shorter or the other longer"),
    );
}

fn value<'v>(of: &'v Value, key: &str) -> Option<&'v Value> {
    match &of.kind {
        ValueKind::Table(table) => table.value(key),
        _ => None,
    }
}

/// Retries that a history has no room for.
fn events(subject: &Subject<'_, '_>, job: &JobDraft<'_>, sink: &mut Sink) {
    let tries = |operation: &OperationDraft<'_>| {
        operation.retry.as_ref().map_or(1, |retry| u64::from(retry.max_attempts.get()))
    };
    let of = |operation: &OperationDraft<'_>| {
        EVENTS_OF_A_STATE.saturating_add(tries(operation).saturating_mul(EVENTS_OF_A_TRY))
    };
    let all = job.operations.iter().map(of).fold(0, u64::saturating_add);
    if all <= EVENTS {
        return;
    }
    let Some(most) = job.operations.iter().max_by_key(|operation| of(operation)) else { return };
    let own = value(most.table, "retry");
    let defaults = subject.document.root.value("defaults").and_then(|defaults| value(defaults, "retry"));
    let span = own.or(defaults).map_or(most.header, |value| value.span);
    let message = format!(
        "an execution of job `{}` could have {all} events, and Step Functions ends one after {EVENTS}",
        job.name
    );
    sink.report(
        Diagnostic::warning("bunsui::pipeline::too_many_events", message)
            .label(span, format!("up to {} tries", tries(most)))
            .help("try less often, with a longer `interval`; or make two jobs of it"),
    );
}

/// What is written out in the file and alone more than Step Functions passes on.
fn payload(subject: &Subject<'_, '_>, operation: &OperationDraft<'_>, sink: &mut Sink) {
    if subject.document.source.text.len() <= PAYLOAD {
        return;
    }
    let sizes = operation.keys.entries.iter().filter(|(key, _)| !is_static(subject, operation, key));
    let sizes: Vec<(&&str, usize, Span)> = sizes
        .filter_map(|(key, found)| Some((key, literal(found.template.as_ref()?), found.entry.key_span)))
        .collect();
    let all: usize = sizes.iter().map(|(_, size, _)| size).sum();
    if all <= PAYLOAD {
        return;
    }
    let Some((key, size, span)) = sizes.iter().max_by_key(|(_, size, _)| *size) else { return };
    let name = operation.name_text.unwrap_or_default();
    let message = format!(
        "what operation `{name}` is given has more than {PAYLOAD} bytes before a reference is filled in: Step Functions \
         refuses it"
    );
    sink.report(
        Diagnostic::warning("bunsui::pipeline::payload_too_large", message)
            .label(*span, format!("`{key}` is {size} bytes of it"))
            .help("put it into an object in S3, and pass its address"),
    );
}

/// Bytes of what is written out; what is referred to counts as nothing.
fn literal(template: &Template) -> usize {
    match template {
        Template::Literal(json) => json.to_string().len(),
        Template::Text(parts) => parts
            .iter()
            .map(|part| match part {
                Part::Literal(text) => text.len(),
                Part::Reference(_) => 0,
            })
            .sum(),
        Template::List(items) => items.iter().map(literal).sum(),
        Template::Table(table) => table.iter().map(|(key, value)| key.len() + literal(value)).sum(),
        Template::Reference(_) | Template::Jsonata(_) => 0,
    }
}

fn is_static(subject: &Subject<'_, '_>, operation: &OperationDraft<'_>, key: &str) -> bool {
    let schema = operation.kind.and_then(|kind| subject.types.get(kind));
    schema.is_none_or(|schema| schema.is_static(key))
}

/// Secrets that are written out: they would stand in the definition, for everybody who may look at it.
fn secrets(subject: &Subject<'_, '_>, operation: &OperationDraft<'_>, sink: &mut Sink) {
    for (key, found) in &operation.keys.entries {
        if !is_static(subject, operation, key) {
            secrets_in(&found.entry.value, key, sink);
        }
    }
}

fn secrets_in(value: &Value, name: &str, sink: &mut Sink) {
    match &value.kind {
        ValueKind::Array(items) => items.iter().for_each(|item| secrets_in(item, name, sink)),
        ValueKind::Table(table) => {
            table.entries.iter().for_each(|(name, entry)| secrets_in(&entry.value, name, sink));
        }
        ValueKind::String(text) => {
            let Some(what) = secret(name, text) else { return };
            sink.report(
                Diagnostic::warning(
                    "bunsui::pipeline::secret_in_clear",
                    format!("{what} stands in the definition, where everybody reads it who may look at state machines"),
                )
                .label(value.span, "in clear")
                .help("pass a reference that the operation resolves itself, `ssm:/path` or `secretsmanager:name`; or a param with `secret = true`"),
            );
        }
        _ => {}
    }
}

/// What kind of secret a text is, by its own form or by the name that it has.
fn secret(name: &str, text: &str) -> Option<String> {
    if is_access_key(text) {
        return Some("an access key of AWS".to_owned());
    }
    if text.contains("-----BEGIN ") && text.contains("PRIVATE KEY-----") {
        return Some("a private key".to_owned());
    }
    let name_says = {
        const ENDINGS: [&str; 8] =
            ["password", "passwd", "passphrase", "secret", "api_key", "apikey", "secret_key", "private_key"];
        let name = name.to_lowercase().replace('-', "_");
        ENDINGS.iter().any(|ending| name.ends_with(ending)) || name == "token" || name.ends_with("_token")
    };
    const REFERENCES: [&str; 5] = ["ssm:", "secretsmanager:", "arn:", "/", "s3://"];
    let is_reference = text.contains("${") || text.contains("{%");
    let is_address = REFERENCES.iter().any(|start| text.starts_with(start));
    // Shorter ones are words such as `none`.
    (name_says && !is_reference && !is_address && text.len() >= 8).then(|| format!("the value of `{name}`"))
}

/// `AKIA…` or `ASIA…`, twenty characters (IAM guide, "Understanding unique ID prefixes").
fn is_access_key(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    ["AKIA", "ASIA"].iter().any(|start| {
        text.match_indices(start).any(|(at, _)| {
            let key: Vec<u8> = text.bytes().skip(at).take_while(|byte| is_part(*byte)).collect();
            let begins = at == 0 || !is_part(text.as_bytes()[at - 1]);
            begins && key.len() == 20
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_told_by_their_form_or_name() {
        assert!(secret("x", "key AKIAIOSFODNN7EXAMPLE here").is_some());
        assert_eq!(secret("x", "AKIAIOSFODNN7EXAMPLEAB"), None);
        assert_eq!(secret("x", "SAKIAIOSFODNN7EXAMPLE"), None);
        assert!(secret("DB_PASSWORD", "hunter2hunter2").is_some());
        assert!(secret("token", "0123456789abcdef").is_some());
        for (name, text) in [
            ("DB_PASSWORD", "ssm:/prod/db"),
            ("DB_PASSWORD", "${params.password}"),
            ("token", "none"),
            ("token_url", "https://auth.example.org/token"),
            ("secret_name", "prod/db/password"),
        ] {
            assert_eq!(secret(name, text), None, "{name} = {text}");
        }
    }
}
