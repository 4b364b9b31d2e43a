//! Reads all dead letters into an index, in the background: RabbitMQ shows them only to whoever takes them, and takes
//! seconds for a hundred thousand, which no page should wait for.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chassis::{Shutdown, now};
use jiff::Timestamp;
use queue::{Queue, QueueName};

use super::index::{Index, RowKey};
use crate::dead_letters::Sweep;
use crate::failure::Failure;

/// The index, and how far the next one is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reader {
    shelf: Arc<Mutex<Shelf>>,
}

/// What pages need to know. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelf {
    pub(crate) index: Option<Arc<Index>>,
    /// What is being read now.
    pub(crate) reading: Option<Reading>,
    /// Why the last reading failed.
    pub(crate) trouble: Option<String>,
}

/// A reading that is under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) began_at: Timestamp,
    /// How many were read so far.
    pub(crate) count: usize,
    /// How many there were when it began, if the queue has said so.
    pub(crate) expected: Option<u64>,
}

impl Reader {
    pub(crate) fn shelf(&self) -> Shelf {
        self.locked().clone()
    }

    /// Begins to read, unless that is under way. Another look through the dead letters is waited for (`scanning`).
    pub(crate) fn begin(&self, queue: &Queue, scanning: Arc<tokio::sync::Mutex<()>>, shutdown: &Shutdown) {
        {
            let mut shelf = self.locked();
            if shelf.reading.is_some() {
                return;
            }
            shelf.reading = Some(Reading { began_at: now(), count: 0, expected: None });
            shelf.trouble = None;
        }
        let reader = self.clone();
        let queue = queue.clone();
        let stop = shutdown.clone();
        shutdown.spawn(async move {
            let turn = tokio::select! {
                turn = scanning.lock() => turn,
                () = stop.requested() => return,
            };
            let result = reader.read(&queue, &stop).await;
            drop(turn);
            reader.put(result);
        });
    }

    /// Takes out what was replayed or discarded.
    pub(crate) fn forget(&self, gone: &BTreeSet<RowKey>) {
        // Made beside the lock, so that no page waits for it.
        let Some(index) = self.shelf().index else { return };
        let without = Arc::new(index.without(gone));
        let mut shelf = self.locked();
        // One that was read meanwhile lacks them anyway.
        if shelf.index.as_ref().is_some_and(|current| Arc::ptr_eq(current, &index)) {
            shelf.index = Some(without);
        }
    }

    async fn read(&self, queue: &Queue, stop: &Shutdown) -> Result<Index, Failure> {
        let depths = queue.depths().await.unwrap_or_default();
        let expected = depths.into_iter().find(|(name, _)| *name == QueueName::Dead).map(|(_, count)| count);
        self.note(|reading| reading.expected = expected);
        let mut index = Index::new(now());
        let mut sweep = Sweep::begin(queue, stop).await?;
        let result = self.read_into(&mut index, &mut sweep).await;
        sweep.finish().await?;
        result.map(|()| index)
    }

    async fn read_into(&self, index: &mut Index, sweep: &mut Sweep<'_>) -> Result<(), Failure> {
        while let Some(letter) = sweep.next(|_| true).await? {
            index.add(&letter);
            self.note(|reading| reading.count = index.len());
        }
        Ok(())
    }

    fn note(&self, change: impl FnOnce(&mut Reading)) {
        if let Some(reading) = &mut self.locked().reading {
            change(reading);
        }
    }

    fn put(&self, result: Result<Index, Failure>) {
        let mut shelf = self.locked();
        shelf.reading = None;
        match result {
            Ok(index) => shelf.index = Some(Arc::new(index)),
            Err(failure) => shelf.trouble = failure.text().map(str::to_owned),
        }
    }

    fn locked(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
