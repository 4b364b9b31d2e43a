//! Scanning the embedded queue's dead letters: they are queried, never taken.

use std::collections::VecDeque;
use std::fs::File;
use std::ops::RangeInclusive;
use std::path::Path;

use sqlite::Writer;

use super::{locks, rows};
use crate::dead_letter::{DeadLetter, ScanTag};
use crate::error::QueueError;

/// A scan of the dead letters.
#[derive(Debug)]
pub(crate) struct EmbeddedScan {
    writer: Writer,
    read: VecDeque<DeadLetter>,
    /// The rows that are not read yet.
    unread: RangeInclusive<i64>,
    #[expect(dead_code, reason = "the lock is held as long as the file is open")]
    lock: File,
}

impl EmbeddedScan {
    pub(super) async fn start(folder: &Path, writer: Writer) -> Result<Self, QueueError> {
        let lock = locks::lock_scanning(folder)?;
        let newest = writer.read(|database, _| rows::newest_dead(database)).await?;
        Ok(Self { writer, read: VecDeque::new(), unread: 1..=newest, lock })
    }

    pub(crate) async fn next(&mut self) -> Result<Option<DeadLetter>, QueueError> {
        if self.read.is_empty() && !self.unread.is_empty() {
            let unread = self.unread.clone();
            self.read = self.writer.read(move |database, _| rows::dead_letters(database, &unread)).await?.into();
            let last = self.read.back().map_or(*self.unread.end(), |letter| letter.tag.number.cast_signed());
            self.unread = last + 1..=*self.unread.end();
        }
        Ok(self.read.pop_front())
    }

    pub(crate) async fn remove(&mut self, tags: Vec<ScanTag>) {
        let rows: Vec<u64> = tags.into_iter().map(|tag| tag.number).collect();
        self.writer.write_with_retry(move |database, _| rows::delete(database, &rows)).await;
    }

    /// Returns once everything that was removed is off the disk.
    pub(crate) async fn finish(self) -> Result<(), QueueError> {
        // The writer keeps the order, so this is written after what was removed before.
        Ok(self.writer.write(|_, _| Ok(())).await?)
    }
}
