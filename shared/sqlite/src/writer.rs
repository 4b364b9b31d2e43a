//! The one task that writes to a database: everything that waits shares one commit, and so one fsync.

mod desk;
mod truncation;

use std::time::Duration;

use chassis::{Shutdown, now};
use rusqlite::{Connection, Error, Result};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, error, info};

use crate::health::Health;
use crate::job::{Job, Once, Purpose, Retried};
use crate::transaction::{Committed, OwnWrite, Upkeep};
use desk::Desk;

/// Jobs that share one commit: enough to hide the fsync, few enough to bound the wait.
const GROUP_MAX: usize = 256;
/// Jobs that wait for the writer; beyond it, callers wait.
const JOBS_MAX: usize = 1_024;
/// The pause after a failed commit (mostly a full disk) before the writes that must not be lost are tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// How often a database that can't be written is tried, so that it is noticed when it can be written again.
const PROBE_PERIOD: Duration = Duration::from_secs(1);

/// Writes to one database. Cheap to clone. The database is closed when the last clone is gone and everything is written.
///
/// Work runs inside a transaction that it shares with others, in the order in which it was submitted. It is given the
/// database's own time in milliseconds: like the time since 1970, but no step of the machine's clock can hurry it (see
/// `clock`). Work that fails leaves nothing behind, and its neighbours are written without it. If the disk fails, the
/// whole transaction does.
#[derive(Clone, Debug)]
pub struct Writer {
    jobs: mpsc::Sender<Box<dyn Job>>,
    health: watch::Receiver<Health>,
}

/// A [`Writer`] that does not keep its database open.
#[derive(Clone, Debug)]
pub struct WeakWriter {
    jobs: mpsc::WeakSender<Box<dyn Job>>,
    health: watch::Receiver<Health>,
}

/// Why a write may be missing from the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The work failed, or its transaction was rolled back, or what was written will not be there after a restart.
    #[error("the database could not be written; the log says why")]
    Failed,
    /// There is no writer any more.
    #[error("the process is stopping")]
    Stopping,
}

impl Writer {
    /// Spawns the task that writes to `database`.
    pub fn spawn(database: Connection, upkeep: Upkeep, shutdown: &Shutdown) -> Self {
        let (jobs, receiver) = mpsc::channel(JOBS_MAX);
        let (health_sender, health) = watch::channel(Health::Working);
        let desk = Desk::new(database, upkeep);
        let task = WriterTask {
            desk: Some(desk),
            jobs: receiver,
            group: Vec::new(),
            health: health_sender,
            probe_due: Instant::now(),
            truncation_due: Instant::now(),
            last_failure: String::new(),
        };
        shutdown.spawn(task.run());
        Self { jobs, health }
    }

    /// Runs `work` in the next transaction. Returns its result once the transaction is on disk, where the next process will
    /// find it. Work that the writer has is done even if the caller stops waiting.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, i64) -> Result<T> + Send + 'static,
    ) -> std::result::Result<T, WriteError> {
        self.submit(work, Purpose::Keep).await
    }

    /// The same for work whose result is good even if its file was deleted under the process: what is still in it must not
    /// be out of reach.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, i64) -> Result<T> + Send + 'static,
    ) -> std::result::Result<T, WriteError> {
        self.submit(work, Purpose::Read).await
    }

    async fn submit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, i64) -> Result<T> + Send + 'static,
        purpose: Purpose,
    ) -> std::result::Result<T, WriteError> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Box::new(Once::new(work, purpose, reply))).await.map_err(|_| WriteError::Stopping)?;
        // The task drops the replies of what failed.
        answer.await.map_err(|_| WriteError::Failed)
    }

    /// Runs `work` in the next transaction and, if it fails, in every later one until it succeeds: it must fail only where
    /// the disk does. Returns as soon as the writer has the work.
    pub async fn write_with_retry(&self, work: impl FnMut(&Connection, i64) -> Result<()> + Send + 'static) {
        // The task ends only after the last writer, so it is there to take this.
        self.jobs.send(Box::new(Retried(work))).await.ok();
    }

    /// Whether what is written lasts. It changes before the callers of the commit that showed it hear of it, and does not
    /// keep the database open.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }

    /// A writer that does not keep the database open.
    pub fn downgrade(&self) -> WeakWriter {
        WeakWriter { jobs: self.jobs.downgrade(), health: self.health.clone() }
    }
}

impl WeakWriter {
    /// The writer, unless the last of them is gone.
    pub fn upgrade(&self) -> Option<Writer> {
        self.jobs.upgrade().map(|jobs| Writer { jobs, health: self.health.clone() })
    }
}

/// What the task does next.
enum Step {
    Commit,
    EmptyJournal,
    End,
}

struct WriterTask {
    /// `None` only while a transaction runs.
    desk: Option<Desk>,
    jobs: mpsc::Receiver<Box<dyn Job>>,
    /// The jobs of the next transaction. After a failed one they begin with those that must run again.
    group: Vec<Box<dyn Job>>,
    health: watch::Sender<Health>,
    /// When a database that can't be written is tried next.
    probe_due: Instant,
    /// When the journal is emptied next.
    truncation_due: Instant,
    /// Why a job last failed alone.
    last_failure: String,
}

impl WriterTask {
    async fn run(mut self) {
        loop {
            match self.next_step().await {
                Step::Commit => self.commit().await,
                Step::EmptyJournal => self.empty_journal().await,
                Step::End => return self.empty_journal().await,
            }
        }
    }

    /// Waits for what is to be done next. What is submitted until then shares the next commit. The end comes once every
    /// writer is gone and everything is written.
    async fn next_step(&mut self) -> Step {
        let is_retry = !self.group.is_empty();
        let is_probed = *self.health.borrow() != Health::Working && !self.jobs.is_closed();
        let retry_due = Instant::now() + RETRY_PAUSE;
        let due = if is_retry { retry_due } else { self.probe_due };
        tokio::select! {
            taken = self.jobs.recv_many(&mut self.group, GROUP_MAX) => match taken {
                1.. => Step::Commit,
                0 if is_retry => {
                    sleep_until(due).await;
                    Step::Commit
                }
                0 => Step::End,
            },
            () = sleep_until(due), if is_retry || is_probed => Step::Commit,
            () = sleep_until(self.truncation_due) => Step::EmptyJournal,
        }
    }

    async fn commit(&mut self) {
        let Some(mut desk) = self.desk.take() else { return };
        let mut group = std::mem::take(&mut self.group);
        let before = *self.health.borrow();
        let own = self.own_write(before, group.is_empty());
        let wall = now().as_millisecond();
        let work = on_the_side(move || {
            let result = desk.commit(&mut group, own, wall);
            let health = desk.health(before, own, &result);
            (desk, group, result, health)
        });
        let (desk, group, result, health) = work.await;
        self.log(&desk.path, health, &result);
        // Before the answers, so that a caller who is refused finds out why.
        self.health.send_if_modified(|last| std::mem::replace(last, health) != health);
        self.answer(group, result, health);
        self.put_back(desk);
    }

    /// Empties the journal of what has been deleted from the database.
    async fn empty_journal(&mut self) {
        let Some(mut desk) = self.desk.take() else { return };
        let work = on_the_side(move || {
            let emptied = desk.truncation.try_it(&desk.database, Instant::now());
            (desk, emptied)
        });
        let (desk, emptied) = work.await;
        if let Err(error) = emptied {
            // A disk that fails is noticed by the next commit.
            debug!(path = desk.path, "Could not empty the journal of the database {}: {error}", desk.path);
        }
        self.put_back(desk);
    }

    fn put_back(&mut self, desk: Desk) {
        self.truncation_due = desk.truncation.due();
        self.desk = Some(desk);
    }

    /// Hands out the results, and keeps what must run again.
    fn answer(&mut self, group: Vec<Box<dyn Job>>, result: Result<Committed>, health: Health) {
        let Ok(committed) = result else {
            self.group = group.into_iter().filter(|job| job.is_retried()).collect();
            return;
        };
        for (position, job) in group.into_iter().enumerate() {
            if !committed.failed.iter().any(|(failed, _)| *failed == position) {
                job.committed(health.is_kept());
            } else if job.is_retried() {
                self.group.push(job);
            }
        }
    }

    /// While the disk fails, only a transaction without jobs writes of its own accord: it is a probe.
    fn own_write(&mut self, health: Health, is_probe: bool) -> OwnWrite {
        if health == Health::Working {
            return OwnWrite::Time;
        }
        if !is_probe {
            return OwnWrite::Nothing;
        }
        self.probe_due = Instant::now() + PROBE_PERIOD;
        OwnWrite::Probe
    }

    /// Logs each change of health once: a full disk fails every transaction.
    fn log(&mut self, path: &str, health: Health, result: &Result<Committed>) {
        let has_changed = *self.health.borrow() != health;
        match (health, result) {
            (_, Ok(committed)) if !committed.failed.is_empty() => self.log_failure(path, &committed.failed),
            (_, Err(error)) if has_changed => error!(path, "Could not write to the database {path}: {error}"),
            (_, Err(error)) => debug!(path, "Could not write to the database {path}: {error}"),
            (Health::Working, Ok(_)) if has_changed => info!(path, "Writing to the database {path} works again"),
            (Health::Replaced, Ok(_)) if has_changed => {
                error!(path, "The database {path} was deleted or replaced under this process");
            }
            (_, Ok(_)) => {}
        }
    }

    /// Logs the first of several equal failures: a row that can't be read is met again and again.
    fn log_failure(&mut self, path: &str, failed: &[(usize, Error)]) {
        let failure = failed.first().map(|(_, error)| error.to_string()).unwrap_or_default();
        if failure == self.last_failure {
            return debug!(path, "Could not do one of several things with the database {path}: {failure}");
        }
        error!(path, "Could not do one of several things with the database {path}: {failure}");
        self.last_failure = failure;
    }
}

/// Does work that blocks. If it panics, so does the caller.
async fn on_the_side<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

#[cfg(test)]
mod tests;
