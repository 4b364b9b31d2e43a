//! What this process holds, by event: survives a reconnect, so that a redelivery never starts a second attempt.

use std::collections::{HashMap, HashSet, VecDeque};

use event::{Envelope, EventId};
use jiff::Timestamp;

/// One copy of an event in the queue. Every publish makes another one: the copies count differs, or the time.
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

/// What to do with an envelope that came from the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Hand it out.
    New,
    /// The same event is under way: this tag shares its outcome.
    Joined,
    /// This very copy was settled, but the broker did not hear it: acknowledge at once.
    AlreadySettled,
}

/// Events under way, and copies whose acknowledgement may have been lost with a connection.
#[derive(Debug, Default)]
pub(crate) struct InHand {
    held: HashMap<EventId, Held>,
    /// Copies acknowledged on this connection lately: the frames may not have arrived if it breaks.
    recent: VecDeque<CopyKey>,
    /// Copies settled on a connection that is gone.
    remembered: HashSet<CopyKey>,
    remembered_order: VecDeque<CopyKey>,
}

#[derive(Debug, Default)]
struct Held {
    /// Tags of the present connection.
    tags: Vec<(u64, CopyKey)>,
    /// Copies that were handed out on a connection that is gone.
    lost: Vec<CopyKey>,
}

impl InHand {
    /// Acknowledgements that can be on their way when a connection breaks; sockets hold far fewer frames.
    const RECENT_MAX: usize = 4_096;
    /// Copies remembered over reconnects; a broker hands out what was lost within seconds of a reconnect.
    const REMEMBERED_MAX: usize = 16_384;

    /// Events under way.
    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    /// An envelope came under `tag`.
    pub(crate) fn arrive(&mut self, tag: u64, key: CopyKey, was_redelivered: bool) -> Arrival {
        if let Some(held) = self.held.get_mut(&key.id) {
            held.lost.retain(|lost| *lost != key);
            held.tags.push((tag, key));
            return Arrival::Joined;
        }
        if was_redelivered && self.remembered.contains(&key) {
            return Arrival::AlreadySettled;
        }
        self.held.insert(key.id.clone(), Held { tags: vec![(tag, key)], lost: Vec::new() });
        Arrival::New
    }

    /// The event's outcome is safe: gives the tags to acknowledge.
    pub(crate) fn settle(&mut self, id: &EventId) -> Vec<u64> {
        let Some(held) = self.held.remove(id) else { return Vec::new() };
        held.lost.into_iter().for_each(|key| self.remember(key));
        let (tags, keys): (Vec<u64>, Vec<CopyKey>) = held.tags.into_iter().unzip();
        for key in keys {
            if self.recent.len() == Self::RECENT_MAX {
                self.recent.pop_front();
            }
            self.recent.push_back(key);
        }
        tags
    }

    /// The event goes back unsettled: gives the tags to give back.
    pub(crate) fn release(&mut self, id: &EventId) -> Vec<u64> {
        self.held.remove(id).map(|held| held.tags.into_iter().map(|(tag, _)| tag).collect()).unwrap_or_default()
    }

    /// Everything goes back unsettled: gives the tags of the present connection.
    pub(crate) fn release_all(&mut self) -> Vec<u64> {
        self.held.drain().flat_map(|(_, held)| held.tags).map(|(tag, _)| tag).collect()
    }

    /// The connection is gone, and its tags with it; the attempts under way go on.
    pub(crate) fn connection_lost(&mut self) {
        for held in self.held.values_mut() {
            held.lost.extend(held.tags.drain(..).map(|(_, key)| key));
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
    fn a_redelivery_joins_the_attempt_under_way_and_is_acknowledged_under_its_new_tag() {
        let mut hand = InHand::default();
        assert_eq!(hand.arrive(7, copy("evt_a", 0), false), Arrival::New);

        hand.connection_lost();

        assert_eq!(hand.arrive(1, copy("evt_a", 0), true), Arrival::Joined);
        assert_eq!(hand.settle(&EventId::new("evt_a")), [1]);
    }

    #[test]
    fn a_redelivery_after_the_outcome_takes_the_remembered_outcome() {
        let mut hand = InHand::default();
        hand.arrive(7, copy("evt_a", 0), false);
        hand.connection_lost();
        assert_eq!(hand.settle(&EventId::new("evt_a")), [0_u64; 0]);

        assert_eq!(hand.arrive(1, copy("evt_a", 0), true), Arrival::AlreadySettled);
    }

    #[test]
    fn an_acknowledgement_lost_on_the_wire_is_made_again() {
        let mut hand = InHand::default();
        hand.arrive(7, copy("evt_a", 0), false);
        hand.settle(&EventId::new("evt_a"));

        hand.connection_lost();

        assert_eq!(hand.arrive(1, copy("evt_a", 0), true), Arrival::AlreadySettled);
    }

    #[test]
    fn a_retry_of_a_settled_event_is_taken_anew() {
        let mut hand = InHand::default();
        hand.arrive(7, copy("evt_a", 0), false);
        hand.settle(&EventId::new("evt_a"));
        hand.connection_lost();

        assert_eq!(hand.arrive(1, copy("evt_a", 1), true), Arrival::New, "it is the next copy, not the settled one");
    }

    #[test]
    fn a_repeat_from_meta_of_a_settled_event_is_taken_anew() {
        let mut hand = InHand::default();
        hand.arrive(7, copy("evt_a", 0), false);
        hand.settle(&EventId::new("evt_a"));

        assert_eq!(hand.arrive(8, copy("evt_a", 0), false), Arrival::New, "only a redelivery can be the settled copy");
    }

    #[test]
    fn two_copies_in_hand_share_one_outcome() {
        let mut hand = InHand::default();
        hand.arrive(1, copy("evt_a", 0), false);

        assert_eq!(hand.arrive(2, copy("evt_a", 1), false), Arrival::Joined);
        assert_eq!(hand.settle(&EventId::new("evt_a")), [1, 2]);
    }
}
