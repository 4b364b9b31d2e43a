//! Lets simulated workers apply what happens to them, and does what their runner does after each event.

use std::time::Duration;

use queue::PartitionSet;

use super::agenda::{Due, FeedId, SeatId};
use super::chance::millis;
use super::ledger::Acknowledged;
use super::parcel::Parcel;
use super::world::World;
use crate::worker::WorkerEvent;

impl World {
    pub(super) fn apply(&mut self, id: SeatId, event: WorkerEvent<Parcel>) {
        let now = self.now;
        let is_lost = matches!(event, WorkerEvent::Lost);
        let Some(seat) = self.seat(id) else { return };
        let begun = seat.worker.apply(event, now);
        self.dispose(id);
        begun.into_iter().for_each(|work| self.begin(id, work));
        if is_lost {
            self.let_go(id);
        }
        self.after_event(id);
    }

    /// A worker applies one of the events that wait for it.
    pub(super) fn wake(&mut self, id: SeatId) {
        let is_stopping = self.is_stopping(id);
        let Some(seat) = self.seat(id) else { return };
        seat.is_waking = false;
        match seat.next_event(is_stopping) {
            Some(event) => self.apply(id, event),
            None => self.dispose(id),
        }
        if self.seat(id).is_some_and(|seat| seat.has_news(is_stopping)) {
            self.wake_soon(id);
        }
        if is_stopping && self.dispatchers[&id.dispatcher].has_finished() {
            self.end_stop(id.dispatcher);
        }
    }

    pub(super) fn tick(&mut self, id: SeatId) {
        let now = self.now.instant;
        let first_queue = self.plan.queues(id.class).start;
        let broker = &self.broker;
        let Some(dispatcher) = self.dispatchers.get_mut(&id.dispatcher) else { return };
        let Some(seat) = dispatcher.seats.get_mut(id.class) else { return };
        seat.last_tick = now;
        let is_stalled = |partition: usize, session: u64| broker.is_stalled(first_queue + partition, session);
        let stalled = seat
            .feeds
            .iter()
            .filter(|feed| feed.session.is_some_and(|session| is_stalled(feed.partition.index(), session)));
        let stalled: PartitionSet = stalled.map(|feed| feed.partition).collect();
        self.check_held(id);
        self.apply(id, WorkerEvent::Tick { stalled });
    }

    /// Notes what was settled and what was dropped.
    pub(super) fn dispose(&mut self, id: SeatId) {
        self.dispose_of(id, false);
    }

    /// The same, after work whose copies were published or not.
    pub(super) fn dispose_of(&mut self, id: SeatId, is_copied: bool) {
        let Some(dispatcher) = self.dispatchers.get_mut(&id.dispatcher) else { return };
        let Some(seat) = dispatcher.seats.get_mut(id.class) else { return };
        let dispositions = std::mem::take(&mut *seat.dispositions.borrow_mut());
        let mut acknowledging = Vec::new();
        for disposition in dispositions {
            let partition = disposition.partition.index();
            let feed = &mut seat.feeds[partition];
            feed.dispose(&disposition);
            if disposition.is_acknowledged {
                let may_be_skipped = self.store.allows_skipping(&self.plan, &disposition.envelope);
                let how = if is_copied { Acknowledged::Copied } else { Acknowledged::Done { may_be_skipped } };
                self.ledger.acknowledge(&disposition.envelope, how);
                acknowledging.push(FeedId { seat: id, partition });
            }
        }
        acknowledging.into_iter().for_each(|feed| self.acknowledge_soon(feed));
    }

    /// The queue will know what is settled.
    pub(super) fn acknowledge_soon(&mut self, id: FeedId) {
        let Some(feed) = self.feed(id) else { return };
        if !feed.to_acknowledge.is_empty() && !std::mem::replace(&mut feed.is_acknowledging, true) {
            self.later(millis(0..25), Due::Acknowledge(id));
        }
    }

    pub(super) fn is_stopping(&self, id: SeatId) -> bool {
        self.dispatchers.get(&id.dispatcher).is_some_and(|dispatcher| dispatcher.is_stopping)
    }

    fn after_event(&mut self, id: SeatId) {
        let Some(seat) = self.seat(id) else { return };
        let draining = seat.worker.draining();
        if std::mem::replace(&mut seat.draining, draining) != draining {
            self.give_up_waiting(id);
        }
        self.tell_reopenings(id.dispatcher);
        self.check_seat(id);
        if self.is_stopping(id) {
            return;
        }
        self.hold_or_resume(id);
        let drained = self.seat(id).and_then(|seat| seat.worker.drained());
        if let Some(partition) = drained {
            self.give_back(FeedId { seat: id, partition: partition.index() });
            self.apply(id, WorkerEvent::GivenBack(partition));
        }
    }

    fn hold_or_resume(&mut self, id: SeatId) {
        let Some(seat) = self.seat(id) else { return };
        let wants_hold = seat.worker.wants_hold();
        if wants_hold || !std::mem::replace(&mut seat.is_held, wants_hold) {
            seat.is_held = wants_hold;
            return;
        }
        for partition in 0..self.plan.partitions {
            let feed_id = FeedId { seat: id, partition };
            let Some(feed) = self.feed(feed_id) else { continue };
            let may_consume = feed.may_consume;
            let stream = std::mem::take(&mut feed.stream);
            self.take(feed_id, stream);
            if may_consume {
                self.later(Duration::ZERO, Due::Consume(feed_id));
            }
        }
    }

    /// The workers of a dispatcher share what is paused.
    fn tell_reopenings(&mut self, dispatcher: u64) {
        for class in 0..self.plan.classes {
            let id = SeatId { dispatcher, class };
            let Some(seat) = self.seat(id) else { continue };
            if seat.reopenings.has_changed().is_ok_and(|has_changed| has_changed) {
                seat.reopenings.mark_unchanged();
                seat.news.is_reopened = true;
                self.wake_soon(id);
            }
        }
    }
}
