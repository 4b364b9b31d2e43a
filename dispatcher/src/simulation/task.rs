//! Work that a simulated dispatcher carries out, and how it ends.

use std::collections::BTreeSet;
use std::time::Duration;

use channels::{DeferredLane, TenantEndpoint};

use super::parcel::Parcel;
use crate::contacts::Found;
use crate::lanes::Flight;
use crate::remedy::{Outcome, Reason, Remedy};
use crate::worker::{AttemptEnd, Completion, Item as _, LaneEvent, Marked, Settlement, Work};

/// Work under way.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) work: Work<Parcel>,
    /// Tries that failed.
    pub(super) failures: u32,
    /// How it ended, once it has taken its effect. The worker does not know that yet.
    pub(super) answer: Option<Answer>,
}

/// How work ended.
#[derive(Debug)]
pub(super) enum Answer {
    Found(Option<Vec<Found>>),
    Attempted(Option<Outcome>),
    Settled {
        is_copied: bool,
    },
    Noted(Option<DeferredLane>),
    Surveyed(Option<BTreeSet<TenantEndpoint>>),
    /// It has nothing to say.
    Done,
}

impl Task {
    /// The envelope whose attempt it is.
    pub(super) fn attempted(&self) -> Option<&Flight<Parcel>> {
        if let Work::Attempt { flight, .. } = &self.work { Some(flight) } else { None }
    }

    /// How long the customer gets no requests, if DSK asked for that.
    pub(super) fn asked_pause(&self) -> Option<Duration> {
        if let Some(Answer::Attempted(Some(Outcome::Failed(failure)))) = &self.answer
            && let Remedy::Wait(pause) = failure.remedy()
        {
            return pause;
        }
        None
    }

    /// Whether it settles an envelope by a copy of it. A body that is no event, and was parked before, needs none.
    pub(super) fn is_copied(&self) -> bool {
        match &self.work {
            Work::Settle { settlement: Settlement::DeadLetter(Reason::Unrecognized, _), .. } => false,
            Work::Settle { .. } => true,
            Work::LookUp(_)
            | Work::Attempt { .. }
            | Work::Note { .. }
            | Work::Forget { .. }
            | Work::Mark(_)
            | Work::Survey => false,
        }
    }

    /// Acknowledges what the work has settled, as the runner does, and says how it ended.
    pub(super) fn complete(self) -> Completion<Parcel> {
        let answer = self.answer.expect("it has taken its effect");
        match (self.work, answer) {
            (Work::LookUp(flights), Answer::Found(answers)) => Completion::LookUp { flights, answers },
            (Work::Attempt { flight, permit }, Answer::Attempted(outcome)) => {
                Completion::Attempt(Box::new(AttemptEnd { flight, permit, outcome }))
            }
            (Work::Settle { flight, .. }, Answer::Settled { is_copied }) => {
                let ticket = flight.ticket;
                let partition = flight.item.partition;
                let bytes = flight.item.envelope.body.len();
                let event = LaneEvent { lane: flight.lane.clone(), id: flight.id.clone() };
                let interrupted = if is_copied {
                    flight.item.acknowledge();
                    None
                } else {
                    Some(Box::new(flight))
                };
                Completion::Settlement { ticket, partition, bytes, event, interrupted }
            }
            (Work::Note { lane, deferrals, .. }, Answer::Noted(noted)) => Completion::Noted { lane, deferrals, noted },
            (Work::Forget { .. }, Answer::Done) => Completion::Forgotten,
            (Work::Mark(ended), Answer::Done) => {
                let marked = ended.iter().map(|ended| Marked::of(&ended.flight)).collect();
                ended.into_iter().for_each(|ended| ended.flight.item.acknowledge());
                Completion::Mark(marked)
            }
            (Work::Survey, Answer::Surveyed(endpoints)) => Completion::Survey(endpoints),
            (work, answer) => panic!("{work:?} has ended with {answer:?}"),
        }
    }
}
