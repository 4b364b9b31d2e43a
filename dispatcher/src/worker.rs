//! Decides what happens to the envelopes of one class: applies one event at a time to its state, and says what work
//! follows. It never waits and takes the time as an argument, so that a test can play any order of events.

mod arrive;
mod event;
mod follow;
mod held;
mod make_room;
mod work;

use std::sync::Arc;
use std::time::Duration;

use ::event::{Class, Envelope};
use jiff::Timestamp;
use queue::Tier;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::info;

use crate::group::Hints;
use crate::lanes::{Flight, Lanes};
use crate::room::{Room, Space};
use crate::state::{Load, State};
use crate::tally::Tally;
pub(crate) use event::{AttemptEnd, Completion, Moment, WorkerEvent};
pub(crate) use work::{Item, Settlement, Work};

/// Most envelopes in one look-up: a full window fits, in one round trip to the store.
const LOOK_UP_BATCH_MAX: usize = 256;
/// How much later than its retry queue says a deferred event may come back, because others are before it in its class's
/// queue, and still find its place kept.
const RETURN_GRACE: Duration = Duration::from_secs(10);

/// The worker of one class.
pub(crate) struct Worker<T> {
    state: Arc<State>,
    class: Class,
    lanes: Lanes<T>,
    hints: Hints,
    tally: Tally,
    room: Room,
    reopenings: watch::Receiver<u64>,
    under_way: UnderWay,
    /// Envelopes whose event DSK has, and whose marker, which prevents a second delivery, is not written yet.
    delivered: Vec<Flight<T>>,
    is_store_away: bool,
    /// Nothing is looked up and no room is made, because everything in flight is about to be given back. What is settled need
    /// not be.
    is_draining: bool,
    /// Envelopes whose look-up or settlement was cut short. They are not acknowledged, so the queue gets them back.
    interrupted: Vec<Flight<T>>,
    /// What the event that is being applied has begun.
    begun: Vec<Work<T>>,
}

/// Work that was begun and has not completed.
#[derive(Debug, Default)]
struct UnderWay {
    /// How much of it: look-ups, attempts, settlements, markings and surveys.
    work: usize,
    /// How many envelopes it holds.
    envelopes: usize,
    look_up: bool,
    marking: bool,
}

impl<T: Item> Worker<T> {
    /// A worker with at most `window` attempts under way, and at most as much in flight as there is space.
    pub(crate) fn new(state: Arc<State>, class: Class, window: u16, space: Space) -> Self {
        let reopenings = state.reopenings();
        Self {
            state,
            class,
            lanes: Lanes::new(usize::from(window)),
            hints: Hints::default(),
            tally: Tally::default(),
            room: Room::new(space),
            reopenings,
            under_way: UnderWay::default(),
            delivered: Vec::new(),
            is_store_away: false,
            is_draining: false,
            interrupted: Vec::new(),
            begun: Vec::new(),
        }
    }

    /// Applies one event. The work that follows from it has to be started, and its completion is an event, too.
    #[must_use = "work that is not started keeps its envelopes for ever"]
    pub(crate) fn apply(&mut self, event: WorkerEvent<T>, now: Moment) -> Vec<Work<T>> {
        match event {
            WorkerEvent::Taken(items) => items.into_iter().for_each(|item| self.enter(item, now)),
            WorkerEvent::Completed(ends) => ends.into_iter().for_each(|end| self.complete(end, now)),
            WorkerEvent::Tick => self.tick(now),
            WorkerEvent::GivenBack => self.drop_given_back(),
            WorkerEvent::Lost => self.drop_lost(),
            WorkerEvent::Store { is_away } => self.is_store_away = is_away,
            WorkerEvent::Stop => self.is_draining = true,
            // There is nothing to note: the steps below look at the time and at pauses.
            WorkerEvent::Due | WorkerEvent::Reopened => {}
        }
        // Pauses end before envelopes are deferred, so that none is deferred whose pause has just ended.
        self.wake(now);
        self.begin(now);
        self.make_room(now);
        self.room.note_bytes(self.tally.bytes());
        std::mem::take(&mut self.begun)
    }

    /// When to send [`WorkerEvent::Due`] if nothing else happens first. `None` during a look-up or a drain: no other look-up
    /// may begin then.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        if self.under_way.look_up || self.is_draining {
            return None;
        }
        self.lanes.next_due().into_iter().chain(self.room.next_due()).min()
    }

    /// Whether nothing more should be taken for now: the store is away, or what is in flight has too many bytes.
    pub(crate) fn wants_hold(&self) -> bool {
        self.is_store_away || self.room.has_too_many_bytes()
    }

    /// Whether everything in flight is about to be given back.
    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining
    }

    /// Whether any work is under way.
    pub(crate) fn is_busy(&self) -> bool {
        self.under_way.work > 0
    }

    /// Whether everything in flight is to be given back, and can be: no work is under way.
    pub(crate) fn is_drained(&self) -> bool {
        self.is_draining && !self.is_busy() && self.delivered.is_empty()
    }

    /// Envelopes that are out with work under way.
    pub(crate) fn out(&self) -> usize {
        self.under_way.envelopes
    }

    /// Envelopes taken and not settled yet.
    #[cfg(test)]
    pub(crate) fn in_flight(&self) -> usize {
        self.lanes.len() + self.under_way.envelopes + self.delivered.len() + self.interrupted.len()
    }

    /// Envelopes that wait in their lanes.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.lanes.len()
    }

    /// Everything that is not settled, apart from what is out with work under way.
    pub(crate) fn finish(mut self) -> Vec<T> {
        let mut unsettled = self.interrupted;
        unsettled.append(&mut self.lanes.clear());
        unsettled.append(&mut self.delivered);
        unsettled.into_iter().map(|flight| flight.item).collect()
    }

    fn complete(&mut self, end: Completion<T>, now: Moment) {
        self.under_way.work -= 1;
        self.under_way.envelopes -= end.envelopes();
        match end {
            Completion::LookUp { flights, answers: Some(answers) } => {
                self.under_way.look_up = false;
                flights.into_iter().zip(answers).for_each(|(flight, answer)| self.looked_up(flight, answer, now));
            }
            Completion::LookUp { flights, answers: None } => {
                self.under_way.look_up = false;
                self.interrupted.extend(flights);
            }
            Completion::Attempt(end) => self.attempted(*end, now),
            Completion::Settlement { ticket, bytes, interrupted } => {
                self.room.arrived(bytes);
                match interrupted {
                    Some(flight) => self.interrupted.push(*flight),
                    None => self.tally.leave(ticket),
                }
            }
            Completion::Mark { tickets } => {
                self.under_way.marking = false;
                tickets.into_iter().for_each(|ticket| self.tally.leave(ticket));
            }
            Completion::Survey(endpoints) => self.surveyed(endpoints, now.instant),
        }
    }

    /// Reports, and lets go of what was held for too long: RabbitMQ closes the AMQP channel of a consumer that holds a message
    /// for half an hour.
    fn tick(&mut self, now: Moment) {
        self.lanes.remove_overdue(now.instant);
        let oldest = self.tally.oldest().map_or(Duration::ZERO, |queued_at| since(queued_at, now.timestamp));
        let load = Load { envelopes: self.tally.len(), oldest };
        self.state.report(self.class, load, now.instant);
        let held_for = self.tally.held_for(now.instant);
        if held_for >= self.state.hold_time && !self.is_draining {
            self.release_held(held_for, now);
        }
    }

    /// Drops what only waits and came over a connection that is gone. Work under way goes on: the queue joins what it gives
    /// us again.
    fn drop_lost(&mut self) {
        let lost = self.lanes.remove_waiting(Item::is_lost);
        if !lost.is_empty() {
            let class = self.class.as_str();
            info!(class, dropped = lost.len(), "Dropped what waited, because its connection to the queue is gone");
        }
        lost.iter().for_each(|flight| self.tally.leave(flight.ticket));
    }

    /// Forgets everything in flight, because the queue has it back and will hand it out again. This ends the drain.
    fn drop_given_back(&mut self) {
        let given_back = self.lanes.clear().len() + self.interrupted.len();
        self.interrupted.clear();
        self.tally.clear();
        self.is_draining = false;
        self.state.metrics.given_back_total.add(given_back);
        let class = self.class.as_str();
        info!(class, given_back, "Gave back what was held for too long, to take it again in its order");
    }

    /// Lets lanes ask again whose obstacle may be gone.
    fn wake(&mut self, now: Moment) {
        if self.reopenings.has_changed().is_ok_and(|has_changed| has_changed) {
            self.reopenings.mark_unchanged();
            self.lanes.make_pauses_due(now.instant);
        }
        for obstacle in self.lanes.due_obstacles(now.instant) {
            let wake = self.state.wake(&obstacle, now.instant);
            self.lanes.wake(&obstacle, wake.lanes, wake.again_at, now.instant);
        }
    }

    /// Begins everything that can begin now: a look-up of the envelopes whose turn it is, and the markers of the events that
    /// DSK has.
    fn begin(&mut self, now: Moment) {
        if !self.under_way.look_up && !self.is_draining && self.lanes.is_ready(now.instant) {
            let flights = std::iter::from_fn(|| self.lanes.next(now.instant)).take(LOOK_UP_BATCH_MAX).collect();
            self.under_way.look_up = true;
            self.start(Work::LookUp(flights));
        }
        if !self.under_way.marking && !self.delivered.is_empty() {
            let delivered = std::mem::take(&mut self.delivered);
            self.under_way.marking = true;
            self.start(Work::Mark(delivered));
        }
    }

    /// Moves an envelope to a retry queue without using up an attempt, and keeps its place in its lane.
    fn defer(&mut self, flight: Flight<T>, tier: Tier, now: Moment) {
        let until = now.instant + tier.delay() + RETURN_GRACE;
        self.lanes.expect(&flight.lane, &flight.item.envelope().id, flight.serial, until);
        self.settle(flight, Settlement::Defer(tier));
    }

    fn settle(&mut self, flight: Flight<T>, settlement: Settlement) {
        self.room.left(flight.item.envelope().body.len());
        self.start(Work::Settle { flight, settlement });
    }

    fn start(&mut self, work: Work<T>) {
        self.under_way.work += 1;
        self.under_way.envelopes += work.envelopes();
        self.begun.push(work);
    }
}

/// Time since the event was queued. Meta's own timestamp does not count: an event may arrive a week after it happened.
fn age(envelope: &Envelope, now: Timestamp) -> Duration {
    since(envelope.queued_at, now)
}

fn since(earlier: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(earlier)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
