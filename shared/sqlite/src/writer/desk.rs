//! The desk of a writer: its database, and what a transaction on it needs and says about its health.

use rusqlite::{Connection, Error, Result};
use tokio::time::Instant;

use super::truncation::Truncation;
use crate::clock::{Clock, Machine};
use crate::health::{Health, Place};
use crate::job::Job;
use crate::transaction::{self, Committed, Frame, OwnWrite, Upkeep};

/// The database, and what a transaction on it needs.
pub(super) struct Desk {
    pub(super) database: Connection,
    pub(super) path: String,
    place: Place,
    pub(super) truncation: Truncation,
    upkeep: Upkeep,
    clock: Clock,
    opened: std::time::Instant,
}

impl Desk {
    pub(super) fn new(database: Connection, upkeep: Upkeep) -> Self {
        Self {
            place: Place::of(&database),
            truncation: Truncation::of(&database, Instant::now()),
            path: database.path().unwrap_or_default().to_owned(),
            database,
            upkeep,
            clock: Clock::default(),
            opened: std::time::Instant::now(),
        }
    }

    pub(super) fn commit(&mut self, group: &mut [Box<dyn Job>], own: OwnWrite, wall: i64) -> Result<Committed> {
        let running = i64::try_from(self.opened.elapsed().as_millis()).unwrap_or(i64::MAX);
        let machine = Machine { wall, running };
        let frame = Frame { upkeep: self.upkeep, clock: &mut self.clock, machine, own };
        let result = transaction::run(&mut self.database, group, frame);
        self.truncation.note(&self.database, Instant::now());
        result
    }

    /// The health after a transaction. Once one has failed, only a probe shows that the disk works: one that read, or wrote
    /// little, may succeed on a full disk.
    pub(super) fn health(&self, before: Health, own: OwnWrite, result: &Result<Committed>) -> Health {
        let is_damaged = |error: &Error| before.after(error) == Health::Damaged;
        match result {
            Err(error) => before.after(error),
            Ok(committed) if committed.failed.iter().any(|(_, error)| is_damaged(error)) => Health::Damaged,
            Ok(_) if before == Health::Damaged => Health::Damaged,
            Ok(_) if !self.place.is_kept() => Health::Replaced,
            Ok(_) if own == OwnWrite::Probe || before == Health::Replaced => Health::Working,
            Ok(_) => before,
        }
    }
}
