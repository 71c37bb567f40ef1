//! Redrives: an execution that failed runs again from where it failed.
//!
//! Follows the Step Functions API reference, RedriveExecution, and DescribeExecution, `redriveStatusReason`; and the developer guide,
//! "Restarting state machine executions with redrive".

use super::executions::{Execution, Status};
use super::request::{ApiError, Request, timestamp};
use super::world::World;
use serde_json::{Value as Json, json};
use std::time::Duration;

/// After its end.
const REDRIVABLE: Duration = Duration::from_secs(14 * 24 * 3600);

/// From its first start (developer guide, "Quotas related to state machine executions").
const OPEN: Duration = Duration::from_secs(365 * 24 * 3600);

/// Two more have to fit into a history of 25,000: ExecutionRedriven and another.
const EVENTS: usize = 24_999;

/// So many client tokens of an execution are remembered, each so long.
const TOKENS: usize = 10;
const TOKEN_LIFE: Duration = Duration::from_secs(15 * 60);

impl World {
    /// Why an execution cannot be redriven as it is at a moment; none: it can.
    pub(super) fn not_redrivable(&self, execution: &Execution, at: Duration) -> Option<&'static str> {
        let begun = execution.begun(at);
        let (first, last) = (begun.first()?, begun.last()?);
        if self.machines.get(&execution.machine).is_none_or(|machine| machine.is_deleting) {
            return Some("State machine is in DELETING status");
        }
        match last.status(at) {
            Status::Running => return Some("Execution is RUNNING and cannot be redriven"),
            Status::Succeeded => return Some("Execution is SUCCEEDED and cannot be redriven"),
            Status::Failed | Status::TimedOut | Status::Aborted => {}
        }
        if at.saturating_sub(last.ended_at()) > REDRIVABLE {
            return Some("Execution redrivable period exceeded");
        }
        if at.saturating_sub(first.began_at) > OPEN {
            return Some("Execution has exceeded the max execution time");
        }
        (execution.count_events(at) >= EVENTS).then_some("Execution history event limit exceeded")
    }

    /// A client token that was used to redrive it a while ago gives the reply of then.
    pub(super) fn redrive_execution(&mut self, request: Request, now: Duration) -> Result<Json, ApiError> {
        let arn = request.text("executionArn")?;
        let asked = request.optional_text("clientToken");
        if asked.is_some_and(|asked| asked.is_empty() || asked.len() > 64) {
            return Err(ApiError::validation("'clientToken' has 1 to 64 characters"));
        }
        let execution = self.execution(arn, now)?;
        let used = execution.redrive_tokens.iter().find(|(token, used_at)| {
            Some(token.as_str()) == asked && now.saturating_sub(*used_at) <= TOKEN_LIFE
        });
        if let Some((_, used_at)) = used {
            return Ok(json!({"redriveDate": timestamp(*used_at)}));
        }
        if let Some(reason) = self.not_redrivable(execution, now) {
            return Err(ApiError::new("ExecutionNotRedrivable", reason));
        }
        let mut execution = self.executions.remove(arn).expect("it was just found");
        self.begin_attempt(&mut execution, now);
        if let Some(asked) = asked {
            execution.redrive_tokens.push_front((asked.to_owned(), now));
            execution.redrive_tokens.truncate(TOKENS);
        }
        self.executions.insert(arn.to_owned(), execution);
        Ok(json!({"redriveDate": timestamp(now)}))
    }
}
