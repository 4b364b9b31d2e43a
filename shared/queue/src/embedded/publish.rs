//! Publishing into files: what waits together is written in one transaction, and answered once it is on disk.

use std::sync::Arc;
use std::time::Instant;

use sqlite::{WriteError, Writer};
use tokio::sync::{Notify, mpsc};

use super::rows;
use crate::metrics::{Metrics, PublishOutcome};
use crate::publisher::{PublishError, PublishRequest};

/// Requests that are written together: enough to hide the fsync, few enough to bound the wait.
const ROUND_MAX: usize = 256;

/// The one task that publishes.
pub(super) struct PublishTask {
    writer: Writer,
    published: Arc<Notify>,
    metrics: Metrics,
}

impl PublishTask {
    /// `published` is notified after each round.
    pub(super) fn new(writer: Writer, published: Arc<Notify>, metrics: Metrics) -> Self {
        Self { writer, published, metrics }
    }

    /// Runs until every publisher is gone.
    pub(super) async fn run(self, mut requests: mpsc::Receiver<PublishRequest>) {
        let mut round = Vec::new();
        while requests.recv_many(&mut round, ROUND_MAX).await > 0 {
            self.publish(std::mem::take(&mut round)).await;
        }
    }

    async fn publish(&self, round: Vec<PublishRequest>) {
        let started = Instant::now();
        let mut envelopes = Vec::new();
        let mut replies = Vec::new();
        for request in round {
            envelopes.extend(request.outgoing);
            replies.push(request.reply);
        }
        let count = envelopes.len();
        let write = self.writer.write(move |database, now| rows::insert(database, &envelopes, now));
        let result = write.await.map_err(|error| match error {
            WriteError::Failed => PublishError::Refused,
            WriteError::Stopping => PublishError::Stopping,
        });
        self.metrics.published_total.add(PublishOutcome(result), count);
        for reply in replies {
            // A caller that has stopped waiting needs no answer.
            reply.send(result).ok();
        }
        if result.is_ok() {
            self.metrics.round_seconds.observe_duration(started.elapsed());
            self.published.notify_waiters();
        }
    }
}
