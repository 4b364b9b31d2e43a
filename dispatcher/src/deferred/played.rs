//! Plays what the channel store holds of lanes of which events were deferred, for the tests of workers.

use std::collections::BTreeMap;

use channels::{DeferredLane, NewDeferral};
use event::{EventId, Lane};

/// The lanes of which something is deferred.
#[derive(Clone, Debug, Default)]
pub(crate) struct PlayedLanes(BTreeMap<Lane, DeferredLane>);

impl PlayedLanes {
    /// What a look-up says of a lane.
    pub(crate) fn of(&self, lane: &Lane) -> Option<DeferredLane> {
        self.0.get(lane).cloned()
    }

    /// As the store does when it is told that something is about to be deferred.
    pub(crate) fn note(&mut self, new: &NewDeferral<'_>) -> DeferredLane {
        let deferred = self.0.entry(new.lane.clone()).or_default();
        deferred.defer(new);
        deferred.clone()
    }

    /// As the store does when it is told what is settled.
    pub(crate) fn forget(&mut self, lane: &Lane, settled: &[EventId]) {
        if let Some(deferred) = self.0.get_mut(lane) {
            deferred.forget(settled);
        }
        self.0.retain(|_, deferred| !deferred.ids.is_empty());
    }
}
