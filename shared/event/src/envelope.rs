//! An envelope: an event, what carries it through the queue, and its form on the wire.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use crate::{Address, Class, Effect, EventId, EventType, Lane};

/// An event on its way to DSK: the body, and all that the dispatcher needs to know without reading the body.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    /// The event's id. It is also the AMQP message id, and the `webhook-id` that DSK gets.
    pub id: EventId,
    /// What happened.
    pub event_type: EventType,
    /// The channel it belongs to.
    pub address: Address,
    /// The conversation that it belongs to.
    pub lane: Lane,
    /// The kind of queue that it travels in.
    pub class: Class,
    /// How our own records change once DSK has it.
    pub effect: Option<Effect>,
    /// When ingest received the notification.
    pub received_at: Timestamp,
    /// When it entered the queue; a replay sets it to its own time. Ages are counted from here.
    pub queued_at: Timestamp,
    /// How many attempts are used up.
    pub attempts: u32,
    /// How often it was in a retry queue because an attempt failed: not for an outage, a pause or the benefit of others. It
    /// decides which retry queue is next, and when the event is given up.
    pub visits: u32,
    /// How often we published it again. Together with `queued_at` it distinguishes this copy from every other copy of the
    /// event.
    pub copies: u32,
    /// The W3C trace context of the notification.
    pub traceparent: Option<Arc<str>>,
    /// Why it is a dead letter, if it is one.
    pub letter: Option<Letter>,
    /// JSON, exactly as DSK will receive it.
    pub body: Bytes,
}

impl Envelope {
    /// The id of the trace that began with the notification, as in log lines: 32 hexadecimal digits, or nothing.
    pub fn trace_id(&self) -> &str {
        trace_id(self.traceparent.as_deref())
    }
}

/// The trace id in a W3C `traceparent`: 32 hexadecimal digits, or nothing.
pub fn trace_id(traceparent: Option<&str>) -> &str {
    traceparent.and_then(|parent| parent.split('-').nth(1)).unwrap_or_default()
}

/// What a dead letter says about its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// One of the dispatcher's reasons, such as `rejected` or `expired`.
    pub reason: String,
    /// The status that DSK answered with, if it answered.
    pub status: Option<u16>,
    /// The first bytes of that answer.
    pub answer: String,
    /// When it became a dead letter.
    pub parked_at: Timestamp,
}

/// An envelope in the form that both back ends carry: a message id, a flat list of headers, a body.
#[derive(Clone, Debug, PartialEq)]
pub struct Wire {
    /// The event id.
    pub message_id: EventId,
    /// The headers, always in the same order.
    pub headers: Vec<(&'static str, Field)>,
    /// The envelope's body.
    pub body: Bytes,
}

/// A header's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// One of a few words.
    Word(&'static str),
    /// Text; times are RFC 3339.
    Text(Arc<str>),
    /// A count.
    Number(i64),
}

/// Why a message from the queue is not an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A header that every envelope has is missing, or has another type.
    #[error("header {0} is missing or has another type")]
    Missing(&'static str),
    /// A header has a value that we never write.
    #[error("header {0} has an unknown value")]
    Unknown(&'static str),
}

mod header {
    pub(super) const TYPE: &str = "type";
    pub(super) const ADDRESS: &str = "address";
    pub(super) const LANE: &str = "lane";
    pub(super) const CLASS: &str = "class";
    pub(super) const EFFECT: &str = "effect";
    /// Left out where it is the time of receipt.
    pub(super) const EFFECT_AT: &str = "effect-at";
    pub(super) const RECEIVED_AT: &str = "received-at";
    pub(super) const QUEUED_AT: &str = "queued-at";
    pub(super) const ATTEMPTS: &str = "attempts";
    pub(super) const VISITS: &str = "visits";
    pub(super) const COPIES: &str = "copies";
    pub(super) const TRACEPARENT: &str = "traceparent";
    pub(super) const REASON: &str = "reason";
    pub(super) const STATUS: &str = "status";
    pub(super) const ANSWER: &str = "answer";
    pub(super) const PARKED_AT: &str = "parked-at";
    /// How many headers there are.
    pub(super) const COUNT: usize = 16;
}

impl Envelope {
    /// The wire form. It is built from our own fields only, so nothing that a broker added can travel on.
    pub fn encode(&self) -> Wire {
        let text = |text: &str| Field::Text(text.into());
        let mut headers = Vec::with_capacity(header::COUNT);
        headers.extend([
            (header::TYPE, Field::Text((&self.event_type).into())),
            (header::ADDRESS, Field::Text((&self.address).into())),
            (header::LANE, Field::Text((&self.lane).into())),
            (header::CLASS, Field::Word(self.class.as_str())),
            (header::RECEIVED_AT, text(&self.received_at.to_string())),
        ]);
        // Values that every new envelope has are left out, because each header costs the broker, ingest and the
        // dispatcher time (8 % of the dispatcher's time went into reading them).
        if self.queued_at != self.received_at {
            headers.push((header::QUEUED_AT, text(&self.queued_at.to_string())));
        }
        for (name, count) in
            [(header::ATTEMPTS, self.attempts), (header::VISITS, self.visits), (header::COPIES, self.copies)]
        {
            headers.extend((count > 0).then(|| (name, Field::Number(count.into()))));
        }
        headers.extend(self.effect.map(|effect| (header::EFFECT, Field::Word(effect.as_str()))));
        let effect_at = self.effect.map(Effect::at).filter(|at| *at != self.received_at);
        headers.extend(effect_at.map(|at| (header::EFFECT_AT, text(&at.to_string()))));
        headers.extend(self.traceparent.clone().map(|parent| (header::TRACEPARENT, Field::Text(parent))));
        if let Some(letter) = &self.letter {
            headers.push((header::REASON, text(&letter.reason)));
            headers.extend(letter.status.map(|status| (header::STATUS, Field::Number(status.into()))));
            headers.push((header::ANSWER, text(&letter.answer)));
            headers.push((header::PARKED_AT, text(&letter.parked_at.to_string())));
        }
        Wire { message_id: self.id.clone(), headers, body: self.body.clone() }
    }

    /// Reads an envelope from its wire form; `get` finds a header by name. Headers that are not ours are ignored.
    pub fn decode(message_id: &str, body: Bytes, get: impl Fn(&str) -> Option<Field>) -> Result<Self, DecodeError> {
        let read = Reader { get };
        let received_at = read.time(header::RECEIVED_AT)?;
        Ok(Self {
            id: EventId::new(message_id),
            event_type: EventType::new(read.text(header::TYPE)?),
            address: Address::new(read.text(header::ADDRESS)?),
            lane: Lane::new(read.text(header::LANE)?),
            class: Class::parse(&read.text(header::CLASS)?).ok_or(DecodeError::Unknown(header::CLASS))?,
            effect: read.effect(received_at)?,
            received_at,
            queued_at: read.optional_time(header::QUEUED_AT)?.unwrap_or(received_at),
            attempts: read.count(header::ATTEMPTS)?,
            visits: read.count(header::VISITS)?,
            copies: read.count(header::COPIES)?,
            traceparent: read.optional_text(header::TRACEPARENT),
            letter: read.letter()?,
            body,
        })
    }
}

/// Reads headers as the types that they should have.
struct Reader<G> {
    get: G,
}

impl<G: Fn(&str) -> Option<Field>> Reader<G> {
    fn optional_text(&self, name: &'static str) -> Option<Arc<str>> {
        match (self.get)(name)? {
            Field::Text(text) => Some(text),
            Field::Word(word) => Some(word.into()),
            Field::Number(_) => None,
        }
    }

    fn text(&self, name: &'static str) -> Result<Arc<str>, DecodeError> {
        self.optional_text(name).ok_or(DecodeError::Missing(name))
    }

    fn time(&self, name: &'static str) -> Result<Timestamp, DecodeError> {
        self.optional_time(name)?.ok_or(DecodeError::Missing(name))
    }

    fn optional_time(&self, name: &'static str) -> Result<Option<Timestamp>, DecodeError> {
        self.optional_text(name).map(|text| text.parse().map_err(|_| DecodeError::Unknown(name))).transpose()
    }

    fn count(&self, name: &'static str) -> Result<u32, DecodeError> {
        match (self.get)(name) {
            Some(Field::Number(count)) => u32::try_from(count).map_err(|_| DecodeError::Unknown(name)),
            Some(Field::Text(_) | Field::Word(_)) => Err(DecodeError::Missing(name)),
            None => Ok(0),
        }
    }

    fn effect(&self, received_at: Timestamp) -> Result<Option<Effect>, DecodeError> {
        let Some(name) = self.optional_text(header::EFFECT) else { return Ok(None) };
        let at = self.optional_time(header::EFFECT_AT)?.unwrap_or(received_at);
        Effect::parse(&name, at).map(Some).ok_or(DecodeError::Unknown(header::EFFECT))
    }

    fn letter(&self) -> Result<Option<Letter>, DecodeError> {
        let Some(reason) = self.optional_text(header::REASON) else { return Ok(None) };
        let status = match (self.get)(header::STATUS) {
            Some(Field::Number(status)) => {
                Some(u16::try_from(status).map_err(|_| DecodeError::Unknown(header::STATUS))?)
            }
            Some(Field::Text(_) | Field::Word(_)) | None => None,
        };
        let answer = self.text(header::ANSWER)?;
        Ok(Some(Letter {
            reason: reason.to_string(),
            status,
            answer: answer.to_string(),
            parked_at: self.time(header::PARKED_AT)?,
        }))
    }
}
