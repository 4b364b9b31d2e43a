//! What a worker wants done, and what it has to know of an envelope.

use std::time::Duration;

use ::event::{DecodeError, Envelope, EventId, Lane};
use channels::End;
use queue::{Partition, Taken, Tier};

use crate::lanes::Flight;
use crate::pauses::Permit;
use crate::remedy::{Failure, Reason};

/// An envelope as a worker sees it. The queue's is [`Taken`]; a test plays its own, because only the queue can make a
/// [`Taken`].
pub(crate) trait Item {
    fn envelope(&self) -> &Envelope;
    /// Why the message was not an envelope.
    fn fault(&self) -> Option<DecodeError>;
    /// How often the queue had delivered it before.
    fn deliveries(&self) -> u32;
    /// The partition that it was taken from.
    fn partition(&self) -> Partition;
    /// Whether the connection over which it came is gone, so that another dispatcher may have it.
    fn is_lost(&self) -> bool;
    /// The queue may remove it.
    fn acknowledge(self);
}

impl Item for Taken {
    fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    fn fault(&self) -> Option<DecodeError> {
        self.fault
    }

    fn deliveries(&self) -> u32 {
        Self::deliveries(self)
    }

    fn partition(&self) -> Partition {
        Self::partition(self)
    }

    fn is_lost(&self) -> bool {
        Self::is_lost(self)
    }

    fn acknowledge(self) {
        Self::acknowledge(self);
    }
}

/// Where the copy of an envelope goes that is not delivered now, and why.
#[derive(Debug)]
pub(crate) enum Settlement {
    /// To a retry queue: its attempts failed.
    Retry(Tier, Failure),
    /// To a retry queue, so that others come first or a long pause passes. No attempt is used up.
    Defer(Tier),
    /// To the dead letters, for a person.
    DeadLetter(Reason, Option<Failure>),
}

/// An envelope that is to be deferred.
#[derive(Debug)]
pub(crate) struct Deferral<T> {
    pub(crate) flight: Flight<T>,
    pub(crate) tier: Tier,
}

/// An envelope whose event came to its end, and how.
#[derive(Debug)]
pub(crate) struct Ended<T> {
    pub(crate) flight: Flight<T>,
    pub(crate) end: End,
}

/// What a worker wants done. Each piece owns its envelopes until its completion.
#[derive(Debug)]
#[must_use = "work that is not started keeps its envelopes for ever"]
pub(crate) enum Work<T> {
    /// Ask the store about these.
    LookUp(Vec<Flight<T>>),
    /// Make one attempt.
    Attempt { flight: Flight<T>, permit: Permit },
    /// Publish a copy, then acknowledge the original.
    Settle { flight: Flight<T>, settlement: Settlement },
    /// Tell the store that these events of a lane come before all others, because some of them are about to be deferred.
    Note { lane: Lane, ids: Vec<EventId>, delay: Duration, deferrals: Vec<Deferral<T>> },
    /// Tell the store that these events of a lane are settled.
    Forget { lane: Lane, ids: Vec<EventId> },
    /// Mark these, then acknowledge them.
    Mark(Vec<Ended<T>>),
    /// Ask the store which destinations there are.
    Survey,
}

impl<T> Work<T> {
    /// How many envelopes the work owns.
    pub(crate) fn envelopes(&self) -> usize {
        match self {
            Self::LookUp(flights) => flights.len(),
            Self::Attempt { .. } | Self::Settle { .. } => 1,
            Self::Mark(ended) => ended.len(),
            Self::Note { deferrals, .. } => deferrals.len(),
            Self::Forget { .. } | Self::Survey => 0,
        }
    }
}
