//! Work that waits for a transaction: it runs once, or again until it succeeds.

use rusqlite::{Connection, Result};
use tokio::sync::oneshot;

/// Work that waits for a transaction.
pub(crate) trait Job: Send {
    fn run(&mut self, database: &Connection, now: i64) -> Result<()>;

    /// Its transaction is on disk. `is_kept` says whether it will be there after a restart.
    fn committed(self: Box<Self>, is_kept: bool);

    /// Whether it has to run again if it failed, or its transaction did.
    fn is_retried(&self) -> bool;
}

/// Work that runs once. Its caller gets the result, or learns that there is none when `reply` is dropped.
pub(crate) struct Once<W, T> {
    work: Option<W>,
    purpose: Purpose,
    result: Option<T>,
    reply: oneshot::Sender<T>,
}

/// What the caller needs the result for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To promise that what was written stays.
    Keep,
    /// To use what was read now.
    Read,
}

impl<W, T> Once<W, T> {
    pub(crate) fn new(work: W, purpose: Purpose, reply: oneshot::Sender<T>) -> Self {
        Self { work: Some(work), purpose, result: None, reply }
    }
}

impl<T: Send, W: FnOnce(&Connection, i64) -> Result<T> + Send> Job for Once<W, T> {
    fn run(&mut self, database: &Connection, now: i64) -> Result<()> {
        if let Some(work) = self.work.take() {
            self.result = Some(work(database, now)?);
        }
        Ok(())
    }

    fn committed(self: Box<Self>, is_kept: bool) {
        if let Some(result) = self.result
            && (is_kept || self.purpose == Purpose::Read)
        {
            // A caller that has gone away needs no answer.
            self.reply.send(result).ok();
        }
    }

    fn is_retried(&self) -> bool {
        false
    }
}

/// Work that runs until it succeeds.
pub(crate) struct Retried<W>(pub(crate) W);

impl<W: FnMut(&Connection, i64) -> Result<()> + Send> Job for Retried<W> {
    fn run(&mut self, database: &Connection, now: i64) -> Result<()> {
        (self.0)(database, now)
    }

    fn committed(self: Box<Self>, _is_kept: bool) {}

    fn is_retried(&self) -> bool {
        true
    }
}
