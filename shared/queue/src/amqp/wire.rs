//! Envelopes as AMQP messages: our own properties and our own list of headers. Nothing is copied that the broker has
//! added. (On RabbitMQ 3.10 a copied `x-death` makes the broker drop an event on its way back from a retry queue.)

use bytes::Bytes;
use chassis::now;
use event::{Class, DecodeError, Envelope, EventId, Field, Wire};
use jiff::Timestamp;
use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable, ShortString};

use crate::dead_letter::QueueParking;
use crate::stand_in::stand_in;
use crate::taker::Incoming;

/// Written to disk by the broker before it confirms.
const PERSISTENT: u8 = 2;
/// The name of a message without an id.
const NAMELESS: &str = "evt_undecodable";
/// A message id has at most 255 bytes, and two numbers follow the name.
const MADE_UP_NAME_BYTES: usize = 200;

/// The properties of an envelope.
pub(super) fn properties(wire: &Wire) -> BasicProperties {
    let mut table = FieldTable::default();
    for (name, field) in &wire.headers {
        let value = match field {
            Field::Word(word) => AMQPValue::LongString((*word).into()),
            Field::Text(text) => AMQPValue::LongString(text.as_bytes().into()),
            Field::Number(number) => AMQPValue::LongLongInt(*number),
        };
        table.insert((*name).into(), value);
    }
    BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type("application/json".into())
        .with_message_id(wire.message_id.as_str().into())
        .with_headers(table)
}

/// The message id, if it has one.
pub(super) fn message_id(properties: &BasicProperties) -> Option<&str> {
    properties.message_id().as_ref().map(ShortString::as_str)
}

/// Reads an envelope. If the message is none, returns an envelope made up to carry its body, and the fault.
pub(super) fn envelope_or_stand_in(
    properties: &BasicProperties,
    body: Bytes,
    class: Class,
    tag: u64,
) -> (Envelope, Option<DecodeError>) {
    match envelope(properties, body.clone()) {
        Ok(envelope) => (envelope, None),
        Err(fault) => (stand_in(id_or_made_up(properties, tag), class, body), Some(fault)),
    }
}

fn envelope(properties: &BasicProperties, body: Bytes) -> Result<Envelope, DecodeError> {
    let id = message_id(properties).ok_or(DecodeError::Missing("message_id"))?;
    Envelope::decode(id, body, |name| field(properties, name))
}

/// Reads what was taken. A message that is no envelope gets an id that nothing else has: other senders' ids need not be
/// unique, and an envelope with an id that is in flight shares its outcome.
pub(super) fn incoming(delivery: Delivery, class: Class) -> Incoming {
    let tag = delivery.delivery_tag;
    let properties = &delivery.properties;
    let (mut envelope, fault) = envelope_or_stand_in(properties, delivery.data.into(), class, tag);
    if fault.is_some() {
        envelope.id = made_up(message_id(properties).unwrap_or(NAMELESS), tag);
    }
    let deliveries = deliveries(properties);
    Incoming { tag, envelope, fault, was_redelivered: delivery.redelivered, deliveries }
}

/// How often a quorum queue has delivered the message before: its own count, which the delivery limit is compared with.
fn deliveries(properties: &BasicProperties) -> u32 {
    let Some(AMQPValue::LongLongInt(count)) = value(properties, "x-delivery-count") else { return 0 };
    u32::try_from((*count).max(0)).unwrap_or(u32::MAX)
}

fn id_or_made_up(properties: &BasicProperties, tag: u64) -> EventId {
    message_id(properties).map_or_else(|| made_up(NAMELESS, tag), EventId::new)
}

/// An id that no other message has, so that nothing which was ever queued is dropped.
fn made_up(name: &str, tag: u64) -> EventId {
    let name = &name[..name.floor_char_boundary(MADE_UP_NAME_BYTES)];
    EventId::new(format!("{name}.{tag}.{}", now().as_nanosecond()))
}

/// Why and when the broker itself dead-lettered a message: the newest entry of `x-death`.
pub(super) fn broker_parking(properties: &BasicProperties) -> Option<QueueParking> {
    let Some(AMQPValue::FieldArray(deaths)) = value(properties, "x-death") else { return None };
    let Some(AMQPValue::FieldTable(newest)) = deaths.as_slice().first() else { return None };
    let seconds = match newest.inner().get("time") {
        Some(AMQPValue::Timestamp(seconds)) => i64::try_from(*seconds).ok(),
        Some(_) | None => None,
    };
    let reason = newest.inner().get("reason").and_then(text)?;
    Some(QueueParking { reason, parked_at: seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()) })
}

fn field(properties: &BasicProperties, name: &str) -> Option<Field> {
    let value = value(properties, name)?;
    if let AMQPValue::LongLongInt(number) = value {
        return Some(Field::Number(*number));
    }
    text(value).map(|text| Field::Text(text.into()))
}

fn value<'a>(properties: &'a BasicProperties, name: &str) -> Option<&'a AMQPValue> {
    properties.headers().as_ref()?.inner().get(name)
}

fn text(value: &AMQPValue) -> Option<String> {
    if let AMQPValue::ShortString(text) = value {
        return Some(text.as_str().to_owned());
    }
    let AMQPValue::LongString(text) = value else { return None };
    std::str::from_utf8(text.as_bytes()).ok().map(str::to_owned)
}
