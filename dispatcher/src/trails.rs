//! What the store is to remember of events that were not delivered at once: which attempts failed, and what is next. It is
//! written once a second beside everything else, and nothing waits for it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use channels::{ChannelStore, FailedAttempt, Happened, Next, TrailNote};
use chassis::{Label as _, Shutdown};
use event::EventId;
use jiff::Timestamp;
use queue::QueueName;
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::metrics::OutcomeLabel;
use crate::remedy::{Failure, Reason};

/// How often notes are written.
const PERIOD: Duration = Duration::from_secs(1);
/// The most notes that wait to be written: one for each envelope that both classes may have in flight. While the store is
/// away, what comes on top is not noted.
const NOTES_MAX: usize = 8_192;
/// How long nothing is written after Redis has refused it: the user list of an older release does not permit it.
const REFUSED_TIME: Duration = Duration::from_mins(10);

/// What an event goes on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It stays in flight, and is attempted again after this delay.
    Attempt(Duration),
    /// It stays in flight until a pause ends.
    Hold,
    /// It goes to a retry queue because its attempts failed.
    Retry(QueueName),
    /// It goes to a retry queue so that others come first.
    Defer(QueueName),
    /// It is parked.
    Park(Reason),
    /// It came again after its end, and is discarded.
    Repeat,
}

/// What the store is to remember of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) id: EventId,
    pub(crate) at: Timestamp,
    pub(crate) failure: Option<FailedAttempt>,
    pub(crate) step: Step,
}

/// The notes that are not written yet.
#[derive(Debug, Default)]
pub(crate) struct Trails {
    notes: Mutex<Vec<Note>>,
    /// Held while notes are written.
    writing: tokio::sync::Mutex<Refusal>,
}

/// That Redis does not permit trails.
#[derive(Debug, Default)]
pub(crate) struct Refusal {
    at: Option<Instant>,
}

impl Note {
    fn into_trail_note(self, by: &str) -> TrailNote {
        let Self { id, at, failure, step } = self;
        let by = by.to_owned();
        let after = |delay: Duration| at.saturating_add(delay).unwrap_or(Timestamp::MAX);
        let next = match step {
            Step::Attempt(delay) => Next::Attempt { at: after(delay), by },
            Step::Hold => Next::Hold { since: at, by },
            Step::Retry(queue) => Next::Retry { at: after(stay(queue)), queue: queue.as_str().to_owned() },
            Step::Defer(queue) => Next::Defer { at: after(stay(queue)), queue: queue.as_str().to_owned() },
            Step::Park(reason) => Next::Park { at, reason: reason.as_str().to_owned() },
            Step::Repeat => return TrailNote { id, happened: Happened::CameAgain(at) },
        };
        TrailNote { id, happened: Happened::GoesOn { failure, next } }
    }
}

/// How long an envelope stays in a retry queue.
fn stay(queue: QueueName) -> Duration {
    match queue {
        QueueName::Retry(_, tier) => tier.delay(),
        QueueName::Class(_) | QueueName::Dead => Duration::ZERO,
    }
}

/// A failure as a trail says it. `attempts` are those that are used up, the last one included.
pub(crate) fn failed(failure: &Failure, attempts: u32, at: Timestamp) -> FailedAttempt {
    let status = match failure {
        Failure::Answered { status, .. } => Some(status.as_u16()),
        Failure::Unreachable
        | Failure::TimedOut
        | Failure::Unopenable
        | Failure::Damaged(_)
        | Failure::UnknownChannel => None,
    };
    let attempt = failure.is_attempt().then_some(attempts);
    FailedAttempt { at, attempt, outcome: OutcomeLabel::from(failure).as_str().to_owned(), status }
}

impl Trails {
    /// Notes something.
    pub(crate) fn add(&self, note: Note) {
        let mut notes = self.notes();
        if notes.len() < NOTES_MAX {
            notes.push(note);
        }
    }

    /// Forgets what is not written yet of an event that is erased.
    pub(crate) fn forget(&self, id: &EventId) {
        self.notes().retain(|note| note.id != *id);
    }

    /// Waits until nothing is being written. Nothing is written either as long as the guard lives.
    pub(crate) async fn hold(&self) -> tokio::sync::MutexGuard<'_, Refusal> {
        self.writing.lock().await
    }

    /// Writes what was noted by this dispatcher.
    pub(crate) async fn write(&self, store: &ChannelStore, by: &str) {
        let mut refusal = self.writing.lock().await;
        let notes = std::mem::take(&mut *self.notes());
        if notes.is_empty() || refusal.at.is_some_and(|at| at.elapsed() < REFUSED_TIME) {
            return;
        }
        let notes: Vec<TrailNote> = notes.into_iter().map(|note| note.into_trail_note(by)).collect();
        match store.note_trails(&notes).await {
            Ok(()) => refusal.at = None,
            Err(error) if error.is_forbidden() => {
                if refusal.at.replace(Instant::now()).is_none() {
                    warn!(
                        "Trails of events are not written, because Redis does not permit the key pattern trail:* to the \
                         dispatcher's user: `ops doctor` says what its user list lacks"
                    );
                }
            }
            Err(error) => debug!(notes = notes.len(), "Could not write what became of events: {error}"),
        }
    }

    /// Writes every second until the process stops. Each worker writes the rest at its own end.
    pub(crate) async fn write_each_second(&self, store: &ChannelStore, by: &str, shutdown: &Shutdown) {
        while shutdown.pause(PERIOD).await {
            self.write(store, by).await;
        }
    }

    fn notes(&self) -> std::sync::MutexGuard<'_, Vec<Note>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is noted and not written.
    #[cfg(test)]
    pub(crate) fn unwritten(&self) -> Vec<Note> {
        self.notes().clone()
    }
}

#[cfg(test)]
mod tests {
    use event::Class;
    use hyper::StatusCode;
    use queue::Tier;

    use super::*;
    use crate::remedy::Outcome;

    fn at(second: i64) -> Timestamp {
        Timestamp::constant(second, 0)
    }

    fn note(id: &str, step: Step) -> Note {
        Note { id: EventId::new(id), at: at(100), failure: None, step }
    }

    #[test]
    fn a_note_says_when_the_next_thing_happens_and_where_the_event_is_until_then() {
        let queue = QueueName::Retry(Class::Messages, Tier::OneMinute);
        let next = |step| match note("evt_1", step).into_trail_note("host-1").happened {
            Happened::GoesOn { next, .. } => next,
            Happened::CameAgain(at) => panic!("it came again at {at}"),
        };
        let by = || "host-1".to_owned();

        assert_eq!(next(Step::Attempt(Duration::from_secs(5))), Next::Attempt { at: at(105), by: by() });
        assert_eq!(next(Step::Hold), Next::Hold { since: at(100), by: by() });
        let name = || "meta.messages.retry.1m.v2".to_owned();
        assert_eq!(next(Step::Retry(queue)), Next::Retry { at: at(160), queue: name() });
        assert_eq!(next(Step::Defer(queue)), Next::Defer { at: at(160), queue: name() });
        assert_eq!(next(Step::Park(Reason::Rejected)), Next::Park { at: at(100), reason: "rejected".to_owned() });
    }

    #[test]
    fn a_failure_without_a_request_has_no_number() {
        let refused = |status| match Outcome::of_answer(status, None, "no".to_owned()) {
            Outcome::Failed(failure) => failure,
            Outcome::Delivered { .. } => panic!("{status} is not a failure"),
        };

        let answered = failed(&refused(StatusCode::BAD_REQUEST), 3, at(1));
        let unopenable = failed(&Failure::Unopenable, 3, at(1));

        assert_eq!((answered.attempt, answered.status, answered.outcome.as_str()), (Some(3), Some(400), "rejected"));
        assert_eq!((unopenable.attempt, unopenable.status, unopenable.outcome.as_str()), (None, None, "unopenable"));
    }

    #[test]
    fn notes_are_bounded_and_those_of_an_erased_event_are_forgotten() {
        let trails = Trails::default();
        for number in 0..=NOTES_MAX {
            trails.add(note(&number.to_string(), Step::Hold));
        }
        assert_eq!(trails.unwritten().len(), NOTES_MAX);

        trails.forget(&EventId::new("7"));

        let ids: Vec<EventId> = trails.unwritten().into_iter().map(|note| note.id).collect();
        assert!(ids.len() == NOTES_MAX - 1 && !ids.contains(&EventId::new("7")));
    }
}
