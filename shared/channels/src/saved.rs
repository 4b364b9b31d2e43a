//! Records on their way into a backup and back: the only copy of the tokens, which opens nothing without the key ring.

use event::Address;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::record::{self, Fields};
use crate::{ChannelStore, StoreError, changes, keys};

/// A record as it stands in the store, tokens sealed. A removed channel's is saved too, so that a restored backup does not
/// deliver its events again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedRecord {
    /// Which channel or account.
    pub address: String,
    /// Its hash.
    pub fields: Fields,
}

impl SavedRecord {
    /// What keeps it from being a record, if anything does.
    pub fn fault(&self) -> Option<String> {
        if self.address.is_empty() || self.fields.get("tenant").is_none_or(String::is_empty) {
            return Some("it has no address or no tenant".to_owned());
        }
        record::state(&self.fields).err()
    }
}

impl ChannelStore {
    /// Every record, in the order of their addresses.
    pub async fn export(&self) -> Result<Vec<SavedRecord>, StoreError> {
        let hashes = self.hashes(keys::CHANNEL).await?.into_iter().filter(|(_, fields)| !fields.is_empty());
        let saved = hashes.filter_map(|(key, fields)| {
            let address = key.strip_prefix(keys::CHANNEL)?.to_owned();
            Some(SavedRecord { address, fields })
        });
        Ok(saved.collect())
    }

    /// Stores a record of an export. `false` where there is one already: it is newer, and stays as it is.
    pub async fn import(&self, saved: &SavedRecord, now: Timestamp) -> Result<bool, StoreError> {
        let address = Address::new(saved.address.as_str());
        if self.get(&address).await?.is_some() {
            return Ok(false);
        }
        let mut read = vec![keys::INITIALISED.to_owned(), keys::channel(&address)];
        read.extend(saved.fields.get("app_user_id").map(|user| keys::user(user)));
        let restore = |changes: &mut changes::Changes| {
            changes::restore(changes, (&address, &saved.fields), now);
            Ok(())
        };
        self.change(read, restore).await?;
        Ok(true)
    }
}
