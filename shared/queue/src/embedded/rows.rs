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

/// Envelopes that one transaction moves or removes because of their time: more would hold up those who wait for it.
const TIDIED_AT_ONCE: i64 = 256;

const LAST_SEQ: &str = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'envelope'";
const INSERT: &str = "
    INSERT INTO envelope (place, message_id, headers, body, due_at, expires_at, turn) VALUES (?, ?, ?, ?, ?, ?, ?)";
const RETURN: &str = "
    UPDATE envelope SET place = ?1, expires_at = ?2, due_at = 0, turn = ?3 WHERE seq IN (
        SELECT seq FROM envelope INDEXED BY envelope_due
        WHERE place = ?4 AND due_at > 0 AND due_at <= ?5 ORDER BY due_at LIMIT ?6)";
const EXPIRE: &str = "
    UPDATE envelope SET place = ?1, expires_at = ?2, parked = 'expired' WHERE seq IN (
        SELECT seq FROM envelope INDEXED BY envelope_end
        WHERE place = ?3 AND expires_at <= ?4 AND taken = 0 ORDER BY expires_at LIMIT ?5)";
const REMOVE: &str = "
    DELETE FROM envelope WHERE seq IN (
        SELECT seq FROM envelope INDEXED BY envelope_end
        WHERE place = ? AND expires_at <= ? ORDER BY expires_at LIMIT ?)";
const NEXT: &str = "
    SELECT seq, message_id, headers, body, deliveries FROM envelope INDEXED BY envelope_turn
    WHERE place = ? AND taken = 0 ORDER BY turn, seq LIMIT ?";
const TAKE: &str = "UPDATE envelope SET taken = 1, deliveries = deliveries + 1 WHERE seq = ?";
const PARK: &str = "UPDATE envelope SET place = ?, parked = 'delivery_limit', expires_at = ? WHERE seq = ?";
const DELETE: &str = "DELETE FROM envelope WHERE seq = ?";
const RELEASE: &str = "UPDATE envelope SET taken = 0 WHERE seq = ?";
/// What runs however much waits, and so must not read more if more does.
#[cfg(test)]
const OFTEN: [&str; 10] = [LAST_SEQ, INSERT, RETURN, EXPIRE, REMOVE, NEXT, TAKE, PARK, DELETE, RELEASE];

/// Puts envelopes into their queues.
pub(super) fn insert<'o>(
    database: &Connection,
    outgoing: impl IntoIterator<Item = &'o Outgoing>,
    now: i64,
) -> Result<()> {
    let turn = last_seq(database)?;
    let mut insert = database.prepare_cached(INSERT)?;
    for Outgoing { queue, wire, .. } in outgoing {
        let stay = match queue {
            QueueName::Class(_) => Stay { due_at: 0, expires_at: now + ms(CLASS_TTL) },
            QueueName::Retry(_, tier) => Stay { due_at: now + ms(tier.delay()), expires_at: i64::MAX },
            QueueName::Dead => Stay { due_at: 0, expires_at: now + ms(DEAD_TTL) },
        };
        let body = &wire.body[..];
        insert.execute(params![
            queue.as_str(),
            wire.message_id.as_str(),
            headers(&wire.headers),
            body,
            stay.due_at,
            stay.expires_at,
            turn
        ])?;
    }
    Ok(())
}

/// How long an envelope stays in a queue, by the database's time.
struct Stay {
    due_at: i64,
    expires_at: i64,
}

fn headers(headers: &[(&'static str, Field)]) -> String {
    let fields = headers.iter().map(|(name, field)| {
        let value = match field {
            Field::Word(word) => Value::from(*word),
            Field::Text(text) => Value::from(text.as_ref()),
            Field::Number(number) => Value::from(*number),
        };
        ((*name).to_owned(), value)
    });
    Value::Object(fields.collect()).to_string()
}

fn last_seq(database: &Connection) -> Result<i64> {
    database.prepare_cached(LAST_SEQ)?.query_row([], |row| row.get(0))
}

/// Moves envelopes whose time has come from the retry queues to the end of their class, and parks or deletes those that
/// have outlived their queue. The indexes are named because SQLite might choose others, and then read every envelope that
/// waits, at each commit.
pub(super) fn tidy(database: &Connection, now: i64) -> Result<()> {
    let turn = last_seq(database)?;
    for class in Class::ALL {
        let home = QueueName::Class(class).as_str();
        for tier in Tier::ALL {
            let retry = QueueName::Retry(class, tier).as_str();
            database.prepare_cached(RETURN)?.execute(params![
                home,
                now + ms(CLASS_TTL),
                turn,
                retry,
                now,
                TIDIED_AT_ONCE
            ])?;
        }
        let dead = QueueName::Dead.as_str();
        database.prepare_cached(EXPIRE)?.execute(params![dead, now + ms(DEAD_TTL), home, now, TIDIED_AT_ONCE])?;
    }
    database.prepare_cached(REMOVE)?.execute(params![QueueName::Dead.as_str(), now, TIDIED_AT_ONCE]).map(drop)
}

/// Takes the envelopes of a class that are first in its order. The clock has no say in it: what is there can be taken. One
/// that was delivered too often is parked instead.
pub(super) fn take(database: &Connection, class: Class, limit: usize, now: i64) -> Result<Vec<Incoming>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut next = database.prepare_cached(NEXT)?;
    let rows = next.query_map(params![QueueName::Class(class).as_str(), limit], |row| incoming(row, class))?;
    let mut taken = Vec::new();
    for row in rows.collect::<Result<Vec<_>>>()? {
        let seq = row.tag.cast_signed();
        if row.deliveries > DELIVERY_LIMIT {
            database.prepare_cached(PARK)?.execute(params![QueueName::Dead.as_str(), now + ms(DEAD_TTL), seq])?;
            continue;
        }
        database.prepare_cached(TAKE)?.execute([seq])?;
        taken.push(row);
    }
    Ok(taken)
}

/// Deletes envelopes that are settled.
pub(super) fn delete(database: &Connection, rows: &[u64]) -> Result<()> {
    let mut delete = database.prepare_cached(DELETE)?;
    rows.iter().try_for_each(|row| delete.execute([row.cast_signed()]).map(drop))
}

/// Lets envelopes wait again in their old places.
pub(super) fn release(database: &Connection, rows: &[u64]) -> Result<()> {
    let mut release = database.prepare_cached(RELEASE)?;
    rows.iter().try_for_each(|row| release.execute([row.cast_signed()]).map(drop))
}

/// Lets all envelopes wait again that an earlier process left in flight.
pub(super) fn release_all(database: &Connection) -> Result<()> {
    let mut release = database.prepare_cached("UPDATE envelope SET taken = 0 WHERE place = ? AND taken = 1")?;
    Class::ALL.into_iter().try_for_each(|class| release.execute([QueueName::Class(class).as_str()]).map(drop))
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
    let mut newest = database.prepare_cached(
        "SELECT coalesce(max(seq), 0) FROM envelope INDEXED BY envelope_dead WHERE place = 'meta.dead.v1'",
    )?;
    newest.query_row([], |row| row.get(0))
}

/// The oldest dead letters among these rows. Only a few, because a body may have megabytes.
pub(super) fn dead_letters(database: &Connection, rows: &RangeInclusive<i64>) -> Result<Vec<DeadLetter>> {
    let mut oldest = database.prepare_cached(
        "SELECT seq, message_id, headers, body, deliveries, parked, expires_at FROM envelope INDEXED BY envelope_dead
         WHERE place = 'meta.dead.v1' AND seq BETWEEN ? AND ? ORDER BY seq LIMIT ?",
    )?;
    let letters = oldest.query_map(params![rows.start(), rows.end(), DEAD_LETTERS_AT_ONCE], |row| {
        let reason: Option<String> = row.get(5)?;
        let parked_at = Timestamp::from_millisecond(row.get::<_, i64>(6)? - ms(DEAD_TTL)).ok();
        let parking = reason.map(|reason| QueueParking { reason, parked_at });
        let Incoming { tag, envelope, .. } = incoming(row, Class::Messages)?;
        Ok(DeadLetter::new(envelope, parking, ScanTag { channel: 0, number: tag }))
    })?;
    letters.collect()
}

/// Reads a row. One that holds anything else than what we write becomes an envelope with a fault, which is parked: as an
/// error it would come again with each take, and nothing behind it would ever be taken.
fn incoming(row: &Row<'_>, class: Class) -> Result<Incoming> {
    let seq: i64 = row.get(0)?;
    let message_id = String::from_utf8_lossy(bytes(row, 1)?).into_owned();
    let headers: Value = serde_json::from_slice(bytes(row, 2)?).unwrap_or_default();
    let body = Bytes::copy_from_slice(bytes(row, 3)?);
    let field = |name: &str| match headers.get(name)? {
        Value::String(text) => Some(Field::Text(text.as_str().into())),
        Value::Number(number) => number.as_i64().map(Field::Number),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let (envelope, fault) = match Envelope::decode(&message_id, body.clone(), field) {
        Ok(envelope) => (envelope, None),
        // With an id that nothing else has: an envelope whose id is in flight shares its outcome.
        Err(fault) => (stand_in(EventId::new(format!("{message_id}.{seq}")), class, body), Some(fault)),
    };
    let deliveries = row.get(4)?;
    Ok(Incoming { tag: seq.unsigned_abs(), envelope, fault, was_redelivered: deliveries > 0, deliveries })
}

fn bytes<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r [u8]> {
    Ok(row.get_ref(column)?.as_bytes().unwrap_or_default())
}

fn ms(time: std::time::Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
