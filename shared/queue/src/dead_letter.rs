//! A dead letter: an envelope that is parked for a person, with the reason.

use chassis::{host, now};
use event::{Envelope, Letter};
use jiff::Timestamp;

/// The queue's own reasons for parking an envelope, as in [`Letter::reason`]. The dispatcher has reasons of its own.
pub const QUEUE_REASONS: [&str; 3] = [EXPIRED_UNREAD, DELIVERY_LIMIT, "unknown"];
const EXPIRED_UNREAD: &str = "expired_unread";
const DELIVERY_LIMIT: &str = "delivery_limit";

/// One dead letter.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetter {
    /// The envelope as it was parked. For a message that could not be decoded it is made up to carry the body.
    pub envelope: Envelope,
    /// Why it was parked. The queue's own reasons carry no status.
    pub letter: Letter,
    /// Identifies it within its scan.
    pub(crate) tag: ScanTag,
}

/// Identifies a dead letter within one scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScanTag {
    /// The AMQP channel that received it, counted from 0 within the scan; always 0 for an embedded queue.
    pub(crate) channel: usize,
    /// Its delivery tag on that AMQP channel, or its row.
    pub(crate) number: u64,
}

/// What the queue itself recorded when it parked an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueueParking {
    /// The queue's own word for the reason.
    pub(crate) reason: String,
    pub(crate) parked_at: Option<Timestamp>,
}

impl DeadLetter {
    /// `parking` is there when the queue parked the envelope, not the dispatcher.
    pub(crate) fn new(envelope: Envelope, parking: Option<QueueParking>, tag: ScanTag) -> Self {
        let letter = envelope.letter.clone().unwrap_or_else(|| {
            let reason = parking.as_ref().map_or("unknown", |parking| public_reason(&parking.reason)).to_owned();
            let parked_at = parking.and_then(|parking| parking.parked_at).unwrap_or(envelope.queued_at);
            Letter { reason, status: None, answer: String::new(), parked_at }
        });
        Self { envelope, letter, tag }
    }
}

fn public_reason(word: &str) -> &'static str {
    match word {
        "expired" => EXPIRED_UNREAD,
        "delivery_limit" => DELIVERY_LIMIT,
        _ => "unknown",
    }
}

/// How a process that scans the dead letters is named in the error of the next one.
pub(crate) fn scan_holder() -> String {
    format!("process {} on {} since {}", std::process::id(), host(), now().strftime("%F %T.%6f UTC"))
}
