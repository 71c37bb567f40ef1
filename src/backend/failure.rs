//! What a failed execution means: the operation in which it failed, explained by the host and by the operation's plugin.

use crate::pipeline::Pipeline;
use crate::plugin::Plugins;
use crate::runner::explain;
use crate::runner::port::StartExecution;
use crate::session::FailureRecord;
use crate::state_machine::TaskFailure;

/// Explains an error of an execution; `operation` is the one in which it failed, by index, where that is known.
pub(super) async fn failure(
    pipeline: &Pipeline,
    plugins: &Plugins,
    start: &StartExecution,
    operation: Option<usize>,
    (error, cause): (Option<String>, Option<String>),
) -> FailureRecord {
    let mut record = FailureRecord { error, cause, ..FailureRecord::default() };
    let job = &pipeline.jobs[start.job];
    let failed = TaskFailure {
        error: record.error.clone().unwrap_or_default(),
        cause: record.cause.clone().unwrap_or_default(),
    };
    let found = operation.map(|index| &job.operations[index]);
    if let Some(explained) = explain(pipeline, job, found, &failed.error, &failed.cause) {
        record.summary = Some(explained.summary);
        record.recoverable = explained.recoverable;
        record.help = explained.help;
    }
    let (Some(index), Some(found)) = (operation, found) else { return record };
    record.operation = Some(found.name.to_string());
    let keys = &start.machine.keys[index];
    if let Some(explanation) = plugins.explain(&found.kind, keys, &failed).await {
        record.summary = Some(explanation.summary);
        record.detail = explanation.detail;
        record.recoverable = explanation.recoverable;
        record.help = explanation.help;
    }
    record
}
