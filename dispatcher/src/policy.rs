//! What happens next to an event that is not delivered: pure, so its test needs neither clock nor dice.

use std::time::Duration;

use chassis::Backoff;
use queue::Tier;

use crate::pauses::IN_HAND_MAX;
use crate::{Cause, Reason, Remedy};

/// The bounds of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Delays between attempts in place.
    pub in_place: Backoff,
    /// How long an event is retried in place, on its first take.
    pub in_place_total: Duration,
    /// How long after it was queued a failed attempt is the last.
    pub attempts_for: Duration,
    /// How long an event waits for its channel to be stored.
    pub unknown_for: Duration,
    /// How long an event waits in all when no attempt could be made: personal data is not kept for ever.
    pub kept_for: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            in_place: Backoff { base: Duration::from_millis(200), ceiling: Duration::from_secs(5) },
            in_place_total: Duration::from_secs(30),
            attempts_for: Duration::from_hours(24),
            unknown_for: Duration::from_mins(10),
            kept_for: Duration::from_hours(7 * 24),
        }
    }
}

/// An event's course so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Situation {
    /// Since it was queued.
    pub age: Duration,
    /// Failures in a row in hand, the last one included; a pause that held it begins anew.
    pub failures: u32,
    /// Since the first of them.
    pub failing_for: Duration,
    /// Visits to retry queues after a failed attempt.
    pub visits: u32,
    /// How often it was put into the queue again, for whatever reason.
    pub copies: u32,
    /// Whether its origin, destination or channel is paused now.
    pub is_paused: bool,
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is delivered.
    Delivered,
    /// Keep it in hand and try again.
    AttemptAgain(Duration),
    /// Keep it in hand until what is paused is well again.
    Hold,
    /// Put it into a retry queue.
    Retry(Tier),
    /// Park it.
    DeadLetter(Reason),
}

impl Policy {
    /// Decides; `dice` lies in `[0, 1)`.
    pub fn next(&self, cause: &Cause, situation: Situation, dice: f64) -> Next {
        let remedy = cause.remedy();
        if let Some(reason) = self.is_over(remedy, cause.is_attempt(), situation) {
            return Next::DeadLetter(reason);
        }
        match remedy {
            Remedy::Delivered => Next::Delivered,
            Remedy::DeadLetter(reason) => Next::DeadLetter(reason),
            // An outage is not the event's failure.
            Remedy::Retry if situation.is_paused => Next::Hold,
            Remedy::Retry => self.retry(situation, dice),
            Remedy::Wait(Some(pause)) if pause > IN_HAND_MAX => Next::Retry(Tier::not_shorter_than(pause)),
            Remedy::Wait(_) | Remedy::Mend => Next::Hold,
            Remedy::Await => Next::Retry(Tier::for_visit(situation.visits).min(Tier::OneMinute)),
        }
    }

    /// Where an event waits that makes room for others: longer when it had to before.
    pub fn make_room(visits: u32, copies: u32) -> Tier {
        // A copy is made for each visit, and for each time that it made room.
        if copies > visits { Tier::TenMinutes } else { Tier::OneMinute }
    }

    fn is_over(&self, remedy: Remedy, is_attempt: bool, situation: Situation) -> Option<Reason> {
        let age = situation.age;
        match remedy {
            Remedy::Delivered | Remedy::DeadLetter(_) => None,
            Remedy::Await => (age >= self.unknown_for).then_some(Reason::UnknownChannel),
            // In an outage probes fail; that is no reason to give up an event each time.
            Remedy::Retry if situation.is_paused => (age >= self.kept_for).then_some(Reason::Expired),
            Remedy::Retry | Remedy::Wait(_) | Remedy::Mend => {
                let limit = if is_attempt { self.attempts_for } else { self.kept_for };
                (age >= limit).then_some(Reason::Expired)
            }
        }
    }

    /// In place on the first take only; then each retry queue once, and the longest from there on.
    fn retry(&self, situation: Situation, dice: f64) -> Next {
        let delay = self.in_place.delay(situation.failures, dice);
        if situation.copies == 0 && situation.failing_for + delay < self.in_place_total {
            return Next::AttemptAgain(delay);
        }
        Next::Retry(Tier::for_visit(situation.visits))
    }
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;
    use proptest::prelude::*;

    use super::*;

    const FRESH: Situation = Situation {
        age: Duration::ZERO,
        failures: 1,
        failing_for: Duration::ZERO,
        visits: 0,
        copies: 0,
        is_paused: false,
    };

    fn answered(status: u16, retry_after: Option<u64>) -> Cause {
        let status = StatusCode::from_u16(status).unwrap();
        Cause::Answered { status, retry_after: retry_after.map(Duration::from_secs), answer: String::new() }
    }

    #[test]
    fn a_failing_event_is_met_in_place_first_and_then_by_ever_longer_queues() {
        let policy = Policy::default();
        let used_up = Situation { failing_for: Duration::from_secs(29), failures: 9, ..FRESH };

        assert_eq!(policy.next(&answered(503, None), FRESH, 1.0), Next::AttemptAgain(Duration::from_millis(200)));
        assert_eq!(policy.next(&answered(503, None), used_up, 1.0), Next::Retry(Tier::TenSeconds));
        for (visits, tier) in [(1, Tier::OneMinute), (2, Tier::TenMinutes), (3, Tier::OneHour), (9, Tier::OneHour)] {
            let back = Situation { visits, copies: visits, ..FRESH };
            assert_eq!(policy.next(&answered(503, None), back, 0.5), Next::Retry(tier), "one attempt a visit");
        }
    }

    #[test]
    fn in_an_outage_an_event_is_held_however_old_it_is() {
        let held = Situation { age: Duration::from_hours(30), visits: 2, copies: 2, is_paused: true, ..FRESH };

        assert_eq!(Policy::default().next(&Cause::TimedOut, held, 0.5), Next::Hold);
    }

    #[test]
    fn a_failed_attempt_a_day_after_it_was_queued_is_the_last() {
        let late = Situation { age: Duration::from_hours(24), visits: 20, copies: 20, ..FRESH };

        for cause in [Cause::TimedOut, answered(429, None), answered(401, None)] {
            assert_eq!(Policy::default().next(&cause, late, 0.5), Next::DeadLetter(Reason::Expired));
        }
    }

    #[test]
    fn an_event_that_was_never_tried_does_not_expire_with_the_attempts() {
        let late = Situation { age: Duration::from_hours(25), is_paused: true, ..FRESH };

        assert_eq!(Policy::default().next(&Cause::Unopenable, late, 0.5), Next::Hold);
    }

    #[test]
    fn a_short_pause_is_waited_out_in_hand_and_a_long_one_in_a_queue() {
        let policy = Policy::default();

        assert_eq!(policy.next(&answered(429, None), FRESH, 0.5), Next::Hold);
        assert_eq!(policy.next(&answered(429, Some(30)), FRESH, 0.5), Next::Hold);
        assert_eq!(policy.next(&answered(503, Some(45)), FRESH, 0.5), Next::Retry(Tier::OneMinute));
        assert_eq!(policy.next(&answered(429, Some(86_400)), FRESH, 0.5), Next::Retry(Tier::OneHour));
    }

    #[test]
    fn an_unknown_channel_is_awaited_for_ten_minutes() {
        let policy = Policy::default();
        let late = Situation { age: Duration::from_mins(10), visits: 9, copies: 9, ..FRESH };

        assert_eq!(policy.next(&Cause::UnknownChannel, FRESH, 0.5), Next::Retry(Tier::TenSeconds));
        assert_eq!(policy.next(&Cause::UnknownChannel, late, 0.5), Next::DeadLetter(Reason::UnknownChannel));
    }

    #[test]
    fn an_event_that_makes_room_again_waits_longer() {
        assert_eq!([(0, 0), (2, 2), (0, 1), (2, 4)].map(|(visits, copies)| Policy::make_room(visits, copies)), {
            [Tier::OneMinute, Tier::OneMinute, Tier::TenMinutes, Tier::TenMinutes]
        });
    }

    proptest! {
        #[test]
        fn attempts_in_place_stay_within_their_bounds(status in 500_u16..=599, dice in 0.0..1.0) {
            let (policy, mut failing_for, mut failures) = (Policy::default(), Duration::ZERO, 1);
            while let Next::AttemptAgain(delay) =
                policy.next(&answered(status, None), Situation { failures, failing_for, ..FRESH }, dice)
            {
                prop_assert!(delay >= Duration::from_millis(100), "{delay:?} would be no pause");
                (failing_for, failures) = (failing_for + delay, failures + 1);
            }

            prop_assert!(failing_for <= policy.in_place_total, "{failing_for:?} in place");
            prop_assert!((5..=20).contains(&failures), "{failures} attempts in place");
        }
    }
}
