//! Selects what happens to a worker next: from the queue, from its own work, from the clock and from a stop.

use std::time::Duration;

use chassis::Shutdown;
use queue::{Taken, Taker};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Interval};

use crate::worker::{Completion, WorkerEvent};

/// Most envelopes, or ends of work, in one event.
const EVENT_MANY: usize = 64;
/// How often ages are looked at.
const TICK: Duration = Duration::from_secs(1);

/// Everything that a worker's events come from.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) taker: Taker,
    completions: mpsc::UnboundedReceiver<Completion<Taken>>,
    is_away: watch::Receiver<bool>,
    reopenings: watch::Receiver<u64>,
    losses: watch::Receiver<u64>,
    ticks: Interval,
    shutdown: Shutdown,
    /// Received and not yet part of an event. Both are empty between two events.
    taken: Vec<Taken>,
    completed: Vec<Completion<Taken>>,
}

impl Sources {
    pub(crate) fn new(
        taker: Taker,
        completions: mpsc::UnboundedReceiver<Completion<Taken>>,
        is_away: watch::Receiver<bool>,
        reopenings: watch::Receiver<u64>,
        shutdown: Shutdown,
    ) -> Self {
        let ticks = tokio::time::interval(TICK);
        let losses = taker.losses();
        let taken = Vec::new();
        let completed = Vec::new();
        Self { taker, completions, is_away, reopenings, losses, ticks, shutdown, taken, completed }
    }

    /// The next event. Nothing is lost if this is cancelled: each branch takes a value and waits for nothing more.
    pub(crate) async fn next_event(&mut self, due: Option<Instant>) -> WorkerEvent<Taken> {
        tokio::select! {
            () = self.shutdown.requested() => WorkerEvent::Stop,
            _ = self.completions.recv_many(&mut self.completed, EVENT_MANY) => {
                WorkerEvent::Completed(std::mem::take(&mut self.completed))
            }
            count = self.taker.take_many(&mut self.taken, EVENT_MANY) => match count {
                0 => WorkerEvent::Stop,
                _ => WorkerEvent::Taken(std::mem::take(&mut self.taken)),
            },
            Ok(()) = self.is_away.changed() => WorkerEvent::Store { is_away: *self.is_away.borrow_and_update() },
            Ok(()) = self.reopenings.changed() => WorkerEvent::Reopened,
            Ok(()) = self.losses.changed() => WorkerEvent::Lost,
            () = until(due) => WorkerEvent::Due,
            _ = self.ticks.tick() => WorkerEvent::Tick { stalled: self.taker.stalled() },
        }
    }

    /// The next end of work. The runner holds a sender, so that this is never `None`.
    pub(crate) async fn next_completion(&mut self) -> Option<WorkerEvent<Taken>> {
        let completion = self.completions.recv().await?;
        Some(WorkerEvent::Completed(vec![completion]))
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
