//! Carries out erasures in what rests: dead letters of an erased channel or conversation are thrown away. What waits in
//! other queues is discarded when it is next taken.

use std::sync::Arc;
use std::time::Duration;

use channels::LookupAnswer;
use chassis::now;
use jiff::{SignedDuration, Timestamp};
use queue::{DeadLetter, Queue, QueueError};
use tracing::{info, warn};

use crate::app::App;
use crate::lookups::asked;
use crate::steps::Forgotten;

/// Between two looks for erasures; a deletion is done within a minute.
const LOOK_PERIOD: Duration = Duration::from_secs(10);
/// An attempt that began before an erasure may still park its event: it has ended by then (`ATTEMPT_TIMEOUT` is at most
/// 20 s).
const SETTLE_TIME: SignedDuration = SignedDuration::from_secs(25);
/// Dead letters looked up at once.
const BATCH_MAX: usize = 64;

/// Why not now; it is tried again.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    Store(#[from] channels::StoreError),
    #[error("{0}")]
    Queue(#[from] QueueError),
}

/// Works until a stop is asked for. Each dispatcher does; who comes second finds the dead letters locked.
pub(crate) async fn run(app: Arc<App>, queue: Queue) {
    while app.shutdown.pause(LOOK_PERIOD).await {
        if let Err(trouble) = carry_out(&app, &queue).await {
            warn!(error = %trouble, "Erasures are pending, and will be tried again: {trouble}");
        }
    }
}

async fn carry_out(app: &App, queue: &Queue) -> Result<(), Trouble> {
    let began = now();
    let is_due = |asked_at: &str| {
        let age = asked_at.parse::<Timestamp>().map(|at| began.duration_since(at));
        age.map_or(true, |age| age >= SETTLE_TIME)
    };
    let mut pending = app.store.pending_erasures().await?;
    pending.retain(|erasure| is_due(&erasure.requested_at));
    if pending.is_empty() {
        return Ok(());
    }
    let erased = sweep(app, queue).await?;
    for erasure in &pending {
        app.store.finish_erasure(erasure, now()).await?;
    }
    info!(erasures = pending.len(), erased, "Carried out {} erasures, threw {erased} dead letters away", pending.len());
    Ok(())
}

/// Looks through all dead letters once.
async fn sweep(app: &App, queue: &Queue) -> Result<usize, Trouble> {
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
        let found = among(app, batch).await?;
        erased += found.len();
        found.iter().for_each(|_| app.metrics.forgotten(Forgotten::Erased));
        scan.remove(found).await?;
    }
    scan.finish().await?;
    Ok(erased)
}

/// Those that are to be erased.
async fn among(app: &App, letters: Vec<DeadLetter>) -> Result<Vec<DeadLetter>, Trouble> {
    let found = app.store.look_up(&asked(letters.iter().map(|letter| &letter.envelope))).await?;
    let erased = letters.into_iter().zip(found).filter(|(_, found)| matches!(found, LookupAnswer::Erased));
    Ok(erased.map(|(letter, _)| letter).collect())
}
