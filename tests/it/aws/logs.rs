//! What operations said on AWS: beside their failures, in S3, and in CloudWatch.

use super::{functions, job, make_function, scratch_on_aws};
use crate::history::Following;
use crate::product::Running;

/// Deletes what CloudWatch has of a function.
const DELETE_GROUP: &str = r#"
import json
body = json.dumps({"logGroupName": "/aws/lambda/" + arguments[0]})
ask("logs", "/", body, Content_Type="application/x-amz-json-1.1", X_Amz_Target="Logs_20140328.DeleteLogGroup")
"#;

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
    super::python(&scratch, DELETE_GROUP, &["good"]);
    let logs = scratch.run("logs last").expect_code(0).stdout;
    assert!(logs.contains("good/call  WARN [WARNING] reading {'year': 2016}"), "{logs}");
}

/// Says a secret's reference as it is and as JSON has it, and what would move a terminal's cursor.
const LEAKS: &str = r#"
import json
def handler(event, context):
    token = event["token"]
    print("plain", token)
    print(json.dumps({"token": token}))
    print(json.dumps({"inner": json.dumps({"token": token})}))
    print("safe\x1b[2Jred\x9b31m\u202e\r09:00:00.000 [runner] forged")
    raise ValueError("no good: " + token)
"#;
/// As it is, in ASCII as JSON has it, and in JSON in JSON.
const REFERENCE: [&str; 3] = ["ssm:/etl/t\u{f6}ken", "ssm:/etl/t\\u00f6ken", "ssm:/etl/t\\\\u00f6ken"];

fn leaking() -> String {
    let param = "\n[params]\ntoken = { type = \"string\", secret = true }\n\n[jobs";
    functions(&job("bad", "", "retry = { max_attempts = 1 }\npayload = { token = \"${params.token}\" }"))
        .replacen("\n\n[jobs", param, 1)
}

/// What is shown moves no cursor, and its lines begin with a time.
#[track_caller]
fn is_harmless(shown: &str) {
    assert!(!shown.contains(['\u{1b}', '\u{9b}', '\u{202e}', '\r']), "{shown:?}");
    assert!(shown.contains("safe\\u{1b}[2Jred\\u{9b}31m\\u{202e}"), "{shown}");
    assert!(!shown.contains("\n09:00:00.000 [runner] forged"), "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_of_lines_holds_no_secret_and_moves_no_cursor() {
    let Some(scratch) = scratch_on_aws().await else { return };
    make_function(&scratch, "bad", LEAKS);
    scratch.write("t.toml", leaking());
    scratch.run("deploy t.toml").expect_code(0);
    let mut run = scratch.command(["run", "t.toml", "--param", &format!("token={}", REFERENCE[0])]);
    let failed = scratch.finish(&mut run).expect_code(1);
    super::python(&scratch, DELETE_GROUP, &["bad"]);
    let logs = scratch.run("logs last").expect_code(0).stdout;
    is_harmless(&logs);
    for said in ["plain [secret]\n", "{\"token\": \"[secret]\"}\n", "no good: [secret]"] {
        assert!(logs.contains(said), "`{said}` in\n{logs}");
    }
    let shown = ["logs last --download -", "session show last --output json", "report last --output -"]
        .map(|line| scratch.run(line).expect_code(0).stdout);
    for text in shown.iter().chain([&logs, &failed.stdout, &failed.stderr]) {
        let found = REFERENCE.iter().find(|reference| text.contains(**reference));
        assert_eq!(found, None, "in\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_that_are_read_where_they_are_move_no_cursor() {
    let Some(scratch) = scratch_on_aws().await else { return };
    make_function(&scratch, "bad", LEAKS);
    scratch.write("t.toml", leaking());
    let scratch = scratch.with_variable("BUNSUI_LOGS__COLLECT", "none");
    let mut run =
        scratch.command(["run", "t.toml", "--deploy", "--param", &format!("token={}", REFERENCE[0])]);
    scratch.finish(&mut run).expect_code(1);
    is_harmless(&scratch.run("logs last").expect_code(0).stdout);
    let json = scratch.run("logs last --output json").expect_code(0).stdout;
    assert!(!json.contains(['\u{1b}', '\u{9b}', '\u{202e}', '\r']), "{json:?}");
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
