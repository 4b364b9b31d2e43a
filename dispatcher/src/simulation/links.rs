//! What passes between the simulated queue and the dispatchers: messages, acknowledgements, and what is given back.

use std::time::Duration;

use super::agenda::{Due, FeedId, SeatId};
use super::broker::{HandOut, Handed};
use super::chance::millis;
use super::feed::Feed;
use super::world::World;

impl World {
    pub(super) fn feed(&mut self, id: FeedId) -> Option<&mut Feed> {
        self.seat(id.seat).and_then(|seat| seat.feeds.get_mut(id.partition))
    }

    fn queue_of(&self, id: FeedId) -> usize {
        self.plan.queue(id.seat.class, id.partition)
    }

    /// A dispatcher starts a consumer, unless it is to take nothing now.
    pub(super) fn consume(&mut self, id: FeedId) {
        let Some(seat) = self.seat(id.seat) else { return };
        let is_held = seat.is_held;
        let feed = &mut seat.feeds[id.partition];
        if feed.session.is_some() {
            return;
        }
        feed.may_consume = true;
        if is_held || feed.is_letting_go {
            return;
        }
        let queue = self.queue_of(id);
        let session = self.broker.join(queue, id.seat.dispatcher);
        if let Some(feed) = self.feed(id) {
            feed.may_consume = false;
            feed.session = Some(session);
        }
        self.pump(queue);
    }

    /// The queue hands out what it may. What it hands to a dispatcher that is gone comes back once it notices that.
    pub(super) fn pump(&mut self, queue: usize) {
        let Some(HandOut { consumer, messages }) = self.broker.hand_out(queue) else { return };
        let partitions = self.plan.partitions;
        let seat = SeatId { dispatcher: consumer.dispatcher, class: queue / partitions };
        let id = FeedId { seat, partition: queue % partitions };
        let soon = self.now.instant + millis(0..5);
        let Some(feed) = self.feed(id) else { return };
        let at = feed.last_arrival.map_or(soon, |last| last.max(soon));
        feed.last_arrival = Some(at);
        self.agenda.add(at, Due::Arrive { feed: id, session: consumer.session, messages });
    }

    pub(super) fn arrive(&mut self, id: FeedId, session: u64, messages: Vec<Handed>) {
        let Some(seat) = self.seat(id.seat) else { return };
        let is_held = seat.is_held;
        let feed = &mut seat.feeds[id.partition];
        if feed.session != Some(session) {
            return;
        }
        if is_held {
            feed.stream.extend(messages);
        } else {
            self.take(id, messages);
        }
    }

    pub(super) fn take(&mut self, id: FeedId, messages: Vec<Handed>) {
        let now = self.now.instant;
        let Some(seat) = self.seat(id.seat) else { return };
        let feed = &mut seat.feeds[id.partition];
        seat.arrived.extend(messages.into_iter().filter_map(|handed| feed.take(handed, now)));
        if !seat.arrived.is_empty() {
            self.wake_soon(id.seat);
        }
        self.acknowledge_soon(id);
    }

    /// What is settled reaches the queue.
    pub(super) fn acknowledge(&mut self, id: FeedId) {
        let queue = self.queue_of(id);
        let Some(feed) = self.feed(id) else { return };
        feed.is_acknowledging = false;
        let tags = std::mem::take(&mut feed.to_acknowledge);
        if let Some(session) = feed.session.filter(|_| !tags.is_empty()) {
            self.broker.acknowledge(queue, session, &tags);
            self.pump(queue);
        }
    }

    /// Everything in flight of a partition goes back in its order, and it is taken again.
    pub(super) fn give_back(&mut self, id: FeedId) {
        self.acknowledge(id);
        let queue = self.queue_of(id);
        let Some(seat) = self.seat(id.seat) else { return };
        let feed = &mut seat.feeds[id.partition];
        let session = feed.session;
        feed.give_back();
        seat.news.has_losses = true;
        seat.arrived.retain(|parcel| parcel.partition != feed.partition || feed.is_current(parcel));
        self.trace(|_| format!("queue {queue} is given back by {:?}", id.seat));
        if let Some(session) = session {
            self.broker.leave(queue, session);
            self.pump(queue);
        }
        self.dispose(id.seat);
        self.later(millis(1..20), Due::Consume(id));
        self.wake_soon(id.seat);
    }

    /// The worker has dropped what it lost, and now its taker does.
    pub(super) fn let_go(&mut self, id: SeatId) {
        let Some(seat) = self.seat(id) else { return };
        let feeds = &seat.feeds;
        seat.arrived.retain(|parcel| feeds[parcel.partition.index()].is_current(parcel));
        seat.feeds.iter_mut().for_each(|feed| feed.is_letting_go = false);
        self.dispose(id);
        for partition in 0..self.plan.partitions {
            let feed_id = FeedId { seat: id, partition };
            if self.feed(feed_id).is_some_and(|feed| feed.may_consume) {
                self.later(Duration::ZERO, Due::Consume(feed_id));
            }
        }
    }

    /// A connection breaks: the queue has everything back at once, and so may somebody else.
    pub(super) fn lose(&mut self, id: FeedId) {
        if fastrand::bool() {
            self.acknowledge(id);
        }
        let queue = self.queue_of(id);
        let Some(dispatcher) = self.dispatchers.get_mut(&id.seat.dispatcher) else { return };
        let Some(seat) = dispatcher.seats.get_mut(id.seat.class) else { return };
        let feed = &mut seat.feeds[id.partition];
        let Some(session) = feed.session else { return };
        feed.events_at_risk().for_each(|event| self.ledger.may_repeat(event));
        feed.lose_connection();
        seat.news.has_losses = true;
        self.trace(|_| format!("queue {queue} is lost by {:?}", id.seat));
        self.broker.leave(queue, session);
        self.pump(queue);
        self.later(millis(50..5_000), Due::Consume(id));
        self.wake_soon(id.seat);
    }
}
