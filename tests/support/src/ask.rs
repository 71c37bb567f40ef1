//! Asking over HTTP, for the tests of what answers here and for events: one request, one connection, nothing clever.
#![cfg_attr(not(test), allow(dead_code, reason = "only tests read the answers"))]

use serde_json::Value as Json;
use std::io::{self, Read, Write};
use std::net::TcpStream;

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Status line and headers, in small letters.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.body))
    }
}

/// Sends a request and reads until the other side closes. `headers` are lines without their ends.
pub(crate) fn ask(address: &str, line: &str, headers: &[&str], body: impl AsRef<[u8]>) -> io::Result<Answer> {
    let body = body.as_ref();
    let mut socket = TcpStream::connect(address.trim_start_matches("http://"))?;
    let mut head = format!("{line} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    if !headers.iter().any(|header| header.starts_with("Host:")) {
        head.push_str("Host: localhost\r\n");
    }
    head.push_str("\r\n");
    socket.write_all(&[head.as_bytes(), body].concat())?;
    let mut reply = Vec::new();
    socket.read_to_end(&mut reply)?;
    read(&String::from_utf8_lossy(&reply))
}

fn read(reply: &str) -> io::Result<Answer> {
    let (head, body) = reply.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let head = head.to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    let length = head.split_once("content-length: ").and_then(|(_, rest)| rest.lines().next());
    if length.and_then(|length| length.parse().ok()).is_some_and(|length: usize| body.len() < length) {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("only half: {body}")));
    }
    Ok(Answer { status, head, body: body.to_owned() })
}

/// Calls an API of a JSON protocol, by its whole target.
pub(crate) fn call(address: &str, target: &str, request: &Json) -> io::Result<Answer> {
    let target = format!("X-Amz-Target: {target}");
    ask(address, "POST /", &[&target, "Content-Type: application/x-amz-json-1.0"], request.to_string())
}
