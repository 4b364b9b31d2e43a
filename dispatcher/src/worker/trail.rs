//! Notes for the store what becomes of events that are not delivered at once. An event that is delivered by its first attempt
//! never comes here.

use queue::{QueueName, Tier};

use super::{Item, Moment, Settlement, Worker};
use crate::lanes::Flight;
use crate::remedy::{Failure, Reason};
use crate::trails::{self, Note, Step};

impl<T: Item> Worker<T> {
    /// An attempt failed, and the event stays in flight.
    pub(super) fn note_failure(&self, flight: &Flight<T>, failure: &Failure, step: Step, now: Moment) {
        self.note(flight, Some(failure), step, now);
    }

    /// A copy of the event is about to be published. While the queue is away, the note is ahead of that.
    pub(super) fn note_settlement(&self, flight: &Flight<T>, settlement: &Settlement, now: Moment) {
        match settlement {
            Settlement::Retry(tier, failure) => {
                self.note(flight, Some(failure), Step::Retry(self.retry_queue(*tier)), now);
            }
            Settlement::Defer(tier) => self.note_deferral(flight, *tier, now),
            // Nothing in the store may tell who is held. Of a message that is no envelope, somebody else chose the id.
            Settlement::DeadLetter(Reason::Held | Reason::Undecodable, _) => {}
            Settlement::DeadLetter(reason, failure) => self.note(flight, failure.as_ref(), Step::Park(*reason), now),
        }
    }

    /// The event is deferred.
    pub(super) fn note_deferral(&self, flight: &Flight<T>, tier: Tier, now: Moment) {
        self.note(flight, None, Step::Defer(self.retry_queue(tier)), now);
    }

    pub(super) fn note(&self, flight: &Flight<T>, failure: Option<&Failure>, step: Step, now: Moment) {
        let attempts = flight.item.envelope().attempts + flight.attempts;
        let failure = failure.map(|failure| trails::failed(failure, attempts, now.timestamp));
        self.state.trails.add(Note { id: flight.id.clone(), at: now.timestamp, failure, step });
    }

    fn retry_queue(&self, tier: Tier) -> QueueName {
        QueueName::Retry(self.class, tier)
    }
}
