//! AWS in trouble: answers that a proxy gives in the place of the emulator's.

use super::{functions, job, make_function, scratch_on_aws, variable};
use bunsui_test_support::Scratch;
use bunsui_test_support::proxy::{Asked, Fault, Proxy};

const START: &str = "AWSStepFunctions.StartExecution";

/// The same folder, with a proxy before Step Functions that does this.
fn behind_a_proxy(
    scratch: Scratch,
    plan: impl FnMut(&Asked<'_>) -> Option<Fault> + Send + 'static,
) -> (Scratch, Proxy) {
    let proxy = Proxy::start(&variable(&scratch, "BUNSUI_AWS__ENDPOINT_URL"));
    proxy.plan(plan);
    (scratch.with_variable("BUNSUI_AWS__ENDPOINT_URLS__SFN", &proxy.address), proxy)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_that_pass_are_waited_for() {
    let Some(scratch) = scratch_on_aws().await else { return };
    make_function(&scratch, "a", "def handler(event, context):\n    return {'n': 1}\n");
    scratch.write("t.toml", functions(&job("a", "", "")));
    scratch.run("deploy t.toml").expect_code(0);
    // More of each than the SDK tries by itself.
    let (scratch, _proxy) = behind_a_proxy(scratch, |asked| match (asked.api, asked.number) {
        (START, ..=5) => Some(Fault::Throttled),
        ("AWSStepFunctions.DescribeExecution", ..=5) => Some(Fault::InternalError),
        _ => None,
    });
    let finished = scratch.run("run t.toml --output json").expect_code(0);
    assert_eq!(crate::product::jobs(&finished)["a"]["attempt"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_is_refused_is_its_jobs_failure() {
    let Some(scratch) = scratch_on_aws().await else { return };
    make_function(&scratch, "b", "def handler(event, context):\n    return {'n': 1}\n");
    scratch.write("t.toml", functions(&(job("a", "", "") + &job("b", "", ""))));
    scratch.run("deploy t.toml").expect_code(0);
    let (scratch, _proxy) = behind_a_proxy(scratch, |asked| {
        let is_meant = asked.api == START && String::from_utf8_lossy(asked.body).contains("bunsui-t--a");
        is_meant.then_some(Fault::Error("InvalidExecutionInput"))
    });
    let failed = scratch.run("run t.toml").expect_code(1);
    assert!(
        failed.stderr.contains("InvalidExecutionInput") && failed.stderr.contains("succeeded  b"),
        "{}",
        failed.stderr
    );
    assert!(
        failed.stderr.contains("1 failed, 1 succeeded") || failed.stderr.contains("1 succeeded"),
        "{}",
        failed.stderr
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_is_gone_is_said_to_be() {
    let Some(scratch) = scratch_on_aws().await else { return };
    scratch.write("t.toml", functions(&job("a", "", "")));
    scratch.run("deploy t.toml").expect_code(0);
    let (scratch, _proxy) = behind_a_proxy(scratch, |asked| {
        (asked.api == START).then_some(Fault::Error("StateMachineDoesNotExist"))
    });
    let refused = scratch.run("run t.toml").expect_code(3).stderr;
    assert!(refused.contains("bunsui::aws::version_gone") && refused.contains("--with-current"), "{refused}");
    assert!(refused.contains("to go on: bunsui session resume "), "{refused}");
}
