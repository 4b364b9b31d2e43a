//! Replays or discards many dead letters. They leave in batches, and an interruption loses none.

use std::collections::BTreeMap;
use std::time::Duration;

use chassis::{Shutdown, now};
use clap::Args;
use event::{Envelope, UNRECOGNIZED};
use queue::{DeadLetter, Publisher, Queue, UNDECODABLE};
use tokio::time::Instant;

use super::filter::Filter;
use super::sweep::Sweep;
use crate::failure::Failure;
use crate::open::QueueAccess;
use crate::output::outln;

/// The most dead letters in a batch, which is replayed with one confirm.
const BATCH_MAX: usize = 32;
/// A batch holds at most what may be sent in this time, so that the rate is also kept within a second.
const BATCH_TIME: Duration = Duration::from_millis(250);
/// The options of a command that changes dead letters, beside its filter.
#[derive(Args, Debug)]
pub(crate) struct BulkOptions {
    /// Does it, instead of showing what it would do.
    #[arg(long)]
    pub(super) yes: bool,
    /// The most dead letters to work on, beginning with the oldest.
    #[arg(long)]
    limit: Option<usize>,
    #[command(flatten)]
    queue: QueueAccess,
}

/// Replays (with a rate) or discards (without one) each dead letter that matches a filter.
pub(super) struct Bulk<'a> {
    pub(super) verb: &'static str,
    pub(super) past: &'static str,
    pub(super) filter: &'a Filter,
    pub(super) options: &'a BulkOptions,
    pub(super) rate: Option<u32>,
}

/// The dead letters so far.
#[derive(Default)]
struct Tally {
    by_reason: BTreeMap<String, usize>,
    /// Left out, because nobody could deliver them.
    undeliverable: usize,
}

impl Bulk<'_> {
    pub(super) async fn run(&self) -> Result<usize, Failure> {
        self.filter.must_choose(self.verb)?;
        let mut tally = Tally::default();
        let queue = &self.options.queue;
        let look = async |queue: Queue, shutdown: Shutdown| {
            let mut sweep = Sweep::begin(&queue, &shutdown).await?;
            let result = self.look_through(&mut sweep, &mut tally, &queue.publisher(), &shutdown).await;
            sweep.finish().await?;
            result
        };
        let result = queue.with(look).await;
        let show_result = self.show(&tally);
        result.and(show_result).map(|()| tally.count())
    }

    /// Copies are confirmed before their originals are removed: an interruption between the two replays some events twice
    /// and loses none.
    async fn look_through(
        &self,
        sweep: &mut Sweep<'_>,
        tally: &mut Tally,
        publisher: &Publisher,
        shutdown: &Shutdown,
    ) -> Result<(), Failure> {
        let mut due = Instant::now();
        let limit = self.options.limit.unwrap_or(usize::MAX);
        let size = self.rate.map_or(BATCH_MAX, batch_size);
        loop {
            let count_max = size.min(limit - tally.count());
            let batch = sweep.next_batch(count_max, |letter| self.chooses(letter, tally)).await?;
            if batch.is_empty() {
                return Ok(());
            }
            if let Some(rate) = self.rate.filter(|_| self.options.yes) {
                shutdown.pause(due.saturating_duration_since(Instant::now())).await;
                replay(publisher, &batch).await?;
                due = due.max(Instant::now()) + Duration::from_secs(1) * to_u32(batch.len()) / rate;
            }
            batch.iter().for_each(|letter| tally.add(letter));
            if self.options.yes {
                sweep.remove(batch).await?;
            }
        }
    }

    /// Whether it matches, and can be replayed if that is wanted.
    fn chooses(&self, letter: &DeadLetter, tally: &mut Tally) -> bool {
        let is_chosen = self.filter.matches(letter, now());
        let is_left_out = is_chosen && self.rate.is_some() && is_undeliverable(letter);
        tally.undeliverable += usize::from(is_left_out);
        is_chosen && !is_left_out
    }

    fn show(&self, tally: &Tally) -> Result<(), Failure> {
        for (reason, count) in &tally.by_reason {
            outln!("{count:>8}  {reason}")?;
        }
        if tally.undeliverable > 0 {
            outln!(
                "{:>8}  left out: not an envelope or not a notification, so nobody can deliver them (`ops dead-letters \
                 show ID` explains one)",
                tally.undeliverable
            )?;
        }
        let count = tally.count();
        if self.options.yes {
            outln!("{} {count}.", self.past)
        } else {
            outln!("Would {} {count}. Nothing is done yet: add --yes.", self.verb)
        }
    }
}

impl Tally {
    fn add(&mut self, letter: &DeadLetter) {
        *self.by_reason.entry(letter.letter.reason.clone()).or_default() += 1;
    }

    fn count(&self) -> usize {
        self.by_reason.values().sum()
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

/// Whether the dispatcher would park it again at once.
fn is_undeliverable(letter: &DeadLetter) -> bool {
    [UNDECODABLE, UNRECOGNIZED].contains(&letter.envelope.event_type.as_str())
}

fn batch_size(rate: u32) -> usize {
    let in_batch_time = u64::from(rate) * u64::try_from(BATCH_TIME.as_millis()).unwrap_or_default() / 1_000;
    usize::try_from(in_batch_time).unwrap_or(BATCH_MAX).clamp(1, BATCH_MAX)
}

fn to_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
