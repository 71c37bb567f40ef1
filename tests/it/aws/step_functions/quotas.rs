//! Many jobs at once, within the quotas that AWS publishes.

use super::super::job;
use super::{Site, seconds};
use bunsui_test_support::step_functions::{Options, Quota, Quotas, Script};
use std::collections::BTreeMap;

const JOBS: usize = 300;
const SPEED: f64 = 20.0;

/// What AWS publishes for ap-northeast-1, as many calls in a second of this machine's and not of the stand-in's. What `deploy` calls
/// has no limit: three hundred state machines would take minutes.
fn quotas() -> Quotas {
    let published = [
        ("StartExecution", 800.0, 150.0),
        ("DescribeExecution", 250.0, 10.0),
        ("GetExecutionHistory", 400.0, 20.0),
        ("StopExecution", 500.0, 25.0),
    ];
    published.into_iter().fold(Quotas::unlimited(), |quotas, (api, size, refill)| {
        quotas.with(api, Quota::new(size, refill / SPEED))
    })
}

#[test]
fn three_hundred_jobs_at_once_are_never_throttled() {
    let options = Options { speed: SPEED, quotas: Some(quotas()), ..Options::default() };
    let Some(site) = Site::new(options) else { return };
    site.stand_in.script(|_| Script::succeeded(seconds(20.0), serde_json::json!({})));
    let scratch = site.machine();
    let raised = ["CreateStateMachine", "DescribeStateMachine", "ListTagsForResource", "UpdateStateMachine"];
    let raised = raised.map(|api| format!("{api} = \"1000/1000\"\n")).concat();
    scratch.write("bunsui.toml", format!("[aws.quotas]\n{raised}"));
    let jobs: String = (0..JOBS).map(|at| job(&format!("j{at}"), "", "")).collect();
    scratch.write("t.toml", super::functions(&jobs));
    scratch.run("run t.toml --deploy --max-concurrency 1000").expect_code(0);
    assert_eq!(site.created(), [1; JOBS]);
    let calls = site.stand_in.calls();
    let throttled: BTreeMap<&str, u64> = calls
        .iter()
        .filter(|(_, calls)| calls.throttled > 0)
        .map(|(api, calls)| (api.as_str(), calls.throttled))
        .collect();
    assert_eq!(throttled, BTreeMap::new());
    assert!(
        site.calls("DescribeExecution") + site.calls("GetExecutionHistory") < 5 * JOBS as u64,
        "{calls:?}"
    );
}
