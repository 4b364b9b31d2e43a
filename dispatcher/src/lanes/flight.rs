//! An envelope in flight, and what was tried since it was taken.

use event::{EventId, Lane};
use tokio::time::Instant;

/// An event of a lane, and its place.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) serial: u64,
    pub(crate) id: EventId,
}

/// An envelope in flight.
#[derive(Debug)]
pub(crate) struct Flight<T> {
    pub(crate) item: T,
    pub(crate) id: EventId,
    pub(crate) lane: Lane,
    /// Its number in the tally of what is in flight.
    pub(crate) ticket: u64,
    pub(crate) taken_at: Instant,
    /// Attempts since it was taken.
    pub(crate) attempts: u32,
    /// Failures in a row since a pause last held it.
    pub(crate) failures: u32,
    /// When the first of them happened.
    pub(crate) failing_since: Option<Instant>,
    /// Its place in its lane, mostly that of its arrival.
    pub(crate) serial: u64,
    /// Its lane was parked and is woken: it goes before those that never waited.
    pub(crate) was_woken: bool,
}

impl<T> Flight<T> {
    /// An envelope that was just taken and has no place in a lane yet.
    pub(crate) fn new(item: T, id: EventId, lane: Lane, ticket: u64, now: Instant) -> Self {
        Self {
            item,
            id,
            lane,
            ticket,
            taken_at: now,
            attempts: 0,
            failures: 0,
            failing_since: None,
            serial: 0,
            was_woken: false,
        }
    }

    pub(crate) fn named(&self) -> Named {
        Named { serial: self.serial, id: self.id.clone() }
    }

    /// A pause is not the fault of the envelope that it holds.
    pub(crate) fn without_failures(self) -> Self {
        Self { failures: 0, failing_since: None, ..self }
    }
}
