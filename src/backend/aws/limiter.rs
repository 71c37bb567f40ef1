//! Token buckets, one for each API, at the quotas that Step Functions publishes: bunsui alone never throttles an account.

use crate::runner::port::ApiUse;
use crate::settings::{AwsSettings, Quota};
use std::collections::{BTreeMap, HashMap};
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
        // CloudWatch Logs quotas: per account and region, and not to be raised.
        ("FilterLogEvents", _) => (5.0, 5.0),
        // SQS publishes none for queues like this one: its calls are counted.
        ("ReceiveMessage" | "DeleteMessageBatch" | "ChangeMessageVisibilityBatch" | "GetQueueUrl", _) => {
            (1000.0, 1000.0)
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
    /// What a call costs: more than one token while AWS throttles, for then others use the quota too.
    price: f64,
    used: ApiUse,
}

/// Calls arrive in heaps though they are sent one by one: so much of a bucket is left alone.
const MARGIN: f64 = 0.05;
/// Of what is refilled, so much is used for what need not be asked: the rest is for whoever else uses the account.
const SHARE: f64 = 0.8;
/// And so much of a bucket is never used for it.
const RESERVE: f64 = 0.05;
/// The most that a call costs while AWS throttles.
const HIGHEST_PRICE: f64 = 32.0;
/// How the price falls with each call that is not throttled.
const RECOVERY: f64 = 0.97;

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
        self.with(api, now, |bucket| {
            bucket.tokens -= bucket.price;
            let wait = Duration::from_secs_f64((-bucket.tokens).max(0.0) / bucket.quota.refill);
            bucket.count(wait);
            wait
        })
    }

    /// Takes a call of an API if there is one to spare: one that need not be made now.
    pub(super) fn take_spare(&self, api: &'static str, now: Instant) -> bool {
        self.with(api, now, |bucket| {
            let cost = bucket.price / SHARE;
            let is_there = bucket.tokens - cost >= bucket.quota.size * RESERVE;
            if is_there {
                bucket.tokens -= cost;
                bucket.count(Duration::ZERO);
            }
            is_there
        })
    }

    /// How full an API's bucket is, of what may be spared: from 0 to 1.
    pub(super) fn fullness(&self, api: &'static str, now: Instant) -> f64 {
        self.with(api, now, |bucket| {
            let Quota { size, .. } = bucket.quota;
            ((bucket.tokens - size * RESERVE) / (size * (1.0 - RESERVE))).clamp(0.0, 1.0)
        })
    }

    /// Calls a second that may be spared of an API.
    pub(super) fn spare_rate(&self, api: &'static str) -> f64 {
        self.with(api, Instant::now(), |bucket| bucket.quota.refill * SHARE / bucket.price)
    }

    /// AWS said that it was too much, though the quota was kept: others use it, and this one slows down.
    pub(super) fn throttled(&self, api: &'static str) {
        self.with(api, Instant::now(), |bucket| {
            bucket.tokens = bucket.tokens.min(0.0);
            bucket.price = (bucket.price * 2.0).min(HIGHEST_PRICE);
            bucket.used.throttled += 1;
        });
    }

    /// The quotas of those APIs that running sessions call, in the order of a job's life.
    pub(super) fn quotas(&self) -> [(&'static str, Quota); 4] {
        ["StartExecution", "DescribeExecution", "GetExecutionHistory", "StopExecution"]
            .map(|api| (api, self.quota(api)))
    }

    /// What was used so far, by API.
    pub(super) fn used(&self) -> BTreeMap<&'static str, ApiUse> {
        let buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.iter().map(|(api, bucket)| (*api, bucket.used)).collect()
    }

    fn with<T>(&self, api: &'static str, now: Instant, work: impl FnOnce(&mut Bucket) -> T) -> T {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry(api).or_insert_with(|| Bucket::full(self.quota(api), now));
        bucket.refill(now);
        work(bucket)
    }
}

impl Bucket {
    fn full(mut quota: Quota, now: Instant) -> Self {
        quota.size -= (quota.size * MARGIN).floor();
        Self { quota, tokens: quota.size, at: now, price: 1.0, used: ApiUse::default() }
    }

    fn refill(&mut self, now: Instant) {
        let Quota { size, refill } = self.quota;
        self.tokens = (self.tokens + now.duration_since(self.at).as_secs_f64() * refill).min(size);
        self.at = now;
    }

    fn count(&mut self, wait: Duration) {
        self.used.calls += 1;
        self.used.waited_ms += u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self.price = (self.price * RECOVERY).max(1.0);
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
        assert!(waits[..238].iter().all(Duration::is_zero), "the bucket is full at first");
        assert_eq!(waits[238], Duration::from_millis(100));
        assert_eq!(waits[299].as_millis(), 6200);
        // What was reserved is taken: a second later ten more are free, and those who wait had them.
        let later = limiter.reserve("DescribeExecution", now + Duration::from_secs(1));
        assert_eq!(later.as_millis(), 5300);
        // Other APIs have buckets of their own.
        assert!(limiter.reserve("StartExecution", now).is_zero());
    }

    #[test]
    fn what_need_not_be_asked_leaves_something_for_others() {
        let limiter = Limiter::new("ap-northeast-1", &AwsSettings::default());
        let now = Instant::now();
        let spared = (0..300).filter(|_| limiter.take_spare("DescribeExecution", now)).count();
        assert_eq!(spared, 180, "a twentieth of 238 stays, and each costs 1.25");
        assert!(limiter.fullness("DescribeExecution", now) < 0.01);
        let later = now + Duration::from_secs(1);
        let spared = (0..300).filter(|_| limiter.take_spare("DescribeExecution", later)).count();
        assert_eq!(spared, 8, "of ten a second");
        assert!(limiter.reserve("DescribeExecution", later).is_zero(), "who has to ask need not wait");
        assert_eq!(limiter.used()["DescribeExecution"].calls, 189);
    }

    #[test]
    fn who_is_throttled_slows_down_and_recovers() {
        let limiter = Limiter::new("ap-northeast-1", &AwsSettings::default());
        let now = Instant::now();
        let rate = limiter.spare_rate("DescribeExecution");
        limiter.throttled("DescribeExecution");
        assert!(!limiter.take_spare("DescribeExecution", now));
        assert_eq!(limiter.spare_rate("DescribeExecution"), rate / 2.0);
        assert!(!limiter.reserve("DescribeExecution", now).is_zero());
        for second in 1..200 {
            limiter.take_spare("DescribeExecution", now + Duration::from_secs(second));
        }
        assert_eq!(limiter.spare_rate("DescribeExecution"), rate);
        assert_eq!(limiter.used()["DescribeExecution"].throttled, 1);
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
