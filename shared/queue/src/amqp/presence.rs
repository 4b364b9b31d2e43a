//! Whether a side has all of its connections, as the metrics `queue_connected` and `queue_blocked` show it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::metrics::{Metrics, Side};

/// Counts the connections of a side that are missing. Each connection has a clone.
#[derive(Clone, Debug)]
pub(super) struct Presence {
    side: Side,
    missing: Arc<AtomicUsize>,
    metrics: Metrics,
}

impl Presence {
    pub(super) fn new(side: Side, metrics: Metrics) -> Self {
        Self { side, missing: Arc::default(), metrics }
    }

    /// One more connection is missing. A connection begins so.
    pub(super) fn missing(&self) {
        self.missing.fetch_add(1, Ordering::Relaxed);
        self.metrics.connected.set(self.side, false);
    }

    /// A connection that was missing is there.
    pub(super) fn connected(&self) {
        let missing = self.missing.fetch_sub(1, Ordering::Relaxed) - 1;
        self.metrics.connected.set(self.side, missing == 0);
    }

    /// Whether an alarm blocks the connection.
    pub(super) fn blocked(&self, is_blocked: bool) {
        self.metrics.blocked.set(self.side, is_blocked);
    }
}
