//! The JSONata engine, which is not ours, and panics.

use std::backtrace::Backtrace;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// A panic ends a fuzzer at once, but for one in somebody else's code: of that bunsui has to make an error, and one that it does
/// not catch ends the fuzzer a little later. Each place that panics is printed once.
pub fn let_it_panic() {
    let abort = std::panic::take_hook();
    let seen = Mutex::new(HashSet::new());
    std::panic::set_hook(Box::new(move |panic| {
        let is_theirs =
            |file: &str| ["/rustc/", "/registry/", "/library/"].iter().any(|part| file.contains(part));
        let place = panic.location().filter(|place| is_theirs(place.file()));
        let Some(place) = place else { return abort(panic) };
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.insert(place.to_string()) {
            eprintln!("in code that is not ours: {panic}\n{}", Backtrace::force_capture());
        }
    }));
}
