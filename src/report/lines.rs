//! One line an event, for what is no terminal.

use super::text::{between, moment, one_line, printable_lines};
use crate::pipeline::format_duration;
use crate::runner::{EventConsumer, Surroundings};
use crate::session::{EventKind, FailureRecord, JobStatus, SessionEvent};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

/// Prints a line for each event that a person wants to know of.
pub struct EventLines<F> {
    print: F,
    started: HashMap<String, Timestamp>,
    /// What follows a first interrupt can only be said with the number of running jobs.
    running: usize,
    /// Jobs whose executions were to go on, and have not been heard of since.
    redriven: HashSet<String>,
}

impl<F> EventLines<F> {
    /// Whether an event starts a job anew that was to go on where it failed: its input is another now.
    pub(super) fn starts_anew(&self, event: &SessionEvent) -> bool {
        matches!(&event.kind, EventKind::JobStarted { job, redrive: None, .. } if self.redriven.contains(job))
    }

    /// Prints by `print`.
    pub fn new(print: F) -> Self {
        Self { print, started: HashMap::new(), running: 0, redriven: HashSet::new() }
    }
}

impl<F: FnMut(String)> EventConsumer for EventLines<F> {
    fn event(&mut self, event: &SessionEvent) {
        let line = self.line(event);
        if let Some(line) = line {
            (self.print)(format!("{} {line}", event.at.strftime("%H:%M:%S")));
        }
    }
}

impl<F> EventLines<F> {
    /// The line of an event, without its time. What people and programs gave as reasons does nothing to a terminal.
    pub(super) fn line(&mut self, event: &SessionEvent) -> Option<String> {
        self.said(event).map(|said| printable_lines(&said))
    }

    fn said(&mut self, event: &SessionEvent) -> Option<String> {
        let at = event.at;
        Some(match &event.kind {
            EventKind::SessionCreated { session, pipeline, jobs } => {
                let word = if *jobs == 1 { "job" } else { "jobs" };
                format!("session {session} of {pipeline}: {jobs} {word}")
            }
            EventKind::JobStarted { job, attempt, redrive, .. } => {
                self.running += 1;
                self.started.insert(job.clone(), at);
                let how = match (redrive, self.redriven.remove(job)) {
                    (Some(_), _) => ", redriven",
                    // Its input is known only now that all upstream of it has ended.
                    (None, true) => ", anew: its input is another now",
                    (None, false) => "",
                };
                format!("started    {job}{}{how}", nth("attempt", *attempt))
            }
            EventKind::OperationRetrying { job, operation, try_number, delay_ms, error, cause, .. } => {
                let cause = brief_cause(cause).map(|cause| format!(" ({cause})")).unwrap_or_default();
                let delay = *delay_ms as f64 / 1000.0;
                format!(
                    "retrying   {job}/{operation}: try {try_number} failed with {error}, the next in {delay:.1}s{cause}"
                )
            }
            EventKind::JobSucceeded { job, .. } => format!("succeeded  {job} ({})", self.took(job, at)),
            EventKind::JobFailed { job, failure, allowed, .. } => {
                let took = self.took(job, at);
                format!("failed     {job} ({took}){}: {}", allowance(*allowed), brief(failure))
            }
            EventKind::JobTimedOut { job, failure, allowed, .. } => {
                let took = self.took(job, at);
                format!("timed out  {job} ({took}){}: {}", allowance(*allowed), brief(failure))
            }
            EventKind::JobCancelled { job, reason, .. } => {
                self.took(job, at);
                format!("cancelled  {job}: {reason}")
            }
            EventKind::JobSkipped { job, reason } => format!("skipped    {job}: {reason}"),
            EventKind::JobUpstreamFailed { job, upstream, status } => {
                let what = status.unwrap_or(JobStatus::Failed).past();
                format!("not run    {job}: `{upstream}` {what}")
            }
            EventKind::SessionResumed { by } => format!("resumed by {by}"),
            EventKind::AttemptLost { job, attempt } => {
                format!("cut off    {job}: attempt {attempt} ended with its runner")
            }
            EventKind::SessionRetried { by, retry, .. } => format!("retry {retry}, asked for by {by}"),
            EventKind::JobsReset { redriven, not_redriven, .. } => {
                self.redriven.extend(redriven.iter().cloned());
                return reset(redriven, not_redriven);
            }
            EventKind::JobReused { job, from, .. } => format!("reused     {job}: the output of {from}"),
            EventKind::LeftoversEnded { job, ended, .. } => format!("ended too  {job}: {}", ended.join("; ")),
            EventKind::StopIncomplete { job, may_still_run, .. } => {
                format!("not ended  {job}: {}", may_still_run.join("; "))
            }
            EventKind::PauseRequested { reason, .. } => match self.running {
                0 => format!("pausing: {reason}"),
                running => format!(
                    "pausing: {reason}; nothing new starts, {running} running job{} may finish \
                     (interrupt again to cancel, a third time to leave at once)",
                    if running == 1 { "" } else { "s" }
                ),
            },
            EventKind::SessionPaused { reason, until: None, .. } => format!("paused: {reason}"),
            EventKind::SessionPaused { reason, until: Some(until), by } => {
                format!("paused: {reason}; by {by}, until {}", moment(*until))
            }
            EventKind::CancelRequested { reason, .. } => {
                format!("cancelling: {reason}; running jobs are stopped (interrupt again to leave at once)")
            }
            EventKind::SessionTimeoutReached => {
                "the pipeline's timeout ran out: running jobs are stopped".into()
            }
            EventKind::LeaseTaken { .. }
            | EventKind::SessionStarted
            | EventKind::JobsRemoved { .. }
            | EventKind::OperationStarted { .. }
            | EventKind::OperationSucceeded { .. }
            | EventKind::OperationFailed { .. }
            | EventKind::StopRequested { .. }
            | EventKind::SessionEnded { .. } => return None,
        })
    }

    fn took(&mut self, job: &str, at: Timestamp) -> String {
        match self.started.remove(job) {
            Some(started) => {
                self.running = self.running.saturating_sub(1);
                between(started, at)
            }
            None => "not started".into(),
        }
    }
}

/// What is said of the surroundings of a session that is driven.
pub fn surroundings(surroundings: &Surroundings, at: Timestamp) -> String {
    let at = at.strftime("%H:%M:%S");
    match surroundings {
        Surroundings::Waiting { error, help, limit, .. } => {
            let help = help.as_ref().map(|help| format!("\n         {help}")).unwrap_or_default();
            format!(
                "{at} waiting: {error}{help}\n         executions go on without this runner; it waits {} at most (a third \
                 interrupt leaves at once)",
                format_duration(*limit)
            )
        }
        Surroundings::Back { after } => {
            format!("{at} AWS answers again, after {}", format_duration(Duration::from_secs(after.as_secs())))
        }
    }
}

/// Which executions go on from where they failed, and why others do not.
fn reset(redriven: &[String], not_redriven: &BTreeMap<String, String>) -> Option<String> {
    let goes_on = redriven
        .iter()
        .map(|job| format!("goes on    {job}: its execution is redriven from where it failed"));
    let anew =
        not_redriven.iter().map(|(job, reason)| format!("anew       {job}: {}", one_line(reason, 200)));
    let lines: Vec<String> = goes_on.chain(anew).collect();
    // Below the first, past its time.
    (!lines.is_empty()).then(|| lines.join("\n         "))
}

fn nth(word: &str, number: u32) -> String {
    if number > 1 { format!(" ({word} {number})") } else { String::new() }
}

fn allowance(allowed: bool) -> &'static str {
    if allowed { ", which is allowed" } else { "" }
}

/// A cause in a few words. A service's JSON has them under `errorMessage`, or is not for one line.
pub(super) fn brief_cause(cause: &str) -> Option<String> {
    let message = match serde_json::from_str::<serde_json::Value>(cause) {
        Ok(serde_json::Value::Object(body)) => body.get("errorMessage")?.as_str()?.to_owned(),
        _ => cause.to_owned(),
    };
    Some(one_line(&message, 120)).filter(|message| !message.is_empty())
}

fn brief(failure: &FailureRecord) -> String {
    let text = failure.summary.as_deref().or(failure.error.as_deref()).unwrap_or("it says nothing more");
    one_line(text, 160)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_does_nothing_to_a_terminal() {
        let kind = EventKind::SessionPaused { by: "me".into(), reason: "a\u{1b}[2Jb".into(), until: None };
        let event = SessionEvent { number: 1, at: Timestamp::UNIX_EPOCH, kind };
        let mut said = Vec::new();
        EventLines::new(|line| said.push(line)).event(&event);
        assert_eq!(said, ["00:00:00 paused: a\\u{1b}[2Jb"]);
    }
}
