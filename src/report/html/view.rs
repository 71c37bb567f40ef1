//! What sections share: which job is which, how long each waited and ran, and the critical path.

use super::Story;
use crate::report::failure::FailedJob;
use crate::report::text::{duration, moment};
use crate::session::{JobRecord, JobStatus};
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};
use std::collections::{BTreeSet, HashMap, HashSet};

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
    /// The failed jobs that are told in full; those that may fail last.
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
        let mut told: Vec<usize> = view.failed().filter(|job| view.job(*job).failure.is_some()).collect();
        told.sort_by_key(|job| view.is_allowed(*job));
        told.truncate(MOST_TOLD);
        view.told = told;
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

    /// A job that failed, as what explains failures takes it.
    pub(super) fn failed_job(&self, job: usize) -> Option<FailedJob<'a>> {
        let record = self.job(job);
        Some(FailedJob {
            session: self.story.session.session_id.as_str(),
            job_key: &record.job_key,
            status: record.status,
            failure: record.failure.as_ref()?,
        })
    }

    /// Its `allow_failure`.
    pub(super) fn is_allowed(&self, job: usize) -> bool {
        let jobs = self.story.pipeline.map(|pipeline| &pipeline.jobs);
        jobs.and_then(|jobs| jobs.get(self.job(job).job_key.as_str())).is_some_and(|job| job.allow_failure)
    }

    /// The jobs that did not run because these failed, in the order of the file.
    pub(super) fn stopped(&self, jobs: &[usize]) -> Vec<usize> {
        let Some(pipeline) = self.story.pipeline else { return Vec::new() };
        let mut stopped = BTreeSet::new();
        let index = |job: &usize| pipeline.jobs.get_index_of(self.job(*job).job_key.as_str());
        let mut next: Vec<usize> = jobs.iter().filter_map(index).collect();
        while let Some(at) = next.pop() {
            for down in &pipeline.graph.downstreams[at] {
                let known = self.of_key(pipeline.jobs[*down].id.as_str());
                let known = known.filter(|known| self.job(*known).status == JobStatus::UpstreamFailed);
                if known.is_some_and(|known| stopped.insert(known)) {
                    next.push(*down);
                }
            }
        }
        stopped.into_iter().collect()
    }

    /// How long a job's latest attempt took, or has taken until the report was made.
    pub(super) fn took(&self, job: usize) -> String {
        let record = self.job(job);
        match (record.status, record.started_at) {
            (JobStatus::Running, Some(from)) => {
                format!("{} so far", span_text(Some(self.story.made_at.duration_since(from))))
            }
            _ => span_text(self.times[job].ran),
        }
    }

    /// How long runners have driven the session, in all its goes.
    pub(super) fn driven(&self) -> SignedDuration {
        let until = self.story.session.ended_at.unwrap_or(self.story.made_at);
        let goes = self.story.history.goes().iter();
        goes.map(|(from, to)| to.unwrap_or(until).duration_since(*from)).sum()
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
        let told = self.story.history.told().latest(&record.job_key);
        // A job that a retry has set back has its attempts behind it.
        let Some((told, started)) = told.zip(record.started_at).filter(|_| record.attempt > 0) else {
            return Times::default();
        };
        Times {
            ready_at: Some(told.ready_at),
            waited: Some(started.duration_since(told.ready_at)),
            ran: record.ended_at.map(|ended| ended.duration_since(started)),
        }
    }

    /// What `bunsui session show` calls the critical path. One job is no path, and one that runs may yet be on it.
    fn critical_path(&self) -> Vec<usize> {
        if !self.story.session.status.is_final() {
            return Vec::new();
        }
        let steps = self.story.history.told().critical_path();
        let way: Vec<usize> = steps.iter().filter_map(|step| self.of_key(&step.job)).collect();
        if way.len() > 1 { way } else { Vec::new() }
    }
}

/// A time, for people and for programs.
pub(super) fn moment_markup(at: Timestamp) -> Markup {
    html! { time datetime=(at.to_string()) { (moment(at)) } }
}

/// A text whose parts between backticks are set as code; one that has an odd number of them stays as it is.
pub(super) fn ticked(text: &str) -> Markup {
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return html! { (text) };
    }
    html! { @for (at, part) in parts.iter().enumerate() { @if at % 2 == 1 { code { (part) } } @else { (part) } } }
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
