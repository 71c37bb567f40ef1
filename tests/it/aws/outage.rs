//! Sessions that outlast their surroundings: a network that is lost, credentials that expire.

use super::{functions, job, make_function, scratch_on_aws, variable};
use crate::product::Running;
use bunsui_test_support::proxy::{Fault, Proxy};
use bunsui_test_support::{Finished, Scratch};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const SLOW: &str = "import time\ndef handler(event, context):\n    time.sleep(4)\n    return {'n': 1}\n";

/// A deployed pipeline of two jobs, the first of which takes four seconds; and a proxy before AWS.
async fn two_jobs_behind_a_proxy() -> Option<(Scratch, Proxy)> {
    let scratch = scratch_on_aws().await?;
    make_function(&scratch, "slow", SLOW);
    make_function(&scratch, "after", "def handler(event, context):\n    return {'n': 2}\n");
    scratch.write("t.toml", functions(&(job("slow", "", "") + &job("after", "depends_on = [\"slow\"]", ""))));
    scratch.run("deploy t.toml").expect_code(0);
    let proxy = Proxy::start(&variable(&scratch, "BUNSUI_AWS__ENDPOINT_URL"));
    Some((scratch.with_variable("BUNSUI_AWS__ENDPOINT_URL", &proxy.address), proxy))
}

/// Each job of the session that is printed succeeded, and was started once.
#[track_caller]
fn each_succeeded_at_once(finished: &Finished) {
    for (key, job) in crate::product::jobs(finished) {
        assert_eq!((&job["status"], &job["attempt"]), (&"succeeded".into(), &1.into()), "{key}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_network_is_said_and_waited_for() {
    let Some((scratch, proxy)) = two_jobs_behind_a_proxy().await else { return };
    let running = Running::start(&scratch, "run t.toml");
    running.wait_for("started    slow");
    proxy.go_offline();
    running.wait_for("waiting: AWS cannot be reached");
    // Long enough for the job to have ended meanwhile.
    std::thread::sleep(Duration::from_secs(3));
    assert!(!running.said().contains("started    after"), "{}", running.said());
    proxy.go_online();
    let (code, said) = running.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("AWS answers again, after "), "{said}");
    assert!(said.contains("succeeded  after"), "{said}");
    let session = scratch.run("session show last --output json").expect_code(0).json();
    for job in session["job_records"].as_array().expect("a list") {
        assert_eq!((&job["status"], &job["attempt"]), (&"succeeded".into(), &1.into()), "{job}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patience_that_is_over_leaves_a_session_to_be_resumed() {
    let Some((scratch, proxy)) = two_jobs_behind_a_proxy().await else { return };
    let scratch = scratch.with_variable("BUNSUI_AWS__PATIENCE", "1s");
    let running = Running::start(&scratch, "run t.toml");
    running.wait_for("started    slow");
    proxy.go_offline();
    let (code, said) = running.end();
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("bunsui::aws::unreachable") && said.contains("bunsui session resume "), "{said}");
    proxy.go_online();
    each_succeeded_at_once(&scratch.run("session resume last --output json").expect_code(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_third_interrupt_leaves_while_it_waits() {
    let Some((scratch, proxy)) = two_jobs_behind_a_proxy().await else { return };
    let running = Running::start(&scratch, "run t.toml");
    running.wait_for("started    slow");
    proxy.go_offline();
    running.wait_for("waiting: ");
    for _ in 0..3 {
        running.signal(rustix::process::Signal::INT);
        std::thread::sleep(Duration::from_millis(100));
    }
    let (code, said) = running.end();
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains("to go on with it: bunsui session resume "), "{said}");
    proxy.go_online();
    scratch.run("session resume last").expect_code(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_that_expire_are_waited_for() {
    let Some(scratch) = scratch_on_aws().await else { return };
    make_function(&scratch, "slow", SLOW);
    scratch.write("t.toml", functions(&job("slow", "", "")));
    scratch.run("deploy t.toml").expect_code(0);
    let are_expired = Arc::new(AtomicBool::new(false));
    let expired = are_expired.clone();
    let proxy = Proxy::start(&variable(&scratch, "BUNSUI_AWS__ENDPOINT_URL"));
    proxy.plan(move |_| expired.load(Ordering::SeqCst).then_some(Fault::Error("ExpiredTokenException")));
    let scratch = scratch
        .with_variable("BUNSUI_AWS__ENDPOINT_URLS__SFN", &proxy.address)
        .with_variable("BUNSUI_AWS__ENDPOINT_URLS__DYNAMODB", &proxy.address);
    let running = Running::start(&scratch, "run t.toml");
    running.wait_for("started    slow");
    are_expired.store(true, Ordering::SeqCst);
    running.wait_for("waiting: the AWS credentials have expired");
    running.wait_for("aws sso login");
    are_expired.store(false, Ordering::SeqCst);
    let (code, said) = running.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("AWS answers again"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_whose_answers_are_all_lost_is_known_again() {
    let Some((scratch, proxy)) = two_jobs_behind_a_proxy().await else { return };
    // The lease, and some writes of jobs: each is carried out, and more answers are lost than the SDK asks for by itself.
    let mut lost = std::collections::HashMap::new();
    proxy.plan(move |asked| {
        let is_meant = asked.api.ends_with(".TransactWriteItems");
        let text = String::from_utf8_lossy(asked.body).into_owned();
        let place = text.find("@#").map(|at| text[at..at + 14].to_owned())?;
        let count = lost.entry(place).or_insert(0);
        *count += 1;
        (is_meant && *count <= 6).then_some(Fault::ResetAfter)
    });
    each_succeeded_at_once(&scratch.run("run t.toml --output json").expect_code(0));
}

/// Deletes a table while the first job runs: what was stored in the others is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_is_deleted_ends_the_run_and_what_else_was_stored_stays() {
    let Some((scratch, _proxy)) = two_jobs_behind_a_proxy().await else { return };
    let running = Running::start(&scratch, "run t.toml");
    running.wait_for("started    slow");
    let config = super::sdk_config(&variable(&scratch, "AWS_ACCESS_KEY_ID")).await;
    let dynamodb = aws_sdk_dynamodb::Client::new(&config);
    dynamodb.delete_table().table_name("bunsui-job-history").send().await.expect("deleted");
    let (code, said) = running.end();
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("bunsui::aws::not_found") && said.contains("bunsui-job-history"), "{said}");
    assert!(said.contains("bunsui doctor"), "{said}");
    // The session itself is in another table.
    let listed = scratch.run("session list").expect_code(0).stdout;
    assert!(listed.contains("running"), "{listed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_is_deleted_ends_the_run_where_it_is_needed() {
    let Some(scratch) = scratch_on_aws().await else { return };
    let large =
        "import time\ndef handler(event, context):\n    time.sleep(3)\n    return {'text': 'x' * 70000}\n";
    make_function(&scratch, "large", large);
    scratch.write("t.toml", functions(&job("large", "", "")));
    scratch.run("deploy t.toml").expect_code(0);
    let running = Running::start(&scratch, "run t.toml");
    running.wait_for("started    large");
    let config = super::sdk_config(&variable(&scratch, "AWS_ACCESS_KEY_ID")).await;
    let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
    let s3 = aws_sdk_s3::Client::from_conf(s3);
    let bucket = variable(&scratch, "BUNSUI_AWS__BUCKET");
    let objects = s3.list_objects_v2().bucket(&bucket).send().await.expect("listed");
    for object in objects.contents() {
        s3.delete_object()
            .bucket(&bucket)
            .key(object.key().expect("it has one"))
            .send()
            .await
            .expect("deleted");
    }
    s3.delete_bucket().bucket(&bucket).send().await.expect("deleted");
    let (code, said) = running.end();
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("bunsui::aws::not_found") && said.contains(&bucket), "{said}");
    let shown = scratch.run("session list --output json").expect_code(0).stdout;
    assert!(shown.contains("running"), "{shown}");
}
