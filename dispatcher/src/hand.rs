//! What a worker holds: one lane's envelopes one after the other, many lanes at once, and who has waited longest. Pure.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use event::Lane;
use tokio::time::Instant;

/// An envelope in hand, and what was tried since it was taken.
#[derive(Debug)]
pub(crate) struct Held<T> {
    pub(crate) item: T,
    pub(crate) lane: Lane,
    pub(crate) taken_at: Instant,
    /// Attempts since it was taken.
    pub(crate) attempts: u32,
    /// Failures in a row since it was last held by a pause, and since when.
    pub(crate) failures: u32,
    pub(crate) failing_since: Option<Instant>,
    /// Its place in the order of arrival.
    serial: u64,
}

impl<T> Held<T> {
    /// One that waits in no lane.
    pub(crate) fn alone(item: T, lane: Lane, now: Instant) -> Self {
        Self { item, lane, taken_at: now, attempts: 0, failures: 0, failing_since: None, serial: 0 }
    }

    /// What is held by a pause has not failed by itself.
    pub(crate) fn unblamed(self) -> Self {
        Self { failures: 0, failing_since: None, ..self }
    }
}

/// Why the head of a lane waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// For its next attempt.
    Backoff,
    /// For the end of a pause; it may end early.
    Paused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Ready,
    /// The head is out of the hand: looked up, attempted or settled.
    Busy,
    Waiting(Due, Wait),
}

/// When a head may go on. Of those that may at the same time (the next probe of a pause) whoever was tried least is
/// first, so that an event that DSK can't digest does not keep the breaker open.
type Due = (Instant, u32, u64);

#[derive(Debug)]
struct Row<T> {
    phase: Phase,
    queue: VecDeque<Held<T>>,
}

/// The hand. A lane that has something in hand has a row, be its queue empty while its head is out.
#[derive(Debug)]
pub(crate) struct Hand<T> {
    window: usize,
    rows: HashMap<Lane, Row<T>>,
    ready: VecDeque<Lane>,
    waiting: BTreeSet<(Due, Lane)>,
    /// Envelopes in the hand, without those that are out.
    held: usize,
    /// Envelopes in lanes whose head waits.
    stuck: usize,
    serial: u64,
}

impl<T> Hand<T> {
    /// A lane that fills more than this part of a full window has to make room.
    const LANE_SHARE: usize = 4;

    pub(crate) fn new(window: usize) -> Self {
        let (rows, ready, waiting) = (HashMap::new(), VecDeque::new(), BTreeSet::new());
        Self { window, rows, ready, waiting, held: 0, stuck: 0, serial: 0 }
    }

    /// Takes an envelope in, at the end of its lane.
    pub(crate) fn enter(&mut self, lane: Lane, item: T, now: Instant) {
        self.serial += 1;
        let held = Held { serial: self.serial, ..Held::alone(item, lane.clone(), now) };
        self.held += 1;
        if let Some(row) = self.rows.get_mut(&lane) {
            row.queue.push_back(held);
            self.stuck += usize::from(matches!(row.phase, Phase::Waiting(..)));
            return;
        }
        self.rows.insert(lane.clone(), Row { phase: Phase::Ready, queue: VecDeque::from([held]) });
        self.ready.push_back(lane);
    }

    /// Takes out the head of a lane that may go on. Until it is put back, or has left, its lane stands still.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Held<T>> {
        self.wake(now);
        let lane = self.ready.pop_front()?;
        let row = self.rows.get_mut(&lane)?;
        row.phase = Phase::Busy;
        self.held -= 1;
        row.queue.pop_front()
    }

    /// Puts a head back, to wait until then.
    pub(crate) fn wait(&mut self, held: Held<T>, until: Instant, wait: Wait) {
        let Some(row) = self.rows.get_mut(&held.lane) else { return };
        let due = (until, held.attempts, held.serial);
        self.waiting.insert((due, held.lane.clone()));
        row.phase = Phase::Waiting(due, wait);
        row.queue.push_front(held);
        self.held += 1;
        self.stuck += row.queue.len();
    }

    /// A head that was out does not come back: the next of its lane may go on.
    pub(crate) fn leave(&mut self, lane: &Lane) {
        let Some(row) = self.rows.get_mut(lane) else { return };
        if row.queue.is_empty() {
            self.rows.remove(lane);
        } else {
            row.phase = Phase::Ready;
            self.ready.push_back(lane.clone());
        }
    }

    /// A pause has ended or changed: whoever waits for one asks again.
    pub(crate) fn ask_again(&mut self) {
        let paused = |(_, lane): &(Due, Lane)| {
            self.rows.get(lane).is_some_and(|row| matches!(row.phase, Phase::Waiting(_, Wait::Paused)))
        };
        let woken: Vec<(Due, Lane)> = self.waiting.iter().filter(|entry| paused(entry)).cloned().collect();
        woken.iter().for_each(|(due, lane)| self.make_ready(*due, lane));
    }

    /// When the next head has waited long enough.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.waiting.first().map(|((until, ..), _)| *until)
    }

    /// Whether a head may go on now.
    pub(crate) fn is_ready(&self, now: Instant) -> bool {
        !self.ready.is_empty() || self.next_due().is_some_and(|due| due <= now)
    }

    /// How long the oldest has been in hand, those that are out aside.
    pub(crate) fn oldest(&self, now: Instant) -> Duration {
        let oldest = self.rows.values().filter_map(|row| row.queue.front()).map(|held| held.taken_at).min();
        oldest.map_or(Duration::ZERO, |at| now.saturating_duration_since(at))
    }

    /// All that it holds, those that are out aside.
    pub(crate) fn items(&self) -> impl Iterator<Item = &T> {
        self.rows.values().flat_map(|row| &row.queue).map(|held| &held.item)
    }

    /// Most envelopes that the queue hands to us at once.
    pub(crate) fn window(&self) -> usize {
        self.window
    }

    /// Envelopes in the hand, without those that are out.
    pub(crate) fn len(&self) -> usize {
        self.held
    }

    /// Whether half of the window waits.
    pub(crate) fn is_crowded(&self) -> bool {
        self.stuck >= self.window.div_ceil(2)
    }

    /// Takes out those who have waited longest, as long as half of the window waits. They give up their place.
    pub(crate) fn crowded(&mut self) -> Vec<Held<T>> {
        let mut out = Vec::new();
        while self.is_crowded() {
            let longest =
                self.waiting.iter().min_by_key(|(_, lane)| self.rows[lane].queue.front().map(|held| held.serial));
            let Some((due, lane)) = longest.cloned() else { break };
            let Some(row) = self.rows.get_mut(&lane) else { break };
            out.extend(row.queue.pop_front());
            (self.held, self.stuck) = (self.held - 1, self.stuck - 1);
            // Behind an event that failed by itself the next need not wait; behind a pause it has to.
            if row.phase == Phase::Waiting(due, Wait::Backoff) || row.queue.is_empty() {
                self.make_ready(due, &lane);
            }
        }
        out
    }

    /// Takes the end of each lane that fills more than its share of the window, in its order.
    pub(crate) fn overflowing(&mut self) -> Vec<Held<T>> {
        let share = self.window.div_ceil(Self::LANE_SHARE);
        let mut out = Vec::new();
        for row in self.rows.values_mut().filter(|row| row.queue.len() > share) {
            let end = row.queue.split_off(share);
            self.held -= end.len();
            if matches!(row.phase, Phase::Waiting(..)) {
                self.stuck -= end.len();
            }
            out.extend(end);
        }
        out
    }

    /// Everything in hand leaves it.
    pub(crate) fn clear(&mut self) -> Vec<T> {
        let rows = std::mem::take(&mut self.rows);
        let mut all: Vec<Held<T>> = rows.into_values().flat_map(|row| row.queue).collect();
        all.sort_by_key(|held| held.serial);
        *self = Self { serial: self.serial, ..Self::new(self.window) };
        all.into_iter().map(|held| held.item).collect()
    }

    fn wake(&mut self, now: Instant) {
        while let Some((due, lane)) = self.waiting.first().filter(|((until, ..), _)| *until <= now).cloned() {
            self.make_ready(due, &lane);
        }
    }

    fn make_ready(&mut self, due: Due, lane: &Lane) {
        self.waiting.remove(&(due, lane.clone()));
        let Some(row) = self.rows.get_mut(lane) else { return };
        row.phase = Phase::Ready;
        self.stuck -= row.queue.len();
        if row.queue.is_empty() {
            self.rows.remove(lane);
        } else {
            self.ready.push_back(lane.clone());
        }
    }
}

#[cfg(test)]
mod tests;
