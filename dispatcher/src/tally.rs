//! Counts what a worker has in flight: envelopes, bytes and ages, whatever is being done with each of them. Pure.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::Timestamp;
use queue::{Partition, PartitionSet};
use tokio::time::Instant;

/// An envelope in flight, as the tally knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weight {
    pub(crate) taken_at: Instant,
    pub(crate) queued_at: Timestamp,
    /// Bytes of its body.
    pub(crate) bytes: usize,
    pub(crate) partition: Partition,
}

/// Everything in flight, by the ticket that each envelope gets when it is taken. Tickets are given in the order of arrival.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    envelopes: BTreeMap<u64, Weight>,
    bytes: usize,
    /// Envelopes of each partition.
    of_partitions: HashMap<Partition, usize>,
    last_ticket: u64,
}

impl Tally {
    /// An envelope was taken. Returns its ticket.
    pub(crate) fn enter(&mut self, weight: Weight) -> u64 {
        self.last_ticket += 1;
        self.bytes += weight.bytes;
        *self.of_partitions.entry(weight.partition).or_default() += 1;
        self.envelopes.insert(self.last_ticket, weight);
        self.last_ticket
    }

    /// An envelope is settled.
    pub(crate) fn leave(&mut self, ticket: u64) {
        if let Some(weight) = self.envelopes.remove(&ticket) {
            self.bytes -= weight.bytes;
            *self.of_partitions.entry(weight.partition).or_default() -= 1;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.envelopes.len()
    }

    /// How many of them are of this partition.
    pub(crate) fn len_of(&self, partition: Partition) -> usize {
        self.of_partitions.get(&partition).copied().unwrap_or_default()
    }

    /// The partitions that have had anything in flight.
    pub(crate) fn partitions(&self) -> impl Iterator<Item = Partition> {
        self.of_partitions.keys().copied()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How long the envelope that was taken first has been in flight, apart from those of some partitions.
    pub(crate) fn held_for(&self, apart_from: PartitionSet, now: Instant) -> Duration {
        let first = self.envelopes.values().find(|weight| !apart_from.contains(weight.partition));
        first.map_or(Duration::ZERO, |weight| now.saturating_duration_since(weight.taken_at))
    }

    /// The partitions that have an envelope in flight which was taken no later than `taken_by`.
    pub(crate) fn held(&self, taken_by: Instant) -> PartitionSet {
        let held = self.envelopes.values().take_while(|weight| weight.taken_at <= taken_by);
        held.map(|weight| weight.partition).collect()
    }

    /// When the oldest event entered the queue.
    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        self.envelopes.values().map(|weight| weight.queued_at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_in_flight_counts_until_it_is_settled_whatever_is_being_done_with_it() {
        let now = Instant::now();
        let mut tally = Tally::default();
        let weigh = |seconds| Weight {
            taken_at: now,
            queued_at: Timestamp::constant(seconds, 0),
            bytes: 10,
            partition: Partition::FIRST,
        };
        let newer = tally.enter(weigh(200));
        let older = tally.enter(weigh(100));
        assert_eq!((tally.len(), tally.len_of(Partition::FIRST), tally.bytes()), (2, 2, 20));

        assert_eq!(tally.oldest(), Some(Timestamp::constant(100, 0)));
        let later = now + Duration::from_secs(3);
        assert_eq!(tally.held_for(PartitionSet::default(), later), Duration::from_secs(3));
        assert_eq!(tally.held_for(PartitionSet::ALL, later), Duration::ZERO);
        assert!(tally.held(now).contains(Partition::FIRST));
        tally.leave(older);
        tally.leave(older);
        assert_eq!(tally.oldest(), Some(Timestamp::constant(200, 0)));
        tally.leave(newer);
        assert_eq!((tally.len(), tally.bytes(), tally.oldest()), (0, 0, None));
    }
}
