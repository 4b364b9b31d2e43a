//! Settles what was not delivered: the copy is confirmed before the original is acknowledged, so that a crash in between
//! leaves a duplicate, never a gap.

use std::time::Duration;

use chassis::{Backoff, dice, now};
use event::{Envelope, Letter};
use queue::{Confirmed, QueueName, Taken, Tier};
use tracing::{debug, error, warn};

use crate::lanes::Flight;
use crate::remedy::{Failure, Reason};
use crate::systems::Systems;
use crate::worker::Settlement;

/// Delays between publishes of a copy while the queue is away. The original stays in flight meanwhile.
const REPUBLISH: Backoff = Backoff { base: Duration::from_millis(200), ceiling: Duration::from_secs(5) };

/// Publishes the copy until it is confirmed, then acknowledges the original. Returns the original if the process stops
/// first.
pub(crate) async fn settle(systems: &Systems, flight: Flight<Taken>, settlement: Settlement) -> Result<(), Taken> {
    let original = &flight.item.envelope;
    let copies = original.copies + 1;
    let copy = Envelope { attempts: original.attempts + flight.attempts, copies, ..original.clone() };
    let confirmed = match settlement {
        Settlement::Retry(tier, failure) => retry(systems, copy, tier, &failure).await,
        Settlement::Defer(tier) => defer(systems, copy, tier).await,
        Settlement::DeadLetter(reason, failure) => park(systems, copy, reason, failure.as_ref()).await,
    };
    match confirmed {
        Some(_proof) => {
            flight.item.acknowledge();
            Ok(())
        }
        None => Err(flight.item),
    }
}

async fn retry(systems: &Systems, copy: Envelope, tier: Tier, failure: &Failure) -> Option<Confirmed> {
    let copy = Envelope { visits: copy.visits + 1, ..copy };
    let delay_ms = tier.delay().as_millis();
    let confirmed = publish(systems, QueueName::Retry(copy.class, tier), &copy).await?;
    systems.metrics.retries_total.inc(tier);
    warn!(
        event.id = %copy.id, trace_id = copy.trace_id(), event.type = %copy.event_type, channel = %copy.address,
        attempts = copy.attempts, delay_ms, "Will retry event {}: {failure}", copy.id
    );
    Some(confirmed)
}

async fn defer(systems: &Systems, copy: Envelope, tier: Tier) -> Option<Confirmed> {
    let delay_ms = tier.delay().as_millis();
    let confirmed = publish(systems, QueueName::Retry(copy.class, tier), &copy).await?;
    systems.metrics.deferred_total.inc(tier);
    debug!(
        event.id = %copy.id, trace_id = copy.trace_id(), channel = %copy.address, delay_ms, "Deferred event {}", copy.id
    );
    Some(confirmed)
}

/// The dead letter carries what DSK answered.
async fn park(systems: &Systems, copy: Envelope, reason: Reason, failure: Option<&Failure>) -> Option<Confirmed> {
    let mut letter =
        Letter { reason: reason.as_str().to_owned(), status: None, answer: String::new(), parked_at: now() };
    if let Some(Failure::Answered { status, answer, .. }) = failure {
        letter.status = Some(status.as_u16());
        letter.answer.clone_from(answer);
    }
    let status = letter.status;
    let copy = Envelope { letter: Some(letter), ..copy };
    let confirmed = publish(systems, QueueName::Dead, &copy).await?;
    systems.metrics.dead_letters_total.inc(reason);
    error!(
        event.id = %copy.id, trace_id = copy.trace_id(), event.type = %copy.event_type, channel = %copy.address,
        attempts = copy.attempts, status, reason = reason.as_str(), "Parked event {} as a dead letter", copy.id
    );
    Some(confirmed)
}

/// Publishes until the copy is confirmed; `None` if the process stops first.
async fn publish(systems: &Systems, queue: QueueName, copy: &Envelope) -> Option<Confirmed> {
    let mut failures = 0;
    loop {
        match systems.publisher.publish(queue, copy).await {
            Ok(confirmed) => return Some(confirmed),
            Err(error) => {
                failures += 1;
                warn!(
                    event.id = %copy.id, trace_id = copy.trace_id(), failures,
                    "Could not publish a copy of event {}, whose original stays in flight: {error}", copy.id
                );
                if !systems.shutdown.pause(REPUBLISH.delay(failures, dice())).await {
                    return None;
                }
            }
        }
    }
}
