//! One transaction of a writer: what a group of jobs does together, so that one fsync is enough for all.

use rusqlite::{Connection, Error, Result, TransactionBehavior};

use crate::clock::{Clock, Machine, Stored};
use crate::health::is_common;
use crate::job::Job;

/// Work that runs at the beginning of every transaction, such as removing what has expired.
pub(crate) type Upkeep = fn(&Connection, i64) -> Result<()>;

/// What a transaction needs beside its jobs.
pub(crate) struct Frame<'w> {
    pub(crate) upkeep: Upkeep,
    pub(crate) clock: &'w mut Clock,
    pub(crate) machine: Machine,
    pub(crate) own: OwnWrite,
}

/// What a transaction writes of its own accord.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OwnWrite {
    /// The time, if what is stored is old.
    Time,
    /// The time and [`PROBE_BYTES`], to find out whether the disk works again.
    Probe,
    /// Nothing: jobs that only read go on while the disk is full.
    Nothing,
}

/// The room that a probe asks for. A few bytes would fit into the journal of a full disk.
const PROBE_BYTES: i64 = 1 << 20;

/// The table of the probe. It is empty.
pub(crate) const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS probe (bytes BLOB NOT NULL) STRICT";

/// What is on disk once a transaction is committed.
#[derive(Debug)]
pub(crate) struct Committed {
    /// Jobs that failed alone, by their position, and why. Nothing of them is on disk.
    pub(crate) failed: Vec<(usize, Error)>,
}

/// All of the group is on disk when this returns, but for the jobs that failed alone; or none of it, if the disk or the
/// database is at fault. A transaction that only read costs no fsync.
pub(crate) fn run(database: &mut Connection, group: &mut [Box<dyn Job>], frame: Frame<'_>) -> Result<Committed> {
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let stored = Stored::read(&transaction, frame.machine)?;
    let now = frame.clock.now(stored, frame.machine);
    (frame.upkeep)(&transaction, now)?;
    let mut failed = Vec::new();
    for (position, job) in group.iter_mut().enumerate() {
        if let Err(error) = run_alone(&transaction, &mut **job, now) {
            // SQLite may have rolled back everything by itself. Then nothing that ran before can be trusted.
            if is_common(&error) || transaction.is_autocommit() {
                return Err(error);
            }
            failed.push((position, error));
        }
    }
    if frame.own == OwnWrite::Probe {
        transaction.execute("INSERT INTO probe (bytes) VALUES (zeroblob(?))", [PROBE_BYTES])?;
        transaction.execute("DELETE FROM probe", [])?;
    }
    let is_stored = frame.own == OwnWrite::Probe || frame.own == OwnWrite::Time && stored.is_old(now);
    let stored = if is_stored { Some(Stored::write(&transaction, now, frame.machine)?) } else { None };
    transaction.commit()?;
    stored.into_iter().for_each(|stored| frame.clock.has_stored(stored, frame.machine));
    Ok(Committed { failed })
}

/// Runs one job so that it can fail without the others.
fn run_alone(database: &Connection, job: &mut dyn Job, now: i64) -> Result<()> {
    database.prepare_cached("SAVEPOINT job")?.execute([])?;
    let result = job.run(database, now);
    if result.is_err() && !database.is_autocommit() {
        database.prepare_cached("ROLLBACK TO job")?.execute([])?;
    }
    if !database.is_autocommit() {
        database.prepare_cached("RELEASE job")?.execute([])?;
    }
    result
}

#[cfg(test)]
mod tests {
    use rusqlite::params;

    use super::*;
    use crate::open;

    const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS word (text TEXT NOT NULL, expires_at INTEGER NOT NULL) STRICT";
    const DAY: i64 = 24 * 3_600_000;
    /// 28 November 2026.
    const WALL: i64 = 20_785 * DAY;

    /// Removes what has expired.
    fn remove(database: &Connection, now: i64) -> Result<()> {
        database.execute("DELETE FROM word WHERE expires_at <= ?", [now]).map(drop)
    }

    /// A process that uses a database.
    struct Process {
        database: Connection,
        clock: Clock,
    }

    impl Process {
        fn start(folder: &std::path::Path) -> Self {
            Self { database: open(folder, "words.db", SCHEMA).unwrap(), clock: Clock::default() }
        }

        /// Commits when the machine's clocks show this. Returns how many words there are.
        fn commit(&mut self, wall: i64, running: i64) -> i64 {
            let machine = Machine { wall, running };
            let frame = Frame { upkeep: remove, clock: &mut self.clock, machine, own: OwnWrite::Time };
            run(&mut self.database, &mut [], frame).unwrap();
            self.database.query_row("SELECT count(*) FROM word", [], |row| row.get(0)).unwrap()
        }
    }

    #[test]
    fn nothing_expires_because_the_machines_clock_jumped_but_because_its_time_has_passed() {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Process::start(folder.path());
        process.commit(WALL, 0);
        process.database.execute("INSERT INTO word VALUES ('kept for 14 days', ?)", params![WALL + 14 * DAY]).unwrap();

        assert_eq!(process.commit(WALL + 15 * DAY, 20_000), 1, "one commit 15 days ahead");
        assert_eq!(process.commit(WALL - DAY, 40_000), 1, "and a day back");
        let mut next = Process::start(folder.path());
        assert_eq!(next.commit(WALL + 15 * DAY, 0), 1, "a restart with a wrong clock");
        assert_eq!(next.commit(WALL + DAY, 13 * DAY), 1, "13 days of running, whatever the clock shows");
        assert_eq!(next.commit(WALL + DAY, 14 * DAY), 0, "and a day more");
    }
}
