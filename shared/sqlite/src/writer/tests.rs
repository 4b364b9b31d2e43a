//! Claims about a writer: what shares a commit, what fails with it, and what a caller hears.

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
async fn work_that_fails_leaves_nothing_behind_and_its_neighbours_are_written() {
    let rig = Rig::new();
    let writer = rig.writer();

    let busy = busy(&writer).await;
    let good = writer.write(|database, _| insert(database, "good"));
    let bad = writer.write(|database, _| {
        insert(database, "bad")?;
        Err::<(), _>(Error::InvalidQuery)
    });
    let next = writer.write(|database, _| insert(database, "next"));
    let release = async move { drop(busy) };
    let (good, bad, next, ()) = tokio::join!(good, bad, next, release);

    assert_eq!((good.is_ok(), bad, next.is_ok()), (true, Err(WriteError::Failed), true));
    assert_eq!(rig.words(), ["good", "next"]);
    assert_eq!(*writer.health().borrow(), Health::Working, "the disk is well");
}

#[tokio::test]
async fn retried_work_that_always_fails_holds_up_nothing_else() {
    let rig = Rig::new();
    let writer = rig.writer();

    writer.write_with_retry(|_, _| Err(Error::InvalidQuery)).await;

    for word in ["first", "second"] {
        assert!(writer.write(move |database, _| insert(database, word)).await.is_ok());
    }
    assert_eq!(rig.words(), ["first", "second"]);
}

fn disk_is_full() -> Error {
    Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL), None)
}

#[tokio::test]
async fn a_failed_commit_fails_everything_that_shares_it_and_nothing_later() {
    let rig = Rig::new();
    let writer = rig.writer();

    let busy = busy(&writer).await;
    let good = writer.write(|database, _| insert(database, "good"));
    let bad = writer.write(|_, _| Err::<(), _>(disk_is_full()));
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
        if failures >= 0 { Err(disk_is_full()) } else { Ok(()) }
    };
    writer.write_with_retry(settle).await;
    writer.write_with_retry(|database, _| insert(database, "later").map(drop)).await;
    drop(writer);

    assert_eq!(rig.stop().await, Drained::Cleanly, "the writer ends once everything is written");
    assert_eq!(rig.words(), ["settled", "later"]);
}

/// Waits until the health is this.
async fn health_is(writer: &Writer, expected: Health) {
    let mut health = writer.health();
    let change = health.wait_for(|health| *health == expected);
    tokio::time::timeout(Duration::from_secs(10), change).await.expect("the health changes").unwrap();
}

#[tokio::test]
async fn a_full_disk_shows_until_there_is_room_again_though_nobody_writes() {
    let rig = Rig::new();
    let database = open(rig.folder.path(), "words.db", SCHEMA).unwrap();
    // What the file may have is what it has: SQLite reports the same error as for a full disk.
    let pages: i64 = database.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    database.pragma_update(None, "max_page_count", pages).unwrap();
    let writer = Writer::spawn(database, |_, _| Ok(()), &rig.shutdown);

    let large = "word".repeat(10_000);
    assert_eq!(writer.write(move |database, _| insert(database, &large)).await, Err(WriteError::Failed));
    assert_eq!(*writer.health().borrow(), Health::Full);
    let count = |database: &Connection| database.query_row("SELECT count(*) FROM word", [], |row| row.get::<_, i64>(0));
    assert_eq!(writer.read(move |database, _| count(database)).await, Ok(0), "reading goes on");
    assert_eq!(*writer.health().borrow(), Health::Full, "reading says nothing about the disk");

    writer.read(|database, _| database.pragma_update(None, "max_page_count", 1_000_000)).await.unwrap();
    health_is(&writer, Health::Working).await;
}

#[tokio::test]
async fn what_is_written_to_a_deleted_or_replaced_file_is_not_confirmed_and_can_still_be_read() {
    for (file, is_replaced) in [("words.db", false), ("words.db", true), ("words.db-wal", false)] {
        let rig = Rig::new();
        let writer = rig.writer();
        let path = rig.folder.path().join(file);
        writer.write(|database, _| insert(database, "kept")).await.unwrap();

        std::fs::rename(&path, rig.folder.path().join("elsewhere")).unwrap();
        if is_replaced {
            std::fs::write(&path, "").unwrap();
        }

        assert_eq!(writer.write(|database, _| insert(database, "gone")).await, Err(WriteError::Failed), "{file}");
        assert_eq!(*writer.health().borrow(), Health::Replaced, "{file}");
        let read = |database: &Connection| database.query_row("SELECT min(text) FROM word", [], |row| row.get(0));
        assert_eq!(writer.read(move |database, _| read(database)).await, Ok("gone".to_owned()), "{file}");

        std::fs::rename(rig.folder.path().join("elsewhere"), &path).unwrap();
        health_is(&writer, Health::Working).await;
        assert!(writer.write(|database, _| insert(database, "again")).await.is_ok(), "{file} is back");
    }
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
