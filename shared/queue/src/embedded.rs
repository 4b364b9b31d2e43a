//! The queue in files: the same promise on one machine. `Confirmed` means on disk.

mod dead;
mod files;
mod rows;
mod take;
mod writer;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use chassis::Shutdown;
use event::Class;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::metrics::{DEPTHS_PERIOD, Side};
use crate::publisher::Request;
use crate::{Metrics, OpenError, Place, Publisher, Taker};
pub(crate) use dead::DeadScan;
use writer::Job;

/// Requests that wait for the writer; beyond it callers wait.
const REQUESTS_MAX: usize = 1_024;

/// A queue in a folder.
#[derive(Debug)]
pub(crate) struct Embedded {
    folder: PathBuf,
    requests: mpsc::Sender<Request>,
    jobs: mpsc::UnboundedSender<Job>,
    /// Rung when something was written, so that takers look at once.
    written: Arc<Notify>,
    lock: Mutex<Option<File>>,
    metrics: Metrics,
    shutdown: Shutdown,
}

impl Embedded {
    pub(crate) fn open(folder: &Path, metrics: Metrics, shutdown: &Shutdown) -> Result<Self, OpenError> {
        let database = files::open(folder).map_err(|error| files_error(folder, &error))?;
        let (requests, receiver) = mpsc::channel(REQUESTS_MAX);
        // Unbounded in name only: a taker has one question open, and one settlement for each envelope in hand.
        let (jobs, job_receiver) = mpsc::unbounded_channel();
        let written = Arc::new(Notify::new());
        let writer = writer::Writer::new(database, Arc::clone(&written), metrics.clone());
        shutdown.spawn(writer.run(receiver, job_receiver));
        for side in [Side::Publish, Side::Take] {
            metrics.connected(side, true);
            metrics.blocked(side, false);
        }
        let (folder, lock, shutdown) = (folder.to_owned(), Mutex::new(None), shutdown.clone());
        let embedded = Self { folder, requests, jobs, written, lock, metrics, shutdown };
        embedded.watch_depths();
        Ok(embedded)
    }

    pub(crate) fn publisher(&self) -> Publisher {
        Publisher::new(vec![self.requests.clone()])
    }

    /// The first taker takes the folder's lock; a process holds it for all its classes, until it ends.
    pub(crate) fn taker(&self, class: Class, window: u16) -> Result<Taker, OpenError> {
        {
            let mut lock = self.lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if lock.is_none() {
                *lock = Some(files::lock_taking(&self.folder)?);
                self.jobs.send(Job::ReleaseAll).ok();
            }
        }
        let written = Arc::clone(&self.written);
        let (task, taker) = take::Take::new(self.jobs.clone(), written, (class, window), self.metrics.clone());
        self.shutdown.spawn(task.run());
        Ok(taker)
    }

    pub(crate) async fn depths(&self) -> Result<Vec<(Place, u64)>, OpenError> {
        self.ask(Job::Depths).await
    }

    pub(crate) async fn scan_dead_letters(&self) -> Result<DeadScan, OpenError> {
        DeadScan::start(&self.folder, self.jobs.clone()).await
    }

    /// Holds nothing of the queue meanwhile: it is closed when the last publisher and taker has gone.
    fn watch_depths(&self) {
        let (jobs, metrics, shutdown) = (self.jobs.downgrade(), self.metrics.clone(), self.shutdown.clone());
        self.shutdown.spawn(async move {
            loop {
                let (reply, answer) = oneshot::channel();
                let Some(Ok(())) = jobs.upgrade().map(|jobs| jobs.send(Job::Depths(reply))) else { return };
                if let Ok(depths) = answer.await {
                    depths.into_iter().for_each(|(place, envelopes)| metrics.depth(place, envelopes));
                }
                if !shutdown.pause(DEPTHS_PERIOD).await {
                    return;
                }
            }
        });
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<T>) -> Job) -> Result<T, OpenError> {
        ask(&self.jobs, job).await
    }
}

/// Asks the writer.
async fn ask<T>(
    jobs: &mpsc::UnboundedSender<Job>,
    job: impl FnOnce(oneshot::Sender<T>) -> Job,
) -> Result<T, OpenError> {
    let (reply, answer) = oneshot::channel();
    jobs.send(job(reply)).ok();
    answer.await.map_err(|_| OpenError::Files("the question could not be answered; see the log".to_owned()))
}

fn files_error(folder: &Path, error: &rusqlite::Error) -> OpenError {
    OpenError::Files(format!("{}: {error}", folder.display()))
}
