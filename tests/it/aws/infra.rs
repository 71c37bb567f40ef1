//! `infra` and `doctor`.

use super::{functions, job, make_function, python, scratch_in, sdk_config, variable};
use bunsui_test_support::{Scratch, ministack, own_account};

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
    assert!(scratch.run("infra status").expect_code(3).stdout.contains("bunsui-tables: not there"));
    let made = scratch.run("infra deploy").expect_code(0).stderr;
    assert_eq!(made.matches("create complete").count(), 3, "{made}");
    // What a template has no parameter for is not given to it, which CloudFormation would refuse.
    let cloudformation =
        aws_sdk_cloudformation::Client::new(&sdk_config(&variable(&scratch, "AWS_ACCESS_KEY_ID")).await);
    let parameters = async |stack: &str| {
        let found = cloudformation.describe_stacks().stack_name(stack).send().await.expect("it is there");
        let parameters = found.stacks()[0].parameters().iter();
        parameters
            .map(|one| {
                (
                    one.parameter_key().unwrap().to_owned(),
                    one.parameter_value().unwrap_or_default().to_owned(),
                )
            })
            .collect::<std::collections::BTreeMap<_, _>>()
    };
    assert!(!parameters("bunsui-bucket").await.contains_key("Prefix"));
    // Values that were set stay until they are set again.
    let given = scratch.run("infra deploy --parameter OutputsExpirationDays=7").expect_code(0).stderr;
    assert_eq!(given.matches("as it is wanted").count(), 2, "{given}");
    scratch.run("infra deploy --parameter NoncurrentDays=5").expect_code(0);
    let kept = parameters("bunsui-bucket").await;
    assert_eq!((kept["OutputsExpirationDays"].as_str(), kept["NoncurrentDays"].as_str()), ("7", "5"));
    let unknown = scratch.run("infra deploy --parameter OutputExpirationDays=7").expect_code(2).stderr;
    assert!(unknown.contains("did you mean `OutputsExpirationDays`?"), "{unknown}");
    let again = scratch.run("infra deploy").expect_code(0).stderr;
    assert_eq!(again.matches("as it is wanted").count(), 3, "{again}");
    let status = scratch.run("infra status").expect_code(0).stdout;
    assert!(
        status.contains("bunsui-policies: create complete") && status.contains("BoundaryArn = "),
        "{status}"
    );
    let well = scratch.run("doctor --output json").expect_code(0).json();
    assert_eq!(well["is_well"], true, "{well}");
    let clock = well["findings"].as_array().unwrap().iter().find(|finding| finding["what"] == "clock");
    assert!(clock.is_some_and(|clock| clock["found"].as_str().unwrap().contains(" s ")), "{well}");

    make_function(&scratch, "first", "def handler(event, context):\n    return {'n': 1}\n");
    make_function(&scratch, "second", "def handler(event, context):\n    return event\n");
    let second = job("second", "depends_on = [\"first\"]", "payload = { n = \"${jobs.first.n}\" }");
    scratch.write("t.toml", functions(&(job("first", "", "") + &second)));
    let dry = scratch.run("deploy t.toml --dry-run").expect_code(0).stderr;
    assert!(dry.contains("add  Role of the pipeline's stack (AWS::IAM::Role)"), "{dry}");
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
    // Events of executions go to the pipeline's log group, without what may be secret.
    let machine = format!("arn:aws:states:ap-northeast-1:{account}:stateMachine:bunsui-t--first");
    let found =
        aws_sdk_sfn::Client::new(&config).describe_state_machine().state_machine_arn(machine).send().await;
    let logging = found.expect("it is there").logging_configuration.expect("it logs");
    let group =
        logging.destinations()[0].cloud_watch_logs_log_group().and_then(|group| group.log_group_arn());
    let wanted = format!("arn:aws:logs:ap-northeast-1:{account}:log-group:/aws/vendedlogs/states/bunsui-t:*");
    assert_eq!((group, logging.include_execution_data()), (Some(wanted.as_str()), false));
    let again = scratch.run("deploy t.toml").expect_code(0).stderr;
    assert!(again.contains("is deployed as it is"), "{again}");
    let deleted = scratch.run("infra delete").expect_code(0).stderr;
    assert!(
        deleted.contains("stack bunsui-tables: deleted") && deleted.contains("tables and bucket stay"),
        "{deleted}"
    );
}

/// Events as Step Functions has them, of an execution of a state machine with a status.
fn put_events(scratch: &Scratch, events: &[(&str, &str)]) {
    // Nobody but AWS may send what is from `aws.…`: the rule is given another source, and is else as the stack made it.
    const SCRIPT: &str = r#"
import json
def ask_events(action, body):
    return json.loads(ask("events", "", json.dumps(body), X_Amz_Target="AWSEvents." + action,
                          Content_Type="application/x-amz-json-1.1"))
pattern = ask_events("DescribeRule", {"Name": "bunsui-events"})["EventPattern"]
assert "aws.states" in pattern
ask_events("PutRule", {"Name": "bunsui-events", "EventPattern": pattern.replace("aws.states", "test.states")})
for event in arguments:
    machine, status = event.split()
    detail = {"executionArn": f"arn:aws:states:ap-northeast-1:{account}:execution:{machine}:e", "status": status, "input": "{}",
              "stateMachineArn": f"arn:aws:states:ap-northeast-1:{account}:stateMachine:{machine}", "stopDate": 1700000000123}
    entry = {"Source": "test.states", "DetailType": "Step Functions Execution Status Change", "Detail": json.dumps(detail)}
    assert ask_events("PutEvents", {"Entries": [entry]})["FailedEntryCount"] == 0
"#;
    let arguments: Vec<String> =
        events.iter().map(|(machine, status)| format!("{machine} {status}")).collect();
    python(scratch, SCRIPT, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_queue_of_events_is_made_where_it_is_wanted() {
    if ministack().is_none() {
        return;
    }
    let Some(without) = scratch_in(&own_account()) else { return };
    without.run("infra deploy").expect_code(0);
    let account = variable(&without, "AWS_ACCESS_KEY_ID");
    let scratch = scratch_in(&account).expect("it runs").with_variable("BUNSUI_AWS__EVENTS", "true");
    let sick = scratch.run("doctor").expect_code(3).stdout;
    assert!(sick.contains("wrong  queue bunsui-events"), "{sick}");
    let made = scratch.run("infra deploy").expect_code(0).stderr;
    assert!(made.contains("add     Rule (AWS::Events::Rule)"), "{made}");
    assert_eq!(made.matches("as it is wanted").count(), 3, "{made}");
    let well = scratch.run("doctor").expect_code(0).stdout;
    assert!(well.contains("ok     queue bunsui-events: it can be received from"), "{well}");
    let status = scratch.run("infra status").expect_code(0).stdout;
    assert!(status.contains("bunsui-events: create complete\n  QueueArn = "), "{status}");
    // Ends of bunsui's own executions come through the rule, and what is read of them.
    let events = [("bunsui-t--a", "RUNNING"), ("other-t--a", "FAILED"), ("bunsui-t--a", "SUCCEEDED")];
    put_events(&scratch, &events);
    let sqs = aws_sdk_sqs::Client::new(&sdk_config(&account).await);
    let url = sqs.get_queue_url().queue_name("bunsui-events").send().await.expect("it is there").queue_url;
    let receive = sqs.receive_message().set_queue_url(url).max_number_of_messages(10).wait_time_seconds(5);
    let received = receive.send().await.expect("it answers").messages.unwrap_or_default();
    let bodies: Vec<serde_json::Value> =
        received.iter().map(|message| serde_json::from_str(message.body().unwrap()).unwrap()).collect();
    let arn = format!("arn:aws:states:ap-northeast-1:{account}:execution:bunsui-t--a:e");
    let sent =
        serde_json::json!({"executionArn": arn, "status": "SUCCEEDED", "stopDate": 1_700_000_000_123_u64});
    assert_eq!(bodies, [serde_json::json!({"detail": sent})]);
    // Who wants it no more leaves it alone, until all is deleted.
    let again = without.run("infra deploy").expect_code(0).stderr;
    assert!(!again.contains("events"), "{again}");
    let deleted = without.run("infra delete").expect_code(0).stderr;
    assert!(deleted.contains("stack bunsui-events: deleted"), "{deleted}");
    let deleted = without.run("infra delete").expect_code(0).stderr;
    assert!(!deleted.contains("events"), "{deleted}");
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
