//! A look through all dead letters, in as many scans as it takes.

use std::time::Duration;

use chassis::{Shutdown, now};
use jiff::Timestamp;
use queue::{DeadLetter, DeadLetterScan, Queue, QueueError, ScanLimits, ScanTime, SweepProgress};
use tokio::time::Instant;

use crate::failure::Failure;

#[cfg(test)]
mod tests;

/// How long another process may keep the next scan out: as long as its own scan may last.
const LOCK_TIME: Duration = ScanLimits::DEFAULT.in_all;
/// Why a sweep gives up.
const STUCK: &str = "stopped half way: the queue is so slow that reading what was read already takes all the time of a \
                     scan; run it again when fewer dead letters are left, or when the queue is faster";
/// How often to look whether it is done.
const LOCK_PERIOD: Duration = Duration::from_millis(500);
/// A batch ends with the dead letter that reaches this, so that large ones do not fill the memory.
const BATCH_BYTES_MAX: usize = 16 << 20;

/// Reads all dead letters that existed when it began, oldest first.
///
/// A scan locks the dead letters and may not last for ever, so another one begins after a time ([`ScanLimits`]). It meets
/// the same dead letters again, and leaves out those that an earlier one has shown.
pub(crate) struct Sweep<'q> {
    queue: &'q Queue,
    /// None where the last one is over and no other could begin.
    scan: Option<DeadLetterScan>,
    /// What was shown.
    progress: SweepProgress,
    began: Timestamp,
    shutdown: Shutdown,
}

impl<'q> Sweep<'q> {
    /// A requested stop ends it with an error.
    pub(crate) async fn begin(queue: &'q Queue, shutdown: &Shutdown) -> Result<Self, QueueError> {
        Ok(Self {
            queue,
            scan: Some(queue.scan_dead_letters().await?),
            progress: SweepProgress::new(ScanLimits::DEFAULT),
            began: now(),
            shutdown: shutdown.clone(),
        })
    }

    /// The next dead letter that is wanted; `None` after the last one.
    pub(crate) async fn next(
        &mut self,
        wanted: impl FnMut(&DeadLetter) -> bool,
    ) -> Result<Option<DeadLetter>, Failure> {
        Ok(self.next_batch(1, wanted).await?.pop())
    }

    /// The next dead letters that are wanted, at most so many; none after the last one. What shall be removed of a batch
    /// has to be removed before the next one is asked for.
    pub(crate) async fn next_batch(
        &mut self,
        count_max: usize,
        mut wanted: impl FnMut(&DeadLetter) -> bool,
    ) -> Result<Vec<DeadLetter>, Failure> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while batch.len() < count_max && bytes < BATCH_BYTES_MAX {
            let is_stopping = self.shutdown.is_requested();
            let time = self.progress.scan_time();
            if !batch.is_empty() && (is_stopping || time != ScanTime::Left) {
                break;
            }
            if is_stopping {
                return Err(Failure::runtime("interrupted half way: run it again for the rest"));
            }
            match time {
                ScanTime::Left => {}
                ScanTime::Over => self.begin_another_scan().await?,
                ScanTime::Stuck => return Err(Failure::runtime(STUCK)),
            }
            let Some(scan) = &mut self.scan else { break };
            let Some(letter) = scan.next().await? else { break };
            if self.is_new(&letter) && wanted(&letter) {
                bytes += letter.envelope.body.len();
                batch.push(letter);
            }
        }
        Ok(batch)
    }

    /// Removes dead letters of the last batch: only when a copy of each is confirmed, or a person wants them gone.
    pub(crate) async fn remove(&mut self, letters: Vec<DeadLetter>) -> Result<(), QueueError> {
        match &mut self.scan {
            Some(scan) => scan.remove(letters).await,
            None => Ok(()),
        }
    }

    /// Gives back every dead letter that was not removed.
    pub(crate) async fn finish(self) -> Result<(), QueueError> {
        match self.scan {
            Some(scan) => scan.finish().await,
            None => Ok(()),
        }
    }

    /// Others, such as a dispatcher that carries out erasures, may scan in between.
    async fn begin_another_scan(&mut self) -> Result<(), QueueError> {
        // The old scan has to give up its lock before a new one can begin.
        if let Some(scan) = self.scan.take() {
            scan.finish().await?;
        }
        let began = Instant::now();
        let scan = loop {
            match self.queue.scan_dead_letters().await {
                Err(QueueError::ScanLocked { .. })
                    if began.elapsed() < LOCK_TIME && self.shutdown.pause(LOCK_PERIOD).await => {}
                outcome => break outcome?,
            }
        };
        self.scan = Some(scan);
        self.progress.begin_scan();
        Ok(())
    }

    /// Whether no earlier scan has shown it. A later scan also meets what was parked since the sweep began, such as events
    /// that were replayed and failed again.
    fn is_new(&mut self, letter: &DeadLetter) -> bool {
        let is_too_new = self.progress.is_later_scan() && letter.letter.parked_at > self.began;
        if is_too_new || !self.progress.is_new(letter) {
            self.progress.skip();
            return false;
        }
        self.progress.note(letter);
        self.progress.advance();
        true
    }
}
