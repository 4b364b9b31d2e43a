//! What can happen to a worker.

use std::collections::BTreeSet;

use ::event::{EventId, Lane};
use channels::{DeferredLane, TenantEndpoint};
use chassis::now;
use jiff::Timestamp;
use queue::{Partition, PartitionSet};
use tokio::time::Instant;

use super::work::Deferral;
use crate::contacts::Found;
use crate::lanes::Flight;
use crate::pauses::Permit;
use crate::remedy::Outcome;

/// When something happened, by both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// For delays.
    pub(crate) instant: Instant,
    /// For the ages of events.
    pub(crate) timestamp: Timestamp,
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self { instant: Instant::now(), timestamp: now() }
    }
}

/// What can happen to a worker.
#[derive(Debug)]
pub(crate) enum WorkerEvent<T> {
    /// The queue handed these out.
    Taken(Vec<T>),
    /// Work has come to its end.
    Completed(Vec<Completion<T>>),
    /// A lane has waited long enough.
    Due,
    /// A pause has ended or changed.
    Reopened,
    /// The channel store was lost, or is back.
    Store { is_away: bool },
    /// A connection to the queue was lost: it gives what was in flight to somebody else, too. Afterwards nothing of that waits
    /// here.
    Lost,
    /// It is time to look at ages. Of stalled partitions nothing more comes until what is in flight of them is settled.
    Tick { stalled: PartitionSet },
    /// The queue has everything back that was in flight of this partition.
    GivenBack(Partition),
    /// The process stops.
    Stop,
}

/// The end of work, with the envelopes that were out with it.
#[derive(Debug)]
pub(crate) enum Completion<T> {
    /// What the store knows of each envelope; nothing if the process stopped first.
    LookUp { flights: Vec<Flight<T>>, answers: Option<Vec<Found>> },
    /// An attempt has ended.
    Attempt(Box<AttemptEnd<T>>),
    /// A copy was confirmed and the original acknowledged. The original is still here if a drain or a stop came first.
    Settlement {
        ticket: u64,
        partition: Partition,
        bytes: usize,
        event: LaneEvent,
        interrupted: Option<Box<Flight<T>>>,
    },
    /// The store knows what comes first in this lane; nothing if a drain or a stop came first.
    Noted { lane: Lane, deferrals: Vec<Deferral<T>>, noted: Option<DeferredLane> },
    /// The store has forgotten what was settled.
    Forgotten,
    /// Delivered events were marked and acknowledged.
    Mark(Vec<Marked>),
    /// Where the events of all connected channels go; nothing if the store did not say.
    Survey(Option<BTreeSet<TenantEndpoint>>),
}

/// An event whose marker was written, or can't be.
#[derive(Debug)]
pub(crate) struct Marked {
    pub(crate) ticket: u64,
    pub(crate) id: EventId,
}

/// An event and its lane.
#[derive(Debug)]
pub(crate) struct LaneEvent {
    pub(crate) lane: Lane,
    pub(crate) id: EventId,
}

/// How an attempt ended.
#[derive(Debug)]
pub(crate) struct AttemptEnd<T> {
    pub(crate) flight: Flight<T>,
    pub(crate) permit: Permit,
    /// `None` if it panicked.
    pub(crate) outcome: Option<Outcome>,
}

impl Marked {
    pub(crate) fn of<T>(flight: &Flight<T>) -> Self {
        Self { ticket: flight.ticket, id: flight.id.clone() }
    }
}

impl<T> Completion<T> {
    /// How many envelopes were out with the work.
    pub(crate) fn envelopes(&self) -> usize {
        match self {
            Self::LookUp { flights, .. } => flights.len(),
            Self::Attempt(_) | Self::Settlement { .. } => 1,
            Self::Mark(marked) => marked.len(),
            Self::Noted { deferrals, .. } => deferrals.len(),
            Self::Forgotten | Self::Survey(_) => 0,
        }
    }
}
