//! Which failures are tried again, after how long, and which are caught.
//!
//! Follows the developer guide's page on errors: `States.ALL` sees neither `States.Runtime` nor a
//! `States.DataLimitExceeded` of a state's own output, `States.TaskFailed` sees all but timeouts.

use super::super::definition::{Catcher, Recovery, Retrier};
use super::failure::{Failure, RUNTIME, TIMEOUT};
use std::time::Duration;

/// How often each entry of Retry was used.
#[derive(Debug)]
pub(super) struct Tries {
    used: Vec<u32>,
    /// Tries after the first one.
    pub(super) count: u32,
}

impl Tries {
    pub(super) fn new(recovery: &Recovery) -> Self {
        Self { used: vec![0; recovery.retry.len()], count: 0 }
    }

    /// Whether to try again, and when. `jitter` gives a number from 0 up to 1.
    pub(super) fn next(
        &mut self,
        recovery: &Recovery,
        failure: &Failure,
        jitter: impl FnOnce() -> f64,
    ) -> Option<Duration> {
        let (index, retrier) =
            recovery.retry.iter().enumerate().find(|(_, retrier)| matches_any(&retrier.errors, failure))?;
        let used = self.used.get_mut(index)?;
        if *used >= retrier.max_attempts {
            return None;
        }
        let delay = delay(retrier, *used);
        *used += 1;
        self.count += 1;
        Some(if retrier.has_jitter { delay.mul_f64(jitter()) } else { delay })
    }
}

/// The delay before the retry that follows `used` earlier ones.
fn delay(retrier: &Retrier, used: u32) -> Duration {
    // Never shorter than a year even where no longest delay is given: beyond any execution.
    const LONGEST: f64 = 31_622_400.0;
    let seconds = retrier.interval.as_secs_f64() * retrier.backoff_rate.powf(f64::from(used));
    let longest = retrier.max_delay.map_or(LONGEST, |longest| longest.as_secs_f64());
    Duration::from_secs_f64(seconds.min(longest))
}

/// The entry of Catch that takes the failure.
pub(super) fn catcher<'r>(recovery: &'r Recovery, failure: &Failure) -> Option<(usize, &'r Catcher)> {
    recovery.catch.iter().enumerate().find(|(_, catcher)| matches_any(&catcher.errors, failure))
}

fn matches_any(names: &[String], failure: &Failure) -> bool {
    failure.is_catchable
        && failure.error.as_deref() != Some(RUNTIME)
        && names.iter().any(|name| matches(name, failure))
}

fn matches(name: &str, failure: &Failure) -> bool {
    let error = failure.error.as_deref();
    match name {
        "States.ALL" => true,
        "States.TaskFailed" => !matches!(error, Some(TIMEOUT | "States.HeartbeatTimeout")),
        TIMEOUT => matches!(error, Some(TIMEOUT | "States.HeartbeatTimeout")),
        name => error == Some(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(error: &str) -> Failure {
        Failure::new(Some(error.to_owned()), None, "S", 1)
    }

    fn retrier(max_delay: Option<u64>, max_attempts: u32) -> Retrier {
        Retrier {
            errors: vec!["States.ALL".to_owned()],
            interval: Duration::from_secs(3),
            max_attempts,
            backoff_rate: 2.0,
            max_delay: max_delay.map(Duration::from_secs),
            has_jitter: false,
        }
    }

    #[track_caller]
    fn check_delays(retrier: Retrier, expected: &[u64]) {
        let recovery = Recovery { retry: vec![retrier], catch: Vec::new() };
        let mut tries = Tries::new(&recovery);
        let delays: Vec<u64> = std::iter::from_fn(|| tries.next(&recovery, &failure("E"), || 0.5))
            .map(|delay| delay.as_secs())
            .collect();
        assert_eq!(delays, expected);
    }

    #[test]
    fn a_delay_grows_by_the_backoff_rate_up_to_the_longest() {
        check_delays(retrier(None, 4), &[3, 6, 12, 24]);
        check_delays(retrier(Some(10), 4), &[3, 6, 10, 10]);
        check_delays(retrier(None, 0), &[]);
        check_delays(Retrier { has_jitter: true, ..retrier(None, 2) }, &[1, 3]);
    }

    #[test]
    fn each_entry_counts_its_own_retries() {
        let named = |name: &str| Retrier { errors: vec![name.to_owned()], ..retrier(None, 1) };
        let recovery = Recovery { retry: vec![named("A"), named("B")], catch: Vec::new() };
        let mut tries = Tries::new(&recovery);
        assert!(tries.next(&recovery, &failure("A"), || 0.0).is_some());
        assert!(tries.next(&recovery, &failure("B"), || 0.0).is_some());
        assert!(tries.next(&recovery, &failure("A"), || 0.0).is_none());
        assert!(tries.next(&recovery, &failure("C"), || 0.0).is_none());
        assert_eq!(tries.count, 2);
    }

    #[test]
    fn wildcards_match_what_the_developer_guide_says() {
        let cases = [
            ("States.ALL", "Anything", true),
            ("States.ALL", "States.Timeout", true),
            ("States.ALL", "States.DataLimitExceeded", true),
            ("States.ALL", "States.Runtime", false),
            ("States.Runtime", "States.Runtime", false),
            ("States.TaskFailed", "KeyError", true),
            ("States.TaskFailed", "States.Timeout", false),
            ("States.TaskFailed", "States.HeartbeatTimeout", false),
            ("States.Timeout", "States.HeartbeatTimeout", true),
            ("KeyError", "KeyError", true),
            ("KeyError", "keyerror", false),
        ];
        for (name, error, expected) in cases {
            assert_eq!(matches_any(&[name.to_owned()], &failure(error)), expected, "{name} on {error}");
        }
        assert!(!matches_any(&["States.ALL".to_owned()], &failure("States.DataLimitExceeded").terminal()));
    }
}
