//! What operations said on AWS: beside their failures, in S3, and in CloudWatch.

use super::{functions, job, make_function, scratch_on_aws};
use crate::history::Following;
use crate::product::Running;

const SAYS: &str = "def handler(event, context):\n    print('[WARNING] reading', event)\n    ";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_lines_stand_beside_a_failure_and_all_can_be_read() {
    let Some(scratch) = scratch_on_aws().await else { return };
    make_function(&scratch, "bad", &format!("{SAYS}raise ValueError('no good')\n"));
    make_function(&scratch, "good", &format!("{SAYS}return 1\n"));
    let retry = "retry = { max_attempts = 1 }\npayload = { year = 2015 }";
    scratch
        .write("t.toml", functions(&(job("bad", "", retry) + &job("good", "", "payload = { year = 2016 }"))));
    scratch.run("deploy t.toml").expect_code(0);
    let failed = scratch.run("run t.toml").expect_code(1);
    let text = failed.stdout.clone() + &failed.stderr;
    assert!(text.contains("ValueError: no good"), "{text}");
    assert!(text.contains("last log lines:") && text.contains("[WARNING] reading {'year': 2015}"), "{text}");
    // What failed is kept, the rest is read where it is.
    let logs = scratch.run("logs last").expect_code(0).stdout;
    assert!(logs.contains("bad/call  WARN [WARNING] reading {'year': 2015}"), "{logs}");
    assert!(logs.contains("good/call  WARN [WARNING] reading {'year': 2016}"), "{logs}");
    let of_one = scratch.run("logs last --job good --level warn --output json").expect_code(0);
    let line: serde_json::Value =
        serde_json::from_str(of_one.stdout.lines().next().expect("a line")).unwrap();
    assert_eq!((&line["job_id"], &line["level"]), (&"good".into(), &"warn".into()), "{line}");
    assert!(!of_one.stdout.contains("2015"), "{}", of_one.stdout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_kept_where_that_is_not_wanted() {
    let Some(scratch) = scratch_on_aws().await else { return };
    make_function(&scratch, "bad", &format!("{SAYS}raise ValueError('no good')\n"));
    scratch.write("t.toml", functions(&job("bad", "", "retry = { max_attempts = 1 }")));
    let scratch = scratch.with_variable("BUNSUI_LOGS__COLLECT", "none");
    scratch.run("run t.toml --deploy").expect_code(1);
    assert!(scratch.run("logs last").expect_code(0).stdout.contains("[WARNING] reading"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_of_what_succeeded_are_kept_too_where_that_is_wanted() {
    let Some(scratch) = scratch_on_aws().await else { return };
    make_function(&scratch, "good", &format!("{SAYS}return 1\n"));
    scratch.write("t.toml", functions(&job("good", "", "payload = { year = 2016 }")));
    let scratch = scratch.with_variable("BUNSUI_LOGS__COLLECT", "all");
    scratch.run("run t.toml --deploy").expect_code(0);
    // Its log group goes, and what it said is still there.
    const DELETE: &str = r#"
import json
body = json.dumps({"logGroupName": "/aws/lambda/good"})
ask("logs", "/", body, Content_Type="application/x-amz-json-1.1", X_Amz_Target="Logs_20140328.DeleteLogGroup")
"#;
    super::python(&scratch, DELETE, &[]);
    let logs = scratch.run("logs last").expect_code(0).stdout;
    assert!(logs.contains("good/call  WARN [WARNING] reading {'year': 2016}"), "{logs}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_machine_follows_a_session() {
    let Some(scratch) = scratch_on_aws().await else { return };
    make_function(
        &scratch,
        "slow",
        &format!("import time\n{SAYS}time.sleep(4)\n    print('done')\n    return 1\n"),
    );
    scratch.write("t.toml", functions(&job("slow", "", "payload = { year = 2016 }")));
    scratch.run("deploy t.toml").expect_code(0);
    let running = Running::start(&scratch, "run t.toml");
    running.wait_for("started    slow");
    let following = Following::start(&scratch, "");
    assert_eq!(running.end().0, Some(0));
    assert_eq!(following.end(), Some(0));
    let followed = scratch.read("followed");
    let count = |text: &str| followed.lines().filter(|line| line.contains(text)).count();
    for once in [
        "[runner] slow started",
        "[step-functions] slow  ExecutionStarted",
        "slow/call  WARN [WARNING] reading {'year': 2016}",
        "slow/call  done",
        "[runner] slow succeeded",
        "[runner] session succeeded",
    ] {
        assert_eq!(count(once), 1, "`{once}` in\n{followed}");
    }
}
