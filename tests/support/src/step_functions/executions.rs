//! Executions: started, looked at, listed, stopped.
//!
//! Follows the Step Functions API reference; each function is the API of its name. Nothing happens by itself: what an execution is at a
//! moment follows from when its attempts began, what the script said of them, and what was asked of it since.

use super::request::{ApiError, MachineArn, Request, check_execution_arn, check_name, timestamp, token};
use super::script::{End, Script, Started};
use super::world::World;
use serde_json::{Map, Value as Json, json};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// One execution.
#[derive(Debug)]
pub(super) struct Execution {
    pub(super) arn: String,
    pub(super) name: String,
    /// ARN of its state machine.
    pub(super) machine: String,
    pub(super) version: Option<u32>,
    /// Tells which were started before which.
    pub(super) sequence: u64,
    pub(super) definition: Arc<str>,
    pub(super) role: String,
    pub(super) input: String,
    /// The first, and one for each redrive.
    pub(super) attempts: Vec<Attempt>,
    /// Client tokens of redrives, and when each was used.
    pub(super) redrive_tokens: VecDeque<(String, Duration)>,
}

/// From its start, or a redrive, to its end.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) began_at: Duration,
    pub(super) script: Script,
    /// Somebody stopped it before the script's end.
    pub(super) stop: Option<Stop>,
}

#[derive(Debug, Clone)]
pub(super) struct Stop {
    at: Duration,
    pub(super) error: Option<String>,
    pub(super) cause: Option<String>,
}

/// Where an execution stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It has not ended.
    Running,
    /// It has an output.
    Succeeded,
    /// It has an error, or a Fail state without one.
    Failed,
    /// It ran too long.
    TimedOut,
    /// It was stopped.
    Aborted,
}

impl Status {
    /// As AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMED_OUT",
            Self::Aborted => "ABORTED",
        }
    }
}

/// Of an input, in bytes of UTF-8 (API reference, StartExecution, `input`).
const INPUT_LIMIT: usize = 262_144;

/// So long after its end an execution is kept, and its name taken (developer guide, "Service quotas").
const RETENTION: Duration = Duration::from_secs(90 * 24 * 3600);

impl Attempt {
    pub(super) fn ended_at(&self) -> Duration {
        let planned = self.began_at.saturating_add(self.script.duration);
        self.stop.as_ref().map_or(planned, |stop| stop.at)
    }

    pub(super) fn status(&self, at: Duration) -> Status {
        if at < self.ended_at() {
            return Status::Running;
        }
        match &self.script.end {
            _ if self.stop.is_some() => Status::Aborted,
            End::Succeeded(_) => Status::Succeeded,
            End::Failed { .. } => Status::Failed,
            End::TimedOut => Status::TimedOut,
            End::Aborted => Status::Aborted,
        }
    }

    /// Error and cause of its end.
    pub(super) fn failure(&self) -> (Option<&str>, Option<&str>) {
        match (&self.stop, &self.script.end) {
            (Some(stop), _) => (stop.error.as_deref(), stop.cause.as_deref()),
            (None, End::Failed { error, cause }) => (error.as_deref(), cause.as_deref()),
            (None, End::TimedOut) => (Some("States.Timeout"), None),
            (None, End::Succeeded(_) | End::Aborted) => (None, None),
        }
    }
}

impl Execution {
    pub(super) fn last(&self) -> &Attempt {
        self.attempts.last().expect("it is started with one")
    }

    /// The attempts that had begun at a moment.
    pub(super) fn begun(&self, at: Duration) -> &[Attempt] {
        let begun = self.attempts.iter().take_while(|attempt| attempt.began_at <= at).count();
        &self.attempts[..begun]
    }

    fn is_kept(&self, now: Duration) -> bool {
        self.last().ended_at().saturating_add(RETENTION) > now
    }

    /// Ends it, if it still runs.
    pub(super) fn stop(&mut self, at: Duration, error: Option<&str>, cause: Option<&str>) {
        let last = self.attempts.last_mut().expect("it is started with one");
        if at < last.ended_at() {
            last.stop = Some(Stop { at, error: error.map(str::to_owned), cause: cause.map(str::to_owned) });
        }
    }

    fn version_arn(&self) -> Option<String> {
        self.version.map(|version| format!("{}:{version}", self.machine))
    }

    /// What lists say of it, and descriptions too; `begun` are its attempts as they are seen at `at`.
    fn summary(&self, begun: &[Attempt], at: Duration) -> Map<String, Json> {
        let (Some(first), Some(last)) = (begun.first(), begun.last()) else { return Map::new() };
        let status = last.status(at);
        let mut reply = Map::new();
        let mut put = |member: &str, value: Json| reply.insert(member.to_owned(), value);
        put("executionArn", self.arn.as_str().into());
        put("stateMachineArn", self.machine.as_str().into());
        put("name", self.name.as_str().into());
        put("status", status.as_str().into());
        put("startDate", timestamp(first.began_at));
        put("redriveCount", (begun.len() - 1).into());
        if status != Status::Running {
            put("stopDate", timestamp(last.ended_at()));
        }
        if begun.len() > 1 {
            put("redriveDate", timestamp(last.began_at));
        }
        if let Some(version) = self.version_arn() {
            put("stateMachineVersionArn", version.into());
        }
        reply
    }
}

impl World {
    pub(super) fn execution(&self, arn: &str, now: Duration) -> Result<&Execution, ApiError> {
        check_execution_arn(arn)?;
        let found = self.executions.get(arn).filter(|execution| execution.is_kept(now));
        found.ok_or_else(|| ApiError::no_execution(arn))
    }

    pub(super) fn execution_mut(&mut self, arn: &str, now: Duration) -> Result<&mut Execution, ApiError> {
        self.execution(arn, now)?;
        self.executions.get_mut(arn).ok_or_else(|| ApiError::no_execution(arn))
    }

    /// Idempotent while it runs: the same name and input give the same reply; closed, or another input, is ExecutionAlreadyExists. By the
    /// ARN of a version it runs that one, by the state machine's own what is seen as its current revision.
    pub(super) fn start_execution(&mut self, request: Request, now: Duration) -> Result<Json, ApiError> {
        let arn_text = request.text("stateMachineArn")?;
        let machine_arn = MachineArn::parse(arn_text)?;
        let generated = format!("{:08x}-0000-4000-8000-{:012x}", self.started, now.as_millis());
        let name = request.optional_text("name").unwrap_or(&generated);
        check_name(name)?;
        let input = request.limited_text("input", INPUT_LIMIT)?.unwrap_or("{}");
        if let Err(error) = serde_json::from_str::<Json>(input) {
            let message = format!("Invalid State Machine Execution Input: '{error}'");
            return Err(ApiError::new("InvalidExecutionInput", message));
        }
        let machine = self.machine(&machine_arn.machine)?;
        if machine.is_deleting {
            let message = format!("State Machine is being deleted: '{arn_text}'");
            return Err(ApiError::new("StateMachineDeleting", message));
        }
        let revision = match machine_arn.version {
            None => machine.revision_at(self.seen_at(now)),
            Some(version) => {
                &machine.versions.get(&version).ok_or_else(|| ApiError::no_machine(arn_text))?.revision
            }
        };
        let (definition, role) = (revision.definition.clone(), revision.role.clone());
        let arn = self.arn("execution", &format!("{}:{name}", machine_arn.name()));
        if let Ok(found) = self.execution(&arn, now) {
            let is_same = found.input == input && found.last().status(now) == Status::Running;
            if !is_same {
                let message = format!("Execution Already Exists: '{arn}'");
                return Err(ApiError::new("ExecutionAlreadyExists", message));
            }
            let reply = json!({"executionArn": arn, "startDate": timestamp(found.attempts[0].began_at)});
            self.starts.entry(arn).or_default().repeated += 1;
            return Ok(reply);
        }
        let mut execution = Execution {
            arn: arn.clone(),
            name: name.to_owned(),
            machine: machine_arn.machine,
            version: machine_arn.version,
            sequence: self.started,
            definition,
            role,
            input: input.to_owned(),
            attempts: Vec::new(),
            redrive_tokens: VecDeque::new(),
        };
        self.begin_attempt(&mut execution, now);
        self.executions.insert(arn.clone(), execution);
        self.started += 1;
        self.starts.entry(arn.clone()).or_default().created += 1;
        Ok(json!({"executionArn": arn, "startDate": timestamp(now)}))
    }

    /// Asks the script what becomes of it now.
    pub(super) fn begin_attempt(&self, execution: &mut Execution, now: Duration) {
        let json = |text: &str| serde_json::from_str(text).unwrap_or(Json::Null);
        let started = Started {
            arn: execution.arn.clone(),
            machine: execution.machine.rsplit(':').next().unwrap_or_default().to_owned(),
            version: execution.version,
            name: execution.name.clone(),
            input: json(&execution.input),
            definition: json(&execution.definition),
            redrives: u32::try_from(execution.attempts.len()).unwrap_or(u32::MAX),
        };
        let script = (self.script)(&started);
        execution.attempts.push(Attempt { began_at: now, script, stop: None });
    }

    /// Eventually consistent: it tells of an execution as it was a while ago, or that there is none.
    pub(super) fn describe_execution(&self, request: Request, now: Duration) -> Result<Json, ApiError> {
        let arn = request.text("executionArn")?;
        let execution = self.execution(arn, now)?;
        let seen_at = self.seen_at(now);
        let begun = execution.begun(seen_at);
        let last = begun.last().ok_or_else(|| ApiError::no_execution(arn))?;
        let mut reply = execution.summary(begun, seen_at);
        let mut put = |member: &str, value: Json| reply.insert(member.to_owned(), value);
        put("input", execution.input.as_str().into());
        put("inputDetails", json!({"included": true}));
        match last.status(seen_at) {
            Status::Running => {}
            Status::Succeeded => {
                if let End::Succeeded(output) = &last.script.end {
                    put("output", output.to_string().into());
                    put("outputDetails", json!({"included": true}));
                }
            }
            Status::Failed | Status::TimedOut | Status::Aborted => {
                let (error, cause) = last.failure();
                error.map(|error| put("error", error.into()));
                cause.map(|cause| put("cause", cause.into()));
            }
        }
        match self.not_redrivable(execution, seen_at) {
            None => put("redriveStatus", "REDRIVABLE".into()),
            Some(reason) => {
                put("redriveStatus", "NOT_REDRIVABLE".into());
                put("redriveStatusReason", reason.into())
            }
        };
        Ok(Json::Object(reply))
    }

    /// Newest first; of a state machine or of one of its versions; eventually consistent.
    pub(super) fn list_executions(&self, request: Request, now: Duration) -> Result<Json, ApiError> {
        let arn = MachineArn::parse(request.text("stateMachineArn")?)?;
        let (size, before) = (request.page_size()?, request.position()?.unwrap_or(u64::MAX));
        self.machine(&arn.machine)?;
        let status = request.optional_text("statusFilter");
        let redriven = request.optional_text("redriveFilter").map(|filter| filter == "REDRIVEN");
        let seen_at = self.seen_at(now);
        let mut found: Vec<&Execution> = self
            .executions
            .values()
            .filter(|execution| execution.machine == arn.machine && execution.sequence < before)
            .filter(|execution| arn.version.is_none() || execution.version == arn.version)
            .filter(|execution| execution.is_kept(now))
            .filter(|execution| {
                let begun = execution.begun(seen_at);
                let Some(last) = begun.last() else { return false };
                status.is_none_or(|status| last.status(seen_at).as_str() == status)
                    && redriven.is_none_or(|redriven| redriven == (begun.len() > 1))
            })
            .collect();
        found.sort_by_key(|execution| std::cmp::Reverse(execution.sequence));
        let item =
            |execution: &&Execution| Json::Object(execution.summary(execution.begun(seen_at), seen_at));
        let mut reply = json!({"executions": found.iter().take(size).map(item).collect::<Vec<_>>()});
        if found.len() > size {
            reply["nextToken"] = token(found[size - 1].sequence).into();
        }
        Ok(reply)
    }

    /// Of one that has ended, it gives the date of that end and changes nothing.
    pub(super) fn stop_execution(&mut self, request: Request, now: Duration) -> Result<Json, ApiError> {
        let error = request.limited_text("error", 256)?;
        let cause = request.limited_text("cause", 32_768)?;
        let execution = self.execution_mut(request.text("executionArn")?, now)?;
        execution.stop(now, error, cause);
        Ok(json!({"stopDate": timestamp(execution.last().ended_at())}))
    }

    /// Somebody deleted their state machine: each ends when it would enter its next state (API reference, DeleteStateMachine).
    pub(super) fn end_executions_of(&mut self, machine: &str, now: Duration) {
        for execution in self.executions.values_mut().filter(|execution| execution.machine == machine) {
            let next = execution.next_state_at(now);
            execution.stop(next, None, None);
        }
    }
}
