//! Two questions to EC2: are these subnets, are these security groups there?
//!
//! EC2's own SDK is as large as all others together, so its query protocol is spoken here (EC2 API reference, "Query requests"). The SDK's
//! runtime sends, what it is given signed.

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::runtime_plugin::StaticRuntimePlugin;
use aws_smithy_types::body::SdkBody;
use bunsui_plugin_sdk::aws::SdkConfig;
use std::time::SystemTime;

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thing {
    /// `subnet-…`
    Subnet,
    /// `sg-…`
    SecurityGroup,
}

impl Thing {
    /// The API's action, and the name of its parameter.
    fn action(self) -> (&'static str, &'static str) {
        match self {
            Self::Subnet => ("DescribeSubnets", "SubnetId"),
            Self::SecurityGroup => ("DescribeSecurityGroups", "GroupId"),
        }
    }

    /// `subnet`
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Subnet => "subnet",
            Self::SecurityGroup => "security group",
        }
    }

    /// What a policy calls looking for it.
    pub(crate) fn permission(self) -> String {
        format!("ec2:{}", self.action().0)
    }
}

/// Whether something of that id is there, or why that is not known.
pub(crate) async fn is_there(config: &SdkConfig, thing: Thing, id: &str) -> Result<bool, String> {
    let (action, parameter) = thing.action();
    let form = [("Action", action), ("Version", "2016-11-15"), (&format!("{parameter}.1"), id)];
    let form: String = form.map(|(key, value)| format!("{key}={}", encoded(value))).join("&");
    let (status, text) = send(config, form).await?;
    match (status, element(&text, "Code")) {
        (200, _) => Ok(true),
        (_, Some(code)) if code.ends_with(".NotFound") || code.ends_with(".Malformed") => Ok(false),
        (_, Some(code)) => Err(format!("{code}: {}", element(&text, "Message").unwrap_or_default())),
        (status, None) => Err(format!("EC2 answered with status {status}")),
    }
}

async fn send(config: &SdkConfig, form: String) -> Result<(u16, String), String> {
    let region = config.region().map(ToString::to_string).ok_or("no region is set")?;
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let address = match config.endpoint_url() {
        Some(address) => format!("{}/", address.trim_end_matches('/')),
        None => format!("https://ec2.{region}.{domain}/"),
    };
    let provider = config.credentials_provider().ok_or("there are no credentials")?;
    let credentials =
        aws_credential_types::provider::ProvideCredentials::provide_credentials(&provider).await;
    let request = signed(&address, form, &region, credentials.map_err(|error| error.to_string())?)?;
    let client: SharedHttpClient = config.http_client().ok_or("there is no HTTP client")?;
    let operation = Operation::builder()
        .service_name("ec2")
        .operation_name("Describe")
        .http_client(client)
        .endpoint_url(&address)
        .no_auth()
        .no_retry()
        .timeout_config(config.timeout_config().cloned().unwrap_or_else(no_timeouts))
        .sleep_impl(config.sleep_impl().ok_or("there is no timer")?)
        .time_source(config.time_source().ok_or("there is no clock")?)
        .runtime_plugin(StaticRuntimePlugin::new())
        .serializer(|request: HttpRequest| Ok(request))
        .deserializer(|response: &HttpResponse| {
            let text = response.body().bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            Ok::<_, OrchestratorError<std::convert::Infallible>>((
                response.status().as_u16(),
                text.unwrap_or_default(),
            ))
        })
        .build();
    operation.invoke(request).await.map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
        format!("EC2 cannot be reached: {error}{}", cause.unwrap_or_default())
    })
}

fn no_timeouts() -> aws_smithy_types::timeout::TimeoutConfig {
    aws_smithy_types::timeout::TimeoutConfig::disabled()
}

fn signed(
    address: &str,
    form: String,
    region: &str,
    credentials: Credentials,
) -> Result<HttpRequest, String> {
    const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";
    let identity = credentials.into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("ec2")
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| error.to_string())?
        .into();
    let headers = std::iter::once(("content-type", FORM));
    let signable = SignableRequest::new("POST", address, headers, SignableBody::Bytes(form.as_bytes()));
    let signable = signable.map_err(|error| error.to_string())?;
    let (instructions, _) = sign(signable, &parameters).map_err(|error| error.to_string())?.into_parts();
    let request = http::Request::post(address).header("content-type", FORM);
    let mut request = request.body(SdkBody::from(form)).map_err(|error| error.to_string())?;
    instructions.apply_to_request_http1x(&mut request);
    request.try_into().map_err(|error: aws_smithy_runtime_api::http::HttpError| error.to_string())
}

/// What a form may not hold as it is.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// The text of the first element of that name: errors are `<Error><Code>…</Code><Message>…</Message></Error>`.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(inner, _)| inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_one_signed_form() {
        let credentials = Credentials::from_keys("key", "secret", Some("token".to_owned()));
        let form = format!("Action=DescribeSubnets&SubnetId.1={}", encoded("subnet-1 &"));
        let request = signed("https://ec2.eu-west-1.amazonaws.com/", form, "eu-west-1", credentials).unwrap();
        let authorization = request.headers().get("authorization").unwrap();
        assert!(authorization.contains("/eu-west-1/ec2/aws4_request"), "{authorization}");
        assert_eq!(request.headers().get("x-amz-security-token"), Some("token"));
        assert_eq!(request.body().bytes().unwrap(), b"Action=DescribeSubnets&SubnetId.1=subnet-1%20%26");
    }

    #[test]
    fn errors_are_read_from_their_elements() {
        let text = "<Response><Errors><Error><Code>InvalidSubnetID.NotFound</Code><Message>no</Message></Error></Errors></Response>";
        assert_eq!(element(text, "Code"), Some("InvalidSubnetID.NotFound"));
        assert_eq!(element(text, "Nothing"), None);
    }
}
