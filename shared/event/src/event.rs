//! An event: one thing that happened at Meta, with its id and the body that DSK will get.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use crate::{Address, Class, Effect, Envelope, EventId, EventType, Lane};

/// The type of a body that Meta signed but that is not a notification.
pub const UNRECOGNIZED: &str = "meta.unrecognized";

/// One event, split out of a notification.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The same for the same event, however often Meta sends it.
    pub id: EventId,
    /// What happened.
    pub event_type: EventType,
    /// The channel it belongs to.
    pub address: Address,
    /// The conversation that it belongs to.
    pub lane: Lane,
    /// The kind of queue that it travels in.
    pub class: Class,
    /// When it happened, by Meta's clock.
    pub timestamp: Timestamp,
    /// Whether Meta gave something that is not a time, so that `timestamp` is another one.
    pub timestamp_replaced: bool,
    /// How our own records change once DSK has it.
    pub effect: Option<Effect>,
    /// JSON, exactly as DSK will receive it.
    pub body: Bytes,
}

impl Event {
    /// Whether it is a whole body that is not a notification.
    pub fn is_unrecognized(&self) -> bool {
        self.event_type.as_str() == UNRECOGNIZED
    }
}

impl Envelope {
    /// An event's first envelope, of which nothing was attempted yet.
    pub fn first(event: Event, received_at: Timestamp, traceparent: Option<Arc<str>>) -> Self {
        Self {
            id: event.id,
            event_type: event.event_type,
            address: event.address,
            lane: event.lane,
            class: event.class,
            effect: event.effect,
            received_at,
            queued_at: received_at,
            attempts: 0,
            visits: 0,
            copies: 0,
            traceparent,
            letter: None,
            body: event.body,
        }
    }
}
