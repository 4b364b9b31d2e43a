//! Decides what happens to the envelopes of one class: applies one event at a time to its state, and says what work
//! follows. It never waits and takes the time as an argument, so that a test can play any order of events.

mod arrive;
mod begin;
mod defer;
mod event;
mod follow;
mod hand_over;
mod held;
mod make_room;
mod trail;
mod work;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ::event::{Class, Envelope};
use jiff::Timestamp;
use queue::{Partition, PartitionSet};
use tokio::sync::watch;
use tracing::info;

use crate::deferred::DeferredLanes;
use crate::group::Hints;
use crate::hand_overs::HandOvers;
use crate::lanes::{Flight, Lanes};
use crate::pace::Paces;
use crate::room::{Intake, Room};
use crate::state::{Load, State};
use crate::tally::Tally;
use crate::unmarked::Unmarked;
pub(crate) use event::{AttemptEnd, Completion, LaneEvent, Marked, Moment, WorkerEvent};
pub(crate) use work::{Deferral, Ended, Item, Settlement, Work};

/// The worker of one class.
pub(crate) struct Worker<T> {
    state: Arc<State>,
    class: Class,
    lanes: Lanes<T>,
    hints: Hints,
    tally: Tally,
    room: Room,
    hand_overs: HandOvers,
    deferred: DeferredLanes,
    reopenings: watch::Receiver<u64>,
    under_way: UnderWay,
    /// Envelopes whose event came to its end, and whose marker, which prevents a second delivery, is not written yet.
    ended: Vec<Ended<T>>,
    unmarked: Unmarked,
    paces: Paces,
    /// Nothing of these partitions is looked up or deferred, because everything that they have in flight is about to be given
    /// back. What is settled before then need not be.
    draining: PartitionSet,
    /// The same for all partitions, because the process stops.
    is_stopping: bool,
    /// Envelopes of draining partitions, and those whose look-up or settlement was cut short. They are not acknowledged, so
    /// the queue gets them back.
    set_aside: BTreeMap<Partition, Vec<Flight<T>>>,
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
    pub(crate) fn new(state: Arc<State>, class: Class, window: u16, intake: Intake, paces: Paces) -> Self {
        let reopenings = state.reopenings();
        Self {
            state,
            class,
            lanes: Lanes::new(usize::from(window)),
            hints: Hints::default(),
            tally: Tally::default(),
            room: Room::new(intake.space),
            hand_overs: HandOvers::new(intake.partitions),
            deferred: DeferredLanes::default(),
            reopenings,
            under_way: UnderWay::default(),
            ended: Vec::new(),
            unmarked: Unmarked::default(),
            paces,
            draining: PartitionSet::default(),
            is_stopping: false,
            set_aside: BTreeMap::new(),
            begun: Vec::new(),
        }
    }

    /// Applies one event. The work that follows from it has to be started, and its completion is an event, too.
    #[must_use = "work that is not started keeps its envelopes for ever"]
    pub(crate) fn apply(&mut self, event: WorkerEvent<T>, now: Moment) -> Vec<Work<T>> {
        match event {
            WorkerEvent::Taken(items) => items.into_iter().for_each(|item| self.enter(item, now)),
            WorkerEvent::Completed(ends) => ends.into_iter().for_each(|end| self.complete(end, now)),
            WorkerEvent::Tick { stalled } => self.tick(stalled, now),
            WorkerEvent::GivenBack(partition) => self.drop_given_back(partition),
            WorkerEvent::Lost => self.drop_lost(),
            WorkerEvent::Store { is_away } => {
                self.hand_overs.note_store(is_away, now.instant);
                if !is_away {
                    self.deferred.wait_anew(now.instant);
                }
            }
            WorkerEvent::Stop => self.is_stopping = true,
            // There is nothing to note: the steps below look at the time and at pauses.
            WorkerEvent::Due | WorkerEvent::Reopened => {}
        }
        self.set_draining_aside();
        // Pauses end before envelopes are deferred, so that none is deferred whose pause has just ended.
        self.wake(now);
        self.begin(now);
        self.make_room(now);
        self.room.note(&self.tally);
        std::mem::take(&mut self.begun)
    }

    /// Whether nothing more should be taken for now: the store is away, or too much is in flight.
    pub(crate) fn wants_hold(&self) -> bool {
        self.hand_overs.is_store_away() || self.room.is_full()
    }

    /// The partitions of which everything in flight is about to be given back.
    pub(crate) fn draining(&self) -> PartitionSet {
        if self.is_stopping { PartitionSet::ALL } else { self.draining }
    }

    /// Whether any work is under way.
    pub(crate) fn is_busy(&self) -> bool {
        self.under_way.work > 0
    }

    /// A partition of which everything in flight is to be given back, and can be: no work with it is under way.
    pub(crate) fn drained(&self) -> Option<Partition> {
        let aside = |partition| self.set_aside.get(&partition).map_or(0, Vec::len);
        self.draining.iter().find(|partition| self.tally.len_of(*partition) == aside(*partition))
    }

    /// Envelopes that are out with work under way.
    pub(crate) fn out(&self) -> usize {
        self.under_way.envelopes
    }

    /// Envelopes taken and not settled yet.
    #[cfg(test)]
    pub(crate) fn in_flight(&self) -> usize {
        let set_aside: usize = self.set_aside.values().map(Vec::len).sum();
        self.lanes.len() + self.under_way.envelopes + self.ended.len() + set_aside
    }

    /// Envelopes of a partition taken and not settled yet.
    #[cfg(test)]
    pub(crate) fn in_flight_of(&self, partition: Partition) -> usize {
        self.tally.len_of(partition)
    }

    /// Envelopes that wait in their lanes.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.lanes.len()
    }

    /// Everything that is not settled, apart from what is out with work under way.
    pub(crate) fn finish(mut self) -> Vec<T> {
        let mut unsettled: Vec<Flight<T>> = self.set_aside.into_values().flatten().collect();
        unsettled.append(&mut self.lanes.clear());
        unsettled.extend(self.ended.into_iter().map(|ended| ended.flight));
        unsettled.into_iter().map(|flight| flight.item).collect()
    }

    fn complete(&mut self, end: Completion<T>, now: Moment) {
        self.under_way.work -= 1;
        self.under_way.envelopes -= end.envelopes();
        match end {
            Completion::LookUp { flights, answers: Some(answers) } => {
                self.under_way.look_up = false;
                flights.into_iter().zip(answers).for_each(|(flight, answer)| self.looked_up(flight, answer, now));
                self.unmarked.look_up_ended();
            }
            Completion::LookUp { flights, answers: None } => {
                self.under_way.look_up = false;
                self.unmarked.look_up_ended();
                for flight in flights {
                    // Or the lane would stand still for ever, and what comes later in it with it.
                    self.lanes.release(&flight.lane);
                    self.set_aside(flight);
                }
            }
            Completion::Attempt(end) => self.attempted(*end, now),
            Completion::Settlement { ticket, partition, bytes, event, interrupted } => {
                self.room.arrived(partition, bytes);
                self.deferred.left(&event.lane, &event.id, now.instant);
                match interrupted {
                    Some(flight) => self.set_aside(*flight),
                    None => self.tally.leave(ticket),
                }
            }
            Completion::Mark(marked) => {
                self.under_way.marking = false;
                marked.iter().for_each(|marked| self.tally.leave(marked.ticket));
                self.unmarked.mark(marked.into_iter().map(|marked| marked.id).collect(), self.under_way.look_up);
            }
            Completion::Noted { lane, deferrals, noted } => self.noted(&lane, deferrals, noted, now),
            Completion::Forgotten => {}
            Completion::Survey(endpoints) => self.surveyed(endpoints, now.instant),
        }
    }

    /// Reports, and lets go of what was held for too long: RabbitMQ closes the AMQP channel of a consumer that holds a message
    /// for half an hour.
    fn tick(&mut self, stalled: PartitionSet, now: Moment) {
        self.deferred.remove_old(now.instant);
        let oldest = self.tally.oldest().map_or(Duration::ZERO, |queued_at| since(queued_at, now.timestamp));
        let load = Load { envelopes: self.tally.len(), oldest };
        self.state.report(self.class, load, now.instant);
        let held_for = self.tally.held_for(self.draining(), now.instant);
        if held_for >= self.state.hold_time {
            self.release_held(held_for, now);
        }
        self.hand_over(stalled, now);
    }

    /// Drops what only waits and came over a connection that is gone. Work under way goes on: the queue joins what it gives
    /// us again.
    fn drop_lost(&mut self) {
        let mut lost = self.lanes.remove_waiting(Item::is_lost);
        for aside in self.set_aside.values_mut() {
            lost.extend(aside.extract_if(.., |flight| flight.item.is_lost()));
        }
        if !lost.is_empty() {
            let class = self.class.as_str();
            info!(class, dropped = lost.len(), "Dropped what waited, because its connection to the queue is gone");
        }
        lost.iter().for_each(|flight| self.tally.leave(flight.ticket));
    }

    /// Forgets everything in flight of a partition, because the queue has it back and will hand it out again. This ends the
    /// drain.
    fn drop_given_back(&mut self, partition: Partition) {
        let given_back = self.set_aside.remove(&partition).unwrap_or_default();
        given_back.iter().for_each(|flight| self.tally.leave(flight.ticket));
        self.draining.remove(partition);
        self.state.metrics.given_back_total.add(given_back.len());
        let class = self.class.as_str();
        let given_back = given_back.len();
        let partition = partition.index();
        info!(class, partition, given_back, "Gave back what was in flight of partition {partition}, in its order");
    }

    /// Takes what waits of draining partitions out of its lanes, so that nothing of it begins.
    fn set_draining_aside(&mut self) {
        if self.draining.is_empty() {
            return;
        }
        let draining = self.draining;
        let waiting = self.lanes.remove_waiting(|item| draining.contains(item.partition()));
        waiting.into_iter().for_each(|flight| self.set_aside(flight));
    }

    fn set_aside(&mut self, flight: Flight<T>) {
        self.set_aside.entry(flight.item.partition()).or_default().push(flight);
    }

    /// Lets lanes ask again whose obstacle may be gone.
    fn wake(&mut self, now: Moment) {
        if self.reopenings.has_changed().is_ok_and(|has_changed| has_changed) {
            self.reopenings.mark_unchanged();
            self.lanes.make_pauses_due(now.instant);
        }
        for obstacle in self.lanes.due_obstacles(now.instant) {
            let wake = self.state.wake(&obstacle, now.instant);
            self.lanes.wake(&obstacle, wake.lanes, wake.again_at);
        }
    }

    /// Settles an envelope in another way than by a deferral.
    fn settle(&mut self, flight: Flight<T>, settlement: Settlement, now: Moment) {
        self.note_settlement(&flight, &settlement, now);
        self.note_settled(&flight);
        self.room.left(flight.item.partition(), flight.item.envelope().body.len());
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
