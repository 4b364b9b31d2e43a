//! Plays the dispatcher's side of one partition: knows what is in flight whatever becomes of the connection, as the crate
//! `queue` does.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use event::{Envelope, EventId};
use jiff::Timestamp;
use queue::Partition;
use tokio::time::Instant;

use super::broker::{Handed, Message};
use super::parcel::{Disposition, Dispositions, Parcel, Possession};

/// One partition, as a dispatcher has it.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) partition: Partition,
    /// The session of its consumer, while it has one.
    pub(super) session: Option<u64>,
    /// It has a connection, and no consumer only because it is to take nothing now.
    pub(super) may_consume: bool,
    /// Nothing is taken until the worker has let go of what a connection took with it.
    pub(super) is_letting_go: bool,
    pub(super) in_flight: BTreeMap<EventId, Copies>,
    /// Came from the queue and is not taken, because the dispatcher is to take nothing now.
    pub(super) stream: Vec<Handed>,
    /// Settled, and the queue does not know it yet.
    pub(super) to_acknowledge: Vec<u64>,
    /// The queue is about to know it.
    pub(super) is_acknowledging: bool,
    pub(super) round: u64,
    /// When the last message comes that is on its way. They do not overtake each other.
    pub(super) last_arrival: Option<Instant>,
    losses: Rc<Cell<u64>>,
    recent: Vec<CopyKey>,
    remembered: BTreeSet<CopyKey>,
    dispositions: Dispositions,
}

/// The copies of an event that are in flight.
#[derive(Debug)]
pub(super) struct Copies {
    pub(super) taken_at: Instant,
    possession: Possession,
    tags: Vec<Tag>,
    lost: Vec<CopyKey>,
}

#[derive(Debug)]
struct Tag {
    tag: u64,
    key: CopyKey,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct CopyKey {
    id: EventId,
    queued_at: Timestamp,
    copies: u32,
}

impl CopyKey {
    fn of(envelope: &Envelope) -> Self {
        Self { id: envelope.id.clone(), queued_at: envelope.queued_at, copies: envelope.copies }
    }
}

impl Feed {
    pub(super) fn new(partition: Partition, dispositions: Dispositions) -> Self {
        Self {
            partition,
            session: None,
            may_consume: false,
            is_letting_go: false,
            in_flight: BTreeMap::new(),
            stream: Vec::new(),
            to_acknowledge: Vec::new(),
            is_acknowledging: false,
            round: 0,
            last_arrival: None,
            losses: Rc::default(),
            recent: Vec::new(),
            remembered: BTreeSet::new(),
            dispositions,
        }
    }

    /// A message came. Returns its envelope if it is to be taken.
    pub(super) fn take(&mut self, handed: Handed, now: Instant) -> Option<Parcel> {
        let Handed { tag, message } = handed;
        let key = CopyKey::of(&message.envelope);
        let losses = self.losses.get();
        if let Some(copies) = self.in_flight.get_mut(&key.id) {
            copies.lost.retain(|lost| *lost != key);
            copies.tags.push(Tag { tag, key });
            copies.possession.last.set(losses);
            return None;
        }
        if message.was_redelivered && self.remembered.contains(&key) {
            self.to_acknowledge.push(tag);
            return None;
        }
        let possession = Possession { last: Rc::new(Cell::new(losses)), losses: Rc::clone(&self.losses) };
        let copies = Copies {
            taken_at: now,
            possession: possession.clone(),
            tags: vec![Tag { tag, key: key.clone() }],
            lost: Vec::new(),
        };
        self.in_flight.insert(key.id, copies);
        Some(self.parcel(message, possession))
    }

    fn parcel(&self, message: Message, possession: Possession) -> Parcel {
        Parcel {
            envelope: message.envelope,
            fault: message.fault,
            deliveries: message.deliveries,
            partition: self.partition,
            possession,
            round: self.round,
            dispositions: Rc::clone(&self.dispositions),
            is_settled: false,
        }
    }

    /// An envelope is settled or was dropped. Of an earlier round it is ignored: the queue has it again.
    pub(super) fn dispose(&mut self, disposition: &Disposition) {
        let Disposition { envelope, round, is_acknowledged, .. } = disposition;
        let id = &envelope.id;
        if *round != self.round {
            assert!(!is_acknowledged, "event {id} was settled after it was given back");
            return;
        }
        let Some(Copies { tags, lost, .. }) = self.in_flight.remove(id) else {
            panic!("event {id} was settled and is not in flight");
        };
        if !is_acknowledged {
            assert!(tags.is_empty(), "event {id} was dropped, though it is ours");
            return;
        }
        self.remembered.extend(lost);
        for Tag { tag, key } in tags {
            self.to_acknowledge.push(tag);
            self.recent.push(key);
        }
    }

    /// The connection is gone, and its tags with it. What is in flight stays in flight.
    pub(super) fn lose_connection(&mut self) {
        self.session = None;
        self.may_consume = false;
        self.losses.set(self.losses.get() + 1);
        for copies in self.in_flight.values_mut() {
            copies.lost.extend(copies.tags.drain(..).map(|tag| tag.key));
        }
        self.remembered.extend(self.recent.drain(..));
        self.is_letting_go = !self.in_flight.is_empty();
        self.to_acknowledge.clear();
        self.stream.clear();
    }

    /// Everything in flight goes back, and a new round begins.
    pub(super) fn give_back(&mut self) {
        self.lose_connection();
        self.in_flight.clear();
        self.is_letting_go = false;
        self.round += 1;
    }

    /// The events that are in flight, and those whose acknowledgement may be lost with the connection.
    pub(super) fn events_at_risk(&self) -> impl Iterator<Item = &EventId> {
        self.in_flight.keys().chain(self.recent.iter().map(|key| &key.id))
    }

    /// Whether an envelope that came is still ours.
    pub(super) fn is_current(&self, parcel: &Parcel) -> bool {
        parcel.round == self.round && !parcel.is_lost()
    }

    /// Nothing is in flight or on its way.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.stream.is_empty()
    }
}
