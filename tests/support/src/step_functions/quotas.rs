//! How often each API may be called: token buckets as AWS publishes them.
//!
//! Follows the Step Functions developer guide, "Service quotas", section "Quotas related to API action throttling". The quota of
//! state transitions is left out: nothing here goes from state to state.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// A token bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quota {
    /// Calls that can be made at once.
    pub size: f64,
    /// Calls that become free each second of the stand-in's time.
    pub refill: f64,
}

/// The buckets of all APIs.
#[derive(Debug, Clone)]
pub struct Quotas {
    by_api: BTreeMap<String, Quota>,
    others: Quota,
}

/// Regions with larger buckets.
const LARGE: [&str; 3] = ["us-east-1", "us-west-2", "eu-west-1"];

/// API, size and refill in regions of `LARGE`, and elsewhere.
const PUBLISHED: [(&str, [f64; 2], [f64; 2]); 12] = [
    ("StartExecution", [1300.0, 300.0], [800.0, 150.0]),
    ("DescribeExecution", [300.0, 15.0], [250.0, 10.0]),
    ("GetExecutionHistory", [400.0, 20.0], [400.0, 20.0]),
    ("ListExecutions", [200.0, 5.0], [100.0, 2.0]),
    ("StopExecution", [1000.0, 200.0], [500.0, 25.0]),
    ("CreateStateMachine", [100.0, 1.0], [100.0, 1.0]),
    ("UpdateStateMachine", [100.0, 1.0], [100.0, 1.0]),
    ("DeleteStateMachine", [100.0, 1.0], [100.0, 1.0]),
    ("DescribeStateMachine", [200.0, 20.0], [200.0, 20.0]),
    ("ListStateMachines", [100.0, 5.0], [100.0, 5.0]),
    ("TagResource", [200.0, 1.0], [200.0, 1.0]),
    ("ListTagsForResource", [100.0, 1.0], [100.0, 1.0]),
];

impl Quota {
    /// So many at once, so many a second.
    pub const fn new(size: f64, refill: f64) -> Self {
        Self { size, refill }
    }
}

impl Quotas {
    /// What AWS publishes for a region. Of APIs that it says nothing of: one call a second, which is a guess.
    pub fn published(region: &str) -> Self {
        let is_large = LARGE.contains(&region);
        let quota = |(api, large, small): (&str, [f64; 2], [f64; 2])| {
            let [size, refill] = if is_large { large } else { small };
            (api.to_owned(), Quota::new(size, refill))
        };
        Self { by_api: PUBLISHED.into_iter().map(quota).collect(), others: Quota::new(1.0, 1.0) }
    }

    /// Nothing is ever throttled.
    pub fn unlimited() -> Self {
        Self { by_api: BTreeMap::new(), others: Quota::new(f64::INFINITY, 0.0) }
    }

    /// Another quota for one API.
    #[must_use]
    pub fn with(mut self, api: &str, quota: Quota) -> Self {
        self.by_api.insert(api.to_owned(), quota);
        self
    }

    fn of(&self, api: &str) -> Quota {
        self.by_api.get(api).copied().unwrap_or(self.others)
    }
}

/// What is left of the quotas.
#[derive(Debug)]
pub(super) struct Buckets {
    quotas: Quotas,
    levels: HashMap<String, Level>,
}

#[derive(Debug)]
struct Level {
    tokens: f64,
    at: Duration,
}

impl Buckets {
    pub(super) fn new(quotas: Quotas) -> Self {
        Self { quotas, levels: HashMap::new() }
    }

    /// Takes tokens if they are there. A call that is throttled takes none.
    pub(super) fn take(&mut self, api: &str, tokens: f64, now: Duration) -> bool {
        let Quota { size, refill } = self.quotas.of(api);
        let level = self.levels.entry(api.to_owned()).or_insert(Level { tokens: size, at: now });
        let passed = now.saturating_sub(level.at).as_secs_f64();
        level.tokens = (level.tokens + passed * refill).min(size);
        level.at = now;
        let is_there = level.tokens >= tokens;
        if is_there {
            level.tokens -= tokens;
        }
        is_there
    }

    /// Takes all that is left, as somebody else in the account may.
    pub(super) fn drain(&mut self, api: &str, now: Duration) {
        self.levels.insert(api.to_owned(), Level { tokens: 0.0, at: now });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_of_the_regions_size_and_refill() {
        let mut buckets = Buckets::new(Quotas::published("ap-northeast-1"));
        let mut taken = |at| (0..2000).filter(|_| buckets.take("DescribeExecution", 1.0, at)).count();
        assert_eq!(taken(Duration::from_secs(100)), 250);
        assert_eq!(taken(Duration::from_secs(103)), 30);
        assert_eq!(taken(Duration::from_secs(1000)), 250, "a bucket holds no more than its size");
        assert_eq!(Quotas::published("us-east-1").of("StartExecution"), Quota::new(1300.0, 300.0));
        assert_eq!(Quotas::published("eu-central-1").of("StartExecution"), Quota::new(800.0, 150.0));
    }
}
