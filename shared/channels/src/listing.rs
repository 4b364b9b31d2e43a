//! Reading everything of a kind: all records, a tenant's records, a tenant's links. An index says which keys there are; the
//! count of endpoints, which older releases keep too, shows whether an index lacks what one of them has added.

use crate::error::StoreError;
use crate::fields::{self, Fields};
use crate::index::Index;
use crate::store::ChannelStore;
use crate::{changes, endpoints, keys};

/// How many hashes are read at once.
const BATCH: usize = 500;
/// How often the records are read again because somebody changes channels meanwhile.
const LOOKS_MAX: usize = 4;

impl ChannelStore {
    /// The records of all channels, sorted by key.
    pub(crate) async fn read_channels(&self) -> Result<Vec<(String, Fields)>, StoreError> {
        let mut read = Vec::new();
        let mut before = None;
        for _ in 0..LOOKS_MAX {
            let counts = self.read_one(keys::ENDPOINTS.to_owned()).await?;
            read = self.read_index(&Index::Channels).await?;
            if endpoints::agree(&counts, &read) {
                return Ok(read);
            }
            if before.as_ref() == Some(&counts) {
                return self.reread_channels(&counts).await;
            }
            before = Some(counts);
        }
        Ok(read)
    }

    /// The records of a tenant's connected channels, sorted by key.
    pub(crate) async fn read_channels_of(&self, tenant: &str) -> Result<Vec<(String, Fields)>, StoreError> {
        let is_theirs = |fields: &Fields| {
            changes::is_connected(fields) && fields::text(fields, fields::TENANT).as_deref() == Some(tenant)
        };
        let counts = self.read_one(keys::ENDPOINTS.to_owned()).await?;
        let mut read = self.read_index(&Index::ChannelsOf(tenant.to_owned())).await?;
        read.retain(|(_, fields)| is_theirs(fields));
        if !endpoints::agree(&endpoints::of_tenant(&counts, tenant), &read) {
            read = self.read_channels().await?;
            read.retain(|(_, fields)| is_theirs(fields));
        }
        Ok(read)
    }

    /// The hashes that an index names.
    pub(crate) async fn read_index(&self, index: &Index) -> Result<Vec<(String, Fields)>, StoreError> {
        let keys = self.members(index).await?;
        let mut read = Vec::with_capacity(keys.len());
        for keys in keys.chunks(BATCH) {
            read.extend(keys.iter().cloned().zip(self.read(keys.to_vec()).await?));
        }
        let (gone, there): (Vec<_>, Vec<_>) = read.into_iter().partition(|(_, fields)| fields.is_empty());
        if !gone.is_empty() {
            // Whether it works or not: they are not returned.
            self.prune(index, gone.into_iter().map(|(key, _)| key).collect()).await.ok();
        }
        Ok(there)
    }

    /// Reads all records after the indexes and the count were rebuilt: a release that knows nothing of one of them has
    /// changed channels.
    async fn reread_channels(&self, counts: &Fields) -> Result<Vec<(String, Fields)>, StoreError> {
        match self.build_indexes().await {
            // A store that takes no writes can be read all the same.
            Ok(()) | Err(StoreError::Refused(_)) => {}
            Err(error) => return Err(error),
        }
        let read = self.read_index(&Index::Channels).await?;
        match self.store_counts(counts, &read, chassis::now()).await {
            Ok(_) | Err(StoreError::Refused(_)) => Ok(read),
            Err(error) => Err(error),
        }
    }
}
