//! What a dispatcher asks of the store, and what it leaves there: markers of delivered events, and reports about itself.

use event::EventId;

use crate::error::StoreError;
use crate::lookup::{Lookup, LookupAnswer, LookupBatch};
use crate::store::ChannelStore;
use crate::transaction::Lifetime;
use crate::update::Decision;
use crate::{fields, keys};

impl ChannelStore {
    /// Looks up the marker, the erasures and the channel of each envelope, and answers in the order of the envelopes.
    pub async fn look_up(&self, lookups: &[Lookup<'_>]) -> Result<Vec<LookupAnswer>, StoreError> {
        let batch = LookupBatch::new(lookups);
        let reply = self.look_up_batch(&batch).await?;
        batch.answers(&reply)
    }

    /// Remembers that DSK has these events, for as long as Meta may send them again.
    pub async fn mark_delivered(&self, ids: &[EventId]) -> Result<(), StoreError> {
        self.mark(ids.iter().map(keys::delivered).collect(), keys::DELIVERED_TIME).await
    }

    /// Stores a dispatcher's report about itself (JSON) for 30 seconds; `None` removes it, because the dispatcher ends.
    pub async fn report(&self, instance: &str, status: Option<&str>) -> Result<(), StoreError> {
        let key = format!("{}{instance}", keys::DISPATCHER);
        let replace = |hash: &mut fields::Fields| {
            *hash = fields::collect([(fields::STATUS, status.map(str::to_owned))]);
            Decision::Write(())
        };
        self.update_hash(key, Lifetime::Limited(keys::REPORT_TIME), replace).await
    }

    /// The last report of every dispatcher that runs, in the order of their names.
    pub async fn reports(&self) -> Result<Vec<String>, StoreError> {
        let hashes = self.read_all(keys::DISPATCHER).await?;
        Ok(hashes.into_iter().filter_map(|(_, mut hash)| hash.remove(fields::STATUS)).collect())
    }
}
