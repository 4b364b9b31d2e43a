//! Claims about the rows of a queue, with the time as an argument.

use event::Lane;
use sqlite::StatementStatus;

use super::super::schema;
use super::*;

const HOME: QueueName = QueueName::Class(Class::Messages);
const HOUR: i64 = 3_600_000;
/// 28 November 2026.
const NOW: i64 = 1_795_860_000_000;
const ANY_NUMBER: usize = 1_000;

/// A queue in a folder of its own.
struct Rig {
    database: Connection,
    #[expect(dead_code, reason = "the folder is removed when this is dropped")]
    folder: tempfile::TempDir,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = sqlite::open(folder.path(), "queue.db", schema::TABLE).unwrap();
        schema::prepare(&database).unwrap();
        Self { database, folder }
    }

    fn put(&self, queue: QueueName, ids: &[&str], now: i64) {
        self.database.execute_batch("BEGIN").unwrap();
        insert(&self.database, &ids.iter().map(|id| outgoing(queue, id)).collect::<Vec<_>>(), now).unwrap();
        self.database.execute_batch("COMMIT").unwrap();
    }

    fn take(&self, limit: usize, now: i64) -> Vec<String> {
        tidy(&self.database, now).unwrap();
        let taken = take(&self.database, Class::Messages, limit, now).unwrap();
        taken.into_iter().map(|incoming| incoming.envelope.id.to_string()).collect()
    }

    /// How many rows a place has.
    fn count(&self, queue: QueueName) -> i64 {
        let count = "SELECT count(*) FROM envelope WHERE place = ?";
        self.database.query_row(count, [queue.as_str()], |row| row.get(0)).unwrap()
    }

    /// The steps of SQLite's machine in the statements that run often, since the last time.
    fn steps(&self) -> i32 {
        let steps = |sql| self.database.prepare_cached(sql).unwrap().reset_status(StatementStatus::VmStep);
        OFTEN.into_iter().map(steps).sum()
    }
}

fn outgoing(queue: QueueName, id: &str) -> Outgoing {
    let envelope = stand_in(EventId::new(id), Class::Messages, Bytes::from_static(b"{}"));
    Outgoing::new(queue, &Envelope { lane: Lane::new("whatsapp:1/2"), ..envelope })
}

#[test]
fn a_clock_that_is_set_back_hides_no_envelope_and_changes_no_order() {
    let rig = Rig::new();
    for (id, now) in [("a", NOW), ("b", NOW - HOUR), ("c", NOW + HOUR), ("d", NOW - 2 * HOUR)] {
        rig.put(HOME, &[id], now);
    }

    assert_eq!(rig.take(ANY_NUMBER, NOW - 3 * HOUR), ["a", "b", "c", "d"]);
}

#[test]
fn what_returns_from_a_retry_queue_comes_after_what_waits_and_before_what_comes_later() {
    let rig = Rig::new();
    let retry = QueueName::Retry(Class::Messages, Tier::TenSeconds);
    rig.put(retry, &["retry 1", "retry 2"], NOW);
    rig.put(HOME, &["waiting"], NOW);

    assert_eq!(rig.take(0, NOW + 9_999), [""; 0]);
    assert_eq!(rig.count(retry), 2, "they are not due");
    tidy(&rig.database, NOW + 10_000).unwrap();
    rig.put(HOME, &["later"], NOW + 10_000);

    assert_eq!(rig.take(ANY_NUMBER, NOW + 10_000), ["waiting", "retry 1", "retry 2", "later"]);
}

#[test]
fn what_is_released_waits_again_in_its_old_place() {
    let rig = Rig::new();
    rig.put(HOME, &["a", "b", "c"], NOW);
    rig.take(2, NOW);

    release(&rig.database, &[2, 1]).unwrap();

    assert_eq!(rig.take(ANY_NUMBER, NOW), ["a", "b", "c"]);
}

#[test]
fn what_nobody_takes_for_a_week_is_parked_and_a_dead_letter_is_deleted_after_two() {
    let rig = Rig::new();
    rig.put(HOME, &["a"], NOW);

    tidy(&rig.database, NOW + ms(CLASS_TTL) - 1).unwrap();
    assert_eq!(rig.count(HOME), 1);
    tidy(&rig.database, NOW + ms(CLASS_TTL)).unwrap();
    let letters = dead_letters(&rig.database, &(0..=9)).unwrap();
    assert_eq!(letters[0].letter.reason, "expired_unread");
    tidy(&rig.database, NOW + ms(CLASS_TTL) + ms(DEAD_TTL)).unwrap();

    assert_eq!((rig.count(HOME), rig.count(QueueName::Dead)), (0, 0));
}

/// Publishes, takes, settles and gives back some envelopes, as it happens all the time.
fn some_work(rig: &Rig) -> i32 {
    rig.steps();
    rig.put(HOME, &["x"; 20], NOW);
    rig.put(QueueName::Dead, &["dead"; 3], NOW);
    tidy(&rig.database, NOW).unwrap();
    let taken = take(&rig.database, Class::Messages, 50, NOW).unwrap();
    let tags: Vec<u64> = taken.iter().map(|incoming| incoming.tag).collect();
    delete(&rig.database, &tags[..20]).unwrap();
    release(&rig.database, &tags[20..]).unwrap();
    rig.steps()
}

#[test]
fn publishing_and_taking_read_no_more_rows_when_a_hundred_times_as_many_wait() {
    let rig = Rig::new();
    let retry = QueueName::Retry(Class::Messages, Tier::OneHour);
    let fill = |count: usize| [HOME, retry].into_iter().for_each(|queue| rig.put(queue, &vec!["fill"; count], NOW));
    fill(200);
    some_work(&rig);
    let few = some_work(&rig);

    fill(20_000);
    let many = some_work(&rig);

    assert!(few > 500, "{few} steps are too few to be all of it");
    assert_eq!(few, many);
}

#[test]
fn the_bytes_of_the_dead_letters_are_known_whoever_parked_or_removed_them() {
    let held =
        |rig: &Rig| -> i64 { rig.database.query_row("SELECT bytes FROM dead_bytes", [], |row| row.get(0)).unwrap() };
    let rig = Rig::new();
    rig.put(QueueName::Dead, &["a", "b", "c"], NOW);
    rig.put(HOME, &["d", "e"], NOW);
    assert_eq!(held(&rig), 6);

    tidy(&rig.database, NOW + ms(CLASS_TTL)).unwrap();
    assert_eq!(held(&rig), 10, "the queue has parked what nobody took");
    delete(&rig.database, &[1, 4]).unwrap();
    assert_eq!(held(&rig), 6);
    tidy(&rig.database, NOW + ms(DEAD_TTL)).unwrap();
    assert_eq!(held(&rig), 2, "two are too old");

    // A file of an earlier version does not know the sum.
    rig.database.execute_batch("DROP TABLE dead_bytes").unwrap();
    schema::prepare(&rig.database).unwrap();
    assert_eq!(held(&rig), 2);
}

#[test]
fn a_file_of_an_earlier_version_keeps_what_waits_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let old = "
        CREATE TABLE envelope (seq INTEGER PRIMARY KEY AUTOINCREMENT, place TEXT NOT NULL, message_id TEXT NOT NULL,
            headers TEXT NOT NULL, body BLOB NOT NULL, due_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
            taken INTEGER NOT NULL DEFAULT 0, deliveries INTEGER NOT NULL DEFAULT 0, parked TEXT) STRICT;
        CREATE INDEX envelope_next ON envelope (place, taken, due_at, seq);
        INSERT INTO envelope (place, message_id, headers, body, due_at, expires_at) VALUES
            ('meta.messages.v1', 'a', '{}', x'7b7d', 1795860000000, 1796000000000),
            ('meta.messages.retry.10s.v1', 'r', '{}', x'7b7d', 1795860010000, 9223372036854775807),
            ('meta.messages.v1', 'b', '{}', x'7b7d', 1795860000000, 1796000000000);";
    drop(sqlite::open(folder.path(), "queue.db", old).unwrap());

    for _ in 0..2 {
        let database = sqlite::open(folder.path(), "queue.db", schema::TABLE).unwrap();
        schema::prepare(&database).unwrap();
    }
    let rig = Rig { database: sqlite::open(folder.path(), "queue.db", schema::TABLE).unwrap(), folder };
    rig.put(HOME, &["new"], NOW);

    assert_eq!(rig.take(ANY_NUMBER, NOW), ["a.1", "b.3", "new"], "with made-up ids: they have no headers");
    assert_eq!(rig.take(ANY_NUMBER, NOW + 10_000), ["r.2"]);
}
