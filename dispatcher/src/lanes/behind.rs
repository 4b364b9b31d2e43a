//! Lets events of a lane go first that were deferred, whatever the order in which they come back.

use std::collections::HashMap;

use event::{EventId, Lane};
use tokio::time::Instant;

use super::{Due, Flight, Lanes, Named, Phase, Row};

impl<T> Lanes<T> {
    /// Puts an envelope that was handed out back into its lane, because events come first that were deferred. If any of these is
    /// here, it goes on instead. Otherwise the lane waits until `until`, or until something of it is taken.
    pub(crate) fn wait_behind(&mut self, flight: Flight<T>, order: &[EventId], until: Instant) {
        self.end(&flight.lane);
        let id = flight.id.clone();
        let lane = self.requeue(flight);
        let Some(row) = self.rows.get_mut(&lane) else { return };
        row.sort(order);
        let Some(first) = row.queue.front() else { return };
        if first.id != id {
            return self.make_ready(&lane);
        }
        let due = Due { at: until, serial: first.serial, lane: lane.clone() };
        row.phase = Phase::Behind(due.clone());
        self.waiting.insert(due);
    }

    /// Whether an envelope waits in this lane that comes before the one that was handed out, because it was deferred.
    pub(crate) fn has_one_before(&self, lane: &Lane, id: &EventId, order: &[EventId]) -> bool {
        let before = order.iter().take_while(|other| *other != id);
        let Some(row) = self.rows.get(lane) else { return false };
        before.into_iter().any(|other| row.queue.iter().any(|flight| flight.id == *other))
    }

    /// What a lane has in its order, beginning with what is handed out.
    pub(crate) fn named(&self, lane: &Lane) -> Vec<Named> {
        let Some(row) = self.rows.get(lane) else { return Vec::new() };
        row.out.iter().cloned().chain(row.queue.iter().map(Flight::named)).collect()
    }
}

impl<T> Row<T> {
    /// Puts those that come first before the others. Both keep their own order otherwise.
    fn sort(&mut self, order: &[EventId]) {
        let places: HashMap<&EventId, usize> = order.iter().zip(0..).collect();
        let serials: Vec<u64> = self.queue.iter().map(|flight| flight.serial).collect();
        self.queue.make_contiguous().sort_by_key(|flight| places.get(&flight.id).copied().unwrap_or(usize::MAX));
        self.queue.iter_mut().zip(serials).for_each(|(flight, serial)| flight.serial = serial);
    }
}
