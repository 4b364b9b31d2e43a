//! The steps of an envelope's course that need nothing but the app: decide, mark, and tell.

use std::time::Duration;

use chassis::{dice, now};
use event::{Effect, Envelope, EventId};
use queue::Taken;
use tracing::{debug, info, warn};

use crate::app::App;
use crate::hand::Held;
use crate::{Cause, Next, Reason, Situation};

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

/// Why no attempt may ever be made.
pub(crate) fn fault(taken: &Taken) -> Option<Reason> {
    let envelope = &taken.envelope;
    if let Some(fault) = taken.fault {
        warn!(event.id = %envelope.id, "A message in the queue is no envelope: {fault}");
        return Some(Reason::Undecodable);
    }
    (envelope.event_type.as_str() == event::UNRECOGNIZED).then_some(Reason::Unrecognized)
}

/// Asks the policy.
pub(crate) fn decide(app: &App, held: &Held<Taken>, cause: &Cause, (failing_for, is_paused): (Duration, bool)) -> Next {
    let envelope = &held.item.envelope;
    let situation = Situation {
        age: App::age(envelope),
        failures: held.failures,
        failing_for,
        visits: envelope.visits,
        copies: envelope.copies,
        is_paused,
    };
    app.policy.next(cause, situation, dice())
}

/// The marker first: should we die before the acknowledgement, the redelivery finds it.
pub(crate) async fn mark(app: &App, delivered: Vec<Taken>) {
    let ids: Vec<EventId> = delivered.iter().map(|taken| taken.envelope.id.clone()).collect();
    if let Err(error) = app.store.mark_delivered(&ids).await {
        // DSK has the events; holding them back for a marker would only deliver them twice.
        app.metrics.unmarked(ids.len());
        warn!(events = ids.len(), %error, "Delivered {} events, but could not mark them: {error}", ids.len());
    }
    for taken in delivered {
        let envelope = &taken.envelope;
        if envelope.effect == Some(Effect::AccountRemoved)
            && let Err(error) = app.store.remove(&envelope.address, now()).await
        {
            warn!(event.id = %envelope.id, trace_id = envelope.trace_id(), %error, "Could not disconnect the channels of a removed account: {error}");
        }
        taken.acknowledge();
    }
}

pub(crate) fn tell_delivered(app: &App, envelope: &Envelope) {
    let age = App::age(envelope);
    app.metrics.delivered(envelope.class, age);
    info!(
        event.id = %envelope.id, event.type = %envelope.event_type, trace_id = envelope.trace_id(),
        age_ms = age.as_millis(), "Delivered event {}", envelope.id
    );
}

/// The first failure is told aloud, those that follow only to who asks.
pub(crate) fn tell_failed(held: &Held<Taken>, cause: &Cause, delay: Option<Duration>) {
    let (id, trace_id, attempts) = (&held.item.envelope.id, held.item.envelope.trace_id(), held.attempts);
    let delay_ms = delay.map(|delay| delay.as_millis());
    let what = if delay.is_some() { "Will try event" } else { "Holding event" };
    if held.attempts <= 1 && held.failures <= 1 {
        warn!(event.id = %id, trace_id, attempts, delay_ms, "{what} {id}: {cause}");
    } else {
        debug!(event.id = %id, trace_id, attempts, delay_ms, "{what} {id}: {cause}");
    }
}

pub(crate) fn tell_forgotten(app: &App, envelope: &Envelope, why: Forgotten) {
    app.metrics.forgotten(why);
    info!(event.id = %envelope.id, trace_id = envelope.trace_id(), why = why.as_str(), "Event {} needs no delivery", envelope.id);
}
