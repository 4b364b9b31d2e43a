//! The embedded queue's one table, its indexes, and how an older file gets them.

use sqlite::{Connection, Result};

use super::dead_bytes;

/// The queue's one table.
pub(super) const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS envelope (
        seq        INTEGER PRIMARY KEY AUTOINCREMENT,
        place      TEXT NOT NULL,              -- the queue's name
        message_id TEXT NOT NULL,
        headers    TEXT NOT NULL,              -- JSON object
        body       BLOB NOT NULL,
        due_at     INTEGER NOT NULL,           -- in a retry queue: when it leaves, by the database's time; otherwise 0
        expires_at INTEGER NOT NULL,           -- when it leaves its queue if nobody has taken it, by the database's time
        taken      INTEGER NOT NULL DEFAULT 0, -- 1 while in flight
        deliveries INTEGER NOT NULL DEFAULT 0, -- how often it was taken
        parked     TEXT,                       -- why the queue itself made it a dead letter
        turn       INTEGER NOT NULL DEFAULT 0  -- the last seq before it entered its queue; the order is by turn, then seq
    ) STRICT;
";

/// Whatever is done often finds its rows by an index, so that its cost does not grow with what waits.
const INDEXES: &str = "
    DROP INDEX IF EXISTS envelope_next;   -- up to version 0.1: by time
    DROP INDEX IF EXISTS envelope_expiry;
    CREATE INDEX IF NOT EXISTS envelope_turn ON envelope (place, taken, turn);
    CREATE INDEX IF NOT EXISTS envelope_end ON envelope (place, expires_at);
    CREATE INDEX IF NOT EXISTS envelope_due ON envelope (place, due_at) WHERE due_at > 0;
    CREATE INDEX IF NOT EXISTS envelope_dead ON envelope (seq) WHERE place = 'meta.dead.v1';
";

/// Up to version 0.1 the names of the classes' and retry queues ended in `v1`.
const NAMES: &str = "
    UPDATE envelope SET place = replace(place, '.v1', '.v2') WHERE place IN (
        'meta.messages.v1', 'meta.messages.retry.10s.v1', 'meta.messages.retry.1m.v1',
        'meta.messages.retry.10m.v1', 'meta.messages.retry.1h.v1',
        'meta.updates.v1', 'meta.updates.retry.10s.v1', 'meta.updates.retry.1m.v1',
        'meta.updates.retry.10m.v1', 'meta.updates.retry.1h.v1');
";

/// Adds what a table lacks that an earlier version made, then the indexes.
pub(super) fn prepare(database: &Connection) -> Result<()> {
    database.execute_batch("BEGIN IMMEDIATE")?;
    let result = upgrade(database);
    database.execute_batch(if result.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
    result
}

fn upgrade(database: &Connection) -> Result<()> {
    let has_turns: bool =
        database.query_row("SELECT count(*) FROM pragma_table_info('envelope') WHERE name = 'turn'", [], |row| {
            row.get(0)
        })?;
    if !has_turns {
        database.execute_batch(
            "ALTER TABLE envelope ADD COLUMN turn INTEGER NOT NULL DEFAULT 0;
             UPDATE envelope SET turn = seq - 1;
             UPDATE envelope SET due_at = 0 WHERE place IN ('meta.messages.v1', 'meta.updates.v1', 'meta.dead.v1');",
        )?;
    }
    database.execute_batch(INDEXES)?;
    database.execute_batch(dead_bytes::SCHEMA)?;
    database.execute_batch(NAMES)
}
