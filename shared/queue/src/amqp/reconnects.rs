//! How long to wait before the next connection or session: what was lost young is not made again at once, because each
//! loss makes the broker hand out again what was in flight, and counts toward its delivery limit.

use std::time::Duration;

use chassis::Backoff;

/// Nothing that was lost earlier counts as having worked.
const SETTLED_AFTER: Duration = Duration::from_secs(30);
/// A broker that can't be reached is tried often, because every event that waits for it grows older meanwhile.
const AWAY: Backoff = Backoff { base: Duration::from_millis(100), ceiling: Duration::from_secs(3) };
/// Losses come at most every 15 to 30 s in the end: one an hour would reach the delivery limit after days, two a minute
/// after more than an hour.
const LOST_YOUNG: Backoff = Backoff { base: Duration::from_millis(200), ceiling: Duration::from_secs(30) };

/// Counts what failed in a row.
#[derive(Debug, Default)]
pub(super) struct Reconnects {
    failures: u32,
    lost_young: u32,
}

impl Reconnects {
    /// Notes an attempt that failed. Returns the delay before the next one; `dice` lies in `[0, 1)`.
    pub(super) fn failed(&mut self, dice: f64) -> Duration {
        self.failures = self.failures.saturating_add(1);
        AWAY.delay(self.failures, dice)
    }

    /// Notes a loss after `life`. Returns the delay before the next attempt.
    pub(super) fn lost_after(&mut self, life: Duration, dice: f64) -> Duration {
        self.failures = 0;
        if life >= SETTLED_AFTER {
            self.lost_young = 0;
            return Duration::ZERO;
        }
        self.lost_young = self.lost_young.saturating_add(1);
        LOST_YOUNG.delay(self.lost_young, dice)
    }

    /// How many attempts have failed since the last that succeeded.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether the last losses came one soon after the other.
    pub(super) fn is_relapsing(&self) -> bool {
        self.lost_young > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_at_once_comes_back_ever_later_until_it_has_lived_for_30_seconds() {
        let mut reconnects = Reconnects::default();
        let young = Duration::from_secs(29);

        let delays = [0; 10].map(|_| reconnects.lost_after(young, 1.0).as_millis());

        assert_eq!(delays, [200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]);
        reconnects.failed(0.0);
        assert!(reconnects.is_relapsing(), "a failed attempt does not make the losses good");
        assert_eq!(reconnects.lost_after(SETTLED_AFTER, 1.0), Duration::ZERO);
        assert_eq!(reconnects.lost_after(young, 1.0), Duration::from_millis(200));
    }

    #[test]
    fn a_broker_that_is_away_is_tried_every_few_seconds() {
        let mut reconnects = Reconnects::default();

        let longest = [0; 40].map(|_| reconnects.failed(1.0)).into_iter().max();

        assert_eq!(longest, Some(Duration::from_secs(3)));
        assert_eq!(reconnects.failures(), 40);
    }
}
