//! Replaying and discarding: dead letters leave one batch after the other, and a stop half way loses none.

use std::collections::BTreeMap;
use std::time::Duration;

use chassis::{Shutdown, now};
use event::{Envelope, UNRECOGNIZED};
use jiff::Timestamp;
use queue::{DeadLetter, DeadLetterScan, Publisher, UNDECODABLE};
use tokio::time::Instant;

use super::filter::Filter;
use super::{Act, next};
use crate::cli::Failed;

/// Dead letters replayed with one confirm, at most.
const BATCH_MAX: usize = 32;
/// A batch is at most what may be sent in this time, so that the rate is kept within a second as well.
const BATCH_TIME: Duration = Duration::from_millis(250);
/// How long one scan may hold what it has seen: RabbitMQ cuts off who holds a message for 30 minutes.
const SCAN_TIME: Duration = Duration::from_mins(20);

/// What is done with each dead letter that a filter finds: with a rate it is replayed, without one discarded.
pub(super) struct Task<'a> {
    pub(super) verb: &'static str,
    pub(super) done: &'static str,
    pub(super) filter: &'a Filter,
    pub(super) act: &'a Act,
    pub(super) rate: Option<u32>,
}

impl Task<'_> {
    pub(super) async fn run(&self) -> Result<usize, Failed> {
        self.filter.must_choose(self.verb)?;
        let mut found = Found::default();
        let ended = self.act.queue.with(async |queue, shutdown| {
            let mut again = None;
            let began = now();
            loop {
                let mut scan = queue.scan_dead_letters().await?;
                let worked = self.work((&mut scan, again), &mut found, (&queue.publisher(), &shutdown)).await;
                scan.finish().await?;
                match worked? {
                    Ended::Held => again = Some(began),
                    Ended::Done => return Ok(()),
                    Ended::Stopped => return Err(Failed::tried("stopped half way: run it again for the rest")),
                }
            }
        });
        let ended = ended.await;
        found.show();
        let (verb, done, count) = (self.verb, self.done, found.count());
        if self.act.yes {
            println!("{done} {count}.");
        } else {
            println!("Would {verb} {count}. Nothing is done yet: add --yes.");
        }
        ended.map(|()| count)
    }

    /// Copy before forgetting: who is stopped half way has replayed some twice at worst, and lost none.
    async fn work(
        &self,
        (scan, again): (&mut DeadLetterScan, Option<Timestamp>),
        found: &mut Found,
        (publisher, shutdown): (&Publisher, &Shutdown),
    ) -> Result<Ended, Failed> {
        let started = Instant::now();
        let limit = self.act.limit.unwrap_or(usize::MAX);
        let size = self.rate.map_or(BATCH_MAX, batch_size);
        let (mut due, mut batch) = (Instant::now(), Vec::with_capacity(size));
        loop {
            let is_held = self.act.yes && started.elapsed() > SCAN_TIME;
            let is_enough = found.count() + batch.len() >= limit || is_held || shutdown.is_requested();
            let letter = if is_enough { None } else { next(scan, self.filter).await? };
            let is_last = letter.is_none();
            match letter {
                // A later scan meets what was replayed by an earlier one and failed again.
                Some(letter) if again.is_some_and(|began| letter.letter.parked_at > began) => {}
                Some(letter) if self.rate.is_some() && is_hopeless(&letter) => found.hopeless += 1,
                Some(letter) => batch.push(letter),
                None => {}
            }
            if batch.len() == size || (is_last && !batch.is_empty()) {
                if let Some(rate) = self.rate.filter(|_| self.act.yes) {
                    shutdown.pause(due.saturating_duration_since(Instant::now())).await;
                    replay(publisher, &batch).await?;
                    due = due.max(Instant::now()) + Duration::from_secs(1) * to_u32(batch.len()) / rate;
                }
                batch.iter().for_each(|letter| found.count_one(letter));
                let done = std::mem::take(&mut batch);
                if self.act.yes {
                    scan.remove(done).await?;
                }
            }
            if is_last {
                return Ok(match (shutdown.is_requested(), is_held) {
                    (true, _) => Ended::Stopped,
                    (false, true) => Ended::Held,
                    (false, false) => Ended::Done,
                });
            }
        }
    }
}

/// How a scan ended.
enum Ended {
    Done,
    /// It took so long that another one has to go on.
    Held,
    Stopped,
}

/// What was found so far.
#[derive(Default)]
pub(super) struct Found {
    pub(super) by_reason: BTreeMap<String, usize>,
    hopeless: usize,
}

impl Found {
    pub(super) fn count_one(&mut self, letter: &DeadLetter) {
        *self.by_reason.entry(letter.letter.reason.clone()).or_default() += 1;
    }

    fn count(&self) -> usize {
        self.by_reason.values().sum()
    }

    fn show(&self) {
        self.by_reason.iter().for_each(|(reason, count)| println!("{count:>8}  {reason}"));
        if self.hopeless > 0 {
            println!(
                "{:>8}  left out: no envelope or no notification, which nobody could deliver (`ops dead-letters show ID`)",
                self.hopeless
            );
        }
    }
}

/// Sends copies round again: age, attempts and the way through the retry queues begin anew.
async fn replay(publisher: &Publisher, letters: &[DeadLetter]) -> Result<(), Failed> {
    let queued_at = now();
    let anew = |letter: &DeadLetter| Envelope {
        queued_at,
        attempts: 0,
        visits: 0,
        copies: 0,
        letter: None,
        ..letter.envelope.clone()
    };
    let copies: Vec<Envelope> = letters.iter().map(anew).collect();
    let _confirmed = publisher.publish_all(&copies).await.map_err(|error| {
        Failed::tried(format!("{error}: what is not replayed lies where it lay; run it again when the queue is well"))
    })?;
    Ok(())
}

/// The dispatcher would park it again at once.
fn is_hopeless(letter: &DeadLetter) -> bool {
    [UNDECODABLE, UNRECOGNIZED].contains(&letter.envelope.event_type.as_str())
}

fn batch_size(rate: u32) -> usize {
    let in_time = u64::from(rate) * u64::try_from(BATCH_TIME.as_millis()).unwrap_or_default() / 1_000;
    usize::try_from(in_time).unwrap_or(BATCH_MAX).clamp(1, BATCH_MAX)
}

fn to_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
