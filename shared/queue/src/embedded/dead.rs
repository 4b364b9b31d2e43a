//! Looking through the embedded queue's dead letters: they are queried, never taken.

use std::collections::VecDeque;
use std::fs::File;
use std::path::Path;

use tokio::sync::mpsc;

use super::writer::Job;
use super::{ask, files};
use crate::dead::Ticket;
use crate::{DeadLetter, OpenError};

/// A look through the dead letters.
#[derive(Debug)]
pub(crate) struct DeadScan {
    jobs: mpsc::UnboundedSender<Job>,
    read: VecDeque<DeadLetter>,
    /// Rows that are not read yet.
    rows: std::ops::RangeInclusive<i64>,
    #[expect(dead_code, reason = "the lock is held as long as the file is open")]
    lock: File,
}

impl DeadScan {
    pub(super) async fn start(folder: &Path, jobs: mpsc::UnboundedSender<Job>) -> Result<Self, OpenError> {
        let lock = files::lock_scanning(folder)?;
        let newest = ask(&jobs, Job::NewestDead).await?;
        Ok(Self { jobs, read: VecDeque::new(), rows: 1..=newest, lock })
    }

    pub(crate) async fn next(&mut self) -> Result<Option<DeadLetter>, OpenError> {
        if self.read.is_empty() && !self.rows.is_empty() {
            let rows = self.rows.clone();
            self.read = ask(&self.jobs, |reply| Job::DeadLetters(rows, reply)).await?.into();
            let last = self.read.back().map_or(*self.rows.end(), |letter| letter.ticket.number.cast_signed());
            self.rows = last + 1..=*self.rows.end();
        }
        Ok(self.read.pop_front())
    }

    pub(crate) fn forget(&mut self, tickets: impl Iterator<Item = Ticket>) {
        tickets.for_each(|ticket| drop(self.jobs.send(Job::Delete(ticket.number))));
    }

    /// Returns once everything forgotten is off the disk.
    pub(crate) async fn finish(self) -> Result<(), OpenError> {
        ask(&self.jobs, Job::Depths).await.map(drop)
    }
}
