//! Settles what was not delivered: the copy is confirmed before the original is acknowledged, so that a crash in between
//! leaves a duplicate, never a gap.

use std::time::Duration;

use chassis::{Backoff, dice, now};
use event::{Envelope, Letter};
use queue::{Confirmed, Partition, PartitionSet, QueueName, Taken, Tier};
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{debug, error, info, warn};

use crate::lanes::Flight;
use crate::markers;
use crate::remedy::{Failure, Reason};
use crate::retry_policy::RetryPolicy;
use crate::systems::Systems;
use crate::worker::Settlement;

/// Delays between publishes of a copy while the queue is away. The original stays in flight meanwhile.
const REPUBLISH: Backoff = Backoff { base: Duration::from_millis(200), ceiling: Duration::from_secs(5) };
/// How long a drain waits for the confirm of a copy that is being published. Without it, both copies are delivered.
const DRAIN_PATIENCE: Duration = Duration::from_secs(5);

/// Publishes the copy until it is confirmed, then acknowledges the original. Returns the original if the copy can't be
/// published and a drain or a stop does not wait for it.
pub(crate) async fn settle(
    systems: &Systems,
    flight: Flight<Taken>,
    settlement: Settlement,
    draining: watch::Receiver<PartitionSet>,
) -> Result<(), Flight<Taken>> {
    let original = &flight.item.envelope;
    let is_unrecognized = matches!(settlement, Settlement::DeadLetter(Reason::Unrecognized, _));
    if is_unrecognized && markers::needs_no_dead_letter(systems, original).await {
        flight.item.acknowledge();
        return Ok(());
    }
    let copies = original.copies + 1;
    let copy = Envelope { attempts: original.attempts + flight.attempts, copies, ..original.clone() };
    let copier = Copier { systems, drain: Drain { draining, partition: flight.item.partition() } };
    let confirmed = match settlement {
        Settlement::Retry(tier, failure) => copier.retry(copy, tier, &failure).await,
        Settlement::Defer(tier) => copier.defer(copy, tier).await,
        Settlement::DeadLetter(reason, failure) => copier.park(copy, reason, failure.as_ref()).await,
    };
    match confirmed {
        Some(_proof) if is_unrecognized => {
            markers::mark_parked(systems, flight.item).await;
            Ok(())
        }
        Some(_proof) => {
            flight.item.acknowledge();
            Ok(())
        }
        None => Err(flight),
    }
}

/// Publishes copies.
struct Copier<'s> {
    systems: &'s Systems,
    drain: Drain,
}

/// Whether everything in flight of the envelope's partition is about to be given back.
#[derive(Clone)]
struct Drain {
    draining: watch::Receiver<PartitionSet>,
    partition: Partition,
}

impl Drain {
    /// Waits until it is.
    async fn begins(&mut self) {
        // The sender lives as long as the runner, which outlives the task that waits here.
        self.draining.wait_for(|draining| draining.contains(self.partition)).await.ok();
    }
}

impl Copier<'_> {
    async fn retry(mut self, copy: Envelope, tier: Tier, failure: &Failure) -> Option<Confirmed> {
        let copy = Envelope { visits: copy.visits + u32::from(RetryPolicy::counts(failure)), ..copy };
        let delay_ms = tier.delay().as_millis();
        let confirmed = self.publish(QueueName::Retry(copy.class, tier), &copy).await?;
        self.systems.metrics.retries_total.inc(tier);
        warn!(
            event.id = %copy.id, trace_id = copy.trace_id(), event.type = %copy.event_type, channel = %copy.address,
            attempts = copy.attempts, delay_ms, "Will retry event {}: {failure}", copy.id
        );
        Some(confirmed)
    }

    async fn defer(mut self, copy: Envelope, tier: Tier) -> Option<Confirmed> {
        let delay_ms = tier.delay().as_millis();
        let confirmed = self.publish(QueueName::Retry(copy.class, tier), &copy).await?;
        self.systems.metrics.deferred_total.inc(tier);
        debug!(
            event.id = %copy.id, trace_id = copy.trace_id(), channel = %copy.address, delay_ms, "Deferred event {}", copy.id
        );
        Some(confirmed)
    }

    /// The dead letter carries what DSK answered.
    async fn park(mut self, copy: Envelope, reason: Reason, failure: Option<&Failure>) -> Option<Confirmed> {
        let mut letter =
            Letter { reason: reason.as_str().to_owned(), status: None, answer: String::new(), parked_at: now() };
        if let Some(Failure::Answered { status, answer, .. }) = failure {
            letter.status = Some(status.as_u16());
            letter.answer.clone_from(answer);
        }
        let copy = Envelope { letter: Some(letter), ..copy };
        let confirmed = self.publish(QueueName::Dead, &copy).await?;
        self.systems.metrics.dead_letters_total.inc(reason);
        log_parked(&copy, reason);
        Some(confirmed)
    }

    /// Publishes until the copy is confirmed; `None` if it can't be published and a drain does not wait for it any longer.
    async fn publish(&mut self, queue: QueueName, copy: &Envelope) -> Option<Confirmed> {
        let mut drain = self.drain.clone();
        let mut publishing = std::pin::pin!(self.publish_until_confirmed(queue, copy));
        tokio::select! {
            confirmed = &mut publishing => return confirmed,
            () = drain.begins() => {}
        }
        timeout(DRAIN_PATIENCE, publishing).await.ok().flatten()
    }

    /// Publishes until the copy is confirmed; `None` if it could not be published and a drain has begun.
    async fn publish_until_confirmed(&mut self, queue: QueueName, copy: &Envelope) -> Option<Confirmed> {
        let mut failures = 0;
        loop {
            match self.systems.publisher.publish(queue, copy).await {
                Ok(confirmed) => return Some(confirmed),
                Err(error) => {
                    failures += 1;
                    // One line for each event: an alarm may last for hours.
                    if failures == 1 {
                        warn!(
                            event.id = %copy.id, trace_id = copy.trace_id(),
                            "Could not publish a copy of event {}, whose original stays in flight: {error}", copy.id
                        );
                    }
                    let delay = REPUBLISH.delay(failures, dice());
                    if timeout(delay, self.drain.begins()).await.is_ok() {
                        return None;
                    }
                }
            }
        }
    }
}

/// A held event is parked because an operator wants it so. Every other reason is an error.
fn log_parked(parked: &Envelope, reason: Reason) {
    let id = &parked.id;
    let trace_id = parked.trace_id();
    let attempts = parked.attempts;
    let status = parked.letter.as_ref().and_then(|letter| letter.status);
    let reason_text = reason.as_str();
    if reason == Reason::Held {
        info!(
            event.id = %id, trace_id, event.type = %parked.event_type, channel = %parked.address, attempts,
            reason = reason_text, "Parked event {id} as a dead letter"
        );
    } else {
        error!(
            event.id = %id, trace_id, event.type = %parked.event_type, channel = %parked.address, attempts, status,
            reason = reason_text, "Parked event {id} as a dead letter"
        );
    }
}
