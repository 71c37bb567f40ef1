//! What the stand-in holds, and which function answers which API.

use super::clock::Clock;
use super::executions::{Execution, Status};
use super::machines::Machine;
use super::quotas::Buckets;
use super::request::{ApiError, Request};
use super::script::{Script, Started};
use super::{Call, Calls, Starts};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Says what becomes of what starts.
pub(super) type Scripts = Arc<dyn Fn(&Started) -> Script + Send + Sync>;

/// All of it.
pub(super) struct World {
    pub(super) region: String,
    pub(super) account: String,
    pub(super) consistency_delay: Duration,
    pub(super) history_delay: Duration,
    pub(super) clock: Clock,
    pub(super) buckets: Buckets,
    pub(super) script: Scripts,
    /// By ARN.
    pub(super) machines: BTreeMap<String, Machine>,
    /// By ARN.
    pub(super) executions: BTreeMap<String, Execution>,
    /// So many executions were started.
    pub(super) started: u64,
    /// By ARN of the execution; kept when that is deleted.
    pub(super) starts: BTreeMap<String, Starts>,
    pub(super) calls: BTreeMap<String, Calls>,
}

impl World {
    /// Counts a call, throttles it or answers it.
    pub(super) fn call(&mut self, api: &str, request: &Json) -> Result<Json, ApiError> {
        let now = self.clock.now();
        let is_throttled = !self.buckets.take(api, 1.0, now);
        self.calls.entry(api.to_owned()).or_default().count(Call { at: now, is_throttled });
        if is_throttled {
            return Err(ApiError::new("ThrottlingException", "Rate exceeded"));
        }
        self.act(api, Request(request), now)
    }

    /// Answers a call, whoever made it.
    pub(super) fn act(&mut self, api: &str, request: Request, now: Duration) -> Result<Json, ApiError> {
        self.settle(now);
        match api {
            "CreateStateMachine" => self.create_state_machine(request, now),
            "UpdateStateMachine" => self.update_state_machine(request, now),
            "DescribeStateMachine" => self.describe_state_machine(request, now),
            "DeleteStateMachine" => self.delete_state_machine(request, now),
            "ListStateMachines" => self.list_state_machines(request),
            "PublishStateMachineVersion" => self.publish_version(request, now),
            "ListStateMachineVersions" => self.list_versions(request),
            "DeleteStateMachineVersion" => self.delete_version(request),
            "TagResource" => self.tag_resource(request),
            "ListTagsForResource" => self.list_tags(request),
            "ValidateStateMachineDefinition" => {
                Ok(json!({"result": "OK", "diagnostics": [], "truncated": false}))
            }
            "TestState" => Ok(json!({"status": "SUCCEEDED", "output": "{}"})),
            "StartExecution" => self.start_execution(request, now),
            "DescribeExecution" => self.describe_execution(request, now),
            "ListExecutions" => self.list_executions(request, now),
            "StopExecution" => self.stop_execution(request, now),
            "GetExecutionHistory" => self.execution_history(request, now),
            "RedriveExecution" => self.redrive_execution(request, now),
            other => Err(ApiError::new("UnknownOperationException", format!("no API `{other}` here"))),
        }
    }

    /// What is seen of the world at a moment is what it was then: the API reference calls DescribeExecution, ListExecutions and
    /// DescribeStateMachine "eventually consistent", and says the same of starts after UpdateStateMachine.
    pub(super) fn seen_at(&self, now: Duration) -> Duration {
        now.saturating_sub(self.consistency_delay)
    }

    pub(super) fn arn(&self, kind: &str, name: &str) -> String {
        let partition = match self.region.split('-').next() {
            Some("cn") => "aws-cn",
            _ if self.region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        };
        format!("arn:{partition}:states:{}:{}:{kind}:{name}", self.region, self.account)
    }

    /// State machines that were asked to go do so when nothing of theirs runs, and their executions with them; that those go too is not
    /// documented.
    pub(super) fn settle(&mut self, now: Duration) {
        if !self.machines.values().any(|machine| machine.is_deleting) {
            return;
        }
        let executions = &self.executions;
        let is_busy = |arn: &str| {
            executions
                .values()
                .any(|execution| execution.machine == arn && execution.last().status(now) == Status::Running)
        };
        let gone: Vec<String> = self
            .machines
            .iter()
            .filter(|(arn, machine)| machine.is_deleting && !is_busy(arn))
            .map(|(arn, _)| arn.clone())
            .collect();
        self.machines.retain(|arn, _| !gone.contains(arn));
        self.executions.retain(|_, execution| !gone.contains(&execution.machine));
    }
}
