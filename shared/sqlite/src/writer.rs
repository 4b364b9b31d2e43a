//! The one task that writes to a database: everything that waits shares one commit, and so one fsync.

use std::time::Duration;

use chassis::{Shutdown, now};
use rusqlite::{Connection, Result, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, error, info};

use crate::job::{Job, Once, Retried};

/// Jobs that share one commit: enough to hide the fsync, few enough to bound the wait.
const GROUP_MAX: usize = 256;
/// Jobs that wait for the writer; beyond it, callers wait.
const JOBS_MAX: usize = 1_024;
/// The pause after a failed commit (mostly a full disk) before the writes that must not be lost are tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// Work that runs at the beginning of every transaction, such as removing what has expired.
type Upkeep = fn(&Connection, i64) -> Result<()>;

/// Writes to one database. Cheap to clone. The database is closed when the last clone is gone and everything is written.
///
/// Work runs inside a transaction that it shares with others, in the order in which it was submitted. It is given the
/// time of the transaction in milliseconds since 1970. When it fails, the whole transaction fails: SQLite may have
/// rolled it back by itself, so nothing in it can be trusted.
#[derive(Clone, Debug)]
pub struct Writer {
    jobs: mpsc::Sender<Box<dyn Job>>,
}

/// A [`Writer`] that does not keep its database open.
#[derive(Clone, Debug)]
pub struct WeakWriter {
    jobs: mpsc::WeakSender<Box<dyn Job>>,
}

/// Why a write may be missing from the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The transaction was rolled back.
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
        let task =
            WriterTask { database: Some(database), upkeep, jobs: receiver, group: Vec::new(), is_failing: false };
        shutdown.spawn(task.run());
        Self { jobs }
    }

    /// Runs `work` in the next transaction. Returns its result once the transaction is on disk. Work that the writer has
    /// is done even if the caller stops waiting.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, i64) -> Result<T> + Send + 'static,
    ) -> std::result::Result<T, WriteError> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Box::new(Once::new(work, reply))).await.map_err(|_| WriteError::Stopping)?;
        // The task drops the replies of a transaction that failed.
        answer.await.map_err(|_| WriteError::Failed)
    }

    /// Runs `work` in the next transaction and, if that fails, in every later one until one succeeds: it must fail only
    /// where the disk does, or it fails every later transaction, too. Returns as soon as the writer has the work.
    pub async fn write_with_retry(&self, work: impl FnMut(&Connection, i64) -> Result<()> + Send + 'static) {
        // The task ends only after the last writer, so it is there to take this.
        self.jobs.send(Box::new(Retried(work))).await.ok();
    }

    /// A writer that does not keep the database open.
    pub fn downgrade(&self) -> WeakWriter {
        WeakWriter { jobs: self.jobs.downgrade() }
    }
}

impl WeakWriter {
    /// The writer, unless the last of them is gone.
    pub fn upgrade(&self) -> Option<Writer> {
        self.jobs.upgrade().map(|jobs| Writer { jobs })
    }
}

struct WriterTask {
    /// `None` only while a transaction runs.
    database: Option<Connection>,
    upkeep: Upkeep,
    jobs: mpsc::Receiver<Box<dyn Job>>,
    /// The jobs of the next transaction. After a failed one they begin with those that must run again.
    group: Vec<Box<dyn Job>>,
    /// Whether the last transaction failed.
    is_failing: bool,
}

impl WriterTask {
    async fn run(mut self) {
        while self.next_group().await {
            self.commit().await;
        }
    }

    /// Collects what shares the next commit. `false` once every writer is gone and everything is written.
    async fn next_group(&mut self) -> bool {
        let is_retry = !self.group.is_empty();
        let pause = sleep_until(Instant::now() + RETRY_PAUSE);
        tokio::select! {
            1.. = self.jobs.recv_many(&mut self.group, GROUP_MAX) => true,
            () = pause, if is_retry => true,
            else => false,
        }
    }

    async fn commit(&mut self) {
        let Some(mut database) = self.database.take() else { return };
        let mut group = std::mem::take(&mut self.group);
        let upkeep = self.upkeep;
        let now = now().as_millisecond();
        let work = tokio::task::spawn_blocking(move || {
            let result = run_transaction(&mut database, &mut group, upkeep, now);
            (database, group, result)
        });
        let (database, group, result) = match work.await {
            Ok(done) => done,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        };
        self.log(&database, &result);
        match result {
            Ok(()) => group.into_iter().for_each(Job::committed),
            Err(_) => self.group = group.into_iter().filter(|job| job.is_retried()).collect(),
        }
        self.database = Some(database);
    }

    /// Logs the first of several failures as an error and the others at debug: a full disk fails every transaction.
    fn log(&mut self, database: &Connection, result: &Result<()>) {
        let path = database.path().unwrap_or_default();
        let was_failing = std::mem::replace(&mut self.is_failing, result.is_err());
        match result {
            Err(error) if was_failing => debug!(path, "Could not write to the database {path}: {error}"),
            Err(error) => error!(path, "Could not write to the database {path}: {error}"),
            Ok(()) if was_failing => info!(path, "Writing to the database {path} works again"),
            Ok(()) => {}
        }
    }
}

/// All of the group is on disk when this returns, or none of it. A transaction that only read costs no fsync.
fn run_transaction(database: &mut Connection, group: &mut [Box<dyn Job>], upkeep: Upkeep, now: i64) -> Result<()> {
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    upkeep(&transaction, now)?;
    for job in group {
        job.run(&transaction, now)?;
    }
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use chassis::Drained;
    use rusqlite::Error;

    use super::*;
    use crate::open;

    const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS word (text TEXT NOT NULL) STRICT";

    struct Rig {
        folder: tempfile::TempDir,
        shutdown: Shutdown,
    }

    impl Rig {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().unwrap(), shutdown: Shutdown::default() }
        }

        fn writer(&self) -> Writer {
            self.writer_with(|_, _| Ok(()))
        }

        fn writer_with(&self, upkeep: Upkeep) -> Writer {
            Writer::spawn(open(self.folder.path(), "words.db", SCHEMA).unwrap(), upkeep, &self.shutdown)
        }

        /// What another process would read.
        fn words(&self) -> Vec<String> {
            let database = open(self.folder.path(), "words.db", SCHEMA).unwrap();
            let mut words = database.prepare("SELECT text FROM word ORDER BY rowid").unwrap();
            words.query_map([], |row| row.get(0)).unwrap().collect::<Result<_>>().unwrap()
        }

        async fn stop(&self) -> Drained {
            self.shutdown.request();
            self.shutdown.drain(Duration::from_secs(10)).await
        }
    }

    fn insert(database: &Connection, word: &str) -> Result<i64> {
        database.execute("INSERT INTO word (text) VALUES (?)", [word])?;
        Ok(database.last_insert_rowid())
    }

    /// Keeps the writer busy with a transaction until it is dropped, so that what is submitted meanwhile shares the next.
    async fn busy(writer: &Writer) -> std::sync::mpsc::Sender<()> {
        let (release, released) = std::sync::mpsc::channel::<()>();
        let (begin, began) = oneshot::channel();
        let clone = writer.clone();
        let mut begin = Some(begin);
        clone
            .write_with_retry(move |_, _| {
                begin.take().map(|begin| begin.send(()));
                released.recv().unwrap_err();
                Ok(())
            })
            .await;
        began.await.unwrap();
        release
    }

    #[tokio::test]
    async fn each_caller_gets_its_own_result_once_it_is_on_disk() {
        let rig = Rig::new();
        let writer = rig.writer();

        let first = writer.write(|database, _| insert(database, "first"));
        let second = writer.write(|database, _| insert(database, "second"));

        assert_eq!(tokio::join!(first, second), (Ok(1), Ok(2)));
        assert_eq!(rig.words(), ["first", "second"]);
    }

    #[tokio::test]
    async fn what_waits_together_shares_one_transaction() {
        static TRANSACTIONS: AtomicUsize = AtomicUsize::new(0);
        let rig = Rig::new();
        let writer = rig.writer_with(|_, _| {
            TRANSACTIONS.fetch_add(1, Ordering::Relaxed);
            Ok(())
        });

        let busy = busy(&writer).await;
        let writes = (0..100).map(|_| writer.write_with_retry(|database, _| insert(database, "word").map(drop)));
        for write in writes {
            write.await;
        }
        drop(busy);
        drop(writer);

        assert_eq!(rig.stop().await, Drained::Cleanly);
        assert_eq!(rig.words().len(), 100);
        assert_eq!(TRANSACTIONS.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_failed_commit_fails_everything_that_shares_it_and_nothing_later() {
        let rig = Rig::new();
        let writer = rig.writer();

        let busy = busy(&writer).await;
        let good = writer.write(|database, _| insert(database, "good"));
        let bad = writer.write(|_, _| Err::<(), _>(Error::InvalidQuery));
        let release = async move { drop(busy) };
        let (good, bad, ()) = tokio::join!(good, bad, release);

        assert_eq!(good, Err(WriteError::Failed));
        assert_eq!(bad, Err(WriteError::Failed));
        assert_eq!(writer.write(|database, _| insert(database, "later")).await, Ok(1));
        assert_eq!(rig.words(), ["later"]);
    }

    #[tokio::test]
    async fn a_write_with_retry_survives_failed_commits_and_stays_before_what_came_later() {
        let rig = Rig::new();
        let writer = rig.writer();

        let mut failures = 2;
        let settle = move |database: &Connection, _| {
            insert(database, "settled")?;
            failures -= 1;
            if failures >= 0 { Err(Error::InvalidQuery) } else { Ok(()) }
        };
        writer.write_with_retry(settle).await;
        writer.write_with_retry(|database, _| insert(database, "later").map(drop)).await;
        drop(writer);

        assert_eq!(rig.stop().await, Drained::Cleanly, "the writer ends once everything is written");
        assert_eq!(rig.words(), ["settled", "later"]);
    }

    #[tokio::test]
    async fn a_caller_that_stops_waiting_does_not_stop_its_write() {
        let rig = Rig::new();
        let writer = rig.writer();

        let busy = busy(&writer).await;
        let write = writer.write(|database, _| insert(database, "word"));
        let impatient = tokio::time::timeout(Duration::from_millis(10), write);
        assert!(impatient.await.is_err());
        drop(busy);
        drop(writer);

        assert_eq!(rig.stop().await, Drained::Cleanly);
        assert_eq!(rig.words(), ["word"]);
    }

    #[tokio::test]
    async fn a_weak_writer_does_not_keep_the_database_open() {
        let rig = Rig::new();
        let writer = rig.writer();
        let weak = writer.downgrade();
        assert!(weak.upgrade().is_some());

        drop(writer);

        assert!(weak.upgrade().is_none());
        assert_eq!(rig.stop().await, Drained::Cleanly);
    }
}
