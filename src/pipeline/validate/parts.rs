//! Long lists of jobs, looked at in parts, on as many threads as there are processors.

use std::num::NonZero;
use std::panic::resume_unwind;

/// Fewer jobs than this are not worth a thread.
const JOBS_OF_A_THREAD: usize = 1000;

/// What comes of each part of a list, in order; `look` is told the position of its part's first item.
pub(super) fn in_parts<T: Sync, R: Send>(items: &[T], look: impl Fn(usize, &[T]) -> R + Sync) -> Vec<R> {
    let threads = match items.len() / JOBS_OF_A_THREAD {
        // To ask how many processors there are takes longer than to look at a few jobs.
        0 | 1 => return vec![look(0, items)],
        threads => threads.min(std::thread::available_parallelism().map_or(1, NonZero::get)),
    };
    let size = items.len().div_ceil(threads).max(1);
    let (own, rest) = items.split_at(size.min(items.len()));
    let look = &look;
    std::thread::scope(|scope| {
        let parts = rest.chunks(size).enumerate();
        let others: Vec<_> =
            parts.map(|(at, part)| scope.spawn(move || look((at + 1) * size, part))).collect();
        let own = look(0, own);
        let joined =
            others.into_iter().map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        std::iter::once(own).chain(joined).collect()
    })
}
