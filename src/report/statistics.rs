//! How a pipeline's last sessions went: how often they succeed, and how long they take.
//!
//! Takes: sessions, and the records of their jobs. Gives: counts, rates, percentiles, of the sessions and of each job.
//! Deliberately does not: count a job whose output was taken from another session, nor time a session of a part of the pipeline, or one that was retried.

use super::csv;
use super::text::duration;
use crate::session::{JobRecord, JobStatus, SessionRecord, SessionStatus};
use indexmap::IndexMap;
use jiff::SignedDuration;
use serde::Serialize;

/// Gathers what became of sessions and jobs.
#[derive(Debug, Default)]
pub struct Gathering {
    cancelled: usize,
    unfinished: usize,
    sessions: Outcomes,
    jobs: IndexMap<String, Outcomes>,
}

/// What became of sessions, or of a job in them.
#[derive(Debug, Default)]
struct Outcomes {
    succeeded: usize,
    failed: usize,
    /// Milliseconds, of those that succeeded.
    durations: Vec<u64>,
}

/// Of a pipeline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PipelineStatistics {
    /// Sessions looked at.
    pub sessions: usize,
    /// Sessions that were cancelled; they count neither for nor against it.
    pub cancelled: usize,
    /// Sessions that have not ended.
    pub unfinished: usize,
    /// Those that ended by themselves.
    #[serde(flatten)]
    pub ended: Statistics,
    /// The jobs, the slowest first.
    pub jobs: Vec<JobStatistics>,
}

/// Of a job in the same sessions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobStatistics {
    /// The job key.
    pub job: String,
    /// Sessions in which it ended by itself, its latest attempt each.
    #[serde(flatten)]
    pub ended: Statistics,
}

/// Counts, and what follows from them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Statistics {
    /// How many succeeded.
    pub succeeded: usize,
    /// How many failed or timed out.
    pub failed: usize,
    /// From 0 to 1; none where nothing ended.
    pub success_rate: Option<f64>,
    /// Of those that succeeded; none where none did.
    pub duration_ms: Option<Percentiles>,
}

/// Durations in milliseconds, by nearest rank: each is one that was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// Half took no longer.
    pub p50: u64,
    /// Nine in ten took no longer.
    pub p90: u64,
    /// 99 in a hundred took no longer.
    pub p99: u64,
    /// The longest.
    pub max: u64,
}

impl Percentiles {
    fn of(durations: &[u64]) -> Option<Self> {
        let mut sorted = durations.to_vec();
        sorted.sort_unstable();
        let max = *sorted.last()?;
        let rank = |percent: usize| sorted[(sorted.len() * percent).div_ceil(100) - 1];
        Some(Self { p50: rank(50), p90: rank(90), p99: rank(99), max })
    }
}

impl Outcomes {
    fn statistics(&self) -> Statistics {
        let ended = self.succeeded + self.failed;
        let success_rate = (ended > 0).then(|| self.succeeded as f64 / ended as f64);
        let duration_ms = Percentiles::of(&self.durations);
        Statistics { succeeded: self.succeeded, failed: self.failed, success_rate, duration_ms }
    }
}

impl Gathering {
    /// Takes a session and the records of its jobs.
    pub fn add(&mut self, session: &SessionRecord, jobs: &[JobRecord]) {
        match session.status {
            SessionStatus::Succeeded => {
                self.sessions.succeeded += 1;
                // A part of the pipeline, or the last go of a retried session, takes less time than a whole one.
                if session.slice.is_none() && session.retries == 0 {
                    self.sessions.durations.push(driven(session));
                }
            }
            SessionStatus::Failed | SessionStatus::TimedOut => self.sessions.failed += 1,
            SessionStatus::Cancelled => self.cancelled += 1,
            _ => self.unfinished += 1,
        }
        for job in jobs.iter().filter(|job| job.attempt > 0 && job.reused_from.is_none()) {
            let took = job.started_at.zip(job.ended_at);
            let took = took.map(|(from, to)| to.as_millisecond() - from.as_millisecond());
            let outcomes = self.jobs.entry(job.job_key.clone()).or_default();
            match job.status {
                JobStatus::Succeeded => {
                    outcomes.succeeded += 1;
                    outcomes.durations.extend(took.and_then(|took| u64::try_from(took).ok()));
                }
                JobStatus::Failed | JobStatus::TimedOut => outcomes.failed += 1,
                _ => {}
            }
        }
    }

    /// What they came to.
    pub fn statistics(&self) -> PipelineStatistics {
        let jobs = self
            .jobs
            .iter()
            .map(|(job, outcomes)| JobStatistics { job: job.clone(), ended: outcomes.statistics() });
        let mut jobs: Vec<JobStatistics> = jobs.collect();
        let median = |job: &JobStatistics| job.ended.duration_ms.map_or(0, |duration| duration.p50);
        jobs.sort_by(|a, b| median(b).cmp(&median(a)).then_with(|| a.job.cmp(&b.job)));
        let ended = self.sessions.statistics();
        PipelineStatistics {
            sessions: ended.succeeded + ended.failed + self.cancelled + self.unfinished,
            cancelled: self.cancelled,
            unfinished: self.unfinished,
            ended,
            jobs,
        }
    }
}

/// How long runners drove a session: a night in which it was paused does not count.
fn driven(session: &SessionRecord) -> u64 {
    let took = session.started_at.zip(session.ended_at);
    let took = took.map_or(0, |(from, to)| to.as_millisecond() - from.as_millisecond());
    if session.active_ms > 0 { session.active_ms } else { u64::try_from(took).unwrap_or_default() }
}

/// Jobs that are listed for people.
const MOST_LISTED: usize = 20;

/// Text for people.
pub fn render(statistics: &PipelineStatistics) -> String {
    let ended = &statistics.ended;
    let others = [(statistics.cancelled, "cancelled"), (statistics.unfinished, "not ended")];
    let others =
        others.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!(", {count} {what}"));
    let mut text = format!(
        "last {} session{}: {} succeeded, {} failed{}{}\n",
        statistics.sessions,
        if statistics.sessions == 1 { "" } else { "s" },
        ended.succeeded,
        ended.failed,
        others.collect::<String>(),
        ended.success_rate.map(|rate| format!("; success rate {}", percent(rate))).unwrap_or_default()
    );
    let longest = statistics.jobs.iter().take(MOST_LISTED).map(|job| job.job.chars().count()).max();
    let longest = longest.unwrap_or(0).max(8);
    text.push_str(&format!(
        "\n  {:longest$}  {:>9}  {:>6}  {:>7}  {:>7}  {:>7}  {:>7}\n",
        "", "SUCCEEDED", "FAILED", "P50", "P90", "P99", "MAX"
    ));
    text.push_str(&line("sessions", ended, longest));
    for job in statistics.jobs.iter().take(MOST_LISTED) {
        text.push_str(&line(&job.job, &job.ended, longest));
    }
    if statistics.jobs.len() > MOST_LISTED {
        let more = statistics.jobs.len() - MOST_LISTED;
        text.push_str(&format!("  and {more} more jobs, which take less time (--output csv)\n"));
    }
    text + &most_failing(statistics)
}

fn most_failing(statistics: &PipelineStatistics) -> String {
    let mut failing: Vec<&JobStatistics> =
        statistics.jobs.iter().filter(|job| job.ended.failed > 0).collect();
    failing.sort_by_key(|job| std::cmp::Reverse(job.ended.failed));
    let of = |job: &&JobStatistics| {
        format!("{} ({} of {})", job.job, job.ended.failed, job.ended.failed + job.ended.succeeded)
    };
    let failing: Vec<String> = failing.iter().take(5).map(of).collect();
    if failing.is_empty() { String::new() } else { format!("\nfailed most often: {}\n", failing.join(", ")) }
}

fn line(name: &str, ended: &Statistics, longest: usize) -> String {
    let span = |millis: u64| duration(SignedDuration::from_millis(i64::try_from(millis).unwrap_or(i64::MAX)));
    let times = ended.duration_ms.map_or_else(
        || ["-", "-", "-", "-"].map(str::to_owned),
        |times| [times.p50, times.p90, times.p99, times.max].map(span),
    );
    let [p50, p90, p99, max] = times;
    format!(
        "  {name:longest$}  {:>9}  {:>6}  {p50:>7}  {p90:>7}  {p99:>7}  {max:>7}\n",
        ended.succeeded, ended.failed
    )
}

/// Never 100 % while something failed.
fn percent(rate: f64) -> String {
    format!("{}%", (rate * 1000.0).floor() / 10.0)
}

/// The columns of [`csv_rows`].
pub const CSV_HEAD: &str = "pipeline,job,succeeded,failed,success_rate,p50_ms,p90_ms,p99_ms,max_ms";

/// A row for the sessions, in which no job is named, and one a job.
pub fn csv_rows(pipeline: &str, statistics: &PipelineStatistics) -> Vec<String> {
    let row = |job: &str, ended: &Statistics| {
        let times = ended.duration_ms.map(|times| [times.p50, times.p90, times.p99, times.max]);
        let times = times.map_or_else(Default::default, |times| times.map(|millis| millis.to_string()));
        let rate = ended.success_rate.map(|rate| format!("{rate:.4}")).unwrap_or_default();
        let mut cells = vec![
            pipeline.to_owned(),
            job.to_owned(),
            ended.succeeded.to_string(),
            ended.failed.to_string(),
            rate,
        ];
        cells.extend::<[String; 4]>(times);
        csv::row(cells.iter().map(String::as_str))
    };
    let of_jobs = statistics.jobs.iter().map(|job| row(&job.job, &job.ended));
    std::iter::once(row("", &statistics.ended)).chain(of_jobs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{RunnerRecord, SessionId};
    use jiff::Timestamp;

    fn session(status: SessionStatus, active_ms: u64) -> SessionRecord {
        let runner = RunnerRecord { host: "h".into(), pid: 1, user: "u".into(), bunsui: "0".into() };
        let id = SessionId::new("20261122-091530-9f9qa0").unwrap();
        let pinned = ("etl".to_owned(), "1".to_owned());
        SessionRecord { status, active_ms, ..SessionRecord::new(id, pinned, runner, Timestamp::UNIX_EPOCH) }
    }

    fn job(key: &str, status: JobStatus, seconds: i64) -> JobRecord {
        JobRecord {
            status,
            attempt: 1,
            started_at: Some(Timestamp::UNIX_EPOCH),
            ended_at: Timestamp::from_second(seconds).ok(),
            ..JobRecord::pending(key)
        }
    }

    #[test]
    fn percentiles_are_of_what_was_measured() {
        assert_eq!(Percentiles::of(&[]), None);
        let hundred: Vec<u64> = (1..=100).rev().collect();
        assert_eq!(Percentiles::of(&hundred), Some(Percentiles { p50: 50, p90: 90, p99: 99, max: 100 }));
        assert_eq!(Percentiles::of(&[7]), Some(Percentiles { p50: 7, p90: 7, p99: 7, max: 7 }));
        assert_eq!(Percentiles::of(&[3, 1, 2]), Some(Percentiles { p50: 2, p90: 3, p99: 3, max: 3 }));
    }

    #[test]
    fn rates_are_of_what_ended_by_itself() {
        let mut gathering = Gathering::default();
        gathering.add(&session(SessionStatus::Succeeded, 2000), &[job("a", JobStatus::Succeeded, 2)]);
        gathering.add(&session(SessionStatus::Failed, 9000), &[job("a", JobStatus::Failed, 9)]);
        gathering.add(&session(SessionStatus::Succeeded, 4000), &[job("b", JobStatus::Succeeded, 4)]);
        gathering.add(&session(SessionStatus::Cancelled, 0), &[job("a", JobStatus::Cancelled, 1)]);
        gathering.add(&session(SessionStatus::Running, 0), &[job("a", JobStatus::Running, 0)]);
        let statistics = gathering.statistics();
        assert_eq!((statistics.sessions, statistics.cancelled, statistics.unfinished), (5, 1, 1));
        assert_eq!(statistics.ended.success_rate, Some(2.0 / 3.0));
        assert_eq!(
            statistics.ended.duration_ms,
            Some(Percentiles { p50: 2000, p90: 4000, p99: 4000, max: 4000 })
        );
        let jobs: Vec<_> = statistics
            .jobs
            .iter()
            .map(|job| (job.job.as_str(), job.ended.succeeded, job.ended.failed))
            .collect();
        assert_eq!(jobs, [("b", 1, 0), ("a", 1, 1)], "the slowest first");
        assert_eq!(csv_rows("etl", &statistics)[0], "etl,,2,1,0.6667,2000,4000,4000,4000");
        assert!(render(&statistics).contains("success rate 66.6%"), "{}", render(&statistics));
    }

    #[test]
    fn what_ran_elsewhere_or_in_part_is_not_timed() {
        let mut gathering = Gathering::default();
        let retried = SessionRecord { retries: 1, ..session(SessionStatus::Succeeded, 5) };
        gathering.add(&retried, &[]);
        let part = SessionRecord { slice: Some(Default::default()), ..session(SessionStatus::Succeeded, 5) };
        let reused =
            JobRecord { reused_from: Some(part.session_id.clone()), ..job("a", JobStatus::Succeeded, 1) };
        gathering.add(&part, &[reused]);
        let statistics = gathering.statistics();
        assert_eq!((statistics.ended.succeeded, statistics.ended.duration_ms), (2, None));
        assert!(statistics.jobs.is_empty());
    }
}
