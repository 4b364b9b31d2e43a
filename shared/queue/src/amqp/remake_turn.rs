//! The turn to make a queue again, which one user of a connection has at a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::broker_queue::BrokerQueue;
use crate::error::QueueError;

/// How long nobody tries again to make a queue that could not be made. A user who may not declare would be refused with each
/// publish, and the broker logs each refusal.
const FAILURE_TIME: Duration = Duration::from_secs(1);

/// Gives its users their turns. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct RemakeTurn(Arc<Mutex<BTreeMap<BrokerQueue, Failed>>>);

/// Whoever has it makes queues again.
pub(super) struct Turn<'t>(MutexGuard<'t, BTreeMap<BrokerQueue, Failed>>);

/// A queue that could not be made.
#[derive(Debug)]
struct Failed {
    at: Instant,
    error: QueueError,
}

impl RemakeTurn {
    /// Waits for a turn.
    pub(super) async fn wait(&self) -> Turn<'_> {
        Turn(self.0.lock().await)
    }
}

impl Turn<'_> {
    /// Why the queue could not be made a moment ago.
    pub(super) fn lately_failed(&self, queue: BrokerQueue) -> Option<QueueError> {
        let failed = self.0.get(&queue).filter(|failed| failed.at.elapsed() < FAILURE_TIME)?;
        Some(failed.error.clone())
    }

    /// Notes that the queue could not be made.
    pub(super) fn failed(&mut self, queue: BrokerQueue, error: QueueError) {
        self.0.insert(queue, Failed { at: Instant::now(), error });
    }

    /// When the queue could not be made.
    #[cfg(test)]
    pub(super) fn failed_at(&self, queue: BrokerQueue) -> Option<Instant> {
        self.0.get(&queue).map(|failed| failed.at)
    }
}
