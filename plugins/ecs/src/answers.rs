//! A client whose answers a test gives.

use aws_credential_types::Credentials;
use aws_sdk_ecs::config::Config;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use bunsui_plugin_sdk::aws::{BehaviorVersion, Region};
use serde_json::Value as Json;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// Operation, status, body.
pub(crate) type Answer = (&'static str, u16, Json);

/// One for each request, in order.
#[derive(Debug, Clone)]
struct Answers(Arc<Mutex<VecDeque<Answer>>>);

impl HttpConnector for Answers {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let asked = target.rsplit('.').next().unwrap_or_default().to_owned();
        let next = self.0.lock().expect("no test panics while it holds this").pop_front();
        let (operation, status, body) = next.unwrap_or_else(|| panic!("nobody expected `{asked}`"));
        assert_eq!(asked, operation);
        let status = status.try_into().expect("a test gives a status of HTTP");
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(body.to_string()))))
    }
}

pub(crate) fn client(answers: Vec<Answer>) -> aws_sdk_ecs::Client {
    let answers = Answers(Arc::new(Mutex::new(answers.into())));
    let http = http_client_fn(move |_, _| SharedHttpConnector::new(answers.clone()));
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::from_keys("key", "secret", None))
        .retry_config(aws_smithy_types::retry::RetryConfig::disabled())
        .http_client(http)
        .build();
    aws_sdk_ecs::Client::from_conf(config)
}
