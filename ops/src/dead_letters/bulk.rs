//! Replays or discards many dead letters. They leave in batches, and an interruption loses none.

use std::collections::BTreeMap;
use std::time::Duration;

use chassis::{Shutdown, now};
use event::{Envelope, UNRECOGNIZED};
use queue::{DeadLetter, Publisher, Queue, UNDECODABLE};
use tokio::time::Instant;

use super::filter::Selection;
use super::sweep::Sweep;
use crate::failure::Failure;

/// The most dead letters in a batch, which is replayed with one confirm.
const BATCH_MAX: usize = 32;
/// A batch holds at most what may be sent in this time, so that the rate is also kept within a second.
const BATCH_TIME: Duration = Duration::from_millis(250);

/// What becomes of dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// They are queued again, at most this many a second.
    Replay { rate: u32 },
    /// They are deleted.
    Discard,
}

impl Change {
    /// The command of `ops dead-letters` that does it.
    pub(crate) const fn verb(self) -> &'static str {
        match self {
            Self::Replay { .. } => "replay",
            Self::Discard => "discard",
        }
    }

    /// What was done.
    pub(crate) const fn past(self) -> &'static str {
        match self {
            Self::Replay { .. } => "Replayed",
            Self::Discard => "Discarded",
        }
    }
}

/// Whether anything is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BulkMode {
    /// Nothing is: it is only counted.
    Preview,
    /// Everything that is chosen is.
    CarryOut,
}

/// A change of each dead letter of a selection, beginning with the oldest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bulk<'a> {
    pub(crate) change: Change,
    pub(crate) selection: &'a Selection,
    pub(crate) mode: BulkMode,
    /// The most dead letters to work on.
    pub(crate) limit: usize,
}

/// A step on the way.
#[derive(Clone, Copy, Debug)]
pub(crate) enum BulkStep<'a> {
    /// These were replayed or discarded, or would be.
    Done(&'a [DeadLetter]),
    /// One is left out, because nobody could deliver it.
    LeftOut,
}

/// The dead letters so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) by_reason: BTreeMap<String, usize>,
    /// Left out, because nobody could deliver them.
    pub(crate) undeliverable: usize,
}

impl Tally {
    pub(crate) fn add(&mut self, step: BulkStep<'_>) {
        match step {
            BulkStep::Done(letters) => {
                for letter in letters {
                    *self.by_reason.entry(letter.letter.reason.clone()).or_default() += 1;
                }
            }
            BulkStep::LeftOut => self.undeliverable += 1,
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.by_reason.values().sum()
    }
}

impl Bulk<'_> {
    /// Looks through all dead letters, and tells `watch` of each step once it is done. A requested stop ends it with an
    /// error; what was read and not changed is given back.
    pub(crate) async fn run(
        &self,
        queue: &Queue,
        shutdown: &Shutdown,
        watch: &mut (dyn FnMut(BulkStep<'_>) + Send),
    ) -> Result<(), Failure> {
        let mut sweep = Sweep::begin(queue, shutdown).await?;
        let result = self.look_through(&mut sweep, watch, &queue.publisher(), shutdown).await;
        sweep.finish().await?;
        result
    }

    /// Copies are confirmed before their originals are removed: an interruption between the two replays some events twice
    /// and loses none.
    async fn look_through(
        &self,
        sweep: &mut Sweep<'_>,
        watch: &mut (dyn FnMut(BulkStep<'_>) + Send),
        publisher: &Publisher,
        shutdown: &Shutdown,
    ) -> Result<(), Failure> {
        let mut due = Instant::now();
        let mut left = self.limit;
        loop {
            let count_max = self.batch_size().min(left);
            let batch = sweep.next_batch(count_max, |letter| self.chooses(letter, watch)).await?;
            if batch.is_empty() {
                return Ok(());
            }
            if let (Change::Replay { rate }, BulkMode::CarryOut) = (self.change, self.mode) {
                shutdown.pause(due.saturating_duration_since(Instant::now())).await;
                replay(publisher, &batch).await?;
                due = due.max(Instant::now()) + Duration::from_secs(1) * to_u32(batch.len()) / rate;
            }
            left -= batch.len();
            watch(BulkStep::Done(&batch));
            if self.mode == BulkMode::CarryOut {
                sweep.remove(batch).await?;
            }
        }
    }

    /// Whether it matches, and can be replayed if that is wanted.
    fn chooses(&self, letter: &DeadLetter, watch: &mut (dyn FnMut(BulkStep<'_>) + Send)) -> bool {
        if !self.selection.matches(letter, now()) {
            return false;
        }
        let is_left_out = self.change != Change::Discard && is_undeliverable(letter.envelope.event_type.as_str());
        if is_left_out {
            watch(BulkStep::LeftOut);
        }
        !is_left_out
    }

    fn batch_size(&self) -> usize {
        match self.change {
            Change::Replay { rate } => batch_size(rate),
            Change::Discard => BATCH_MAX,
        }
    }
}

/// Publishes copies whose age, attempts and visits to the retry queues start again from zero.
async fn replay(publisher: &Publisher, letters: &[DeadLetter]) -> Result<(), Failure> {
    let queued_at = now();
    let copy = |letter: &DeadLetter| Envelope {
        queued_at,
        attempts: 0,
        visits: 0,
        copies: 0,
        letter: None,
        ..letter.envelope.clone()
    };
    let copies: Vec<Envelope> = letters.iter().map(copy).collect();
    let _confirmed = publisher.publish_all(&copies).await.map_err(|error| {
        Failure::runtime(format!(
            "{error}: dead letters that were not replayed are still there; run it again when the queue is healthy"
        ))
    })?;
    Ok(())
}

/// Whether the dispatcher would park an event of this type again at once.
pub(crate) fn is_undeliverable(event_type: &str) -> bool {
    [UNDECODABLE, UNRECOGNIZED].contains(&event_type)
}

fn batch_size(rate: u32) -> usize {
    let in_batch_time = u64::from(rate) * u64::try_from(BATCH_TIME.as_millis()).unwrap_or_default() / 1_000;
    usize::try_from(in_batch_time).unwrap_or(BATCH_MAX).clamp(1, BATCH_MAX)
}

fn to_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
