//! Emptying the journal: what was deleted from the database is still in it, until it is written over.
//!
//! SQLite copies the journal into the database now and then, but leaves the journal's bytes until new ones replace them. On
//! a quiet database that is never. So the journal is emptied when nothing has been written for a second, and about once a
//! minute while the writer is never that quiet.

use std::path::PathBuf;
use std::time::Duration;

use rusqlite::{Connection, Result};
use tokio::time::Instant;

use crate::open::BUSY_TIME;

/// How long nothing has to be written before the journal is emptied. That costs two fsyncs, which nobody waits for then.
pub(crate) const QUIET_TIME: Duration = Duration::from_secs(1);
/// The longest time between two attempts, however much is written.
const PERIOD_MAX: Duration = Duration::from_mins(1);

/// When the journal of one database is emptied.
#[derive(Debug)]
pub(crate) struct Truncation {
    journal: PathBuf,
    /// How many rows the connection had changed at the last look.
    changes: u64,
    written_at: Instant,
    tried_at: Instant,
}

impl Truncation {
    pub(crate) fn of(database: &Connection, now: Instant) -> Self {
        let journal = PathBuf::from(format!("{}-wal", database.path().unwrap_or_default()));
        Self { journal, changes: database.total_changes(), written_at: now, tried_at: now }
    }

    /// Notes whether the last transaction wrote anything.
    pub(crate) fn note(&mut self, database: &Connection, now: Instant) {
        let changes = database.total_changes();
        if self.changes != changes {
            self.changes = changes;
            self.written_at = now;
        }
    }

    /// When it is due next.
    pub(crate) fn due(&self) -> Instant {
        let quiet = self.written_at.max(self.tried_at) + QUIET_TIME;
        quiet.min(self.tried_at + PERIOD_MAX)
    }

    /// Empties the journal if there is something in it. A reader that still needs it, or another writer, is not waited
    /// for: it is tried again later.
    pub(crate) fn try_it(&mut self, database: &Connection, now: Instant) -> Result<()> {
        self.tried_at = now;
        if !std::fs::metadata(&self.journal).is_ok_and(|journal| journal.len() > 0) {
            return Ok(());
        }
        database.busy_timeout(Duration::ZERO)?;
        let emptied = database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        database.busy_timeout(BUSY_TIME)?;
        emptied
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::open;

    #[test]
    fn a_writer_that_is_never_quiet_empties_its_journal_once_a_minute() {
        let folder = tempfile::tempdir().unwrap();
        let database = open(folder.path(), "words.db", "CREATE TABLE IF NOT EXISTS word (text TEXT) STRICT").unwrap();
        let start = Instant::now();
        let mut truncation = Truncation::of(&database, start);

        let mut emptied = 0;
        for step in 1..=600_u32 {
            let now = start + step * QUIET_TIME / 2;
            database.execute("INSERT INTO word (text) VALUES ('hello')", []).unwrap();
            truncation.note(&database, now);
            if truncation.due() <= now {
                truncation.try_it(&database, now).unwrap();
                assert_eq!(std::fs::metadata(folder.path().join("words.db-wal")).unwrap().len(), 0);
                emptied += 1;
            }
        }

        assert_eq!(emptied, 5, "in 300 s");
        assert!(truncation.due() <= start + 300 * QUIET_TIME + PERIOD_MAX);
    }
}
