//! Keeps each lane in order while many lanes go on at once and their groups take turns. Pure.

mod behind;
mod flight;
mod room;

use std::collections::{BTreeSet, HashMap, VecDeque};

use event::Lane;
use tokio::time::Instant;

use crate::group::Group;
use crate::parking::{Parking, Place};
use crate::pauses::Obstacle;
use crate::turns::Turns;
pub(crate) use flight::{Flight, Named};
pub(crate) use room::Removed;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// It waits for its turn, at this place of its group.
    Ready(u64),
    /// The first envelope was handed out, to be looked up, attempted or settled.
    Busy,
    /// The first envelope waits for the delay before its next attempt.
    Delayed(Due),
    /// The first envelope waits for events of the lane that come first, because they were deferred.
    Behind(Due),
    /// The first envelope waits for the end of a pause.
    Parked(Obstacle, Place),
}

/// When a lane may go on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at: Instant,
    serial: u64,
    lane: Lane,
}

#[derive(Debug)]
struct Row<T> {
    group: Group,
    phase: Phase,
    queue: VecDeque<Flight<T>>,
    /// The one that is handed out.
    out: Option<Named>,
}

/// All lanes that have an envelope in flight. A lane's queue may be empty while its first envelope is handed out.
#[derive(Debug)]
pub(crate) struct Lanes<T> {
    window: usize,
    rows: HashMap<Lane, Row<T>>,
    turns: Turns<Group, Lane>,
    parking: Parking<Obstacle, Group>,
    waiting: BTreeSet<Due>,
    serial: u64,
}

impl<T> Lanes<T> {
    /// Lanes of which as many as fit into the window are handed out at once.
    pub(crate) fn new(window: usize) -> Self {
        Self {
            window,
            rows: HashMap::new(),
            turns: Turns::new(window),
            parking: Parking::default(),
            waiting: BTreeSet::new(),
            serial: 0,
        }
    }

    /// Puts an envelope at the end of its lane.
    pub(crate) fn enter(&mut self, flight: Flight<T>, group: Group) {
        let lane = flight.lane.clone();
        self.serial += 1;
        let flight = Flight { serial: self.serial, ..flight };
        let row = self.rows.entry(lane.clone());
        let is_new = matches!(row, std::collections::hash_map::Entry::Vacant(_));
        let row = row.or_insert_with(|| Row { group, phase: Phase::Busy, queue: VecDeque::new(), out: None });
        row.queue.push_back(flight);
        if is_new {
            self.make_ready(&lane);
        } else if let Phase::Behind(due) = &row.phase {
            // It may be one of those that the first envelope waits for.
            self.waiting.remove(due);
            self.make_ready(&lane);
        }
    }

    /// Hands out the first envelope of the lane whose turn it is. The lane stands still until the envelope is put back, or
    /// [`Self::release`] lets the next one go on.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Flight<T>> {
        self.end_waits(now);
        let lane = self.turns.next()?.member;
        let row = self.rows.get_mut(&lane)?;
        row.phase = Phase::Busy;
        let first = row.queue.pop_front();
        row.out = first.as_ref().map(Flight::named);
        first
    }

    /// A look-up has found the group of an envelope that was handed out. Returns it if it may go on: otherwise its lane
    /// waits for a turn in its own group.
    pub(crate) fn assign(&mut self, flight: Flight<T>, group: &Group) -> Option<Flight<T>> {
        let Some(row) = self.rows.get_mut(&flight.lane) else { return Some(flight) };
        let before = std::mem::replace(&mut row.group, group.clone());
        if self.turns.transfer(&before, group) {
            return Some(flight);
        }
        let lane = self.requeue(flight);
        self.make_ready(&lane);
        None
    }

    /// Puts an envelope that was handed out back to the front of its lane, which waits for its next turn.
    pub(crate) fn put_back(&mut self, flight: Flight<T>) {
        self.end(&flight.lane);
        let lane = self.requeue(flight);
        self.make_ready(&lane);
    }

    /// Puts an envelope that was handed out back to the front of its lane, to wait there until `until`.
    pub(crate) fn delay(&mut self, flight: Flight<T>, until: Instant) {
        self.end(&flight.lane);
        let due = Due { at: until, serial: flight.serial, lane: flight.lane.clone() };
        let lane = self.requeue(flight);
        self.waiting.insert(due.clone());
        self.set_phase(&lane, Phase::Delayed(due));
    }

    /// Puts an envelope that was handed out back to the front of its lane, to wait there for the end of a pause. It has just
    /// been told to ask again at `until`.
    pub(crate) fn park(&mut self, flight: Flight<T>, obstacle: Obstacle, until: Instant) {
        self.end(&flight.lane);
        let place = Place { attempts: flight.attempts, serial: flight.serial, lane: flight.lane.clone() };
        let lane = self.requeue(Flight { was_woken: false, ..flight });
        if let Some(row) = self.rows.get(&lane) {
            self.parking.park(obstacle.clone(), row.group.clone(), place.clone(), until);
        }
        self.set_phase(&lane, Phase::Parked(obstacle, place));
    }

    /// Puts an envelope that was handed out back to the front of its lane, behind other lanes that wait for this obstacle.
    /// Returns it if none does, or if it was one of them.
    pub(crate) fn park_behind(&mut self, flight: Flight<T>, obstacle: &Obstacle) -> Option<Flight<T>> {
        match self.parking.due_at(obstacle).filter(|_| !flight.was_woken) {
            Some(due) => {
                self.park(flight, obstacle.clone(), due);
                None
            }
            None => Some(flight),
        }
    }

    /// The envelope that was handed out does not come back: the next one of its lane may go on.
    pub(crate) fn release(&mut self, lane: &Lane) {
        self.end(lane);
        self.make_ready(lane);
    }

    /// Something about pauses has changed: it is time for all obstacles.
    pub(crate) fn make_pauses_due(&mut self, now: Instant) {
        self.parking.make_due(now);
    }

    /// The obstacles whose lanes may be allowed to ask again.
    pub(crate) fn due_obstacles(&mut self, now: Instant) -> Vec<Obstacle> {
        self.parking.due(now)
    }

    /// Wakes the first lanes that wait for this obstacle. For the others it is time again at `again_at`.
    pub(crate) fn wake(&mut self, obstacle: &Obstacle, lanes: usize, again_at: Instant) {
        for lane in self.parking.wake(obstacle, lanes, again_at) {
            if let Some(first) = self.rows.get_mut(&lane).and_then(|row| row.queue.front_mut()) {
                first.was_woken = true;
            }
            self.make_ready(&lane);
        }
    }

    /// When the next lane or obstacle has waited long enough.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        let waiting = self.waiting.first().map(|due| due.at);
        waiting.into_iter().chain(self.parking.next_due()).min()
    }

    /// Whether a lane may go on now.
    pub(crate) fn is_ready(&mut self, now: Instant) -> bool {
        self.end_waits(now);
        self.may_any_begin()
    }

    /// Whether a lane may go on that need not wait any more.
    pub(crate) fn may_any_begin(&self) -> bool {
        self.turns.may_any_begin()
    }

    /// Whether as many lanes as may go on at once do so.
    pub(crate) fn is_window_full(&self) -> bool {
        self.turns.is_full()
    }

    /// Envelopes in the lanes, without those that are handed out.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.rows.values().map(|row| row.queue.len()).sum()
    }

    /// Removes everything, in the order of arrival.
    pub(crate) fn clear(&mut self) -> Vec<Flight<T>> {
        let rows = std::mem::take(&mut self.rows);
        let mut all: Vec<Flight<T>> = rows.into_values().flat_map(|row| row.queue).collect();
        all.sort_by_key(|flight| flight.serial);
        *self = Self { serial: self.serial, ..Self::new(self.window) };
        all
    }

    /// Puts an envelope back to the front of its lane. Returns the lane.
    fn requeue(&mut self, flight: Flight<T>) -> Lane {
        let lane = flight.lane.clone();
        if let Some(row) = self.rows.get_mut(&lane) {
            row.out = None;
            let place = row.queue.partition_point(|other| other.serial < flight.serial);
            row.queue.insert(place, flight);
        }
        lane
    }

    /// What the lane had under way has ended.
    fn end(&mut self, lane: &Lane) {
        if let Some(row) = self.rows.get_mut(lane) {
            row.out = None;
            self.turns.end(&row.group);
        }
    }

    /// The lane's first envelope may go on.
    fn make_ready(&mut self, lane: &Lane) {
        let Some(row) = self.rows.get_mut(lane) else { return };
        let Some(first) = row.queue.front() else {
            self.rows.remove(lane);
            return;
        };
        let serial = first.serial;
        self.turns.enter(&row.group, serial, lane.clone());
        row.phase = Phase::Ready(serial);
    }

    fn set_phase(&mut self, lane: &Lane, phase: Phase) {
        if let Some(row) = self.rows.get_mut(lane) {
            row.phase = phase;
        }
    }

    fn end_waits(&mut self, now: Instant) {
        while self.waiting.first().is_some_and(|due| due.at <= now)
            && let Some(due) = self.waiting.pop_first()
        {
            self.make_ready(&due.lane);
        }
    }
}

#[cfg(test)]
mod tests;
