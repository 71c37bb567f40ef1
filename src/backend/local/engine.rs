//! Executions on this machine: the interpreter, with tasks done by plugins' local forms.

use super::log::LogWriter;
use crate::backend::failure::failure as explained;
use crate::pipeline::{Operation, Pipeline};
use crate::plugin::{LocalRun, LogLine, Plugins};
use crate::runner::port::{
    Engine, EngineError, ExecutionEnd, ExecutionProgress, Leftovers, OperationUpdate, StartExecution,
};
use crate::runner::{Executions, ProgressSender, Redaction};
use crate::session::FailureRecord;
use crate::state_machine::{
    Definition, ExecutionContext, ExecutionOutcome, HistoryEvent, Observer, TaskCall, TaskFailure,
    TaskHandler, interpret,
};
use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value as Json;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Lines of a task that are heard and not yet written, at most; a task that says more waits.
const LINES_AHEAD: usize = 256;

/// Interprets executions in this process; they end with it.
pub struct LocalEngine {
    pipeline: Arc<Pipeline>,
    plugins: Arc<Plugins>,
    directory: PathBuf,
    objects: PathBuf,
    redaction: Arc<Redaction>,
    progress: ProgressSender,
    executions: Mutex<HashMap<String, Running>>,
}

struct Running {
    end: Option<oneshot::Receiver<ExecutionEnd>>,
    stop: CancellationToken,
}

impl LocalEngine {
    /// For one session of a pipeline; `directory` is the folder of its file, `objects` that of the object store.
    pub fn new(
        pipeline: Arc<Pipeline>,
        plugins: Arc<Plugins>,
        directory: PathBuf,
        objects: PathBuf,
        redaction: Arc<Redaction>,
        progress: ProgressSender,
    ) -> Self {
        Self { pipeline, plugins, directory, objects, redaction, progress, executions: Mutex::default() }
    }

    fn running(&self) -> std::sync::MutexGuard<'_, HashMap<String, Running>> {
        // Nothing panics while it is held; were it so, the map would still be whole.
        self.executions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Engine for LocalEngine {
    async fn start(&self, start: StartExecution) -> Result<(), EngineError> {
        let definition = Definition::parse(&start.machine.definition).map_err(|errors| {
            EngineError::DefinitionRefused {
                job: start.job_key.clone(),
                reason: errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
            }
        })?;
        let (sender, end) = oneshot::channel();
        let stop = CancellationToken::new();
        let name = start.name.clone();
        let known = {
            let mut running = self.running();
            let is_known = running.contains_key(&name);
            running.entry(name).or_insert(Running { end: Some(end), stop: stop.clone() });
            is_known
        };
        if known {
            return Ok(());
        }
        let execution = Execution {
            plugins: self.plugins.clone(),
            pipeline: self.pipeline.clone(),
            directory: self.directory.clone(),
            objects: self.objects.clone(),
            redaction: self.redaction.clone(),
            progress: self.progress.clone(),
            logs: Mutex::default(),
            tries: Mutex::default(),
            start,
        };
        tokio::spawn(async move {
            let end = execution.run(&definition, &stop).await;
            let _ = sender.send(end);
        });
        Ok(())
    }

    async fn take_up(&self, _start: StartExecution) -> Result<bool, EngineError> {
        Ok(false)
    }

    async fn wait(&self, execution: &str) -> Result<ExecutionEnd, EngineError> {
        let not_found = || EngineError::NotFound { execution: execution.to_owned() };
        let end = self.running().get_mut(execution).and_then(|running| running.end.take());
        let end = end.ok_or_else(not_found)?.await.map_err(|_| not_found());
        self.running().remove(execution);
        end
    }

    async fn stop(&self, execution: &str) -> Result<Leftovers, EngineError> {
        // One that is not there any more has ended: there is nothing to stop. What a task does not end by itself, its plugin's
        // host or the runner ends: nothing is left.
        if let Some(running) = self.running().get(execution) {
            running.stop.cancel();
        }
        Ok(Leftovers::default())
    }

    fn executions(&self) -> Executions {
        Executions::EndWithRunner
    }
}

/// One execution being interpreted.
struct Execution {
    start: StartExecution,
    pipeline: Arc<Pipeline>,
    plugins: Arc<Plugins>,
    directory: PathBuf,
    objects: PathBuf,
    redaction: Arc<Redaction>,
    progress: ProgressSender,
    /// By operation. A writer is taken out while a task uses it: tasks of one operation that run at once (in a Map) get
    /// writers of their own on the same file.
    logs: Mutex<HashMap<usize, LogWriter>>,
    tries: Mutex<HashMap<String, Try>>,
}

/// What is known of a state's tries.
#[derive(Debug, Default, Clone)]
struct Try {
    /// How many failed so that another followed. A try need not have started its task to fail: its `Arguments` may.
    retried: u32,
    failed: Option<(String, String)>,
}

impl Try {
    /// The one under way, or the last one; from 1.
    fn number(&self) -> u32 {
        self.retried + 1
    }
}

impl Execution {
    async fn run(&self, definition: &Definition, stop: &CancellationToken) -> ExecutionEnd {
        let context = ExecutionContext {
            execution_id: format!(
                "arn:aws:states:local:000000000000:execution:{}:{}",
                self.start.job_key, self.start.name
            ),
            execution_name: self.start.name.clone(),
            state_machine_id: format!(
                "arn:aws:states:local:000000000000:stateMachine:{}--{}",
                self.pipeline.name, self.start.job_key
            ),
            state_machine_name: format!("{}--{}", self.pipeline.name, self.start.job_key),
        };
        let input = self.start.input.clone();
        let outcome = interpret(definition, input, &context, self, self, stop).await;
        self.flush_failures();
        match outcome {
            ExecutionOutcome::Succeeded { output } => ExecutionEnd::Succeeded(output),
            ExecutionOutcome::Failed { error, cause, state } => {
                let is_timeout = error.as_deref() == Some("States.Timeout");
                let failure = self.failure(error, cause, state).await;
                if is_timeout { ExecutionEnd::TimedOut(failure) } else { ExecutionEnd::Failed(failure) }
            }
            ExecutionOutcome::TimedOut => ExecutionEnd::TimedOut(FailureRecord {
                error: Some("States.Timeout".into()),
                summary: Some("the job's timeout ran out".into()),
                recoverable: Some(true),
                ..FailureRecord::default()
            }),
            ExecutionOutcome::Aborted => ExecutionEnd::Aborted,
        }
    }

    fn operation(&self, index: usize) -> &Operation {
        &self.pipeline.jobs[self.start.job].operations[index]
    }

    async fn failure(
        &self,
        error: Option<String>,
        cause: Option<String>,
        state: Option<String>,
    ) -> FailureRecord {
        let index =
            state.as_ref().and_then(|state| self.start.machine.states.get(state)).map(|(index, _)| *index);
        let mut record = explained(&self.pipeline, &self.plugins, &self.start, index, (error, cause)).await;
        if let Some(index) = index {
            record.log_lines = lock(&self.logs).get(&index).map(LogWriter::last_lines).unwrap_or_default();
            record.tries = state.map_or(1, |state| self.try_number(&state));
        }
        record
    }

    /// Does a task in its plugin and writes what it says meanwhile.
    async fn run_logged(
        &self,
        run: LocalRun,
        index: usize,
        cancelled: CancellationToken,
    ) -> Result<Json, TaskFailure> {
        let mut log = lock(&self.logs).remove(&index).unwrap_or_else(|| {
            LogWriter::new(
                &self.objects,
                &self.start.session,
                &self.start.job_key,
                self.operation(index).name.as_str(),
                self.start.attempt,
                self.redaction.clone(),
            )
        });
        log.begin_try(run.try_number);
        let (sender, mut lines) = mpsc::channel(LINES_AHEAD);
        let task = self.plugins.run_local(run, sender, cancelled);
        tokio::pin!(task);
        let mut batch = Vec::new();
        let result = loop {
            tokio::select! {
                count = lines.recv_many(&mut batch, 1024) => {
                    write_lines(&mut log, &mut batch);
                    if count == 0 {
                        break task.await;
                    }
                }
                result = &mut task => {
                    while let Ok(line) = lines.try_recv() {
                        batch.push(line);
                    }
                    write_lines(&mut log, &mut batch);
                    break result;
                }
            }
        };
        lock(&self.logs).insert(index, log);
        result
    }

    fn update(&self, update: OperationUpdate) {
        let progress = ExecutionProgress { job: self.start.job, attempt: self.start.attempt, update };
        self.progress.send(progress);
    }

    fn operation_of(&self, state: &str) -> Option<String> {
        let (index, _) = self.start.machine.states.get(state)?;
        Some(self.operation(*index).name.to_string())
    }

    fn try_number(&self, state: &str) -> u32 {
        lock(&self.tries).get(state).map_or(1, Try::number)
    }

    /// A try that failed is told when it is known whether another follows.
    fn flush_failures(&self) {
        let failed: Vec<(String, u32, (String, String))> = lock(&self.tries)
            .iter_mut()
            .filter_map(|(state, tried)| Some((state.clone(), tried.number(), tried.failed.take()?)))
            .collect();
        for (state, try_number, (error, cause)) in failed {
            if let Some(operation) = self.operation_of(&state) {
                self.update(OperationUpdate::Failed { operation, try_number, error, cause });
            }
        }
    }
}

fn write_lines(log: &mut LogWriter, batch: &mut Vec<LogLine>) {
    if batch.is_empty() {
        return;
    }
    let now = Timestamp::now();
    for line in batch.drain(..) {
        log.write(line, now);
    }
    log.flush();
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl TaskHandler for Execution {
    async fn run(&self, call: TaskCall<'_>) -> Result<Json, TaskFailure> {
        let Some((index, own_state)) = self.start.machine.states.get(call.state) else {
            let cause = format!("state `{}` belongs to no operation", call.state);
            return Err(TaskFailure { error: "States.Runtime".into(), cause });
        };
        let operation = self.operation(*index);
        let run = LocalRun {
            kind: operation.kind.clone(),
            keys: self.start.machine.keys[*index].clone(),
            state: own_state.clone(),
            arguments: call.arguments,
            directory: self.directory.clone(),
            objects: self.objects.clone(),
            session: self.start.session.to_string(),
            job: self.start.job_key.clone(),
            operation: operation.name.to_string(),
            attempt: self.start.attempt,
            try_number: call.try_number,
            timeout: call.timeout,
        };
        self.run_logged(run, *index, call.cancelled).await
    }
}

impl Observer for Execution {
    fn event(&self, event: HistoryEvent) {
        let Some(state) = &event.state else { return };
        let text = |key: &str| event.details.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
        match event.kind {
            // In a Map the state may have been there before.
            "TaskStateEntered" => lock(&self.tries).entry(state.clone()).or_default().retried = 0,
            "TaskStarted" => {
                let Some(operation) = self.operation_of(state) else { return };
                self.update(OperationUpdate::Started { operation, try_number: self.try_number(state) });
            }
            "TaskSucceeded" => {
                let Some(operation) = self.operation_of(state) else { return };
                self.update(OperationUpdate::Succeeded { operation, try_number: self.try_number(state) });
            }
            "TaskFailed" | "TaskTimedOut" => {
                let failed = Some((text("error"), text("cause")));
                lock(&self.tries).entry(state.clone()).or_default().failed = failed;
            }
            "TaskStateExited" => self.flush_failures(),
            _ => {}
        }
    }

    fn retry_scheduled(&self, state: &str, try_number: u32, delay: Duration, failure: &TaskFailure) {
        let Some(operation) = self.operation_of(state) else { return };
        lock(&self.tries).insert(state.to_owned(), Try { retried: try_number, failed: None });
        self.update(OperationUpdate::Retrying {
            operation,
            try_number,
            delay_ms: u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
            error: failure.error.clone(),
            cause: failure.cause.clone(),
        });
    }
}
