//! Whether a pipeline can run on this machine.

use crate::diagnostic::{Diagnostic, Sink};
use crate::pipeline::{Operation, OperationCatalogue, Pipeline};
use crate::plan::Selection;

/// Reports every operation that has no local form.
pub fn check_runnable(
    pipeline: &Pipeline,
    selection: &Selection,
    catalogue: &dyn OperationCatalogue,
    sink: &mut Sink,
) {
    for (_, job) in pipeline.jobs.values().enumerate().filter(|(index, _)| selection.has(*index)) {
        for operation in &job.operations {
            if !is_runnable(operation, catalogue) {
                sink.report(no_local_form(operation));
            }
        }
    }
}

fn is_runnable(operation: &Operation, catalogue: &dyn OperationCatalogue) -> bool {
    let Some(kind) = catalogue.operation_type(&operation.kind) else { return false };
    if !kind.has_run_local {
        return operation.local().is_some_and(|local| local.get("result").is_some());
    }
    // A type that has a key `local` wants it: what the operation is here cannot be known from its other keys.
    let wants_local = kind.schema.pointer("/properties/local").is_some();
    !wants_local || operation.keys.contains_key("local")
}

fn no_local_form(operation: &Operation) -> Diagnostic {
    let help = match operation.kind.as_str() {
        "lambda" => {
            "add `local = { handler = \"file.py:function\" }`, or `local = { result = … }` for what it gives here"
        }
        "ecs" => {
            "add `local = { command = [\"program\", \"argument\"] }`, or `local = { result = … }` for what it gives here"
        }
        _ => "add `local = { result = … }` for what it gives here",
    };
    Diagnostic::error(
        "bunsui::pipeline::no_local_form",
        format!("operation `{}` cannot run on this machine: it has no `local`", operation.name),
    )
    .label(operation.span, "says nothing of what it is here")
    .help(help)
}
