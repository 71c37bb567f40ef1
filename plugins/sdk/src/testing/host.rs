//! The host's side of one call.

use crate::export::abi;
use serde_json::{Map, Value as Json};
use std::ffi::c_void;
use std::io::Write as _;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A line that a task said.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// `debug`, `info`, `warn`, `error`.
    pub level: &'static str,
    /// Without its line end.
    pub message: String,
    /// More, where the task says more.
    pub fields: Map<String, Json>,
}

/// Keeps what is said, and stops the task at a line.
#[derive(Debug)]
pub(super) struct Call {
    stop_at: Option<String>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    lines: Vec<Line>,
    level: i32,
    /// Readable end, and the one that makes it so.
    pipe: (UnixStream, UnixStream),
}

impl Call {
    pub(super) fn new(stop_at: Option<String>) -> Self {
        let pipe = UnixStream::pair().expect("a pipe can be made");
        Self { stop_at, state: Mutex::new(State { lines: Vec::new(), level: abi::GO_ON, pipe }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on `cancelled` says so.
    pub(super) fn stop(&self, level: i32) {
        let mut state = self.state();
        state.level = state.level.max(level);
        let _ = state.pipe.1.write_all(b"!");
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.state().level != abi::GO_ON
    }

    pub(super) fn lines(&self) -> Vec<Line> {
        self.state().lines.clone()
    }

    /// Valid as long as this value.
    pub(super) fn table(&self) -> abi::HostV1 {
        abi::HostV1 {
            head: abi::Header::of::<abi::HostV1>(),
            ctx: std::ptr::from_ref(self).cast_mut().cast(),
            log: Some(log),
            cancelled: Some(cancelled),
            cancel_fd: Some(cancel_fd),
        }
    }

    fn hear(&self, line: Line) {
        let is_sign = self.stop_at.as_ref().is_some_and(|stop_at| *stop_at == line.message);
        self.state().lines.push(line);
        if is_sign {
            self.stop(abi::STOP);
        }
    }
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
    // SAFETY: `ctx` is the `Call` of a call that has not returned, and the plugin promises its bytes.
    let (call, message, fields) =
        unsafe { (&*ctx.cast::<Call>(), bytes(message, message_len), bytes(fields, fields_len)) };
    let level = match level {
        abi::LEVEL_DEBUG => "debug",
        abi::LEVEL_WARN => "warn",
        abi::LEVEL_ERROR => "error",
        _ => "info",
    };
    let message = String::from_utf8_lossy(message).into_owned();
    call.hear(Line { level, message, fields: serde_json::from_slice(fields).unwrap_or_default() });
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
    // SAFETY: as in `log`.
    unsafe { &*ctx.cast::<Call>() }.state().level
}

#[expect(unsafe_code, reason = "the plugin hands `ctx` back")]
unsafe extern "C" fn cancel_fd(ctx: *mut c_void) -> i32 {
    // SAFETY: as in `log`.
    unsafe { &*ctx.cast::<Call>() }.state().pipe.0.as_raw_fd()
}
