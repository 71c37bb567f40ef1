//! Histories: plausible events for what the script says of an execution.
//!
//! Follows the Step Functions API reference, GetExecutionHistory and HistoryEvent, and where that says nothing - what the first state, an
//! end by running out of time and the events of a redrive follow - histories that others recorded on AWS in September 2026
//! (github.com/radkawar/stackd, testdata/aws/stepfunctions/redrive_execution.json). The states share an attempt's time equally; a state
//! is a task's unless the definition says otherwise at its top level. What states hand on is not known here, and is an empty object.

use super::executions::{Attempt, Execution, Status};
use super::request::{ApiError, Flag, Request, timestamp, token};
use super::script::End;
use super::world::World;
use serde_json::{Value as Json, json};
use std::time::Duration;

/// One event; its id is its place among all.
struct Event {
    at: Duration,
    /// The id of the event that it follows, where that is not the one before it.
    follows: Option<usize>,
    kind: String,
    /// The member that holds more about it, and its value.
    details: Option<(&'static str, Json)>,
}

/// The events of an execution as they come.
struct Writer<'a> {
    execution: &'a Execution,
    definition: Json,
    region: &'a str,
    data: bool,
    events: Vec<Event>,
}

/// A state that an attempt goes through.
struct Visit<'a> {
    name: &'a str,
    kind: &'a str,
    from: Duration,
    to: Duration,
    failed_tries: usize,
}

impl Execution {
    /// So many events it has at a moment.
    pub(super) fn count_events(&self, at: Duration) -> usize {
        events(self, "", false, at).len()
    }

    /// When it enters a state next, or ends.
    pub(super) fn next_state_at(&self, now: Duration) -> Duration {
        let enters = |event: &Event| event.at > now && event.kind.ends_with("StateEntered");
        let next = events(self, "", false, Duration::MAX).into_iter().find(enters);
        next.map_or(self.last().ended_at(), |event| event.at)
    }
}

impl World {
    /// Pages forwards or, with `reverseOrder`, backwards; without inputs and outputs where `includeExecutionData` is false.
    pub(super) fn execution_history(&self, request: Request, now: Duration) -> Result<Json, ApiError> {
        let arn = request.text("executionArn")?;
        let execution = self.execution(arn, now)?;
        let seen_at = now.saturating_sub(self.history_delay);
        if execution.begun(seen_at).is_empty() {
            return Err(ApiError::no_execution(arn));
        }
        let size = request.page_size()?;
        let is_reverse = request.flag("reverseOrder", Flag::Off);
        let data = request.flag("includeExecutionData", Flag::On);
        let events = events(execution, &self.region, data, seen_at);
        // Backwards, a position is the number of events that are still to come, so that newer ones do not move the pages.
        let rest = match request.position()? {
            None if is_reverse => events.len(),
            None => 0,
            Some(position) => usize::try_from(position).unwrap_or(usize::MAX).min(events.len()),
        };
        let range =
            if is_reverse { rest.saturating_sub(size)..rest } else { rest..(rest + size).min(events.len()) };
        let next = if is_reverse { range.start } else { range.end };
        let has_more = if is_reverse { next > 0 } else { next < events.len() };
        let mut page: Vec<Json> = range.map(|index| event(&events[index], index)).collect();
        if is_reverse {
            page.reverse();
        }
        let mut reply = json!({"events": page});
        if has_more {
            reply["nextToken"] = token(next as u64).into();
        }
        Ok(reply)
    }
}

fn event(event: &Event, index: usize) -> Json {
    let mut reply = json!({
        "id": index + 1,
        "previousEventId": event.follows.unwrap_or(index),
        "type": event.kind,
        "timestamp": timestamp(event.at),
    });
    if let Some((member, details)) = &event.details {
        reply[*member] = details.clone();
    }
    reply
}

fn events(execution: &Execution, region: &str, data: bool, until: Duration) -> Vec<Event> {
    let definition = serde_json::from_str(&execution.definition).unwrap_or_default();
    let mut writer = Writer { execution, definition, region, data, events: Vec::new() };
    for (index, attempt) in execution.attempts.iter().enumerate() {
        writer.attempt(index, attempt);
    }
    writer.events.retain(|event| event.at <= until);
    writer.events
}

impl Writer<'_> {
    fn push(&mut self, at: Duration, kind: impl Into<String>, details: Option<(&'static str, Json)>) {
        self.events.push(Event { at, follows: None, kind: kind.into(), details });
    }

    /// What was written last follows another event than the one before it.
    fn last_follows(&mut self, id: usize) {
        if let Some(event) = self.events.last_mut() {
            event.follows = Some(id);
        }
    }

    /// The id of the event with which a state was entered last.
    fn entry(&self, state: &str) -> Option<usize> {
        let is_entry = |event: &Event| {
            let of = event.details.as_ref().map(|(_, details)| &details["name"]);
            event.kind.ends_with("StateEntered") && of.is_some_and(|name| name == state)
        };
        self.events.iter().rposition(is_entry).map(|index| index + 1)
    }

    /// What a member of data adds to details; nothing where no data is asked for.
    fn with_data(&self, mut details: Json, member: &str, text: &str) -> Json {
        if self.data {
            details[member] = text.into();
            details[format!("{member}Details")] = json!({"truncated": false});
        }
        details
    }

    fn attempt(&mut self, index: usize, attempt: &Attempt) {
        if index == 0 {
            let execution = self.execution;
            let mut details = json!({"roleArn": execution.role});
            if let Some(version) = execution.version {
                details["stateMachineVersionArn"] = format!("{}:{version}", execution.machine).into();
            }
            let details = self.with_data(details, "input", &execution.input);
            self.push(attempt.began_at, "ExecutionStarted", Some(("executionStartedEventDetails", details)));
        } else {
            let details = json!({"redriveCount": index});
            self.push(
                attempt.began_at,
                "ExecutionRedriven",
                Some(("executionRedrivenEventDetails", details)),
            );
        }
        let names = self.names(index);
        let ended_at = attempt.ended_at();
        let share = attempt.script.duration / u32::try_from(names.len()).unwrap_or(1).max(1);
        for (place, name) in names.iter().enumerate() {
            let is_last = place + 1 == names.len();
            let from =
                attempt.began_at.saturating_add(share.saturating_mul(u32::try_from(place).unwrap_or(0)));
            let to = if is_last {
                attempt.began_at.saturating_add(attempt.script.duration)
            } else {
                from.saturating_add(share)
            };
            let failed_tries = if is_last { attempt.script.failed_tries } else { 0 };
            let kind = self.kind(name);
            let visit = Visit { name, kind: &kind, from, to, failed_tries };
            // A redrive schedules a task anew, whose state is not entered again. That others but Fail are is a guess.
            let is_taken_up = index > 0 && place == 0 && matches!(kind.as_str(), "Task" | "Fail");
            let entry = if is_taken_up { self.entry(name) } else { None };
            self.visit(&visit, attempt, entry, is_last);
        }
        if attempt.stop.is_some() {
            self.events.retain(|event| event.at <= ended_at);
        }
        self.end(attempt);
    }

    /// The states of an attempt: as scripted, else where it ended before, else where the definition starts.
    fn names(&self, index: usize) -> Vec<String> {
        let attempts = self.execution.attempts[..=index].iter().enumerate().rev();
        for (place, attempt) in attempts {
            match attempt.script.states.as_slice() {
                [] => {}
                states if place == index => return states.to_vec(),
                [.., last] => return vec![last.clone()],
            }
        }
        vec![self.definition["StartAt"].as_str().unwrap_or("Start").to_owned()]
    }

    fn kind(&self, state: &str) -> String {
        self.definition["States"][state]["Type"].as_str().unwrap_or("Task").to_owned()
    }

    /// Of `arn:aws:states:::TYPE:RESOURCE`; where the definition does not say, a Lambda function's.
    fn resource(&self, state: &str) -> Json {
        let named = self.definition["States"][state]["Resource"].as_str();
        let pair =
            named.and_then(|arn| arn.split_once(":states:::")).and_then(|(_, name)| name.split_once(':'));
        let (kind, resource) = pair.unwrap_or(("lambda", "invoke"));
        json!({"resourceType": kind, "resource": resource})
    }

    /// A stay in a state: taken up where it was entered before (an event's id), else entered.
    fn visit(&mut self, visit: &Visit, attempt: &Attempt, entry: Option<usize>, is_last: bool) {
        let Visit { name, kind, from, to, .. } = *visit;
        if entry.is_none() {
            let input =
                if from == self.execution.attempts[0].began_at { &self.execution.input } else { "{}" };
            let details = self.with_data(json!({"name": name}), "input", input);
            self.push(from, format!("{kind}StateEntered"), Some(("stateEnteredEventDetails", details)));
            // The first state is entered from nowhere.
            if self.events.len() == 2 {
                self.last_follows(0);
            }
        }
        let output = match &attempt.script.end {
            _ if !is_last => Some("{}".to_owned()),
            End::Succeeded(output) => Some(output.to_string()),
            End::Failed { .. } | End::TimedOut | End::Aborted => None,
        };
        if kind == "Task" {
            self.task(visit, attempt, entry, output.as_deref());
        }
        if let Some(output) = output {
            let details = self.with_data(json!({"name": name}), "output", &output);
            self.push(to, format!("{kind}StateExited"), Some(("stateExitedEventDetails", details)));
        }
    }

    /// Each try is scheduled and started; all but the last failed.
    fn task(&mut self, visit: &Visit, attempt: &Attempt, entry: Option<usize>, output: Option<&str>) {
        let resource = self.resource(visit.name);
        let is_submitted = resource["resource"].as_str().is_some_and(|name| name.ends_with(".sync"));
        let failed = |error: &str, cause: Option<&str>| {
            let mut details = resource.clone();
            details["error"] = error.into();
            cause.inspect(|cause| details["cause"] = (*cause).into());
            Some(("taskFailedEventDetails", details))
        };
        for tries in 0..=visit.failed_tries {
            let mut scheduled = resource.clone();
            scheduled["region"] = self.region.into();
            scheduled["parameters"] = if self.data { "{}" } else { "" }.into();
            self.push(visit.from, "TaskScheduled", Some(("taskScheduledEventDetails", scheduled)));
            if let Some(entry) = entry.filter(|_| tries == 0) {
                self.last_follows(entry);
            }
            self.push(visit.from, "TaskStarted", Some(("taskStartedEventDetails", resource.clone())));
            if is_submitted {
                let submission = attempt.script.submission.to_string();
                let details = self.with_data(resource.clone(), "output", &submission);
                self.push(visit.from, "TaskSubmitted", Some(("taskSubmittedEventDetails", details)));
            }
            if tries < visit.failed_tries {
                self.push(visit.from, "TaskFailed", failed("States.TaskFailed", None));
            }
        }
        if let Some(output) = output {
            let details = self.with_data(resource.clone(), "output", output);
            self.push(visit.to, "TaskSucceeded", Some(("taskSucceededEventDetails", details)));
        } else if let End::Failed { error, cause } = &attempt.script.end {
            let error = error.as_deref().unwrap_or("States.TaskFailed");
            self.push(visit.to, "TaskFailed", failed(error, cause.as_deref()));
        }
    }

    fn end(&mut self, attempt: &Attempt) {
        let at = attempt.ended_at();
        let (error, cause) = attempt.failure();
        let mut failure = json!({});
        error.inspect(|error| failure["error"] = (*error).into());
        cause.inspect(|cause| failure["cause"] = (*cause).into());
        let (kind, member, details) = match attempt.status(at) {
            Status::Running => return,
            Status::Succeeded => {
                let End::Succeeded(output) = &attempt.script.end else { return };
                let details = self.with_data(json!({}), "output", &output.to_string());
                ("ExecutionSucceeded", "executionSucceededEventDetails", details)
            }
            Status::Failed => ("ExecutionFailed", "executionFailedEventDetails", failure),
            Status::TimedOut => ("ExecutionTimedOut", "executionTimedOutEventDetails", failure),
            Status::Aborted => ("ExecutionAborted", "executionAbortedEventDetails", failure),
        };
        self.push(at, kind, Some((member, details)));
        if kind == "ExecutionTimedOut" {
            self.last_follows(0);
        }
    }
}
