//! The stand-in's HTTP: Step Functions' JSON protocol, and the one question to STS that each client asks first.

use super::world::World;
use crate::loopback::{Loopback, answer, buffered};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value as Json, json};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpStream;

const JSON: &str = "application/x-amz-json-1.0";

pub(super) fn start(world: Arc<Mutex<World>>) -> Loopback {
    Loopback::start(move |stream| serve(stream, world.clone()))
}

async fn serve(stream: TcpStream, world: Arc<Mutex<World>>) {
    let service = service_fn(move |request| {
        let world = world.clone();
        async move { Ok::<_, hyper::Error>(reply(&buffered(request).await?, &world).map(Full::new)) }
    });
    // Whoever hangs up makes this an error; nobody is left to be told.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

fn reply(request: &Request<Bytes>, world: &Mutex<World>) -> Response<Bytes> {
    let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok());
    if let Some(api) = target.and_then(|target| target.strip_prefix("AWSStepFunctions.")) {
        return step_functions(api, request.body(), world);
    }
    let body = String::from_utf8_lossy(request.body());
    if body.split('&').any(|pair| pair == "Action=GetCallerIdentity") {
        let world = world.lock().unwrap_or_else(PoisonError::into_inner);
        return answer(StatusCode::OK, "text/xml", caller_identity(&world.account));
    }
    let error = json!({"__type": "UnknownOperationException", "message": "nothing like it is here"});
    answer(StatusCode::NOT_FOUND, JSON, error.to_string())
}

fn step_functions(api: &str, body: &[u8], world: &Mutex<World>) -> Response<Bytes> {
    let request: Json = match serde_json::from_slice(body) {
        Ok(request) => request,
        Err(error) => {
            let error = json!({"__type": "SerializationException", "message": error.to_string()});
            return answer(StatusCode::BAD_REQUEST, JSON, error.to_string());
        }
    };
    match world.lock().unwrap_or_else(PoisonError::into_inner).call(api, &request) {
        Ok(reply) => answer(StatusCode::OK, JSON, reply.to_string()),
        Err(error) => answer(StatusCode::BAD_REQUEST, JSON, error.body().to_string()),
    }
}

/// AWS STS API reference, GetCallerIdentity; the query protocol answers in XML.
fn caller_identity(account: &str) -> String {
    format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
         <Arn>arn:aws:iam::{account}:user/tester</Arn><UserId>AIDATESTER</UserId><Account>{account}</Account>\
         </GetCallerIdentityResult><ResponseMetadata><RequestId>00000000-0000-4000-8000-000000000000</RequestId>\
         </ResponseMetadata></GetCallerIdentityResponse>"
    )
}
