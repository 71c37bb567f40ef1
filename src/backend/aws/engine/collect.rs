//! What is kept of an execution at its end: its history, and what its operations said.
//!
//! Takes: executions that have ended. Gives: what `[logs] collect` wants in the store of objects; of one that failed also where, how
//! often it was tried and the last lines.
//! Deliberately does not: fail where lines cannot be read or kept; that is said, and the execution ended as it did.

use super::super::history::{History, LastState};
use super::super::logs::{Attempt, HISTORY, history_line, keep};
use super::{Started, StepFunctions, read};
use crate::backend::failure::failure;
use crate::session::{FailureRecord, LogRecord};
use crate::settings::LogCollection;
use std::collections::HashSet;

/// Last lines that stand beside a failure.
const LAST_LINES: usize = 10;
/// So full the bucket for reading histories has to be where a failed execution's history is kept.
const AMPLE: f64 = 0.5;

impl StepFunctions {
    /// What is known of an execution that failed; what is to be kept of it is kept.
    pub(super) async fn failed(
        &self,
        started: &Started,
        said: (Option<String>, Option<String>),
    ) -> FailureRecord {
        // Where it failed is worth a look; that it failed is known without.
        let state = self.state_of(started).await;
        let operation = state.as_ref().and_then(|state| self.attempt(started).operation_of(state));
        let mut record = failure(&self.pipeline, &self.plugins, &started.start, operation, said).await;
        record.tries = state.as_ref().map_or(0, |state| state.tries);
        if let Some((index, state)) = operation.zip(state) {
            let attempt = self.attempt(started);
            let lines = self.logs.lines_at_end(&attempt, index, &[&state]).await;
            if self.collect != LogCollection::None {
                self.keep(&attempt, attempt.job.operations[index].name.as_str(), &lines).await;
            }
            record.log_lines =
                last_said(lines.iter().map(|line| line.message.as_str()), record.detail.as_deref());
        }
        self.collect_failed(started, operation).await;
        record
    }

    /// Keeps what else of a failed execution is to be kept: its history, and the lines of the operations before the one that failed.
    async fn collect_failed(&self, started: &Started, failed: Option<usize>) {
        // Whoever waits for an end is not kept waiting for a quota: `bunsui logs` reads the rest where it is.
        let is_ample = self.limiter.fullness("GetExecutionHistory", tokio::time::Instant::now()) > AMPLE;
        if self.collect == LogCollection::None || !is_ample {
            return;
        }
        let stays = self.collect_history(started).await;
        if self.collect == LogCollection::All {
            self.collect_stays(started, &stays, failed).await;
        }
    }

    /// Keeps what operations said in these stays, but for one of them.
    pub(super) async fn collect_stays(&self, started: &Started, stays: &[LastState], except: Option<usize>) {
        let attempt = self.attempt(started);
        for (operation, found) in attempt.job.operations.iter().enumerate() {
            let is_of = |stay: &&LastState| attempt.operation_of(stay) == Some(operation);
            let stays: Vec<&LastState> = stays.iter().filter(is_of).collect();
            if !stays.is_empty() && Some(operation) != except {
                let lines = self.logs.lines_at_end(&attempt, operation, &stays).await;
                self.keep(&attempt, found.name.as_str(), &lines).await;
            }
        }
    }

    async fn keep(&self, attempt: &Attempt<'_>, speaker: &str, lines: &[LogRecord]) {
        if !lines.is_empty()
            && let Err(error) = keep(&*self.objects, attempt, speaker, lines).await
        {
            tracing::warn!("log lines of {}.{speaker} are not kept: {error}", attempt.job_key);
        }
    }

    /// Keeps an execution's history, as far as it is this attempt's, and gives the stays in states.
    pub(super) async fn collect_history(&self, started: &Started) -> Vec<LastState> {
        let attempt = self.attempt(started);
        let redrive = started.start.redrive.as_ref().map_or(0, |redrive| redrive.count + 1);
        let mut lines = Vec::new();
        let mut hear = |event: &_, state: Option<&_>, redrives| {
            if redrives == redrive {
                lines.extend(history_line(event, state, &attempt).map(|line| self.logs.clean(line)));
            }
        };
        let mut history = History::default();
        read(history.read_on(&self.client, &self.limiter, &started.arn, &mut hear).await, &started.arn);
        self.keep(&attempt, HISTORY, &lines).await;
        history.stays().iter().filter(|stay| stay.redrive == redrive).cloned().collect()
    }
}

/// The last lines that an operation said, without what Lambda says around each invocation and what the cause has anyway.
fn last_said<'a>(lines: impl DoubleEndedIterator<Item = &'a str>, cause: Option<&str>) -> Vec<String> {
    let is_of_lambda = |line: &str| {
        ["START RequestId: ", "END RequestId: ", "REPORT RequestId: ", "INIT_START "]
            .iter()
            .any(|start| line.starts_with(start))
    };
    let cause: HashSet<&str> = cause.into_iter().flat_map(str::lines).map(str::trim).collect();
    let tells = |line: &&str| !is_of_lambda(line) && !cause.contains(line.trim());
    let mut last: Vec<String> = lines.rev().filter(tells).take(LAST_LINES).map(str::to_owned).collect();
    last.reverse();
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lambda_and_the_cause_say_is_not_among_the_last_lines() {
        let lines = [
            "INIT_START Runtime Version: python:3.11",
            "START RequestId: 1-2 Version: $LATEST",
            "adding A-1004",
            "Traceback (most recent call last):",
            "  File \"/var/task/totals.py\", line 5, in amount",
            "KeyError: 'quantity'",
            "END RequestId: 1-2",
            "REPORT RequestId: 1-2\tDuration: 3 ms",
        ];
        let cause = "Traceback (most recent call last):\n  File \"/var/task/totals.py\", line 5, in amount";
        assert_eq!(last_said(lines.into_iter(), Some(cause)), ["adding A-1004", "KeyError: 'quantity'"]);
        assert_eq!(last_said(["x"; 30].into_iter(), None).len(), LAST_LINES);
    }
}
