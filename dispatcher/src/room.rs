//! Knows how much room a worker has for envelopes in flight, and which destinations could use it. Pure.

use std::collections::HashMap;
use std::time::Duration;

use queue::Partition;
use tokio::time::Instant;

use crate::destination::Destination;
use crate::tally::Tally;

/// This part of the space is made free at once. The larger it is, the sooner a long head of the queue is out of the way
/// (each time costs a round trip or two); what is left to the destination has to last until more is taken.
const PART: usize = 2;
/// Once nothing more fits, less than this many quarters of the space have to be in use before taking goes on.
const QUARTERS_TO_GO_ON: usize = 3;
/// The time from one look at the room to the next.
const LOOK_PERIOD: Duration = Duration::from_millis(10);
/// How long it is remembered which destinations there are.
const SURVEY_TIME: Duration = Duration::from_secs(30);

/// The most that a worker has in flight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Space {
    /// Envelopes of one partition: the queue hands out no more of it.
    pub(crate) of_partition: usize,
    /// Envelopes of all partitions. A little more may come before the queue stops.
    pub(crate) envelopes: usize,
    /// Bytes of the bodies of all partitions. Nothing is taken beyond it, but what is on its way then still arrives: RabbitMQ's prefetch counts
    /// envelopes, not bytes.
    pub(crate) bytes: usize,
}

/// What a worker takes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Intake {
    pub(crate) partitions: usize,
    pub(crate) space: Space,
}

/// What a worker knows about its room.
#[derive(Debug)]
pub(crate) struct Room {
    space: Space,
    /// Envelopes of each partition that are being settled by a copy: they are about to make room.
    leaving: HashMap<Partition, usize>,
    leaving_bytes: usize,
    is_full: bool,
    look_at: Option<Instant>,
    /// The partition that was looked at last: full ones take turns.
    looked_at: Partition,
    /// The destinations that the store knew at that time.
    survey: Option<Survey>,
    is_surveying: bool,
}

#[derive(Debug)]
struct Survey {
    destinations: Vec<Destination>,
    at: Instant,
}

/// What there is too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Excess {
    /// Envelopes of this partition.
    OfPartition(Partition),
    Envelopes,
    Bytes,
}

impl Room {
    pub(crate) fn new(space: Space) -> Self {
        Self {
            space,
            leaving: HashMap::new(),
            leaving_bytes: 0,
            is_full: false,
            look_at: None,
            looked_at: Partition::FIRST,
            survey: None,
            is_surveying: false,
        }
    }

    /// An envelope is being settled by a copy.
    pub(crate) fn left(&mut self, partition: Partition, bytes: usize) {
        *self.leaving.entry(partition).or_default() += 1;
        self.leaving_bytes += bytes;
    }

    /// The copy of an envelope has arrived, or could not be made.
    pub(crate) fn arrived(&mut self, partition: Partition, bytes: usize) {
        *self.leaving.entry(partition).or_default() -= 1;
        self.leaving_bytes -= bytes;
    }

    /// Notes what is in flight. Taking goes on when a quarter of the space is free again.
    pub(crate) fn note(&mut self, tally: &Tally) {
        let quarters = if self.is_full { QUARTERS_TO_GO_ON } else { 4 };
        self.is_full = self.exceeded(quarters, tally.len(), tally.bytes()).is_some();
    }

    /// What there is as much of as fits into so many quarters of the space.
    fn exceeded(&self, quarters: usize, envelopes: usize, bytes: usize) -> Option<Excess> {
        if bytes >= self.space.bytes * quarters / 4 {
            return Some(Excess::Bytes);
        }
        (envelopes >= self.space.envelopes * quarters / 4).then_some(Excess::Envelopes)
    }

    /// Whether nothing should be taken, of whichever partition.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    /// When to look next; `None` while there is room.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.look_at
    }

    /// The store was asked which destinations there are; nothing if it did not answer.
    pub(crate) fn surveyed(&mut self, destinations: Option<Vec<Destination>>, now: Instant) {
        self.is_surveying = false;
        if let Some(destinations) = destinations {
            self.survey = Some(Survey { destinations, at: now });
        }
    }

    /// Whether the store should be asked which destinations there are. If so, it is being asked from now on.
    pub(crate) fn begin_survey(&mut self, now: Instant) -> bool {
        let is_fresh = self.survey.as_ref().is_some_and(|survey| now < survey.at + SURVEY_TIME);
        let is_due = !is_fresh && !self.is_surveying;
        self.is_surveying |= is_due;
        is_due
    }

    /// Whether the store is being asked.
    pub(crate) fn is_surveying(&self) -> bool {
        self.is_surveying
    }

    /// The destinations that the store knew when it was last asked.
    pub(crate) fn destinations(&self) -> impl Iterator<Item = &Destination> {
        self.survey.iter().flat_map(|survey| &survey.destinations)
    }

    /// What keeps more from being taken, if it is time to look. What is leaving does not count.
    pub(crate) fn look(&mut self, tally: &Tally, now: Instant) -> Option<Excess> {
        let Some(excess) = self.excess(tally) else {
            self.look_at = None;
            return None;
        };
        if self.look_at.is_some_and(|at| at > now) {
            return None;
        }
        self.look_at = Some(now + LOOK_PERIOD);
        if let Excess::OfPartition(partition) = excess {
            self.looked_at = partition;
        }
        Some(excess)
    }

    fn excess(&self, tally: &Tally) -> Option<Excess> {
        if self.is_full {
            let envelopes = tally.len() - self.leaving.values().sum::<usize>();
            let bytes = tally.bytes() - self.leaving_bytes;
            if let Some(excess) = self.exceeded(QUARTERS_TO_GO_ON, envelopes, bytes) {
                return Some(excess);
            }
        }
        self.next_full(tally).map(Excess::OfPartition)
    }

    /// The next partition of which nothing more can be taken.
    fn next_full(&self, tally: &Tally) -> Option<Partition> {
        let leaving = |partition| self.leaving.get(&partition).copied().unwrap_or_default();
        let is_full = |partition: &Partition| tally.len_of(*partition) - leaving(*partition) >= self.space.of_partition;
        let full: Vec<Partition> = tally.partitions().filter(is_full).collect();
        let later = full.iter().copied().filter(|partition| *partition > self.looked_at).min();
        later.or_else(|| full.iter().copied().min())
    }

    /// How much of what there is too much of should leave at once.
    pub(crate) fn part(&self, excess: Excess) -> usize {
        let most = match excess {
            Excess::OfPartition(_) => self.space.of_partition,
            Excess::Envelopes => self.space.envelopes,
            Excess::Bytes => self.space.bytes,
        };
        (most / PART).max(1)
    }
}
