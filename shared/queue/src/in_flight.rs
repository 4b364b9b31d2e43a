//! The events in flight. They survive a reconnect, so that a redelivery never starts a second attempt.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use event::{Envelope, EventId};
use jiff::Timestamp;

/// Identifies one copy of an event in the queue. Every publish makes a new copy, with another count or another time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CopyKey {
    id: EventId,
    queued_at: Timestamp,
    copies: u32,
}

impl CopyKey {
    pub(crate) fn of(envelope: &Envelope) -> Self {
        Self { id: envelope.id.clone(), queued_at: envelope.queued_at, copies: envelope.copies }
    }
}

/// What an envelope is that came from the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Its event is not in flight: it has to be handed out.
    New,
    /// Its event is already in flight: this tag is settled with it.
    Joined,
    /// This very copy was settled, but the acknowledgement did not arrive: it has to be acknowledged at once.
    AlreadySettled,
}

/// Events in flight, and copies whose acknowledgement may have been lost with a connection.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    events: HashMap<EventId, EventCopies>,
    /// How many connections are gone, which is the number of the present one.
    connection: u64,
    /// Copies acknowledged recently on this connection. If it breaks, the frames may not have arrived.
    recent: VecDeque<CopyKey>,
    /// Copies settled on a connection that is gone, or just before it broke.
    remembered: HashSet<CopyKey>,
    remembered_order: VecDeque<CopyKey>,
}

/// The connection, by its number, over which an event came last. The taker's side reads it.
pub(crate) type LastConnection = Arc<AtomicU64>;

/// The copies of one event that came from the queue.
#[derive(Debug, Default)]
struct EventCopies {
    last_connection: LastConnection,
    /// Those of the present connection, with their tags.
    tags: Vec<(u64, CopyKey)>,
    /// Those of connections that are gone.
    lost: Vec<CopyKey>,
}

impl InFlight {
    /// Acknowledgements that can be on their way when a connection breaks. Sockets hold far fewer frames.
    const RECENT_MAX: usize = 4_096;
    /// Copies remembered over reconnects. Within seconds of a reconnect a broker redelivers what was lost.
    const REMEMBERED_MAX: usize = 16_384;

    /// How many events are in flight.
    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    /// Notes that a copy came from the queue under `tag`.
    pub(crate) fn arrive(&mut self, tag: u64, key: CopyKey, was_redelivered: bool) -> Arrival {
        if let Some(copies) = self.events.get_mut(&key.id) {
            copies.lost.retain(|lost| *lost != key);
            copies.tags.push((tag, key));
            // It is ours again, if it was not: nobody else gets it while we hold this tag.
            copies.last_connection.store(self.connection, Ordering::Relaxed);
            return Arrival::Joined;
        }
        if was_redelivered && self.remembered.contains(&key) {
            return Arrival::AlreadySettled;
        }
        let last_connection = Arc::new(AtomicU64::new(self.connection));
        self.events.insert(key.id.clone(), EventCopies { last_connection, tags: vec![(tag, key)], lost: Vec::new() });
        Arrival::New
    }

    /// Over which connection an event in flight came last.
    pub(crate) fn last_connection(&self, id: &EventId) -> LastConnection {
        self.events.get(id).map(|copies| Arc::clone(&copies.last_connection)).unwrap_or_default()
    }

    /// Ends an event whose outcome is safe. Returns the tags to acknowledge.
    pub(crate) fn settle(&mut self, id: &EventId) -> Vec<u64> {
        let Some(copies) = self.events.remove(id) else { return Vec::new() };
        copies.lost.into_iter().for_each(|key| self.remember(key));
        let (tags, keys): (Vec<u64>, Vec<CopyKey>) = copies.tags.into_iter().unzip();
        for key in keys {
            if self.recent.len() == Self::RECENT_MAX {
                self.recent.pop_front();
            }
            self.recent.push_back(key);
        }
        tags
    }

    /// Ends an event that goes back unsettled. Returns the tags to give back.
    pub(crate) fn release(&mut self, id: &EventId) -> Vec<u64> {
        let copies = self.events.remove(id).unwrap_or_default();
        copies.tags.into_iter().map(|(tag, _)| tag).collect()
    }

    /// Ends every event; all of them go back unsettled. Returns the tags of the present connection.
    pub(crate) fn release_all(&mut self) -> Vec<u64> {
        self.events.drain().flat_map(|(_, copies)| copies.tags).map(|(tag, _)| tag).collect()
    }

    /// The connection is gone, and its tags with it. The events stay in flight.
    pub(crate) fn connection_lost(&mut self) {
        self.connection += 1;
        for copies in self.events.values_mut() {
            copies.lost.extend(copies.tags.drain(..).map(|(_, key)| key));
        }
        for key in std::mem::take(&mut self.recent) {
            self.remember(key);
        }
    }

    fn remember(&mut self, key: CopyKey) {
        if self.remembered_order.len() == Self::REMEMBERED_MAX
            && let Some(oldest) = self.remembered_order.pop_front()
        {
            self.remembered.remove(&oldest);
        }
        if self.remembered.insert(key.clone()) {
            self.remembered_order.push_back(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(id: &str, copies: u32) -> CopyKey {
        CopyKey { id: EventId::new(id), queued_at: Timestamp::UNIX_EPOCH, copies }
    }

    #[test]
    fn a_redelivery_joins_its_event_in_flight_and_is_acknowledged_under_its_new_tag() {
        let mut in_flight = InFlight::default();
        assert_eq!(in_flight.arrive(7, copy("evt_a", 0), false), Arrival::New);

        in_flight.connection_lost();

        assert_eq!(in_flight.arrive(1, copy("evt_a", 0), true), Arrival::Joined);
        assert_eq!(in_flight.settle(&EventId::new("evt_a")), [1]);
    }

    #[test]
    fn a_copy_that_was_settled_without_a_connection_is_not_taken_again() {
        let mut in_flight = InFlight::default();
        in_flight.arrive(7, copy("evt_a", 0), false);
        in_flight.connection_lost();
        assert_eq!(in_flight.settle(&EventId::new("evt_a")), [0_u64; 0]);

        assert_eq!(in_flight.arrive(1, copy("evt_a", 0), true), Arrival::AlreadySettled);
    }

    #[test]
    fn an_acknowledgement_that_was_lost_on_the_wire_is_repeated() {
        let mut in_flight = InFlight::default();
        in_flight.arrive(7, copy("evt_a", 0), false);
        in_flight.settle(&EventId::new("evt_a"));

        in_flight.connection_lost();

        assert_eq!(in_flight.arrive(1, copy("evt_a", 0), true), Arrival::AlreadySettled);
    }

    #[test]
    fn a_retry_of_a_settled_event_is_taken() {
        let mut in_flight = InFlight::default();
        in_flight.arrive(7, copy("evt_a", 0), false);
        in_flight.settle(&EventId::new("evt_a"));
        in_flight.connection_lost();

        assert_eq!(
            in_flight.arrive(1, copy("evt_a", 1), true),
            Arrival::New,
            "it is the next copy, not the settled one"
        );
    }

    #[test]
    fn a_settled_event_that_meta_repeats_is_taken() {
        let mut in_flight = InFlight::default();
        in_flight.arrive(7, copy("evt_a", 0), false);
        in_flight.settle(&EventId::new("evt_a"));

        assert_eq!(
            in_flight.arrive(8, copy("evt_a", 0), false),
            Arrival::New,
            "only a redelivery can be the settled copy"
        );
    }

    #[test]
    fn two_copies_in_flight_share_one_outcome() {
        let mut in_flight = InFlight::default();
        in_flight.arrive(1, copy("evt_a", 0), false);

        assert_eq!(in_flight.arrive(2, copy("evt_a", 1), false), Arrival::Joined);
        assert_eq!(in_flight.settle(&EventId::new("evt_a")), [1, 2]);
    }
}
