//! The life of a plugin host's process: who waits for it, who may end it, and why it was ended.
//!
//! A thread waits for its end by the process itself and not by its pipes: what a plugin forked holds those open after it. Another
//! looks at its memory while it has something to do.
//! Deliberately does not: start a process, or know what is said over its pipes.

use super::processes;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

/// Between two looks at a host's memory.
const LOOK: Duration = Duration::from_millis(100);

/// How long a host that is not heard any more may take to end by itself, before it is ended.
const LAST_STEPS: Duration = Duration::from_millis(100);

/// A host's process.
#[derive(Debug)]
pub(super) struct Life {
    pid: Option<Pid>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Its number may be another process's by now.
    is_over: bool,
    /// Why it was ended, where this process did so: `grew to 1100 MiB …`.
    ended_for: Option<String>,
}

impl Life {
    /// Waits for a host's end on a thread of its own, and then ends what it left behind. Its status can be had once.
    pub(super) fn watch(mut child: Child) -> (Arc<Self>, mpsc::Receiver<std::io::Result<ExitStatus>>) {
        let id = child.id();
        let life = Arc::new(Self { pid: Pid::from_raw(id.cast_signed()), state: Mutex::default() });
        let (ended, end) = mpsc::channel();
        let waiting = Arc::clone(&life);
        std::thread::spawn(move || {
            if let Some(pid) = waiting.pid {
                // Its number stays its own until it is waited for below.
                let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
            }
            let mut state = waiting.state();
            state.is_over = true;
            let status = child.wait();
            drop(state);
            processes::end_what_host_left(id);
            let _ = ended.send(status);
        });
        (life, end)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends it at once, as it is. What was said first of why is kept.
    pub(super) fn kill(&self, why: Option<String>) {
        let mut state = self.state();
        if let Some(pid) = self.pid.filter(|_| !state.is_over) {
            if state.ended_for.is_none() {
                state.ended_for = why;
            }
            let _ = kill_process(pid, Signal::KILL);
        }
    }

    /// Waits for the end of a host that is not heard any more, and says how it came; `unheard` is why it is not.
    pub(super) fn end(&self, status: &mpsc::Receiver<std::io::Result<ExitStatus>>, unheard: &str) -> String {
        let status = status.recv_timeout(LAST_STEPS).or_else(|_| {
            self.kill(Some(unheard.to_owned()));
            status.recv()
        });
        match (self.state().ended_for.take(), status) {
            (Some(why), _) => why,
            (None, Ok(Ok(status))) => how_it_ended(status),
            (None, Ok(Err(error))) => format!("cannot be waited for: {error}"),
            (None, Err(_)) => "ended".to_owned(),
        }
    }

    /// Ends it when it has grown past a limit of bytes, as long as `is_busy` is awaited: that gives false when the host is gone.
    pub(super) fn limit_memory(self: &Arc<Self>, limit: u64, is_busy: impl Fn() -> bool + Send + 'static) {
        let life = Arc::clone(self);
        std::thread::spawn(move || {
            while is_busy() {
                if let Some(bytes) = life.resident_bytes().filter(|bytes| *bytes > limit) {
                    let (now, most) = (bytes >> 20, limit >> 20);
                    life.kill(Some(format!(
                        "was ended: it had grown to {now} MiB of memory, and `[plugins] memory` allows {most}"
                    )));
                    return;
                }
                std::thread::sleep(LOOK);
            }
        });
    }

    fn resident_bytes(&self) -> Option<u64> {
        processes::resident_bytes(self.pid?)
    }
}

pub(super) fn how_it_ended(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("was ended by signal {signal}{}", signal_name(signal)),
        (None, Some(code)) => format!("left with exit code {code}"),
        (None, None) => "ended".to_owned(),
    }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        4 => " (SIGILL)",
        6 => " (SIGABRT)",
        7 | 10 => " (SIGBUS)",
        8 => " (SIGFPE)",
        9 => " (SIGKILL)",
        11 => " (SIGSEGV)",
        15 => " (SIGTERM)",
        _ => "",
    }
}
