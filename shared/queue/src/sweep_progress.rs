//! How far a look through all dead letters is that takes more than one scan. Each scan begins with the oldest dead letter
//! and meets again what earlier ones have met.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use tokio::time::Instant;

use crate::dead_letter::DeadLetter;

/// How long one scan may last.
#[derive(Clone, Copy, Debug)]
pub struct ScanLimits {
    /// A scan that got further than the ones before it ends after this time, and another one continues.
    pub once_further: Duration,
    /// Any scan ends after this time. One that has only met again what earlier ones have met ends the sweep with it: the
    /// next one would get no further.
    pub in_all: Duration,
}

/// Which dead letters a sweep has met, and how long its present scan lasts.
#[derive(Debug)]
pub struct SweepProgress {
    limits: ScanLimits,
    /// What earlier scans have met and left there, by hashes: 8 bytes each.
    earlier: HashSet<u64>,
    /// What this scan has met and left there.
    met: Vec<u64>,
    hasher: RandomState,
    scan_began: Instant,
    is_further: bool,
    has_skipped: bool,
}

/// Whether a scan may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanTime {
    /// It may.
    Left,
    /// It got further, and another one has to continue.
    Over,
    /// It got no further than the ones before it in all of its time.
    Stuck,
}

impl ScanLimits {
    /// RabbitMQ closes the AMQP channel of a consumer that holds a message for 30 minutes, and giving back takes time, too.
    pub const DEFAULT: Self = Self { once_further: Duration::from_mins(20), in_all: Duration::from_mins(25) };
}

impl SweepProgress {
    /// A sweep begins, with its first scan.
    pub fn new(limits: ScanLimits) -> Self {
        Self {
            limits,
            earlier: HashSet::new(),
            met: Vec::new(),
            hasher: RandomState::new(),
            scan_began: Instant::now(),
            is_further: false,
            has_skipped: false,
        }
    }

    /// The next scan begins. It skips what was noted until now.
    pub fn begin_scan(&mut self) {
        self.earlier.extend(self.met.drain(..));
        self.scan_began = Instant::now();
        self.is_further = false;
        self.has_skipped = false;
    }

    /// Whether no earlier scan has met this dead letter.
    pub fn is_new(&self, letter: &DeadLetter) -> bool {
        !self.earlier.contains(&self.hash(letter))
    }

    /// A dead letter was met that the sweep is not about, or not any more.
    pub fn skip(&mut self) {
        self.has_skipped = true;
    }

    /// A dead letter was met and stays, so that later scans skip it.
    pub fn note(&mut self, letter: &DeadLetter) {
        self.met.push(self.hash(letter));
    }

    /// The scan got further than the ones before it.
    pub fn advance(&mut self) {
        self.is_further = true;
    }

    /// Whether the scan may go on. Only skipping takes time without getting anywhere: a scan that skipped nothing gets
    /// further however slow the queue is.
    pub fn scan_time(&self) -> ScanTime {
        let elapsed = self.scan_began.elapsed();
        if self.is_further && elapsed >= self.limits.once_further {
            return ScanTime::Over;
        }
        if !self.is_further && self.has_skipped && elapsed >= self.limits.in_all {
            return ScanTime::Stuck;
        }
        ScanTime::Left
    }

    /// Whether this is not the first scan of a sweep that has left something.
    pub fn is_later_scan(&self) -> bool {
        !self.earlier.is_empty()
    }

    /// How many dead letters were met and left.
    pub fn count(&self) -> usize {
        self.earlier.len() + self.met.len()
    }

    /// Tells one dead letter from every other, also from another copy of the same event: the queue itself parks copies in
    /// the same second.
    fn hash(&self, letter: &DeadLetter) -> u64 {
        let envelope = &letter.envelope;
        self.hasher.hash_one((envelope.id.as_str(), envelope.received_at, envelope.queued_at, letter.letter.parked_at))
    }
}
