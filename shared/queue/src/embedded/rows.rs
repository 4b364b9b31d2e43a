//! The embedded queue in SQL: small statements, always inside a transaction of the writer.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use bytes::Bytes;
use event::{Class, Envelope, EventId, Field};
use jiff::Timestamp;
use serde_json::Value;
use sqlite::{Connection, Result, Row, params};

use crate::dead_letter::{DeadLetter, QueueParking, ScanTag};
use crate::publisher::Outgoing;
use crate::queue_name::{QueueName, Tier};
use crate::stand_in::stand_in;
use crate::taker::Incoming;
use crate::topology::{CLASS_TTL, DEAD_TTL, DELIVERY_LIMIT};

/// Dead letters read at once.
const DEAD_LETTERS_AT_ONCE: i64 = 16;

/// The queue's one table.
pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS envelope (
        seq        INTEGER PRIMARY KEY AUTOINCREMENT,
        place      TEXT NOT NULL,              -- the queue's name
        message_id TEXT NOT NULL,
        headers    TEXT NOT NULL,              -- JSON object
        body       BLOB NOT NULL,
        due_at     INTEGER NOT NULL,           -- ms since 1970: when it may be taken, or leaves its retry queue
        expires_at INTEGER NOT NULL,           -- ms since 1970: when it leaves its queue if nobody has taken it
        taken      INTEGER NOT NULL DEFAULT 0, -- 1 while in flight
        deliveries INTEGER NOT NULL DEFAULT 0, -- how often it was taken
        parked     TEXT                        -- why the queue itself made it a dead letter
    ) STRICT;
    CREATE INDEX IF NOT EXISTS envelope_next ON envelope (place, taken, due_at, seq);
    CREATE INDEX IF NOT EXISTS envelope_expiry ON envelope (expires_at);
";

/// Puts an envelope into its queue.
pub(super) fn insert(database: &Connection, outgoing: &Outgoing, now: i64) -> Result<()> {
    let (due_at, expires_at) = match outgoing.queue {
        QueueName::Class(_) => (now, now + ms(CLASS_TTL)),
        QueueName::Retry(_, tier) => (now + ms(tier.delay()), i64::MAX),
        QueueName::Dead => (now, now + ms(DEAD_TTL)),
    };
    let wire = &outgoing.wire;
    let fields = wire.headers.iter().map(|(name, field)| {
        let value = match field {
            Field::Word(word) => Value::from(*word),
            Field::Text(text) => Value::from(text.as_ref()),
            Field::Number(number) => Value::from(*number),
        };
        ((*name).to_owned(), value)
    });
    let headers = Value::Object(fields.collect()).to_string();
    database
        .prepare_cached(
            "INSERT INTO envelope (place, message_id, headers, body, due_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            outgoing.queue.as_str(),
            wire.message_id.as_str(),
            headers,
            &wire.body[..],
            due_at,
            expires_at
        ])?;
    Ok(())
}

/// Moves envelopes whose time has come from the retry queues to their class, and parks or deletes those that have
/// outlived their queue. The index is named because SQLite would choose the other one, and then read every envelope that
/// waits, at each commit.
pub(super) fn tidy(database: &Connection, now: i64) -> Result<()> {
    for class in Class::ALL {
        let home = QueueName::Class(class).as_str();
        for tier in Tier::ALL {
            database
                .prepare_cached(
                    "UPDATE envelope SET place = ?1, expires_at = ?2 WHERE place = ?3 AND taken = 0 AND due_at <= ?4",
                )?
                .execute(params![home, now + ms(CLASS_TTL), QueueName::Retry(class, tier).as_str(), now])?;
        }
        database
            .prepare_cached(
                "UPDATE envelope INDEXED BY envelope_expiry SET place = ?1, expires_at = ?2, parked = 'expired'
                 WHERE place = ?3 AND taken = 0 AND expires_at <= ?4",
            )?
            .execute(params![QueueName::Dead.as_str(), now + ms(DEAD_TTL), home, now])?;
    }
    database
        .prepare_cached("DELETE FROM envelope INDEXED BY envelope_expiry WHERE place = ? AND expires_at <= ?")?
        .execute(params![QueueName::Dead.as_str(), now])?;
    Ok(())
}

/// Takes the oldest envelopes of a class.
pub(super) fn take(database: &Connection, class: Class, limit: usize, now: i64) -> Result<Vec<Incoming>> {
    let home = QueueName::Class(class).as_str();
    database
        .prepare_cached(
            "UPDATE envelope SET place = ?1, parked = 'delivery_limit', expires_at = ?2
             WHERE place = ?3 AND taken = 0 AND deliveries > ?4",
        )?
        .execute(params![QueueName::Dead.as_str(), now + ms(DEAD_TTL), home, DELIVERY_LIMIT])?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut next = database.prepare_cached(
        "SELECT seq, message_id, headers, body, deliveries FROM envelope
         WHERE place = ? AND taken = 0 AND due_at <= ? ORDER BY due_at, seq LIMIT ?",
    )?;
    let rows = next.query_map(params![home, now, limit], |row| incoming(row, class))?.collect::<Result<Vec<_>>>()?;
    let mut mark =
        database.prepare_cached("UPDATE envelope SET taken = 1, deliveries = deliveries + 1 WHERE seq = ?")?;
    for row in &rows {
        mark.execute([row.tag.cast_signed()])?;
    }
    Ok(rows)
}

/// Deletes envelopes that are settled.
pub(super) fn delete(database: &Connection, rows: &[u64]) -> Result<()> {
    let mut delete = database.prepare_cached("DELETE FROM envelope WHERE seq = ?")?;
    rows.iter().try_for_each(|row| delete.execute([row.cast_signed()]).map(drop))
}

/// Lets envelopes wait again in their old places.
pub(super) fn release(database: &Connection, rows: &[u64]) -> Result<()> {
    let mut release = database.prepare_cached("UPDATE envelope SET taken = 0 WHERE seq = ?")?;
    rows.iter().try_for_each(|row| release.execute([row.cast_signed()]).map(drop))
}

/// Lets all envelopes wait again that an earlier process left in flight.
pub(super) fn release_all(database: &Connection) -> Result<()> {
    database.execute("UPDATE envelope SET taken = 0 WHERE taken = 1", []).map(drop)
}

/// How many envelopes wait in each queue.
pub(super) fn depths(database: &Connection) -> Result<Vec<(QueueName, u64)>> {
    let mut waiting = database.prepare_cached("SELECT place, count(*) FROM envelope WHERE taken = 0 GROUP BY place")?;
    let counted: BTreeMap<String, i64> =
        waiting.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_>>()?;
    let depth = |queue: QueueName| counted.get(queue.as_str()).map_or(0, |count| count.unsigned_abs());
    Ok(QueueName::ALL.into_iter().map(|queue| (queue, depth(queue))).collect())
}

/// The row of the newest dead letter, or 0.
pub(super) fn newest_dead(database: &Connection) -> Result<i64> {
    let mut newest = database.prepare_cached("SELECT coalesce(max(seq), 0) FROM envelope WHERE place = ?")?;
    newest.query_row([QueueName::Dead.as_str()], |row| row.get(0))
}

/// The oldest dead letters among these rows. Only a few, because a body may have megabytes.
pub(super) fn dead_letters(database: &Connection, rows: &RangeInclusive<i64>) -> Result<Vec<DeadLetter>> {
    let mut oldest = database.prepare_cached(
        "SELECT seq, message_id, headers, body, deliveries, parked, expires_at FROM envelope
         WHERE place = ? AND seq BETWEEN ? AND ? ORDER BY seq LIMIT ?",
    )?;
    let letters =
        oldest.query_map(params![QueueName::Dead.as_str(), rows.start(), rows.end(), DEAD_LETTERS_AT_ONCE], |row| {
            let reason: Option<String> = row.get(5)?;
            let parked_at = Timestamp::from_millisecond(row.get::<_, i64>(6)? - ms(DEAD_TTL)).ok();
            let parking = reason.map(|reason| QueueParking { reason, parked_at });
            let Incoming { tag, envelope, .. } = incoming(row, Class::Messages)?;
            Ok(DeadLetter::new(envelope, parking, ScanTag { channel: 0, number: tag }))
        })?;
    letters.collect()
}

fn incoming(row: &Row<'_>, class: Class) -> Result<Incoming> {
    let seq: i64 = row.get(0)?;
    let message_id: String = row.get(1)?;
    let headers: String = row.get(2)?;
    let body = Bytes::from(row.get::<_, Vec<u8>>(3)?);
    let headers: Value = serde_json::from_str(&headers).unwrap_or_default();
    let field = |name: &str| match headers.get(name)? {
        Value::String(text) => Some(Field::Text(text.as_str().into())),
        Value::Number(number) => number.as_i64().map(Field::Number),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let (envelope, fault) = match Envelope::decode(&message_id, body.clone(), field) {
        Ok(envelope) => (envelope, None),
        Err(fault) => (stand_in(EventId::new(message_id), class, body), Some(fault)),
    };
    let deliveries = row.get(4)?;
    Ok(Incoming { tag: seq.unsigned_abs(), envelope, fault, was_redelivered: deliveries > 0, deliveries })
}

fn ms(time: std::time::Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
