//! One connection of a client's: its requests one after another, over one connection to the server.

use super::api::Api;
use super::{Fault, Shared};
use crate::loopback::{all_of, answer, buffered};
use http_body_util::Full;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::SendRequest;
use hyper::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HeaderMap, TRANSFER_ENCODING};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

/// Serves a client until it hangs up, a fault ends it, or the proxy goes offline.
pub(super) async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let is_reset = Arc::new(AtomicBool::new(false));
    let client = Client { stream, is_reset: is_reset.clone() };
    let offline = goes_offline(shared.clone(), is_reset.clone());
    let exchange = Arc::new(Exchange { shared, is_reset, upstream: Mutex::new(None) });
    let service = service_fn(move |request| {
        let exchange = exchange.clone();
        async move { exchange.answer(request).await }
    });
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(client), service);
    tokio::select! {
        biased;
        () = offline => {}
        // An error is a fault that was asked for, or a client that hung up.
        _ = connection => {}
    }
}

/// Ends when the proxy is offline. The connection is dropped at once then, so that it is to be reset is said here.
async fn goes_offline(shared: Arc<Shared>, is_reset: Arc<AtomicBool>) {
    let mut offline = shared.is_offline.subscribe();
    let _ = offline.wait_for(|is_offline| *is_offline).await;
    is_reset.store(true, Ordering::Relaxed);
}

/// What is kept between the requests of a connection.
struct Exchange {
    shared: Arc<Shared>,
    is_reset: Arc<AtomicBool>,
    upstream: Mutex<Option<SendRequest<Full<Bytes>>>>,
}

impl Exchange {
    async fn answer(&self, request: Request<Incoming>) -> io::Result<Response<Reply>> {
        let request = buffered(request).await.map_err(io::Error::other)?;
        let api = Api::of(&request);
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let fault = self.shared.fault(&api.name, path, request.body());
        match fault {
            None => Ok(self.forward(request).await.map(Reply::whole)),
            Some(Fault::InternalError) => Ok(api.internal_error().map(Reply::whole)),
            Some(Fault::Throttled) => Ok(api.throttled().map(Reply::whole)),
            Some(Fault::Error(name)) => Ok(api.refused(name).map(Reply::whole)),
            Some(Fault::ResetBefore) => Err(self.reset()),
            Some(Fault::ResetAfter) => {
                self.forward(request).await;
                Err(self.reset())
            }
            Some(Fault::Slow(by)) => {
                tokio::time::sleep(by).await;
                Ok(self.forward(request).await.map(Reply::whole))
            }
            Some(Fault::Truncated) => match self.forward(request).await {
                reply if reply.body().is_empty() => Err(self.reset()),
                reply => Ok(truncated(reply)),
            },
        }
    }

    /// An error makes hyper give the connection up, and [`Client`] then resets it.
    fn reset(&self) -> io::Error {
        self.is_reset.store(true, Ordering::Relaxed);
        io::Error::other("the plan resets this connection")
    }

    /// The server's answer; where there is none, status 502 as of any proxy.
    async fn forward(&self, request: Request<Bytes>) -> Response<Bytes> {
        self.try_forward(request).await.unwrap_or_else(|error| {
            let body = format!("no answer from behind the proxy: {error}");
            answer(StatusCode::BAD_GATEWAY, "text/plain", body)
        })
    }

    async fn try_forward(&self, request: Request<Bytes>) -> io::Result<Response<Bytes>> {
        let mut upstream = self.upstream.lock().await;
        let mut sender = match usable(upstream.take()).await {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        let reply = sender.send_request(outgoing(request)).await.map_err(io::Error::other)?;
        let (mut head, body) = reply.into_parts();
        let body = all_of(body).await.map_err(io::Error::other)?;
        *upstream = Some(sender);
        remove_hops(&mut head.headers);
        Ok(Response::from_parts(head, body))
    }

    async fn connect(&self) -> io::Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(&self.shared.target).await?;
        stream.set_nodelay(true)?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(io::Error::other)?;
        // It ends when the sender is dropped or the server hangs up; who sends is told of errors.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(sender)
    }
}

/// A connection to the server that it has not closed.
async fn usable(sender: Option<SendRequest<Full<Bytes>>>) -> Option<SendRequest<Full<Bytes>>> {
    let mut sender = sender?;
    sender.ready().await.is_ok().then_some(sender)
}

/// The same request, its body in one piece.
fn outgoing(request: Request<Bytes>) -> Request<Full<Bytes>> {
    let (mut head, body) = request.into_parts();
    remove_hops(&mut head.headers);
    // The body is here already: nobody has to be asked whether it may come.
    head.headers.remove(EXPECT);
    Request::from_parts(head, Full::new(body))
}

/// What is said to the next hop alone (RFC 9110, section 7.6.1).
fn remove_hops(headers: &mut HeaderMap) {
    headers.remove(CONNECTION);
    headers.remove("keep-alive");
    headers.remove(TRANSFER_ENCODING);
}

/// The whole length in the head, and half of the body.
fn truncated(reply: Response<Bytes>) -> Response<Reply> {
    let length = reply.body().len();
    let mut reply = reply.map(|body| Reply { rest: body.slice(..length / 2), end: End::Cut });
    reply.headers_mut().insert(CONTENT_LENGTH, length.into());
    reply
}

/// A body that may end too early.
struct Reply {
    rest: Bytes,
    end: End,
}

/// How a body ends after what is left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    Cut,
    /// As `Cut`, once hyper has had a turn to send what it has.
    CutNow,
}

impl Reply {
    fn whole(rest: Bytes) -> Self {
        Self { rest, end: End::Whole }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.rest)))));
        }
        match self.end {
            End::Whole => Poll::Ready(None),
            End::Cut => {
                self.end = End::CutNow;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            End::CutNow => Poll::Ready(Some(Err(io::Error::other("the plan ends this body here")))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.end == End::Whole
    }

    fn size_hint(&self) -> SizeHint {
        match self.end {
            End::Whole => SizeHint::with_exact(self.rest.len() as u64),
            // The head says how long it would be.
            End::Cut | End::CutNow => SizeHint::default(),
        }
    }
}

/// A client's connection, which is reset when it is dropped if that was asked for.
struct Client {
    stream: TcpStream,
    is_reset: Arc<AtomicBool>,
}

impl Drop for Client {
    fn drop(&mut self) {
        if self.is_reset.load(Ordering::Relaxed) {
            // Closed without waiting for anything, a socket is reset.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Client {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Client {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
