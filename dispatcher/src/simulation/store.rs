//! Plays the channel store: markers, records, erasures, and what was deferred of each lane.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use channels::{DeferredLane, LookupAnswer, NewDeferral, Route, SealedSecret, TenantEndpoint};
use event::{Envelope, EventId, Lane};
use jiff::Timestamp;

use super::faults::Misfit;
use super::plan::Plan;
use crate::contacts::Found;
use crate::deferred::played::PlayedLanes;
use crate::destination::samples;

/// Sealed tokens that differ.
static TOKENS: LazyLock<Vec<SealedSecret>> =
    LazyLock::new(|| (0..4).map(|_| samples::route("any").dsk_token.clone()).collect());

/// What the store holds. Events, lanes and channels are known by their numbers.
#[derive(Debug)]
pub(super) struct Store {
    is_marked: Vec<bool>,
    deferred: PlayedLanes,
    routes: Vec<Arc<Route>>,
    /// Which token each channel has.
    tokens: Vec<usize>,
    erased_until: Vec<Option<Timestamp>>,
    is_restricted: Vec<bool>,
    is_disconnected: Vec<bool>,
}

impl Store {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            is_marked: vec![false; plan.events.len()],
            deferred: PlayedLanes::default(),
            routes: (0..plan.channels.len()).map(|channel| route(plan, channel, 0)).collect(),
            tokens: vec![0; plan.channels.len()],
            erased_until: vec![None; plan.lanes.len()],
            is_restricted: vec![false; plan.lanes.len()],
            is_disconnected: vec![false; plan.channels.len()],
        }
    }

    /// What the store knows of an envelope.
    pub(super) fn found(&self, plan: &Plan, envelope: &Envelope, time: Duration) -> Found {
        let answer = self.answer(plan, envelope, time);
        Found { answer, deferred: self.deferred.of(&envelope.lane) }
    }

    fn answer(&self, plan: &Plan, envelope: &Envelope, time: Duration) -> LookupAnswer {
        let lane = lane_number(&envelope.lane);
        let channel = plan.lanes[lane].channel;
        if self.is_marked[number(&envelope.id)] {
            return LookupAnswer::Delivered;
        }
        if self.is_erased(envelope) {
            return LookupAnswer::Erased;
        }
        if self.is_disconnected[channel] {
            return LookupAnswer::Disconnected;
        }
        if self.is_restricted[lane] {
            return LookupAnswer::Held;
        }
        match plan.misfit(channel, time) {
            Some(Misfit::Unknown) => LookupAnswer::Unknown,
            Some(Misfit::Damaged) => LookupAnswer::Damaged("it is".to_owned()),
            Some(Misfit::Refused | Misfit::RefusedForAWhile | Misfit::Unopenable) | None => {
                LookupAnswer::Channel(Arc::clone(&self.routes[channel]))
            }
        }
    }

    pub(super) fn is_erased(&self, envelope: &Envelope) -> bool {
        self.erased_until[lane_number(&envelope.lane)].is_some_and(|until| envelope.received_at <= until)
    }

    /// Whether an event may be settled without a delivery or a copy.
    pub(super) fn allows_skipping(&self, plan: &Plan, envelope: &Envelope) -> bool {
        let channel = plan.lanes[lane_number(&envelope.lane)].channel;
        self.is_marked[number(&envelope.id)] || self.is_erased(envelope) || self.is_disconnected[channel]
    }

    pub(super) fn is_marked(&self, id: &EventId) -> bool {
        self.is_marked[number(id)]
    }

    pub(super) fn is_restricted(&self, lane: usize) -> bool {
        self.is_restricted[lane]
    }

    pub(super) fn mark(&mut self, id: &EventId) {
        self.is_marked[number(id)] = true;
    }

    pub(super) fn forget_markers(&mut self) {
        self.is_marked.fill(false);
    }

    pub(super) fn erase(&mut self, lane: usize, until: Timestamp) {
        self.erased_until[lane] = Some(until);
    }

    pub(super) fn restrict(&mut self, lane: usize) {
        self.is_restricted[lane] = true;
    }

    pub(super) fn disconnect(&mut self, channel: usize) {
        self.is_disconnected[channel] = true;
    }

    /// An operator corrects a channel's record.
    pub(super) fn renew(&mut self, plan: &Plan, channel: usize) {
        self.tokens[channel] += 1;
        self.routes[channel] = route(plan, channel, self.tokens[channel]);
    }

    pub(super) fn note(&mut self, lane: &Lane, ids: &[EventId], delay: Duration, now: Timestamp) -> DeferredLane {
        self.deferred.note(&NewDeferral { lane, ids, delay, now })
    }

    pub(super) fn forget(&mut self, lane: &Lane, ids: &[EventId]) {
        self.deferred.forget(lane, ids);
    }

    /// Where the events of all channels go.
    pub(super) fn endpoints(&self) -> impl Iterator<Item = TenantEndpoint> {
        self.routes.iter().map(|route| TenantEndpoint { tenant: route.tenant.clone(), dsk_url: route.dsk_url.clone() })
    }

    /// The record of a channel.
    pub(super) fn routes(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.routes.iter()
    }
}

/// The number of an event, which is its id.
pub(super) fn number(id: &EventId) -> usize {
    id.as_str().parse().expect("an event's id is its number")
}

/// The number of a lane, which is its name.
pub(super) fn lane_number(lane: &Lane) -> usize {
    lane.as_str().parse().expect("a lane's name is its number")
}

fn route(plan: &Plan, channel: usize, token: usize) -> Arc<Route> {
    let customer = plan.channels[channel];
    let origin = plan.customers[customer].origin;
    Arc::new(Route {
        tenant: format!("t{customer}"),
        dsk_url: (origin > 0).then(|| format!("https://dsk{origin}.example/")),
        dsk_token: TOKENS[token % TOKENS.len()].clone(),
        signing_secret: None,
        limits: plan.customers[customer].limits,
    })
}
