//! How long executions take: what was seen of them, and how likely one of some age has ended.
//!
//! Takes: durations of executions that ended, in seconds. Gives: a [`Model`] of a job's next one.
//! Deliberately does not: know when anything is looked at.

use crate::runner::port::{ObjectStore, durations_key};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// So many durations are kept of each job and of each kind: the latest ones.
const KEPT: usize = 8;
/// Durations of a kind count like so many of the job's own, however many there are.
const KIND_WEIGHT: f64 = 2.0;
/// What is believed before anything is known counts like so much of a duration; so no model is ever sure.
const PRIOR_WEIGHT: f64 = 0.2;
/// Half of all executions of which nothing is known are believed to end within so many seconds.
const PRIOR_MEDIAN: f64 = 5.0;
/// How steep the likelihood rises around a duration: at least, at most, and where there are too few to see how they spread.
const STEEPNESS: (f64, f64, f64) = (4.0, 60.0, 8.0);

/// Durations of executions that ended, by job and by kind of job.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Durations {
    jobs: BTreeMap<String, VecDeque<f64>>,
    /// Jobs of one kind are made of operations of the same types: the best guess of a job that never ran.
    kinds: BTreeMap<String, VecDeque<f64>>,
}

impl Durations {
    /// What earlier sessions of a pipeline learned; nothing where that cannot be read.
    pub(super) async fn load(objects: &dyn ObjectStore, pipeline: &str) -> Self {
        let key = durations_key(pipeline);
        let found = objects.get(&key).await.unwrap_or_else(|error| {
            tracing::warn!("how long jobs take is not known: {error}");
            None
        });
        let read = |bytes: Vec<u8>| {
            serde_json::from_slice(&bytes).inspect_err(|error| tracing::warn!("object `{key}`: {error}")).ok()
        };
        found.and_then(read).unwrap_or_default()
    }

    /// Keeps it for later sessions. Of two that end at once, one's is kept.
    pub(super) async fn keep(&self, objects: &dyn ObjectStore, pipeline: &str) {
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        if let Err(error) = objects.put(&durations_key(pipeline), bytes).await {
            tracing::warn!("how long jobs took is not kept: {error}");
        }
    }

    /// Keeps the duration of an execution, in seconds.
    pub(super) fn record(&mut self, job: &str, kind: &str, seconds: f64) {
        // What ends at once has no logarithm.
        let seconds = seconds.max(0.01);
        for durations in
            [self.jobs.entry(job.to_owned()).or_default(), self.kinds.entry(kind.to_owned()).or_default()]
        {
            if durations.len() == KEPT {
                durations.pop_front();
            }
            durations.push_back(seconds);
        }
    }

    /// What is known of a job's next execution.
    pub(super) fn model(&self, job: &str, kind: &str) -> Model {
        let of = |durations: Option<&VecDeque<f64>>| durations.into_iter().flatten().copied().collect();
        let own: Vec<f64> = of(self.jobs.get(job));
        let kind: Vec<f64> = of(self.kinds.get(kind));
        let share = (KIND_WEIGHT / kind.len().max(1) as f64).min(1.0);
        let steepness = steepness(if own.len() > 2 { &own } else { &kind });
        let weighted = own.iter().map(|seconds| (*seconds, 1.0));
        let weighted = weighted.chain(kind.iter().map(|seconds| (*seconds, share)));
        // A look that comes a little late finds the end; one that comes a little early was for nothing.
        let late = 1.0 + 1.0 / steepness;
        let durations = weighted.map(|(seconds, weight)| (seconds * late, weight)).collect();
        Model { durations, steepness }
    }
}

/// How the durations of a job's executions are distributed: a log-logistic distribution around each one seen, and a wide one around
/// what is believed of all.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Model {
    /// Seconds, each with its weight.
    durations: Vec<(f64, f64)>,
    steepness: f64,
}

impl Model {
    /// Seconds that half of what was seen had ended by; none where nothing was.
    pub(super) fn median(&self) -> Option<f64> {
        let mut sorted: Vec<f64> = self.durations.iter().map(|(seconds, _)| *seconds).collect();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied()
    }

    /// How likely an execution that ran at the age `looked` has ended at `age`; both in seconds.
    pub(super) fn ended_between(&self, looked: f64, age: f64) -> f64 {
        1.0 - self.runs_at(age) / self.runs_at(looked)
    }

    /// How likely an execution is still running at an age.
    fn runs_at(&self, age: f64) -> f64 {
        let runs = |median: f64, steepness: f64| 1.0 / (1.0 + (age / median).powf(steepness));
        let seen = self.durations.iter().map(|(seconds, weight)| weight * runs(*seconds, self.steepness));
        let weights = self.durations.iter().map(|(_, weight)| weight).sum::<f64>() + PRIOR_WEIGHT;
        let all = seen.sum::<f64>() + PRIOR_WEIGHT * runs(PRIOR_MEDIAN, 1.0);
        (all / weights).max(f64::MIN_POSITIVE)
    }
}

/// From how far durations lie apart: each stands for its neighbourhood, which is the smaller the more there are.
fn steepness(durations: &[f64]) -> f64 {
    let (least, most, unknown) = STEEPNESS;
    if durations.len() < 3 {
        return unknown;
    }
    let count = durations.len() as f64;
    let logarithms = || durations.iter().map(|seconds| seconds.ln());
    let mean = logarithms().sum::<f64>() / count;
    let deviation = (logarithms().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
    // A logistic distribution's scale is √3/π of its standard deviation.
    let scale = deviation * 3_f64.sqrt() / std::f64::consts::PI * count.powf(-0.3);
    (1.0 / scale.max(f64::MIN_POSITIVE)).clamp(least, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(durations: &[f64]) -> Model {
        let mut all = Durations::default();
        durations.iter().for_each(|seconds| all.record("job", "lambda", *seconds));
        all.model("job", "lambda")
    }

    #[test]
    fn an_end_is_likely_where_earlier_ones_were() {
        let model = of(&[59.0, 60.0, 61.0, 60.5]);
        assert!(model.ended_between(1.0, 40.0) < 0.15);
        assert!(model.ended_between(1.0, 65.0) > 0.85);
        // Once it has outlasted all that was seen, it is looked at again, though less and less often.
        assert!(model.ended_between(70.0, 75.0) < model.ended_between(70.0, 140.0));
        assert!(model.ended_between(70.0, 140.0) > 0.4);
    }

    #[test]
    fn of_what_is_not_known_likelihood_grows_with_age() {
        let model = of(&[]);
        assert_eq!(model.median(), None);
        let likely = [1.0, 5.0, 20.0, 100.0].map(|age| model.ended_between(0.0, age));
        assert!(likely.is_sorted() && likely[3] < 1.0, "{likely:?}");
    }

    #[test]
    fn jobs_of_one_kind_tell_of_each_other() {
        let mut all = Durations::default();
        (0..20).for_each(|n| all.record(&format!("job{n}"), "ecs", 300.0));
        let model = all.model("new", "ecs");
        assert!(model.median().is_some() && model.ended_between(10.0, 200.0) < 0.2);
        assert_eq!(all.model("new", "lambda").median(), None);
    }

    #[test]
    fn what_spreads_is_expected_over_a_longer_time() {
        let close = of(&[60.0, 60.0, 60.0]);
        let wide = of(&[20.0, 60.0, 180.0]);
        assert!(close.ended_between(1.0, 40.0) < wide.ended_between(1.0, 40.0));
        assert!(close.ended_between(1.0, 70.0) > wide.ended_between(1.0, 70.0));
    }

    #[test]
    fn only_the_latest_are_kept() {
        let mut all = Durations::default();
        (0..50).for_each(|_| all.record("job", "lambda", 1.0));
        (0..KEPT).for_each(|_| all.record("job", "lambda", 100.0));
        assert!(all.model("job", "lambda").ended_between(0.1, 50.0) < 0.1);
    }
}
