//! Acts: one worker a started job. It reports its end by a message and hears nothing.

use super::dispatcher::{Ended, Start};
use super::drive::Message;
use super::failpoint;
use super::port::{Engine, EngineError, ExecutionEnd, ObjectStore, StartExecution, StoreError, output_key};
use super::redaction::Redaction;
use crate::session::{FailureRecord, OutputRecord};
use serde_json::Value as Json;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;

/// Outputs over this many bytes are objects, not part of a record.
const INLINE_LIMIT: usize = 64 * 1024;

/// What every worker uses.
#[derive(Clone)]
pub(super) struct Executor {
    pub(super) engine: Arc<dyn Engine>,
    pub(super) objects: Arc<dyn ObjectStore>,
    pub(super) redaction: Arc<Redaction>,
    pub(super) messages: UnboundedSender<Message>,
}

/// A worker's last word.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) job: usize,
    pub(super) ended: Result<Ended, WorkerError>,
    /// The output itself, for dependants; the one in `ended` is redacted.
    pub(super) output: Option<Arc<Json>>,
}

/// The surroundings failed under a worker.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum WorkerError {
    /// The engine failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Engine(#[from] EngineError),
    /// A store failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
}

impl Executor {
    /// Starts a worker for one attempt of a job.
    pub(super) fn start(&self, start: StartExecution) {
        let executor = self.clone();
        tokio::spawn(async move {
            let job = start.job;
            let (ended, output) = match executor.attempt(start).await {
                Ok((ended, output)) => (Ok(ended), output),
                Err(error) => (Err(error), None),
            };
            // The runner is gone when nobody listens: then there is nobody to tell.
            let _ = executor.messages.send(Message::Ended(Report { job, ended, output }));
        });
    }

    /// Asks the engine to end an execution, and reports what may still run; its worker reports its end.
    pub(super) fn stop(&self, start: Start, execution: String) {
        let executor = self.clone();
        tokio::spawn(async move {
            let may_still_run = match executor.engine.stop(&execution).await {
                Ok(left) => left.iter().map(|line| executor.redaction.text(line).into_owned()).collect(),
                Err(error) => vec![format!("execution `{execution}` could not be stopped: {error}")],
            };
            let _ = executor.messages.send(Message::Stopped { start, may_still_run });
        });
    }

    async fn attempt(&self, start: StartExecution) -> Result<(Ended, Option<Arc<Json>>), WorkerError> {
        let name = start.name.clone();
        let key = output_key(&start.session, &start.job_key, start.attempt);
        self.engine.start(start).await?;
        let ended = match self.engine.wait(&name).await? {
            ExecutionEnd::Succeeded(output) => {
                let record = self.output_record(key, output.clone()).await?;
                failpoint::reach("output_stored");
                return Ok((Ended::Succeeded(record), Some(Arc::new(output))));
            }
            ExecutionEnd::Failed(failure) => Ended::Failed(self.redacted(failure)),
            ExecutionEnd::TimedOut(failure) => Ended::TimedOut(self.redacted(failure)),
            ExecutionEnd::Aborted => Ended::Aborted,
        };
        Ok((ended, None))
    }

    async fn output_record(&self, key: String, output: Json) -> Result<OutputRecord, StoreError> {
        let output = self.redaction.value(output);
        let text = output.to_string();
        if text.len() <= INLINE_LIMIT {
            return Ok(OutputRecord::Inline(output));
        }
        let size = text.len();
        self.objects.put(&key, text.into_bytes()).await?;
        Ok(OutputRecord::Object { key, size })
    }

    fn redacted(&self, failure: FailureRecord) -> FailureRecord {
        let text = |text: Option<String>| text.map(|text| self.redaction.text(&text).into_owned());
        FailureRecord {
            error: text(failure.error),
            cause: text(failure.cause),
            summary: text(failure.summary),
            detail: text(failure.detail),
            help: text(failure.help),
            log_lines: failure.log_lines.iter().map(|line| self.redaction.text(line).into_owned()).collect(),
            operation: failure.operation,
            recoverable: failure.recoverable,
            tries: failure.tries,
        }
    }
}
