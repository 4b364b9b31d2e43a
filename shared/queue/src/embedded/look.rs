//! Looks for envelopes in the file without taking any. There is no index of ids, because whatever is published would have to
//! keep it: all rows are looked at, but not their bodies.

use event::EventId;
use sqlite::{Connection, Result};

use crate::queue_name::QueueName;
use crate::whereabouts::Whereabouts;

const LOOK: &str =
    "SELECT message_id, place, taken FROM envelope WHERE message_id IN (SELECT value FROM json_each(?)) ORDER BY seq";

/// Where the envelopes of these events are.
pub(super) fn whereabouts(database: &Connection, ids: &[EventId]) -> Result<Vec<Whereabouts>> {
    let ids: Vec<&str> = ids.iter().map(EventId::as_str).collect();
    let mut look = database.prepare_cached(LOOK)?;
    let rows = look.query_map([serde_json::Value::from(ids).to_string()], |row| {
        let place: String = row.get(1)?;
        let queue = QueueName::ALL.into_iter().find(|queue| queue.as_str() == place);
        let id = EventId::new(row.get::<_, String>(0)?);
        let is_in_flight = row.get(2)?;
        Ok(queue.map(|queue| Whereabouts { id, queue, is_in_flight }))
    })?;
    Ok(rows.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}
