//! Records on their way into a backup and back. They are the only copy of the tokens, and open nothing without the key
//! ring.

use event::Address;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::changes::users;
use crate::error::StoreError;
use crate::fields::{self, Fields, text};
use crate::limits::Limits;
use crate::record::ChannelState;
use crate::store::ChannelStore;
use crate::update::Decision;
use crate::{changes, keys};

/// A record as the store holds it, with sealed tokens. The record of a removed channel is saved, too, so that a restored
/// backup does not deliver its events again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedRecord {
    /// The channel or account.
    pub address: String,
    /// Its fields.
    pub fields: Fields,
}

impl SavedRecord {
    /// What is wrong with the record, if anything is.
    pub fn fault(&self) -> Option<String> {
        if self.address.is_empty() || text(&self.fields, fields::TENANT).is_none() {
            return Some("it has no address or no tenant".to_owned());
        }
        let state = ChannelState::from_fields(&self.fields).err();
        state.or_else(|| Limits::from_fields(&self.fields).err())
    }
}

impl ChannelStore {
    /// Every record, in the order of the addresses.
    pub async fn export(&self) -> Result<Vec<SavedRecord>, StoreError> {
        let mut saved = Vec::new();
        for (key, fields) in self.read_all(keys::CHANNEL).await? {
            // One that was removed between the two requests is empty.
            if let Some(address) = key.strip_prefix(keys::CHANNEL).filter(|_| !fields.is_empty()) {
                saved.push(SavedRecord { address: address.to_owned(), fields });
            }
        }
        Ok(saved)
    }

    /// Stores a record of an export. `false`: there is a record already; it is newer, and stays as it is.
    pub async fn import(&self, saved: &SavedRecord, now: Timestamp) -> Result<bool, StoreError> {
        let address = Address::new(saved.address.as_str());
        let mut read = vec![keys::INITIALISED.to_owned(), keys::channel(&address)];
        read.extend(saved.fields.get(fields::APP_USER_ID).into_iter().flat_map(|user| users::keys_of(user)));
        read.extend(saved.fields.get(fields::APP_USER_HASH).map(|user_hash| keys::removed_of(user_hash)));
        self.change_channels(read, |transaction| {
            let is_stored = changes::restore(transaction, &address, &saved.fields, now);
            Ok(if is_stored { Decision::Write(true) } else { Decision::Abandon(false) })
        })
        .await
    }
}
