//! Removes the dead letters of an erased channel or conversation. What waits in other queues is skipped when it is next
//! taken.

use std::sync::Arc;
use std::time::Duration;

use channels::{ChannelStore, End, EndedEvent, LookupAnswer, PendingErasure};
use chassis::{Shutdown, now};
use event::UNRECOGNIZED;
use jiff::{SignedDuration, Timestamp};
use queue::{DeadLetter, DeadLetterScan, Queue, QueueError, ScanLimits, ScanTime, SweepProgress};
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

/// Why erasures were not carried out. They are tried again.
#[derive(Debug, thiserror::Error)]
enum ErasureError {
    #[error(transparent)]
    Store(#[from] channels::StoreError),
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error("the queue is so slow that reading what was read already takes all the time of a scan")]
    Stuck,
}

/// Carries out erasures until the process stops. Every dispatcher does; one at a time, because a scan of the dead letters
/// locks them.
pub(crate) async fn run(systems: Arc<Systems>, queue: Queue) {
    let mut eraser = Eraser {
        store: systems.store.clone(),
        queue,
        metrics: systems.metrics.clone(),
        shutdown: systems.shutdown.clone(),
        limits: ScanLimits::DEFAULT,
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
    limits: ScanLimits,
    /// The look through all dead letters that has begun.
    sweep: Option<Sweep>,
}

/// A look through all dead letters. It may take several scans, and each one begins with the oldest dead letter.
struct Sweep {
    /// The erasures that were due when it began.
    erasures: Vec<PendingErasure>,
    /// The dead letters that were looked at and stay.
    progress: SweepProgress,
    erased: usize,
}

/// Dead letters that are looked up at once.
struct Batch {
    letters: Vec<DeadLetter>,
    /// Set if they are the scan's last.
    end: Option<ScanEnd>,
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
        let mut sweep = self.sweep.take().unwrap_or_else(|| Sweep::of(due(&pending), self.limits));
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
                seen = sweep.progress.count(),
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
        sweep.progress.begin_scan();
        let end = self.look_through(&mut scan, sweep).await;
        scan.finish().await?;
        end
    }

    /// A scan looks at one batch at least, so that the sweep ends however slow the queue is.
    async fn look_through(&self, scan: &mut DeadLetterScan, sweep: &mut Sweep) -> Result<ScanEnd, ErasureError> {
        loop {
            let Batch { letters, end } = self.next_batch(scan, sweep).await?;
            if end == Some(ScanEnd::Interruption) {
                return Ok(ScanEnd::Interruption);
            }
            let erased = self.to_be_erased(letters, sweep).await?;
            sweep.erased += erased.len();
            // Meta may repeat what became a dead letter, and that is no newer event.
            let ended = |letter: &DeadLetter| EndedEvent { id: letter.envelope.id.clone(), end: End::Erased };
            let ended: Vec<EndedEvent> = erased.iter().map(ended).collect();
            self.store.mark_ended(&ended, now()).await?;
            self.metrics.skipped_total.add(SkipReason::Erased, erased.len());
            scan.remove(erased).await?;
            sweep.progress.advance();
            if let Some(end) = end {
                return Ok(end);
            }
            if sweep.progress.scan_time() == ScanTime::Over {
                return Ok(ScanEnd::TimeLimit);
            }
        }
    }

    /// The next dead letters that nobody has looked at.
    async fn next_batch(&self, scan: &mut DeadLetterScan, sweep: &mut Sweep) -> Result<Batch, ErasureError> {
        let mut letters = Vec::with_capacity(BATCH_MAX);
        while letters.len() < BATCH_MAX {
            if self.shutdown.is_requested() {
                return Ok(Batch { letters, end: Some(ScanEnd::Interruption) });
            }
            match sweep.progress.scan_time() {
                ScanTime::Left => {}
                ScanTime::Stuck if letters.is_empty() => return Err(ErasureError::Stuck),
                ScanTime::Stuck | ScanTime::Over => return Ok(Batch { letters, end: Some(ScanEnd::TimeLimit) }),
            }
            let Some(letter) = scan.next().await? else {
                return Ok(Batch { letters, end: Some(ScanEnd::Complete) });
            };
            if sweep.progress.is_new(&letter) {
                letters.push(letter);
            } else {
                sweep.progress.skip();
            }
        }
        Ok(Batch { letters, end: None })
    }

    /// Those of the letters that are to be erased. The others are noted as seen.
    async fn to_be_erased(&self, letters: Vec<DeadLetter>, sweep: &mut Sweep) -> Result<Vec<DeadLetter>, ErasureError> {
        let envelopes: Vec<_> = letters.iter().map(|letter| &letter.envelope).collect();
        let answers = contacts::look_up(&self.store, &envelopes).await?;
        let mut erased = Vec::new();
        for (letter, found) in letters.into_iter().zip(answers) {
            let is_erased = matches!(found.answer, LookupAnswer::Erased)
                || letter.envelope.event_type.as_str() == UNRECOGNIZED
                    && contacts::names_erased(&self.store, &letter.envelope).await?;
            if is_erased {
                erased.push(letter);
            } else {
                sweep.progress.note(&letter);
            }
        }
        Ok(erased)
    }
}

impl Sweep {
    fn of(erasures: Vec<PendingErasure>, limits: ScanLimits) -> Self {
        Self { erasures, progress: SweepProgress::new(limits), erased: 0 }
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
