//! The markers of erasures: what was received until the time in a marker is discarded, and what comes later is delivered.
//! That time never moves back, whatever is asked for later or told late.

use event::Address;
use jiff::Timestamp;

use crate::changes::marks;
use crate::error::StoreError;
use crate::store::ChannelStore;
use crate::transaction::Transaction;
use crate::update::Decision;

impl ChannelStore {
    /// Events of this channel (an address) or conversation (a lane) that were received by `until` are discarded when they
    /// are taken. What comes later is delivered.
    pub async fn mark_erased(&self, address_or_lane: &str, until: Timestamp) -> Result<(), StoreError> {
        let hashing = self.hashing().await?;
        self.raise_erasure(hashing.marker(address_or_lane), until).await
    }

    /// Until when what was received for a channel is erased, if it is. One whose time is not known concerns everything.
    pub(crate) async fn erased_until(&self, address: &Address) -> Result<Option<Timestamp>, StoreError> {
        let markers = self.read_marks(self.hashing().await?.markers(address.as_str())).await?;
        let times = markers.into_iter().flatten().map(|text| text.parse().unwrap_or(Timestamp::MAX));
        Ok(times.max())
    }

    /// Gives erasures that an older release marked a time: from now on, what is received is delivered again.
    pub(crate) async fn date_erasures(&self, undated: Vec<String>, now: Timestamp) -> Result<(), StoreError> {
        for key in undated {
            self.raise_erasure(key, now).await?;
        }
        Ok(())
    }

    /// Sets the time of a marker, unless it has a later one already.
    pub(crate) async fn raise_erasure(&self, key: String, until: Timestamp) -> Result<(), StoreError> {
        let raise = |transaction: &mut Transaction| {
            // What an older release marked holds for everything that came until now.
            let is_undated = marks::is_undated(&transaction.hash(&key).fields);
            marks::raise(transaction, &key, if is_undated { until.max(chassis::now()) } else { until });
            Ok(Decision::Write(()))
        };
        self.update(vec![key.clone()], raise).await
    }
}
