//! When something happened under load, and how long it paused.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chassis::Shutdown;
use ops::dsk::Dsk;

/// How often to look whether DSK has more.
const LOOK_PERIOD: Duration = Duration::from_millis(20);

/// The longest times without one.
#[derive(Debug)]
pub(super) struct Pauses {
    pub(super) accepting: Duration,
    pub(super) delivering: Duration,
}

/// The moments at which something happened.
#[derive(Clone, Debug, Default)]
pub(super) struct Moments(Arc<Mutex<Vec<Instant>>>);

impl Moments {
    pub(super) fn note(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
    }

    pub(super) fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The longest time between two of them since `start`.
    pub(super) fn longest_pause(&self, start: Instant) -> Duration {
        let moments = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since: Vec<Instant> = moments.iter().copied().filter(|moment| *moment >= start).collect();
        let from = std::iter::once(start).chain(since.iter().copied());
        let until = since.iter().copied().chain([Instant::now()]);
        from.zip(until).map(|(from, until)| until - from).max().unwrap_or_default()
    }
}

impl fmt::Display for Pauses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [accepting, delivering] = [self.accepting, self.delivering].map(|pause| pause.as_secs_f32());
        write!(f, "accepting paused for {accepting:.1} s, delivering for {delivering:.1} s")
    }
}

/// Notes when DSK has more than before.
pub(super) async fn watch(dsk: Dsk, delivered: Moments, shutdown: Shutdown) {
    let mut had = 0;
    while shutdown.pause(LOOK_PERIOD).await {
        let has = dsk.requests();
        if has > had {
            delivered.note();
        }
        had = has;
    }
}

/// Waits for a fault to have lasted, while the load goes on.
pub(super) async fn lasts(time: Duration) {
    tokio::time::timeout(time, std::future::pending::<()>()).await.ok();
}
