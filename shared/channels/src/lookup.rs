//! What delivery asks about a batch of envelopes, and how the answers follow from markers and records.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use event::{Address, EventId, Lane};
use jiff::Timestamp;

use crate::deferrals::DeferredLane;
use crate::error::StoreError;
use crate::fields::Fields;
use crate::hashing::Hashing;
use crate::held::Held;
use crate::keys;
use crate::record::{ChannelState, Route};

/// What is asked about one envelope.
#[derive(Clone, Copy, Debug)]
pub struct Lookup<'a> {
    /// Was this event delivered already?
    pub id: &'a EventId,
    /// Which channel does it belong to, and is that channel erased?
    pub address: &'a Address,
    /// Is this conversation erased?
    pub lane: &'a Lane,
    /// Is it news about the account itself? Those are wanted even when the account is disconnected.
    pub is_about_account: bool,
    /// When we received it: an erasure concerns what was received before it.
    pub received_at: Timestamp,
}

/// What the store knows about one envelope.
#[derive(Clone, Debug)]
pub enum LookupAnswer {
    /// DSK has the event.
    Delivered,
    /// The person or the channel asked for erasure.
    Erased,
    /// The person asked for a restriction, and the event is to be parked.
    Held,
    /// There is no such channel.
    Unknown,
    /// The channel was removed.
    Disconnected,
    /// The channel's record can't be used, for this reason.
    Damaged(String),
    /// The channel's events go this way.
    Channel(Arc<Route>),
}

impl LookupAnswer {
    /// Becomes the answer that the event is held, if a conversation of its people (a lane) is. What is not going to be
    /// delivered anyhow is not parked either: what was erased or delivered, and what belongs to a removed channel.
    pub fn hold_if<'l>(&mut self, held: &Held, lanes: impl IntoIterator<Item = &'l str>) {
        let may_be_delivered = match self {
            Self::Channel(_) | Self::Unknown | Self::Damaged(_) => true,
            Self::Delivered | Self::Erased | Self::Disconnected | Self::Held => false,
        };
        if may_be_delivered && lanes.into_iter().any(|lane| held.until(lane).is_some()) {
            *self = Self::Held;
        }
    }
}

/// What the store knows about a batch of envelopes.
#[derive(Clone, Debug)]
pub struct LookedUp {
    /// In the order of the envelopes.
    pub answers: Vec<LookupAnswer>,
    /// What was received later than this concerns no erased conversation. `None`: none was erased for 30 days.
    pub contacts_erased_until: Option<Timestamp>,
    /// The conversations that are held. The answers say so of the envelopes' own.
    pub held: Held,
    /// For each envelope, what comes before any other of its lane because some of it was deferred.
    pub deferred: Vec<Option<DeferredLane>>,
}

/// The keys that a back end reads for a batch. A burst is mostly about a few channels, so each record is read once, and so is
/// what concerns a lane.
#[derive(Debug)]
pub(crate) struct LookupBatch {
    /// Delivery markers of the events; then the erasure markers, form by form: of their lanes, of the channels, and at last
    /// that of any conversation; then, form by form, what was deferred of each lane.
    pub(crate) marks: Vec<String>,
    /// Records of the channels.
    pub(crate) channels: Vec<String>,
    erasure_marks: usize,
    lane_count: usize,
    events: Vec<EventKeys>,
}

/// What a batch notes about one event.
#[derive(Clone, Copy, Debug)]
struct EventKeys {
    /// The index of its channel.
    channel: usize,
    /// The index of its lane.
    lane: usize,
    is_about_account: bool,
    received_at: Timestamp,
}

/// A back end's reply: for each key, in the same order, the marker's value if it exists, and what the record holds.
#[derive(Debug)]
pub(crate) struct LookupReply {
    pub(crate) marks: Vec<Option<String>>,
    pub(crate) channels: Vec<Fields>,
    /// The keys under which erasures are hashed: what was asked is right only if it was hashed with these.
    pub(crate) erasure_keys: Fields,
    /// The conversations that are held.
    pub(crate) held: Fields,
}

/// Until when a batch's lanes, channels and conversations are erased, whichever form of a marker says so. One whose time is
/// not known concerns everything, until it is given a time.
#[derive(Debug)]
struct ErasedUntil {
    lanes: Vec<Option<Timestamp>>,
    channels: Vec<Option<Timestamp>>,
    contacts: Option<Timestamp>,
}

/// Each of some things once, in the order in which they came.
struct Distinct<'a, T> {
    all: Vec<&'a T>,
    index: HashMap<&'a T, usize>,
}

impl<T> Default for Distinct<'_, T> {
    fn default() -> Self {
        Self { all: Vec::new(), index: HashMap::new() }
    }
}

impl<'a, T: Eq + Hash> Distinct<'a, T> {
    fn index_of(&mut self, one: &'a T) -> usize {
        *self.index.entry(one).or_insert_with(|| {
            self.all.push(one);
            self.all.len() - 1
        })
    }
}

impl LookupBatch {
    pub(crate) fn new(lookups: &[Lookup<'_>], hashing: &Hashing) -> Self {
        let mut addresses = Distinct::default();
        let mut lanes = Distinct::default();
        let mut events = Vec::with_capacity(lookups.len());
        for lookup in lookups {
            events.push(EventKeys {
                channel: addresses.index_of(lookup.address),
                lane: lanes.index_of(lookup.lane),
                is_about_account: lookup.is_about_account,
                received_at: lookup.received_at,
            });
        }
        let lane_count = lanes.all.len();
        let erasable = lanes.all.iter().map(|lane| lane.as_str());
        let erasable = erasable.chain(addresses.all.iter().map(|address| address.as_str())).chain([keys::ANY_CONTACT]);
        let erasable: Vec<&str> = erasable.collect();
        let hashes = hashing.by_form(&erasable);
        let mut marks: Vec<String> = lookups.iter().map(|lookup| keys::delivered(lookup.id)).collect();
        marks.extend(hashes.iter().map(|hash| keys::erased(hash)));
        let lanes_by_form = hashes.chunks(erasable.len()).flat_map(|form| &form[..lane_count]);
        marks.extend(lanes_by_form.map(|hash| keys::deferred(hash)));
        let channels = addresses.all.into_iter().map(keys::channel).collect();
        Self { marks, channels, erasure_marks: hashes.len(), lane_count, events }
    }

    /// The erasure markers that an older release wrote, which did not write when.
    pub(crate) fn undated(&self, reply: &LookupReply) -> Vec<String> {
        let marks = self.marks.iter().zip(&reply.marks).skip(self.events.len()).take(self.erasure_marks);
        let undated = marks.filter(|(_, value)| value.as_deref().is_some_and(|value| time(value).is_none()));
        undated.map(|(key, _)| key.clone()).collect()
    }

    /// Until when conversations were erased, if any was.
    pub(crate) fn contacts_erased_until(&self, reply: &LookupReply) -> Option<Timestamp> {
        self.erased_until(reply).contacts
    }

    fn erased_until(&self, reply: &LookupReply) -> ErasedUntil {
        let mut until = vec![None; self.lane_count + self.channels.len() + 1];
        for form in reply.marks[self.events.len()..][..self.erasure_marks].chunks(until.len()) {
            for (until, marker) in until.iter_mut().zip(form) {
                *until = (*until).max(marker.as_deref().map(|marker| time(marker).unwrap_or(Timestamp::MAX)));
            }
        }
        let contacts = until.pop().flatten();
        let channels = until.split_off(self.lane_count);
        ErasedUntil { lanes: until, channels, contacts }
    }

    /// What was deferred of each event's lane, in the order of the batch.
    pub(crate) fn deferred(&self, reply: &LookupReply) -> Vec<Option<DeferredLane>> {
        let by_form = reply.marks.get(self.events.len() + self.erasure_marks..).unwrap_or_default();
        let of_lane = |lane: usize| {
            by_form.chunks(self.lane_count).find_map(|form| DeferredLane::from_text(form.get(lane)?.as_deref()?))
        };
        let lanes: Vec<Option<DeferredLane>> = (0..self.lane_count).map(of_lane).collect();
        self.events.iter().map(|event| lanes[event.lane].clone()).collect()
    }

    /// What is known about each event, in the order of the batch.
    pub(crate) fn answers(&self, reply: &LookupReply) -> Result<Vec<LookupAnswer>, StoreError> {
        if reply.marks.len() != self.marks.len() || reply.channels.len() != self.channels.len() {
            return Err(StoreError::Refused("an answer of another length".to_owned()));
        }
        let addresses: Vec<Address> = self.channels.iter().map(|key| keys::address_of_channel(key)).collect();
        let records = addresses.iter().zip(&reply.channels);
        let channels: Vec<LookupAnswer> = records.map(|(address, fields)| answer_for_record(address, fields)).collect();
        let delivered = &reply.marks[..self.events.len()];
        let erased = self.erased_until(reply);
        let answer = |(index, event): (usize, &EventKeys)| {
            let erased_channel = erased.channels[event.channel];
            if is_erased(erased.lanes[event.lane], event) || is_erased(erased_channel, event) {
                return LookupAnswer::Erased;
            }
            if delivered[index].is_some() {
                return LookupAnswer::Delivered;
            }
            let answer = &channels[event.channel];
            if event.is_about_account && matches!(answer, LookupAnswer::Disconnected) {
                return answer_about(&addresses[event.channel], &reply.channels[event.channel]);
            }
            // An erasure leaves no tombstone; its marker takes that place.
            let is_removed = erased_channel.is_some() && !event.is_about_account;
            if is_removed && matches!(answer, LookupAnswer::Unknown) {
                return LookupAnswer::Disconnected;
            }
            answer.clone()
        };
        Ok(self.events.iter().enumerate().map(answer).collect())
    }
}

/// Whether an erasure concerns the event.
fn is_erased(until: Option<Timestamp>, event: &EventKeys) -> bool {
    until.is_some_and(|until| event.received_at <= until)
}

fn time(marker: &str) -> Option<Timestamp> {
    marker.parse().ok()
}

/// The answer for news about an account that is disconnected: its record keeps the way to DSK. One that an older release
/// left does not, so such news waits for the account to be connected again, as that of an unknown channel does.
fn answer_about(address: &Address, disconnected: &Fields) -> LookupAnswer {
    Route::from_fields(address, disconnected)
        .map_or(LookupAnswer::Unknown, |route| LookupAnswer::Channel(Arc::new(route)))
}

fn answer_for_record(address: &Address, fields: &Fields) -> LookupAnswer {
    if fields.is_empty() {
        return LookupAnswer::Unknown;
    }
    match ChannelState::from_fields(fields) {
        Ok(ChannelState::Disconnected) => LookupAnswer::Disconnected,
        Ok(ChannelState::Connected | ChannelState::ReconnectNeeded) => match Route::from_fields(address, fields) {
            Ok(route) => LookupAnswer::Channel(Arc::new(route)),
            Err(damage) => LookupAnswer::Damaged(damage),
        },
        Err(damage) => LookupAnswer::Damaged(damage),
    }
}
