//! Which channels ask Meta for no profiles for now, because Meta has asked for a pause.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use event::Address;
use tokio::time::Instant;

/// Pauses that are remembered. Beyond it a channel whose pause is forgotten asks once more, and Meta answers as before.
const PAUSES_MAX: usize = 10_000;

/// The channels that pause, and until when.
#[derive(Debug, Default)]
pub(crate) struct Pauses(Mutex<HashMap<Address, Instant>>);

impl Pauses {
    /// How long the channel's pause still lasts; `None` if it has none.
    pub(crate) fn left(&self, channel: &Address, now: Instant) -> Option<Duration> {
        let pauses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = pauses.get(channel)?.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// Begins a pause. One that ends later stays.
    pub(crate) fn begin(&self, channel: &Address, pause: Duration, now: Instant) {
        let mut pauses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pauses.retain(|_, ends| *ends > now);
        if pauses.len() >= PAUSES_MAX && !pauses.contains_key(channel) {
            return;
        }
        let ends = pauses.entry(channel.clone()).or_insert(now);
        *ends = (*ends).max(now + pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pause_concerns_one_channel_and_ends_and_a_shorter_one_does_not_end_it() {
        let pauses = Pauses::default();
        let now = Instant::now();
        let throttled = Address::new("instagram:1");

        pauses.begin(&throttled, Duration::from_mins(3), now);
        pauses.begin(&throttled, Duration::from_mins(1), now);

        assert_eq!(pauses.left(&throttled, now), Some(Duration::from_mins(3)));
        assert_eq!(pauses.left(&Address::new("instagram:2"), now), None);
        assert_eq!(pauses.left(&throttled, now + Duration::from_mins(3)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_take_bounded_memory() {
        let pauses = Pauses::default();
        let now = Instant::now();
        let filler =
            || (0..PAUSES_MAX).map(|id| (Address::new(format!("instagram:{id}")), now + Duration::from_mins(1)));
        pauses.0.lock().unwrap().extend(filler());

        pauses.begin(&Address::new("messenger:1"), Duration::from_mins(1), now);
        assert_eq!(pauses.0.lock().unwrap().len(), PAUSES_MAX);

        pauses.begin(&Address::new("messenger:1"), Duration::from_mins(1), now + Duration::from_mins(1));
        assert_eq!(pauses.0.lock().unwrap().len(), 1, "what has ended is remembered");
    }
}
