//! Every attempt of every job of a session: when it could begin, when it began, how it ended.
//!
//! Takes: a session's events in order, and which jobs each job waits for. Gives: attempts, and the chain of jobs that decided how long it took.
//! Deliberately does not: read records: they know only the latest attempt.

use super::csv;
use super::text::duration;
use crate::session::{EventKind, FailureRecord, SessionEvent};
use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::collections::HashMap;

/// The jobs that each job waits for.
pub type Upstreams = IndexMap<String, Vec<String>>;

/// One attempt of a job.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AttemptView {
    /// The job key.
    pub job: String,
    /// From 1.
    pub attempt: u32,
    /// The execution's name.
    pub execution: String,
    /// How often the execution has gone on from where it failed; none: it is a new one.
    pub redrive: Option<u32>,
    /// When nothing was to be waited for any more but its turn: what it waits for had ended, and the session was driven.
    pub ready_at: Timestamp,
    /// When it was started.
    pub started_at: Timestamp,
    /// When it ended; none while it runs.
    pub ended_at: Option<Timestamp>,
    /// `succeeded`, `failed`, `timed_out`, `cancelled`, or `lost` where its runner died; none while it runs.
    pub ended: Option<&'static str>,
    /// From when it was ready until it was started.
    pub waited_ms: i64,
    /// From its start to its end.
    pub ran_ms: Option<i64>,
    /// Of that, what it waited between tries.
    pub between_tries_ms: u64,
    /// The most tries that one of its tasks had.
    pub tries: u32,
    /// Where it failed.
    pub operation: Option<String>,
    /// The error's name.
    pub error: Option<String>,
    /// What happened, in a line.
    pub summary: Option<String>,
}

/// Who had a session cancelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CancelView {
    /// When it was asked for.
    pub at: Timestamp,
    /// Who asked.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// A step of the chain that decided how long a session took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The job.
    pub job: String,
    /// How long its latest attempt waited for its turn.
    pub waited_ms: i64,
    /// How long that took.
    pub ran_ms: i64,
}

/// Learns of attempts from events.
#[derive(Debug, Default)]
pub struct Attempts {
    upstreams: Upstreams,
    found: Vec<AttemptView>,
    /// The latest attempt of each job.
    latest: HashMap<String, usize>,
    /// When each job became final.
    final_at: HashMap<String, Timestamp>,
    /// Since when the session is driven without a break.
    driven_at: Option<Timestamp>,
    cancel: Option<CancelView>,
}

impl Attempts {
    /// Of a session whose jobs wait for each other so.
    pub fn new(upstreams: Upstreams) -> Self {
        Self { upstreams, ..Self::default() }
    }

    /// Takes the next event.
    pub fn note(&mut self, event: &SessionEvent) {
        let at = event.at;
        match &event.kind {
            EventKind::SessionStarted
            | EventKind::SessionResumed { .. }
            | EventKind::SessionRetried { .. } => {
                self.driven_at = Some(at);
                self.cancel = None;
            }
            EventKind::CancelRequested { by, reason } => {
                self.cancel.get_or_insert(CancelView { at, by: by.clone(), reason: reason.clone() });
            }
            EventKind::JobStarted { job, attempt, execution, redrive } => {
                let (job, execution) = (job.clone(), execution.clone());
                self.begin(at, job, *attempt, execution, *redrive);
            }
            EventKind::OperationStarted { job, try_number, .. } => {
                self.change(job, |attempt| attempt.tries = attempt.tries.max(*try_number));
            }
            EventKind::OperationRetrying { job, delay_ms, .. } => {
                self.change(job, |attempt| attempt.between_tries_ms += delay_ms);
            }
            EventKind::JobSucceeded { job, .. } => self.end(job, at, "succeeded", None),
            EventKind::JobFailed { job, failure, .. } => self.end(job, at, "failed", Some(failure)),
            EventKind::JobTimedOut { job, failure, .. } => self.end(job, at, "timed_out", Some(failure)),
            EventKind::JobCancelled { job, attempt, .. } if *attempt > 0 => {
                self.end(job, at, "cancelled", None);
            }
            EventKind::AttemptLost { job, .. } => self.end(job, at, "lost", None),
            EventKind::JobCancelled { job, .. }
            | EventKind::JobSkipped { job, .. }
            | EventKind::JobUpstreamFailed { job, .. }
            | EventKind::JobReused { job, .. } => {
                self.final_at.insert(job.clone(), at);
            }
            _ => {}
        }
    }

    fn begin(&mut self, at: Timestamp, job: String, number: u32, execution: String, redrive: Option<u32>) {
        let upstreams = self.upstreams.get(&job).into_iter().flatten();
        let ready_at = upstreams.filter_map(|upstream| self.final_at.get(upstream)).copied();
        let ready_at = ready_at.chain(self.driven_at).max().map_or(at, |ready| ready.min(at));
        self.latest.insert(job.clone(), self.found.len());
        self.found.push(AttemptView {
            job,
            attempt: number,
            execution,
            redrive,
            ready_at,
            started_at: at,
            ended_at: None,
            ended: None,
            waited_ms: millis(ready_at, at),
            ran_ms: None,
            between_tries_ms: 0,
            tries: 0,
            operation: None,
            error: None,
            summary: None,
        });
    }

    fn end(&mut self, job: &str, at: Timestamp, how: &'static str, failure: Option<&FailureRecord>) {
        self.final_at.insert(job.to_owned(), at);
        self.change(job, |attempt| {
            attempt.ended_at = Some(at);
            attempt.ended = Some(how);
            attempt.ran_ms = Some(millis(attempt.started_at, at));
            // On AWS nobody tells of tries while they go on.
            attempt.tries = attempt.tries.max(1);
            if let Some(failure) = failure {
                attempt.tries = attempt.tries.max(failure.tries);
                attempt.operation = failure.operation.clone();
                attempt.error = failure.error.clone();
                attempt.summary = failure.summary.clone();
            }
        });
    }

    /// Changes a job's latest attempt, if that has not ended.
    fn change(&mut self, job: &str, change: impl FnOnce(&mut AttemptView)) {
        let latest = self.latest.get(job).and_then(|at| self.found.get_mut(*at));
        if let Some(attempt) = latest.filter(|attempt| attempt.ended.is_none()) {
            change(attempt);
        }
    }

    /// The latest attempt of a job; none where it had none.
    pub fn latest(&self, job: &str) -> Option<&AttemptView> {
        self.latest.get(job).map(|at| &self.found[*at])
    }

    /// Who had the session cancelled, if its last go was.
    pub fn cancel(&self) -> Option<&CancelView> {
        self.cancel.as_ref()
    }

    /// The attempts, in the order in which they began.
    pub fn found(&self) -> &[AttemptView] {
        &self.found
    }

    /// From the job that ended last back over whatever each one waited for longest, in the order of time.
    pub fn critical_path(&self) -> Vec<Step> {
        let ended = |job: &str| self.final_at.get(job).copied();
        let latest = self.latest.keys().filter_map(|job| Some((ended(job)?, job)));
        let mut job = latest.max().map(|(_, job)| job.as_str());
        let mut steps = Vec::new();
        while let Some(name) = job {
            let attempt = self.latest(name);
            // One that was skipped took no time, and was waited for all the same.
            if let Some((attempt, ran_ms)) = attempt.and_then(|attempt| Some((attempt, attempt.ran_ms?))) {
                steps.push(Step { job: name.to_owned(), waited_ms: attempt.waited_ms, ran_ms });
            }
            let upstreams = self.upstreams.get(name).into_iter().flatten();
            let last = upstreams.filter_map(|upstream| Some((ended(upstream)?, upstream))).max();
            job = last.map(|(_, upstream)| upstream.as_str());
        }
        steps.reverse();
        steps
    }
}

fn millis(from: Timestamp, to: Timestamp) -> i64 {
    (to.as_millisecond() - from.as_millisecond()).max(0)
}

fn span(millis: i64) -> String {
    duration(SignedDuration::from_millis(millis))
}

/// Attempts that are listed for people; of more, those that did not succeed come first.
const MOST_LISTED: usize = 40;

/// A table for people, and the critical path below it.
pub fn render(attempts: &Attempts) -> String {
    let found = attempts.found();
    if found.is_empty() {
        return String::new();
    }
    let mut listed: Vec<&AttemptView> = found.iter().collect();
    if found.len() > MOST_LISTED {
        listed.retain(|attempt| attempt.ended != Some("succeeded"));
        listed.truncate(MOST_LISTED);
    }
    let longest = listed.iter().map(|attempt| attempt.job.chars().count()).max().unwrap_or(0).max(3);
    let mut text = format!(
        "\n  {:longest$}  ATTEMPT  {:19}  {:>7}  {:>7}  {:>5}  ENDED\n",
        "JOB", "STARTED (UTC)", "WAITED", "RAN", "TRIES"
    );
    listed.iter().for_each(|attempt| text.push_str(&line(attempt, longest)));
    if listed.len() < found.len() {
        text.push_str(&format!("  and {} more attempts (--output csv)\n", found.len() - listed.len()));
    }
    let path = attempts.critical_path();
    if path.len() > 1 {
        let steps: Vec<String> =
            path.iter().map(|step| format!("{} ({})", step.job, span(step.ran_ms))).collect();
        text.push_str(&format!("\ncritical path: {}\n", steps.join(" > ")));
    }
    text
}

fn line(attempt: &AttemptView, longest: usize) -> String {
    let started = attempt.started_at.strftime("%Y-%m-%d %H:%M:%S").to_string();
    let ran = attempt.ran_ms.map_or("-".to_owned(), span);
    let redrive = if attempt.redrive.is_some() { ", redriven" } else { "" };
    let tries = match attempt.between_tries_ms {
        0 => String::new(),
        millis => format!(", {} between tries", span(i64::try_from(millis).unwrap_or(i64::MAX))),
    };
    let ended = attempt.ended.unwrap_or("running").replace('_', " ");
    format!(
        "  {:longest$}  {:>7}  {started:19}  {:>7}  {ran:>7}  {:>5}  {ended}{redrive}{tries}\n",
        attempt.job,
        attempt.attempt,
        span(attempt.waited_ms),
        attempt.tries
    )
}

/// The columns of [`csv_row`].
pub const CSV_HEAD: &str = "session_id,job,attempt,execution,redrive,ready_at,started_at,ended_at,ended,waited_ms,\
                            ran_ms,between_tries_ms,tries,operation,error,summary";

/// A row of an attempt.
pub fn csv_row(session: &str, attempt: &AttemptView) -> String {
    let number = |number: Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
    let cells = [
        session.to_owned(),
        attempt.job.clone(),
        attempt.attempt.to_string(),
        attempt.execution.clone(),
        number(attempt.redrive.map(i64::from)),
        attempt.ready_at.to_string(),
        attempt.started_at.to_string(),
        attempt.ended_at.map(|at| at.to_string()).unwrap_or_default(),
        attempt.ended.unwrap_or_default().to_owned(),
        attempt.waited_ms.to_string(),
        number(attempt.ran_ms),
        attempt.between_tries_ms.to_string(),
        attempt.tries.to_string(),
        attempt.operation.clone().unwrap_or_default(),
        attempt.error.clone().unwrap_or_default(),
        attempt.summary.clone().unwrap_or_default(),
    ];
    csv::row(cells.iter().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::OutputRecord;
    use serde_json::Value as Json;

    fn started(job: &str, attempt: u32) -> EventKind {
        EventKind::JobStarted {
            job: job.into(),
            attempt,
            execution: format!("{job}-{attempt}"),
            redrive: None,
        }
    }

    fn succeeded(job: &str, attempt: u32) -> EventKind {
        EventKind::JobSucceeded { job: job.into(), attempt, output: OutputRecord::Inline(Json::Null) }
    }

    fn failed(job: &str, attempt: u32) -> EventKind {
        let failure = FailureRecord { error: Some("E".into()), tries: 3, ..FailureRecord::default() };
        EventKind::JobFailed { job: job.into(), attempt, failure, allowed: false }
    }

    /// Events at seconds; `b` waits for `a`, `c` for `a` and `b`.
    fn attempts(events: Vec<(i64, EventKind)>) -> Attempts {
        let upstreams = [("a", vec![]), ("b", vec!["a"]), ("c", vec!["a", "b"])];
        let owned =
            |(job, of): (&str, Vec<&str>)| (job.to_owned(), of.into_iter().map(str::to_owned).collect());
        let mut attempts = Attempts::new(upstreams.into_iter().map(owned).collect());
        for (number, (second, kind)) in events.into_iter().enumerate() {
            let at = Timestamp::from_second(second).unwrap();
            attempts.note(&SessionEvent { number: number as u64 + 1, at, kind });
        }
        attempts
    }

    /// `job attempt: waited, ran, how it ended`, in seconds.
    fn short(attempts: &Attempts) -> Vec<String> {
        let short = |one: &AttemptView| {
            let ran = one.ran_ms.map_or("-".to_owned(), |ran| (ran / 1000).to_string());
            let ended = one.ended.unwrap_or("runs");
            format!("{} {}: {}, {ran}, {ended}", one.job, one.attempt, one.waited_ms / 1000)
        };
        attempts.found().iter().map(short).collect()
    }

    #[test]
    fn waiting_begins_when_what_it_waits_for_has_ended() {
        let found = attempts(vec![
            (10, EventKind::SessionStarted),
            (11, started("a", 1)),
            (15, succeeded("a", 1)),
            (17, started("b", 1)),
            (20, succeeded("b", 1)),
            (26, started("c", 1)),
        ]);
        assert_eq!(short(&found), ["a 1: 1, 4, succeeded", "b 1: 2, 3, succeeded", "c 1: 6, -, runs"]);
    }

    #[test]
    fn every_attempt_is_kept_and_a_retry_begins_anew_to_wait() {
        let retried =
            EventKind::SessionRetried { by: "me".into(), retry: 1, jobs: Vec::new(), version: "1".into() };
        let found = attempts(vec![
            (0, EventKind::SessionStarted),
            (0, started("a", 1)),
            (2, succeeded("a", 1)),
            (2, started("b", 1)),
            (5, failed("b", 1)),
            (100, retried),
            (101, started("b", 2)),
            (103, EventKind::AttemptLost { job: "b".into(), attempt: 2 }),
            (200, EventKind::SessionResumed { by: "me".into() }),
            (200, started("b", 3)),
            (204, succeeded("b", 3)),
        ]);
        let expected =
            ["a 1: 0, 2, succeeded", "b 1: 0, 3, failed", "b 2: 1, 2, lost", "b 3: 0, 4, succeeded"];
        assert_eq!(short(&found), expected);
        assert_eq!((found.found()[1].tries, found.found()[1].error.as_deref()), (3, Some("E")));
    }

    #[test]
    fn time_between_tries_is_told_apart() {
        let retrying = EventKind::OperationRetrying {
            job: "a".into(),
            attempt: 1,
            operation: "x".into(),
            try_number: 1,
            delay_ms: 5000,
            error: "E".into(),
            cause: String::new(),
        };
        let again =
            EventKind::OperationStarted { job: "a".into(), attempt: 1, operation: "x".into(), try_number: 2 };
        let found = attempts(vec![(0, started("a", 1)), (1, retrying), (6, again), (7, succeeded("a", 1))]);
        let attempt = &found.found()[0];
        assert_eq!((attempt.ran_ms, attempt.between_tries_ms, attempt.tries), (Some(7000), 5000, 2));
    }

    #[test]
    fn the_critical_path_leads_over_what_ended_last() {
        let skipped = EventKind::JobSkipped { job: "b".into(), reason: String::new() };
        let found = attempts(vec![
            (0, EventKind::SessionStarted),
            (0, started("a", 1)),
            (4, succeeded("a", 1)),
            (4, skipped),
            (5, started("c", 1)),
            (6, succeeded("c", 1)),
        ]);
        let step = |job: &str, waited_ms, ran_ms| Step { job: job.into(), waited_ms, ran_ms };
        assert_eq!(found.critical_path(), [step("a", 0, 4000), step("c", 1000, 1000)]);
    }
}
