//! Holds the lanes that wait until an obstacle is gone, and wakes only as many of them as may ask. Pure.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use event::Lane;
use tokio::time::Instant;

/// A parked lane's place in its group: the one whose first envelope has the fewest attempts comes first, so that an event
/// that DSK can't digest does not keep a breaker open; of these, the one that arrived first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) attempts: u32,
    pub(crate) serial: u64,
    pub(crate) lane: Lane,
}

/// Lanes that wait, by the obstacle that they wait for. It is time for an obstacle when some of its lanes may ask again.
#[derive(Debug)]
pub(crate) struct Parking<O, G> {
    lots: HashMap<O, Lot<G>>,
    /// Not later than the time of any obstacle.
    next_due: Option<Instant>,
}

/// The lanes that wait for one obstacle, by group. Where one lane may ask, it is one of the group that has asked least:
/// what always fails for one group must not keep an obstacle in the way of the others.
#[derive(Debug)]
struct Lot<G> {
    due: Instant,
    groups: HashMap<G, Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// How often one of its lanes was woken. The group is kept without lanes, so that this count stays.
    asked: u32,
    places: BTreeSet<Place>,
}

impl<O, G> Default for Parking<O, G> {
    fn default() -> Self {
        Self { lots: HashMap::new(), next_due: None }
    }
}

impl<O: Clone + Ord + Hash, G: Clone + Eq + Hash> Parking<O, G> {
    /// A lane of that group waits. It has just been told until when, so that is when it is time for all lanes of the
    /// obstacle.
    pub(crate) fn park(&mut self, obstacle: O, group: G, place: Place, until: Instant) {
        let lot = self.lots.entry(obstacle).or_insert_with(|| Lot { due: until, groups: HashMap::new() });
        lot.due = until;
        lot.groups.entry(group).or_default().places.insert(place);
        self.note_due(until);
    }

    /// A lane leaves without being woken.
    pub(crate) fn remove(&mut self, obstacle: &O, group: &G, place: &Place) {
        let Some(lot) = self.lots.get_mut(obstacle) else { return };
        if let Some(waiting) = lot.groups.get_mut(group) {
            waiting.places.remove(place);
        }
        if lot.is_empty() {
            self.lots.remove(obstacle);
        }
    }

    /// When it is time for the next obstacle, or earlier.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.next_due
    }

    /// The obstacles for which it is time. Their order depends on nothing else, so that a simulation can be repeated.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<O> {
        if self.next_due.is_none_or(|due| due > now) {
            return Vec::new();
        }
        self.next_due = self.lots.values().map(|lot| lot.due).filter(|due| *due > now).min();
        let due = self.lots.iter().filter(|(_, lot)| lot.due <= now);
        let mut due: Vec<O> = due.map(|(obstacle, _)| obstacle.clone()).collect();
        due.sort_unstable();
        due
    }

    /// Something about pauses has changed: it is time for every obstacle.
    pub(crate) fn make_due(&mut self, now: Instant) {
        self.lots.values_mut().for_each(|lot| lot.due = lot.due.min(now));
        self.next_due = (!self.lots.is_empty()).then_some(now);
    }

    /// Wakes the first lanes of an obstacle; for the others it is time again at `again_at`.
    pub(crate) fn wake(&mut self, obstacle: &O, lanes: usize, again_at: Instant) -> Vec<Lane> {
        let Some(lot) = self.lots.get_mut(obstacle) else { return Vec::new() };
        let woken = if lanes == usize::MAX {
            lot.take_all()
        } else {
            std::iter::from_fn(|| lot.next_to_ask()).take(lanes).collect()
        };
        lot.due = again_at;
        if lot.is_empty() {
            self.lots.remove(obstacle);
        } else {
            self.note_due(again_at);
        }
        woken
    }

    /// When it is time for the lanes that wait for this obstacle; `None` if none does.
    pub(crate) fn due_at(&self, obstacle: &O) -> Option<Instant> {
        self.lots.get(obstacle).map(|lot| lot.due)
    }

    fn note_due(&mut self, due: Instant) {
        self.next_due = Some(self.next_due.map_or(due, |other| other.min(due)));
    }
}

impl<G> Lot<G> {
    fn is_empty(&self) -> bool {
        self.groups.values().all(|waiting| waiting.places.is_empty())
    }

    fn next_to_ask(&mut self) -> Option<Lane> {
        let waiting = self.groups.values_mut().filter(|waiting| !waiting.places.is_empty());
        let next =
            waiting.min_by(|one, other| (one.asked, one.places.first()).cmp(&(other.asked, other.places.first())))?;
        next.asked = next.asked.saturating_add(1);
        Some(next.places.pop_first()?.lane)
    }

    fn take_all(&mut self) -> Vec<Lane> {
        let mut places: Vec<Place> = self.groups.drain().flat_map(|(_, waiting)| waiting.places).collect();
        places.sort_unstable();
        places.into_iter().map(|place| place.lane).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn place(attempts: u32, serial: u64) -> Place {
        Place { attempts, serial, lane: Lane::new(serial.to_string()) }
    }

    fn lanes(serials: &[u64]) -> Vec<Lane> {
        serials.iter().map(|serial| Lane::new(serial.to_string())).collect()
    }

    #[test]
    fn the_least_tried_lane_of_an_obstacle_is_woken_first_and_the_others_when_it_is_time_again() {
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        let mut parking = Parking::default();
        for place in [place(1, 1), place(0, 3), place(0, 2)] {
            parking.park("origin", "tenant", place, later);
        }
        parking.park("other", "tenant", place(0, 9), later + Duration::from_secs(1));
        assert!(parking.due(now).is_empty());

        assert_eq!(parking.due(later), ["origin"]);
        assert_eq!(parking.wake(&"origin", 1, later + Duration::from_secs(5)), lanes(&[2]));
        assert_eq!(parking.next_due(), Some(later + Duration::from_secs(1)));
        assert!(parking.due(later).is_empty());

        parking.make_due(later);
        let mut due = parking.due(later);
        due.sort_unstable();
        assert_eq!(due, ["origin", "other"]);
        assert_eq!(parking.wake(&"origin", usize::MAX, later), lanes(&[3, 1]));
        assert_eq!(parking.due_at(&"origin"), None);
    }

    #[test]
    fn a_lane_that_leaves_is_not_woken() {
        let now = Instant::now();
        let mut parking = Parking::default();
        parking.park("origin", "tenant", place(0, 1), now);
        parking.park("origin", "tenant", place(0, 2), now);

        parking.remove(&"origin", &"tenant", &place(0, 1));

        assert_eq!(parking.wake(&"origin", 2, now), lanes(&[2]));
    }

    #[test]
    fn a_group_whose_lanes_ask_in_vain_keeps_no_other_group_from_asking() {
        let now = Instant::now();
        let mut parking = Parking::default();
        (1..=200).for_each(|serial| parking.park("origin", "hanging", place(0, serial), now));
        assert_eq!(parking.wake(&"origin", 1, now), lanes(&[1]));
        assert_eq!(parking.wake(&"origin", 1, now), lanes(&[2]));

        parking.park("origin", "healthy", place(0, 900), now);
        parking.park("origin", "healthy", place(0, 901), now);

        assert_eq!(parking.wake(&"origin", 1, now), lanes(&[900]), "it has asked least");
        parking.park("origin", "healthy", place(1, 900), now);
        assert_eq!(parking.wake(&"origin", 2, now), lanes(&[901, 3]), "then both take turns");
        assert_eq!(parking.wake(&"origin", usize::MAX, now)[..2], lanes(&[4, 5]), "all go in the order of arrival");
    }
}
