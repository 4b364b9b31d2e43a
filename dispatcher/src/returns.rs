//! Remembers which deferred events will come back and where in their lane they belong, so that a lane keeps its order
//! through deferral. Pure.

use std::collections::{BTreeMap, HashMap};

use event::{EventId, Lane};
use tokio::time::Instant;

/// Deferred events that are expected back. Only those that this dispatcher has deferred: another one may get them back.
#[derive(Debug, Default)]
pub(crate) struct Returns {
    /// The place in the order of arrival that an event had.
    places: HashMap<EventId, u64>,
    /// Until when each place of a lane is kept.
    lanes: HashMap<Lane, BTreeMap<u64, Kept>>,
}

#[derive(Debug)]
struct Kept {
    id: EventId,
    until: Instant,
}

impl Returns {
    /// Most events remembered, some 200 bytes each. The order of what is deferred beyond this may change.
    pub(crate) const MAX: usize = 65_536;

    /// Keeps the place of an event that is being deferred.
    pub(crate) fn expect(&mut self, lane: &Lane, id: &EventId, serial: u64, until: Instant) {
        if self.places.len() >= Self::MAX {
            return;
        }
        self.places.insert(id.clone(), serial);
        self.lanes.entry(lane.clone()).or_default().insert(serial, Kept { id: id.clone(), until });
    }

    /// An event was taken: its place in the order of arrival, if it had one that was kept.
    pub(crate) fn arrive(&mut self, lane: &Lane, id: &EventId) -> Option<u64> {
        if self.places.is_empty() {
            return None;
        }
        let serial = self.places.remove(id)?;
        if let Some(places) = self.lanes.get_mut(lane) {
            places.remove(&serial);
            if places.is_empty() {
                self.lanes.remove(lane);
            }
        }
        Some(serial)
    }

    /// Whether the place of this event is kept.
    pub(crate) fn is_expected(&self, id: &EventId) -> bool {
        self.places.contains_key(id)
    }

    /// How long an event at this place has to wait for earlier ones of its lane; `None` if it need not.
    pub(crate) fn until(&self, lane: &Lane, serial: u64, now: Instant) -> Option<Instant> {
        let earlier = self.lanes.get(lane)?.range(..serial).map(|(_, kept)| kept.until);
        earlier.max().filter(|until| *until > now)
    }

    /// Gives up on events that have not come back in time.
    pub(crate) fn remove_overdue(&mut self, now: Instant) {
        let places = &mut self.places;
        self.lanes.retain(|_, lane| {
            lane.retain(|_, kept| {
                let is_kept = kept.until > now;
                if !is_kept {
                    places.remove(&kept.id);
                }
                is_kept
            });
            !lane.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_event_comes_back_to_its_place_and_later_ones_wait_for_it_until_then_or_until_it_is_overdue() {
        let now = Instant::now();
        let soon = now + Duration::from_secs(20);
        let lane = Lane::new("whatsapp:1/2");
        let mut returns = Returns::default();
        returns.expect(&lane, &EventId::new("evt_a"), 3, soon);
        returns.expect(&lane, &EventId::new("evt_b"), 4, soon + Duration::from_secs(5));

        assert_eq!(returns.until(&lane, 3, now), None, "nothing before it is deferred");
        assert_eq!(returns.until(&lane, 4, now), Some(soon));
        assert_eq!(returns.until(&lane, 9, now), Some(soon + Duration::from_secs(5)));
        assert_eq!(returns.until(&Lane::new("whatsapp:1/3"), 9, now), None);

        assert_eq!(returns.arrive(&lane, &EventId::new("evt_a")), Some(3));
        assert_eq!(returns.arrive(&lane, &EventId::new("evt_a")), None, "that is another copy of it");
        assert_eq!(returns.until(&lane, 4, now), None);

        returns.remove_overdue(soon + Duration::from_secs(5));
        assert_eq!(returns.until(&lane, 9, now), None);
        assert_eq!(returns.arrive(&lane, &EventId::new("evt_b")), None);
    }
}
