//! Plays the queue: partitions that each have one active consumer, retry queues whose messages come back, and dead letters.

use std::collections::BTreeMap;
use std::rc::Rc;

use event::{DecodeError, Envelope};
use tokio::time::Instant;

/// A message in the queue.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) envelope: Rc<Envelope>,
    pub(super) fault: Option<DecodeError>,
    /// How often it was handed out and came back.
    pub(super) deliveries: u32,
    pub(super) was_redelivered: bool,
    pub(super) queue: usize,
}

/// A message that is handed out, under the tag that settles it.
#[derive(Debug)]
pub(super) struct Handed {
    pub(super) tag: u64,
    pub(super) message: Message,
}

/// What a consumer is handed.
#[derive(Debug)]
pub(super) struct HandOut {
    pub(super) consumer: Consumer,
    pub(super) messages: Vec<Handed>,
}

/// A consumer of one partition, for as long as one connection lasts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Consumer {
    pub(super) session: u64,
    pub(super) dispatcher: u64,
}

#[derive(Debug, Default)]
struct PartitionQueue {
    /// By their places, which they keep when they are given back.
    waiting: BTreeMap<u64, Message>,
    /// What the active consumer has.
    handed_out: BTreeMap<u64, Message>,
    consumers: Vec<Consumer>,
    /// The session that gets all messages.
    active: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Broker {
    partitions: Vec<PartitionQueue>,
    retries: BTreeMap<(Instant, u64), Message>,
    last_place: u64,
    last_session: u64,
    has_preference: bool,
    window: usize,
}

impl Broker {
    pub(super) fn new(queues: usize, has_preference: bool, window: usize) -> Self {
        let partitions = (0..queues).map(|_| PartitionQueue::default()).collect();
        Self { partitions, retries: BTreeMap::new(), last_place: 0, last_session: 0, has_preference, window }
    }

    /// Puts a message at the end of its partition.
    pub(super) fn publish(&mut self, message: Message) {
        self.last_place += 1;
        self.partitions[message.queue].waiting.insert(self.last_place, message);
    }

    /// Puts a message into a retry queue.
    pub(super) fn publish_for_later(&mut self, message: Message, until: Instant) {
        self.last_place += 1;
        self.retries.insert((until, self.last_place), message);
    }

    pub(super) fn next_return(&self) -> Option<Instant> {
        self.retries.first_key_value().map(|entry| entry.0.0)
    }

    /// The next message of a retry queue comes back into its partition, whose number is returned.
    pub(super) fn return_next(&mut self) -> Option<usize> {
        let message = self.retries.pop_first()?.1;
        let queue = message.queue;
        self.publish(message);
        Some(queue)
    }

    /// A consumer starts. Returns its session.
    pub(super) fn join(&mut self, queue: usize, dispatcher: u64) -> u64 {
        self.last_session += 1;
        self.partitions[queue].consumers.push(Consumer { session: self.last_session, dispatcher });
        self.last_session
    }

    /// A consumer is gone, or gives everything back: what it had is in its place again.
    pub(super) fn leave(&mut self, queue: usize, session: u64) {
        let partition = &mut self.partitions[queue];
        partition.consumers.retain(|consumer| consumer.session != session);
        if partition.active != Some(session) {
            return;
        }
        partition.active = None;
        for (place, message) in std::mem::take(&mut partition.handed_out) {
            let deliveries = message.deliveries + 1;
            partition.waiting.insert(place, Message { deliveries, was_redelivered: true, ..message });
        }
    }

    /// Removes what a consumer acknowledges.
    pub(super) fn acknowledge(&mut self, queue: usize, session: u64, tags: &[u64]) {
        let partition = &mut self.partitions[queue];
        assert_eq!(partition.active, Some(session), "only the active consumer has anything");
        for tag in tags {
            assert!(partition.handed_out.remove(tag).is_some(), "tag {tag} was acknowledged twice");
        }
    }

    /// Hands out as much of a partition as may be now.
    pub(super) fn hand_out(&mut self, queue: usize) -> Option<HandOut> {
        let wanted = self.wanted(queue);
        let partition = &mut self.partitions[queue];
        if partition.handed_out.is_empty() {
            partition.active = wanted;
        }
        let active = partition.active.filter(|active| Some(*active) == wanted)?;
        let consumer = *partition.consumers.iter().find(|consumer| consumer.session == active)?;
        let mut messages = Vec::new();
        while partition.handed_out.len() < self.window
            && let Some((tag, message)) = partition.waiting.pop_first()
        {
            partition.handed_out.insert(tag, message.clone());
            messages.push(Handed { tag, message });
        }
        (!messages.is_empty()).then_some(HandOut { consumer, messages })
    }

    /// Whether nothing more comes to this consumer until what it has is settled, because another one is to have the partition.
    pub(super) fn is_stalled(&self, queue: usize, session: u64) -> bool {
        let partition = &self.partitions[queue];
        partition.active == Some(session) && self.wanted(queue) != Some(session) && !partition.waiting.is_empty()
    }

    /// Whether nothing is in any queue.
    pub(super) fn is_empty(&self) -> bool {
        let is_empty = |partition: &PartitionQueue| partition.waiting.is_empty() && partition.handed_out.is_empty();
        self.retries.is_empty() && self.partitions.iter().all(is_empty)
    }

    /// The session of the consumer that should be the active one: where the queue prefers none, the one that is.
    fn wanted(&self, queue: usize) -> Option<u64> {
        let PartitionQueue { consumers, active, .. } = &self.partitions[queue];
        let is_active = |consumer: &&Consumer| Some(consumer.session) == *active;
        let wanted = if self.has_preference {
            consumers.iter().max_by_key(|consumer| priority(consumer.dispatcher, queue))
        } else {
            consumers.iter().find(is_active).or(consumers.first())
        };
        wanted.map(|consumer| consumer.session)
    }
}

/// Spreads the partitions over the dispatchers.
fn priority(dispatcher: u64, queue: usize) -> u64 {
    (dispatcher * 7 + queue as u64 * 5) % 11
}
