//! What a session's events say of times that its records do not keep: earlier attempts, waits between tries, pauses.

use crate::report::attempts::{Attempts, Upstreams};
use crate::report::lines::EventLines;
use crate::report::text::one_line;
use crate::runner::EventConsumer;
use crate::session::{EventKind, FailureRecord, SessionEvent};
use jiff::{Timestamp, ToSpan};
use std::collections::{HashMap, VecDeque};

/// Lines of events that are kept, of the first and of the last ones.
const FIRST_LINES: usize = 100;
const LAST_LINES: usize = 200;
/// Characters of why an attempt failed.
const MOST_OF_WHY: usize = 110;
/// Waits that are kept of an attempt.
const MOST_WAITS: usize = 20;

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It has not.
    Open,
    Succeeded,
    Failed,
    TimedOut,
    Cancelled,
    /// Its runner died.
    Lost,
}

impl Outcome {
    /// As people say it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Open => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed out",
            Self::Cancelled => "cancelled",
            Self::Lost => "lost: its runner died",
        }
    }
}

/// One attempt of a job.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub(super) number: u32,
    pub(super) started_at: Timestamp,
    pub(super) ended_at: Option<Timestamp>,
    pub(super) outcome: Outcome,
    /// It went on from where an earlier one had failed.
    pub(super) is_redriven: bool,
    /// Why it failed.
    pub(super) why: Option<String>,
    /// Tries that failed and were followed by another.
    pub(super) retries: usize,
    /// Between two tries: nothing ran.
    pub(super) waits: Vec<(Timestamp, Timestamp)>,
}

/// A session's events, told in order by [`EventConsumer::event`].
pub struct History {
    told: Attempts,
    attempts: HashMap<String, Vec<Attempt>>,
    /// Spans of time in which a runner drove the session.
    goes: Vec<(Timestamp, Option<Timestamp>)>,
    lines: Lines,
    count: u64,
    last_at: Option<Timestamp>,
}

#[derive(Default)]
struct Lines {
    words: Option<EventLines<()>>,
    first: Vec<(Timestamp, String)>,
    last: VecDeque<(Timestamp, String)>,
    left_out: usize,
}

impl History {
    /// Of a session whose jobs wait for each other so. Nothing has happened yet.
    pub fn new(upstreams: Upstreams) -> Self {
        Self {
            told: Attempts::new(upstreams),
            attempts: HashMap::new(),
            goes: Vec::new(),
            lines: Lines::default(),
            count: 0,
            last_at: None,
        }
    }

    /// The same attempts as `bunsui session show` has them.
    pub(super) fn told(&self) -> &Attempts {
        &self.told
    }

    /// Attempts of a job, in order.
    pub(super) fn attempts(&self, job: &str) -> &[Attempt] {
        self.attempts.get(job).map_or(&[], Vec::as_slice)
    }

    /// Spans of time in which the session was driven; the last one may be open.
    pub(super) fn goes(&self) -> &[(Timestamp, Option<Timestamp>)] {
        &self.goes
    }

    /// How many events there were.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The first lines, how many are left out after them, the last lines.
    pub(super) fn lines(
        &self,
    ) -> (&[(Timestamp, String)], usize, impl Iterator<Item = &(Timestamp, String)>) {
        (&self.lines.first, self.lines.left_out, self.lines.last.iter())
    }

    fn open(&mut self, at: Timestamp) {
        if let Some(last) = self.goes.last_mut()
            && last.1.is_none()
        {
            // Its runner died: what it did last is all that is known.
            last.1 = self.last_at;
        }
        self.goes.push((at, None));
    }

    fn close(&mut self, at: Timestamp) {
        if let Some(last) = self.goes.last_mut() {
            last.1.get_or_insert(at);
        }
    }

    fn ended(&mut self, job: &str, at: Timestamp, outcome: Outcome, failure: Option<&FailureRecord>) {
        let attempt = self.attempts.get_mut(job).and_then(|attempts| attempts.last_mut());
        if let Some(attempt) = attempt.filter(|attempt| attempt.ended_at.is_none()) {
            (attempt.ended_at, attempt.outcome) = (Some(at), outcome);
            let why = failure.and_then(|failure| failure.summary.as_ref().or(failure.error.as_ref()));
            attempt.why = why.map(|why| one_line(why, MOST_OF_WHY));
        }
    }

    fn retrying(&mut self, job: &str, at: Timestamp, delay_ms: u64) {
        let Some(attempt) = self.attempts.get_mut(job).and_then(|attempts| attempts.last_mut()) else {
            return;
        };
        attempt.retries += 1;
        let delay = i64::try_from(delay_ms).unwrap_or(i64::MAX).min(1_000_000_000);
        if let Ok(until) = at.checked_add(delay.milliseconds())
            && attempt.waits.len() < MOST_WAITS
        {
            attempt.waits.push((at, until));
        }
    }

    fn times(&mut self, event: &SessionEvent) {
        let at = event.at;
        match &event.kind {
            EventKind::LeaseTaken { .. } => self.open(at),
            EventKind::SessionStarted
            | EventKind::SessionResumed { .. }
            | EventKind::SessionRetried { .. } => {
                if self.goes.last().is_none_or(|last| last.1.is_some()) {
                    self.open(at);
                }
            }
            EventKind::SessionPaused { .. } | EventKind::SessionEnded { .. } => self.close(at),
            EventKind::JobStarted { job, attempt, redrive, .. } => {
                self.attempts.entry(job.clone()).or_default().push(Attempt {
                    number: *attempt,
                    started_at: at,
                    ended_at: None,
                    outcome: Outcome::Open,
                    is_redriven: redrive.is_some(),
                    why: None,
                    retries: 0,
                    waits: Vec::new(),
                });
            }
            EventKind::OperationRetrying { job, delay_ms, .. } => self.retrying(job, at, *delay_ms),
            EventKind::AttemptLost { job, .. } => {
                let at = self.last_at.unwrap_or(at);
                self.ended(job, at, Outcome::Lost, None);
            }
            EventKind::JobSucceeded { job, .. } => self.ended(job, at, Outcome::Succeeded, None),
            EventKind::JobFailed { job, failure, .. } => self.ended(job, at, Outcome::Failed, Some(failure)),
            EventKind::JobTimedOut { job, failure, .. } => {
                self.ended(job, at, Outcome::TimedOut, Some(failure));
            }
            EventKind::JobCancelled { job, .. } => self.ended(job, at, Outcome::Cancelled, None),
            EventKind::SessionCreated { .. }
            | EventKind::JobsReset { .. }
            | EventKind::JobsRemoved { .. }
            | EventKind::JobReused { .. }
            | EventKind::OperationStarted { .. }
            | EventKind::OperationSucceeded { .. }
            | EventKind::OperationFailed { .. }
            | EventKind::JobSkipped { .. }
            | EventKind::JobUpstreamFailed { .. }
            | EventKind::PauseRequested { .. }
            | EventKind::CancelRequested { .. }
            | EventKind::StopRequested { .. }
            | EventKind::LeftoversEnded { .. }
            | EventKind::StopIncomplete { .. }
            | EventKind::SessionTimeoutReached => {}
        }
    }
}

impl Lines {
    fn event(&mut self, event: &SessionEvent) {
        let words = self.words.get_or_insert_with(|| EventLines::new(()));
        let Some(line) = words.line(event) else { return };
        if self.first.len() < FIRST_LINES {
            self.first.push((event.at, line));
            return;
        }
        if self.last.len() == LAST_LINES {
            self.last.pop_front();
            self.left_out += 1;
        }
        self.last.push_back((event.at, line));
    }
}

impl EventConsumer for History {
    fn event(&mut self, event: &SessionEvent) {
        self.told.note(event);
        self.times(event);
        self.lines.event(event);
        self.count += 1;
        self.last_at = Some(event.at);
    }
}
