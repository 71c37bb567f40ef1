//! What sections share: which job is which, how long each waited and ran, and the critical path.

use super::Story;
use crate::report::text::{duration, moment};
use crate::session::{JobRecord, JobStatus};
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};
use std::collections::{HashMap, HashSet};

/// Rows of the table of jobs.
const MOST_LISTED: usize = 1000;
/// Failures that are told in full.
const MOST_TOLD: usize = 50;

/// A story, with what follows from it. Jobs are counted as the story has them.
pub(super) struct View<'a> {
    pub(super) story: &'a Story<'a>,
    by_key: HashMap<&'a str, usize>,
    pub(super) times: Vec<Times>,
    /// The critical path, from its first job to its last: what a session that is to be shorter must shorten.
    pub(super) critical: Vec<usize>,
    is_critical: HashSet<usize>,
    /// The jobs that the table of jobs has, in its order.
    pub(super) listed: Vec<usize>,
    is_listed: HashSet<usize>,
    /// The failed jobs that are told in full.
    pub(super) told: Vec<usize>,
}

/// Of a job's latest attempt.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Times {
    /// From when nothing that it needs was missing.
    pub(super) ready_at: Option<Timestamp>,
    pub(super) waited: Option<SignedDuration>,
    pub(super) ran: Option<SignedDuration>,
}

impl<'a> View<'a> {
    pub(super) fn new(story: &'a Story<'a>) -> Self {
        let jobs = story.jobs.iter().enumerate();
        let mut view = Self {
            story,
            by_key: jobs.map(|(at, job)| (job.job_key.as_str(), at)).collect(),
            times: Vec::new(),
            critical: Vec::new(),
            is_critical: HashSet::new(),
            listed: Vec::new(),
            is_listed: HashSet::new(),
            told: Vec::new(),
        };
        view.times = (0..story.jobs.len()).map(|job| view.times_of(job)).collect();
        view.critical = view.critical_path();
        view.is_critical = view.critical.iter().copied().collect();
        view.listed = view.most_telling((0..story.jobs.len()).collect(), MOST_LISTED);
        view.told = view.failed().filter(|job| view.job(*job).failure.is_some()).take(MOST_TOLD).collect();
        view.is_listed = view.listed.iter().copied().collect();
        view
    }

    /// The job of a key, if it is part of the session.
    pub(super) fn of_key(&self, key: &str) -> Option<usize> {
        self.by_key.get(key).copied()
    }

    pub(super) fn job(&self, job: usize) -> &'a JobRecord {
        &self.story.jobs[job]
    }

    /// The jobs that a job waits for, as far as they are part of the session.
    pub(super) fn upstreams(&self, job: usize) -> Vec<usize> {
        let key = self.job(job).job_key.as_str();
        let known = self.story.pipeline.and_then(|pipeline| pipeline.jobs.get(key));
        known.map_or(Vec::new(), |known| {
            known.depends_on.iter().filter_map(|id| self.of_key(id.as_str())).collect()
        })
    }

    /// Those that failed or ran out of time.
    pub(super) fn failed(&self) -> impl Iterator<Item = usize> {
        let is_failed =
            |job: &usize| matches!(self.job(*job).status, JobStatus::Failed | JobStatus::TimedOut);
        (0..self.story.jobs.len()).filter(is_failed)
    }

    pub(super) fn is_critical(&self, job: usize) -> bool {
        self.is_critical.contains(&job)
    }

    /// The element that says more of a job.
    pub(super) fn link(&self, job: usize) -> Option<String> {
        self.is_listed.contains(&job).then(|| format!("job-{job}"))
    }

    /// A job's name, leading to where more is said of it.
    pub(super) fn name(&self, job: usize) -> Markup {
        let key = &self.job(job).job_key;
        match self.link(job) {
            Some(id) => html! { a href={ "#" (id) } { (key) } },
            None => html! { (key) },
        }
    }

    /// Of these jobs the ones of which there is most to say, in the order of the file: those that failed, those on the critical
    /// path, others that did not succeed, those that took longest.
    pub(super) fn most_telling(&self, mut jobs: Vec<usize>, most: usize) -> Vec<usize> {
        if jobs.len() > most {
            let rank = |job: &usize| {
                let is_failed = matches!(self.job(*job).status, JobStatus::Failed | JobStatus::TimedOut);
                let is_odd = self.job(*job).status != JobStatus::Succeeded;
                let ran = self.times[*job].ran.unwrap_or_default();
                (!is_failed, !self.is_critical(*job), !is_odd, std::cmp::Reverse(ran))
            };
            jobs.sort_by_cached_key(rank);
            jobs.truncate(most);
            jobs.sort_unstable();
        }
        jobs
    }

    fn times_of(&self, job: usize) -> Times {
        let record = self.job(job);
        let (Some(started), false) = (record.started_at, record.attempt == 0) else {
            return Times::default();
        };
        let upstreams = self.upstreams(job);
        let needed = upstreams.iter().filter_map(|up| self.job(*up).ended_at);
        let ready_at =
            needed.chain(self.story.history.begun_before(started)).max().filter(|ready| *ready <= started);
        Times {
            ready_at,
            waited: ready_at.map(|ready| started.duration_since(ready)),
            ran: record.ended_at.map(|ended| ended.duration_since(started)),
        }
    }

    /// From the job that ended last back to the upstream of each that ended last.
    fn critical_path(&self) -> Vec<usize> {
        if self.story.pipeline.is_none() {
            return Vec::new();
        }
        let last = |jobs: &mut dyn Iterator<Item = usize>| {
            jobs.filter(|job| self.times[*job].ran.is_some())
                .max_by_key(|job| (self.job(*job).ended_at, std::cmp::Reverse(*job)))
        };
        let mut way: Vec<usize> = std::iter::successors(last(&mut (0..self.story.jobs.len())), |job| {
            last(&mut self.upstreams(*job).into_iter())
        })
        .collect();
        way.reverse();
        way
    }
}

/// A time, for people and for programs.
pub(super) fn moment_markup(at: Timestamp) -> Markup {
    html! { time datetime=(at.to_string()) { (moment(at)) } }
}

/// A span of time; `-` where there is none. What is short is said to the millisecond.
pub(super) fn span_text(span: Option<SignedDuration>) -> String {
    match span {
        None => "-".into(),
        Some(span) if span.as_millis() < 1000 => format!("{} ms", span.as_millis().max(0)),
        Some(span) => duration(span),
    }
}

/// `1 job`, `1,200 jobs`
pub(super) fn counted(number: usize, what: &str) -> String {
    format!("{} {what}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// A number with a comma before each three digits.
pub(super) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
