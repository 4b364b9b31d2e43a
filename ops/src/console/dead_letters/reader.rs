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

/// For how many room is made in advance. A queue that says more is believed when they come.
const ROOM_MAX: usize = 1 << 20;

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
        let room = expected.and_then(|count| usize::try_from(count).ok()).unwrap_or_default().min(ROOM_MAX);
        let mut index = Index::new(now(), room);
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use bytes::Bytes;
    use event::{Address, Class, Envelope, EventId, EventType, Lane, Letter};
    use prometheus::Registry;
    use queue::QueueSettings;
    use testkit::eventually;

    use super::*;
    use crate::dead_letters::{Filter, Selection};

    fn letter(serial: usize) -> Envelope {
        let at = now();
        let reason = if serial == 0 { "expired" } else { "rejected" }.to_owned();
        Envelope {
            id: EventId::new(format!("evt_{serial}")),
            event_type: EventType::new("whatsapp.message"),
            address: Address::new("whatsapp:1"),
            lane: Lane::new(format!("whatsapp:1/4915550000{serial}")),
            class: Class::Messages,
            effect: None,
            received_at: at,
            queued_at: at,
            attempts: 1,
            visits: 0,
            copies: 0,
            traceparent: None,
            letter: Some(Letter { reason, status: Some(422), answer: "Ada is unknown".to_owned(), parked_at: at }),
            body: Bytes::from_static(br#"{"text":"hello Ada"}"#),
        }
    }

    async fn with_three_letters(folder: &Path, shutdown: &Shutdown) -> Queue {
        let metrics = queue::Metrics::register(&Registry::new()).unwrap();
        let queue = Queue::open(&QueueSettings::embedded(folder), metrics, shutdown).await.unwrap();
        for serial in 0..3 {
            let _confirmed = queue.publisher().publish(QueueName::Dead, &letter(serial)).await.unwrap();
        }
        queue
    }

    async fn read(reader: &Reader, queue: &Queue, shutdown: &Shutdown) -> Arc<Index> {
        reader.begin(queue, Arc::default(), shutdown);
        eventually("they are read", async || {
            let shelf = reader.shelf();
            assert_eq!(shelf.trouble, None);
            shelf.index.filter(|_| shelf.reading.is_none())
        })
        .await
    }

    fn ids(index: &Index, selection: &Selection) -> Vec<String> {
        index.select(selection, now()).map(|listed| listed.traits.id.to_owned()).collect()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_index_lists_and_sums_up_what_is_chosen_and_holds_nothing_about_a_person() {
        let folder = tempfile::tempdir().unwrap();
        let shutdown = Shutdown::default();
        let queue = with_three_letters(folder.path(), &shutdown).await;

        let index = read(&Reader::default(), &queue, &shutdown).await;

        let rejected = Filter::of_arguments(&["--reason".to_owned(), "rejected".to_owned()]).unwrap().among(None);
        assert_eq!(ids(&index, &Selection::default()), ["evt_0", "evt_1", "evt_2"]);
        assert_eq!(ids(&index, &rejected), ["evt_1", "evt_2"]);
        let summary = index.summary(&Selection::default(), now());
        assert_eq!(summary.by_reason, [("expired".to_owned(), 1), ("rejected".to_owned(), 2)].into());
        assert!(summary.oldest < summary.newest, "{summary:?}");
        let everything = format!("{index:?}");
        assert!(["Ada", "4915550000"].iter().all(|personal| !everything.contains(personal)), "{everything}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_replayed_or_discarded_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let shutdown = Shutdown::default();
        let queue = with_three_letters(folder.path(), &shutdown).await;
        let reader = Reader::default();
        read(&reader, &queue, &shutdown).await;
        let mut scan = queue.scan_dead_letters().await.unwrap();
        let gone = scan.next().await.unwrap().unwrap();

        reader.forget(&BTreeSet::from([RowKey::of(&gone)]));

        let index = reader.shelf().index.unwrap();
        assert_eq!(ids(&index, &Selection::default()), ["evt_1", "evt_2"]);
    }
}
