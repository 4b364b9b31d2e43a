//! An envelope made up for a message that is none, so that its body reaches the dead letters.

use bytes::Bytes;
use chassis::now;
use event::{Address, Class, Envelope, EventId, EventType, Lane};

/// The event type of a message that could not be decoded as an envelope.
pub const UNDECODABLE: &str = "meta.undecodable";

/// Wraps the body of a message that could not be decoded.
pub(crate) fn stand_in(id: EventId, class: Class, body: Bytes) -> Envelope {
    let now = now();
    Envelope {
        id,
        event_type: EventType::new(UNDECODABLE),
        address: Address::new("meta:undecodable"),
        lane: Lane::new("meta:undecodable"),
        class,
        effect: None,
        received_at: now,
        queued_at: now,
        attempts: 0,
        visits: 0,
        copies: 0,
        traceparent: None,
        letter: None,
        body,
    }
}
