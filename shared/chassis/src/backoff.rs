//! Delays that grow. This is the only use of the crate `backoff`, and for its arithmetic only.
//!
//! Jitter and limits are arguments, so that the policies that are built on this stay pure.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff as _;

/// Delays that double from `base` up to `ceiling`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first delay.
    pub base: Duration,
    /// The longest delay.
    pub ceiling: Duration,
}

impl Backoff {
    /// More doublings change nothing: every delay of this project has reached its ceiling by then (2^20 ms is 17 minutes).
    const DOUBLINGS_MAX: u32 = 20;

    /// The delay after failure number `failure` (counted from 1). `dice`, in `[0, 1)`, spreads it over the upper half of
    /// the full delay, so that many clients do not return at once and none returns early.
    pub fn delay(self, failure: u32, dice: f64) -> Duration {
        let full = self.full(failure);
        full / 2 + (full / 2).mul_f64(dice.clamp(0.0, 1.0))
    }

    fn full(self, failure: u32) -> Duration {
        let mut delays = ExponentialBackoff {
            current_interval: self.base,
            initial_interval: self.base,
            randomization_factor: 0.0,
            multiplier: 2.0,
            max_interval: self.ceiling,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        let mut delay = self.base;
        for _ in 0..failure.clamp(1, Self::DOUBLINGS_MAX) {
            delay = delays.next_backoff().unwrap_or(self.ceiling);
        }
        delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_until_the_ceiling() {
        let backoff = Backoff { base: Duration::from_secs(1), ceiling: Duration::from_mins(1) };

        let longest = [1, 2, 3, 6, 7, 1_000].map(|failure| backoff.delay(failure, 1.0).as_secs());

        assert_eq!(longest, [1, 2, 4, 32, 60, 60]);
    }

    #[test]
    fn jitter_shortens_a_delay_by_at_most_half() {
        let backoff = Backoff { base: Duration::from_secs(8), ceiling: Duration::from_mins(1) };

        assert_eq!(backoff.delay(1, 0.0), Duration::from_secs(4));
        assert_eq!(backoff.delay(1, 0.5), Duration::from_secs(6));
    }
}
