//! Removes the dead letters of an erased channel or conversation. What waits in other queues is skipped when it is next
//! taken.

use std::sync::Arc;
use std::time::Duration;

use channels::LookupAnswer;
use chassis::now;
use jiff::{SignedDuration, Timestamp};
use queue::{DeadLetter, Queue, QueueError};
use tracing::{info, warn};

use crate::lookups::lookups_of;
use crate::metrics::SkipReason;
use crate::systems::Systems;

/// How often the eraser looks for erasures: a deletion is done within a minute.
const LOOK_PERIOD: Duration = Duration::from_secs(10);
/// How old an erasure has to be. An attempt that began before it may still park its event, and has ended by then
/// (`ATTEMPT_TIMEOUT` is at most 20 s).
const SETTLE_TIME: SignedDuration = SignedDuration::from_secs(25);
/// Dead letters looked up at once.
const BATCH_MAX: usize = 64;

/// Why erasures were not carried out. They are tried again.
#[derive(Debug, thiserror::Error)]
enum ErasureError {
    #[error(transparent)]
    Store(#[from] channels::StoreError),
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// Carries out erasures until the process stops. Every dispatcher does; one at a time, because a scan of the dead letters
/// locks them.
pub(crate) async fn run(systems: Arc<Systems>, queue: Queue) {
    while systems.shutdown.pause(LOOK_PERIOD).await {
        if let Err(error) = carry_out(&systems, &queue).await {
            warn!("Erasures are pending, and will be tried again: {error}");
        }
    }
}

async fn carry_out(systems: &Systems, queue: &Queue) -> Result<(), ErasureError> {
    let began = now();
    let is_due = |asked_at: &str| {
        let age = asked_at.parse::<Timestamp>().map(|at| began.duration_since(at));
        age.map_or(true, |age| age >= SETTLE_TIME)
    };
    let mut pending = systems.store.pending_erasures().await?;
    pending.retain(|erasure| is_due(&erasure.requested_at));
    if pending.is_empty() {
        return Ok(());
    }
    let erased = sweep(systems, queue).await?;
    for erasure in &pending {
        systems.store.finish_erasure(erasure, now()).await?;
    }
    info!(erasures = pending.len(), dead_letters = erased, "Carried out erasures and removed their dead letters");
    Ok(())
}

/// Looks through all dead letters once, and says how many of them were erased.
async fn sweep(systems: &Systems, queue: &Queue) -> Result<usize, ErasureError> {
    let mut scan = queue.scan_dead_letters().await?;
    let mut erased = 0;
    loop {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while batch.len() < BATCH_MAX
            && let Some(letter) = scan.next().await?
        {
            batch.push(letter);
        }
        if batch.is_empty() {
            break;
        }
        let letters = to_be_erased(systems, batch).await?;
        erased += letters.len();
        systems.metrics.skipped_total.add(SkipReason::Erased, letters.len());
        scan.remove(letters).await?;
    }
    scan.finish().await?;
    Ok(erased)
}

/// Those of the letters that are to be erased.
async fn to_be_erased(systems: &Systems, letters: Vec<DeadLetter>) -> Result<Vec<DeadLetter>, ErasureError> {
    let answers = systems.store.look_up(&lookups_of(letters.iter().map(|letter| &letter.envelope))).await?;
    let erased = letters.into_iter().zip(answers).filter(|(_, answer)| matches!(answer, LookupAnswer::Erased));
    Ok(erased.map(|(letter, _)| letter).collect())
}
