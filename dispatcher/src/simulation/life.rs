//! How simulated dispatchers start and end, and how what goes wrong begins and ends.

use std::time::Duration;

use super::agenda::{Due, FeedId, SeatId};
use super::chance::millis;
use super::dispatcher::{Dispatcher, Seat};
use super::faults::{Misfit, What};
use super::feed::Feed;
use super::world::World;
use crate::settings::DispatcherSettings;
use crate::worker::WorkerEvent;

/// After this time, the queue has noticed that a consumer is gone: RabbitMQ misses two heartbeats of 10 s.
const NOTICE_MS_MAX: u64 = 20_000;

impl World {
    pub(super) fn begin_fault(&mut self, what: What) {
        self.trace(|_| format!("begins: {what:?}"));
        match what {
            What::Loss { place, class } => self.lose_some(place, class),
            What::Kill { place, is_noticed } => self.kill(place, is_noticed),
            What::Stop { place } => self.stop(place),
            What::Erasure(lane) => self.store.erase(lane, self.now.timestamp),
            What::Restriction(lane) => self.store.restrict(lane),
            What::Disconnection(channel) => self.store.disconnect(channel),
            What::LostMarkers => {
                self.store.forget_markers();
                self.ledger.may_repeat_all();
            }
            // Whoever is concerned looks at the time.
            What::Origin(..)
            | What::Customer(..)
            | What::Channel(..)
            | What::StoreAway(_)
            | What::StoreSlow
            | What::NoConfirms(_)
            | What::Absence { .. } => {}
        }
    }

    pub(super) fn end_fault(&mut self, what: What) {
        self.trace(|_| format!("ends: {what:?}"));
        match what {
            What::Kill { place, .. } | What::Stop { place } | What::Absence { place } => self.start(place),
            What::Channel(channel, Misfit::Refused) => self.store.renew(&self.plan, channel),
            What::Channel(..)
            | What::Origin(..)
            | What::Customer(..)
            | What::StoreAway(_)
            | What::StoreSlow
            | What::NoConfirms(_)
            | What::Loss { .. }
            | What::Erasure(_)
            | What::Restriction(_)
            | What::Disconnection(_)
            | What::LostMarkers => {}
        }
    }

    /// Starts a dispatcher, unless there is one in this place. One that still stops there is waited for no longer.
    pub(super) fn start(&mut self, place: usize) {
        if let Some(id) = self.dispatcher_in(place) {
            self.end_stop(id);
        }
        if self.dispatcher_in(place).is_some() {
            return;
        }
        self.last_dispatcher += 1;
        let dispatcher = self.last_dispatcher;
        self.dispatchers.insert(dispatcher, Dispatcher::new(place, &self.plan, self.now.instant));
        for class in 0..self.plan.classes {
            for partition in 0..self.plan.partitions {
                let feed = FeedId { seat: SeatId { dispatcher, class }, partition };
                self.later(millis(0..300), Due::Consume(feed));
            }
        }
    }

    fn dispatcher_in(&self, place: usize) -> Option<u64> {
        self.dispatchers.iter().find(|(_, dispatcher)| dispatcher.place == place).map(|(id, _)| *id)
    }

    fn kill(&mut self, place: usize, is_noticed: bool) {
        let Some(dispatcher) = self.dispatcher_in(place) else { return };
        let Some(Dispatcher { seats, .. }) = self.dispatchers.remove(&dispatcher) else { return };
        for (class, seat) in seats.into_iter().enumerate() {
            self.may_repeat(&seat);
            for feed in &seat.feeds {
                let Some(session) = feed.session else { continue };
                let queue = self.plan.queue(class, feed.partition.index());
                if fastrand::bool() && !feed.to_acknowledge.is_empty() {
                    self.broker.acknowledge(queue, session, &feed.to_acknowledge);
                }
                let noticed = if is_noticed { Duration::ZERO } else { millis(0..NOTICE_MS_MAX) };
                self.later(noticed, Due::Notice { queue, session });
            }
        }
    }

    fn stop(&mut self, place: usize) {
        let Some(id) = self.dispatcher_in(place) else { return };
        let Some(dispatcher) = self.dispatchers.get_mut(&id).filter(|dispatcher| !dispatcher.is_stopping) else {
            return;
        };
        dispatcher.is_stopping = true;
        dispatcher.seats.iter_mut().for_each(|seat| seat.is_held = true);
        for class in 0..self.plan.classes {
            self.apply(SeatId { dispatcher: id, class }, WorkerEvent::Stop);
        }
        self.later(DispatcherSettings::DRAIN, Due::StopOverdue(id));
        if self.dispatchers[&id].has_finished() {
            self.end_stop(id);
        }
    }

    /// A dispatcher that stops gives back what is not settled.
    pub(super) fn end_stop(&mut self, id: u64) {
        let Some(dispatcher) = self.dispatchers.get(&id).filter(|dispatcher| dispatcher.is_stopping) else { return };
        let has_finished = dispatcher.has_finished();
        let Some(Dispatcher { seats, .. }) = self.dispatchers.remove(&id) else { return };
        for (class, seat) in seats.into_iter().enumerate() {
            if !has_finished {
                self.may_repeat(&seat);
            }
            let Seat { worker, feeds, arrived, .. } = seat;
            let unsettled = worker.finish();
            let in_flight: usize = feeds.iter().map(|feed| feed.in_flight.len()).sum();
            assert!(!has_finished || unsettled.len() + arrived.len() == in_flight, "a stop leaves something behind");
            for feed in feeds {
                let Some(session) = feed.session else { continue };
                let queue = self.plan.queue(class, feed.partition.index());
                if !feed.to_acknowledge.is_empty() {
                    self.broker.acknowledge(queue, session, &feed.to_acknowledge);
                }
                self.broker.leave(queue, session);
                self.pump(queue);
            }
        }
    }

    /// What it was doing may be done again by another one.
    fn may_repeat(&mut self, seat: &Seat) {
        seat.feeds.iter().flat_map(Feed::events_at_risk).for_each(|event| self.ledger.may_repeat(event));
    }

    /// Connections of some partitions of a class break.
    fn lose_some(&mut self, place: usize, class: usize) {
        let Some(dispatcher) = self.dispatcher_in(place) else { return };
        let spared = fastrand::usize(0..self.plan.partitions * 2);
        for partition in (0..self.plan.partitions).filter(|partition| *partition != spared) {
            self.lose(FeedId { seat: SeatId { dispatcher, class }, partition });
        }
    }
}
