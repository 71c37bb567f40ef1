//! An end to evaluations that take too much memory.
//!
//! Takes: evaluations, as they begin and end. Gives: which of them are over, since the process grew too much meanwhile.
//! Deliberately does not: know whose the memory is, look where there is no /proc, or end a function within: what one call of `$join`
//! makes is seen when it has made it.

use jsonata_core::evaluator::CancelToken;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// So often is looked; what is evaluated sooner is not looked at.
const LOOK: Duration = Duration::from_millis(5);

/// Of the process, as its memory is.
static WATCH: Watch = Watch {
    state: Mutex::new(State { running: Vec::new(), next: 0, is_watched: false, is_asleep: false }),
    begun: Condvar::new(),
};

struct Watch {
    state: Mutex<State>,
    begun: Condvar,
}

struct State {
    running: Vec<Running>,
    next: u64,
    /// The thread that looks is there.
    is_watched: bool,
    /// It has nothing to look at.
    is_asleep: bool,
}

struct Running {
    number: u64,
    /// Bytes that the process may grow by.
    growth: u64,
    /// What the process had when it was first looked at.
    before: Option<u64>,
    token: CancelToken,
}

/// An evaluation that is looked at until this value is gone.
pub(super) struct Watched {
    number: u64,
    token: CancelToken,
}

impl Watched {
    /// The process may grow by `growth` bytes from now on.
    pub(super) fn begin(growth: u64) -> Self {
        let token = CancelToken::new();
        let mut state = WATCH.state();
        let number = state.next;
        state.next += 1;
        state.running.push(Running { number, growth, before: None, token: token.clone() });
        if !state.is_watched {
            let thread = std::thread::Builder::new().name("memory of jsonata".to_owned());
            state.is_watched = thread.spawn(|| WATCH.look()).is_ok();
        }
        if state.is_asleep {
            WATCH.begun.notify_one();
        }
        Self { number, token }
    }

    /// For the engine, which looks at it between one step and the next.
    pub(super) fn token(&self) -> CancelToken {
        self.token.clone()
    }

    /// The process has grown by more than it may.
    pub(super) fn is_over(&self) -> bool {
        self.token.is_cancelled()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        WATCH.state().running.retain(|running| running.number != self.number);
    }
}

impl Watch {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self) {
        loop {
            let mut state = self.state();
            while state.running.is_empty() {
                state.is_asleep = true;
                state = self.begun.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.is_asleep = false;
            let now = resident_bytes().unwrap_or_default();
            for running in &mut state.running {
                let before = *running.before.get_or_insert(now);
                if now > before + running.growth {
                    running.token.cancel();
                }
            }
            drop(state);
            std::thread::sleep(LOOK);
        }
    }
}

fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
