//! What happens next to an event that is not delivered: pure, so its test needs neither clock nor dice.

use std::time::Duration;

use chassis::Backoff;
use queue::Tier;

use crate::{Cause, Reason, Remedy};

/// The bounds of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Delays between attempts in place.
    pub in_place: Backoff,
    /// How long an event is retried in place, on its first take, and how long a pause is waited out in hand.
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
    /// Since it was taken this time.
    pub in_hand: Duration,
    /// Attempts since it was taken this time, the failed one included.
    pub attempts_in_hand: u32,
    /// Visits to retry queues so far.
    pub visits: u32,
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is delivered.
    Delivered,
    /// Keep it in hand and try again.
    AttemptAgain(Duration),
    /// Put it into a retry queue.
    Retry(Tier),
    /// Park it.
    DeadLetter(Reason),
}

impl Policy {
    /// Decides; `dice` lies in `[0, 1)`.
    pub fn next(&self, cause: &Cause, situation: Situation, dice: f64) -> Next {
        let remedy = cause.remedy();
        if let Some(reason) = self.is_over(remedy, cause.is_attempt(), situation.age) {
            return Next::DeadLetter(reason);
        }
        match remedy {
            Remedy::Delivered => Next::Delivered,
            Remedy::DeadLetter(reason) => Next::DeadLetter(reason),
            Remedy::Retry => self.retry(situation, dice),
            Remedy::Wait(None) => self.retry(situation, dice),
            Remedy::Wait(Some(pause)) => self.wait(pause, situation),
            Remedy::Mend => Next::Retry(Tier::OneMinute),
            Remedy::Await => Next::Retry(Tier::for_visit(situation.visits).min(Tier::OneMinute)),
        }
    }

    fn is_over(&self, remedy: Remedy, is_attempt: bool, age: Duration) -> Option<Reason> {
        match remedy {
            Remedy::Delivered | Remedy::DeadLetter(_) => None,
            Remedy::Await => (age >= self.unknown_for).then_some(Reason::UnknownChannel),
            Remedy::Retry | Remedy::Wait(_) | Remedy::Mend => {
                let limit = if is_attempt { self.attempts_for } else { self.kept_for };
                (age >= limit).then_some(Reason::Expired)
            }
        }
    }

    /// In place on the first take only; then each retry queue once, and the longest from there on.
    fn retry(&self, situation: Situation, dice: f64) -> Next {
        let delay = self.in_place.delay(situation.attempts_in_hand, dice);
        if situation.visits == 0 && situation.in_hand + delay < self.in_place_total {
            return Next::AttemptAgain(delay);
        }
        Next::Retry(Tier::for_visit(situation.visits))
    }

    fn wait(&self, pause: Duration, situation: Situation) -> Next {
        if situation.in_hand + pause <= self.in_place_total {
            // A pause of nothing would be no pause.
            return Next::AttemptAgain(pause.max(self.in_place.base));
        }
        Next::Retry(Tier::not_shorter_than(pause))
    }
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;
    use proptest::prelude::*;

    use super::*;

    const FRESH: Situation = Situation { age: Duration::ZERO, in_hand: Duration::ZERO, attempts_in_hand: 1, visits: 0 };

    fn answered(status: StatusCode, retry_after: Option<u64>) -> Cause {
        Cause::Answered { status, retry_after: retry_after.map(Duration::from_secs), answer: String::new() }
    }

    #[test]
    fn an_outage_is_met_in_place_first_and_then_by_ever_longer_queues() {
        let policy = Policy::default();
        let unavailable = answered(StatusCode::SERVICE_UNAVAILABLE, None);
        let used_up = Situation { in_hand: Duration::from_secs(29), attempts_in_hand: 9, ..FRESH };

        assert_eq!(policy.next(&unavailable, FRESH, 1.0), Next::AttemptAgain(Duration::from_millis(200)));
        assert_eq!(policy.next(&unavailable, used_up, 1.0), Next::Retry(Tier::TenSeconds));
        for (visits, tier) in [(1, Tier::OneMinute), (2, Tier::TenMinutes), (3, Tier::OneHour), (9, Tier::OneHour)] {
            assert_eq!(policy.next(&unavailable, Situation { visits, ..FRESH }, 0.5), Next::Retry(tier));
        }
    }

    #[test]
    fn a_failed_attempt_a_day_after_it_was_queued_is_the_last() {
        let late = Situation { age: Duration::from_hours(24), visits: 20, ..FRESH };

        assert_eq!(Policy::default().next(&Cause::TimedOut, late, 0.5), Next::DeadLetter(Reason::Expired));
    }

    #[test]
    fn an_event_that_was_never_tried_does_not_expire_with_the_attempts() {
        let late = Situation { age: Duration::from_hours(25), visits: 20, ..FRESH };

        assert_eq!(Policy::default().next(&Cause::Unopenable, late, 0.5), Next::Retry(Tier::OneMinute));
    }

    #[test]
    fn a_short_pause_is_waited_out_in_hand_and_a_long_one_in_a_queue() {
        let policy = Policy::default();
        let throttled = |seconds| answered(StatusCode::TOO_MANY_REQUESTS, Some(seconds));

        assert_eq!(policy.next(&throttled(20), FRESH, 0.5), Next::AttemptAgain(Duration::from_secs(20)));
        assert_eq!(policy.next(&throttled(45), FRESH, 0.5), Next::Retry(Tier::OneMinute));
        assert_eq!(policy.next(&throttled(86_400), FRESH, 0.5), Next::Retry(Tier::OneHour));
    }

    #[test]
    fn an_unknown_channel_is_awaited_for_ten_minutes() {
        let policy = Policy::default();
        let late = Situation { age: Duration::from_mins(10), visits: 9, ..FRESH };

        assert_eq!(policy.next(&Cause::UnknownChannel, FRESH, 0.5), Next::Retry(Tier::TenSeconds));
        assert_eq!(policy.next(&Cause::UnknownChannel, late, 0.5), Next::DeadLetter(Reason::UnknownChannel));
    }

    proptest! {
        #[test]
        fn every_wait_in_hand_stays_within_its_bound(
            status in 100_u16..=999, pause in prop::option::of(0_u64..10_000), in_hand in 0_u64..60, visits in 0_u32..9,
            attempts in 1_u32..99, dice in 0.0..1.0,
        ) {
            let situation =
                Situation { in_hand: Duration::from_secs(in_hand), attempts_in_hand: attempts, visits, ..FRESH };
            let cause = answered(StatusCode::from_u16(status).unwrap(), pause);

            if let Next::AttemptAgain(delay) = Policy::default().next(&cause, situation, dice) {
                prop_assert!(situation.in_hand + delay <= Duration::from_secs(31), "{delay:?} after {in_hand} s");
                prop_assert!(delay >= Duration::from_millis(100), "{delay:?} would be no pause");
            }
        }
    }
}
