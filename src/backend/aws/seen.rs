//! How an execution ended, as DescribeExecution or the last event of its history says it.

use aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput;
use aws_sdk_sfn::types::{ExecutionStatus, HistoryEvent, HistoryEventType};
use jiff::Timestamp;

/// How an execution ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    pub(super) status: ExecutionStatus,
    pub(super) ended_at: Option<Timestamp>,
    /// How often it had been redriven; of what a history says it is not known.
    pub(super) redrives: u32,
    pub(super) output: Option<String>,
    pub(super) error: Option<String>,
    pub(super) cause: Option<String>,
}

impl Seen {
    /// None of an execution that runs.
    pub(super) fn of_description(described: DescribeExecutionOutput) -> Option<Self> {
        if matches!(described.status, ExecutionStatus::Running | ExecutionStatus::PendingRedrive) {
            return None;
        }
        Some(Self {
            ended_at: described.stop_date.as_ref().and_then(timestamp),
            redrives: redrives(&described),
            status: described.status,
            output: described.output,
            error: described.error,
            cause: described.cause,
        })
    }

    /// Of the last event of a history; none where that is not the one that ends an execution.
    pub(super) fn of_event(event: &HistoryEvent) -> Option<Self> {
        let (status, output, error, cause) = match event.r#type() {
            HistoryEventType::ExecutionSucceeded => {
                let details = event.execution_succeeded_event_details();
                (ExecutionStatus::Succeeded, details.and_then(|details| details.output()), None, None)
            }
            HistoryEventType::ExecutionFailed => {
                let details = event.execution_failed_event_details();
                let (error, cause) = details.map(|details| (details.error(), details.cause())).unzip();
                (ExecutionStatus::Failed, None, error.flatten(), cause.flatten())
            }
            HistoryEventType::ExecutionTimedOut => {
                let details = event.execution_timed_out_event_details();
                let (error, cause) = details.map(|details| (details.error(), details.cause())).unzip();
                (ExecutionStatus::TimedOut, None, error.flatten(), cause.flatten())
            }
            HistoryEventType::ExecutionAborted => {
                let details = event.execution_aborted_event_details();
                let (error, cause) = details.map(|details| (details.error(), details.cause())).unzip();
                (ExecutionStatus::Aborted, None, error.flatten(), cause.flatten())
            }
            _ => return None,
        };
        let [output, error, cause] = [output, error, cause].map(|text| text.map(str::to_owned));
        Some(Self { status, ended_at: timestamp(event.timestamp()), redrives: 0, output, error, cause })
    }
}

/// How often an execution went on from where it failed.
pub(super) fn redrives(described: &DescribeExecutionOutput) -> u32 {
    described.redrive_count.and_then(|count| u32::try_from(count).ok()).unwrap_or_default()
}

/// As jiff has it; none where it is out of range.
pub(super) fn timestamp(time: &aws_sdk_sfn::primitives::DateTime) -> Option<Timestamp> {
    Timestamp::from_millisecond(time.to_millis().ok()?).ok()
}
