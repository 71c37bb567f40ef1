//! The calls that run in a plugin host, each on a thread that no other call uses meanwhile.

use super::frame::{Answer, FRAME_LIMIT, Reply};
use super::host::Output;
use super::library::{HostFunctions, Library};
use bunsui_plugin_abi as abi;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};
use std::collections::{HashMap, VecDeque};
use std::ffi::c_void;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Local runs at once; more wait their turn.
const RUNS_AT_ONCE: usize = 512;

/// A longer line is said as several.
const LINE_LIMIT: usize = 256 * 1024;

/// Longer fields of a line are left out.
const FIELDS_LIMIT: usize = 256 * 1024;

/// How long a thread without work stays: the next task of a session is mostly there sooner.
const PATIENCE: Duration = Duration::from_secs(1);

/// All calls of a host.
pub(super) struct Calls {
    library: Library,
    output: Arc<Output>,
    state: Mutex<State>,
    ended: Condvar,
    begun: Condvar,
}

#[derive(Default)]
struct State {
    running: HashMap<u64, Arc<Cancel>>,
    long_running: usize,
    /// Local runs that wait their turn.
    waiting: VecDeque<RunningCall>,
    /// Calls for threads that have no work: never more than there are such threads.
    begun: VecDeque<RunningCall>,
    idle: usize,
}

/// One call.
pub(super) struct RunningCall {
    id: u64,
    runs_long: bool,
    bodies: Vec<Box<RawValue>>,
    cancel: Arc<Cancel>,
}

impl RunningCall {
    pub(super) fn new(id: u64, runs_long: bool, bodies: Vec<Box<RawValue>>) -> Self {
        Self { id, runs_long, bodies, cancel: Arc::default() }
    }
}

impl Calls {
    pub(super) fn new(library: Library, output: Arc<Output>) -> Self {
        Self { library, output, state: Mutex::default(), ended: Condvar::new(), begun: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a call, or lets it wait its turn.
    pub(super) fn start(self: &Arc<Self>, call: RunningCall) {
        let mut state = self.state();
        state.running.insert(call.id, Arc::clone(&call.cancel));
        if call.runs_long {
            if state.long_running == RUNS_AT_ONCE {
                state.waiting.push_back(call);
                return;
            }
            state.long_running += 1;
        }
        if state.idle > state.begun.len() {
            state.begun.push_back(call);
            self.begun.notify_one();
            return;
        }
        drop(state);
        let id = call.id;
        let calls = Arc::clone(self);
        let thread = std::thread::Builder::new().name("call".to_owned());
        if let Err(error) = thread.spawn(move || calls.work(call)) {
            let mut state = self.state();
            state.running.remove(&id);
            drop(state);
            let answers = vec![Answer::failed(format!("no thread could be started: {error}"))];
            self.output.send(&Reply::Done { id, answers });
        }
    }

    fn work(&self, first: RunningCall) {
        let mut next = Some(first);
        while let Some(call) = next {
            let answers = call.bodies.iter().map(|body| self.answer(&call, body)).collect();
            self.output.send(&Reply::Done { id: call.id, answers });
            let mut state = self.state();
            state.running.remove(&call.id);
            next = if call.runs_long { state.waiting.pop_front() } else { None };
            if call.runs_long && next.is_none() {
                state.long_running -= 1;
            }
            self.ended.notify_all();
            if next.is_none() {
                next = self.next_begun(state);
            }
        }
    }

    /// Waits a while for another call.
    fn next_begun(&self, mut state: MutexGuard<'_, State>) -> Option<RunningCall> {
        state.idle += 1;
        let (mut state, _) = self
            .begun
            .wait_timeout_while(state, PATIENCE, |state| state.begun.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        state.idle -= 1;
        state.begun.pop_front()
    }

    fn answer(&self, call: &RunningCall, body: &RawValue) -> Answer {
        if call.runs_long && call.cancel.level() != abi::GO_ON {
            return Answer::failed("stopped before it began".to_owned());
        }
        let context = CallContext { id: call.id, output: &self.output, cancel: &call.cancel };
        let own = rustix::process::getpid();
        let outcome = self.library.call(
            HostFunctions { log, cancelled, cancel_fd },
            (&raw const context).cast_mut().cast::<c_void>(),
            body.get().as_bytes(),
        );
        if rustix::process::getpid() != own {
            // The plugin forked, and this is its child: whoever asked is told by the parent.
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }
        match outcome.reply {
            Ok(bytes) => read_answer(outcome.status, &bytes),
            Err(length) => Answer::failed(format!(
                "its answer says that it has {length} bytes, and bunsui takes {FRAME_LIMIT} at most"
            )),
        }
    }

    /// Asks a call to end.
    pub(super) fn cancel(&self, id: u64, level: i32) {
        let cancel = self.state().running.get(&id).cloned();
        if let Some(cancel) = cancel {
            cancel.set(level);
        }
    }

    /// Asks all calls to end; those that wait never begin.
    pub(super) fn cancel_all(&self, level: i32) {
        let mut state = self.state();
        for call in std::mem::take(&mut state.waiting) {
            state.running.remove(&call.id);
        }
        for cancel in state.running.values() {
            cancel.set(level);
        }
    }

    /// Waits until no call runs, at most so long.
    pub(super) fn wait_until_idle(&self, at_most: Duration) {
        let state = self.state();
        let _ = self.ended.wait_timeout_while(state, at_most, |state| !state.running.is_empty());
    }
}

/// An error, as the ABI has it.
#[derive(Deserialize)]
struct ErrorBody {
    message: String,
    help: Option<String>,
    pointer: Option<String>,
}

fn read_answer(status: i32, bytes: &[u8]) -> Answer {
    if bytes.is_empty() {
        return Answer::failed(format!("its answer has no bytes, and status {status}"));
    }
    if status == abi::STATUS_OK {
        return match serde_json::from_slice(bytes) {
            Ok(body) => Answer::Ok(body),
            Err(error) => Answer::failed(format!("its answer is not JSON: {error}")),
        };
    }
    match serde_json::from_slice(bytes) {
        Ok(ErrorBody { message, help, pointer }) => Answer::Failed { message, help, pointer },
        Err(_) => Answer::failed(format!(
            "it answered with status {status} and `{}`",
            String::from_utf8_lossy(&bytes[..bytes.len().min(200)])
        )),
    }
}

/// Whether a call must end, and a pipe that says when, made when first asked for.
#[derive(Debug, Default)]
struct Cancel(Mutex<CancelState>);

#[derive(Debug, Default)]
struct CancelState {
    level: i32,
    pipe: Option<(std::io::PipeReader, std::io::PipeWriter)>,
}

impl Cancel {
    fn state(&self) -> MutexGuard<'_, CancelState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn level(&self) -> i32 {
        self.state().level
    }

    fn set(&self, level: i32) {
        let mut state = self.state();
        if level > state.level {
            state.level = level;
            if let Some((_, writer)) = &mut state.pipe {
                let _ = writer.write_all(b"!");
            }
        }
    }

    fn descriptor(&self) -> i32 {
        let mut state = self.state();
        if state.pipe.is_none() {
            let Ok((reader, mut writer)) = std::io::pipe() else { return -1 };
            if state.level != abi::GO_ON {
                let _ = writer.write_all(b"!");
            }
            state.pipe = Some((reader, writer));
        }
        state.pipe.as_ref().map_or(-1, |(reader, _)| reader.as_raw_fd())
    }
}

/// What `ctx` points to.
struct CallContext<'a> {
    id: u64,
    output: &'a Output,
    cancel: &'a Cancel,
}

#[expect(unsafe_code, reason = "the plugin hands `ctx` back")]
unsafe extern "C" fn log(
    ctx: *mut c_void,
    level: u32,
    message: *const u8,
    message_len: usize,
    fields: *const u8,
    fields_len: usize,
) {
    // SAFETY: `ctx` is the context of a call that has not returned.
    let context = unsafe { &*ctx.cast::<CallContext<'_>>() };
    // SAFETY: the plugin promises these bytes during the call.
    let (message, fields) = unsafe { (bytes(message, message_len), bytes(fields, fields_len)) };
    let level = match level {
        abi::LEVEL_DEBUG => "debug",
        abi::LEVEL_WARN => "warn",
        abi::LEVEL_ERROR => "error",
        _ => "info",
    };
    let mut fields: Map<String, Json> = match fields.len() {
        length if length > FIELDS_LIMIT => {
            Map::from_iter([("left_out".to_owned(), format!("{length} bytes of fields").into())])
        }
        _ => serde_json::from_slice(fields).unwrap_or_default(),
    };
    for piece in pieces(&String::from_utf8_lossy(message)) {
        let (level, message) = (level.to_owned(), piece.to_owned());
        context.output.send(&Reply::Log {
            id: context.id,
            level,
            message,
            fields: std::mem::take(&mut fields),
        });
    }
}

/// A line in pieces that are not too long, at least one.
fn pieces(mut line: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    while line.len() > LINE_LIMIT {
        let (piece, rest) = line.split_at(line.floor_char_boundary(LINE_LIMIT));
        pieces.push(piece);
        line = rest;
    }
    pieces.push(line);
    pieces
}

#[expect(unsafe_code, reason = "reads what the plugin passes")]
unsafe fn bytes<'a>(start: *const u8, length: usize) -> &'a [u8] {
    if start.is_null() || length == 0 {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(start, length) }
}

#[expect(unsafe_code, reason = "the plugin hands `ctx` back")]
unsafe extern "C" fn cancelled(ctx: *mut c_void) -> i32 {
    // SAFETY: `ctx` is the context of a call that has not returned.
    unsafe { &*ctx.cast::<CallContext<'_>>() }.cancel.level()
}

#[expect(unsafe_code, reason = "the plugin hands `ctx` back")]
unsafe extern "C" fn cancel_fd(ctx: *mut c_void) -> i32 {
    // SAFETY: `ctx` is the context of a call that has not returned.
    unsafe { &*ctx.cast::<CallContext<'_>>() }.cancel.descriptor()
}
