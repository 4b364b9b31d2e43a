//! What follows when an envelope is taken.

use queue::Tier;
use tracing::warn;

use super::{Item, Moment, Settlement, Worker};
use crate::lanes::Flight;
use crate::pauses::WAIT_IN_FLIGHT_MAX;
use crate::remedy::Reason;
use crate::tally::Weight;

impl<T: Item> Worker<T> {
    pub(super) fn enter(&mut self, item: T, now: Moment) {
        let envelope = item.envelope();
        let lane = envelope.lane.clone();
        let id = envelope.id.clone();
        let group = self.hints.group_of(&envelope.address);
        let bytes = envelope.body.len();
        let partition = item.partition();
        let weight = Weight { taken_at: now.instant, queued_at: envelope.queued_at, bytes, partition };
        let reason = dead_letter_reason(&item);
        let flight = Flight::new(item, lane, self.tally.enter(weight), now.instant);
        if let Some(reason) = reason {
            return self.settle(flight, Settlement::DeadLetter(reason, None));
        }
        match self.tier_to_follow(&flight, now) {
            Some(tier) => {
                let serial = self.lanes.next_serial();
                self.defer(Flight { serial, ..flight }, tier, now);
            }
            None => self.lanes.enter(flight, group, &id, now.instant),
        }
    }

    /// The retry queue of an event whose lane waits for deferred ones for longer than an event may wait in flight.
    fn tier_to_follow(&self, flight: &Flight<T>, now: Moment) -> Option<Tier> {
        let until = self.lanes.returns_until(&flight.lane, now.instant)?;
        let wait = until.saturating_duration_since(now.instant);
        let is_return = self.lanes.is_expected(&flight.item.envelope().id);
        (wait > WAIT_IN_FLIGHT_MAX && !is_return).then(|| Tier::not_longer_than(wait))
    }
}

/// Why an envelope is parked without an attempt; `None` if it may be attempted.
fn dead_letter_reason<T: Item>(item: &T) -> Option<Reason> {
    let envelope = item.envelope();
    if let Some(fault) = item.fault() {
        warn!(event.id = %envelope.id, "A message in the queue is not an envelope: {fault}");
        return Some(Reason::Undecodable);
    }
    (envelope.event_type.as_str() == ::event::UNRECOGNIZED).then_some(Reason::Unrecognized)
}
