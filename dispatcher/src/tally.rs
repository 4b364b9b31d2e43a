//! Counts what a worker has in flight: envelopes, bytes and ages, whatever is being done with each of them. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// An envelope in flight, as the tally knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weight {
    pub(crate) taken_at: Instant,
    pub(crate) queued_at: Timestamp,
    /// Bytes of its body.
    pub(crate) bytes: usize,
}

/// Everything in flight, by the ticket that each envelope gets when it is taken. Tickets are given in the order of arrival.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    envelopes: BTreeMap<u64, Weight>,
    bytes: usize,
    last_ticket: u64,
}

impl Tally {
    /// An envelope was taken. Returns its ticket.
    pub(crate) fn enter(&mut self, weight: Weight) -> u64 {
        self.last_ticket += 1;
        self.bytes += weight.bytes;
        self.envelopes.insert(self.last_ticket, weight);
        self.last_ticket
    }

    /// An envelope is settled.
    pub(crate) fn leave(&mut self, ticket: u64) {
        if let Some(weight) = self.envelopes.remove(&ticket) {
            self.bytes -= weight.bytes;
        }
    }

    /// Nothing is in flight any more.
    pub(crate) fn clear(&mut self) {
        self.envelopes.clear();
        self.bytes = 0;
    }

    pub(crate) fn len(&self) -> usize {
        self.envelopes.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How long the envelope that was taken first has been in flight.
    pub(crate) fn held_for(&self, now: Instant) -> Duration {
        let first = self.envelopes.first_key_value();
        first.map_or(Duration::ZERO, |(_, weight)| now.saturating_duration_since(weight.taken_at))
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
        let weigh = |seconds| Weight { taken_at: now, queued_at: Timestamp::constant(seconds, 0), bytes: 10 };
        let newer = tally.enter(weigh(200));
        let older = tally.enter(weigh(100));
        assert_eq!((tally.len(), tally.bytes()), (2, 20));

        assert_eq!(tally.oldest(), Some(Timestamp::constant(100, 0)));
        assert_eq!(tally.held_for(now + Duration::from_secs(3)), Duration::from_secs(3));
        tally.leave(older);
        tally.leave(older);
        assert_eq!(tally.oldest(), Some(Timestamp::constant(200, 0)));
        tally.leave(newer);
        assert_eq!((tally.len(), tally.bytes(), tally.oldest()), (0, 0, None));
    }
}
