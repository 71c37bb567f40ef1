//! A server on a free port of loopback, on a thread and a runtime of its own.
//!
//! Takes: what is to be done with each connection. Gives: an address. It ends, and its connections with it, when it is dropped.
//! Deliberately does not: know what is spoken.

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::{Request, Response, StatusCode};
use std::net::{SocketAddr, TcpListener as StdListener};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Loopback {
    pub(crate) address: SocketAddr,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Loopback {
    /// Starts it. `serve` is given each connection, and its futures run side by side on one thread.
    pub(crate) fn start<F, S>(serve: S) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
        S: Fn(TcpStream) -> F + Send + 'static,
    {
        let listener = StdListener::bind("127.0.0.1:0").expect("loopback has a free port");
        listener.set_nonblocking(true).expect("a socket of Unix can be made so");
        let address = listener.local_addr().expect("it is bound");
        let (end, ended) = oneshot::channel();
        let thread = std::thread::spawn(move || run(listener, serve, ended));
        Self { address, end: Some(end), thread: Some(thread) }
    }

    /// `http://127.0.0.1:PORT`
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.end.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run<F, S>(listener: StdListener, serve: S, ended: oneshot::Receiver<()>)
where
    F: Future<Output = ()> + Send + 'static,
    S: Fn(TcpStream) -> F,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime of one thread needs little");
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener).expect("it does not block");
        tokio::select! {
            () = accept(&listener, serve) => {}
            _ = ended => {}
        }
    });
}

async fn accept<F, S>(listener: &TcpListener, serve: S)
where
    F: Future<Output = ()> + Send + 'static,
    S: Fn(TcpStream) -> F,
{
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true);
                tokio::spawn(serve(stream));
            }
            // A connection that was given up before it was accepted, or no file descriptor is free: the next one may do better.
            Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
}

/// A request with all of its body.
pub(crate) async fn buffered(request: Request<Incoming>) -> Result<Request<Bytes>, hyper::Error> {
    let (head, body) = request.into_parts();
    Ok(Request::from_parts(head, all_of(body).await?))
}

/// All of a body.
pub(crate) async fn all_of<B: Body>(body: B) -> Result<Bytes, B::Error> {
    Ok(body.collect().await?.to_bytes())
}

/// An answer.
pub(crate) fn answer(status: StatusCode, content_type: &str, body: impl Into<Bytes>) -> Response<Bytes> {
    Response::builder()
        .status(status)
        .header(CONTENT_TYPE, content_type)
        .header("x-amzn-requestid", "00000000-0000-4000-8000-000000000000")
        .body(body.into())
        .expect("status and content type are right")
}
