//! A job's definition in Amazon States Language: compiled from a pipeline, read, and interpreted.
//!
//! Takes: a [`Pipeline`](crate::pipeline::Pipeline), or any JSONata definition. Gives: a [`StateMachine`] per job with
//! byte-stable text; the outcome of an execution.
//! Deliberately does not: hold parameter values, or know what a task does - a [`TaskHandler`] does.

mod compile;
mod definition;
mod history;
mod interpreter;
mod timestamp;

pub use compile::{
    CompileError, INPUT_STATE, InputNeeds, Members, OUTPUT_STATE, StateMachine, compile, operations_with_keys,
};
pub use definition::{Definition, DefinitionError};
pub use history::HistoryEvent;
pub use interpreter::{
    ExecutionContext, ExecutionOutcome, Observer, Seams, TaskCall, TaskFailure, TaskHandler, interpret,
    interpret_with,
};

/// Payloads over this many bytes of UTF-8 are refused by Step Functions (States.DataLimitExceeded).
pub const PAYLOAD_LIMIT: usize = 262_144;

/// A definition as text: two blanks of indentation, a newline at the end, the same bytes each time.
pub fn definition_text(definition: &serde_json::Value) -> String {
    let mut text = serde_json::to_string_pretty(definition).unwrap_or_default();
    text.push('\n');
    text
}
