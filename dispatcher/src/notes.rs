//! Tells the channel store what was deferred of a lane and what of it is settled, and waits while the store is away.

use std::time::Duration;

use channels::{DeferredLane, NewDeferral, StoreError};
use chassis::{Backoff, dice, now};
use event::{EventId, Lane};
use tracing::{debug, warn};

use crate::systems::Systems;

/// Delays between tries while the store is away.
const AWAY: Backoff = Backoff { base: Duration::from_millis(200), ceiling: Duration::from_secs(2) };

/// Notes that these events come before all others of their lane. `None` once the process stops, or `given_up` ends: then nothing
/// may be deferred.
pub(crate) async fn note_deferral(
    systems: &Systems,
    lane: &Lane,
    ids: &[EventId],
    delay: Duration,
    given_up: impl Future<Output = ()>,
) -> Option<DeferredLane> {
    let mut given_up = std::pin::pin!(given_up);
    let mut failures = 0;
    loop {
        match systems.store.note_deferral(NewDeferral { lane, ids, delay, now: now() }).await {
            Ok(noted) => return Some(noted),
            Err(error) => {
                failures += 1;
                tell(failures, "Could not note a deferral, which waits for that", &error);
                let is_kept = tokio::select! {
                    is_kept = systems.shutdown.pause(AWAY.delay(failures, dice())) => is_kept,
                    () = &mut given_up => false,
                };
                if !is_kept {
                    return None;
                }
            }
        }
    }
}

/// Notes that these events are settled. If the process stops first, later events of the lane wait for them for a while.
pub(crate) async fn forget_deferred(systems: &Systems, lane: &Lane, ids: &[EventId]) {
    let mut failures = 0;
    while let Err(error) = systems.store.forget_deferred(lane, ids).await {
        failures += 1;
        tell(failures, "Could not note that deferred events are settled, and will try again", &error);
        if !systems.shutdown.pause(AWAY.delay(failures, dice())).await {
            return;
        }
    }
}

/// Logs the first failure as a warning, later ones at debug. A lane is not logged, because it may hold a phone number.
fn tell(failures: u32, what: &str, error: &StoreError) {
    if failures == 1 {
        warn!("{what}: {error}");
    } else {
        debug!("{what}: {error}");
    }
}
