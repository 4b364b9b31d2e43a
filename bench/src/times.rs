//! When each notification was posted, so that the sink can tell the age of what it gets.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How many are remembered: more than wait in any measurement that asks for ages.
const COUNT: usize = 1 << 22;

/// The times of the last notifications, in one process.
#[derive(Debug)]
pub(crate) struct Times {
    start: Instant,
    /// Nanoseconds after the start; 0 for what was not posted.
    posted: Vec<AtomicU64>,
}

impl Default for Times {
    fn default() -> Self {
        Self { start: Instant::now(), posted: (0..COUNT).map(|_| AtomicU64::default()).collect() }
    }
}

impl Times {
    /// Notes when a notification was to be posted.
    pub(crate) fn note(&self, serial: usize, at: Instant) {
        let nanoseconds = u64::try_from(at.saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX);
        self.posted[serial % COUNT].store(nanoseconds.max(1), Ordering::Relaxed);
    }

    /// How old a notification is; `None` if it was never posted.
    pub(crate) fn age(&self, serial: usize) -> Option<Duration> {
        match self.posted[serial % COUNT].load(Ordering::Relaxed) {
            0 => None,
            nanoseconds => Some(self.start.elapsed().saturating_sub(Duration::from_nanos(nanoseconds))),
        }
    }
}
