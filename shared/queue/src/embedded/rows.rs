//! What the embedded queue does in SQL: small statements, always inside the writer's transaction.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use bytes::Bytes;
use event::{Class, DecodeError, Envelope, EventId, Field};
use jiff::Timestamp;
use rusqlite::{Connection, Result, Row, params};
use serde_json::Value;

use crate::dead::Ticket;
use crate::publisher::Outgoing;
use crate::taker::stand_in;
use crate::topology::{CLASS_TTL, DEAD_TTL, DELIVERY_LIMIT};
use crate::{DeadLetter, Place, Tier};

/// Dead letters read at once.
const DEAD_LETTERS_AT_ONCE: i64 = 16;

/// An envelope that was taken, under its row number.
#[derive(Debug)]
pub(super) struct TakenRow {
    pub(super) seq: u64,
    pub(super) envelope: Envelope,
    pub(super) fault: Option<DecodeError>,
    pub(super) was_redelivered: bool,
}

/// Puts an envelope into its queue.
pub(super) fn insert(database: &Connection, outgoing: &Outgoing, now: i64) -> Result<()> {
    let (due_at, expires_at) = match outgoing.place {
        Place::Class(_) => (now, now + ms(CLASS_TTL)),
        Place::Retry(_, tier) => (now + ms(tier.delay()), i64::MAX),
        Place::Dead => (now, now + ms(DEAD_TTL)),
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
            outgoing.place.queue(),
            wire.message_id.as_str(),
            headers,
            &wire.body[..],
            due_at,
            expires_at
        ])?;
    Ok(())
}

/// Moves what is due back from the retry queues, and parks or drops what has outlived its queue. The index is named,
/// because SQLite takes the other one, which leads through all that waits: with each commit.
pub(super) fn tidy(database: &Connection, now: i64) -> Result<()> {
    for class in Class::ALL {
        let home = Place::Class(class).queue();
        for tier in Tier::ALL {
            database
                .prepare_cached(
                    "UPDATE envelope SET place = ?1, expires_at = ?2 WHERE place = ?3 AND taken = 0 AND due_at <= ?4",
                )?
                .execute(params![home, now + ms(CLASS_TTL), Place::Retry(class, tier).queue(), now])?;
        }
        database
            .prepare_cached(
                "UPDATE envelope INDEXED BY envelope_expiry SET place = ?1, expires_at = ?2, parked = 'expired'
                 WHERE place = ?3 AND taken = 0 AND expires_at <= ?4",
            )?
            .execute(params![Place::Dead.queue(), now + ms(DEAD_TTL), home, now])?;
    }
    database
        .prepare_cached("DELETE FROM envelope INDEXED BY envelope_expiry WHERE place = ? AND expires_at <= ?")?
        .execute(params![Place::Dead.queue(), now])?;
    Ok(())
}

/// Whether a look for envelopes of a class would find any.
pub(super) fn is_due(database: &Connection, class: Class, now: i64) -> Result<bool> {
    let mut places = vec![Place::Class(class)];
    places.extend(Tier::ALL.map(|tier| Place::Retry(class, tier)));
    let mut due =
        database.prepare_cached("SELECT 1 FROM envelope WHERE place = ? AND taken = 0 AND due_at <= ? LIMIT 1")?;
    for place in places {
        if due.exists(params![place.queue(), now])? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Takes the oldest envelopes of a class.
pub(super) fn take(database: &Connection, class: Class, limit: usize, now: i64) -> Result<Vec<TakenRow>> {
    let home = Place::Class(class).queue();
    database
        .prepare_cached(
            "UPDATE envelope SET place = ?1, parked = 'delivery_limit', expires_at = ?2
             WHERE place = ?3 AND taken = 0 AND deliveries > ?4",
        )?
        .execute(params![Place::Dead.queue(), now + ms(DEAD_TTL), home, DELIVERY_LIMIT])?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut next = database.prepare_cached(
        "SELECT seq, message_id, headers, body, deliveries FROM envelope
         WHERE place = ? AND taken = 0 AND due_at <= ? ORDER BY due_at, seq LIMIT ?",
    )?;
    let rows = next.query_map(params![home, now, limit], |row| taken_row(row, class))?.collect::<Result<Vec<_>>>()?;
    let mut mark =
        database.prepare_cached("UPDATE envelope SET taken = 1, deliveries = deliveries + 1 WHERE seq = ?")?;
    for row in &rows {
        mark.execute([row.seq.cast_signed()])?;
    }
    Ok(rows)
}

/// Forgets an envelope that is settled.
pub(super) fn delete(database: &Connection, seq: u64) -> Result<()> {
    database.prepare_cached("DELETE FROM envelope WHERE seq = ?")?.execute([seq.cast_signed()]).map(drop)
}

/// Puts an envelope back where it was.
pub(super) fn release(database: &Connection, seq: u64) -> Result<()> {
    database.prepare_cached("UPDATE envelope SET taken = 0 WHERE seq = ?")?.execute([seq.cast_signed()]).map(drop)
}

/// A new taker: what an ended process had in hand waits again.
pub(super) fn release_all(database: &Connection) -> Result<()> {
    database.execute("UPDATE envelope SET taken = 0 WHERE taken = 1", []).map(drop)
}

/// How many wait in each queue.
pub(super) fn depths(database: &Connection) -> Result<Vec<(Place, u64)>> {
    let mut waiting = database.prepare_cached("SELECT place, count(*) FROM envelope WHERE taken = 0 GROUP BY place")?;
    let counted: BTreeMap<String, i64> =
        waiting.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_>>()?;
    let depth = |place: Place| counted.get(place.queue()).map_or(0, |count| count.unsigned_abs());
    Ok(Place::all().map(|place| (place, depth(place))).collect())
}

/// The row of the newest dead letter; 0 if there is none.
pub(super) fn newest_dead(database: &Connection) -> Result<i64> {
    let mut newest = database.prepare_cached("SELECT coalesce(max(seq), 0) FROM envelope WHERE place = ?")?;
    newest.query_row([Place::Dead.queue()], |row| row.get(0))
}

/// The oldest dead letters of these rows, a few of them: a body may have megabytes.
pub(super) fn dead_letters(database: &Connection, rows: &RangeInclusive<i64>) -> Result<Vec<DeadLetter>> {
    let mut oldest = database.prepare_cached(
        "SELECT seq, message_id, headers, body, deliveries, parked, expires_at FROM envelope
         WHERE place = ? AND seq BETWEEN ? AND ? ORDER BY seq LIMIT ?",
    )?;
    let letters =
        oldest.query_map(params![Place::Dead.queue(), rows.start(), rows.end(), DEAD_LETTERS_AT_ONCE], |row| {
            let parked: Option<String> = row.get(5)?;
            let parked_at = Timestamp::from_millisecond(row.get::<_, i64>(6)? - ms(DEAD_TTL)).ok();
            let TakenRow { seq, envelope, .. } = taken_row(row, Class::Messages)?;
            Ok(DeadLetter::of(envelope, parked.as_deref().map(|why| (why, parked_at)), Ticket { hand: 0, number: seq }))
        })?;
    letters.collect()
}

fn taken_row(row: &Row<'_>, class: Class) -> Result<TakenRow> {
    let (seq, message_id, headers): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
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
    let was_redelivered = row.get::<_, i64>(4)? > 0;
    Ok(TakenRow { seq: seq.unsigned_abs(), envelope, fault, was_redelivered })
}

fn ms(time: std::time::Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
