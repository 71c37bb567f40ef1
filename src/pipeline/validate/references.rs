//! Every reference: does what it names exist, and is it there when it is needed?
//!
//! Takes: templates with where they stand. Gives: findings; whether a job is upstream is asked in one go at the end,
//! since the graph answers many questions at once.
//! Deliberately does not: parse references; `expression` has.

use super::fields::{known_names, list};
use super::jobs::{JobDraft, Jobs, Written};
use super::params::Params;
use super::parts::in_parts;
use crate::diagnostic::{Diagnostic, Severity, Sink, Span, nearest};
use crate::document::{Value, ValueKind};
use crate::expression::{Reference, Root, Segment, Template};
use crate::pipeline::{Graph, Param, ParamType};
use serde_json::Value as Json;

const SESSION: &[&str] = &["id", "started_at"];
const PIPELINE: &[&str] = &["name", "version"];

/// Where a reference stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Site {
    /// In the keys of the job's operation of that number.
    Operation(usize),
    /// In the job's `output`.
    Output,
    /// In the job's `when`.
    When,
    /// In `[pipeline] exclusive`.
    Exclusive,
}

/// What there is to refer to.
pub(super) struct Names<'a, 'd> {
    pub(super) params: &'a Params<'d>,
    pub(super) jobs: &'a Jobs<'d>,
}

/// A use of another job's output that the graph has to allow.
struct Use {
    job: usize,
    target: usize,
    span: Span,
}

/// Checks all references of all jobs.
pub(super) fn check(names: &Names<'_, '_>, graph: &Graph, sink: &mut Sink) {
    let parts = in_parts(&names.jobs.drafts, |first, part| {
        let (mut uses, mut found) = (Vec::new(), Sink::new());
        for (at, job) in part.iter().enumerate() {
            Checker { names, job, index: first + at, uses: &mut uses, sink: &mut found }.job();
        }
        (uses, found)
    });
    let mut uses = Vec::new();
    for (part, found) in parts {
        uses.extend(part);
        sink.take(found);
    }
    check_uses(names, graph, &uses, sink);
}

/// Checks `[pipeline] exclusive`, which is decided before the session begins.
pub(super) fn check_exclusive(names: &Names<'_, '_>, exclusive: &Written<'_>, sink: &mut Sink) {
    for reference in exclusive.readable().flat_map(Template::references) {
        match reference.root {
            Root::Params => param(names, reference, Site::Exclusive, sink),
            Root::Pipeline => field(reference, &["name"], sink),
            Root::Jobs | Root::Operations | Root::Session => sink.report(
                Diagnostic::error(
                    "bunsui::reference::not_known_yet",
                    "`exclusive` is decided before the session begins",
                )
                .label(reference.span, "is not known then")
                .help("refer to params: `exclusive = \"${params.<name>}\"`"),
            ),
        }
    }
}

struct Checker<'a, 'd> {
    names: &'a Names<'a, 'd>,
    job: &'a JobDraft<'d>,
    index: usize,
    uses: &'a mut Vec<Use>,
    sink: &'a mut Sink,
}

impl Checker<'_, '_> {
    fn job(&mut self) {
        let job = self.job;
        if let Some(when) = &job.when {
            when.readable().for_each(|template| self.template(template, Site::When));
            if let Some(template) = &when.template {
                self.condition(template, when.value.span);
            }
        }
        for (at, operation) in job.operations.iter().enumerate() {
            for key in operation.keys.entries.values() {
                key.readable().for_each(|template| self.template(template, Site::Operation(at)));
            }
        }
        if let Some(output) = &job.output {
            output.readable().for_each(|template| self.template(template, Site::Output));
        }
    }

    fn template(&mut self, template: &Template, site: Site) {
        if matches!(template, Template::Literal(_)) {
            return;
        }
        for reference in template.references() {
            if self.sink.is_full() {
                return;
            }
            match reference.root {
                Root::Params => self.param(reference, site),
                Root::Jobs => self.upstream(reference),
                Root::Operations => self.operation(reference, site),
                Root::Session => self.field(reference, SESSION),
                Root::Pipeline => self.field(reference, PIPELINE),
            }
        }
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.sink.report(diagnostic);
    }

    fn unnamed(&mut self, reference: &Reference, kind: &str) {
        self.report(unnamed(reference, kind));
    }

    fn param(&mut self, reference: &Reference, site: Site) {
        param(self.names, reference, site, self.sink);
    }

    fn upstream(&mut self, reference: &Reference) {
        let Some(name) = reference.name() else { return self.unnamed(reference, "job") };
        let Some(target) = self.names.jobs.position(name) else {
            let mut help = known_names(name, "jobs", self.names.jobs.names());
            if self.job.operations.iter().any(|operation| operation.name_text == Some(name)) {
                help = format!("`{name}` is an operation of this job: `operations.{name}`");
            }
            return self.report(
                Diagnostic::error("bunsui::reference::unknown_job", format!("there is no job `{name}`"))
                    .label(reference.span, "unknown job")
                    .help(help),
            );
        };
        if target == self.index {
            return self.report(
                Diagnostic::error(
                    "bunsui::reference::not_upstream",
                    format!("job `{name}` refers to its own output"),
                )
                .label(reference.span, "there is no output yet")
                .help("within a job refer to earlier operations: `operations.<name>`"),
            );
        }
        let is_direct = self.job.depends_on.iter().any(|(upstream, _)| *upstream == target);
        if !is_direct {
            self.uses.push(Use { job: self.index, target, span: reference.span });
        }
    }

    fn operation(&mut self, reference: &Reference, site: Site) {
        let Some(name) = reference.name() else { return self.unnamed(reference, "operation") };
        if site == Site::When {
            return self.report(
                Diagnostic::error(
                    "bunsui::reference::operation_in_when",
                    "`when` is decided before the job starts",
                )
                .label(reference.span, "no operation has run yet")
                .help("refer to params or to upstream jobs"),
            );
        }
        let earlier = match site {
            Site::Operation(at) => at,
            Site::Output | Site::When | Site::Exclusive => self.job.operations.len(),
        };
        let found = self.job.operations.iter().position(|operation| operation.name_text == Some(name));
        match found {
            Some(at) if at < earlier => {}
            Some(at) => self.later(reference, name, at == earlier, self.job.operations[at].name_span),
            None => self.unknown_operation(reference, name, earlier),
        }
    }

    fn later(&mut self, reference: &Reference, name: &str, is_itself: bool, place: Span) {
        let (message, label) = match is_itself {
            true => (format!("operation `{name}` refers to its own result"), "there is no result yet"),
            false => (format!("operation `{name}` comes later in this job"), "has no result yet"),
        };
        let diagnostic =
            Diagnostic::error("bunsui::reference::later_operation", message).label(reference.span, label);
        self.report(if is_itself {
            diagnostic
        } else {
            diagnostic.label(place, "comes here").help("operations run in the order of the file; move it up")
        });
    }

    fn unknown_operation(&mut self, reference: &Reference, name: &str, earlier: usize) {
        let names = self.job.operations.iter().take(earlier).filter_map(|operation| operation.name_text);
        let mut help = known_names(name, "earlier operations", names);
        if self.names.jobs.position(name).is_some() {
            help = format!("`{name}` is a job; its output is `jobs.{name}`");
        } else if let Some(job) = self.names.jobs.drafts.iter().find(|job| job.has_operation(name)) {
            let id = job.name;
            help = format!(
                "`{name}` is an operation of job `{id}`; another job gives only its output: `jobs.{id}`"
            );
        }
        self.report(
            Diagnostic::error(
                "bunsui::reference::unknown_operation",
                format!("there is no operation `{name}` in job `{}`", self.job.name),
            )
            .label(reference.span, "unknown operation")
            .help(help),
        );
    }

    fn field(&mut self, reference: &Reference, fields: &[&str]) {
        field(reference, fields, self.sink);
    }
    /// `when` is a boolean wherever its type is known.
    fn condition(&mut self, template: &Template, span: Span) {
        let (found, declared) = match template {
            Template::Literal(Json::Bool(_)) | Template::Jsonata(_) => return,
            Template::Literal(Json::String(_)) => ("text", None),
            Template::Literal(Json::Number(_)) => ("a number", None),
            Template::Literal(Json::Array(_)) | Template::List(_) => ("a list", None),
            Template::Literal(_) | Template::Table(_) => ("a table", None),
            Template::Text(_) => ("text", None),
            Template::Reference(reference) => match self.known_type(reference) {
                Some((kind, declared)) if kind != "a boolean" => (kind, declared),
                _ => return,
            },
        };
        let mut diagnostic = Diagnostic::error(
            "bunsui::reference::not_boolean",
            format!("`when` wants a boolean, and this is {found}"),
        )
        .label(span, "not a boolean");
        if let Some(declared) = declared {
            diagnostic = diagnostic.label(declared, format!("{found} by its type"));
        }
        self.report(diagnostic.help(match template {
            Template::Literal(Json::String(text)) if matches!(text.as_str(), "true" | "false") => {
                format!("write `{text}` without quotes")
            }
            _ => "compare it with something: `when = \"{% $params.year > 2012 %}\"`".to_owned(),
        }));
    }

    fn known_type(&self, reference: &Reference) -> Option<(&'static str, Option<Span>)> {
        match reference.root {
            Root::Params if reference.path.len() == 1 => {
                let param = self.names.params.by_name.get(reference.name()?)?.as_ref()?;
                Some((param.kind.description(), Some(param.span)))
            }
            Root::Session | Root::Pipeline => Some(("text", None)),
            Root::Params | Root::Jobs | Root::Operations => None,
        }
    }
}

/// `$jobs` as a whole: which of them is meant is not known before the pipeline runs.
fn unnamed(reference: &Reference, kind: &str) -> Diagnostic {
    let root = reference.root.name();
    let message = format!("`${root}` is used as a whole, and which {kind} is meant is not known");
    Diagnostic::error("bunsui::reference::unnamed", message)
        .label(reference.span, format!("names no {kind}"))
        .help(format!("name each {kind}: `${root}.<{kind}>`; a name with `-` stands in backticks"))
}

fn param(names: &Names<'_, '_>, reference: &Reference, site: Site, sink: &mut Sink) {
    let Some(name) = reference.name() else { return sink.report(unnamed(reference, "param")) };
    let params = &names.params.by_name;
    let Some(param) = params.get(name) else {
        let mut help = known_names(name, "params", params.keys().copied());
        if names.jobs.position(name).is_some() {
            help = format!("`{name}` is a job; its output is `jobs.{name}`");
        }
        return sink.report(
            Diagnostic::error("bunsui::reference::unknown_param", format!("there is no param `{name}`"))
                .label(reference.span, "unknown param")
                .help(help),
        );
    };
    if let Some(param) = param {
        check_member(reference, param, sink);
        if param.secret {
            secret(reference, param, site, sink);
        }
    }
}

/// Only tables and lists have something within.
fn check_member(reference: &Reference, param: &Param, sink: &mut Sink) {
    let fits = match reference.path.get(1) {
        None => true,
        Some(Segment::Key(_)) => param.kind == ParamType::Table,
        Some(Segment::Index(_)) => param.kind == ParamType::List,
    };
    if fits {
        return;
    }
    let message = match (param.kind, reference.path.get(1)) {
        (ParamType::Table, _) => {
            format!("param `{}` is a table, which has no numbered items", param.name)
        }
        (ParamType::List, _) => format!("param `{}` is a list, which has no named keys", param.name),
        _ => format!("param `{}` is {}, which has nothing within", param.name, param.kind.description()),
    };
    sink.report(
        Diagnostic::error("bunsui::reference::no_member", message)
            .label(reference.span, "looks into it")
            .label(param.span, format!("{} by its type", param.kind.description())),
    );
}

fn secret(reference: &Reference, param: &Param, site: Site, sink: &mut Sink) {
    let (severity, what, help) = match site {
        Site::Operation(_) => return,
        Site::Output => (
            Severity::Error,
            "would be stored with the job's output",
            "pass it to an operation that needs it; an output is stored and shown",
        ),
        Site::When => (
            Severity::Warning,
            "decides whether the job runs, which shows something of it",
            "use a boolean param of its own for the decision",
        ),
        Site::Exclusive => (
            Severity::Error,
            "would be stored as the session's key",
            "use a param that is no secret; the key is stored and shown",
        ),
    };
    let message = format!("secret `{}` {what}", param.name);
    let diagnostic = Diagnostic::error("bunsui::reference::secret_exposed", message)
        .label(reference.span, "a secret")
        .label(param.span, "declared secret here")
        .help(help);
    sink.report(Diagnostic { severity, ..diagnostic });
}

fn field(reference: &Reference, fields: &[&str], sink: &mut Sink) {
    let root = reference.root.name();
    let Some(segment) = reference.path.first() else { return };
    let (message, help) = match segment {
        Segment::Key(name) if !fields.contains(&name.as_str()) => {
            let help = match nearest(name, fields.iter().copied()) {
                Some(near) => format!("did you mean `{root}.{near}`?"),
                None => format!("it has {}", list(fields.iter().copied())),
            };
            (format!("`{root}` has no `{name}`"), help)
        }
        Segment::Key(name) if reference.path.len() > 1 => {
            (format!("`{root}.{name}` has nothing within"), format!("end the reference after `{name}`"))
        }
        Segment::Key(_) => return,
        Segment::Index(_) => {
            (format!("`{root}` is no list"), format!("it has {}", list(fields.iter().copied())))
        }
    };
    sink.report(
        Diagnostic::error("bunsui::reference::unknown_field", message)
            .label(reference.span, "not known")
            .help(help),
    );
}

fn check_uses(names: &Names<'_, '_>, graph: &Graph, uses: &[Use], sink: &mut Sink) {
    let forth: Vec<_> = uses.iter().map(|found| (found.job, found.target)).collect();
    let allowed = graph.are_upstream(&forth);
    let refused: Vec<&Use> =
        uses.iter().zip(allowed).filter(|(_, allowed)| !allowed).map(|(found, _)| found).collect();
    let back: Vec<_> = refused.iter().map(|found| (found.target, found.job)).collect();
    for (found, is_downstream) in refused.iter().zip(graph.are_upstream(&back)) {
        let (job, target) = (&names.jobs.drafts[found.job], &names.jobs.drafts[found.target]);
        let message = format!("job `{}` is not upstream of `{}`", target.name, job.name);
        let diagnostic = Diagnostic::error("bunsui::reference::not_upstream", message)
            .label(found.span, "its output may not be there yet");
        sink.report(if is_downstream {
            diagnostic
                .label(target.name_span, format!("needs `{}` itself", job.name))
                .help("a job can use only what ran before it; turn the dependency round")
        } else {
            diagnostic
                .label(
                    job.depends_on_span.unwrap_or(job.name_span),
                    format!("does not name `{}`", target.name),
                )
                .help(format!("add `{}` to `depends_on` of `{}`", target.name, job.name))
        });
    }
}

/// Where references and JSONata stand within a value that may hold none.
pub(super) fn spans(template: &Template, value: &Value) -> Vec<Span> {
    match (template, &value.kind) {
        (Template::Literal(_), _) => Vec::new(),
        (Template::Jsonata(_), _) => vec![value.span],
        (Template::List(items), ValueKind::Array(values)) => {
            items.iter().zip(values).flat_map(|(item, value)| spans(item, value)).collect()
        }
        (Template::Table(table), ValueKind::Table(values)) => {
            let pairs = table.iter().filter_map(|(key, template)| Some((template, values.value(key)?)));
            pairs.flat_map(|(template, value)| spans(template, value)).collect()
        }
        (template, _) => template.references().into_iter().map(|reference| reference.span).collect(),
    }
}
