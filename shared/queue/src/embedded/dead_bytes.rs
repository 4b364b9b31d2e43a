//! How many bytes the dead letters hold, and the limit at which no more are taken. Triggers keep the sum, so that nobody
//! has to add it up: also while another process removes some.

use sqlite::{Connection, Result};

use crate::publisher::Outgoing;
use crate::queue_name::QueueName;

/// The sum of what is there, and what keeps it right from now on.
pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS dead_bytes (bytes INTEGER NOT NULL) STRICT;
    INSERT INTO dead_bytes SELECT (SELECT coalesce(sum(length(body)), 0) FROM envelope WHERE place = 'meta.dead.v1')
        WHERE NOT EXISTS (SELECT 1 FROM dead_bytes);
    CREATE TRIGGER IF NOT EXISTS dead_letter_published AFTER INSERT ON envelope WHEN new.place = 'meta.dead.v1'
        BEGIN UPDATE dead_bytes SET bytes = bytes + length(new.body); END;
    CREATE TRIGGER IF NOT EXISTS dead_letter_parked AFTER UPDATE OF place ON envelope
        WHEN new.place = 'meta.dead.v1' AND old.place <> 'meta.dead.v1'
        BEGIN UPDATE dead_bytes SET bytes = bytes + length(new.body); END;
    CREATE TRIGGER IF NOT EXISTS dead_letter_removed AFTER DELETE ON envelope WHEN old.place = 'meta.dead.v1'
        BEGIN UPDATE dead_bytes SET bytes = bytes - length(old.body); END;
";

const HELD: &str = "SELECT bytes FROM dead_bytes";

/// Whether these may be published. Only a dead letter may be refused, and its original stays in flight then. What the
/// queue itself parks was on this disk already, and is kept.
pub(super) fn have_room(database: &Connection, outgoing: &[Outgoing], bytes_max: i64) -> Result<bool> {
    if outgoing.iter().all(|outgoing| outgoing.queue != QueueName::Dead) {
        return Ok(true);
    }
    let held: i64 = database.prepare_cached(HELD)?.query_row([], |row| row.get(0))?;
    Ok(held < bytes_max)
}
