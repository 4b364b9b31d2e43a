//! Defers events. The store is told first which events of a lane come before all others, so that whoever takes later ones lets
//! these come first.

use std::collections::BTreeMap;
use std::time::Duration;

use ::event::{EventId, Lane};
use channels::DeferredLane;
use queue::Tier;

use super::{Deferral, Item, Moment, Settlement, Work, Worker};
use crate::deferred::Behind;
use crate::lanes::{Flight, Named};
use crate::pauses::WAIT_IN_FLIGHT_MAX;

/// How long a lane waits before it is looked up again, if nothing of it is taken meanwhile: another dispatcher may have settled
/// what it waits for.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// The same while the store is being told, which takes a round trip or two.
pub(super) const NOTE_TIME: Duration = Duration::from_millis(100);

impl<T: Item> Worker<T> {
    /// Moves envelopes to retry queues without using up an attempt. They are what their lanes have from some place on. None is
    /// of a lane about which the store is being told something.
    pub(super) fn defer(&mut self, deferrals: Vec<Deferral<T>>, now: Moment) {
        let mut lanes: BTreeMap<Lane, Vec<Deferral<T>>> = BTreeMap::new();
        for deferral in deferrals {
            lanes.entry(deferral.flight.lane.clone()).or_default().push(deferral);
        }
        lanes.into_iter().for_each(|(lane, deferrals)| self.defer_lane(lane, deferrals, now));
    }

    fn defer_lane(&mut self, lane: Lane, deferrals: Vec<Deferral<T>>, now: Moment) {
        let mut named: Vec<Named> = self.lanes.named(&lane);
        named.extend(deferrals.iter().map(|deferral| deferral.flight.named()));
        named.sort_by_key(|named| named.serial);
        let last = deferrals.iter().map(|deferral| deferral.flight.serial).max().unwrap_or_default();
        let ids: Vec<EventId> =
            named.into_iter().take_while(|named| named.serial <= last).map(|named| named.id).collect();
        self.deferred.note(&lane, &ids, now.instant);
        for Deferral { flight, .. } in &deferrals {
            self.room.left(flight.item.partition(), flight.item.envelope().body.len());
        }
        let delay = deferrals.iter().map(|deferral| deferral.tier.delay()).max().unwrap_or_default();
        self.start(Work::Note { lane, ids, delay, deferrals });
    }

    /// The store was told, or it was not because a drain or a stop came first.
    pub(super) fn noted(&mut self, lane: &Lane, deferrals: Vec<Deferral<T>>, noted: Option<DeferredLane>, now: Moment) {
        let is_noted = noted.is_some();
        let settled = self.deferred.noted(lane, noted, now.instant);
        self.forget(lane, settled);
        for Deferral { flight, tier } in deferrals {
            if is_noted {
                self.deferred.leaves(lane, &flight.id, now.instant);
                self.note_deferral(&flight, tier, now);
                self.start(Work::Settle { flight, settlement: Settlement::Defer(tier) });
            } else {
                self.room.arrived(flight.item.partition(), flight.item.envelope().body.len());
                self.set_aside(flight);
            }
        }
    }

    /// Other events of the lane come first. One that is here goes on. If none is, the envelope waits for them, or follows them
    /// into a retry queue if that takes long, together with what is behind it.
    pub(super) fn wait_behind(&mut self, flight: Flight<T>, behind: &Behind, now: Moment) {
        let Behind { order, back_in } = behind;
        let is_being_noted = self.deferred.is_being_noted(&flight.lane);
        let has_waited = now.instant.saturating_duration_since(flight.taken_at) > WAIT_IN_FLIGHT_MAX;
        let may_follow = !is_being_noted && !self.draining().contains(flight.item.partition());
        if may_follow
            && (has_waited || *back_in > WAIT_IN_FLIGHT_MAX)
            && !self.lanes.has_one_before(&flight.lane, &flight.id, order)
        {
            return self.defer_rest(flight, Tier::not_longer_than(*back_in), now);
        }
        let wait = if is_being_noted { NOTE_TIME } else { LOOK_AGAIN };
        self.lanes.wait_behind(flight, order, now.instant + wait);
    }

    /// Defers an envelope that was handed out, with everything behind it in its lane.
    pub(super) fn defer_rest(&mut self, flight: Flight<T>, tier: Tier, now: Moment) {
        let rest = self.lanes.remove_rest(&flight.lane);
        let deferrals = [flight].into_iter().chain(rest).map(|flight| Deferral { flight, tier });
        self.defer(deferrals.collect(), now);
    }

    /// An event is settled: nothing of its lane waits for it any more.
    pub(super) fn note_settled(&mut self, flight: &Flight<T>) {
        let ids = self.deferred.settled(&flight.lane, &flight.id);
        self.forget(&flight.lane, ids);
    }

    fn forget(&mut self, lane: &Lane, ids: Vec<EventId>) {
        if !ids.is_empty() {
            self.start(Work::Forget { lane: lane.clone(), ids });
        }
    }
}
