//! The state that all requests share, and publishing, which outlives the request that began it.

use std::sync::{Arc, Mutex, PoisonError};

use chassis::{Shutdown, TrustedProxies};
use event::{Envelope, EventId};
use queue::{Confirmed, Held, PublishError, Publisher};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::Metrics;
use crate::admission::{Budget, Reservation};
use crate::limits::PUBLISH_TIME;
use crate::recent::Recent;
use crate::settings::Secrets;

/// What a request needs.
pub(crate) struct IngestState {
    pub(crate) secrets: Secrets,
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) publisher: Publisher,
    pub(crate) budget: Budget,
    pub(crate) parked: Parked,
    pub(crate) metrics: Metrics,
    pub(crate) shutdown: Shutdown,
}

/// The bodies that are no notification and that the queue has already: the same body again costs no second dead letter.
/// Nobody can deliver one, so nothing is lost when a copy is left out.
#[derive(Debug)]
pub(crate) struct Parked(Mutex<Recent<EventId, Arc<Confirmed>>>);

/// Bodies that are remembered. Meta sends hardly any.
const PARKED_MAX: usize = 4_096;

impl Default for Parked {
    fn default() -> Self {
        Self(Mutex::new(Recent::new(PARKED_MAX)))
    }
}

impl Parked {
    pub(crate) fn get(&self, id: &EventId) -> Option<Arc<Confirmed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id)
    }

    pub(crate) fn remember(&self, id: EventId, confirmed: &Arc<Confirmed>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remember(id, Arc::clone(confirmed));
    }
}

impl IngestState {
    /// Publishes all of the envelopes in a task of its own, so that a client that hangs up cannot cancel it halfway. The
    /// bytes stay reserved until the queue has let go of them.
    pub(crate) async fn publish(
        &self,
        envelopes: Vec<Envelope>,
        reservation: Reservation,
    ) -> Result<Confirmed, PublishError> {
        let (reply, answer) = oneshot::channel();
        let publisher = self.publisher.clone();
        let held = Arc::new(HeldBytes {
            reservation: Some(reservation),
            budget: self.budget.clone(),
            metrics: self.metrics.clone(),
        });
        held.show();
        self.shutdown.spawn(async move {
            let publish = publisher.publish_all_holding(&envelopes, Arc::clone(&held) as Held);
            let published = timeout(PUBLISH_TIME, publish).await;
            reply.send(published.unwrap_or(Err(PublishError::TimedOut))).ok();
            drop(envelopes);
            drop(held);
        });
        answer.await.unwrap_or(Err(PublishError::Stopping))
    }
}

/// The bytes of a notification that is being published. The queue may need them longer than Meta waits for an answer: then
/// they stay counted, so that the bound on bytes in flight holds.
struct HeldBytes {
    reservation: Option<Reservation>,
    budget: Budget,
    metrics: Metrics,
}

impl HeldBytes {
    fn show(&self) {
        self.metrics.bytes_in_flight.set(self.budget.held());
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        self.reservation.take();
        self.show();
    }
}
