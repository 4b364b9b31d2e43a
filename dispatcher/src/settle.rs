//! Settling what was not delivered: the copy is confirmed before the original may be acknowledged, so that a crash
//! in between leaves a duplicate, never a gap.

use std::sync::Arc;
use std::time::Duration;

use chassis::{Backoff, dice, now};
use event::{Envelope, Letter};
use queue::{Confirmed, QueueName, Taken, Tier};
use tracing::{debug, error, warn};

use crate::app::App;
use crate::hand::Held;
use crate::{Cause, Policy, Reason};

/// Delays between publishes of a copy while the queue is away; the original stays in hand meanwhile.
const REPUBLISH: Backoff = Backoff { base: Duration::from_millis(200), ceiling: Duration::from_secs(5) };

/// Where the copy goes, and why.
#[derive(Debug)]
pub(crate) enum Remainder {
    /// Its attempts failed: another one later.
    Retry(Tier, Cause),
    /// It makes room for others, or waits out a long pause; nothing is used up.
    MakeRoom(Option<Tier>),
    /// For a person.
    DeadLetter(Reason, Option<Cause>),
}

/// Publishes the copy until it is confirmed, then acknowledges. Gives the original back when the process stops first.
pub(crate) async fn settle(app: Arc<App>, held: Held<Taken>, remainder: Remainder) -> Option<Taken> {
    let original = &held.item.envelope;
    let copies = original.copies + 1;
    let copy = Envelope { attempts: original.attempts + held.attempts, copies, ..original.clone() };
    let confirmed = match remainder {
        Remainder::Retry(tier, cause) => retry(&app, Envelope { visits: copy.visits + 1, ..copy }, tier, &cause).await,
        Remainder::MakeRoom(tier) => {
            let tier = tier.unwrap_or_else(|| Policy::make_room(original.visits, original.copies));
            make_room(&app, copy, tier).await
        }
        Remainder::DeadLetter(reason, cause) => park(&app, copy, reason, cause.as_ref()).await,
    };
    match confirmed {
        Some(_proof) => {
            held.item.acknowledge();
            None
        }
        None => Some(held.item),
    }
}

async fn retry(app: &App, copy: Envelope, tier: Tier, cause: &Cause) -> Option<Confirmed> {
    let delay_ms = tier.delay().as_millis();
    let confirmed = publish(app, QueueName::Retry(copy.class, tier), &copy).await?;
    app.metrics.retried(tier);
    warn!(
        event.id = %copy.id, trace_id = copy.trace_id(), event.type = %copy.event_type, channel = %copy.address, attempts = copy.attempts, delay_ms,
        "Will retry event {}: {cause}", copy.id
    );
    Some(confirmed)
}

async fn make_room(app: &App, copy: Envelope, tier: Tier) -> Option<Confirmed> {
    let delay_ms = tier.delay().as_millis();
    let confirmed = publish(app, QueueName::Retry(copy.class, tier), &copy).await?;
    app.metrics.made_room(tier);
    debug!(event.id = %copy.id, trace_id = copy.trace_id(), channel = %copy.address, delay_ms, "Event {} makes room for others", copy.id);
    Some(confirmed)
}

/// With what DSK said.
async fn park(app: &App, copy: Envelope, reason: Reason, cause: Option<&Cause>) -> Option<Confirmed> {
    let (status, answer) = cause.map(Cause::answer).unwrap_or_default();
    let letter = Letter { reason: reason.as_str().to_owned(), status, answer: answer.to_owned(), parked_at: now() };
    let copy = Envelope { letter: Some(letter), ..copy };
    let confirmed = publish(app, QueueName::Dead, &copy).await?;
    app.metrics.dead_letter(reason);
    error!(
        event.id = %copy.id, trace_id = copy.trace_id(), event.type = %copy.event_type, channel = %copy.address, attempts = copy.attempts, status,
        reason = reason.as_str(), "Parked event {} as a dead letter: {}", copy.id, reason.as_str()
    );
    Some(confirmed)
}

/// Goes on until the copy is confirmed; `None` when the process stops first.
async fn publish(app: &App, place: QueueName, copy: &Envelope) -> Option<Confirmed> {
    let mut failures = 0;
    loop {
        match app.publisher.publish(place, copy).await {
            Ok(confirmed) => return Some(confirmed),
            Err(error) => {
                failures += 1;
                warn!(event.id = %copy.id, trace_id = copy.trace_id(), failures, "Could not publish a copy, the original stays in hand: {error}");
                if !app.shutdown.pause(REPUBLISH.delay(failures, dice())).await {
                    return None;
                }
            }
        }
    }
}
