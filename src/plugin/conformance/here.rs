//! Runs an example on this machine: its definition is interpreted, and its tasks are done by the plugin.

use super::CALL_DEADLINE;
use crate::plugin::{LocalRun, Plugins};
use crate::state_machine::{
    Definition, ExecutionContext, ExecutionOutcome, HistoryEvent, Observer, StateMachine, TaskCall,
    TaskFailure, TaskHandler, interpret,
};
use async_trait::async_trait;
use serde_json::{Value as Json, json};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// A run may take so long.
const LONGEST_RUN: Duration = Duration::from_secs(60);

/// Log lines that are shown of a run that fails.
const LAST_LINES: usize = 5;

/// An operation, a folder for it, and who does its tasks.
pub(super) struct Here<'a> {
    plugins: &'a Plugins,
    kind: &'a str,
    machine: &'a StateMachine,
    definition: Definition,
    folder: TempDir,
    last_lines: Mutex<VecDeque<String>>,
    /// What a task did that was told to end, where that was wrong.
    wrong_end: Mutex<Option<TaskFailure>>,
}

impl<'a> Here<'a> {
    /// Why it cannot be run, else.
    pub(super) fn new(
        plugins: &'a Plugins,
        kind: &'a str,
        machine: &'a StateMachine,
    ) -> Result<Self, String> {
        let definition = Definition::parse(&machine.definition)
            .map_err(|problems| format!("its definition is refused: {}", problems[0]))?;
        let folder = tempfile::tempdir().map_err(|error| format!("there is no room for it: {error}"))?;
        let (last_lines, wrong_end) = (Mutex::default(), Mutex::default());
        Ok(Self { plugins, kind, machine, definition, folder, last_lines, wrong_end })
    }

    async fn interpret(&self, stop: &CancellationToken) -> ExecutionOutcome {
        let input = json!({
            "params": {}, "jobs": {}, "pipeline": {"name": "example", "version": 1},
            "session": {"id": "conformance", "started_at": "2015-01-01T00:00:00Z"},
            "bunsui": {"outputs": "s3://local/outputs/conformance/job.1"},
        });
        let context = ExecutionContext::default();
        interpret(&self.definition, input, &context, self, self, stop).await
    }

    /// Runs it to its end, which is to be a success.
    pub(super) async fn run(&self) -> Result<(), String> {
        let stop = CancellationToken::new();
        let running = self.interpret(&stop);
        tokio::pin!(running);
        let outcome = tokio::select! {
            outcome = &mut running => outcome,
            () = tokio::time::sleep(LONGEST_RUN) => {
                stop.cancel();
                running.await;
                return Err(format!("it has not ended after {} seconds", LONGEST_RUN.as_secs()));
            }
        };
        match outcome {
            ExecutionOutcome::Succeeded { .. } => Ok(()),
            ExecutionOutcome::Failed { error, cause, .. } => {
                let error = error.unwrap_or_else(|| "it failed".to_owned());
                Err(format!("{error}: {}{}", cause.unwrap_or_default(), self.said()))
            }
            ExecutionOutcome::TimedOut => Err("it ran into its own timeout".to_owned()),
            ExecutionOutcome::Aborted => Err("it was aborted".to_owned()),
        }
    }

    fn said(&self) -> String {
        let lines = self.last_lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(|line| format!("\n  {line}")).collect()
    }

    /// Stops it as it begins; it need not succeed, but end in the time that a task is given which is told to.
    pub(super) async fn run_stopped(&self) -> Result<(), String> {
        let stop = CancellationToken::new();
        let running = self.interpret(&stop);
        tokio::pin!(running);
        let ended = tokio::select! {
            _ = &mut running => true,
            () = tokio::time::sleep(Duration::from_millis(50)) => false,
        };
        if !ended {
            stop.cancel();
            running.await;
        }
        match self.wrong_end.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(TaskFailure { error, .. }) if error == "Plugin.Hung" => {
                Err(format!("it did not end within {} seconds after it was told to", CALL_DEADLINE.as_secs()))
            }
            Some(TaskFailure { cause, .. }) => Err(cause),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl TaskHandler for Here<'_> {
    async fn run(&self, call: TaskCall<'_>) -> Result<Json, TaskFailure> {
        let own_state = self.machine.states.get(call.state).map(|(_, own_state)| own_state.clone());
        let run = LocalRun {
            kind: self.kind.to_owned(),
            keys: self.machine.keys[0].clone(),
            state: own_state.unwrap_or_default(),
            arguments: call.arguments,
            directory: self.folder.path().to_owned(),
            objects: self.folder.path().join("objects"),
            session: "conformance".to_owned(),
            job: "job".to_owned(),
            operation: "example".to_owned(),
            attempt: 1,
            try_number: call.try_number,
            timeout: call.timeout,
        };
        let (log, mut lines) = mpsc::channel(64);
        let running = self.plugins.run_local(run, log, call.cancelled);
        let hear = async {
            while let Some(line) = lines.recv().await {
                let mut last = self.last_lines.lock().unwrap_or_else(PoisonError::into_inner);
                if last.len() == LAST_LINES {
                    last.pop_front();
                }
                last.push_back(line.message);
            }
        };
        let (result, ()) = tokio::join!(running, hear);
        if let Err(failure) = &result
            && matches!(failure.error.as_str(), "Plugin.Hung" | "Plugin.Crashed")
        {
            *self.wrong_end.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure.clone());
        }
        result
    }
}

impl Observer for Here<'_> {
    fn event(&self, _event: HistoryEvent) {}
}
