//! Waiting until something becomes true, with a limit and without guessing how long it takes.

use std::time::{Duration, Instant};

/// Long enough for a broker to restart on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
/// The time between two looks.
const LOOK_PERIOD: Duration = Duration::from_millis(20);

/// Calls `look` until it returns something, and returns that. Panics after 90 s and names what did not happen.
pub async fn eventually<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    eventually_within(PATIENCE, what, look).await
}

/// Calls `look` until it returns something, for no longer than `patience`.
pub async fn eventually_within<T>(patience: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    let mut ticks = tokio::time::interval(LOOK_PERIOD);
    loop {
        ticks.tick().await;
        if let Some(value) = look().await {
            return value;
        }
        assert!(started.elapsed() < patience, "this did not happen within {:?}: {what}", started.elapsed());
    }
}
