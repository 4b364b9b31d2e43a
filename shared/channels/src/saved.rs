//! What an export consists of: records, and what it says of people by hashes: whose data was erased, who is held, and who had
//! connected which channel.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::changes;
use crate::erasure_keys::SavedErasureKey;
use crate::fields::{self, Fields, text};
use crate::former::SavedFormer;
use crate::holds::SavedHold;
use crate::keys;
use crate::limits::Limits;
use crate::record::ChannelState;

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

/// An erasure of a channel or conversation, of which only a hash is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedErasure {
    /// A hash of the channel's address or the conversation's lane; in an export of an older release, one without a key.
    pub erased: String,
    /// What was received until then is erased; RFC 3339.
    pub until: String,
}

/// What an export says of people by hashes, with the keys by which they are recognised.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedErasures {
    /// The keys.
    pub keys: Vec<SavedErasureKey>,
    /// The erasures.
    pub erasures: Vec<SavedErasure>,
    /// The holds.
    pub holds: Vec<SavedHold>,
    /// Who had connected channels before.
    pub former: Vec<SavedFormer>,
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

    /// Whether an erasure of this time concerns it. A tombstone that an older release left says only when its channel was
    /// removed.
    pub(crate) fn was_connected_by(&self, erased_until: Timestamp) -> bool {
        let times = [fields::CONNECTED_AT, fields::UPDATED_AT];
        let connected_at = times.iter().find_map(|name| changes::time(&self.fields, name));
        connected_at.is_none_or(|connected_at| connected_at <= erased_until)
    }
}

impl SavedErasures {
    /// A key that the erasures, the holds, or the persons, also in these records, are hashed with, and that is not among the
    /// keys.
    pub fn missing_key(&self, records: &[SavedRecord]) -> Option<String> {
        let persons = records.iter().filter_map(|record| record.fields.get(fields::APP_USER_HASH));
        let hashes = self.erasures.iter().map(|erasure| &erasure.erased).chain(persons);
        let hashes = hashes.chain(self.holds.iter().map(|hold| &hold.held));
        let hashes = hashes.chain(self.former.iter().map(|former| &former.person));
        let mut missing = hashes.filter(|hash| !is_recognised(hash, &self.keys));
        missing.find_map(|hash| keys::hash_key_id(hash)).map(str::to_owned)
    }
}

impl SavedErasure {
    /// What is wrong with it, if anything is.
    pub fn fault(&self) -> Option<String> {
        let is_whole = keys::is_hash(&self.erased) && self.time().is_some();
        (!is_whole).then(|| "it is not the hash and the time of an erasure".to_owned())
    }

    pub(crate) fn time(&self) -> Option<Timestamp> {
        self.until.parse().ok()
    }
}

/// Whether a hash was made without a key, or with one of these.
pub(crate) fn is_recognised(hash: &str, keys: &[SavedErasureKey]) -> bool {
    keys::hash_key_id(hash).is_none_or(|id| keys.iter().any(|key| key.erasure_key == id))
}
