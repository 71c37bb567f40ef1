//! The AWS backend against ministack. No test can reach AWS itself: addresses are loopback, keys are made up.

use crate::conformance::Stores;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};
use bunsui::backend::aws::{Connection, ConnectionOptions, DynamoStore, S3Objects};
use bunsui::settings::AwsSettings;
use bunsui_test_support::{ministack, own_account};
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

async fn make_tables(connection: &Connection) {
    let server = ministack().expect("it runs");
    let keys = aws_credential_types::Credentials::from_keys(connection.account(), "not-a-secret", None);
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = aws_config::defaults(aws_config::BehaviorVersion::latest())
        .http_client(http)
        .credentials_provider(keys)
        .region(aws_config::Region::new("ap-northeast-1"))
        .endpoint_url(&server.address)
        .load()
        .await;
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
