//! Decides what happens next to an event whose attempt failed. Pure, so that its tests need neither clock nor dice.

use std::time::Duration;

use chassis::Backoff;
use queue::{DELIVERY_LIMIT, Tier};

use crate::pauses::WAIT_IN_FLIGHT_MAX;
use crate::remedy::{Failure, Reason, Remedy};

/// Deliveries that are left for crashes between two times that an envelope is given back, after [`RetryPolicy::renews`].
const DELIVERIES_KEPT: u32 = 50;

/// The bounds of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RetryPolicy {
    /// Delays between attempts in place.
    pub(crate) in_place: Backoff,
    /// How long an event is retried in place when it is taken for the first time.
    pub(crate) in_place_total: Duration,
    /// How long after its first attempt an event's last one is made. Only the time counts that the event spends in retry
    /// queues because attempts failed: no outage, no pause, no deferral, and no wait before the first attempt, however
    /// long it was. So it is the number of failed visits that decides, no clock, and 24 hours are 27 attempts.
    pub(crate) attempts_for: Duration,
    /// How long an event waits in retry queues for its channel to be stored.
    pub(crate) unknown_for: Duration,
    /// The age, counted from its entry into the queue, from which an event is parked when an attempt fails or can't be
    /// made during an outage or a pause: personal data is not kept for ever.
    pub(crate) kept_for: Duration,
}

impl Default for RetryPolicy {
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

/// What an event has been through so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Situation {
    /// Time since it entered the queue.
    pub(crate) age: Duration,
    /// Failures in a row in flight, the last one included. A pause that held it sets them back to 0.
    pub(crate) failures: u32,
    /// Time since the first of them.
    pub(crate) failing_for: Duration,
    /// Visits to retry queues after a failed attempt, apart from those that DSK asked for.
    pub(crate) visits: u32,
    /// How often it was published again, for whatever reason.
    pub(crate) copies: u32,
    /// Whether its origin, destination or channel is paused now.
    pub(crate) is_paused: bool,
}

/// What happens next to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It stays in flight, and is attempted again after this delay.
    AttemptAgain(Duration),
    /// It stays in flight until the pause ends.
    Hold,
    /// It goes to a retry queue.
    Retry(Tier),
    /// It is parked.
    DeadLetter(Reason),
}

impl RetryPolicy {
    /// Decides what follows a failure; `dice` lies in `[0, 1)`.
    pub(crate) fn next(&self, failure: &Failure, situation: Situation, dice: f64) -> Next {
        let remedy = failure.remedy();
        if let Some(reason) = self.give_up(remedy, situation) {
            return Next::DeadLetter(reason);
        }
        match remedy {
            Remedy::DeadLetter(reason) => Next::DeadLetter(reason),
            // An outage is not the event's fault.
            Remedy::Retry if situation.is_paused => Next::Hold,
            Remedy::Retry => self.retry(situation, dice),
            Remedy::Wait(Some(pause)) if pause > WAIT_IN_FLIGHT_MAX => Next::Retry(Tier::not_shorter_than(pause)),
            Remedy::Wait(_) | Remedy::Mend => Next::Hold,
            Remedy::Await => Next::Retry(Tier::for_visit(situation.visits).min(Tier::OneMinute)),
        }
    }

    /// The tier for an event that is deferred so that others come first: a longer one each time, unless it was ready and
    /// waited only for its turn.
    pub(crate) fn defer(was_ready: bool, visits: u32, copies: u32) -> Tier {
        // A copy is made for each visit, and for each time that the event was deferred.
        match copies.saturating_sub(visits) {
            _ if was_ready => Tier::TenSeconds,
            0 => Tier::TenSeconds,
            1 => Tier::OneMinute,
            _ => Tier::TenMinutes,
        }
    }

    /// Whether a visit to a retry queue that follows this failure counts as one: not if DSK asked for the wait.
    pub(crate) fn counts(failure: &Failure) -> bool {
        matches!(failure.remedy(), Remedy::Retry | Remedy::Await)
    }

    /// Whether an envelope that was held for so long that it is to be given back has to be deferred instead. Each time
    /// that it is given back counts as a delivery, and the queue parks what was delivered too often; a copy begins with
    /// none. Not to be asked when an envelope is taken: one that kills its worker must reach the limit.
    pub(crate) fn renews(deliveries: u32) -> bool {
        deliveries >= DELIVERY_LIMIT - DELIVERIES_KEPT
    }

    /// Why the event is given up, if it has waited long enough for its remedy.
    fn give_up(&self, remedy: Remedy, situation: Situation) -> Option<Reason> {
        let visits = situation.visits;
        match remedy {
            Remedy::DeadLetter(_) => None,
            Remedy::Await => has_waited(visits, Tier::OneMinute, self.unknown_for).then_some(Reason::UnknownChannel),
            Remedy::Retry if !situation.is_paused => {
                has_waited(visits, Tier::OneHour, self.attempts_for).then_some(Reason::Expired)
            }
            // An outage or a pause is not the event's fault.
            Remedy::Retry | Remedy::Wait(_) | Remedy::Mend => {
                (situation.age >= self.kept_for).then_some(Reason::Expired)
            }
        }
    }

    /// In place only when the event was taken for the first time; then each retry queue once, then always the longest.
    fn retry(&self, situation: Situation, dice: f64) -> Next {
        let delay = self.in_place.delay(situation.failures, dice);
        if situation.copies == 0 && situation.failing_for + delay < self.in_place_total {
            return Next::AttemptAgain(delay);
        }
        Next::Retry(Tier::for_visit(situation.visits))
    }
}

/// Whether this number of visits to retry queues, none of them longer than `longest`, takes this time together.
fn has_waited(visits: u32, longest: Tier, time: Duration) -> bool {
    let mut left = time;
    (0..visits).any(|visit| {
        left = left.saturating_sub(Tier::for_visit(visit).min(longest).delay());
        left.is_zero()
    })
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;
    use proptest::prelude::*;

    use super::*;
    use crate::remedy::Outcome;

    const FRESH: Situation = Situation {
        age: Duration::ZERO,
        failures: 1,
        failing_for: Duration::ZERO,
        visits: 0,
        copies: 0,
        is_paused: false,
    };

    fn answered(status: u16, retry_after: Option<u64>) -> Failure {
        let status = StatusCode::from_u16(status).unwrap();
        match Outcome::of_answer(status, retry_after.map(Duration::from_secs), String::new()) {
            Outcome::Failed(failure) => failure,
            Outcome::Delivered { .. } => panic!("{status} is not a failure"),
        }
    }

    #[test]
    fn a_failing_event_is_retried_in_place_first_and_then_in_longer_and_longer_queues() {
        let policy = RetryPolicy::default();
        let used_up = Situation { failing_for: Duration::from_secs(29), failures: 9, ..FRESH };

        assert_eq!(policy.next(&answered(503, None), FRESH, 1.0), Next::AttemptAgain(Duration::from_millis(200)));
        assert_eq!(policy.next(&answered(503, None), used_up, 1.0), Next::Retry(Tier::TenSeconds));
        for (visits, tier) in [(1, Tier::OneMinute), (2, Tier::TenMinutes), (3, Tier::OneHour), (9, Tier::OneHour)] {
            let back = Situation { visits, copies: visits, ..FRESH };
            assert_eq!(policy.next(&answered(503, None), back, 0.5), Next::Retry(tier), "each visit has one attempt");
        }
    }

    #[test]
    fn in_an_outage_an_event_is_held_however_old_it_is() {
        let held = Situation { age: Duration::from_hours(30), visits: 2, copies: 2, is_paused: true, ..FRESH };

        assert_eq!(RetryPolicy::default().next(&Failure::TimedOut, held, 0.5), Next::Hold);
    }

    #[test]
    fn an_event_that_waited_for_days_before_its_first_attempt_is_not_given_up_after_it() {
        let late = Situation { age: Duration::from_hours(30), ..FRESH };

        assert_eq!(RetryPolicy::default().next(&Failure::TimedOut, late, 1.0), {
            Next::AttemptAgain(Duration::from_millis(200))
        });
        let deferred = Situation { copies: 40, ..late };
        assert_eq!(RetryPolicy::default().next(&answered(500, None), deferred, 0.5), Next::Retry(Tier::TenSeconds));
    }

    #[test]
    fn an_event_that_keeps_failing_is_given_up_a_day_after_its_first_attempt_and_never_before_eight_attempts() {
        let policy = RetryPolicy::default();
        let mut waited = Duration::ZERO;
        let mut attempts = 1;
        let mut visits = 0;
        while let Next::Retry(tier) = policy.next(&Failure::TimedOut, Situation { visits, copies: 1, ..FRESH }, 0.5) {
            visits += u32::from(RetryPolicy::counts(&Failure::TimedOut));
            attempts += 1;
            waited += tier.delay();
            assert!(attempts < 100, "it is never given up");
        }

        let last = Situation { visits, copies: 1, ..FRESH };
        assert_eq!(policy.next(&Failure::TimedOut, last, 0.5), Next::DeadLetter(Reason::Expired));
        assert!((Duration::from_hours(24)..Duration::from_hours(25)).contains(&waited), "{waited:?}");
        assert!(attempts >= 8, "{attempts} attempts");
    }

    #[test]
    fn neither_an_outage_nor_a_pause_brings_an_event_nearer_to_its_last_attempt() {
        let policy = RetryPolicy::default();
        let late = Situation { age: Duration::from_hours(6 * 24), visits: 26, copies: 500, ..FRESH };

        assert_eq!(policy.next(&Failure::TimedOut, Situation { is_paused: true, ..late }, 0.5), Next::Hold);
        for failure in [answered(429, None), answered(401, None)] {
            assert_eq!(policy.next(&failure, late, 0.5), Next::Hold, "{failure}");
        }
        let hour = answered(503, Some(3_600));
        assert_eq!(policy.next(&hour, late, 0.5), Next::Retry(Tier::OneHour));
        assert!(!RetryPolicy::counts(&hour), "DSK asked for the wait");
    }

    #[test]
    fn no_event_is_kept_for_ever_because_it_is_personal_data() {
        let old = Situation { age: Duration::from_hours(7 * 24), is_paused: true, ..FRESH };

        for failure in [Failure::TimedOut, Failure::Unopenable, answered(429, None), answered(401, None)] {
            let next = RetryPolicy::default().next(&failure, old, 0.5);
            assert_eq!(next, Next::DeadLetter(Reason::Expired), "{failure}");
        }
    }

    #[test]
    fn an_event_that_was_given_back_often_is_renewed_before_the_queue_parks_it() {
        assert!(!RetryPolicy::renews(0));
        assert!(!RetryPolicy::renews(404), "7 days of give-backs");
        assert!(RetryPolicy::renews(950));
        assert!(RetryPolicy::renews(u32::MAX));

        // One copy after the other outlives the longest wait, whatever the number of give-backs that it takes.
        let give_backs = RetryPolicy::default().kept_for.as_secs() / (25 * 60);
        assert!(give_backs > 200, "without copies, the queue would park it");
    }

    #[test]
    fn an_event_that_was_never_tried_does_not_expire_with_the_attempts() {
        let late = Situation { age: Duration::from_hours(25), is_paused: true, ..FRESH };

        assert_eq!(RetryPolicy::default().next(&Failure::Unopenable, late, 0.5), Next::Hold);
    }

    #[test]
    fn a_short_pause_is_waited_out_in_flight_and_a_long_one_in_a_retry_queue() {
        let policy = RetryPolicy::default();

        assert_eq!(policy.next(&answered(429, None), FRESH, 0.5), Next::Hold);
        assert_eq!(policy.next(&answered(429, Some(30)), FRESH, 0.5), Next::Hold);
        assert_eq!(policy.next(&answered(503, Some(45)), FRESH, 0.5), Next::Retry(Tier::OneMinute));
        assert_eq!(policy.next(&answered(429, Some(86_400)), FRESH, 0.5), Next::Retry(Tier::OneHour));
    }

    #[test]
    fn an_event_waits_ten_minutes_for_its_channel_to_be_stored_however_old_it_is() {
        let policy = RetryPolicy::default();
        let first = Situation { age: Duration::from_hours(25), ..FRESH };
        let last = Situation { visits: 11, copies: 11, ..first };

        assert_eq!(policy.next(&Failure::UnknownChannel, first, 0.5), Next::Retry(Tier::TenSeconds), "its first look");
        let later = Situation { visits: 10, copies: 10, ..first };
        assert_eq!(policy.next(&Failure::UnknownChannel, later, 0.5), Next::Retry(Tier::OneMinute));
        assert_eq!(policy.next(&Failure::UnknownChannel, last, 0.5), Next::DeadLetter(Reason::UnknownChannel));
    }

    #[test]
    fn an_event_that_is_deferred_again_waits_longer_unless_it_only_waited_for_its_turn() {
        let paused =
            [(0, 0), (2, 2), (0, 1), (2, 4), (0, 9)].map(|(visits, copies)| RetryPolicy::defer(false, visits, copies));

        assert_eq!(paused, [Tier::TenSeconds, Tier::TenSeconds, Tier::OneMinute, Tier::TenMinutes, Tier::TenMinutes]);
        assert_eq!(RetryPolicy::defer(true, 0, 9), Tier::TenSeconds);
    }

    proptest! {
        #[test]
        fn attempts_in_place_stay_within_their_bounds(status in 500_u16..=599, dice in 0.0..1.0) {
            let policy = RetryPolicy::default();
            let mut failing_for = Duration::ZERO;
            let mut failures = 1;
            while let Next::AttemptAgain(delay) =
                policy.next(&answered(status, None), Situation { failures, failing_for, ..FRESH }, dice)
            {
                prop_assert!(delay >= Duration::from_millis(100), "{delay:?} is hardly a pause");
                failing_for += delay;
                failures += 1;
            }

            prop_assert!(failing_for <= policy.in_place_total, "{failing_for:?} in place");
            prop_assert!((5..=20).contains(&failures), "{failures} attempts in place");
        }
    }
}
