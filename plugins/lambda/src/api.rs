//! The Lambda Runtime API, version 2018-06-01, for one function's process, as "Using the Lambda runtime API for custom
//! runtimes" in the Lambda guide documents it.
//!
//! Takes: one invocation at a time. Gives: what the process answered. Deliberately does not know the process.

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::json;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::AbortHandle;

/// Events and responses may be so long: Lambda's limit for synchronous invocations.
pub(crate) const PAYLOAD_LIMIT: usize = 6_291_556;

const PREFIX: &str = "/2018-06-01/runtime";

/// One event for the function.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) id: String,
    pub(crate) deadline_ms: u128,
    pub(crate) function_arn: String,
    pub(crate) trace_id: String,
    pub(crate) event: Vec<u8>,
}

/// What the function answered.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Its response.
    Response(Bytes),
    /// Its error: the type of the header, and the body.
    Error { kind: Option<String>, body: Bytes },
    /// Its response is over the limit.
    TooLarge,
}

/// A Runtime API on a port of its own; closed when dropped.
#[derive(Debug)]
pub(crate) struct RuntimeApi {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: AbortHandle,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    has_next: Notify,
    /// Open connections.
    connections: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct State {
    next: Option<Invocation>,
    current: Option<(String, oneshot::Sender<Answer>)>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands the answer on, if it is the answer to what was asked.
    fn answer(&self, id: Option<&str>, answer: Answer) -> bool {
        let mut state = self.state();
        let is_current = |(current, _): &mut (String, _)| id.is_none_or(|id| current.as_str() == id);
        match state.current.take_if(is_current) {
            Some((_, waiting)) => {
                state.next = None;
                waiting.send(answer).is_ok()
            }
            None => false,
        }
    }
}

impl RuntimeApi {
    /// Listens on a free port of this machine only.
    pub(crate) async fn listen() -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let server = tokio::spawn(accept(listener, Arc::clone(&shared))).abort_handle();
        Ok(Self { address, shared, server })
    }

    /// `AWS_LAMBDA_RUNTIME_API`.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether the process has not asked for the event that it was offered.
    pub(crate) fn is_untouched(&self) -> bool {
        self.shared.state().next.is_some()
    }

    /// Waits until no connection is open: all that was sent has been read.
    pub(crate) async fn drained(&self) {
        let mut connections = self.shared.connections.subscribe();
        // Its sender lives as long as this.
        let _ = connections.wait_for(|open| *open == 0).await;
    }

    /// Offers an event to the process. There is one at a time.
    pub(crate) fn offer(&self, invocation: Invocation) -> oneshot::Receiver<Answer> {
        let (answered, answer) = oneshot::channel();
        let mut state = self.shared.state();
        state.current = Some((invocation.id.clone(), answered));
        state.next = Some(invocation);
        drop(state);
        self.shared.has_next.notify_one();
        answer
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Connections end with this task: they are in its set.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let shared = Arc::clone(&shared);
        let ending = Arc::clone(&shared);
        ending.connections.send_modify(|open| *open += 1);
        let service = hyper::service::service_fn(move |request| {
            let shared = Arc::clone(&shared);
            async move { Ok::<_, Infallible>(respond(request, &shared).await) }
        });
        let io = hyper_util::rt::TokioIo::new(stream);
        connections.spawn(async move {
            // Not half closed: an event must not be taken by the connection of a process that is gone.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
            ending.connections.send_modify(|open| *open -= 1);
        });
        while connections.try_join_next().is_some() {}
    }
}

type Reply = Response<Full<Bytes>>;

async fn respond(request: Request<Incoming>, shared: &Shared) -> Reply {
    let path = request.uri().path().to_owned();
    let Some(place) = path.strip_prefix(PREFIX) else { return not_found() };
    let parts: Vec<&str> = place.split('/').skip(1).collect();
    match (request.method(), parts.as_slice()) {
        (&Method::GET, ["invocation", "next"]) => next(shared).await,
        (&Method::POST, ["invocation", id, "response"]) => response(request, shared, id).await,
        (&Method::POST, ["invocation", id, "error"]) => function_error(request, shared, Some(id)).await,
        (&Method::POST, ["init", "error"]) => function_error(request, shared, None).await,
        (_, ["invocation", "next"] | ["invocation", _, "response" | "error"] | ["init", "error"]) => {
            error(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "this method is not allowed here")
        }
        _ => not_found(),
    }
}

async fn next(shared: &Shared) -> Reply {
    loop {
        let waiting = shared.has_next.notified();
        let invocation = shared.state().next.take();
        let Some(invocation) = invocation else {
            waiting.await;
            continue;
        };
        let headers = [
            ("Lambda-Runtime-Aws-Request-Id", invocation.id),
            ("Lambda-Runtime-Deadline-Ms", invocation.deadline_ms.to_string()),
            ("Lambda-Runtime-Invoked-Function-Arn", invocation.function_arn),
            ("Lambda-Runtime-Trace-Id", invocation.trace_id),
            ("Content-Type", "application/json".to_owned()),
        ];
        let mut reply = Response::new(Full::new(Bytes::from(invocation.event)));
        for (name, value) in headers {
            // A value that no header can hold (a function's name is anything) is left out.
            if let (Ok(name), Ok(value)) =
                (hyper::header::HeaderName::try_from(name), hyper::header::HeaderValue::try_from(value))
            {
                reply.headers_mut().insert(name, value);
            }
        }
        return reply;
    }
}

async fn response(request: Request<Incoming>, shared: &Shared, id: &str) -> Reply {
    match Limited::new(request.into_body(), PAYLOAD_LIMIT).collect().await {
        Ok(body) => accepted(shared.answer(Some(id), Answer::Response(body.to_bytes()))),
        Err(why) if why.is::<http_body_util::LengthLimitError>() => {
            if !shared.answer(Some(id), Answer::TooLarge) {
                return accepted(false);
            }
            let message = format!("exceeded maximum allowed payload size ({PAYLOAD_LIMIT} bytes)");
            error(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &message)
        }
        Err(why) => error(StatusCode::BAD_REQUEST, "InvalidRequest", &why.to_string()),
    }
}

async fn function_error(request: Request<Incoming>, shared: &Shared, id: Option<&str>) -> Reply {
    let kind = request
        .headers()
        .get("Lambda-Runtime-Function-Error-Type")
        .and_then(|kind| kind.to_str().ok())
        .map(ToOwned::to_owned);
    match Limited::new(request.into_body(), PAYLOAD_LIMIT).collect().await {
        Ok(body) => accepted(shared.answer(id, Answer::Error { kind, body: body.to_bytes() })),
        Err(why) => error(StatusCode::BAD_REQUEST, "InvalidRequest", &why.to_string()),
    }
}

fn accepted(is_current: bool) -> Reply {
    if !is_current {
        return error(StatusCode::FORBIDDEN, "InvalidRequestID", "no invocation with that id is in progress");
    }
    reply(StatusCode::ACCEPTED, &json!({ "status": "OK" }))
}

fn not_found() -> Reply {
    error(StatusCode::NOT_FOUND, "NotFound", "the Lambda Runtime API has no such resource")
}

fn error(status: StatusCode, kind: &str, message: &str) -> Reply {
    reply(status, &json!({ "errorMessage": message, "errorType": kind }))
}

fn reply(status: StatusCode, body: &serde_json::Value) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(body.to_string())));
    *reply.status_mut() = status;
    let json = hyper::header::HeaderValue::from_static("application/json");
    reply.headers_mut().insert(hyper::header::CONTENT_TYPE, json);
    reply
}
