//! Durations, and how long the slowest of them take.

use std::time::Duration;

/// Durations in no order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn add(&mut self, latency: Duration) {
        self.0.push(latency);
    }

    pub(crate) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// Milliseconds within which this share of them is over; 0 if there are none.
    pub(crate) fn percentile_ms(&mut self, percent: f64) -> f64 {
        self.0.sort_unstable();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a place in a list that fits in memory"
        )]
        let place = (self.0.len() as f64 * percent / 100.0).ceil() as usize;
        self.0.get(place.max(1) - 1).map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
    }
}

impl FromIterator<Duration> for Latencies {
    fn from_iter<I: IntoIterator<Item = Duration>>(latencies: I) -> Self {
        Self(latencies.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_latency_that_was_seen() {
        let mut latencies: Latencies = (1..=1_000).rev().map(Duration::from_millis).collect();

        let shown = [50.0, 99.0, 99.9, 100.0].map(|percent| format!("{:.0}", latencies.percentile_ms(percent)));
        assert_eq!(shown, ["500", "990", "999", "1000"]);
        assert!(Latencies::default().percentile_ms(99.0).abs() < f64::EPSILON);
    }
}
