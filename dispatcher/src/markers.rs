//! Writes down what DSK has, so that a repeat of it is not delivered again, and disconnects accounts that have left.

use chassis::now;
use event::{Effect, EventId};
use queue::Taken;
use tracing::warn;

use crate::systems::Systems;

/// Marks events as delivered, then acknowledges them: if the process dies in between, the redelivery finds the marker.
pub(crate) async fn mark(systems: &Systems, delivered: Vec<Taken>) {
    let ids: Vec<EventId> = delivered.iter().map(|taken| taken.envelope.id.clone()).collect();
    if let Err(error) = systems.store.mark_delivered(&ids).await {
        // DSK has the events. Holding them back for a marker would only deliver them twice.
        systems.metrics.unmarked_total.add(ids.len());
        warn!(events = ids.len(), "Could not mark delivered events: {error}");
    }
    for taken in delivered {
        let envelope = &taken.envelope;
        if envelope.effect == Some(Effect::AccountRemoved)
            && let Err(error) = systems.store.remove(&envelope.address, now()).await
        {
            warn!(
                event.id = %envelope.id, trace_id = envelope.trace_id(),
                "Could not disconnect the channels of a removed account: {error}"
            );
        }
        taken.acknowledge();
    }
}
