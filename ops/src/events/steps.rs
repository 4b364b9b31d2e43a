//! What happened to an event, step by step.

use ::channels::{Delivery, FailedAttempt, Marker, Next, Repeated, StoredEvent};
use jiff::Timestamp;

use super::standing::Parked;

/// Something that happened to an event, or will.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) at: Timestamp,
    pub(crate) kind: StepKind,
    pub(crate) text: String,
}

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StepKind {
    Failed,
    Waits,
    Parked,
    Delivered,
    Discarded,
}

impl StepKind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Waits => "waits",
            Self::Parked => "parked",
            Self::Delivered => "delivered",
            Self::Discarded => "discarded",
        }
    }
}

/// All that is known to have happened, oldest first.
pub(super) fn steps(stored: &StoredEvent, letter: Option<&Parked>) -> Vec<Step> {
    let trail = stored.trail.clone().unwrap_or_default();
    let mut steps: Vec<Step> = trail.failures.iter().map(failure).collect();
    let ended_at = match stored.marker {
        Some(Marker::Delivered(delivery)) => Some(delivery.map_or(Timestamp::MIN, |delivery| delivery.at)),
        Some(Marker::Parked { at } | Marker::Erased { at }) => Some(at),
        None => None,
    };
    steps.extend(trail.next.as_ref().and_then(|next| what_is_next(next, ended_at)));
    steps.extend(letter.filter(|letter| !is_parked(&steps, letter)).map(|letter| parked(letter.at, &letter.reason)));
    steps.extend(stored.marker.and_then(end));
    steps.extend(trail.repeated.map(repeated));
    // A marker says its time to the second, so what happened in the same second stays before it.
    steps.sort_by_key(|step| step.at.as_second());
    steps
}

fn failure(failed: &FailedAttempt) -> Step {
    let outcome = &failed.outcome;
    let answer = failed.status.map_or_else(String::new, |status| format!(", DSK answered {status}"));
    let text = match failed.attempt {
        Some(number) => format!("attempt {number} failed: {outcome}{answer}"),
        None => format!("it could not be attempted: {outcome}"),
    };
    Step { at: failed.at, kind: StepKind::Failed, text }
}

/// What was to be next counts only until the event ended, unless it had been parked before.
fn what_is_next(next: &Next, ended_at: Option<Timestamp>) -> Option<Step> {
    if let Next::Park { at, reason } = next {
        return Some(parked(*at, reason));
    }
    if ended_at.is_some() {
        return None;
    }
    let step = |at: &Timestamp, text: String| Some(Step { at: *at, kind: StepKind::Waits, text });
    match next {
        Next::Attempt { at, by } => step(at, format!("next attempt, by dispatcher {by}")),
        Next::Hold { since, by } => step(since, format!("held by dispatcher {by} until a pause ends")),
        Next::Retry { at, queue } => step(at, format!("back from {queue} for the next attempt")),
        Next::Defer { at, queue } => step(at, format!("back from {queue}, where it was put so that others come first")),
        Next::Park { .. } | Next::Other => None,
    }
}

fn parked(at: Timestamp, reason: &str) -> Step {
    Step { at, kind: StepKind::Parked, text: format!("parked as a dead letter: {reason}") }
}

/// Whether the trail says the same. The dead letter has its own time, a moment apart.
fn is_parked(steps: &[Step], letter: &Parked) -> bool {
    let text = parked(letter.at, &letter.reason).text;
    steps.iter().any(|step| step.text == text && step.at.duration_since(letter.at).abs().as_secs() < 60)
}

fn end(marker: Marker) -> Option<Step> {
    let (at, kind, text) = match marker {
        Marker::Delivered(None) => return None,
        Marker::Delivered(Some(Delivery { at, attempt, status })) => {
            (at, StepKind::Delivered, format!("delivered by attempt {attempt}, DSK answered {status}"))
        }
        Marker::Parked { at } => (at, StepKind::Parked, "parked for good: nobody can deliver it".to_owned()),
        Marker::Erased { at } => (at, StepKind::Discarded, "discarded, because it was erased".to_owned()),
    };
    Some(Step { at, kind, text })
}

fn repeated(repeated: Repeated) -> Step {
    let Repeated { last_at, times } = repeated;
    let often = if times == 1 { "once".to_owned() } else { format!("{times} times") };
    Step {
        at: last_at,
        kind: StepKind::Discarded,
        text: format!("came again ({often}), and was discarded as a duplicate"),
    }
}

#[cfg(test)]
mod tests {
    use ::channels::StoredTrail;
    use event::EventId;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::constant(second, 0)
    }

    fn failed(second: i64, attempt: Option<u32>) -> FailedAttempt {
        FailedAttempt { at: at(second), attempt, outcome: "unavailable".to_owned(), status: attempt.and(Some(503)) }
    }

    fn texts(steps: &[Step]) -> Vec<&str> {
        steps.iter().map(|step| step.text.as_str()).collect()
    }

    #[test]
    fn a_delivered_event_shows_its_failures_its_delivery_and_its_repeats_in_their_order() {
        let mut trail = StoredTrail {
            failures: vec![failed(1, Some(1)), failed(2, Some(2))],
            next: Some(Next::Retry { at: at(12), queue: "meta.messages.retry.10s.v2".to_owned() }),
            repeated: Some(Repeated { last_at: at(50), times: 2 }),
        };
        // In the second in which the delivery was noted, which is older than the failure to the millisecond.
        trail.failures[1].at = at(12) + std::time::Duration::from_millis(500);
        let delivery = Delivery { at: at(12), attempt: 3, status: 200 };
        let stored = StoredEvent { marker: Some(Marker::Delivered(Some(delivery))), trail: Some(trail) };

        assert_eq!(
            texts(&steps(&stored, None)),
            [
                "attempt 1 failed: unavailable, DSK answered 503",
                "attempt 2 failed: unavailable, DSK answered 503",
                "delivered by attempt 3, DSK answered 200",
                "came again (2 times), and was discarded as a duplicate",
            ]
        );
    }

    #[test]
    fn a_dead_letter_is_shown_once_although_the_trail_and_the_queue_say_so() {
        let park = Next::Park { at: at(10), reason: "rejected".to_owned() };
        let trail = StoredTrail { failures: vec![failed(9, None)], next: Some(park), repeated: None };
        let stored = StoredEvent { marker: None, trail: Some(trail) };
        let letter = |second, reason: &str| Parked {
            id: EventId::new("evt_1"),
            at: at(second),
            reason: reason.to_owned(),
            status: None,
        };

        let once = ["it could not be attempted: unavailable", "parked as a dead letter: rejected"];
        assert_eq!(texts(&steps(&stored, Some(&letter(11, "rejected")))), once);
        assert_eq!(steps(&stored, Some(&letter(9_000, "expired"))).len(), 3, "it was replayed and parked again");
    }
}
