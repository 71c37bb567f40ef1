//! The way to AWS: whose account it is, where services are, what the clock says.

use super::connection;
use bunsui::backend::aws::{Connection, ConnectionOptions, DynamoStore};
use bunsui::settings::AwsSettings;
use bunsui_test_support::{ministack, own_account};
use std::time::Duration;

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_can_have_an_address_of_its_own() {
    use bunsui::runner::port::{SessionFilter, SessionStore};
    let Some(server) = ministack() else { return };
    let settings = AwsSettings {
        region: Some("eu-west-1".into()),
        endpoint_url: Some("http://127.0.0.1:1".into()),
        endpoint_urls: [("sts".to_owned(), server.address.clone())].into(),
        ..AwsSettings::default()
    };
    let keys = Some((own_account(), "not-a-secret".to_owned()));
    let options = ConnectionOptions { settings, profile: None, keys };
    let connection = Connection::open(&options).await.expect("STS is where it has an address of its own");
    let store = DynamoStore::new(&connection, Duration::from_secs(60));
    let error = store.sessions(&SessionFilter { limit: 1, ..SessionFilter::default() }).await.unwrap_err();
    assert!(error.to_string().contains("cannot be reached for `dynamodb:"), "{error}");
}

/// A server on loopback that refuses every signature, and whose clock is as said.
fn refusing_server(date: &'static str) -> String {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("it has one"));
    std::thread::spawn(move || {
        let body = "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>Signature expired</Message></Error></ErrorResponse>";
        for socket in listener.incoming() {
            let Ok(mut socket) = socket else { return };
            let _ = socket.read(&mut [0; 8192]);
            let head = format!(
                "HTTP/1.1 403 Forbidden\r\nDate: {date}\r\nConnection: close\r\nContent-Length: {}",
                body.len()
            );
            let _ = socket.write_all(format!("{head}\r\n\r\n{body}").as_bytes());
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_wrong_is_told_from_a_secret_that_is() {
    let refused = async |date| {
        let settings = AwsSettings {
            region: Some("eu-west-1".into()),
            endpoint_url: Some(refusing_server(date)),
            ..AwsSettings::default()
        };
        let keys = Some(("111111111111".to_owned(), "not-a-secret".to_owned()));
        Connection::open(&ConnectionOptions { settings, profile: None, keys }).await.unwrap_err().to_string()
    };
    let late = refused("Sat, 24 Oct 2099 12:00:00 GMT").await;
    assert!(late.starts_with("this machine's clock is ") && late.contains("minutes behind AWS's"), "{late}");
    let now: &'static str =
        Box::leak(jiff::fmt::rfc2822::to_string(&jiff::Zoned::now()).unwrap().into_boxed_str());
    let wrong = refused(now).await;
    assert!(wrong.starts_with("there are no AWS credentials that can be used"), "{wrong}");
}
