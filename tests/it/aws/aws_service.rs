//! Operation type `aws-service` on Step Functions: services that answer for real.

use super::{job, make_function, scratch_in, scratch_on_aws, sdk_config, variable};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use bunsui_test_support::{ministack, own_account};
use serde_json::{Value as Json, json};

/// A table of totals, with a year as its key.
async fn make_table(account: &str) {
    let client = aws_sdk_dynamodb::Client::new(&sdk_config(account).await);
    let key = KeySchemaElement::builder().attribute_name("year").key_type(KeyType::Hash).build().unwrap();
    let attribute = AttributeDefinition::builder()
        .attribute_name("year")
        .attribute_type(ScalarAttributeType::N)
        .build()
        .unwrap();
    client
        .create_table()
        .table_name("totals")
        .key_schema(key)
        .attribute_definitions(attribute)
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await
        .expect("a table is made");
}

const PIPELINE: &str = r#"
[pipeline]
name = "t"
[params]
year = { type = "integer", default = 2015 }
[jobs.keep]
[[jobs.keep.operations]]
name = "put"
type = "aws-service"
action = "dynamodb:putItem"
arguments = { TableName = "totals", Item = { year = { N = "${params.year}" }, rain = { S = '{"jan": 93}' } } }
[[jobs.keep.operations]]
name = "get"
type = "aws-service"
action = "dynamodb:getItem"
arguments = { TableName = "totals", Key = { year = { N = "${params.year}" } } }
result = "{% $parse($states.result.Item.rain.S) %}"
[jobs.look]
depends_on = ["keep"]
[[jobs.look.operations]]
name = "list"
type = "aws-service"
action = "dynamodb:listTables"
result = { tables = "{% $states.result.TableNames['totals' = $] %}", jan = "${jobs.keep.jan}" }
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_are_called_in_both_forms_and_give_what_is_taken_out_of_their_answers() {
    let Some(scratch) = scratch_on_aws().await else { return };
    make_table(&variable(&scratch, "AWS_ACCESS_KEY_ID")).await;
    scratch.write("t.toml", PIPELINE);
    let finished = scratch.run("run t.toml --deploy --output json --param year=2014").expect_code(0);
    assert_eq!(crate::product::output(&finished, "keep"), json!({"jan": 93}));
    assert_eq!(crate::product::output(&finished, "look"), json!({"tables": "totals", "jan": 93}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_refuses_is_explained_at_its_lines() {
    let Some(scratch) = scratch_on_aws().await else { return };
    scratch.write("t.toml", PIPELINE);
    let failed = scratch.run("run t.toml --deploy").expect_code(1).stderr;
    assert!(failed.contains("operation `put` of job `keep` failed"), "{failed}");
    assert!(failed.contains("what `dynamodb:putItem` names is not there"), "{failed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_role_is_allowed_what_services_take() {
    let Some(scratch) = scratch_on_aws().await else { return };
    let account = variable(&scratch, "AWS_ACCESS_KEY_ID");
    scratch.copy_of_repository("pipelines/services.toml");
    let planned = scratch.run("plan pipelines/services.toml --output json").expect_code(0).json();
    let statements = planned["deployed"]["permissions"]["Statement"].as_array().expect("a list").clone();
    let texts = |value: &Json| -> Vec<String> {
        let list = value.as_array().into_iter().flatten().filter_map(Json::as_str);
        list.map(|text| text.replace(&format!("ap-northeast-1:{account}"), "HERE")).collect()
    };
    let shown: Vec<String> = statements
        .iter()
        .map(|statement| {
            format!(
                "{} on {}",
                texts(&statement["Action"]).join(" "),
                texts(&statement["Resource"]).join(" ")
            )
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_boundary_does_not_allow_is_said_with_the_command_that_widens_it() {
    if ministack().is_none() {
        return;
    }
    let Some(scratch) = scratch_in(&own_account()) else { return };
    scratch.run("infra deploy").expect_code(0);
    make_table(&variable(&scratch, "AWS_ACCESS_KEY_ID")).await;
    make_function(&scratch, "within", "def handler(event, context):\n    return 1\n");
    let text = PIPELINE.to_owned() + &job("within", "", "");
    scratch.write("t.toml", &text);
    let line = |nth: usize| {
        let headers = text.lines().enumerate().filter(|(_, line)| line.starts_with("[[jobs."));
        headers.map(|(at, _)| at as u64 + 1).nth(nth).expect("it is there")
    };
    let found = |planned: &Json| -> Vec<Json> {
        let found = planned["preflight"].as_array().expect("a list").iter();
        found.filter(|finding| finding["code"] == "bunsui::aws::boundary").cloned().collect()
    };
    let warnings = found(&scratch.run("plan t.toml --output json").expect_code(0).json());
    let [warning] = warnings.as_slice() else { panic!("one warning, not {warnings:?}") };
    assert_eq!(warning["severity"], "warning");
    assert_eq!(
        warning["message"],
        "the boundary of pipelines' roles, of the stack bunsui-policies, does not allow `dynamodb:GetItem`, \
         `dynamodb:ListTables`, `dynamodb:PutItem`"
    );
    let labels: Vec<(u64, &str)> = warning["labels"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|label| (label["line"].as_u64().unwrap(), label["message"].as_str().unwrap()))
        .collect();
    let expected = [
        (line(0), "`put` of job `keep` needs `dynamodb:PutItem`"),
        (line(1), "`get` of job `keep` needs `dynamodb:GetItem`"),
        (line(2), "`list` of job `look` needs `dynamodb:ListTables`"),
    ];
    assert_eq!(labels, expected);
    for command in ["deploy t.toml --dry-run", "run t.toml --deploy"] {
        let told = scratch.run(command).expect_code(0).stderr;
        assert!(told.contains("bunsui::aws::boundary") && told.contains("`put` of job `keep`"), "{told}");
    }
    let looked = scratch.run("doctor t.toml").stdout;
    assert!(looked.contains(&format!("ok     t.toml:{}: the boundary of", line(0))), "{looked}");
    // The command of the help does it.
    let help = warning["help"].as_str().expect("it has one");
    let command = help.split_once("bunsui infra deploy").expect("it has a command").1;
    scratch.run(&format!("infra deploy{command}")).expect_code(0);
    assert_eq!(found(&scratch.run("plan t.toml --output json").expect_code(0).json()), [Json::Null; 0]);
    let told = scratch.run("run t.toml --deploy").expect_code(0).stderr;
    assert!(!told.contains("boundary"), "{told}");
    // A role of one's own has a boundary of its own.
    scratch.run("infra deploy --parameter ExecutionActions=lambda:InvokeFunction").expect_code(0);
    assert_eq!(found(&scratch.run("plan t.toml --output json").expect_code(0).json()).len(), 1);
    let scratch = scratch.with_variable("BUNSUI_AWS__EXECUTION_ROLE", "arn:aws:iam::000000000000:role/own");
    assert_eq!(found(&scratch.run("plan t.toml --output json").json()), [Json::Null; 0]);
}
