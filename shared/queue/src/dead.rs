//! Dead letters as they are read: all that is written on them, without the body.

use std::collections::BTreeMap;

use event::{Address, Envelope, EventId, EventType, Letter};
use jiff::Timestamp;

/// One dead letter, without its body.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetter {
    /// The event.
    pub id: EventId,
    /// What happened; empty where the message was no envelope.
    pub event_type: EventType,
    /// Its channel.
    pub address: Address,
    /// When it entered the queue.
    pub queued_at: Timestamp,
    /// Attempts used up.
    pub attempts: u32,
    /// Why it was parked. The broker's own reasons (`expired_unread`, `delivery_limit`) carry no status.
    pub letter: Letter,
}

impl DeadLetter {
    /// Reads what is written on it; `broker` is the broker's own reason, where it parked the envelope itself.
    pub(crate) fn of(envelope: Envelope, broker: Option<&str>) -> Self {
        let reason = match broker {
            Some("expired") => "expired_unread",
            Some("delivery_limit") => "delivery_limit",
            Some(_) | None => "unknown",
        };
        let unwritten =
            Letter { reason: reason.to_owned(), status: None, answer: String::new(), parked_at: envelope.queued_at };
        Self {
            letter: envelope.letter.unwrap_or(unwritten),
            id: envelope.id,
            event_type: envelope.event_type,
            address: envelope.address,
            queued_at: envelope.queued_at,
            attempts: envelope.attempts,
        }
    }

    /// How many there are of each reason.
    pub fn count_by_reason(letters: &[Self]) -> BTreeMap<&str, usize> {
        letters.iter().fold(BTreeMap::new(), |mut counts, dead| {
            *counts.entry(dead.letter.reason.as_str()).or_default() += 1;
            counts
        })
    }
}
