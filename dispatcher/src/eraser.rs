//! Removes the dead letters of an erased channel or conversation. What waits in other queues is skipped when it is next
//! taken.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use channels::{ChannelStore, LookupAnswer, PendingErasure};
use chassis::{Shutdown, now};
use event::UNRECOGNIZED;
use jiff::{SignedDuration, Timestamp};
use queue::{DeadLetter, DeadLetterScan, Queue, QueueError};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::contacts;
use crate::metrics::{Metrics, SkipReason};
use crate::systems::Systems;

#[cfg(test)]
mod tests;

/// How often the eraser looks for erasures: a deletion is done within a minute. Between two scans, others may scan.
const LOOK_PERIOD: Duration = Duration::from_secs(10);
/// How old an erasure has to be. An attempt that began before it may still park its event, and has ended by then
/// (`ATTEMPT_TIMEOUT` is at most 20 s).
const SETTLE_TIME: SignedDuration = SignedDuration::from_secs(25);
/// Dead letters looked up at once.
const BATCH_MAX: usize = 64;
/// How long one scan may last. RabbitMQ closes the AMQP channel of a consumer that holds a message for 30 minutes.
const SCAN_TIME: Duration = Duration::from_mins(20);

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
    let mut eraser = Eraser {
        store: systems.store.clone(),
        queue,
        metrics: systems.metrics.clone(),
        shutdown: systems.shutdown.clone(),
        scan_time: SCAN_TIME,
        sweep: None,
    };
    while systems.shutdown.pause(LOOK_PERIOD).await {
        if let Err(error) = eraser.carry_out().await {
            warn!("Erasures are pending, and will be tried again: {error}");
        }
    }
}

/// Carries out erasures, piece by piece where there are many dead letters.
struct Eraser {
    store: ChannelStore,
    queue: Queue,
    metrics: Metrics,
    shutdown: Shutdown,
    scan_time: Duration,
    /// The look through all dead letters that has begun.
    sweep: Option<Sweep>,
}

/// A look through all dead letters. It may take several scans, and each one begins with the oldest dead letter.
struct Sweep {
    /// The erasures that were due when it began.
    erasures: Vec<PendingErasure>,
    /// The dead letters that were looked at and stay, by hashes: 8 bytes each.
    seen: HashSet<u64>,
    hasher: RandomState,
    erased: usize,
}

/// How a scan ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ScanEnd {
    Complete,
    /// It lasted as long as it may, and another one has to continue.
    TimeLimit,
    Interruption,
}

impl Eraser {
    /// Carries out what is due, or a piece of it.
    async fn carry_out(&mut self) -> Result<(), ErasureError> {
        let pending = self.store.pending_erasures().await?;
        let mut sweep = self.sweep.take().unwrap_or_else(|| Sweep::of(due(&pending)));
        // Another dispatcher may have carried some out, or somebody asked for one again.
        sweep.erasures.retain(|erasure| pending.contains(erasure));
        if sweep.erasures.is_empty() {
            return Ok(());
        }
        let end = self.scan(&mut sweep).await;
        if matches!(end, Ok(ScanEnd::Complete)) {
            for erasure in &sweep.erasures {
                self.store.finish_erasure(erasure, now()).await?;
            }
            let erasures = sweep.erasures.len();
            info!(erasures, dead_letters = sweep.erased, "Carried out erasures and removed their dead letters");
            return Ok(());
        }
        if matches!(end, Ok(ScanEnd::TimeLimit)) {
            info!(
                seen = sweep.seen.len(),
                "Looked at a part of the dead letters for erasures; the next scan continues"
            );
        }
        // What was looked at counts, also where the scan failed: others may scan in between.
        self.sweep = Some(sweep);
        end.map(drop)
    }

    /// Looks at dead letters for as long as one scan may last.
    async fn scan(&self, sweep: &mut Sweep) -> Result<ScanEnd, ErasureError> {
        let mut scan = self.queue.scan_dead_letters().await?;
        let end = self.look_through(&mut scan, sweep).await?;
        scan.finish().await?;
        Ok(end)
    }

    /// A scan looks at one batch at least, so that the sweep ends however slow the queue is.
    async fn look_through(&self, scan: &mut DeadLetterScan, sweep: &mut Sweep) -> Result<ScanEnd, ErasureError> {
        let started = Instant::now();
        loop {
            let batch = self.next_batch(scan, sweep).await?;
            if self.shutdown.is_requested() {
                return Ok(ScanEnd::Interruption);
            }
            if batch.is_empty() {
                return Ok(ScanEnd::Complete);
            }
            let erased = self.to_be_erased(batch, sweep).await?;
            sweep.erased += erased.len();
            // Meta may repeat what became a dead letter, and that is no newer event.
            let ids: Vec<_> = erased.iter().map(|letter| letter.envelope.id.clone()).collect();
            self.store.mark_delivered(&ids).await?;
            self.metrics.skipped_total.add(SkipReason::Erased, erased.len());
            scan.remove(erased).await?;
            if started.elapsed() >= self.scan_time {
                return Ok(ScanEnd::TimeLimit);
            }
        }
    }

    /// The next dead letters that nobody has looked at.
    async fn next_batch(&self, scan: &mut DeadLetterScan, sweep: &Sweep) -> Result<Vec<DeadLetter>, ErasureError> {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while batch.len() < BATCH_MAX
            && !self.shutdown.is_requested()
            && let Some(letter) = scan.next().await?
        {
            if !sweep.seen.contains(&sweep.hash(&letter)) {
                batch.push(letter);
            }
        }
        Ok(batch)
    }

    /// Those of the letters that are to be erased. The others are noted as seen.
    async fn to_be_erased(&self, letters: Vec<DeadLetter>, sweep: &mut Sweep) -> Result<Vec<DeadLetter>, ErasureError> {
        let envelopes: Vec<_> = letters.iter().map(|letter| &letter.envelope).collect();
        let answers = contacts::look_up(&self.store, &envelopes).await?;
        let mut erased = Vec::new();
        for (letter, answer) in letters.into_iter().zip(answers) {
            let is_erased = matches!(answer, LookupAnswer::Erased)
                || letter.envelope.event_type.as_str() == UNRECOGNIZED
                    && contacts::names_erased_channel(&self.store, &letter.envelope).await?;
            if is_erased {
                erased.push(letter);
            } else {
                sweep.seen.insert(sweep.hash(&letter));
            }
        }
        Ok(erased)
    }
}

impl Sweep {
    fn of(erasures: Vec<PendingErasure>) -> Self {
        Self { erasures, seen: HashSet::new(), hasher: RandomState::new(), erased: 0 }
    }

    /// Tells one dead letter from every other, also from a later one of the same event.
    fn hash(&self, letter: &DeadLetter) -> u64 {
        self.hasher.hash_one((letter.envelope.id.as_str(), letter.letter.parked_at))
    }
}

/// Those of the erasures that are old enough.
fn due(pending: &[PendingErasure]) -> Vec<PendingErasure> {
    let began = now();
    let is_due = |erasure: &&PendingErasure| {
        let age = erasure.requested_at.parse::<Timestamp>().map(|at| began.duration_since(at));
        age.map_or(true, |age| age >= SETTLE_TIME)
    };
    pending.iter().filter(is_due).cloned().collect()
}
