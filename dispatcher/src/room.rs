//! Knows how much room a worker has for envelopes in flight, and which destinations could use it. Pure.

use std::time::Duration;

use tokio::time::Instant;

use crate::destination::Destination;

/// This part of the space is made free at once. The larger it is, the sooner a long head of the queue is out of the way
/// (each time costs a round trip or two); what is left to the destination has to last until more is taken.
const PART: usize = 2;
/// The time from one look at the room to the next.
const LOOK_PERIOD: Duration = Duration::from_millis(10);
/// How long it is remembered which destinations there are.
const SURVEY_TIME: Duration = Duration::from_secs(30);

/// The most that a worker has in flight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Space {
    pub(crate) envelopes: usize,
    /// Bytes of bodies. Nothing is taken beyond it, but what is on its way then still arrives: RabbitMQ's prefetch counts
    /// envelopes, not bytes.
    pub(crate) bytes: usize,
}

/// What a worker knows about its room.
#[derive(Debug)]
pub(crate) struct Room {
    space: Space,
    /// Envelopes, and their bytes, that are being settled by a copy: they are about to make room.
    leaving: Space,
    has_too_many_bytes: bool,
    look_at: Option<Instant>,
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
    Envelopes,
    Bytes,
}

impl Room {
    pub(crate) fn new(space: Space) -> Self {
        let leaving = Space { envelopes: 0, bytes: 0 };
        Self { space, leaving, has_too_many_bytes: false, look_at: None, survey: None, is_surveying: false }
    }

    /// An envelope is being settled by a copy.
    pub(crate) fn left(&mut self, bytes: usize) {
        self.leaving.envelopes += 1;
        self.leaving.bytes += bytes;
    }

    /// The copy of an envelope has arrived, or could not be made.
    pub(crate) fn arrived(&mut self, bytes: usize) {
        self.leaving.envelopes -= 1;
        self.leaving.bytes -= bytes;
    }

    /// Notes how many bytes are in flight. Taking goes on when a quarter of the space is free again.
    pub(crate) fn note_bytes(&mut self, bytes: usize) {
        let most = if self.has_too_many_bytes { self.bytes_to_go_on() } else { self.space.bytes };
        self.has_too_many_bytes = bytes >= most;
    }

    /// Fewer bytes than this have to be in flight before taking goes on.
    fn bytes_to_go_on(&self) -> usize {
        self.space.bytes / 4 * 3
    }

    pub(crate) fn has_too_many_bytes(&self) -> bool {
        self.has_too_many_bytes
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
    pub(crate) fn look(&mut self, envelopes: usize, bytes: usize, now: Instant) -> Option<Excess> {
        let are_too_many = envelopes - self.leaving.envelopes >= self.space.envelopes;
        let has_too_many_bytes = self.has_too_many_bytes && bytes - self.leaving.bytes >= self.bytes_to_go_on();
        if !are_too_many && !has_too_many_bytes {
            self.look_at = None;
            return None;
        }
        if self.look_at.is_some_and(|at| at > now) {
            return None;
        }
        self.look_at = Some(now + LOOK_PERIOD);
        Some(if are_too_many { Excess::Envelopes } else { Excess::Bytes })
    }

    /// How much of what there is too much of should leave at once.
    pub(crate) fn part(&self, excess: Excess) -> usize {
        let most = match excess {
            Excess::Envelopes => self.space.envelopes,
            Excess::Bytes => self.space.bytes,
        };
        (most / PART).max(1)
    }
}
