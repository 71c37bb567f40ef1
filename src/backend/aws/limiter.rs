//! Token buckets, one for each API, at the quotas that Step Functions publishes: bunsui alone never throttles an account.

use crate::settings::{AwsSettings, Quota};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Regions with larger quotas (Step Functions developer guide, "Quotas related to API action throttling").
const LARGE: [&str; 3] = ["us-east-1", "us-west-2", "eu-west-1"];

/// The quota of an API in a region. Of one that is not in the guide: one call a second.
fn published(api: &str, region: &str) -> Quota {
    let is_large = LARGE.contains(&region);
    let (size, refill) = match (api, is_large) {
        ("StartExecution", true) => (1300.0, 300.0),
        ("StartExecution", false) => (800.0, 150.0),
        ("DescribeExecution", true) => (300.0, 15.0),
        ("DescribeExecution", false) => (250.0, 10.0),
        ("StopExecution", true) => (1000.0, 200.0),
        ("StopExecution", false) => (500.0, 25.0),
        ("GetExecutionHistory", _) => (400.0, 20.0),
        ("CreateStateMachine" | "UpdateStateMachine" | "DeleteStateMachine" | "ListTagsForResource", _) => {
            (100.0, 1.0)
        }
        ("DescribeStateMachine", _) => (200.0, 20.0),
        ("ListStateMachines", _) => (100.0, 5.0),
        ("TagResource", _) => (200.0, 1.0),
        _ => (1.0, 1.0),
    };
    Quota { size, refill }
}

/// The buckets of one account and region, shared by all that call it.
#[derive(Debug, Clone, Default)]
pub(super) struct Limiter {
    region: String,
    settings: Arc<AwsSettings>,
    buckets: Arc<Mutex<HashMap<&'static str, Bucket>>>,
}

#[derive(Debug)]
struct Bucket {
    quota: Quota,
    /// May be below zero: those who wait have taken theirs.
    tokens: f64,
    at: Instant,
}

impl Limiter {
    pub(super) fn new(region: &str, settings: &AwsSettings) -> Self {
        Self { region: region.to_owned(), settings: Arc::new(settings.clone()), buckets: Arc::default() }
    }

    /// What is set, else what AWS publishes.
    fn quota(&self, api: &str) -> Quota {
        self.settings.quota(api).unwrap_or_else(|| published(api, &self.region))
    }

    /// Waits until a call of this API is within its quota.
    pub(super) async fn take(&self, api: &'static str) {
        let wait = self.reserve(api, Instant::now());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    fn reserve(&self, api: &'static str, now: Instant) -> Duration {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry(api).or_insert_with(|| {
            let quota = self.quota(api);
            Bucket { quota, tokens: quota.size, at: now }
        });
        let Quota { size, refill } = bucket.quota;
        bucket.tokens =
            (bucket.tokens + now.duration_since(bucket.at).as_secs_f64() * refill).min(size) - 1.0;
        bucket.at = now;
        Duration::from_secs_f64((-bucket.tokens).max(0.0) / refill)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_kept_to_the_quota() {
        let limiter = Limiter::new("ap-northeast-1", &AwsSettings::default());
        let now = Instant::now();
        let waits: Vec<Duration> = (0..300).map(|_| limiter.reserve("DescribeExecution", now)).collect();
        assert!(waits[..250].iter().all(Duration::is_zero), "the bucket is full at first");
        assert_eq!(waits[250], Duration::from_millis(100));
        assert_eq!(waits[299], Duration::from_secs(5));
        // What was reserved is taken: a second later ten more are free, and those who wait had them.
        let later = limiter.reserve("DescribeExecution", now + Duration::from_secs(1));
        assert_eq!(later.as_millis(), 4100);
        // Other APIs have buckets of their own.
        assert!(limiter.reserve("StartExecution", now).is_zero());
    }

    #[test]
    fn a_quota_that_is_set_counts() {
        let settings = AwsSettings {
            quotas: [("StopExecution".to_owned(), "2/0.5".to_owned())].into(),
            ..AwsSettings::default()
        };
        let limiter = Limiter::new("eu-west-1", &settings);
        let now = Instant::now();
        let waits: Vec<u64> = (0..4).map(|_| limiter.reserve("StopExecution", now).as_secs()).collect();
        assert_eq!(waits, [0, 0, 2, 4]);
        assert!(limiter.reserve("StartExecution", now).is_zero(), "the others are as published");
    }

    #[test]
    fn some_regions_have_more() {
        assert_eq!(published("StartExecution", "us-east-1"), Quota { size: 1300.0, refill: 300.0 });
        assert_eq!(published("StartExecution", "eu-central-1"), Quota { size: 800.0, refill: 150.0 });
        assert_eq!(published("PublishStateMachineVersion", "us-east-1"), Quota { size: 1.0, refill: 1.0 });
    }
}
