//! Plays an envelope, what the store knows of it, and how DSK answers.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::LazyLock;

use ::event::{Address, DecodeError, EventId, EventType, Lane};
use bytes::Bytes;
use channels::{LookupAnswer, Route};
use jiff::Timestamp;

use super::super::*;
use crate::destination::samples;
use crate::remedy::{Failure, Outcome};

pub(super) const CHANNELS: usize = 3;
/// A lane has the partition of its number.
pub(super) const PARTITIONS: usize = 2;

pub(super) static ROUTES: LazyLock<[Arc<Route>; CHANNELS]> = LazyLock::new(|| ["a", "a", "b"].map(samples::route));

/// What became of the envelopes, by their serial numbers.
#[derive(Debug, Default)]
pub(super) struct Fates {
    pub(super) acknowledged: BTreeSet<u32>,
    /// Dropped without an acknowledgement.
    pub(super) returned: BTreeSet<u32>,
}

/// Plays [`queue::Taken`].
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) serial: u32,
    pub(super) envelope: Envelope,
    pub(super) fault: Option<DecodeError>,
    /// How many connections had been lost when it was taken, and how many are by now.
    pub(super) connection: u64,
    pub(super) losses: Rc<Cell<u64>>,
    pub(super) deliveries: u32,
    pub(super) partition: Partition,
    pub(super) is_acknowledged: bool,
    pub(super) fates: Rc<RefCell<Fates>>,
}

impl Parcel {
    pub(super) fn serial(&self) -> u32 {
        self.serial
    }
}

impl Item for Parcel {
    fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    fn fault(&self) -> Option<DecodeError> {
        self.fault
    }

    fn deliveries(&self) -> u32 {
        self.deliveries
    }

    fn partition(&self) -> Partition {
        self.partition
    }

    fn is_lost(&self) -> bool {
        self.connection != self.losses.get()
    }

    fn acknowledge(mut self) {
        self.is_acknowledged = true;
        assert!(self.fates.borrow_mut().acknowledged.insert(self.serial), "{} acknowledged twice", self.serial);
    }
}

impl Drop for Parcel {
    fn drop(&mut self) {
        if !self.is_acknowledged {
            self.fates.borrow_mut().returned.insert(self.serial);
        }
    }
}

/// What is in a message.
#[derive(Clone, Copy, Debug)]
pub(super) enum Content {
    Event,
    Unrecognized,
    Undecodable,
}

pub(super) fn channel(lane: usize) -> usize {
    lane % CHANNELS
}

pub(super) fn partition(lane: usize) -> Partition {
    Partition::first(PARTITIONS).nth(lane % PARTITIONS).unwrap()
}

/// An envelope of a lane, queued for the first time.
pub(super) fn envelope(id: String, lane: usize, queued_at: Timestamp) -> Envelope {
    Envelope {
        id: EventId::new(id),
        event_type: EventType::new("whatsapp.message"),
        address: address(channel(lane)),
        lane: Lane::new(lane.to_string()),
        class: Class::Messages,
        effect: None,
        received_at: queued_at,
        queued_at,
        attempts: 0,
        visits: 0,
        copies: 0,
        traceparent: None,
        letter: None,
        body: Bytes::from_static(b"{}"),
    }
}

pub(super) fn address(channel: usize) -> Address {
    Address::new(format!("whatsapp:{channel}"))
}

/// How a look-up of one envelope is answered.
pub(super) fn answer(choice: usize, lane: &Lane) -> LookupAnswer {
    let lane: usize = lane.as_str().parse().unwrap();
    match choice % 12 {
        0 => LookupAnswer::Delivered,
        1 => LookupAnswer::Erased,
        2 => LookupAnswer::Disconnected,
        3 => LookupAnswer::Unknown,
        4 => LookupAnswer::Damaged("it is".to_owned()),
        11 => LookupAnswer::Held,
        _ => LookupAnswer::Channel(Arc::clone(&ROUTES[channel(lane)])),
    }
}

/// How an attempt ends; `None` is a panic.
pub(super) fn outcome(choice: usize) -> Option<Outcome> {
    let answered = |status: u16, retry_after: Option<u64>| {
        let status = hyper::StatusCode::from_u16(status).unwrap();
        Outcome::of_answer(status, retry_after.map(Duration::from_secs), String::new())
    };
    match choice % 12 {
        0 => None,
        1 => Some(answered(400, None)),
        2 => Some(answered(401, None)),
        3 => Some(answered(429, Some(2))),
        4 => Some(answered(429, Some(120))),
        5 => Some(Outcome::Failed(Failure::Unopenable)),
        6 | 7 => Some(Outcome::Failed(Failure::TimedOut)),
        8 => Some(answered(503, None)),
        _ => Some(answered(200, None)),
    }
}
