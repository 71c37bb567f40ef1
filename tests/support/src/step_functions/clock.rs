//! The stand-in's time: it runs so many times as fast as the machine's, and can be moved on.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Moments are given as time since the Unix epoch, as AWS writes them.
#[derive(Debug)]
pub(super) struct Clock {
    began: Instant,
    began_at: Duration,
    speed: f64,
    advanced: Duration,
}

impl Clock {
    /// Starts at the machine's time. At speed 0 it moves only where it is advanced.
    pub(super) fn new(speed: f64) -> Self {
        assert!(speed.is_finite() && speed >= 0.0, "time does not run at speed {speed}");
        let began_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { began: Instant::now(), began_at, speed, advanced: Duration::ZERO }
    }

    pub(super) fn now(&self) -> Duration {
        self.began_at + self.began.elapsed().mul_f64(self.speed) + self.advanced
    }

    pub(super) fn advance(&mut self, by: Duration) {
        self.advanced += by;
    }
}
