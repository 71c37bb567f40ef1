//! Plans by chance, the same for the same seed.

use super::{Asked, Fault};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A part of the requests of some APIs gets a fault.
#[derive(Debug, Clone)]
pub struct Rule {
    /// What the API's name begins with; an empty text is all.
    pub api: String,
    /// What they get.
    pub fault: Fault,
    /// From 0 (none) to 1 (each).
    pub probability: f64,
    /// Only the first so many requests of each API.
    pub first: Option<u64>,
}

/// Rules, of which the first one that strikes counts.
///
/// What the tenth request of an API gets follows from seed, API and ten alone: other requests, and the order of all, change nothing.
#[derive(Debug, Clone, Default)]
pub struct RandomPlan {
    seed: u64,
    rules: Vec<Rule>,
}

impl RandomPlan {
    /// Without rules.
    pub fn new(seed: u64) -> Self {
        Self { seed, rules: Vec::new() }
    }

    /// A part of the requests to the APIs with this beginning gets a fault.
    #[must_use]
    pub fn with(mut self, api: &str, fault: Fault, probability: f64) -> Self {
        self.rules.push(Rule { api: api.to_owned(), fault, probability, first: None });
        self
    }

    /// Another rule.
    #[must_use]
    pub fn with_rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// What a request gets: for [`Proxy::plan`](super::Proxy::plan).
    pub fn fault(&self, asked: &Asked) -> Option<Fault> {
        let mut chance = StdRng::seed_from_u64(self.seed ^ digest(asked.api) ^ asked.number.rotate_left(40));
        let strikes = |rule: &&Rule| {
            // Drawn for each rule, whether it is about this API or not: a rule that is added moves no other's.
            let drawn = chance.random::<f64>();
            asked.api.starts_with(&rule.api)
                && rule.first.is_none_or(|first| asked.number <= first)
                && drawn < rule.probability
        };
        self.rules.iter().find(strikes).map(|rule| rule.fault)
    }
}

/// FNV-1a: the same in each process, which the standard library's hashes need not be.
fn digest(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_faults_whatever_comes_between() {
        let plan = RandomPlan::new(7).with("S3.", Fault::Throttled, 0.5);
        let faults = |plan: &RandomPlan, api: &str| -> Vec<Option<Fault>> {
            (1..=200).map(|number| plan.fault(&Asked { api, number, path: "/", body: b"" })).collect()
        };
        let struck = faults(&plan, "S3.PUT");
        assert_eq!(faults(&plan, "S3.PUT"), struck);
        assert_ne!(faults(&plan, "S3.GET"), struck);
        assert_ne!(faults(&RandomPlan::new(8).with("S3.", Fault::Throttled, 0.5), "S3.PUT"), struck);
        let count = struck.iter().flatten().count();
        assert!((70..130).contains(&count), "{count} of 200 were struck");
        assert!(faults(&plan, "GetCallerIdentity").iter().all(Option::is_none));
        let rule = Rule { api: String::new(), fault: Fault::ResetAfter, probability: 1.0, first: Some(3) };
        let first = faults(&RandomPlan::new(7).with_rule(rule), "S3.PUT");
        assert_eq!(first.iter().flatten().count(), 3);
    }
}
