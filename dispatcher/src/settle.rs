//! Settling what was not delivered: the copy is confirmed before the original may be acknowledged, so that a crash
//! in between leaves a duplicate, never a gap.

use std::time::Duration;

use chassis::{Backoff, dice};
use event::{Envelope, Letter};
use queue::{Confirmed, Place, Tier};
use tracing::{error, warn};

use crate::app::App;
use crate::course::{Ended, Proof};
use crate::{Cause, Reason};

/// Delays between publishes of a copy while the queue is away; the original stays in hand meanwhile.
const REPUBLISH: Backoff = Backoff { base: Duration::from_millis(200), ceiling: Duration::from_secs(5) };

/// How the attempts of this take ended.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) cause: Cause,
    /// Attempts of this take.
    pub(crate) attempts: u32,
}

/// Publishes the next attempt for later.
pub(crate) async fn retry(app: &App, original: &Envelope, verdict: Verdict, tier: Tier) -> Ended {
    let copy = Envelope {
        attempts: original.attempts + verdict.attempts,
        visits: original.visits + 1,
        copies: original.copies + 1,
        ..original.clone()
    };
    let delay_ms = tier.delay().as_millis();
    let place = Place::Retry(copy.class, tier);
    let Some(confirmed) = publish(app, place, &copy).await else { return Ended::Interrupted };
    app.metrics.retried(tier);
    warn!(
        event.id = %copy.id, event.type = %copy.event_type, channel = %copy.address, attempts = copy.attempts, delay_ms,
        "Will retry event {}: {}", copy.id, verdict.cause
    );
    Ended::Settled(Proof::Copied(confirmed))
}

/// Parks an event for a person, with what DSK said.
pub(crate) async fn park(app: &App, original: &Envelope, verdict: Verdict, reason: Reason) -> Ended {
    let (status, answer) = verdict.cause.answer();
    let letter =
        Letter { reason: reason.as_str().to_owned(), status, answer: answer.to_owned(), parked_at: app.clock.now() };
    let copy = Envelope {
        attempts: original.attempts + verdict.attempts,
        copies: original.copies + 1,
        letter: Some(letter),
        ..original.clone()
    };
    let Some(confirmed) = publish(app, Place::Dead, &copy).await else { return Ended::Interrupted };
    app.metrics.dead_letter(reason);
    error!(
        event.id = %copy.id, event.type = %copy.event_type, channel = %copy.address, attempts = copy.attempts, status,
        reason = reason.as_str(), "Parked event {} as a dead letter: {}", copy.id, reason.as_str()
    );
    Ended::Settled(Proof::Copied(confirmed))
}

/// Parks what no attempt was made for.
pub(crate) async fn dead_letter(app: &App, original: &Envelope, reason: Reason) -> Ended {
    let cause = Cause::Damaged(reason.as_str().to_owned());
    park(app, original, Verdict { cause, attempts: 0 }, reason).await
}

/// Goes on until the copy is confirmed; `None` when the process stops first.
async fn publish(app: &App, place: Place, copy: &Envelope) -> Option<Confirmed> {
    let mut failures = 0;
    loop {
        match app.publisher.publish(place, copy).await {
            Ok(confirmed) => return Some(confirmed),
            Err(error) => {
                failures += 1;
                warn!(event.id = %copy.id, failures, "Could not publish a copy, the original stays in hand: {error}");
                if !app.shutdown.pause(REPUBLISH.delay(failures, dice())).await {
                    return None;
                }
            }
        }
    }
}
