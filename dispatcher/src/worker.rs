//! Decides what happens to the envelopes of one class: applies one event at a time to its state, and says what work
//! follows. It never waits and takes the time as an argument, so that a test can play any order of events.

mod event;
mod follow;
mod work;

use std::sync::Arc;
use std::time::Duration;

use ::event::{Class, Envelope};
use jiff::Timestamp;
use queue::Tier;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::lanes::{Flight, Lanes};
use crate::remedy::Reason;
use crate::retry_policy::RetryPolicy;
use crate::state::{Load, State};
pub(crate) use event::{AttemptEnd, Completion, Moment, WorkerEvent};
pub(crate) use work::{Item, Settlement, Work};

/// Most envelopes in one look-up: a full window fits, in one round trip to the store.
const LOOK_UP_BATCH_MAX: usize = 256;
/// When half of the window waits, envelopes are deferred only if some destination was healthy this recently: otherwise
/// nothing could use the room.
const HEALTHY_RECENTLY: Duration = Duration::from_secs(10);
/// The same for a full window. Longer, because a full window takes nothing new, so there may be no later success to go by.
const HEALTHY_BEFORE_FULL: Duration = Duration::from_hours(1);

/// The worker of one class.
pub(crate) struct Worker<T> {
    state: Arc<State>,
    class: Class,
    lanes: Lanes<T>,
    reopenings: watch::Receiver<u64>,
    /// How much work was begun and has not completed: look-ups, attempts, settlements and markings.
    under_way: usize,
    /// How many envelopes this work holds.
    out: usize,
    /// Envelopes whose event DSK has, and whose marker, which prevents a second delivery, is not written yet.
    delivered: Vec<T>,
    is_looking_up: bool,
    is_marking: bool,
    /// No look-up and no deferral begins, because everything in flight is about to be given back. Markers and dead letters
    /// still do: what is settled need not be given back.
    is_draining: bool,
    /// Envelopes whose look-up or settlement was cut short. They are not acknowledged, so the queue gets them back.
    interrupted: Vec<T>,
    /// What the event that is being applied has begun.
    begun: Vec<Work<T>>,
}

impl<T: Item> Worker<T> {
    pub(crate) fn new(state: Arc<State>, class: Class, window: u16) -> Self {
        let reopenings = state.reopenings();
        Self {
            state,
            class,
            lanes: Lanes::new(usize::from(window)),
            reopenings,
            under_way: 0,
            out: 0,
            delivered: Vec::new(),
            is_looking_up: false,
            is_marking: false,
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
            WorkerEvent::Stop => self.is_draining = true,
            // There is nothing to note: the steps below look at the time and at pauses, and the runner holds the taker while
            // the store is away.
            WorkerEvent::Due | WorkerEvent::Reopened | WorkerEvent::Store { .. } => {}
        }
        // Pauses end before envelopes are deferred, so that none is deferred whose pause has just ended.
        if self.reopenings.has_changed().is_ok_and(|has_changed| has_changed) {
            self.reopenings.mark_unchanged();
            self.lanes.end_pauses();
        }
        self.defer(now);
        self.begin(now);
        std::mem::take(&mut self.begun)
    }

    /// When to send [`WorkerEvent::Due`] if nothing else happens first. `None` during a look-up or a drain: no other look-up
    /// may begin then.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.lanes.next_due().filter(|_| !self.is_looking_up && !self.is_draining)
    }

    /// Whether any work is under way.
    pub(crate) fn is_busy(&self) -> bool {
        self.under_way > 0
    }

    /// Whether everything in flight is to be given back, and can be: no work is under way.
    pub(crate) fn is_drained(&self) -> bool {
        self.is_draining && !self.is_busy() && self.delivered.is_empty()
    }

    /// Envelopes that are out with work under way.
    pub(crate) fn out(&self) -> usize {
        self.out
    }

    /// Envelopes taken and not settled yet.
    pub(crate) fn in_flight(&self) -> usize {
        self.lanes.len() + self.out + self.delivered.len() + self.interrupted.len()
    }

    /// Everything that is not settled, apart from what is out with work under way.
    pub(crate) fn finish(mut self) -> Vec<T> {
        let mut unsettled = self.interrupted;
        unsettled.append(&mut self.lanes.clear());
        unsettled.append(&mut self.delivered);
        unsettled
    }

    fn enter(&mut self, item: T, now: Moment) {
        let lane = item.envelope().lane.clone();
        match dead_letter_reason(&item) {
            Some(reason) => {
                self.settle(Flight::outside(item, lane, now.instant), Settlement::DeadLetter(reason, None));
            }
            None => self.lanes.enter(lane, item, now.instant),
        }
    }

    fn complete(&mut self, end: Completion<T>, now: Moment) {
        self.under_way -= 1;
        self.out -= end.envelopes();
        match end {
            Completion::LookUp { flights, answers: Some(answers) } => {
                self.is_looking_up = false;
                flights.into_iter().zip(answers).for_each(|(flight, answer)| self.looked_up(flight, answer, now));
            }
            Completion::LookUp { flights, answers: None } => {
                self.is_looking_up = false;
                self.interrupted.extend(flights.into_iter().map(|flight| flight.item));
            }
            Completion::Attempt(end) => self.attempted(*end, now),
            Completion::Settlement(settled) => self.interrupted.extend(settled.err().map(|item| *item)),
            Completion::Mark { .. } => self.is_marking = false,
        }
    }

    /// Reports, and begins to drain when an envelope was held for too long: RabbitMQ closes the AMQP channel of a consumer
    /// that holds a message for half an hour.
    fn tick(&mut self, now: Moment) {
        let held_for = self.lanes.oldest(now.instant);
        let oldest = self.lanes.items().map(|item| age(item.envelope(), now.timestamp)).max().unwrap_or_default();
        let load = Load { envelopes: self.in_flight(), oldest };
        self.state.report(self.class, load, now.instant);
        if held_for >= self.state.hold_time && !self.is_draining {
            let held_for_s = held_for.as_secs();
            warn!(class = self.class.as_str(), held_for_s, "Will give back what was held for too long");
            self.is_draining = true;
        }
    }

    /// Forgets everything in flight, because the queue has it back and will hand it out again. This ends the drain.
    fn drop_given_back(&mut self) {
        let given_back = self.lanes.clear().len();
        self.interrupted.clear();
        self.is_draining = false;
        self.state.metrics.given_back_total.add(given_back);
        let class = self.class.as_str();
        info!(class, given_back, "Gave back what was held for too long, to take it again in its order");
    }

    /// Begins everything that can begin now: a look-up of the envelopes that may go on, and the markers of the events that
    /// DSK has.
    fn begin(&mut self, now: Moment) {
        if !self.is_looking_up && !self.is_draining && self.lanes.is_ready(now.instant) {
            let flights = std::iter::from_fn(|| self.lanes.next(now.instant)).take(LOOK_UP_BATCH_MAX).collect();
            self.is_looking_up = true;
            self.start(Work::LookUp(flights));
        }
        if !self.is_marking && !self.delivered.is_empty() {
            let delivered = std::mem::take(&mut self.delivered);
            self.is_marking = true;
            self.start(Work::Mark(delivered));
        }
    }

    /// Makes room when the window is full or half of it waits, if a destination was healthy recently: defers the envelopes
    /// that have waited longest and, if the window is full, the end of each lane that fills too much of it.
    fn defer(&mut self, now: Moment) {
        let is_full = self.in_flight() >= self.lanes.window();
        let within = if is_full { HEALTHY_BEFORE_FULL } else { HEALTHY_RECENTLY };
        let is_crowded = is_full || self.lanes.is_crowded();
        if self.is_draining || !is_crowded || !self.state.is_any_healthy(now.instant, within) {
            return;
        }
        for flight in self.lanes.remove_longest_waiting() {
            let envelope = flight.item.envelope();
            let tier = RetryPolicy::defer(envelope.visits, envelope.copies);
            self.settle(flight, Settlement::Defer(tier));
        }
        if is_full {
            for flight in self.lanes.remove_overflow() {
                self.settle(flight, Settlement::Defer(Tier::TenSeconds));
            }
        }
    }

    fn settle(&mut self, flight: Flight<T>, settlement: Settlement) {
        self.start(Work::Settle { flight, settlement });
    }

    fn start(&mut self, work: Work<T>) {
        self.under_way += 1;
        self.out += work.envelopes();
        self.begun.push(work);
    }
}

/// Why an envelope is parked without an attempt; `None` if it may be attempted.
fn dead_letter_reason<T: Item>(item: &T) -> Option<Reason> {
    let envelope = item.envelope();
    if let Some(fault) = item.fault() {
        warn!(event.id = %envelope.id, "A message in the queue is not an envelope: {fault}");
        return Some(Reason::Undecodable);
    }
    (envelope.event_type.as_str() == ::event::UNRECOGNIZED).then_some(Reason::Unrecognized)
}

/// Time since the event was queued. Meta's own timestamp does not count: an event may arrive a week after it happened.
fn age(envelope: &Envelope, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(envelope.queued_at)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
