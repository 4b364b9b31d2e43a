//! What follows when an envelope is taken.

use tracing::warn;

use super::{Item, Moment, Settlement, Worker};
use crate::lanes::Flight;
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
        let flight = Flight::new(item, id, lane, self.tally.enter(weight), now.instant);
        if let Some(reason) = reason {
            return self.settle(flight, Settlement::DeadLetter(reason, None), now);
        }
        self.lanes.enter(flight, group);
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
