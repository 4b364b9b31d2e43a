//! Keeps each lane in order while many lanes go on at once, and knows which envelopes have waited longest. Pure.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use event::Lane;
use tokio::time::Instant;

/// An envelope in flight, and what was tried since it was taken.
#[derive(Debug)]
pub(crate) struct Flight<T> {
    pub(crate) item: T,
    pub(crate) lane: Lane,
    pub(crate) taken_at: Instant,
    /// Attempts since it was taken.
    pub(crate) attempts: u32,
    /// Failures in a row since a pause last held it.
    pub(crate) failures: u32,
    /// When the first of them happened.
    pub(crate) failing_since: Option<Instant>,
    /// Its place in the order of arrival.
    serial: u64,
}

impl<T> Flight<T> {
    /// An envelope that waits in no lane.
    pub(crate) fn outside(item: T, lane: Lane, now: Instant) -> Self {
        Self { item, lane, taken_at: now, attempts: 0, failures: 0, failing_since: None, serial: 0 }
    }

    /// A pause is not the fault of the envelope that it holds.
    pub(crate) fn without_failures(self) -> Self {
        Self { failures: 0, failing_since: None, ..self }
    }
}

/// Why the first envelope of a lane waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// For the delay before its next attempt.
    Backoff,
    /// For the end of a pause, which may come early.
    Pause,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Ready,
    /// The first envelope was handed out, to be looked up, attempted or settled.
    Busy,
    Waiting(Due, Wait),
}

/// When a lane may go on. Of several that may go on at the same time (with the next probe of a pause) the one whose first
/// envelope has the fewest attempts comes first, so that an event that DSK can't digest does not keep the breaker open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at: Instant,
    attempts: u32,
    serial: u64,
}

/// A lane's entry in the order of waiting.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    due: Due,
    lane: Lane,
}

#[derive(Debug)]
struct Row<T> {
    phase: Phase,
    queue: VecDeque<Flight<T>>,
}

/// All lanes that have an envelope in flight. A lane's queue may be empty while its first envelope is handed out.
#[derive(Debug)]
pub(crate) struct Lanes<T> {
    window: usize,
    rows: HashMap<Lane, Row<T>>,
    ready: VecDeque<Lane>,
    waiting: BTreeSet<Turn>,
    /// Envelopes in the lanes, without those that are handed out.
    queued: usize,
    /// Envelopes in lanes whose first envelope waits.
    blocked: usize,
    serial: u64,
}

impl<T> Lanes<T> {
    /// A lane that fills more than this part of a full window has to defer the rest.
    const LANE_SHARE: usize = 4;

    pub(crate) fn new(window: usize) -> Self {
        Self {
            window,
            rows: HashMap::new(),
            ready: VecDeque::new(),
            waiting: BTreeSet::new(),
            queued: 0,
            blocked: 0,
            serial: 0,
        }
    }

    /// Puts an envelope at the end of its lane.
    pub(crate) fn enter(&mut self, lane: Lane, item: T, now: Instant) {
        self.serial += 1;
        let flight = Flight { serial: self.serial, ..Flight::outside(item, lane.clone(), now) };
        self.queued += 1;
        if let Some(row) = self.rows.get_mut(&lane) {
            row.queue.push_back(flight);
            self.blocked += usize::from(matches!(row.phase, Phase::Waiting(..)));
            return;
        }
        self.rows.insert(lane.clone(), Row { phase: Phase::Ready, queue: VecDeque::from([flight]) });
        self.ready.push_back(lane);
    }

    /// Hands out the first envelope of a lane that may go on. The lane stands still until [`Self::wait`] puts the envelope
    /// back or [`Self::release`] lets the next one go on.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Flight<T>> {
        self.end_waits(now);
        let lane = self.ready.pop_front()?;
        let row = self.rows.get_mut(&lane)?;
        row.phase = Phase::Busy;
        self.queued -= 1;
        row.queue.pop_front()
    }

    /// Puts an envelope back to the front of its lane, to wait there.
    pub(crate) fn wait(&mut self, flight: Flight<T>, until: Instant, wait: Wait) {
        let Some(row) = self.rows.get_mut(&flight.lane) else { return };
        let due = Due { at: until, attempts: flight.attempts, serial: flight.serial };
        self.waiting.insert(Turn { due, lane: flight.lane.clone() });
        row.phase = Phase::Waiting(due, wait);
        row.queue.push_front(flight);
        self.queued += 1;
        self.blocked += row.queue.len();
    }

    /// The envelope that was handed out does not come back: the next one of its lane may go on.
    pub(crate) fn release(&mut self, lane: &Lane) {
        let Some(row) = self.rows.get_mut(lane) else { return };
        if row.queue.is_empty() {
            self.rows.remove(lane);
        } else {
            row.phase = Phase::Ready;
            self.ready.push_back(lane.clone());
        }
    }

    /// A pause has ended or changed: lanes that wait for one may go on, and ask again.
    pub(crate) fn end_pauses(&mut self) {
        let is_paused = |turn: &&Turn| {
            self.rows.get(&turn.lane).is_some_and(|row| matches!(row.phase, Phase::Waiting(_, Wait::Pause)))
        };
        let turns: Vec<Turn> = self.waiting.iter().filter(is_paused).cloned().collect();
        turns.iter().for_each(|turn| self.make_ready(turn));
    }

    /// When the next lane has waited long enough.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.waiting.first().map(|turn| turn.due.at)
    }

    /// Whether a lane may go on now.
    pub(crate) fn is_ready(&self, now: Instant) -> bool {
        !self.ready.is_empty() || self.next_due().is_some_and(|due| due <= now)
    }

    /// How long the oldest envelope has been in flight, apart from those that are handed out.
    pub(crate) fn oldest(&self, now: Instant) -> Duration {
        let oldest = self.rows.values().filter_map(|row| row.queue.front()).map(|flight| flight.taken_at).min();
        oldest.map_or(Duration::ZERO, |at| now.saturating_duration_since(at))
    }

    /// Everything in the lanes, apart from what is handed out.
    pub(crate) fn items(&self) -> impl Iterator<Item = &T> {
        self.rows.values().flat_map(|row| &row.queue).map(|flight| &flight.item)
    }

    /// Most envelopes that the queue hands to us at once.
    pub(crate) fn window(&self) -> usize {
        self.window
    }

    /// Envelopes in the lanes, without those that are handed out.
    pub(crate) fn len(&self) -> usize {
        self.queued
    }

    /// Whether at least half of the window waits.
    pub(crate) fn is_crowded(&self) -> bool {
        self.blocked >= self.window.div_ceil(2)
    }

    /// Removes the envelopes that have waited longest, until less than half of the window waits.
    pub(crate) fn remove_longest_waiting(&mut self) -> Vec<Flight<T>> {
        let mut removed = Vec::new();
        while self.is_crowded() {
            let serial = |turn: &&Turn| self.rows[&turn.lane].queue.front().map(|flight| flight.serial);
            let Some(turn) = self.waiting.iter().min_by_key(serial).cloned() else { break };
            let Some(row) = self.rows.get_mut(&turn.lane) else { break };
            removed.extend(row.queue.pop_front());
            self.queued -= 1;
            self.blocked -= 1;
            // The next one need not wait behind an event that failed by itself. Behind a pause it has to.
            if row.phase == Phase::Waiting(turn.due, Wait::Backoff) || row.queue.is_empty() {
                self.make_ready(&turn);
            }
        }
        removed
    }

    /// Removes the end of each lane that fills more than its share of the window, in its order.
    pub(crate) fn remove_overflow(&mut self) -> Vec<Flight<T>> {
        let share = self.window.div_ceil(Self::LANE_SHARE);
        let mut removed = Vec::new();
        for row in self.rows.values_mut().filter(|row| row.queue.len() > share) {
            let end = row.queue.split_off(share);
            self.queued -= end.len();
            if matches!(row.phase, Phase::Waiting(..)) {
                self.blocked -= end.len();
            }
            removed.extend(end);
        }
        removed
    }

    /// Removes everything, in the order of arrival.
    pub(crate) fn clear(&mut self) -> Vec<T> {
        let rows = std::mem::take(&mut self.rows);
        let mut all: Vec<Flight<T>> = rows.into_values().flat_map(|row| row.queue).collect();
        all.sort_by_key(|flight| flight.serial);
        *self = Self { serial: self.serial, ..Self::new(self.window) };
        all.into_iter().map(|flight| flight.item).collect()
    }

    fn end_waits(&mut self, now: Instant) {
        while let Some(turn) = self.waiting.first().filter(|turn| turn.due.at <= now).cloned() {
            self.make_ready(&turn);
        }
    }

    fn make_ready(&mut self, turn: &Turn) {
        self.waiting.remove(turn);
        let Some(row) = self.rows.get_mut(&turn.lane) else { return };
        row.phase = Phase::Ready;
        self.blocked -= row.queue.len();
        if row.queue.is_empty() {
            self.rows.remove(&turn.lane);
        } else {
            self.ready.push_back(turn.lane.clone());
        }
    }
}

#[cfg(test)]
mod tests;
