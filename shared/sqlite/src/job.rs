//! Work that waits for a transaction: it runs once, or again until a transaction succeeds.

use rusqlite::{Connection, Result};
use tokio::sync::oneshot;

/// Work that waits for a transaction.
pub(crate) trait Job: Send {
    fn run(&mut self, database: &Connection, now: i64) -> Result<()>;

    /// Its transaction is on disk.
    fn committed(self: Box<Self>);

    /// Whether it has to run again after its transaction failed.
    fn is_retried(&self) -> bool;
}

/// Work that runs once. Its caller gets the result, or learns that the transaction failed when `reply` is dropped.
pub(crate) struct Once<W, T> {
    work: Option<W>,
    result: Option<T>,
    reply: oneshot::Sender<T>,
}

impl<W, T> Once<W, T> {
    pub(crate) fn new(work: W, reply: oneshot::Sender<T>) -> Self {
        Self { work: Some(work), result: None, reply }
    }
}

impl<T: Send, W: FnOnce(&Connection, i64) -> Result<T> + Send> Job for Once<W, T> {
    fn run(&mut self, database: &Connection, now: i64) -> Result<()> {
        if let Some(work) = self.work.take() {
            self.result = Some(work(database, now)?);
        }
        Ok(())
    }

    fn committed(self: Box<Self>) {
        if let Some(result) = self.result {
            // A caller that has gone away needs no answer.
            self.reply.send(result).ok();
        }
    }

    fn is_retried(&self) -> bool {
        false
    }
}

/// Work that runs until a transaction with it succeeds.
pub(crate) struct Retried<W>(pub(crate) W);

impl<W: FnMut(&Connection, i64) -> Result<()> + Send> Job for Retried<W> {
    fn run(&mut self, database: &Connection, now: i64) -> Result<()> {
        (self.0)(database, now)
    }

    fn committed(self: Box<Self>) {}

    fn is_retried(&self) -> bool {
        true
    }
}
