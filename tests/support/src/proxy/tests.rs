//! Each fault, as a client meets it over HTTP.

use super::*;
use crate::ask::{Answer, ask, call};
use crate::loopback::{answer, buffered};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Method, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value as Json, json};
use std::io::{self, ErrorKind};
use std::time::Instant;
use tokio::net::TcpStream;

/// A server that tells what it was asked, and a proxy before it.
struct Fixture {
    proxy: Proxy,
    /// The requests that arrived.
    arrived: Arc<Mutex<Vec<String>>>,
    _server: Loopback,
}

impl Fixture {
    fn new() -> Self {
        let arrived = Arc::new(Mutex::new(Vec::new()));
        let server = {
            let arrived = arrived.clone();
            Loopback::start(move |stream| echo(stream, arrived.clone()))
        };
        Self { proxy: Proxy::start(&server.url()), arrived, _server: server }
    }

    fn with(plan: impl FnMut(&Asked) -> Option<Fault> + Send + 'static) -> Self {
        let fixture = Self::new();
        fixture.proxy.plan(plan);
        fixture
    }

    fn call(&self) -> io::Result<Answer> {
        call(&self.proxy.address, "AWSStepFunctions.StartExecution", &json!({"name": "e"}))
    }

    fn put(&self) -> io::Result<Answer> {
        ask(&self.proxy.address, "PUT /bucket/key?x=1", &["Host: s3.example"], "content")
    }

    fn arrived(&self) -> usize {
        self.arrived.lock().unwrap().len()
    }

    fn faults(&self, api: &str) -> Vec<(&'static str, u64)> {
        self.proxy.counts()[api].faults.clone().into_iter().collect()
    }
}

/// Answers each request with its method, path, host and body, twice.
async fn echo(stream: TcpStream, arrived: Arc<Mutex<Vec<String>>>) {
    let service = service_fn(move |request| {
        let arrived = arrived.clone();
        async move {
            let request = buffered(request).await?;
            let host = request.headers()["host"].to_str().unwrap();
            let body = String::from_utf8_lossy(request.body());
            let line = format!("{} {} {host} {body};", request.method(), request.uri());
            arrived.lock().unwrap().push(line.clone());
            let is_head = request.method() == Method::HEAD;
            let mut reply =
                answer(StatusCode::OK, "text/plain", if is_head { String::new() } else { line.repeat(2) });
            if is_head {
                reply.headers_mut().insert("content-length", 7.into());
            }
            Ok::<_, hyper::Error>(reply.map(Full::new))
        }
    });
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

#[track_caller]
fn is_reset(answer: io::Result<Answer>) {
    assert_eq!(answer.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn what_is_not_planned_is_handed_on_as_it_was() {
    let fixture = Fixture::new();
    let answer = fixture.put().unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, "PUT /bucket/key?x=1 s3.example content;".repeat(2));
    assert!(answer.head.contains("content-type: text/plain"), "{}", answer.head);
    let head = ask(&fixture.proxy.address, "HEAD /bucket/key", &[], "").unwrap_err();
    assert!(head.to_string().contains("only half"), "the length of what is not there is kept: {head}");
    fixture.call().unwrap();
    let form = "Content-Type: application/x-www-form-urlencoded; charset=utf-8";
    ask(&fixture.proxy.address, "POST /", &[form], "Version=1&Action=GetCallerIdentity").unwrap();
    let signed =
        "Authorization: AWS4-HMAC-SHA256 Credential=AKID/20261125/eu-west-1/lambda/aws4_request, Signature=0";
    ask(&fixture.proxy.address, "POST /2015-03-31/functions/f/invocations", &[signed], "{}").unwrap();
    let counts = fixture.proxy.counts();
    let apis: Vec<&str> = counts.keys().map(String::as_str).collect();
    let expected =
        ["AWSStepFunctions.StartExecution", "GetCallerIdentity", "S3.HEAD", "S3.PUT", "lambda.POST"];
    assert_eq!(apis, expected);
    assert!(counts.values().all(|counts| (counts.requests, counts.faulty()) == (1, 0)));
    assert_eq!(fixture.arrived(), 5);
}

#[test]
fn errors_are_of_the_callers_protocol() {
    let fixture =
        Fixture::with(|asked| Some(if asked.number == 1 { Fault::Throttled } else { Fault::InternalError }));
    let throttled = fixture.call().unwrap();
    assert_eq!(throttled.status, 400);
    assert_eq!(throttled.json(), json!({"__type": "ThrottlingException", "message": "Rate exceeded"}));
    let failed = fixture.call().unwrap();
    assert_eq!((failed.status, &failed.json()["__type"]), (500, &Json::from("InternalFailure")));
    let slow_down = fixture.put().unwrap();
    assert_eq!(slow_down.status, 503);
    assert!(slow_down.body.contains("<Error><Code>SlowDown</Code>"), "{}", slow_down.body);
    let failed = fixture.put().unwrap();
    assert_eq!(failed.status, 500);
    assert!(failed.body.contains("<Code>InternalError</Code>"), "{}", failed.body);
    let form = "Content-Type: application/x-www-form-urlencoded";
    let query = ask(&fixture.proxy.address, "POST /", &[form], "Action=DescribeStacks").unwrap();
    assert_eq!(query.status, 400);
    assert!(query.body.starts_with("<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code>"));
    assert_eq!(fixture.arrived(), 0);
    assert_eq!(fixture.faults("S3.PUT"), [("internal error", 1), ("throttled", 1)]);
}

#[test]
fn a_reset_comes_before_the_effect_or_after_it() {
    let fixture = Fixture::with(|asked| match asked.number {
        1 => Some(Fault::ResetBefore),
        2 => Some(Fault::ResetAfter),
        _ => None,
    });
    is_reset(fixture.call());
    assert_eq!(fixture.arrived(), 0);
    is_reset(fixture.call());
    assert_eq!(fixture.arrived(), 1);
    assert_eq!(fixture.call().unwrap().status, 200);
    assert_eq!(fixture.faults("AWSStepFunctions.StartExecution"), [("reset after", 1), ("reset before", 1)]);
}

#[test]
fn a_truncated_answer_has_its_whole_length_and_half_its_body() {
    let fixture = Fixture::with(|_| Some(Fault::Truncated));
    let error = fixture.put().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    assert_eq!(error.to_string(), "only half: PUT /bucket/key?x=1 s3.example content;");
    assert_eq!(fixture.arrived(), 1);
    is_reset(ask(&fixture.proxy.address, "HEAD /", &[], ""));
}

#[test]
fn a_slow_answer_comes_late() {
    let fixture = Fixture::with(|_| Some(Fault::Slow(Duration::from_millis(60))));
    let began = Instant::now();
    assert_eq!(fixture.call().unwrap().status, 200);
    assert!(began.elapsed() >= Duration::from_millis(60));
}

#[test]
fn offline_nothing_is_answered() {
    let fixture = Fixture::with(|_| Some(Fault::Slow(Duration::from_secs(3600))));
    let address = fixture.proxy.address.clone();
    let waiting = std::thread::spawn(move || call(&address, "AWSStepFunctions.ListExecutions", &json!({})));
    while fixture.proxy.counts().is_empty() {
        std::thread::yield_now();
    }
    fixture.proxy.go_offline();
    is_reset(waiting.join().unwrap());
    assert!(fixture.call().is_err());
    fixture.proxy.plan(|_| None);
    fixture.proxy.go_online();
    assert_eq!(fixture.call().unwrap().status, 200);
    assert_eq!(fixture.arrived(), 1);
}

#[test]
fn the_first_requests_of_an_api_can_be_struck_alone() {
    let fixture = Fixture::new();
    fixture.call().unwrap();
    fixture.proxy.first(2, "AWSStepFunctions.StartExecution", Fault::InternalError);
    let statuses =
        [fixture.call(), fixture.put(), fixture.call(), fixture.call()].map(|answer| answer.unwrap().status);
    assert_eq!(statuses, [500, 200, 500, 200]);
    let plan = RandomPlan::new(1).with("S3.", Fault::Throttled, 1.0);
    fixture.proxy.plan(move |asked| plan.fault(asked));
    assert_eq!(fixture.put().unwrap().status, 503);
    assert_eq!(fixture.call().unwrap().status, 200);
}

#[test]
fn a_server_that_is_not_there_is_a_bad_gateway() {
    let server = Loopback::start(|stream| async move { drop(stream) });
    let proxy = Proxy::start(&server.url());
    assert_eq!(ask(&proxy.address, "GET /", &[], "").unwrap().status, 502);
    drop(server);
    assert_eq!(ask(&proxy.address, "GET /", &[], "").unwrap().status, 502);
}

#[test]
fn requests_share_a_connection_and_one_to_the_server() {
    use std::io::{Read, Write};
    let fixture = Fixture::new();
    let mut socket =
        std::net::TcpStream::connect(fixture.proxy.address.trim_start_matches("http://")).unwrap();
    for name in ["a", "b"] {
        socket.write_all(format!("GET /{name} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()).unwrap();
        let mut reply = Vec::new();
        while !String::from_utf8_lossy(&reply).contains("h ;GET") {
            let mut buffer = [0; 1024];
            let read = socket.read(&mut buffer).unwrap();
            assert_ne!(read, 0);
            reply.extend_from_slice(&buffer[..read]);
        }
    }
    assert_eq!(fixture.arrived(), 2);
}
