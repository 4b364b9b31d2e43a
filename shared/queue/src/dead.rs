//! Dead letters: read one after the other under a lock, forgotten one by one, and otherwise left where they are.

use chassis::{host, now};
use event::{Envelope, Letter};
use jiff::Timestamp;

use crate::{OpenError, amqp, embedded};

/// The type of what was in the queue and was no envelope.
pub const UNDECODABLE: &str = "meta.undecodable";

/// Why the queue itself parked an envelope, as [`Letter::reason`]; the dispatcher has its own reasons.
pub const QUEUE_REASONS: [&str; 3] = [EXPIRED_UNREAD, DELIVERY_LIMIT, "unknown"];
const EXPIRED_UNREAD: &str = "expired_unread";
const DELIVERY_LIMIT: &str = "delivery_limit";

/// One dead letter.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetter {
    /// The envelope as it was parked; where the message was none, one made up to carry its body.
    pub envelope: Envelope,
    /// Why it was parked. The queue's own reasons carry no status.
    pub letter: Letter,
    /// What the scan knows it by.
    pub(crate) ticket: Ticket,
}

impl DeadLetter {
    /// `parked` is what the queue wrote on it where it parked the envelope itself: its own word for why, and when.
    pub(crate) fn of(envelope: Envelope, parked: Option<(&str, Option<Timestamp>)>, ticket: Ticket) -> Self {
        let (why, parked_at) = parked.unwrap_or_default();
        let unwritten = || Letter {
            reason: reason(why).to_owned(),
            status: None,
            answer: String::new(),
            parked_at: parked_at.unwrap_or(envelope.queued_at),
        };
        let letter = envelope.letter.clone().unwrap_or_else(unwritten);
        Self { envelope, letter, ticket }
    }
}

/// What a scan knows a dead letter by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) hand: usize,
    pub(crate) number: u64,
}

fn reason(why: &str) -> &'static str {
    match why {
        "expired" => EXPIRED_UNREAD,
        "delivery_limit" => DELIVERY_LIMIT,
        _ => "unknown",
    }
}

/// A look through the dead letters that there were when it began, oldest first. One at a time looks: who scans holds a
/// lock, which ends with the process.
///
/// Whatever is not forgotten is given back by [`Self::finish`], and also when the process dies.
#[derive(Debug)]
pub struct DeadScan {
    back_end: BackEnd,
}

#[derive(Debug)]
enum BackEnd {
    Amqp(Box<amqp::DeadScan>),
    Embedded(embedded::DeadScan),
}

impl From<amqp::DeadScan> for DeadScan {
    fn from(scan: amqp::DeadScan) -> Self {
        Self { back_end: BackEnd::Amqp(Box::new(scan)) }
    }
}

impl From<embedded::DeadScan> for DeadScan {
    fn from(scan: embedded::DeadScan) -> Self {
        Self { back_end: BackEnd::Embedded(scan) }
    }
}

impl DeadScan {
    /// The next one; `None` when all were seen.
    pub async fn next(&mut self) -> Result<Option<DeadLetter>, OpenError> {
        match &mut self.back_end {
            BackEnd::Amqp(scan) => scan.next().await,
            BackEnd::Embedded(scan) => scan.next().await,
        }
    }

    /// The queue may forget these: a copy of each is confirmed, or a person wants them gone.
    pub async fn forget(&mut self, letters: Vec<DeadLetter>) -> Result<(), OpenError> {
        let tickets = letters.into_iter().map(|letter| letter.ticket);
        match &mut self.back_end {
            BackEnd::Amqp(scan) => scan.forget(tickets).await,
            BackEnd::Embedded(scan) => {
                scan.forget(tickets);
                Ok(())
            }
        }
    }

    /// Gives back all that was seen and not forgotten, in its order.
    pub async fn finish(self) -> Result<(), OpenError> {
        match self.back_end {
            BackEnd::Amqp(scan) => scan.finish().await,
            BackEnd::Embedded(scan) => scan.finish().await,
        }
    }
}

/// How the holder of a scan is named to whoever comes second.
pub(crate) fn holder() -> String {
    format!("process {} on {} since {}", std::process::id(), host(), now().strftime("%F %T.%6f UTC"))
}
