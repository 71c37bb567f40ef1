//! `bunsui execute`: interprets any JSONata definition here, with the results of its tasks given in a file.

mod locate;
mod mock;

use super::load::TooLargeFile;
use super::{Console, Context, Exit, Failure, Outcome};
use crate::diagnostic::{Diagnostic, Source};
use crate::document::{is_too_large, read_bounded};
use crate::state_machine::{
    Definition, ExecutionContext, ExecutionOutcome, HistoryEvent, Observer, TaskCall, TaskFailure,
    TaskHandler, interpret,
};
use async_trait::async_trait;
use locate::locate;
use mock::Mock;
use serde_json::{Map, Value as Json};
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::sync::CancellationToken;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// File with the definition; `-` for standard input
    definition: String,
    /// The execution's input: JSON, @FILE, or - for standard input
    #[arg(long, value_name = "JSON", default_value = "{}", allow_hyphen_values = true)]
    input: String,
    /// What the Task states give: {"State": {"0": {"Return": …}, "1-2": {"Throw": {"Error": "…", "Cause": "…"}}}}
    #[arg(long, value_name = "FILE")]
    mock: Option<String>,
    /// Print the events too, as GetExecutionHistory names them
    #[arg(long)]
    history: bool,
    /// Let Wait states, delays of retries and timeouts pass at once, on a virtual clock
    #[arg(long)]
    no_wait: bool,
}

/// The input is wrong in a way that no place in a file shows.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum ExecuteError {
    #[error("cannot read `{name}`")]
    #[diagnostic(code("bunsui::execution::unreadable_file"))]
    Unreadable { name: String, source: std::io::Error },
    #[error("cannot start a runtime")]
    #[diagnostic(code("bunsui::execution::no_runtime"))]
    Runtime(#[source] std::io::Error),
}

pub(super) fn run(args: &Args, context: &Context) -> Outcome {
    let console = &context.console;
    let definition = read_source(&args.definition)?;
    let input = match args.input.strip_prefix('@') {
        Some(path) => read_source(path)?,
        None if args.input == "-" => read_source("-")?,
        None => Source::new("--input", args.input.as_str()),
    };
    let mock = args.mock.as_deref().map(read_source).transpose()?;
    // Every file is looked at before anything is said, so that one run shows all there is to mend.
    let definition = read_definition(&definition, console);
    let input = read_json(&input, "bunsui::execution::invalid_input", console);
    let mock = mock.map(|source| read_mock(&source, definition.as_ref(), console));
    let (Some(definition), Some(input), Some(mock)) = (definition, input, mock.unwrap_or(Some(Mock::none())))
    else {
        return Ok(Exit::BadInput);
    };
    let (outcome, events) = execute(args, &definition, input, mock)?;
    console.data(Json::Object(report(&outcome, args.history.then_some(events))));
    Ok(if matches!(outcome, ExecutionOutcome::Succeeded { .. }) { Exit::Done } else { Exit::Unsuccessful })
}

fn read_source(name: &str) -> Result<Arc<Source>, Failure> {
    let (shown, bytes) = match name {
        "-" => ("<stdin>", read_bounded(std::io::stdin().lock())),
        name => (name, File::open(name).and_then(read_bounded)),
    };
    let unreadable = |source| Failure::bad_input(ExecuteError::Unreadable { name: shown.to_owned(), source });
    let bytes = bytes.map_err(unreadable)?;
    if is_too_large(&bytes) {
        return Err(Failure::bad_input(TooLargeFile { path: shown.to_owned() }));
    }
    let text = String::from_utf8(bytes)
        .map_err(|error| unreadable(std::io::Error::new(std::io::ErrorKind::InvalidData, error)))?;
    Ok(Source::new(shown, text))
}

fn read_json(source: &Arc<Source>, code: &'static str, console: &Console) -> Option<Json> {
    let error = match serde_json::from_str(&source.text) {
        Ok(json) => return Some(json),
        Err(error) => error,
    };
    let line_start: usize =
        source.text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let mut at = (line_start + error.column().saturating_sub(1)).min(source.text.len());
    while !source.text.is_char_boundary(at) {
        at -= 1;
    }
    let diagnostic =
        Diagnostic::error(code, format!("this is not JSON: {error}")).label((at..at).into(), "here");
    console.diagnostics(source, &[diagnostic]);
    None
}

fn read_definition(source: &Arc<Source>, console: &Console) -> Option<Definition> {
    const CODE: &str = "bunsui::execution::invalid_definition";
    let json = read_json(source, CODE, console)?;
    match Definition::parse(&json) {
        Ok(definition) => Some(definition),
        Err(problems) => {
            let found: Vec<(String, String)> =
                problems.into_iter().map(|problem| (problem.pointer, problem.message)).collect();
            show(source, CODE, &found, console);
            None
        }
    }
}

fn read_mock(source: &Arc<Source>, definition: Option<&Definition>, console: &Console) -> Option<Mock> {
    const CODE: &str = "bunsui::execution::invalid_mock";
    let json = read_json(source, CODE, console)?;
    let tasks = definition.map(Definition::task_states);
    match Mock::parse(&json, tasks.as_deref()) {
        Ok(mock) => Some(mock),
        Err(found) => {
            show(source, CODE, &found, console);
            None
        }
    }
}

/// Prints problems at their places.
fn show(source: &Arc<Source>, code: &'static str, found: &[(String, String)], console: &Console) {
    let diagnostics: Vec<Diagnostic> = found
        .iter()
        .map(|(pointer, message)| {
            let diagnostic = Diagnostic::error(code, message.as_str());
            match locate(&source.text, pointer) {
                Some(range) => diagnostic.label(range.into(), ""),
                None => diagnostic.help(format!("at `{pointer}`")),
            }
        })
        .collect();
    console.diagnostics(source, &diagnostics);
}

fn execute(
    args: &Args,
    definition: &Definition,
    input: Json,
    mock: Mock,
) -> Result<(ExecutionOutcome, Vec<HistoryEvent>), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(args.no_wait)
        .build()
        .map_err(|source| Failure::surroundings(ExecuteError::Runtime(source)))?;
    let name = Path::new(&args.definition).file_stem().and_then(|stem| stem.to_str()).unwrap_or("definition");
    let context = ExecutionContext {
        execution_id: format!("arn:aws:states:local:000000000000:execution:{name}:execute"),
        execution_name: "execute".to_owned(),
        state_machine_id: format!("arn:aws:states:local:000000000000:stateMachine:{name}"),
        state_machine_name: name.to_owned(),
    };
    let events = Events { kept: args.history.then(Mutex::default) };
    let tasks = Tasks { mock: Mutex::new(mock), has_file: args.mock.is_some() };
    let stop = CancellationToken::new();
    let outcome = runtime.block_on(interpret(definition, input, &context, &tasks, &events, &stop));
    let events = events.kept.map(|events| events.into_inner().unwrap_or_else(PoisonError::into_inner));
    Ok((outcome, events.unwrap_or_default()))
}

fn report(outcome: &ExecutionOutcome, events: Option<Vec<HistoryEvent>>) -> Map<String, Json> {
    let mut report = Map::new();
    let mut put = |key: &str, value: Json| report.insert(key.to_owned(), value);
    match outcome {
        ExecutionOutcome::Succeeded { output } => {
            put("status", "SUCCEEDED".into());
            put("output", output.clone());
        }
        ExecutionOutcome::Failed { error, cause, state: _ } => {
            put("status", "FAILED".into());
            for (key, value) in [("error", error), ("cause", cause)] {
                if let Some(value) = value {
                    put(key, value.as_str().into());
                }
            }
        }
        ExecutionOutcome::TimedOut => {
            put("status", "TIMED_OUT".into());
        }
        ExecutionOutcome::Aborted => {
            put("status", "ABORTED".into());
        }
    }
    if let Some(events) = events {
        put("events", events.iter().map(HistoryEvent::to_json).collect());
    }
    report
}

/// Keeps events if they are to be printed.
struct Events {
    kept: Option<Mutex<Vec<HistoryEvent>>>,
}

impl Observer for Events {
    fn event(&self, event: HistoryEvent) {
        if let Some(kept) = &self.kept {
            kept.lock().unwrap_or_else(PoisonError::into_inner).push(event);
        }
    }
}

/// Answers for the services.
struct Tasks {
    mock: Mutex<Mock>,
    has_file: bool,
}

#[async_trait]
impl TaskHandler for Tasks {
    async fn run(&self, call: TaskCall<'_>) -> Result<Json, TaskFailure> {
        let mut mock = self.mock.lock().unwrap_or_else(PoisonError::into_inner);
        mock.answer(call.state).unwrap_or_else(|calls| {
            let cause = if !self.has_file {
                format!(
                    "`{}` is a Task, and nothing here can do it: say what it gives with --mock FILE",
                    call.state
                )
            } else if calls == 0 {
                format!("the mock file says nothing of the Task `{}`", call.state)
            } else {
                format!(
                    "the mock file has {calls} answers for the Task `{}`, and it was called once more",
                    call.state
                )
            };
            // No Catch takes this one, so a missing mock cannot pass for a handled failure.
            Err(TaskFailure { error: "States.Runtime".to_owned(), cause })
        })
    }
}
