//! Writes down what DSK has, so that a repeat of it is not delivered again, and disconnects accounts that have left.

use std::sync::Arc;
use std::time::Duration;

use channels::{ChannelStore, End, EndedEvent, LookupAnswer, StoreError, latest_by_our_clock};
use chassis::{Backoff, dice, now};
use event::{Effect, Envelope};
use queue::Taken;
use tracing::{debug, info, warn};

use crate::contacts;
use crate::metrics::{Metrics, SkipReason};
use crate::systems::Systems;
use crate::trails::Trails;

/// Delays between tries to disconnect an account while the store is away.
const REPEAT: Backoff = Backoff { base: Duration::from_millis(500), ceiling: Duration::from_secs(15) };

/// What was taken, and how its event came to its end.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) taken: Taken,
    pub(crate) end: End,
}

/// Marks events, then acknowledges them: if the process dies in between, the redelivery finds the marker.
pub(crate) async fn mark(systems: &Systems, done: Vec<Done>) {
    let (changing, others): (Vec<_>, Vec<_>) = done.into_iter().partition(|done| done.taken.envelope.effect.is_some());
    mark_and_acknowledge(Desk::of(systems), others).await;
    for done in changing {
        apply_effect(systems, done).await;
    }
}

/// Whether a body that is no notification needs no dead letter, because it was parked before or is erased. Nobody can
/// deliver one, and a replay leaves it out: what comes again is a repeat. While the store is away nobody knows that, and a
/// second dead letter is better than none.
pub(crate) async fn needs_no_dead_letter(systems: &Systems, envelope: &Envelope) -> bool {
    let reason = match reason_to_skip(&systems.store, envelope).await {
        Ok(reason) => reason,
        Err(error) => {
            warn!(event.id = %envelope.id, "Parking event {}, though it may be a repeat: {error}", envelope.id);
            None
        }
    };
    let Some(reason) = reason else { return false };
    systems.metrics.skipped_total.inc(reason);
    debug!(event.id = %envelope.id, trace_id = envelope.trace_id(), "Event {} needs no dead letter", envelope.id);
    true
}

async fn reason_to_skip(store: &ChannelStore, envelope: &Envelope) -> Result<Option<SkipReason>, StoreError> {
    let answer = contacts::look_up(store, &[envelope]).await?.pop().map(|found| found.answer);
    if matches!(answer, Some(LookupAnswer::Delivered)) {
        return Ok(Some(SkipReason::Duplicate));
    }
    let is_erased = matches!(answer, Some(LookupAnswer::Erased)) || contacts::names_erased(store, envelope).await?;
    Ok(is_erased.then_some(SkipReason::Erased))
}

/// Marks a body that was parked, then acknowledges it.
pub(crate) async fn mark_parked(systems: &Systems, parked: Taken) {
    mark_and_acknowledge(Desk::of(systems), vec![Done { taken: parked, end: End::Parked }]).await;
}

/// Changes our own records before the event is marked: a repeat of a marked event is skipped, and would not change them.
/// While that fails it is repeated beside everything else; if the process stops meanwhile, the event is delivered again.
async fn apply_effect(systems: &Systems, done: Done) {
    if disconnect(&systems.store, &done.taken).await {
        return mark_and_acknowledge(Desk::of(systems), vec![done]).await;
    }
    let store = systems.store.clone();
    let metrics = systems.metrics.clone();
    let trails = Arc::clone(&systems.trails);
    let shutdown = systems.shutdown.clone();
    systems.shutdown.spawn(async move {
        let mut failures = 1;
        while shutdown.pause(REPEAT.delay(failures, dice())).await {
            if disconnect(&store, &done.taken).await {
                let desk = Desk { store: &store, metrics: &metrics, trails: &trails };
                return mark_and_acknowledge(desk, vec![done]).await;
            }
            failures += 1;
        }
    });
}

/// Disconnects the account that an event says we have left. `false`: the store gave no answer.
async fn disconnect(store: &ChannelStore, taken: &Taken) -> bool {
    let envelope = &taken.envelope;
    let Some(Effect::AccountRemoved { at }) = envelope.effect else { return true };
    let until = latest_by_our_clock(at);
    match store.remove_until(&envelope.address, until, now()).await {
        Ok(is_removed) => {
            let outcome = if is_removed { "Disconnected" } else { "Left as it is" };
            info!(event.id = %envelope.id, trace_id = envelope.trace_id(), %at, "{outcome}: a removed account");
            true
        }
        Err(error) => {
            warn!(
                event.id = %envelope.id, trace_id = envelope.trace_id(),
                "Could not disconnect the channels of a removed account, and will try again: {error}"
            );
            false
        }
    }
}

/// What it takes to mark events.
#[derive(Clone, Copy)]
struct Desk<'s> {
    store: &'s ChannelStore,
    metrics: &'s Metrics,
    trails: &'s Trails,
}

impl<'s> Desk<'s> {
    fn of(systems: &'s Systems) -> Self {
        Self { store: &systems.store, metrics: &systems.metrics, trails: &systems.trails }
    }
}

async fn mark_and_acknowledge(desk: Desk<'_>, done: Vec<Done>) {
    if done.is_empty() {
        return;
    }
    let ended: Vec<EndedEvent> =
        done.iter().map(|done| EndedEvent { id: done.taken.envelope.id.clone(), end: done.end }).collect();
    // The trail of an erased event is removed, and must not come back because it is just being written.
    let has_erased = ended.iter().any(|ended| ended.end == End::Erased);
    let _guard = if has_erased { Some(desk.trails.hold().await) } else { None };
    if let Err(error) = desk.store.mark_ended(&ended, now()).await {
        // DSK or a person has the events. Holding them back for a marker would only repeat them.
        desk.metrics.unmarked_total.add(ended.len());
        warn!(events = ended.len(), "Could not mark settled events: {error}");
    }
    done.into_iter().for_each(|done| done.taken.acknowledge());
}
