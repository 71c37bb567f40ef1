//! A pipeline file all the way to definitions, and what holds on the way.

use crate::catalogue::Catalogue;
use crate::findings;
use bunsui::diagnostic::{Diagnostic, Sink, Source};
use bunsui::document::Document;
use bunsui::pipeline::{self, Pipeline};
use bunsui::plan::{Outputs, Selection, SessionFacts, plan, resolve_parameters};
use bunsui::state_machine::{CompileError, Definition, StateMachine, compile};
use bunsui::{document, expression};
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// Reads a text: its findings, and a document where it is one.
pub fn read(bytes: &[u8]) -> (Arc<Source>, Vec<Diagnostic>, Option<Document>) {
    let mut sink = Sink::new();
    let source = document::decode("fuzz.toml", bytes.to_vec(), &mut sink);
    let document = document::parse(&source, &mut sink);
    (source, sink.into_sorted(), document)
}

/// Checks a document. Gives a pipeline if, and only if, there is no error; both ways to check agree on that.
pub fn check(document: &Document, catalogue: &Catalogue) -> Option<Pipeline> {
    let (mut for_pipeline, mut for_findings) = (Sink::new(), Sink::new());
    let made = pipeline::validate(document, catalogue, &mut for_pipeline);
    drop(pipeline::check(document, catalogue, &mut for_findings));
    assert_eq!(for_pipeline.errors(), for_findings.errors(), "validate and check");
    assert_eq!(made.is_none(), for_pipeline.has_errors(), "a pipeline, if and only if there is no error");
    findings::check(&document.source, &for_findings.into_sorted());
    made
}

/// Compiles a pipeline whose plugins make no mistakes: every definition is one that Step Functions takes.
pub fn compile_right(pipeline: &Pipeline, catalogue: &Catalogue) -> Vec<StateMachine> {
    let machines = compile(pipeline, catalogue).expect("a plugin without mistakes");
    let texts = |machines: &[StateMachine]| machines.iter().map(StateMachine::text).collect::<Vec<_>>();
    let again = compile(pipeline, catalogue).expect("what was compiled once");
    assert_eq!(texts(&machines), texts(&again), "the same bytes each time");
    for machine in &machines {
        if let Err(problems) = Definition::parse(&machine.definition) {
            panic!("{problems:#?} in {}", machine.text());
        }
    }
    machines
}

/// Compiles a pipeline whose plugin may have answered anything: a definition, or an error that names the plugin's fault.
pub fn compile_any(pipeline: &Pipeline, catalogue: &Catalogue) {
    match compile(pipeline, catalogue) {
        Ok(machines) => machines.iter().for_each(|machine| drop(Definition::parse(&machine.definition))),
        Err(CompileError::Fragment { reason, .. }) => assert!(!reason.is_empty()),
        Err(error) => panic!("{error}"),
    }
}

/// Plans a session, with an output for every other job, and evaluates what is evaluated before a job starts.
pub fn plan_all(pipeline: Pipeline, machines: Vec<StateMachine>) {
    let mut sink = Sink::new();
    let source = Arc::clone(&pipeline.source);
    let parameters = resolve_parameters(&pipeline, &[], &mut sink);
    assert_eq!(parameters.is_none(), sink.has_errors());
    findings::check(&source, &sink.into_sorted());
    let Some(parameters) = parameters else { return };
    let (jobs, selection) = (machines.len(), Selection::all(&pipeline));
    let plan = plan(Arc::new(pipeline), machines, parameters, selection);
    for job in 0..jobs {
        let _ = plan.condition(job, &SomeOutputs, &facts());
        let input = plan.execution_input(job, &SomeOutputs, &facts(), "s3://bucket/outputs");
        if let Ok(input) = input {
            assert!(input.to_string().len() <= bunsui::state_machine::PAYLOAD_LIMIT);
        }
    }
    let _ = plan.exclusive_key();
}

struct SomeOutputs;

impl Outputs for SomeOutputs {
    fn output(&self, job: &str) -> Option<Arc<Json>> {
        let output =
            json!({ "rows": [1, 2.5, null, "é"], "target": "s3://bucket/key", "a b": { "c": true } });
        job.len().is_multiple_of(2).then(|| Arc::new(output))
    }
}

fn facts() -> SessionFacts {
    let text = str::to_owned;
    SessionFacts {
        id: text("01J"),
        started_at: text("2026-01-01T00:00:00Z"),
        pipeline: text("fuzz"),
        version: text("0"),
    }
}

/// Whether an evaluation may come to something else the next time.
pub fn is_random(expression: &str) -> bool {
    ["random", "uuid", "now", "millis", "shuffle"].iter().any(|name| expression.contains(name))
}

/// Evaluates twice: the same comes out, or the time was up.
pub fn evaluate_twice(value: &Json, bindings: &[(&str, &Json)]) -> Result<Json, expression::EvaluationError> {
    let first = expression::evaluate(value, bindings);
    let is_late = |result: &Result<Json, expression::EvaluationError>| {
        result.as_ref().is_err_and(|error| error.code.as_deref() == Some("D1012"))
    };
    if is_late(&first) || is_random(&value.to_string()) {
        return first;
    }
    let second = expression::evaluate(value, bindings);
    assert!(is_late(&second) || first == second, "{first:?} and then {second:?}");
    first
}
