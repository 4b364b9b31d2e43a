//! Makes room when nothing more can be taken of a partition: the destination that has most in flight defers its latest lanes, whatever
//! anybody's health, if the room can be of use to another.

use std::collections::BTreeSet;
use std::time::Duration;

use channels::TenantEndpoint;
use tokio::time::Instant;

use super::{Deferral, Item, Moment, Work, Worker};
use crate::deferred::DeferredLanes;
use crate::group::Group;
use crate::lanes::Removed;
use crate::retry_policy::RetryPolicy;
use crate::room::Excess;

/// While most of a destination's envelopes wait only for their turn, they are deferred when one of them has waited for this
/// long, and not before: a backlog that is being delivered makes room by itself.
const PATIENCE: Duration = Duration::from_secs(1);

impl<T: Item> Worker<T> {
    /// Defers the latest lanes of the destination that has most in flight, if nothing more can be taken of a
    /// partition or of any, attempts could be made, and the store knows another destination that could use them.
    pub(super) fn make_room(&mut self, now: Moment) {
        if self.is_stopping || self.hand_overs.is_store_away() {
            return;
        }
        let Some(excess) = self.room.look(&self.tally, now.instant) else { return };
        if self.lanes.is_window_full() {
            return;
        }
        let deferred = &self.deferred;
        let Some(largest) = self.lanes.largest(|item| weight(item, excess, deferred)) else { return };
        let is_being_delivered = largest.parked < largest.amount / 2 && now.instant < largest.since + PATIENCE;
        if is_being_delivered || !self.has_use_for_room(&largest.group, now.instant) {
            return;
        }
        let deferred = &self.deferred;
        let part = self.room.part(excess);
        let removed = self.lanes.remove_latest(&largest.group, part, |item| weight(item, excess, deferred));
        self.defer_all(removed, now);
    }

    /// Whether a destination other than that of the group might have something in the queue and could get it.
    pub(super) fn has_use_for_room(&mut self, group: &Group, now: Instant) -> bool {
        if self.room.begin_survey(now) {
            self.start(Work::Survey);
        }
        let mut others = self.room.destinations().filter(|other| group.destination() != Some(other));
        others.any(|other| !self.state.is_down(other))
    }

    /// The store was asked which destinations there are.
    pub(super) fn surveyed(&mut self, endpoints: Option<BTreeSet<TenantEndpoint>>, now: Instant) {
        let targets = &self.state.targets;
        let destination = |of: &TenantEndpoint| targets.destination(&of.tenant, of.dsk_url.as_deref());
        let destinations = endpoints.map(|endpoints| endpoints.iter().filter_map(destination).collect());
        self.room.surveyed(destinations, now);
    }

    /// All of what is removed of a lane goes to the same retry queue, so that it comes back in its order.
    fn defer_all(&mut self, removed: Vec<Removed<T>>, now: Moment) {
        let mut tier = None;
        let mut deferrals = Vec::with_capacity(removed.len());
        for Removed { flight, was_ready, first_of_lane } in removed {
            let envelope = flight.item.envelope();
            let new = || RetryPolicy::defer(was_ready, envelope.visits, envelope.copies);
            let tier = *if first_of_lane { tier.insert(new()) } else { tier.get_or_insert_with(new) };
            deferrals.push(Deferral { flight, tier });
        }
        self.defer(deferrals, now);
    }
}

/// How much of what there is too much of is taken up by an envelope. While the store is being told about a lane, nothing else of
/// it can make room.
fn weight<T: Item>(item: &T, excess: Excess, deferred: &DeferredLanes) -> usize {
    if deferred.is_being_noted(&item.envelope().lane) {
        return 0;
    }
    match excess {
        Excess::OfPartition(partition) => usize::from(item.partition() == partition),
        Excess::Envelopes => 1,
        Excess::Bytes => item.envelope().body.len(),
    }
}
