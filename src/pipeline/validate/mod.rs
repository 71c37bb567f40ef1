//! Document to pipeline, with every finding.
//!
//! A pass for each part of the file reads and reports; what depends on several parts - the graph, references, the
//! plugins' own checks - comes after them. A part that could not be read causes no findings elsewhere.

mod checks;
mod cycles;
mod defaults;
mod fields;
mod head;
mod jobs;
mod json;
mod keys;
mod lints;
mod operations;
mod params;
mod parts;
mod references;
mod retry;
mod rule;
mod schema;
mod types;
mod verdict;
mod words;

use self::fields::Place;
use self::head::Head;
use self::jobs::{Jobs, Written};
use self::operations::Surroundings;
use self::params::Params;
use self::types::Types;
use super::{Graph, Id, OperationCatalogue, Param, Pipeline};
use crate::diagnostic::{Diagnostic, Sink};
use crate::document::Document;
use indexmap::IndexMap;

const ROOT_KEYS: &[&str] = &["pipeline", "params", "defaults", "jobs"];

/// Checks all of a document and gives its pipeline if there was no error.
pub fn validate(
    document: &Document,
    catalogue: &dyn OperationCatalogue,
    sink: &mut Sink,
) -> Option<Pipeline> {
    draft(document, catalogue, sink, |_, _| {})?.finish(document)
}

/// Checks all of a document, for who needs no pipeline: the same findings, and warnings about what is right and likely not meant.
/// Gives what was made on the way, which is to be dropped; of a large file that takes a while, and who ends anyway can do without.
pub fn check<'d, 'c>(
    document: &'d Document,
    catalogue: &'c dyn OperationCatalogue,
    sink: &mut Sink,
) -> impl Sized + use<'d, 'c> {
    draft(document, catalogue, sink, |draft, sink| {
        let subject = lints::Subject {
            document,
            timeout: draft.head.timeout,
            exclusive: draft.head.exclusive.as_ref(),
            params: &draft.params,
            jobs: &draft.jobs,
            graph: &draft.graph,
            types: &draft.types,
        };
        lints::check(&subject, sink);
    })
}

/// A pipeline in which nothing is wrong, in parts.
struct Draft<'d, 'c> {
    head: Head<'d>,
    params: Params<'d>,
    jobs: Jobs<'d>,
    graph: Graph,
    types: Types<'c>,
}

/// `besides` looks at a pipeline in which nothing is wrong.
fn draft<'d, 'c>(
    document: &'d Document,
    catalogue: &'c dyn OperationCatalogue,
    sink: &mut Sink,
    besides: impl FnOnce(&Draft<'d, 'c>, &mut Sink),
) -> Option<Draft<'d, 'c>> {
    // Found here first: what stands in [defaults] is looked at once an operation, and shall be reported once.
    let mut found = Sink::new();
    let draft = read(document, catalogue, &mut found);
    if let Some(draft) = &draft {
        besides(draft, &mut found);
    }
    let has_errors = found.has_errors();
    let mut diagnostics = found.into_sorted();
    diagnostics.dedup();
    diagnostics.into_iter().for_each(|diagnostic| sink.report(diagnostic));
    draft.filter(|_| !has_errors)
}

fn read<'d, 'c>(
    document: &'d Document,
    catalogue: &'c dyn OperationCatalogue,
    sink: &mut Sink,
) -> Option<Draft<'d, 'c>> {
    let root = &document.root;
    if root.entries.is_empty() {
        sink.report(empty());
        return None;
    }
    let place = Place { table: root, what: "a pipeline file", header: root.span };
    fields::refuse_unknown(place, ROOT_KEYS, sink);
    let types = Types::of(document, catalogue);
    check_schemas(&types, sink);
    let head = head::read(document, sink);
    let params = params::read(document, sink);
    let defaults = defaults::read(document, &document.source, &types, sink);
    let around =
        Surroundings { source: &document.source, types: &types, defaults: &defaults, params: &params };
    let mut jobs = jobs::read(document, &around, sink);
    let (checked, requests) = checks::requests(&mut jobs.drafts);
    // Plugins are other processes: they answer while the graph and the references are looked at.
    let graph = std::thread::scope(|scope| {
        let asking = (!requests.is_empty()).then(|| scope.spawn(|| catalogue.check(&requests)));
        let exclusive = head.as_ref().and_then(|head| head.exclusive.as_ref());
        let graph = check_across_jobs(&jobs, &params, exclusive, sink);
        if let Some(asking) = asking {
            let answers = asking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            checked.report(answers, &jobs.drafts, sink);
        }
        graph
    });
    if sink.has_errors() {
        return None;
    }
    Some(Draft { head: head?, params, jobs, graph, types })
}

/// What depends on several jobs: the graph and references.
fn check_across_jobs(
    jobs: &Jobs<'_>,
    params: &Params<'_>,
    exclusive: Option<&Written<'_>>,
    sink: &mut Sink,
) -> Graph {
    let upstreams: Vec<Vec<usize>> =
        jobs.drafts.iter().map(|job| job.depends_on.iter().map(|(index, _)| *index).collect()).collect();
    cycles::check(&jobs.drafts, &upstreams, sink);
    let graph = Graph::new(upstreams);
    let names = references::Names { params, jobs };
    references::check(&names, &graph, sink);
    if let Some(exclusive) = exclusive {
        references::check_exclusive(&names, exclusive, sink);
    }
    graph
}

fn empty() -> Diagnostic {
    Diagnostic::error("bunsui::pipeline::empty", "the file is empty")
        .help("`bunsui init` writes a pipeline to begin with")
}

fn check_schemas(types: &Types<'_>, sink: &mut Sink) {
    for schema in types.used() {
        if let Err(reason) = &schema.validator {
            let declared = schema.declared;
            sink.report(
                Diagnostic::error(
                    "bunsui::pipeline::schema_unusable",
                    format!(
                        "plugin `{}` gives a schema for `{}` that cannot be used: {reason}",
                        declared.plugin, declared.name
                    ),
                )
                .help("this is a mistake in the plugin; tell its authors"),
            );
        }
    }
}

impl Draft<'_, '_> {
    fn finish(self, document: &Document) -> Option<Pipeline> {
        let Self { head, params, jobs, graph, types: _ } = self;
        let ids: Vec<Id> = jobs.drafts.iter().map(|job| job.id.clone()).collect::<Option<_>>()?;
        let params: Option<IndexMap<Id, Param>> = params
            .by_name
            .into_iter()
            .map(|(_, param)| param.map(|param| (param.name.clone(), param)))
            .collect();
        let jobs: Option<IndexMap<Id, super::Job>> =
            jobs.drafts.into_iter().map(|job| job.finish(&ids)).collect();
        Some(Pipeline {
            source: document.source.clone(),
            name: head.name?,
            description: head.description,
            timeout: head.timeout,
            max_concurrency: head.max_concurrency,
            on_failure: head.on_failure,
            exclusive: head.exclusive.and_then(|written| written.template),
            params: params?,
            jobs: jobs?,
            graph,
        })
    }
}
