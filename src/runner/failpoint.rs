//! Named steps at which a test can end this process, as a power cut would. Release builds have none of it.

/// Ends this process here, without a word, if the test asked for it: `BUNSUI_FAILPOINT=step`, or `step:3` for the third time
/// that the step is reached.
#[cfg(debug_assertions)]
pub(crate) fn reach(step: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Failpoint {
        step: String,
        left: AtomicUsize,
    }

    // The one variable that settings do not read, and a static: this is no part of the product.
    static FAILPOINT: OnceLock<Option<Failpoint>> = OnceLock::new();
    let asked = FAILPOINT.get_or_init(|| {
        let text = std::env::var("BUNSUI_FAILPOINT").ok()?;
        let (step, count) = text.split_once(':').unwrap_or((&text, "1"));
        Some(Failpoint { step: step.to_owned(), left: AtomicUsize::new(count.parse().unwrap_or(1)) })
    });
    let Some(failpoint) = asked.as_ref().filter(|failpoint| failpoint.step == step) else { return };
    if failpoint.left.fetch_sub(1, Ordering::Relaxed) == 1 {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        // Nothing follows, on whichever thread the signal is handled.
        loop {
            std::thread::park();
        }
    }
}

/// Nothing, in a release build.
#[cfg(not(debug_assertions))]
pub(crate) fn reach(_step: &str) {}
