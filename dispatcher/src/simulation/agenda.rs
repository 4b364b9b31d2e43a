//! What happens next in a simulation, in the order of its times.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::broker::Handed;

/// A worker of a dispatcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SeatId {
    pub(super) dispatcher: u64,
    pub(super) class: usize,
}

/// A worker's side of a partition.
#[derive(Clone, Copy, Debug)]
pub(super) struct FeedId {
    pub(super) seat: SeatId,
    pub(super) partition: usize,
}

/// Something that happens at its time.
#[derive(Debug)]
pub(super) enum Due {
    Publish {
        event: usize,
        is_repeat: bool,
    },
    FaultBegins(usize),
    FaultEnds(usize),
    /// A dispatcher starts a consumer.
    Consume(FeedId),
    /// Messages reach a dispatcher.
    Arrive {
        feed: FeedId,
        session: u64,
        messages: Vec<Handed>,
    },
    /// Acknowledgements reach the queue.
    Acknowledge(FeedId),
    /// The queue notices that a consumer is gone.
    Notice {
        queue: usize,
        session: u64,
    },
    /// A worker applies what waits for it.
    Wake(SeatId),
    /// Work takes its effect, in this try.
    Effect {
        seat: SeatId,
        task: u64,
        failures: u32,
    },
    /// The worker hears of the end of its work.
    Done {
        seat: SeatId,
        task: u64,
    },
    /// A dispatcher looks whether the store is back.
    AskStore(u64),
    /// A dispatcher that stops waits no longer.
    StopOverdue(u64),
}

#[derive(Debug, Default)]
pub(super) struct Agenda {
    entries: BTreeMap<(Instant, u64), Due>,
    last: u64,
}

impl Agenda {
    pub(super) fn add(&mut self, at: Instant, due: Due) {
        self.last += 1;
        self.entries.insert((at, self.last), due);
    }

    pub(super) fn next_at(&self) -> Option<Instant> {
        self.entries.first_key_value().map(|entry| entry.0.0)
    }

    pub(super) fn pop(&mut self) -> Option<Due> {
        self.entries.pop_first().map(|entry| entry.1)
    }
}
