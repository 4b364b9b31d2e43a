//! Claims about what is deleted: it is soon in no file of the database, whoever has that open.

use std::time::{Duration, Instant};

use chassis::Shutdown;
use sqlite::{Connection, Writer, open, open_to_read};

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS word (text TEXT NOT NULL) STRICT";
/// Less than the 5 s for which a connection waits for others, on a machine that is busy.
const QUICK: Duration = Duration::from_secs(4);
/// Long enough for a writer to try several times to empty its journal.
const ATTEMPTS_TIME: Duration = Duration::from_secs(3);

struct Rig {
    folder: tempfile::TempDir,
    shutdown: Shutdown,
}

impl Rig {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder"), shutdown: Shutdown::default() }
    }

    fn open(&self) -> Connection {
        open(self.folder.path(), "words.db", SCHEMA).expect("it opens")
    }

    fn writer(&self) -> Writer {
        Writer::spawn(self.open(), |_, _| Ok(()), &self.shutdown)
    }
}

fn insert(database: &Connection, word: &str) -> sqlite::Result<usize> {
    database.execute("INSERT INTO word (text) VALUES (?)", [word])
}

/// Whether a file of the database holds this text.
fn is_on_disk(rig: &Rig, text: &str) -> bool {
    let files = std::fs::read_dir(rig.folder.path()).expect("the folder is ours").flatten();
    let mut contents = files.map(|file| std::fs::read(file.path()).expect("the file is ours"));
    contents.any(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes()))
}

/// Waits until no file of the database holds this text.
async fn is_gone_from_disk(rig: &Rig, text: &str) {
    testkit::eventually("no file holds what was deleted", async || (!is_on_disk(rig, text)).then_some(())).await;
}

fn delete(database: &Connection, word: &str) -> sqlite::Result<usize> {
    database.execute("DELETE FROM word WHERE text = ?", [word])
}

#[tokio::test]
async fn no_file_holds_what_was_deleted_although_the_database_stays_open() {
    let rig = Rig::new();
    let writer = rig.writer();
    writer.write(|database, _| insert(database, "sealed-token-8d21")).await.expect("it is written");
    assert!(is_on_disk(&rig, "sealed-token-8d21"));

    writer.write(|database, _| delete(database, "sealed-token-8d21")).await.expect("it is written");

    is_gone_from_disk(&rig, "sealed-token-8d21").await;
    assert_eq!(writer.write(|database, _| insert(database, "next")).await, Ok(1), "the writer goes on");
}

#[tokio::test]
async fn what_another_process_deleted_and_left_in_the_journal_is_gone_too() {
    let rig = Rig::new();
    let writer = rig.writer();
    writer.write(|database, _| insert(database, "sealed-token-8d21")).await.expect("it is written");
    let other = rig.open();

    delete(&other, "sealed-token-8d21").expect("it answers");

    is_gone_from_disk(&rig, "sealed-token-8d21").await;
}

#[tokio::test]
async fn a_reader_delays_the_end_of_what_was_deleted_and_no_commit() {
    let rig = Rig::new();
    let writer = rig.writer();
    writer.write(|database, _| insert(database, "sealed-token-8d21")).await.expect("it is written");
    let reader = open_to_read(rig.folder.path(), "words.db").expect("it opens");
    reader.execute_batch("BEGIN").expect("it answers");
    let count: i64 = reader.query_row("SELECT count(*) FROM word", [], |row| row.get(0)).expect("it answers");
    assert_eq!(count, 1);
    writer.write(|database, _| delete(database, "sealed-token-8d21")).await.expect("it is written");

    // Long enough for several attempts, each of which finds the reader in its way.
    let began = Instant::now();
    while began.elapsed() < ATTEMPTS_TIME {
        let asked = Instant::now();
        writer.read(|_, _| Ok(())).await.expect("it is read");
        assert!(asked.elapsed() < QUICK, "a commit waited {:?}", asked.elapsed());
    }
    assert!(is_on_disk(&rig, "sealed-token-8d21"));
    drop(reader);

    is_gone_from_disk(&rig, "sealed-token-8d21").await;
}
