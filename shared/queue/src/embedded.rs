//! The queue in files: the same promise on one machine. `Confirmed` means on disk.

mod dead_bytes;
mod locks;
mod look;
mod publish;
mod rows;
mod scan;
mod schema;
mod take;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use chassis::Shutdown;
use event::{Class, EventId};
use sqlite::{Health, Writer};
use tokio::sync::{Notify, OnceCell, mpsc};

use crate::error::QueueError;
use crate::feed::Feed;
use crate::metrics::{DEPTHS_PERIOD, Metrics, Side};
use crate::publisher::{PublishRequest, Publisher};
use crate::queue_name::QueueName;
use crate::taker::Taker;
use crate::whereabouts::Whereabouts;
pub(crate) use scan::EmbeddedScan;

/// The database of a queue, in its folder.
const FILE: &str = "queue.db";
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
        let unusable = |error| QueueError::Files(format!("{}: {error}", folder.display()));
        let database = sqlite::open(folder, FILE, schema::TABLE).map_err(unusable)?;
        schema::prepare(&database).map_err(unusable)?;
        let writer = Writer::spawn(database, rows::tidy, shutdown);
        let published = Arc::new(Notify::new());
        let (requests, receiver) = mpsc::channel(REQUESTS_MAX);
        let task = publish::PublishTask::new(writer.clone(), Arc::clone(&published), metrics.clone());
        shutdown.spawn(task.run(receiver));
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
        queue.show_health();
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
        let (feeds, taker) = Feed::all(class, 1, window, &self.metrics);
        for feed in feeds {
            let task = take::EmbeddedTaker::new(feed, self.writer.clone());
            self.shutdown.spawn(task.run(Arc::clone(&self.released), Arc::clone(&self.published)));
        }
        Ok(taker)
    }

    /// Why nothing can be published now, and what to do about it.
    pub(crate) fn trouble(&self) -> Option<&'static str> {
        match *self.writer.health().borrow() {
            Health::Working => None,
            Health::Full => Some("the disk is full: make room in the queue's folder, and it works again by itself"),
            Health::Failing => Some("queue.db can't be written: the log says why"),
            Health::Replaced => Some(
                "queue.db was deleted or replaced under the process, so nothing is accepted. What it held is still \
                 delivered: wait until dispatcher_in_flight is 0, then restart the process",
            ),
            Health::Damaged => {
                Some("queue.db is damaged: stop the process, keep a copy of its folder, see the runbook")
            }
        }
    }

    pub(crate) async fn depths(&self) -> Result<Vec<(QueueName, u64)>, QueueError> {
        depths(&self.folder, &self.writer).await
    }

    /// Where the envelopes of these events are.
    pub(crate) async fn whereabouts(&self, ids: Vec<EventId>) -> Result<Vec<Whereabouts>, QueueError> {
        let folder = self.folder.clone();
        let look = tokio::task::spawn_blocking(move || look::whereabouts(&sqlite::open_to_read(&folder, FILE)?, &ids));
        let looked = look.await.map_err(|error| QueueError::Files(error.to_string()))?;
        looked.map_err(|error| QueueError::Files(error.to_string()))
    }

    pub(crate) async fn scan_dead_letters(&self) -> Result<EmbeddedScan, QueueError> {
        EmbeddedScan::start(&self.folder, self.writer.clone()).await
    }

    /// Shows the outcome of the last commit as the state of the connection, as long as there is a writer.
    fn show_health(&self) {
        let mut health = self.writer.health();
        let metrics = self.metrics.clone();
        self.shutdown.spawn(async move {
            loop {
                let is_working = *health.borrow_and_update() == Health::Working;
                [Side::Publish, Side::Take].into_iter().for_each(|side| metrics.connected.set(side, is_working));
                if health.changed().await.is_err() {
                    return;
                }
            }
        });
    }

    /// Keeps nothing open between two looks: the database is closed when the last publisher and taker are gone.
    fn watch_depths(&self) {
        let folder = self.folder.clone();
        let writer = self.writer.downgrade();
        let metrics = self.metrics.clone();
        let shutdown = self.shutdown.clone();
        self.shutdown.spawn(async move {
            loop {
                let Some(writer) = writer.upgrade() else { return };
                if let Ok(depths) = depths(&folder, &writer).await {
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

/// Counts beside the writer, because that takes longer the more waits; but asks the writer about a file that nobody else
/// can open any more.
async fn depths(folder: &Path, writer: &Writer) -> Result<Vec<(QueueName, u64)>, QueueError> {
    if *writer.health().borrow() == Health::Replaced {
        return Ok(writer.read(|database, _| rows::depths(database)).await?);
    }
    let folder = folder.to_owned();
    let count = tokio::task::spawn_blocking(move || rows::depths(&sqlite::open_to_read(&folder, FILE)?));
    count
        .await
        .map_err(|error| QueueError::Files(error.to_string()))?
        .map_err(|error| QueueError::Files(error.to_string()))
}
