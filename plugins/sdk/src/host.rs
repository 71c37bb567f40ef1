//! The host's side of a call, safe.

use bunsui_plugin_abi as abi;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Map, Value as Json};
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// How long one wait for a stop is at most; who waits longer waits again.
const LONGEST_LOOK: Duration = Duration::from_secs(60);
/// How often a host is asked that has no descriptor to wait for.
const SHORTEST_LOOK: Duration = Duration::from_millis(50);

/// Whom a running task talks to.
#[derive(Debug, Clone, Copy)]
pub struct Host<'a> {
    table: &'a abi::HostV1,
}

// SAFETY: the interface promises that the host's functions may be called from any thread until the call returns, and
// the lifetime ends with the call.
#[expect(unsafe_code, reason = "the host's table holds a pointer that is only handed back to it")]
unsafe impl Send for Host<'_> {}
// SAFETY: as above.
#[expect(unsafe_code, reason = "the host's table holds a pointer that is only handed back to it")]
unsafe impl Sync for Host<'_> {}

/// How bad a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// For who looks closely.
    Debug,
    /// What a task says.
    Info,
    /// What a task says on its standard error, or of itself.
    Warn,
    /// It fails.
    Error,
}

/// What the host wants of a running task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Go on.
    No,
    /// End what was started, politely, and return.
    Politely,
    /// Whoever asked is gone: end everything now.
    Now,
}

impl<'a> Host<'a> {
    pub(crate) fn new(table: &'a abi::HostV1) -> Self {
        Self { table }
    }

    /// Says one line, with more fields where there are.
    #[expect(unsafe_code, reason = "calls the host's table")]
    pub fn log(&self, level: Level, message: &str, fields: &Map<String, Json>) {
        let Some(log) = self.table.log else { return };
        let level = match level {
            Level::Debug => abi::LEVEL_DEBUG,
            Level::Info => abi::LEVEL_INFO,
            Level::Warn => abi::LEVEL_WARN,
            Level::Error => abi::LEVEL_ERROR,
        };
        let fields =
            if fields.is_empty() { Vec::new() } else { serde_json::to_vec(fields).unwrap_or_default() };
        // SAFETY: both texts outlive the call, and the host only reads them during it.
        unsafe {
            log(self.table.ctx, level, message.as_ptr(), message.len(), fields.as_ptr(), fields.len());
        }
    }

    /// Says one line for who looks closely.
    pub fn debug(&self, message: &str) {
        self.log(Level::Debug, message, &Map::new());
    }

    /// Says one line.
    pub fn info(&self, message: &str) {
        self.log(Level::Info, message, &Map::new());
    }

    /// Says one line that somebody should look at.
    pub fn warn(&self, message: &str) {
        self.log(Level::Warn, message, &Map::new());
    }

    /// Says one line about why the task fails.
    pub fn error(&self, message: &str) {
        self.log(Level::Error, message, &Map::new());
    }

    /// Whether to stop: politely or now.
    pub fn is_stopped(&self) -> bool {
        self.stop() != Stop::No
    }

    /// Waits until the task is to stop, at most as long as said; what a loop that asks a service from time to time sleeps with.
    ///
    /// ```
    /// # use bunsui_plugin_sdk::{Host, Stop, TaskFailure, serde_json::Value as Json};
    /// # use std::time::Duration;
    /// # fn ask() -> Option<Json> { None }
    /// fn wait_for_answer(host: &Host<'_>) -> Result<Json, TaskFailure> {
    ///     loop {
    ///         if let Some(answer) = ask() {
    ///             return Ok(answer);
    ///         }
    ///         if host.wait_for_stop(Duration::from_secs(2)) != Stop::No {
    ///             return Err(TaskFailure::new("States.TaskFailed", "the task was stopped"));
    ///         }
    ///     }
    /// }
    /// ```
    pub fn wait_for_stop(&self, at_most: Duration) -> Stop {
        let until = Instant::now().checked_add(at_most);
        loop {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            let stop = self.stop();
            if stop != Stop::No || left.is_some_and(|left| left.is_zero()) {
                return stop;
            }
            self.poll_stop(left.map_or(LONGEST_LOOK, |left| left.min(LONGEST_LOOK)));
        }
    }

    /// Waits until the descriptor is readable, or for a moment where there is none.
    fn poll_stop(&self, at_most: Duration) {
        let Some(fd) = self.stop_fd() else {
            return std::thread::sleep(at_most.min(SHORTEST_LOOK));
        };
        let timeout = Timespec::try_from(at_most).ok();
        // An interrupted wait is only a shorter one: the caller looks again.
        let _ = poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], timeout.as_ref());
    }

    /// Whether to stop.
    #[expect(unsafe_code, reason = "calls the host's table")]
    pub fn stop(&self) -> Stop {
        let Some(cancelled) = self.table.cancelled else { return Stop::No };
        // SAFETY: `ctx` is the host's own and this call has not returned.
        match unsafe { cancelled(self.table.ctx) } {
            abi::GO_ON => Stop::No,
            abi::STOP => Stop::Politely,
            _ => Stop::Now,
        }
    }

    /// A descriptor that becomes readable when [`stop`](Self::stop) changes, for poll(2). Not to be read.
    #[expect(unsafe_code, reason = "calls the host's table and borrows its descriptor")]
    pub fn stop_fd(&self) -> Option<BorrowedFd<'a>> {
        let cancel_fd = self.table.cancel_fd?;
        // SAFETY: `ctx` is the host's own and this call has not returned.
        let fd = unsafe { cancel_fd(self.table.ctx) };
        // SAFETY: the host keeps the descriptor open until this call returns, which `'a` ends with.
        (fd >= 0).then(|| unsafe { BorrowedFd::borrow_raw(fd) })
    }
}
