//! Lets go of envelopes that were held for too long.

use std::time::Duration;

use queue::Tier;
use tracing::{info, warn};

use super::{Deferral, Item, Moment, Worker};
use crate::retry_policy::RetryPolicy;

/// How long a deferral of what was held for too long may take. RabbitMQ allows five minutes more than we hold anything.
const DEFERRAL_TIME: Duration = Duration::from_mins(1);

impl<T: Item> Worker<T> {
    /// Defers the lanes that were held for too long, so that other destinations notice nothing. Where there is no other that
    /// could, or the deferral can't be made, everything in flight of their partitions is given back: that keeps the order of
    /// the queue, but nothing of these partitions begins until their attempts under way have ended.
    pub(super) fn release_held(&mut self, held_for: Duration, now: Moment) {
        let class = self.class.as_str();
        let held_for_s = held_for.as_secs();
        let taken_by = now.instant.checked_sub(self.state.hold_time).unwrap_or(now.instant);
        if held_for < self.state.hold_time + DEFERRAL_TIME {
            let groups = self.lanes.groups_held(taken_by);
            let have_others_use = groups.iter().all(|group| self.has_use_for_room(group, now.instant));
            if have_others_use {
                let deferred = &self.deferred;
                let held = self.lanes.remove_held(taken_by, |lane| !deferred.is_being_noted(lane));
                if !held.is_empty() {
                    info!(class, held_for_s, deferred = held.len(), "Deferring what was held for too long");
                }
                let deferrals = held.into_iter().map(|flight| Deferral { flight, tier: Tier::TenSeconds });
                return self.defer(deferrals.collect(), now);
            }
            if self.room.is_surveying() {
                return;
            }
        }
        warn!(class, held_for_s, "Will give back what was held for too long");
        for partition in self.tally.held(taken_by).iter() {
            self.draining.insert(partition);
        }
        let draining = self.draining;
        // What was given back too often would be parked.
        let deferred = &self.deferred;
        let is_renewed = |item: &T| {
            draining.contains(item.partition())
                && RetryPolicy::renews(item.deliveries())
                && !deferred.is_being_noted(&item.envelope().lane)
        };
        let renewed = self.lanes.remove_waiting(is_renewed);
        let deferrals = renewed.into_iter().map(|flight| Deferral { flight, tier: Tier::TenSeconds });
        self.defer(deferrals.collect(), now);
    }
}
