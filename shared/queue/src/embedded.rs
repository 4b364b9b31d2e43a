//! The queue in files: the same promise on one machine. `Confirmed` means on disk.

mod locks;
mod publish;
mod rows;
mod scan;
mod take;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use chassis::Shutdown;
use event::Class;
use sqlite::Writer;
use tokio::sync::{Notify, OnceCell, mpsc};

use crate::error::QueueError;
use crate::metrics::{DEPTHS_PERIOD, Metrics, Side};
use crate::publisher::{PublishRequest, Publisher};
use crate::queue_name::QueueName;
use crate::taker::Taker;
pub(crate) use scan::EmbeddedScan;

/// Requests that wait for the publishing task; beyond it, callers wait.
const REQUESTS_MAX: usize = 1_024;

/// A queue in a folder.
#[derive(Debug)]
pub(crate) struct EmbeddedQueue {
    folder: PathBuf,
    writer: Writer,
    requests: mpsc::Sender<PublishRequest>,
    /// Notified after each publish, so that takers look at once.
    published: Arc<Notify>,
    /// Set once the envelopes that an earlier process left in flight wait again.
    released: Arc<OnceCell<()>>,
    lock: Mutex<Option<File>>,
    metrics: Metrics,
    shutdown: Shutdown,
}

impl EmbeddedQueue {
    pub(crate) fn open(folder: &Path, metrics: Metrics, shutdown: &Shutdown) -> Result<Self, QueueError> {
        let database = sqlite::open(folder, "queue.db", rows::SCHEMA)
            .map_err(|error| QueueError::Files(format!("{}: {error}", folder.display())))?;
        let writer = Writer::spawn(database, rows::tidy, shutdown);
        let published = Arc::new(Notify::new());
        let (requests, receiver) = mpsc::channel(REQUESTS_MAX);
        let task = publish::PublishTask::new(writer.clone(), Arc::clone(&published), metrics.clone());
        shutdown.spawn(task.run(receiver));
        for side in [Side::Publish, Side::Take] {
            metrics.connected.set(side, true);
        }
        let queue = Self {
            folder: folder.to_owned(),
            writer,
            requests,
            published,
            released: Arc::default(),
            lock: Mutex::default(),
            metrics,
            shutdown: shutdown.clone(),
        };
        queue.watch_depths();
        Ok(queue)
    }

    pub(crate) fn publisher(&self) -> Publisher {
        Publisher::new(vec![self.requests.clone()])
    }

    /// The first taker takes the folder's lock. The process holds it for all its takers until it ends.
    pub(crate) fn taker(&self, class: Class, window: u16) -> Result<Taker, QueueError> {
        {
            let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
            if lock.is_none() {
                *lock = Some(locks::lock_taking(&self.folder)?);
            }
        }
        let (task, taker) = take::EmbeddedTaker::new(class, window, self.writer.clone(), self.metrics.clone());
        self.shutdown.spawn(task.run(Arc::clone(&self.released), Arc::clone(&self.published)));
        Ok(taker)
    }

    pub(crate) async fn depths(&self) -> Result<Vec<(QueueName, u64)>, QueueError> {
        Ok(self.writer.write(|database, _| rows::depths(database)).await?)
    }

    pub(crate) async fn scan_dead_letters(&self) -> Result<EmbeddedScan, QueueError> {
        EmbeddedScan::start(&self.folder, self.writer.clone()).await
    }

    /// Keeps nothing open between two looks: the database is closed when the last publisher and taker are gone.
    fn watch_depths(&self) {
        let writer = self.writer.downgrade();
        let metrics = self.metrics.clone();
        let shutdown = self.shutdown.clone();
        self.shutdown.spawn(async move {
            loop {
                let Some(writer) = writer.upgrade() else { return };
                if let Ok(depths) = writer.write(|database, _| rows::depths(database)).await {
                    depths.into_iter().for_each(|(queue, envelopes)| metrics.depth.set(queue, envelopes));
                }
                drop(writer);
                if !shutdown.pause(DEPTHS_PERIOD).await {
                    return;
                }
            }
        });
    }
}
