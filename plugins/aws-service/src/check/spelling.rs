//! What somebody means who writes an action that there is not.
//!
//! Takes: a service and an action as they are written. Gives: the nearest that there are.
//! Deliberately does not: say what is wrong.

use crate::optimised::{self, Optimised};
use crate::table::{self, Service};

/// Longer names are not misspelt, they are something else.
const LONGEST: usize = 128;

/// The integration that is meant, as `service:action`; only the service's name where no action is near.
pub(super) fn meant(service: &str, action: &str) -> Option<String> {
    let same = services_of(service);
    if let Some(found) = of_optimised(service, action, &same).or_else(|| same_action(&same, action)) {
        return Some(found);
    }
    if !same.is_empty() {
        let of = |service: Service| service.actions().map(move |found| (service.name, found.name));
        let all: Vec<_> = same.iter().flat_map(|service| of(*service)).collect();
        let near = nearest(action, all.iter().map(|(_, action)| *action))?;
        let (service, _) = all.iter().find(|(_, action)| *action == near)?;
        return Some(format!("{service}:{near}"));
    }
    let names = table::services().map(|service| service.name).chain(optimised::all().map(|one| one.service));
    let near = nearest(service, names)?;
    let same = services_of(near);
    let found = of_optimised(near, action, &same).or_else(|| same_action(&same, action));
    Some(found.unwrap_or_else(|| near.to_owned()))
}

/// Actions of that name in any service, for who names no service. Step Functions' own forms are first.
pub(super) fn by_action(action: &str) -> Vec<String> {
    let wanted = plain(action);
    let own = optimised::all().filter(|one| plain(one.action) == wanted);
    let own: Vec<String> = own.map(|one| format!("{}:{}", one.service, one.action)).collect();
    if !own.is_empty() {
        return own;
    }
    let all = table::services().filter(|service| service.is_listed);
    all.filter_map(|service| same_action(&[service], action)).collect()
}

/// The known name that a name is most likely a misspelling of, by the rule that bunsui has for keys and jobs: of names that are longer
/// than two letters, a third of the longer one may be wrong.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > LONGEST {
        return None;
    }
    let wanted = plain(name);
    let near = known.into_iter().filter_map(|known| {
        let candidate = plain(known);
        let allowed = match wanted.len().max(candidate.len()) {
            0..=2 => 0,
            longer => 1.max(longer / 3),
        };
        let is_worth_it = candidate.len().abs_diff(wanted.len()) <= allowed;
        let distance = is_worth_it.then(|| strsim::osa_distance(&wanted, &candidate))?;
        (distance <= allowed).then_some((distance, known))
    });
    near.min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}

/// A name without what spellings differ in: `start_job_run`, `StartJobRun` and `startJobRun` are one.
pub(super) fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

fn plain_service(name: &str) -> String {
    let plain = plain(name);
    let bare = plain.strip_prefix("amazon").or_else(|| plain.strip_prefix("aws"));
    bare.filter(|bare| !bare.is_empty()).map_or_else(|| plain.clone(), ToOwned::to_owned)
}

/// The services that somebody calls so: by its own name first, then by another.
fn services_of(name: &str) -> Vec<Service> {
    let wanted = plain_service(name);
    let (mut own, others): (Vec<Service>, Vec<Service>) = table::services()
        .filter(|service| service.name == wanted || service.aliases().any(|alias| plain(alias) == wanted))
        .partition(|service| service.name == wanted);
    own.extend(others);
    own
}

fn of_optimised(service: &str, action: &str, same: &[Service]) -> Option<String> {
    let (wanted_service, wanted_action) = (plain_service(service), plain(action));
    let is_meant = |one: &&Optimised| {
        let is_service = plain(one.service) == wanted_service
            || one.sdk().is_some_and(|(sdk, _)| same.iter().any(|service| service.name == sdk));
        is_service && plain(one.action) == wanted_action
    };
    optimised::all().find(is_meant).map(|one| format!("{}:{}", one.service, one.action))
}

fn same_action(services: &[Service], action: &str) -> Option<String> {
    let wanted = plain(action);
    services.iter().find_map(|service| {
        let found = service.actions().find(|found| plain(found.name) == wanted)?;
        Some(format!("{}:{}", service.name, found.name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(service: &str, action: &str, expected: &str) {
        assert_eq!(meant(service, action).as_deref().unwrap_or_default(), expected);
    }

    #[test]
    fn other_spellings_are_understood() {
        check("Glue", "StartJobRun", "glue:startJobRun");
        check("glue", "start_job_run", "glue:startJobRun");
        check("glue", "start-crawler", "glue:startCrawler");
        check("rds", "startDbCluster", "rds:startDBCluster");
    }

    #[test]
    fn other_names_of_a_service_are_understood() {
        check("stepfunctions", "startExecution", "states:startExecution");
        check("stepfunctions", "describeExecution", "sfn:describeExecution");
        check("states", "describeExecution", "sfn:describeExecution");
        check("logs", "putRetentionPolicy", "cloudwatchlogs:putRetentionPolicy");
        check("events", "putRule", "eventbridge:putRule");
        check("elbv2", "describeTags", "elasticloadbalancingv2:describeTags");
        check("redshift-data", "executeStatement", "redshiftdata:executeStatement");
        check("AmazonAthena", "StartQueryExecution", "athena:startQueryExecution");
        check("lambda", "InvokeFunction", "");
    }

    #[test]
    fn misspellings_are_understood() {
        check("gleu", "startJobRun", "glue:startJobRun");
        check("glue", "startJobRuns", "glue:startJobRun");
        check("athna", "nothing", "athena");
        check("zzzzzzzzzz", "startJobRun", "");
        check("ab", "startJobRun", "");
        assert_eq!(by_action("StartJobRun").len(), 4);
        assert_eq!(by_action("startCrawler"), ["glue:startCrawler"]);
    }
}
