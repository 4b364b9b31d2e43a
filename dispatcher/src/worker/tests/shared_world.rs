//! What dispatchers share that follow one another: a queue that gives back what a dead one had, and the store.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use ::event::{DecodeError, EventId, Lane};
use channels::{DeferredLane, LookupAnswer, NewDeferral};
use tokio::time::Instant;

use super::super::*;
use super::parcel::{ROUTES, channel};
use crate::contacts::Found;
use crate::deferred::played::PlayedLanes;

/// A message of the partition, and what settles it.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) place: u64,
    pub(super) envelope: Envelope,
    pub(super) broker: Rc<RefCell<Broker>>,
}

/// A partition, its retry queues, and what a dispatcher has in flight.
#[derive(Debug, Default)]
pub(super) struct Broker {
    last_place: u64,
    pub(super) waiting: BTreeMap<u64, Envelope>,
    pub(super) in_flight: BTreeMap<u64, Envelope>,
    retries: BTreeMap<(Instant, u64), Envelope>,
}

impl Item for Message {
    fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    fn fault(&self) -> Option<DecodeError> {
        None
    }

    fn deliveries(&self) -> u32 {
        0
    }

    fn partition(&self) -> Partition {
        Partition::FIRST
    }

    fn is_lost(&self) -> bool {
        false
    }

    fn acknowledge(self) {
        self.broker.borrow_mut().in_flight.remove(&self.place);
    }
}

impl Broker {
    pub(super) fn publish(&mut self, envelope: Envelope) {
        self.last_place += 1;
        self.waiting.insert(self.last_place, envelope);
    }

    pub(super) fn defer(&mut self, envelope: Envelope, until: Instant) {
        self.last_place += 1;
        self.retries.insert((until, self.last_place), envelope);
    }

    /// What has waited long enough is in the partition again.
    pub(super) fn return_due(&mut self, now: Instant) {
        while let Some(first) = self.retries.first_entry().filter(|first| first.key().0 <= now) {
            let envelope = first.remove();
            self.publish(envelope);
        }
    }

    /// Everything in flight is back in its place.
    pub(super) fn give_back(&mut self) {
        let in_flight = std::mem::take(&mut self.in_flight);
        self.waiting.extend(in_flight);
    }
}

/// What the dispatchers share.
#[derive(Clone, Debug, Default)]
pub(super) struct Store {
    pub(super) delivered: BTreeSet<EventId>,
    deferred: PlayedLanes,
}

impl Store {
    pub(super) fn found(&self, flight: &Flight<Message>) -> Found {
        let lane: usize = flight.lane.as_str().parse().unwrap();
        let answer = if self.delivered.contains(&flight.id) {
            LookupAnswer::Delivered
        } else {
            LookupAnswer::Channel(Arc::clone(&ROUTES[channel(lane)]))
        };
        Found { answer, deferred: self.deferred.of(&flight.lane) }
    }

    pub(super) fn note(&mut self, lane: &Lane, ids: &[EventId], delay: Duration, now: Timestamp) -> DeferredLane {
        self.deferred.note(&NewDeferral { lane, ids, delay, now })
    }

    pub(super) fn forget(&mut self, lane: &Lane, ids: &[EventId]) {
        self.deferred.forget(lane, ids);
    }
}
