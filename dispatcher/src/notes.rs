//! Tells the channel store what was deferred of a lane and what of it is settled, and waits while the store is away.

use std::time::Duration;

use channels::{DeferredLane, NewDeferral, StoreError};
use chassis::now;
use event::{EventId, Lane};
use tracing::{debug, warn};

use crate::store_away;
use crate::systems::Systems;

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
                if !store_away::pause_unless(given_up.as_mut(), &systems.shutdown, failures).await {
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
        if !store_away::pause(&systems.shutdown, failures).await {
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
