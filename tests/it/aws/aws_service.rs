//! Operation type `aws-service` on Step Functions: services that answer for real.

use super::{scratch_on_aws, sdk_config, variable};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
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
