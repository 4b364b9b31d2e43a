//! How long to wait for the channel store while it is away.

use std::pin::Pin;
use std::time::Duration;

use chassis::{Backoff, Shutdown, dice};

/// Delays between tries.
const AWAY: Backoff = Backoff { base: Duration::from_millis(200), ceiling: Duration::from_secs(2) };

/// Waits before the store is asked again. `false`: the process stops.
pub(crate) async fn pause(shutdown: &Shutdown, failures: u32) -> bool {
    shutdown.pause(AWAY.delay(failures, dice())).await
}

/// The same; `false` also once `given_up` ends.
pub(crate) async fn pause_unless(
    given_up: Pin<&mut impl Future<Output = ()>>,
    shutdown: &Shutdown,
    failures: u32,
) -> bool {
    tokio::select! {
        is_kept = pause(shutdown, failures) => is_kept,
        () = given_up => false,
    }
}
