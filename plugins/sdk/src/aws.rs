//! Clients of AWS for `preflight`, `stop` and `logs`: a plugin reaches AWS in the way that its host does.
//!
//! ```ignore
//! let configuration = aws::configuration(&request.aws, "lambda").await;
//! let client = aws_sdk_lambda::Client::new(&configuration);
//! ```
//!
//! Link your own service's SDK with its default features off: they would bring a second HTTP stack.

use crate::{Aws, PluginError};
use aws_config::sts::AssumeRoleProvider;
pub use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use std::error::Error;
use std::time::Duration;

/// A host waits ten seconds for an answer; what AWS did not say by then is to be reported, not waited for.
const CALL_TIMEOUT: Duration = Duration::from_secs(8);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(4);

/// The configuration of a service's client: region, profile, role and address as the host has them, credentials by the SDK's
/// default chain. `service` is the name of an address of its own (`lambda`, `ecs`).
pub async fn configuration(aws: &Aws, service: &str) -> SdkConfig {
    let http =
        aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(CALL_TIMEOUT)
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(2));
    if let Some(profile) = &aws.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = &aws.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(address) = &aws.endpoint_url {
        loader = loader.endpoint_url(address);
    }
    let config = loader.load().await;
    let at = |service: &str| match aws.endpoint_urls.get(service) {
        None => config.clone(),
        Some(address) => config.to_builder().endpoint_url(address).build(),
    };
    match &aws.role {
        None => at(service),
        Some(role) => {
            let provider = AssumeRoleProvider::builder(role).session_name("bunsui").configure(&at("sts"));
            let provider = SharedCredentialsProvider::new(provider.build().await);
            at(service).into_builder().credentials_provider(provider).build()
        }
    }
}

/// Does asynchronous work in a method that is not.
pub fn block_on<T>(work: impl Future<Output = T>) -> Result<T, PluginError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| PluginError::new(format!("no runtime could be started: {error}")))?;
    Ok(runtime.block_on(work))
}

/// What AWS, or the way to it, said instead of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// AWS's name of the error; none where AWS was not reached.
    pub code: Option<String>,
    /// Its words.
    pub message: String,
}

impl Refusal {
    /// Reads an error of any operation.
    pub fn of<E, R>(error: &SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
        R: std::fmt::Debug + 'static,
    {
        match error {
            SdkError::ServiceError(service) => {
                let meta = service.err().meta();
                Self {
                    code: Some(meta.code().unwrap_or("unknown").to_owned()),
                    message: meta.message().unwrap_or_default().to_owned(),
                }
            }
            error => Self { code: None, message: causes(error) },
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.code {
            Some(code) => write!(f, "{code}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// An error with what caused it, in one line.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = cause.source();
    }
    text
}
