//! Writes down the order of lanes of which events are deferred, and what of them is settled.

use event::{EventId, Lane};

use crate::deferrals::{DeferredLane, NewDeferral};
use crate::error::StoreError;
use crate::store::ChannelStore;
use crate::transaction::{Lifetime, Transaction};
use crate::update::Decision;
use crate::{fields, keys};

impl ChannelStore {
    /// Adds events to those that come before any other of their lane, before the first of them is deferred. Those that are
    /// among them keep their places. Returns all of them.
    pub async fn note_deferral(&self, new: NewDeferral<'_>) -> Result<DeferredLane, StoreError> {
        let add = |deferred: &mut DeferredLane| deferred.defer(&new);
        self.change_deferred(new.lane, add).await
    }

    /// Removes events that are settled.
    pub async fn forget_deferred(&self, lane: &Lane, settled: &[EventId]) -> Result<DeferredLane, StoreError> {
        self.change_deferred(lane, |deferred| deferred.forget(settled)).await
    }

    async fn change_deferred(
        &self,
        lane: &Lane,
        change: impl Fn(&mut DeferredLane),
    ) -> Result<DeferredLane, StoreError> {
        let hashes = self.hashing().await?.all(lane.as_str());
        let written: Vec<String> = hashes.iter().map(|hash| keys::deferred(hash)).collect();
        let change = |transaction: &mut Transaction| {
            // It stays under the key that it has, though the lane would have another hash by now.
            let found = written.iter().find(|key| !transaction.hash(key).fields.is_empty());
            let Some(key) = found.or(written.first()) else { return Ok(Decision::Abandon(DeferredLane::default())) };
            let hash = transaction.hash(key);
            let text = hash.fields.get(fields::MARK).map(String::as_str);
            let before = text.and_then(DeferredLane::from_text).unwrap_or_default();
            let mut after = before.clone();
            change(&mut after);
            if after == before {
                return Ok(Decision::Abandon(before));
            }
            hash.fields = fields::collect([(fields::MARK, after.to_text())]);
            hash.lifetime = Lifetime::Limited(keys::DEFERRED_TIME);
            Ok(Decision::Write(after))
        };
        self.update(written.clone(), change).await
    }
}
