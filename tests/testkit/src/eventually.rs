//! Waiting for something to become true, with a bound, and without guessing how long it takes.

use std::time::{Duration, Instant};

/// Long enough for a broker that restarts on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
/// Between two looks.
const LOOK_PERIOD: Duration = Duration::from_millis(20);

/// Looks until there is something to see, and gives that. Panics after 90 s, saying what was waited for.
pub async fn eventually<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    eventually_within(PATIENCE, what, look).await
}

/// Looks for so long at most.
pub async fn eventually_within<T>(patience: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    let mut ticks = tokio::time::interval(LOOK_PERIOD);
    loop {
        ticks.tick().await;
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(started.elapsed() < patience, "waited {:?} in vain: {what}", started.elapsed());
    }
}
