//! An invocation on this machine: a warm process if there is one, a new one if not.

use crate::api::{Answer, Invocation, PAYLOAD_LIMIT};
use crate::program::error;
use crate::sandbox::{Ending, Function, Sandbox};
use bunsui_plugin_sdk::{Host, LocalTask, TaskFailure};
use serde_json::{Value as Json, json};
use std::collections::HashMap;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Runtime;

/// No function runs longer on Lambda.
const LONGEST: Duration = Duration::from_secs(900);

static RUNTIME: LazyLock<std::io::Result<Runtime>> =
    LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build());

/// Processes that wait for an event, by what they are. They end with the host.
static IDLE: LazyLock<Mutex<HashMap<String, Vec<Sandbox>>>> = LazyLock::new(Mutex::default);

fn idle() -> MutexGuard<'static, HashMap<String, Vec<Sandbox>>> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does what `lambda:invoke` does.
pub(crate) fn run(task: &LocalTask, host: &Host<'_>) -> Result<Json, TaskFailure> {
    if let Some(result) = task.local("result") {
        return Ok(reply(result.clone()));
    }
    let event = task.arguments.get("Payload").unwrap_or(&Json::Null).to_string().into_bytes();
    if event.len() > PAYLOAD_LIMIT {
        let message =
            format!("the payload is {} bytes long; at most {PAYLOAD_LIMIT} are allowed", event.len());
        return Err(error("Lambda.RequestTooLargeException", &message));
    }
    let runtime = RUNTIME
        .as_ref()
        .map_err(|why| error("Lambda.ServiceException", &format!("no runtime could be started: {why}")))?;
    runtime.block_on(invoke(task, event, host))
}

async fn invoke(task: &LocalTask, event: Vec<u8>, host: &Host<'_>) -> Result<Json, TaskFailure> {
    let function = function(task);
    // A session's processes are its own: what was edited since another one is loaded anew.
    let key = json!([task.session, task.directory, function.arn, function.version, task.keys.get("local")]);
    let key = key.to_string();
    loop {
        let warm = warm(&key);
        let was_warm = warm.is_some();
        let mut sandbox = match warm {
            Some(sandbox) => sandbox,
            None => Sandbox::start(task, &function).await?,
        };
        let id = request_id();
        let invocation = Invocation {
            id: id.clone(),
            deadline_ms: now().saturating_add(time(task)).as_millis(),
            function_arn: function.arn.clone(),
            trace_id: format!("Root=1-{:08x}-{};Sampled=0", now().as_secs(), &id.replace('-', "")[..24]),
            event: event.clone(),
        };
        return match sandbox.invoke(invocation, LONGEST, host, stopped(host)).await {
            Ending::Answered(answer) => {
                let answered = read_answer(&id, answer);
                if sandbox.is_alive() {
                    idle().entry(key).or_default().push(sandbox);
                }
                answered
            }
            // It ended of itself while nobody asked for it: that is not this event's doing.
            Ending::Gone(_) if was_warm => continue,
            Ending::Gone(status) | Ending::Exited(status) => Err(exited(&id, status)),
            Ending::TimedOut => {
                let message =
                    format!("RequestId: {id} Error: Task timed out after {}.00 seconds", LONGEST.as_secs());
                Err(error("Sandbox.Timedout", &message))
            }
            Ending::Stopped => Err(error("States.TaskFailed", "the invocation was stopped")),
        };
    }
}

/// How long the function is told that it has: bunsui ends it at the state's timeout.
fn time(task: &LocalTask) -> Duration {
    task.timeout_seconds.map_or(LONGEST, |seconds| LONGEST.min(Duration::from_secs(seconds)))
}

fn warm(key: &str) -> Option<Sandbox> {
    loop {
        let mut sandbox = idle().get_mut(key)?.pop()?;
        if sandbox.is_alive() {
            return Some(sandbox);
        }
    }
}

#[expect(unsafe_code, reason = "watches a descriptor that belongs to the host")]
async fn stopped(host: &Host<'_>) {
    let watched = host.stop_fd().and_then(|fd| {
        // SAFETY: the host keeps the descriptor open, and its own, until the call returns; this ends before.
        unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }.ok()
    });
    match watched {
        Some(fd) => drop(fd.readable().await),
        None => std::future::pending().await,
    }
}

fn reply(payload: Json) -> Json {
    json!({ "Payload": payload, "StatusCode": 200, "ExecutedVersion": "$LATEST" })
}

fn read_answer(id: &str, answer: Answer) -> Result<Json, TaskFailure> {
    match answer {
        Answer::Response(body) if body.is_empty() => Ok(reply(Json::Null)),
        Answer::Response(body) => serde_json::from_slice(&body).map(reply).map_err(|why| {
            error("Lambda.Unknown", &format!("RequestId: {id} Error: the response is not JSON: {why}"))
        }),
        Answer::TooLarge => {
            let message = format!(
                "Response payload size exceeded maximum allowed payload size ({PAYLOAD_LIMIT} bytes)."
            );
            Err(error("Function.ResponseSizeTooLarge", &message))
        }
        Answer::Error { kind, body } => {
            let cause = String::from_utf8_lossy(&body).into_owned();
            let said: Json = serde_json::from_slice(&body).unwrap_or_default();
            let kind = said["errorType"].as_str().map(ToOwned::to_owned).or(kind);
            Err(TaskFailure::new(kind.unwrap_or_else(|| "Lambda.Unknown".to_owned()), cause))
        }
    }
}

fn exited(id: &str, status: ExitStatus) -> TaskFailure {
    let how = match (status.code(), status.signal()) {
        (Some(0), _) => "Runtime exited without providing a reason".to_owned(),
        (Some(code), _) => format!("Runtime exited with error: exit status {code}"),
        (None, Some(signal)) => format!("Runtime exited with error: signal {signal}"),
        (None, None) => "Runtime exited".to_owned(),
    };
    error("Runtime.ExitError", &format!("RequestId: {id} Error: {how}"))
}

/// The function that the evaluated arguments name.
fn function(task: &LocalTask) -> Function {
    let text = |name: &str| task.arguments.get(name).and_then(Json::as_str);
    let said = text("FunctionName").unwrap_or("function");
    let tail = said.rsplit_once("function:").map_or(said, |(_, tail)| tail);
    let (name, version) = match tail.split_once(':') {
        Some((name, version)) => (name, Some(version)),
        None => (tail, None),
    };
    let version = text("Qualifier").or(version).unwrap_or("$LATEST").to_owned();
    let arn = if said.starts_with("arn:") {
        said.to_owned()
    } else {
        format!("arn:aws:lambda:us-east-1:000000000000:function:{name}")
    };
    Function { name: name.to_owned(), version, arn }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// In the form of a UUID, of a random start, so that ids of different hosts differ.
fn request_id() -> String {
    use std::hash::{BuildHasher, RandomState};
    let random = || RandomState::new().hash_one(now());
    let (high, low) = (random(), random());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        0x8000 | (low >> 48) & 0x3fff,
        low & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_uuids_and_differ() {
        let id = request_id();
        assert_eq!(id.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{id}");
        assert_ne!(id, request_id());
    }

    #[test]
    fn an_error_is_named_by_its_body_then_by_its_header() {
        let named = |kind: Option<&str>, body: &'static str| {
            let answer = Answer::Error { kind: kind.map(ToOwned::to_owned), body: body.into() };
            read_answer("1", answer).unwrap_err().error
        };
        assert_eq!(named(Some("Header"), r#"{"errorType": "KeyError"}"#), "KeyError");
        assert_eq!(named(Some("Header"), "not JSON"), "Header");
        assert_eq!(named(None, "{}"), "Lambda.Unknown");
    }
}
