//! Acts: one worker a started job. It reports its end by a message and hears nothing.

use super::dispatcher::{Ended, Start};
use super::drive::Message;
use super::failpoint;
use super::port::{
    Engine, EngineError, ExecutionEnd, Leftovers, ObjectStore, StartExecution, StoreError, output_key,
};
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

/// How an attempt ended, with its output.
type Finished = (Ended, Option<Arc<Json>>);

/// What a worker needs to know of its attempt once it is started.
struct Attempt {
    execution: String,
    output_key: String,
}

impl Attempt {
    fn of(start: &StartExecution) -> Self {
        let output_key = output_key(&start.session, &start.job_key, start.attempt);
        Self { execution: start.name.clone(), output_key }
    }
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

/// A start that is refused is its job's failure: others may be taken.
fn start_refused(error: String, cause: String) -> FailureRecord {
    FailureRecord {
        error: Some(error),
        cause: Some(cause),
        summary: Some("its execution could not be started".to_owned()),
        recoverable: Some(false),
        ..FailureRecord::default()
    }
}

impl Executor {
    /// Starts a worker for one attempt of a job.
    pub(super) fn start(&self, start: StartExecution) {
        let executor = self.clone();
        tokio::spawn(async move {
            let (job, attempt) = (start.job, Attempt::of(&start));
            let ended = match executor.engine.start(start).await {
                Ok(()) => executor.finish(attempt).await,
                Err(EngineError::StartRefused { error, cause, .. }) => {
                    Ok((Ended::Failed(executor.redacted(start_refused(error, cause))), None))
                }
                Err(error) => Err(error.into()),
            };
            executor.report(job, ended);
        });
    }

    /// Starts a worker for an attempt that is under way.
    pub(super) fn follow(&self, start: &StartExecution) {
        let executor = self.clone();
        let (job, attempt) = (start.job, Attempt::of(start));
        tokio::spawn(async move {
            let ended = executor.finish(attempt).await;
            executor.report(job, ended);
        });
    }

    /// Says that an attempt, which was never started, will not be.
    pub(super) fn give_up(&self, job: usize) {
        self.report(job, Ok((Ended::Aborted, None)));
    }

    fn report(&self, job: usize, ended: Result<Finished, WorkerError>) {
        let (ended, output) = match ended {
            Ok((ended, output)) => (Ok(ended), output),
            Err(error) => (Err(error), None),
        };
        // The runner is gone when nobody listens: then there is nobody to tell.
        let _ = self.messages.send(Message::Ended(Report { job, ended, output }));
    }

    /// Asks the engine to end an execution, and reports what it left; its worker reports its end.
    pub(super) fn stop(&self, start: Start, execution: String) {
        let executor = self.clone();
        tokio::spawn(async move {
            let redacted = |lines: Vec<String>| {
                lines.iter().map(|line| executor.redaction.text(line).into_owned()).collect()
            };
            let left = match executor.engine.stop(&execution).await {
                Ok(Leftovers { ended, may_still_run }) => {
                    Leftovers { ended: redacted(ended), may_still_run: redacted(may_still_run) }
                }
                Err(error) => {
                    let line = format!("execution `{execution}` could not be stopped: {error}");
                    Leftovers { may_still_run: vec![line], ..Leftovers::default() }
                }
            };
            let _ = executor.messages.send(Message::Stopped { start, left });
        });
    }

    async fn finish(&self, attempt: Attempt) -> Result<Finished, WorkerError> {
        let ended = match self.engine.wait(&attempt.execution).await? {
            ExecutionEnd::Succeeded(output) => {
                let record = self.output_record(attempt.output_key, output.clone()).await?;
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
