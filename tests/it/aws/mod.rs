//! The AWS backend against ministack. No test can reach AWS itself: addresses are loopback, keys are made up.

mod aws_service;
mod connection;
mod crash;
mod deploy;
mod faults;
mod infra;
mod logs;
mod outage;
mod policies;
mod preflight;
mod role;
mod step_functions;

use crate::conformance::Stores;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};
use bunsui::backend::aws::{Connection, ConnectionOptions, DynamoStore, S3Objects};
use bunsui::settings::AwsSettings;
use bunsui_test_support::{Emulator, Scratch, ministack, moto, own_account};
use std::sync::Arc;
use std::time::Duration;

/// A connection to an account of its own, in which nothing is.
pub(crate) async fn connection() -> Option<Connection> {
    let account = own_account();
    Some(connection_at(ministack()?, &account, &account, "bunsui-").await)
}

/// A connection with its own bucket, and names of its own where it has not got an account of its own.
async fn connection_at(server: &Emulator, account: &str, key: &str, prefix: &str) -> Connection {
    let settings = AwsSettings {
        region: Some("ap-northeast-1".into()),
        account: Some(account.to_owned()),
        bucket: Some(format!("bunsui-{key}")),
        prefix: prefix.into(),
        endpoint_url: Some(server.address.clone()),
        ..AwsSettings::default()
    };
    let keys = Some((key.to_owned(), "not-a-secret".to_owned()));
    let options = ConnectionOptions { settings, profile: None, keys };
    Connection::open(&options).await.expect("the emulator answers")
}

/// Both stores of an account, with their tables and bucket made.
pub(crate) async fn stores() -> Option<(Stores, ())> {
    let connection = connection().await?;
    make_tables(&connection).await;
    Some((of_connection(&connection), ()))
}

/// The same in the other emulator, which has one account for all.
pub(crate) async fn stores_in_moto() -> Option<(Stores, ())> {
    let server = moto()?;
    let own = own_account();
    let connection = connection_at(server, "123456789012", &own, &format!("t{own}-")).await;
    make_tables_at(server, &connection).await;
    Some((of_connection(&connection), ()))
}

fn of_connection(connection: &Connection) -> Stores {
    let store = DynamoStore::new(connection, Duration::from_secs(86_400));
    let objects = S3Objects::new(connection).expect("a bucket is set");
    Stores { sessions: Arc::new(store), objects: Arc::new(objects) }
}

/// The SDK as it is, for what tests make themselves.
async fn sdk_config(account: &str) -> aws_config::SdkConfig {
    sdk_config_at(&ministack().expect("it runs").address, account).await
}

async fn sdk_config_at(address: &str, account: &str) -> aws_config::SdkConfig {
    let keys = aws_credential_types::Credentials::from_keys(account, "not-a-secret", None);
    aws_config::defaults(aws_config::BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .credentials_provider(keys)
        .region(aws_config::Region::new("ap-northeast-1"))
        .endpoint_url(address)
        .load()
        .await
}

pub(crate) async fn make_tables(connection: &Connection) {
    make_tables_at(ministack().expect("it runs"), connection).await;
}

async fn make_tables_at(server: &Emulator, connection: &Connection) {
    let config = sdk_config_at(&server.address, connection.account()).await;
    let name = |table: &str| format!("{}{table}", connection.prefix());
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
        .table_name(name("sessions"))
        .set_attribute_definitions(Some(sessions))
        .key_schema(key("session_id", KeyType::Hash))
        .key_schema(key("created_at", KeyType::Range))
        .global_secondary_indexes(index("by-pipeline", "pipeline_id", "created_at"))
        .global_secondary_indexes(index("by-month", "created_month", "session_id"))
        .send()
        .await
        .expect("made");
    create
        .table_name(name("job-history"))
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
        .table_name(name("pipelines"))
        .attribute_definitions(attribute("pipeline_id"))
        .attribute_definitions(number.attribute_type(ScalarAttributeType::N).build().unwrap())
        .key_schema(key("pipeline_id", KeyType::Hash))
        .key_schema(key("version", KeyType::Range))
        .send()
        .await
        .expect("made");
    let path_style = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
    let bucket = connection.bucket().expect("it is set").to_owned();
    let place = aws_sdk_s3::types::CreateBucketConfiguration::builder()
        .location_constraint(aws_sdk_s3::types::BucketLocationConstraint::ApNortheast1)
        .build();
    let create = aws_sdk_s3::Client::from_conf(path_style).create_bucket().bucket(bucket);
    create.create_bucket_configuration(place).send().await.expect("made");
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
    Some(scratch_at(ministack()?, account))
}

fn scratch_at(server: &Emulator, account: &str) -> Scratch {
    let account = account.to_owned();
    let variables = [
        ("BUNSUI_BACKEND", "aws".to_owned()),
        ("BUNSUI_AWS__ENDPOINT_URL", server.address.clone()),
        ("BUNSUI_AWS__BUCKET", format!("bunsui-{account}")),
        ("BUNSUI_AWS__ACCOUNT", account.clone()),
        ("AWS_REGION", "ap-northeast-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", account),
        ("AWS_SECRET_ACCESS_KEY", "not-a-secret".to_owned()),
    ];
    variables.into_iter().fold(crate::scratch(), |scratch, (name, value)| scratch.with_variable(name, &value))
}

/// A variable that bunsui gets in a scratch folder.
fn variable(scratch: &Scratch, name: &str) -> String {
    let command = scratch.command(["x"]);
    let found = command.get_envs().find(|(key, _)| *key == name).and_then(|(_, value)| value);
    found.expect("it is set").to_string_lossy().into_owned()
}

/// Runs a Python script with an account's `ask(service, path, body, **headers)` and `arguments`; gives what it prints.
fn python(scratch: &Scratch, script: &str, arguments: &[&str]) -> String {
    // The emulator looks for an account, a region and a service in a signature, and mostly at no more.
    const ASK: &str = r#"
import sys, urllib.request
address, account, *arguments = sys.argv[1:]
def ask(service, path, body, **headers):
    region = "us-east-1" if service == "iam" else "ap-northeast-1"
    scope = f"{account}/20261124/{region}/{service}/aws4_request"
    headers = {key.replace("_", "-"): value for key, value in headers.items()}
    headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
    request = urllib.request.Request(address + path, body.encode(), headers)
    return urllib.request.urlopen(request).read().decode()
"#;
    let place = [variable(scratch, "BUNSUI_AWS__ENDPOINT_URL"), variable(scratch, "AWS_ACCESS_KEY_ID")];
    let mut python = std::process::Command::new("python3");
    let done = python.args(["-c", &format!("{ASK}{script}")]).args(place).args(arguments).output();
    let done = done.expect("python3 is there");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).expect("text")
}

/// Makes a Lambda function of this Python text, whose handler is `handler`.
fn make_function(scratch: &Scratch, name: &str, text: &str) {
    const SCRIPT: &str = r#"
import base64, io, json, zipfile
name, text = arguments
archive = io.BytesIO()
with zipfile.ZipFile(archive, "w") as file:
    file.writestr("index.py", text)
body = {"FunctionName": name, "Runtime": "python3.11", "Handler": "index.handler", "Timeout": 20,
        "Role": f"arn:aws:iam::{account}:role/f", "Code": {"ZipFile": base64.b64encode(archive.getvalue()).decode()}}
ask("lambda", "/2015-03-31/functions", json.dumps(body), Content_Type="application/json")
"#;
    python(scratch, SCRIPT, &[name, text]);
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
