//! Makes room in the lanes: finds the group that has most in flight, and removes the latest envelopes of it.

use std::collections::{HashMap, HashSet};

use event::Lane;
use tokio::time::Instant;

use super::{Flight, Lanes, Phase, Row};
use crate::group::Group;

/// A group, and what it has in its lanes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holding {
    pub(crate) group: Group,
    /// Envelopes, or their bytes.
    pub(crate) amount: usize,
    /// The part of it whose lanes wait for the end of a pause.
    pub(crate) parked: usize,
    /// When the one that has waited longest was taken.
    pub(crate) since: Instant,
}

/// An envelope that was removed to make room.
#[derive(Debug)]
pub(crate) struct Removed<T> {
    pub(crate) flight: Flight<T>,
    /// Its lane waited only for its turn, not for a pause or a delay.
    pub(crate) was_ready: bool,
    /// The envelope that was the first of what is removed of the lane: all of it goes the same way.
    pub(crate) first_of_lane: bool,
}

impl<T> Lanes<T> {
    /// The group that has most in its lanes. What has no weight does not count, nor what is handed out: nobody can make room
    /// with it.
    pub(crate) fn largest(&self, weight: impl Fn(&T) -> usize) -> Option<Holding> {
        let mut holdings: HashMap<&Group, Holding> = HashMap::new();
        for row in self.rows.values() {
            let Some(first) = row.queue.front() else { continue };
            let amount: usize = row.queue.iter().map(|flight| weight(&flight.item)).sum();
            if amount == 0 {
                continue;
            }
            let holding = holdings.entry(&row.group).or_insert_with(|| Holding {
                group: row.group.clone(),
                amount: 0,
                parked: 0,
                since: first.taken_at,
            });
            holding.amount += amount;
            if matches!(row.phase, Phase::Parked(..)) {
                holding.parked += amount;
            }
            holding.since = holding.since.min(first.taken_at);
        }
        let is_less = |one: &Holding, other: &Holding| (one.amount, &one.group).cmp(&(other.amount, &other.group));
        holdings.into_values().max_by(is_less)
    }

    /// Removes the latest lanes of a group, until this amount is removed; of the last of these lanes only the end. The
    /// envelopes of a lane come in their order.
    pub(crate) fn remove_latest(
        &mut self,
        group: &Group,
        amount: usize,
        weight: impl Fn(&T) -> usize,
    ) -> Vec<Removed<T>> {
        let has_weight = |row: &Row<T>| row.queue.iter().any(|flight| weight(&flight.item) > 0);
        let of_group = self.rows.iter().filter(|(_, row)| row.group == *group && has_weight(row));
        let mut lanes: Vec<Place> = of_group
            .filter_map(|(lane, row)| Some(Place { serial: row.queue.front()?.serial, lane: lane.clone() }))
            .collect();
        lanes.sort_unstable_by_key(|place| std::cmp::Reverse(place.serial));
        let mut removed = Vec::new();
        let mut missing = amount;
        for place in lanes {
            if missing == 0 {
                break;
            }
            let Some(row) = self.rows.get_mut(&place.lane) else { continue };
            let mut keep = row.queue.len();
            while keep > 0 && missing > 0 {
                keep -= 1;
                missing = missing.saturating_sub(weight(&row.queue[keep].item).max(1));
            }
            let was_ready = matches!(row.phase, Phase::Ready(_) | Phase::Busy);
            let end = row.queue.split_off(keep);
            self.leave_if_empty(&place.lane);
            let removed_of_lane = end.into_iter().enumerate();
            removed.extend(removed_of_lane.map(|(index, flight)| Removed {
                flight,
                was_ready,
                first_of_lane: index == 0,
            }));
        }
        removed
    }

    /// The groups of lanes whose first envelope in line was taken no later than `taken_by`.
    pub(crate) fn groups_held(&self, taken_by: Instant) -> HashSet<Group> {
        self.rows.values().filter(|row| row.is_held(taken_by)).map(|row| row.group.clone()).collect()
    }

    /// Removes those of these lanes that may leave, in the order of arrival.
    pub(crate) fn remove_held(&mut self, taken_by: Instant, may_leave: impl Fn(&Lane) -> bool) -> Vec<Flight<T>> {
        let may_leave = |row: &Row<T>| row.queue.front().is_some_and(|first| may_leave(&first.lane));
        self.remove_from_all(|row| {
            if row.is_held(taken_by) && may_leave(row) { row.queue.drain(..).collect() } else { Vec::new() }
        })
    }

    /// Removes the rest of a lane whose first envelope is handed out and does not come back.
    pub(crate) fn remove_rest(&mut self, lane: &Lane) -> Vec<Flight<T>> {
        self.end(lane);
        self.rows.remove(lane).map(|row| Vec::from(row.queue)).unwrap_or_default()
    }

    /// Removes the envelopes of this kind that only wait, in the order of arrival. What is handed out stays.
    pub(crate) fn remove_waiting(&mut self, is_of_kind: impl Fn(&T) -> bool) -> Vec<Flight<T>> {
        self.remove_from_all(|row| {
            let (gone, kept) = row.queue.drain(..).partition(|flight| is_of_kind(&flight.item));
            row.queue = kept;
            gone.into()
        })
    }

    /// Removes what `take` takes from the queue of each lane, in the order of arrival.
    fn remove_from_all(&mut self, take: impl Fn(&mut Row<T>) -> Vec<Flight<T>>) -> Vec<Flight<T>> {
        let lanes: Vec<Lane> = self.rows.keys().cloned().collect();
        let mut removed = Vec::new();
        for lane in lanes {
            removed.extend(self.rows.get_mut(&lane).map(&take).unwrap_or_default());
            self.leave_if_empty(&lane);
        }
        removed.sort_by_key(|flight| flight.serial);
        removed
    }

    /// Forgets a lane that has nothing left, unless its first envelope is handed out.
    fn leave_if_empty(&mut self, lane: &Lane) {
        let Some(row) = self.rows.get(lane).filter(|row| row.queue.is_empty()) else { return };
        match &row.phase {
            Phase::Busy => return,
            Phase::Ready(serial) => self.turns.remove(&row.group, *serial),
            Phase::Delayed(due) | Phase::Behind(due) => _ = self.waiting.remove(due),
            Phase::Parked(obstacle, place) => self.parking.remove(obstacle, &row.group, place),
        }
        self.rows.remove(lane);
    }
}

impl<T> Row<T> {
    /// Whether its first envelope in line was taken no later than `taken_by`.
    fn is_held(&self, taken_by: Instant) -> bool {
        self.queue.front().is_some_and(|first| first.taken_at <= taken_by)
    }
}

#[derive(Debug)]
struct Place {
    serial: u64,
    lane: Lane,
}
