//! Which API a request is of, and errors as its protocol writes them.

use crate::loopback::answer;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use hyper::{Request, Response, StatusCode};
use serde_json::json;

/// How a service speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    /// JSON with an `X-Amz-Target`, or with paths: Lambda's.
    Json,
    /// Forms with an `Action`, answered in XML.
    Query,
    /// S3's own.
    S3,
}

/// An API by the name that plans know it by, and how it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Api {
    pub(super) name: String,
    protocol: Protocol,
    content_type: String,
}

impl Api {
    pub(super) fn of(request: &Request<Bytes>) -> Self {
        let headers = request.headers();
        let content_type = text(headers, CONTENT_TYPE.as_str());
        if let Some(target) = text(headers, "x-amz-target") {
            let content_type = content_type.unwrap_or("application/x-amz-json-1.0").to_owned();
            return Self { name: target.to_owned(), protocol: Protocol::Json, content_type };
        }
        let is_form = content_type.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
        if let Some(action) = is_form.then(|| action(request.body())).flatten() {
            return Self { name: action, protocol: Protocol::Query, content_type: "text/xml".to_owned() };
        }
        match service(headers) {
            None | Some("s3") => {
                let name = format!("S3.{}", request.method());
                Self { name, protocol: Protocol::S3, content_type: "application/xml".to_owned() }
            }
            Some(service) => {
                let name = format!("{service}.{}", request.method());
                Self { name, protocol: Protocol::Json, content_type: "application/json".to_owned() }
            }
        }
    }

    /// The service failed.
    pub(super) fn internal_error(&self) -> Response<Bytes> {
        let name = match self.protocol {
            Protocol::S3 => "InternalError",
            Protocol::Json | Protocol::Query => "InternalFailure",
        };
        self.error(StatusCode::INTERNAL_SERVER_ERROR, name, "it failed inside")
    }

    /// It was asked too much.
    pub(super) fn throttled(&self) -> Response<Bytes> {
        match self.protocol {
            Protocol::Json => self.error(StatusCode::BAD_REQUEST, "ThrottlingException", "Rate exceeded"),
            Protocol::Query => self.error(StatusCode::BAD_REQUEST, "Throttling", "Rate exceeded"),
            Protocol::S3 => {
                self.error(StatusCode::SERVICE_UNAVAILABLE, "SlowDown", "Please reduce your request rate.")
            }
        }
    }

    /// It is refused with an error of this name.
    pub(super) fn refused(&self, name: &'static str) -> Response<Bytes> {
        self.error(StatusCode::BAD_REQUEST, name, "as the test says")
    }

    fn error(&self, status: StatusCode, name: &'static str, message: &str) -> Response<Bytes> {
        let body = match self.protocol {
            Protocol::Json => json!({"__type": name, "message": message}).to_string(),
            Protocol::Query => format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>{name}</Code><Message>{message}</Message></Error>\
                 <RequestId>00000000-0000-4000-8000-000000000000</RequestId></ErrorResponse>"
            ),
            Protocol::S3 => format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{name}</Code><Message>{message}</Message>\
                 <RequestId>0000000000000000</RequestId></Error>"
            ),
        };
        let mut answer = answer(status, &self.content_type, body);
        if self.protocol == Protocol::Json {
            // Protocols with paths name their errors here.
            answer.headers_mut().insert("x-amzn-errortype", hyper::header::HeaderValue::from_static(name));
        }
        answer
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn action(form: &[u8]) -> Option<String> {
    let form = String::from_utf8_lossy(form);
    form.split('&').find_map(|pair| pair.strip_prefix("Action=")).map(str::to_owned)
}

/// Whom a signature is for: `Credential=KEY/DATE/REGION/SERVICE/aws4_request` (IAM guide, "Signature Version 4 request elements").
fn service(headers: &HeaderMap) -> Option<&str> {
    let (_, credential) = text(headers, AUTHORIZATION.as_str())?.split_once("Credential=")?;
    credential.split('/').nth(3)
}
