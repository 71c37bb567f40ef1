//! The AWS backend against ministack. No test can reach AWS itself: addresses are loopback, keys are made up.

use crate::conformance::Stores;
use crate::product::Running;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};
use bunsui::backend::aws::{Connection, ConnectionOptions, DynamoStore, S3Objects};
use bunsui::settings::AwsSettings;
use bunsui_test_support::{Scratch, ministack, own_account};
use std::sync::Arc;
use std::time::Duration;

/// A connection to an account of its own, in which nothing is.
pub(crate) async fn connection() -> Option<Connection> {
    let server = ministack()?;
    let account = own_account();
    let settings = AwsSettings {
        region: Some("ap-northeast-1".into()),
        account: Some(account.clone()),
        bucket: Some(format!("bunsui-{account}")),
        prefix: "bunsui-".into(),
        endpoint_url: Some(server.address.clone()),
        ..AwsSettings::default()
    };
    let keys = Some((account, "not-a-secret".to_owned()));
    let options = ConnectionOptions { settings, profile: None, keys };
    Some(Connection::open(&options).await.expect("ministack answers"))
}

/// Both stores of an account, with their tables and bucket made.
pub(crate) async fn stores() -> Option<(Stores, ())> {
    let connection = connection().await?;
    make_tables(&connection).await;
    let store = DynamoStore::new(&connection, Duration::from_secs(86_400));
    let objects = S3Objects::new(&connection).expect("a bucket is set");
    Some((Stores { sessions: Arc::new(store), objects: Arc::new(objects) }, ()))
}

/// The SDK as it is, for what tests make themselves.
async fn sdk_config(account: &str) -> aws_config::SdkConfig {
    let server = ministack().expect("it runs");
    let keys = aws_credential_types::Credentials::from_keys(account, "not-a-secret", None);
    aws_config::defaults(aws_config::BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .credentials_provider(keys)
        .region(aws_config::Region::new("ap-northeast-1"))
        .endpoint_url(&server.address)
        .load()
        .await
}

pub(crate) async fn make_tables(connection: &Connection) {
    let config = sdk_config(connection.account()).await;
    let dynamodb = aws_sdk_dynamodb::Client::new(&config);
    let attribute = |name: &str| {
        let builder = AttributeDefinition::builder().attribute_name(name);
        builder.attribute_type(ScalarAttributeType::S).build().unwrap()
    };
    let key =
        |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
    let index = |name: &str, partition: &str, sort: &str| {
        GlobalSecondaryIndex::builder()
            .index_name(name)
            .key_schema(key(partition, KeyType::Hash))
            .key_schema(key(sort, KeyType::Range))
            .projection(Projection::builder().projection_type(ProjectionType::All).build())
            .build()
            .unwrap()
    };
    let create = dynamodb.create_table().billing_mode(BillingMode::PayPerRequest);
    let sessions = ["session_id", "created_at", "pipeline_id", "created_month"].map(attribute).to_vec();
    create
        .clone()
        .table_name("bunsui-sessions")
        .set_attribute_definitions(Some(sessions))
        .key_schema(key("session_id", KeyType::Hash))
        .key_schema(key("created_at", KeyType::Range))
        .global_secondary_indexes(index("by-pipeline", "pipeline_id", "created_at"))
        .global_secondary_indexes(index("by-month", "created_month", "session_id"))
        .send()
        .await
        .expect("made");
    create
        .table_name("bunsui-job-history")
        .set_attribute_definitions(Some(["session_id", "item"].map(attribute).to_vec()))
        .key_schema(key("session_id", KeyType::Hash))
        .key_schema(key("item", KeyType::Range))
        .send()
        .await
        .expect("made");
    let number = AttributeDefinition::builder().attribute_name("version");
    dynamodb
        .create_table()
        .billing_mode(BillingMode::PayPerRequest)
        .table_name("bunsui-pipelines")
        .attribute_definitions(attribute("pipeline_id"))
        .attribute_definitions(number.attribute_type(ScalarAttributeType::N).build().unwrap())
        .key_schema(key("pipeline_id", KeyType::Hash))
        .key_schema(key("version", KeyType::Range))
        .send()
        .await
        .expect("made");
    let path_style = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
    let bucket = format!("bunsui-{}", connection.account());
    let place = aws_sdk_s3::types::CreateBucketConfiguration::builder()
        .location_constraint(aws_sdk_s3::types::BucketLocationConstraint::ApNortheast1)
        .build();
    let create = aws_sdk_s3::Client::from_conf(path_style).create_bucket().bucket(bucket);
    create.create_bucket_configuration(place).send().await.expect("made");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_account_than_the_settings_say_is_refused() {
    let Some(server) = ministack() else { return };
    let settings = AwsSettings {
        region: Some("eu-west-1".into()),
        account: Some("999999999999".into()),
        endpoint_url: Some(server.address.clone()),
        ..AwsSettings::default()
    };
    let keys = Some((own_account(), "not-a-secret".to_owned()));
    let refused = Connection::open(&ConnectionOptions { settings, profile: None, keys }).await.unwrap_err();
    assert!(refused.to_string().contains("`[aws] account` is 999999999999"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_is_not_there_is_named() {
    use bunsui::runner::port::{SessionFilter, SessionStore};
    let Some(connection) = connection().await else { return };
    let store = DynamoStore::new(&connection, Duration::from_secs(60));
    let error = store.sessions(&SessionFilter { limit: 1, ..SessionFilter::default() }).await.unwrap_err();
    let code = miette::Diagnostic::code(&error).unwrap().to_string();
    assert_eq!(code, "bunsui::aws::not_found", "{error}");
    assert!(error.to_string().contains("table `bunsui-sessions`"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_where_nobody_answers_is_unreachable() {
    let settings = AwsSettings {
        region: Some("eu-west-1".into()),
        endpoint_url: Some("http://127.0.0.1:1".into()),
        ..AwsSettings::default()
    };
    let keys = Some(("111111111111".to_owned(), "not-a-secret".to_owned()));
    let error = Connection::open(&ConnectionOptions { settings, profile: None, keys }).await.unwrap_err();
    assert!(error.to_string().contains("AWS cannot be reached for `sts:GetCallerIdentity`"), "{error}");
    assert!(error.is_recoverable());
}

/// A scratch folder whose bunsui works on AWS: an account of its own in ministack, with tables, bucket and functions.
async fn scratch_on_aws() -> Option<Scratch> {
    let connection = connection().await?;
    make_tables(&connection).await;
    let role = format!("arn:aws:iam::{}:role/bunsui/test", connection.account());
    Some(scratch_in(connection.account())?.with_variable("BUNSUI_AWS__EXECUTION_ROLE", &role))
}

/// A scratch folder whose bunsui works on AWS, in an account in which nothing is.
fn scratch_in(account: &str) -> Option<Scratch> {
    let account = account.to_owned();
    let variables = [
        ("BUNSUI_BACKEND", "aws".to_owned()),
        ("BUNSUI_AWS__ENDPOINT_URL", ministack()?.address.clone()),
        ("BUNSUI_AWS__BUCKET", format!("bunsui-{account}")),
        ("BUNSUI_AWS__ACCOUNT", account.clone()),
        ("AWS_REGION", "ap-northeast-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", account),
        ("AWS_SECRET_ACCESS_KEY", "not-a-secret".to_owned()),
    ];
    Some(
        variables
            .into_iter()
            .fold(crate::scratch(), |scratch, (name, value)| scratch.with_variable(name, &value)),
    )
}

/// A variable that bunsui gets in a scratch folder.
fn variable(scratch: &Scratch, name: &str) -> String {
    let command = scratch.command(["x"]);
    let found = command.get_envs().find(|(key, _)| *key == name).and_then(|(_, value)| value);
    found.expect("it is set").to_string_lossy().into_owned()
}

/// Makes a Lambda function of this Python text, whose handler is `handler`.
fn make_function(scratch: &Scratch, name: &str, text: &str) {
    const SCRIPT: &str = r#"
import base64, io, json, os, sys, urllib.request, zipfile
name, text, address, account = sys.argv[1:]
archive = io.BytesIO()
with zipfile.ZipFile(archive, "w") as file:
    file.writestr("index.py", text)
body = {"FunctionName": name, "Runtime": "python3.11", "Handler": "index.handler", "Timeout": 20,
        "Role": f"arn:aws:iam::{account}:role/f", "Code": {"ZipFile": base64.b64encode(archive.getvalue()).decode()}}
scope = f"{account}/20261124/ap-northeast-1/lambda/aws4_request"
request = urllib.request.Request(f"{address}/2015-03-31/functions", json.dumps(body).encode(), {
    "Content-Type": "application/json",
    "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"})
urllib.request.urlopen(request).read()
"#;
    let arguments = [variable(scratch, "BUNSUI_AWS__ENDPOINT_URL"), variable(scratch, "AWS_ACCESS_KEY_ID")];
    let done =
        std::process::Command::new("python3").args(["-c", SCRIPT, name, text]).args(arguments).output();
    let done = done.expect("python3 is there");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn functions(jobs: &str) -> String {
    format!("[pipeline]\nname = \"t\"\n\n{jobs}")
}

/// A job that is a Lambda function of its own name.
fn job(id: &str, keys: &str, own: &str) -> String {
    format!(
        "[jobs.{id}]\n{keys}\n[[jobs.{id}.operations]]\nname = \"call\"\ntype = \"lambda\"\nfunction = \"{id}\"\n{own}\n\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_is_deployed_and_runs_on_step_functions() {
    let Some(scratch) = scratch_on_aws().await else { return };
    make_function(&scratch, "first", "def handler(event, context):\n    return {'n': event['n'] + 1}\n");
    make_function(&scratch, "second", "def handler(event, context):\n    return {'n': event['n'] * 10}\n");
    let text = functions(
        &(job("first", "", "payload = { n = 1 }")
            + &job("second", "depends_on = [\"first\"]", "payload = { n = \"${jobs.first.n}\" }")),
    );
    scratch.write("t.toml", &text);
    let refused = scratch.run("run t.toml").expect_code(2);
    assert!(refused.stderr.contains("bunsui::aws::not_deployed"), "{}", refused.stderr);
    let dry = scratch.run("deploy t.toml --dry-run").expect_code(0);
    assert!(
        dry.stderr.contains("create  first") && dry.stderr.contains("nothing was done"),
        "{}",
        dry.stderr
    );
    let deployed = scratch.run("deploy t.toml").expect_code(0);
    assert!(deployed.stderr.contains("pipeline t is deployed: version 1"), "{}", deployed.stderr);
    let again = scratch.run("deploy t.toml").expect_code(0);
    assert!(again.stderr.contains("is deployed as it is: version 1"), "{}", again.stderr);
    let finished = scratch.run("run t.toml --output json").expect_code(0);
    assert_eq!(crate::product::output(&finished, "second")["n"], 20);
    assert_eq!(crate::product::summary(&finished)["version"], "1");
    let shown = scratch.run("session show last").expect_code(0).stdout;
    assert!(shown.contains("2 jobs: 2 succeeded"), "{shown}");
    assert!(scratch.run("session list").stdout.contains("succeeded"));
    assert!(!scratch.directory().join(".bunsui").exists(), "nothing is kept here");
    // A change is another version; what has not changed keeps its state machine.
    scratch.write("t.toml", text.replace("n = 1 ", "n = 2 "));
    let planned = scratch.run("plan t.toml").expect_code(0).stdout;
    assert!(planned.contains("deployed: version 1; a deployment would\n  update  first\n"), "{planned}");
    assert!(!scratch.run("plan t.toml --offline").expect_code(0).stdout.contains("deployed"));
    let refused = scratch.run("run t.toml").expect_code(2);
    assert!(refused.stderr.contains("t.toml is not what version 1"), "{}", refused.stderr);
    let finished = scratch.run("run t.toml --deploy --output json").expect_code(0);
    assert!(finished.stderr.contains("1 of 2 state machines change"), "{}", finished.stderr);
    assert_eq!(crate::product::output(&finished, "second")["n"], 30);
    // What version 1 alone needed can go; then the pipeline as a whole.
    let pruned = scratch.run("deploy t.toml --prune").expect_code(0).stderr;
    assert!(pruned.contains("deleted  arn:aws:states:") && pruned.contains(":bunsui-t--first:1"), "{pruned}");
    assert!(!pruned.contains("bunsui-t--second"), "both versions use it: {pruned}");
    let again = scratch.run("run t.toml --output json").expect_code(0);
    assert_eq!(crate::product::output(&again, "second")["n"], 30);
    let listed = scratch.run("pipeline list --output json").expect_code(0).json();
    assert_eq!(
        (&listed["pipelines"][0]["pipeline"], &listed["pipelines"][0]["versions"]),
        (&"t".into(), &2.into())
    );
    let shown = scratch.run("pipeline show t").expect_code(0).stdout;
    assert!(shown.lines().nth(1).is_some_and(|line| line.starts_with("2 ")), "the newest first: {shown}");
    let unknown = scratch.run("pipeline show tt").expect_code(2).stderr;
    assert!(unknown.contains("bunsui::pipeline::not_known"), "{unknown}");
    let dry = scratch.run("pipeline delete t --dry-run").expect_code(0).stderr;
    assert_eq!(dry.matches("would go").count(), 2, "{dry}");
    scratch.run("pipeline delete t").expect_code(0);
    scratch.run("pipeline show t").expect_code(2);
    let refused = scratch.run("run t.toml").expect_code(2);
    assert!(refused.stderr.contains("pipeline `t` is not deployed"), "{}", refused.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_on_step_functions_is_shown_at_its_lines_and_can_be_retried() {
    let Some(scratch) = scratch_on_aws().await else { return };
    make_function(&scratch, "bad", "def handler(event, context):\n    raise ValueError('no good')\n");
    make_function(&scratch, "after", "def handler(event, context):\n    return 1\n");
    let retry = "retry = { max_attempts = 1 }";
    scratch.write(
        "t.toml",
        functions(&(job("bad", "", retry) + &job("after", "depends_on = [\"bad\"]", retry))),
    );
    let failed = scratch.run("run t.toml --deploy").expect_code(1);
    assert!(failed.stderr.contains("operation `call` of job `bad` failed"), "{}", failed.stderr);
    assert!(failed.stderr.contains("[t.toml:"), "{}", failed.stderr);
    let retried = scratch.run("session retry last").expect_code(1);
    assert!(retried.stderr.contains("run again: bad, after"), "{}", retried.stderr);
    assert!(retried.stderr.contains("started    bad (attempt 2)"), "{}", retried.stderr);
    // What sessions of this machine are pinned to is not for sessions on AWS to forget.
    let pinned = ".bunsui/plugins/of-a-local-session/libplugin.so";
    scratch.write(pinned, "");
    scratch.run("session delete last").expect_code(0);
    assert_eq!(scratch.read(pinned), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_execution_survives_its_runner_and_is_taken_up() {
    let Some(scratch) = scratch_on_aws().await else { return };
    make_function(
        &scratch,
        "slow",
        "import time\ndef handler(event, context):\n    time.sleep(3)\n    return {'n': 7}\n",
    );
    make_function(&scratch, "after", "def handler(event, context):\n    return event\n");
    let text = job("slow", "", "")
        + &job("after", "depends_on = [\"slow\"]", "payload = { n = \"${jobs.slow.n}\" }");
    scratch.write("t.toml", functions(&text));
    scratch.run("deploy t.toml").expect_code(0);
    let running = Running::start(&scratch, "run t.toml");
    running.wait_for("started    slow");
    running.signal(rustix::process::Signal::KILL);
    running.end();
    let finished = scratch.run("session resume last --output json").expect_code(0);
    let jobs = crate::product::jobs(&finished);
    assert_eq!(
        (&jobs["slow"]["attempt"], &jobs["after"]["attempt"]),
        (&1.into(), &1.into()),
        "no second attempt"
    );
    assert_eq!(jobs["after"]["output"]["inline"]["n"], 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_whose_runner_died_is_cancelled_with_what_runs() {
    let Some(scratch) = scratch_on_aws().await else { return };
    make_function(&scratch, "slow", "import time\ndef handler(event, context):\n    time.sleep(15)\n");
    make_function(&scratch, "after", "def handler(event, context):\n    return 1\n");
    scratch.write("t.toml", functions(&(job("slow", "", "") + &job("after", "depends_on = [\"slow\"]", ""))));
    scratch.run("deploy t.toml").expect_code(0);
    let running = Running::start(&scratch, "run t.toml");
    running.wait_for("started    slow");
    std::thread::sleep(Duration::from_millis(800));
    running.signal(rustix::process::Signal::KILL);
    running.end();
    let receipt = scratch.run("session cancel last --output json").expect_code(0).json();
    assert_eq!(receipt["status"], "cancelled");
    assert_eq!(receipt["stopped"][0]["job"], "slow");
    assert_eq!(receipt["never_started"][0], "after");
    let left = receipt["may_still_run"].to_string();
    assert!(left.contains("operation `call` (lambda) of job `slow`"), "{receipt}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_machine_of_somebody_elses_is_not_touched() {
    let Some(scratch) = scratch_on_aws().await else { return };
    scratch.write("t.toml", functions(&job("a", "", "")));
    let account = variable(&scratch, "AWS_ACCESS_KEY_ID");
    let config = sdk_config(&account).await;
    let create = aws_sdk_sfn::Client::new(&config).create_state_machine().name("bunsui-t--a");
    let theirs = r#"{"StartAt": "X", "States": {"X": {"Type": "Succeed"}}}"#;
    create.definition(theirs).role_arn("arn:aws:iam::1:role/x").send().await.expect("made");
    let refused = scratch.run("deploy t.toml").expect_code(3);
    assert!(refused.stderr.contains("bunsui::aws::other_owner"), "{}", refused.stderr);
    assert!(refused.stderr.contains("state machine `bunsui-t--a` is of no pipeline"), "{}", refused.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_secret_does_not_reach_aws() {
    let Some(scratch) = scratch_on_aws().await else { return };
    let text = functions(&job("a", "", "payload = { t = \"${params.token}\" }"))
        .replace("\n\n[jobs", "\n[params]\ntoken = { type = \"string\", secret = true }\n[jobs");
    scratch.write("t.toml", text);
    let refused = scratch.run("run t.toml --deploy --param token=hunter22").expect_code(2);
    assert!(refused.stderr.contains("bunsui::param::plain_secret"), "{}", refused.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_account_is_made_ready_and_a_pipeline_runs_with_a_role_of_its_own() {
    if ministack().is_none() {
        return;
    }
    let Some(scratch) = scratch_in(&own_account()) else { return };
    let sick = scratch.run("doctor").expect_code(3).stdout;
    assert!(sick.contains("wrong  table bunsui-sessions"), "{sick}");
    assert!(sick.contains("help: to make what is not there: bunsui infra deploy"), "{sick}");
    let dry = scratch.run("infra deploy --dry-run").expect_code(0).stderr;
    assert!(dry.contains("add     Sessions (AWS::DynamoDB::Table)"), "{dry}");
    assert!(scratch.run("infra status").expect_code(0).stdout.contains("bunsui-tables: not there"));
    let made = scratch.run("infra deploy").expect_code(0).stderr;
    assert_eq!(made.matches("create complete").count(), 3, "{made}");
    let again = scratch.run("infra deploy").expect_code(0).stderr;
    assert_eq!(again.matches("as it is wanted").count(), 3, "{again}");
    let status = scratch.run("infra status").expect_code(0).stdout;
    assert!(
        status.contains("bunsui-policies: create complete") && status.contains("BoundaryArn = "),
        "{status}"
    );
    let well = scratch.run("doctor --output json").expect_code(0).json();
    assert_eq!(well["is_well"], true, "{well}");

    make_function(&scratch, "first", "def handler(event, context):\n    return {'n': 1}\n");
    make_function(&scratch, "second", "def handler(event, context):\n    return event\n");
    let second = job("second", "depends_on = [\"first\"]", "payload = { n = \"${jobs.first.n}\" }");
    scratch.write("t.toml", functions(&(job("first", "", "") + &second)));
    let dry = scratch.run("deploy t.toml --dry-run").expect_code(0).stderr;
    assert!(dry.contains("add  Role of the pipeline's role (AWS::IAM::Role)"), "{dry}");
    let finished = scratch.run("run t.toml --deploy --output json").expect_code(0);
    assert_eq!(crate::product::output(&finished, "second")["n"], 1);
    // The role allows what the definitions call, and nothing else.
    let account = variable(&scratch, "AWS_ACCESS_KEY_ID");
    let config = sdk_config(&account).await;
    let template = aws_sdk_cloudformation::Client::new(&config)
        .get_template()
        .stack_name("bunsui-pipeline-t")
        .send()
        .await
        .expect("it is there")
        .template_body
        .unwrap_or_default();
    let policy =
        template.lines().find(|line| line.contains("\"PolicyName\":\"operations\"")).expect("it has one");
    let function = |name: &str| format!("arn:aws:lambda:ap-northeast-1:{account}:function:{name}");
    let statement = serde_json::json!([{
        "Effect": "Allow", "Action": ["lambda:InvokeFunction"], "Resource": [function("first"), function("second")]
    }]);
    assert!(policy.contains(&statement.to_string()), "{policy}");
    let deleted = scratch.run("infra delete").expect_code(0).stderr;
    assert!(
        deleted.contains("stack bunsui-tables: deleted") && deleted.contains("tables and bucket stay"),
        "{deleted}"
    );
}

#[test]
fn templates_are_part_of_the_executable() {
    let scratch = crate::scratch();
    let printed = scratch.run("infra template tables").expect_code(0).stdout;
    let file = bunsui_test_support::repository().join("infrastructure/dynamodb/tables.yaml");
    assert_eq!(printed, std::fs::read_to_string(file).unwrap());
    let refused = scratch.run("infra deploy").expect_code(2);
    assert!(refused.stderr.contains("bunsui::settings::needs_aws"), "{}", refused.stderr);
}

/// How many executions the state machine of a job has had.
async fn executions(account: &str, job: &str) -> usize {
    let machine = format!("arn:aws:states:ap-northeast-1:{account}:stateMachine:bunsui-t--{job}");
    let client = aws_sdk_sfn::Client::new(&sdk_config(account).await);
    client.list_executions().state_machine_arn(machine).send().await.expect("it is there").executions.len()
}

/// Kills a runner at a step, goes on, and sees that each job was started once: an execution survives its runner.
async fn check_killed_at(step: &'static str) {
    let Some(scratch) = scratch_on_aws().await else { return };
    make_function(&scratch, "first", "def handler(event, context):\n    return {'n': 1}\n");
    make_function(&scratch, "large", "def handler(event, context):\n    return {'text': 'x' * 70000}\n");
    make_function(&scratch, "last", "def handler(event, context):\n    return event\n");
    let last = job("last", "depends_on = [\"first\", \"large\"]", "payload = { n = \"${jobs.first.n}\" }");
    scratch.write("t.toml", functions(&(job("first", "", "") + &job("large", "", "") + &last)));
    scratch.run("deploy t.toml").expect_code(0);
    let mut killed = scratch.command(["run", "t.toml"]);
    killed.env("BUNSUI_FAILPOINT", step);
    assert_eq!(scratch.finish(&mut killed).code, None, "it is killed at {step}");
    // One more dies while it takes over; and then it goes on.
    let mut again = scratch.command(["session", "resume", "last"]);
    again.env("BUNSUI_FAILPOINT", "restored");
    assert_eq!(scratch.finish(&mut again).code, None, "it is killed at {step}, then at `restored`");
    let finished = scratch.run("session resume last --output json").expect_code(0);
    let jobs = crate::product::jobs(&finished);
    for name in ["first", "large", "last"] {
        assert_eq!(
            (&jobs[name]["status"], &jobs[name]["attempt"]),
            (&"succeeded".into(), &1.into()),
            "{step}: {name}"
        );
    }
    let account = variable(&scratch, "AWS_ACCESS_KEY_ID");
    for name in ["first", "large", "last"] {
        assert_eq!(executions(&account, name).await, 1, "{step}: executions of {name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_runner_killed_at_any_step_starts_nothing_twice() {
    let steps = ["created", "decided", "stored:2", "told", "started", "started:2", "ended", "output_stored"];
    for pair in steps.chunks(4) {
        let all: Vec<_> = pair.iter().map(|step| tokio::spawn(check_killed_at(step))).collect();
        for one in all {
            one.await.unwrap();
        }
    }
}
