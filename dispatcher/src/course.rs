//! One envelope's course while it is in hand: look up, attempt, decide, and settle.

use std::time::Duration;

use channels::{Found, Route};
use chassis::dice;
use event::{Effect, Envelope};
use queue::{Confirmed, Taken};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::app::App;
use crate::settle::{self, Verdict};
use crate::{Cause, Next, Reason, Situation};

/// How a course ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The queue may forget the envelope.
    Settled(Proof),
    /// The process stops first; the envelope goes back.
    Interrupted,
}

/// Why the queue may forget an envelope.
#[derive(Debug)]
pub(crate) enum Proof {
    /// DSK has the event.
    Delivered,
    /// The queue has a copy: a retry or a dead letter.
    Copied(Confirmed),
    /// There is nothing to deliver.
    Forgotten,
}

/// What is true of an envelope before any attempt.
enum Standing {
    Deliver(Box<Route>),
    Forget(Forgotten),
    Fail(Cause),
}

/// Why an event needs no delivery, as a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forgotten {
    /// DSK has it.
    Duplicate,
    /// The person or channel asked for erasure.
    Erased,
    /// The channel is disconnected.
    Disconnected,
}

impl Forgotten {
    pub(crate) const ALL: [Self; 3] = [Self::Duplicate, Self::Erased, Self::Disconnected];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Erased => "erased",
            Self::Disconnected => "disconnected",
        }
    }
}

/// Runs the course.
pub(crate) async fn run(app: &App, taken: &Taken) -> Ended {
    let envelope = &taken.envelope;
    if let Some(fault) = taken.fault {
        warn!(event.id = %envelope.id, "A message in the queue is no envelope: {fault}");
        return settle::dead_letter(app, envelope, Reason::Undecodable).await;
    }
    if envelope.event_type.as_str() == event::UNRECOGNIZED {
        return settle::dead_letter(app, envelope, Reason::Unrecognized).await;
    }
    let started = Instant::now();
    let mut attempts = 0;
    loop {
        let Some(found) = app.lookups.look_up(envelope).await else { return Ended::Interrupted };
        let cause = match standing(found) {
            Standing::Forget(why) => return forget(app, envelope, why),
            Standing::Fail(cause) => cause,
            Standing::Deliver(route) => {
                attempts += 1;
                attempt(app, envelope, &route, attempts).await
            }
        };
        let situation = Situation {
            age: app.age(envelope),
            in_hand: started.elapsed(),
            attempts_in_hand: attempts.max(1),
            visits: envelope.visits,
        };
        let next = app.policy.next(&cause, situation, dice());
        app.metrics.ended(&cause);
        match next {
            Next::Delivered => return delivered(app, envelope).await,
            Next::AttemptAgain(delay) => {
                tell(envelope, &cause, attempts, delay);
                if !app.shutdown.pause(delay).await {
                    return Ended::Interrupted;
                }
            }
            Next::Retry(tier) => return settle::retry(app, envelope, Verdict { cause, attempts }, tier).await,
            Next::DeadLetter(reason) => {
                return settle::park(app, envelope, Verdict { cause, attempts }, reason).await;
            }
        }
    }
}

/// The first failure is told aloud, those that follow only to who asks.
fn tell(envelope: &Envelope, cause: &Cause, attempts: u32, delay: Duration) {
    let (id, delay_ms) = (&envelope.id, delay.as_millis());
    if attempts <= 1 {
        warn!(event.id = %id, attempts, delay_ms, "Will try event {id} again soon: {cause}");
    } else {
        debug!(event.id = %id, attempts, delay_ms, "Will try event {id} again soon: {cause}");
    }
}

fn standing(found: Found) -> Standing {
    match found {
        Found::Delivered => Standing::Forget(Forgotten::Duplicate),
        Found::Erased => Standing::Forget(Forgotten::Erased),
        Found::Unknown => Standing::Fail(Cause::UnknownChannel),
        Found::Damaged(reason) => Standing::Fail(Cause::Damaged(reason)),
        Found::Disconnected => Standing::Forget(Forgotten::Disconnected),
        Found::Channel(route) => Standing::Deliver(route),
    }
}

async fn attempt(app: &App, envelope: &Envelope, route: &Route, attempts_in_hand: u32) -> Cause {
    let started = Instant::now();
    let number = envelope.attempts + attempts_in_hand;
    let cause = app.attempts.make(envelope, route, number).await;
    if cause.is_attempt() {
        app.metrics.attempted(started.elapsed());
    }
    cause
}

/// The marker first: should we die before the acknowledgement, the redelivery finds it.
async fn delivered(app: &App, envelope: &Envelope) -> Ended {
    if let Err(error) = app.store.mark_delivered(std::slice::from_ref(&envelope.id)).await {
        // DSK has the event; holding it back for a marker would only deliver it twice.
        app.metrics.unmarked();
        warn!(event.id = %envelope.id, %error, "Delivered event {}, but could not mark it: {error}", envelope.id);
    }
    if envelope.effect == Some(Effect::AccountRemoved)
        && let Err(error) = app.store.remove(&envelope.address, app.clock.now()).await
    {
        warn!(event.id = %envelope.id, %error, "Could not disconnect the channels of a removed account: {error}");
    }
    let age = app.age(envelope);
    app.metrics.delivered(envelope.class, age);
    info!(event.id = %envelope.id, event.type = %envelope.event_type, age_ms = age.as_millis(), "Delivered event {}", envelope.id);
    Ended::Settled(Proof::Delivered)
}

fn forget(app: &App, envelope: &Envelope, why: Forgotten) -> Ended {
    app.metrics.forgotten(why);
    info!(event.id = %envelope.id, why = why.as_str(), "Event {} needs no delivery", envelope.id);
    Ended::Settled(Proof::Forgotten)
}
