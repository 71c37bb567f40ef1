//! The one way to AWS: one configuration for all clients, and the account checked before anything is written.

use super::clock::{Clock, Offset};
use super::error::{AwsError, Call, classify};
use super::limiter::Limiter;
use crate::settings::{AwsSettings, Events, Quota};
use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use jiff::SignedDuration;
use std::time::Duration;

/// What a connection is made from.
#[derive(Debug, Clone, Default)]
pub struct ConnectionOptions {
    /// `[aws]`
    pub settings: AwsSettings,
    /// A profile of the user's AWS files; none: what `AWS_PROFILE` says, else the default one.
    pub profile: Option<String>,
    /// An access key and its secret, for whoever has them at hand; none: the SDK's chain of credentials.
    pub keys: Option<(String, String)>,
}

/// Clients of all services, with one configuration: the SDK's chain of credentials, its standard retry, timeouts.
#[derive(Debug, Clone)]
pub struct Connection {
    config: SdkConfig,
    settings: AwsSettings,
    account: String,
    clock: Option<Offset>,
    limiter: Limiter,
}

/// An answer that takes longer is none; the SDK then tries again.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);

/// Longer than that nobody waits for one call, its retries included.
const CALL_TIMEOUT: Duration = Duration::from_secs(90);

/// So long SQS may take to say that there is no message, the longest that it does ("WaitTimeSeconds").
pub(super) const LONG_POLL: Duration = Duration::from_secs(20);

/// AWS refuses a signature whose time is so far off (IAM guide, "Signature Version 4 request elements").
const REFUSED: SignedDuration = SignedDuration::from_mins(5);

impl Connection {
    /// Finds credentials and region, and asks whose account it is. Where `[aws] account` says another, it is refused.
    pub async fn open(options: &ConnectionOptions) -> Result<Self, AwsError> {
        let config = configuration(options).await;
        if config.region().is_none() {
            return Err(AwsError::NoRegion);
        }
        let call = Call::new("sts", "GetCallerIdentity", "the account");
        let sts = aws_sdk_sts::Client::new(&at(&config, &options.settings, "sts"));
        let clock = Clock::default();
        let asked = sts.get_caller_identity().customize().interceptor(clock.clone()).send().await;
        let identity = asked.map_err(|error| match (classify(error, &call), clock.ahead()) {
            // AWS takes such a signature for one that was made long ago, or by a wrong secret.
            (AwsError::NoCredentials { message, .. }, Some(offset)) if offset.0.abs() >= REFUSED => {
                AwsError::WrongClock { offset, message }
            }
            (error, _) => error,
        })?;
        let account = identity.account().unwrap_or_default().to_owned();
        if let Some(wanted) = &options.settings.account
            && *wanted != account
        {
            return Err(AwsError::OtherAccount { found: account, wanted: wanted.clone() });
        }
        let limiter = Limiter::new(config.region().map_or("", Region::as_ref), &options.settings);
        Ok(Self { config, settings: options.settings.clone(), account, clock: clock.ahead(), limiter })
    }

    /// How far this machine's clock was ahead of AWS's when the connection was opened.
    pub fn clock(&self) -> Option<Offset> {
        self.clock
    }

    /// The account, twelve digits.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The region.
    pub fn region(&self) -> &str {
        self.config.region().map_or("", Region::as_ref)
    }

    /// What names of tables and state machines begin with.
    pub fn prefix(&self) -> &str {
        &self.settings.prefix
    }

    /// The role of `[aws] execution_role`; none: `deploy` makes one for each pipeline.
    pub fn execution_role(&self) -> Option<&str> {
        self.settings.execution_role.as_deref()
    }

    /// Whether `[aws] events` wants the queue that a stack of bunsui's makes.
    pub fn has_events_stack(&self) -> bool {
        self.settings.events == Events::Switch(true)
    }

    /// The queue of `[aws] events`, by its name or URL.
    pub(super) fn events_queue(&self) -> Option<String> {
        self.settings.events_queue()
    }

    /// The bucket of `[aws] bucket`.
    pub fn bucket(&self) -> Result<&str, AwsError> {
        self.settings.bucket.as_deref().ok_or(AwsError::NoBucket)
    }

    /// What running sessions may ask of Step Functions: `StartExecution 800, then 150 a second`, as is published or set.
    pub fn quotas(&self) -> Vec<String> {
        let line = |(api, Quota { size, refill })| format!("{api} {size}, then {refill} a second");
        self.limiter.quotas().map(line).into()
    }

    pub(super) fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.of("dynamodb"))
    }

    /// Log groups may lie in other regions.
    pub(super) fn cloudwatch_logs(&self, region: Option<&str>) -> aws_sdk_cloudwatchlogs::Client {
        let config = aws_sdk_cloudwatchlogs::config::Builder::from(&self.of("logs"));
        let config = match region {
            Some(region) => config.region(Region::new(region.to_owned())),
            None => config,
        };
        aws_sdk_cloudwatchlogs::Client::from_conf(config.build())
    }

    pub(super) fn cloudformation(&self) -> aws_sdk_cloudformation::Client {
        aws_sdk_cloudformation::Client::new(&self.of("cloudformation"))
    }

    pub(super) fn step_functions(&self) -> aws_sdk_sfn::Client {
        aws_sdk_sfn::Client::new(&self.of("sfn"))
    }

    /// Who asks for messages is answered late on purpose, and decides whether it is worth another try.
    pub(super) fn sqs(&self) -> aws_sdk_sqs::Client {
        let config = aws_sdk_sqs::config::Builder::from(&self.of("sqs"))
            .timeout_config(timeouts(ATTEMPT_TIMEOUT + LONG_POLL))
            .retry_config(RetryConfig::disabled());
        aws_sdk_sqs::Client::from_conf(config.build())
    }

    pub(super) fn s3(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(&self.of("s3"))
            // Another address than AWS's own seldom has a name for each bucket.
            .force_path_style(self.is_elsewhere("s3"))
            .build();
        aws_sdk_s3::Client::from_conf(config)
    }

    /// Whether a service has another address than AWS's.
    pub(super) fn is_elsewhere(&self, service: &str) -> bool {
        self.of(service).endpoint_url().is_some()
    }

    fn of(&self, service: &str) -> SdkConfig {
        at(&self.config, &self.settings, service)
    }

    pub(super) fn limiter(&self) -> Limiter {
        self.limiter.clone()
    }
}

/// The configuration for a service: with its own address, where it has one.
fn at(config: &SdkConfig, settings: &AwsSettings, service: &str) -> SdkConfig {
    match settings.endpoint_urls.get(service) {
        None => config.clone(),
        Some(address) => config.to_builder().endpoint_url(address).build(),
    }
}

fn timeouts(attempt: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .operation_attempt_timeout(attempt)
        .operation_timeout(CALL_TIMEOUT)
        .build()
}

async fn configuration(options: &ConnectionOptions) -> SdkConfig {
    let http =
        aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .timeout_config(timeouts(ATTEMPT_TIMEOUT))
        .retry_config(RetryConfig::standard().with_max_attempts(4));
    if let Some(profile) = &options.profile {
        loader = loader.profile_name(profile);
    }
    if let Some((key, secret)) = &options.keys {
        loader = loader.credentials_provider(Credentials::from_keys(key, secret, None));
    }
    if let Some(region) = &options.settings.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(address) = &options.settings.endpoint_url {
        loader = loader.endpoint_url(address);
    }
    let config = loader.load().await;
    match &options.settings.assume_role {
        None => config,
        Some(role) => {
            let sts = at(&config, &options.settings, "sts");
            let provider =
                AssumeRoleProvider::builder(role).session_name("bunsui").configure(&sts).build().await;
            let provider = aws_credential_types::provider::SharedCredentialsProvider::new(provider);
            config.into_builder().credentials_provider(provider).build()
        }
    }
}
