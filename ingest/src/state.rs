//! The state that all requests share, and publishing, which outlives the request that began it.

use chassis::{Shutdown, TrustedProxies};
use event::Envelope;
use queue::{Confirmed, PublishError, Publisher};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::Metrics;
use crate::admission::{Budget, Reservation};
use crate::limits::PUBLISH_TIME;
use crate::settings::Secrets;

/// What a request needs.
pub(crate) struct IngestState {
    pub(crate) secrets: Secrets,
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) publisher: Publisher,
    pub(crate) budget: Budget,
    pub(crate) metrics: Metrics,
    pub(crate) shutdown: Shutdown,
}

impl IngestState {
    /// Publishes all of the envelopes in a task of its own, so that a client that hangs up cannot cancel it halfway. The
    /// bytes stay reserved until it has ended.
    pub(crate) async fn publish(
        &self,
        envelopes: Vec<Envelope>,
        reservation: Reservation,
    ) -> Result<Confirmed, PublishError> {
        let (reply, answer) = oneshot::channel();
        let publisher = self.publisher.clone();
        let budget = self.budget.clone();
        let metrics = self.metrics.clone();
        metrics.bytes_in_flight.set(budget.held());
        self.shutdown.spawn(async move {
            let published = timeout(PUBLISH_TIME, publisher.publish_all(&envelopes)).await;
            reply.send(published.unwrap_or(Err(PublishError::TimedOut))).ok();
            drop(reservation);
            metrics.bytes_in_flight.set(budget.held());
        });
        answer.await.unwrap_or(Err(PublishError::Stopping))
    }
}
