//! Records on their way into a backup and back, with the erasures that a backup must not undo. The records are the only
//! copy of the tokens, and open nothing without the key ring.

use chassis::now;
use event::Address;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::changes::{self, Removal, users};
use crate::erasure_records::{Beginning, ErasureOrigin};
use crate::error::StoreError;
use crate::fields::{self, Fields, text};
use crate::keys;
use crate::limits::Limits;
use crate::record::{self, ChannelState};
use crate::store::ChannelStore;
use crate::update::Decision;

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
    /// SHA-256 of the channel's address or the conversation's lane.
    pub erased: String,
    /// What was received until then is erased; RFC 3339.
    pub until: String,
}

/// What became of a record of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imported {
    /// It is stored.
    Stored,
    /// There is a record already; it is newer, and stays as it is.
    Present,
    /// It was erased after it was connected.
    Erased,
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
    fn was_connected_by(&self, erased_until: Timestamp) -> bool {
        let times = [fields::CONNECTED_AT, fields::UPDATED_AT];
        let connected_at = times.iter().find_map(|name| changes::time(&self.fields, name));
        connected_at.is_none_or(|connected_at| connected_at <= erased_until)
    }
}

impl SavedErasure {
    /// What is wrong with it, if anything is.
    pub fn fault(&self) -> Option<String> {
        let is_whole = keys::is_hash(&self.erased) && self.time().is_some();
        (!is_whole).then(|| "it is not the hash and the time of an erasure".to_owned())
    }

    fn time(&self) -> Option<Timestamp> {
        self.until.parse().ok()
    }
}

impl ChannelStore {
    /// Every record, in the order of the addresses.
    pub async fn export(&self) -> Result<Vec<SavedRecord>, StoreError> {
        let saved = self.read_channels().await?.into_iter().filter_map(|(key, fields)| {
            key.strip_prefix(keys::CHANNEL).map(|address| SavedRecord { address: address.to_owned(), fields })
        });
        Ok(saved.collect())
    }

    /// Every erasure that still holds. One that an older release marked holds for what was received until now.
    pub async fn export_erasures(&self) -> Result<Vec<SavedErasure>, StoreError> {
        let erasures = self.erasures().await?.into_iter().filter_map(|(key, until)| {
            let erased = key.strip_prefix(keys::ERASED)?.to_owned();
            let until = until.parse().unwrap_or_else(|_| now());
            Some(SavedErasure { erased, until: until.to_string() })
        });
        Ok(erasures.collect())
    }

    /// Stores the erasures of an export, of which the store may have later ones. The dispatchers look through the dead
    /// letters once more. Do it before records are imported.
    pub async fn import_erasures(&self, saved: &[SavedErasure], code: &str, now: Timestamp) -> Result<(), StoreError> {
        let time = SignedDuration::try_from(keys::ERASED_TIME).unwrap_or(SignedDuration::MAX);
        let times = saved.iter().filter_map(|erasure| Some((&erasure.erased, erasure.time()?)));
        let still_hold: Vec<_> = times.filter(|(_, until)| now.duration_since(*until) < time).collect();
        if still_hold.is_empty() {
            return Ok(());
        }
        let beginning = Beginning { code, origin: ErasureOrigin::Operator, found: still_hold.len() };
        self.begin_erasure(beginning, now).await?;
        for (hash, until) in still_hold {
            self.raise_erasure(format!("{}{hash}", keys::ERASED), until).await?;
        }
        self.await_dispatchers(code, &now.to_string()).await
    }

    /// Stores a record of an export, unless the store has one already, or it was erased since it was connected.
    pub async fn import(&self, saved: &SavedRecord, now: Timestamp) -> Result<Imported, StoreError> {
        let address = Address::new(saved.address.as_str());
        if self.is_erased(saved, &address).await? {
            return Ok(Imported::Erased);
        }
        let fields = self.without_erased_channels(saved).await?;
        let mut read = vec![keys::INITIALISED.to_owned(), keys::channel(&address)];
        read.extend(saved.fields.get(fields::APP_USER_ID).into_iter().flat_map(|user| users::keys_of(user)));
        read.extend(saved.fields.get(fields::APP_USER_HASH).map(|user_hash| keys::removed_of(user_hash)));
        let restore = self.change_channels(read, |transaction| {
            let is_stored = changes::restore(transaction, &address, &fields, now);
            Ok(if is_stored { Decision::Write(true) } else { Decision::Abandon(false) })
        });
        if !restore.await? {
            return Ok(Imported::Present);
        }
        // An erasure that began meanwhile has marked the channel first, and may have found no record to remove.
        let Some(until) = self.erased_until(&address).await?.filter(|until| saved.was_connected_by(*until)) else {
            return Ok(Imported::Stored);
        };
        let removal = Removal { address: &address, person: None, until, now };
        self.change_channels(vec![keys::channel(&address)], |transaction| {
            changes::erase::erase(transaction, removal);
            Ok(Decision::Write(()))
        })
        .await?;
        Ok(Imported::Erased)
    }

    async fn is_erased(&self, saved: &SavedRecord, address: &Address) -> Result<bool, StoreError> {
        Ok(self.erased_until(address).await?.is_some_and(|until| saved.was_connected_by(until)))
    }

    /// The fields of a saved record. An account names none of the channels that were erased after the last of its channels
    /// was connected: one that is named in spite of an earlier erasure was connected again.
    async fn without_erased_channels(&self, saved: &SavedRecord) -> Result<Fields, StoreError> {
        let mut fields = saved.fields.clone();
        let mut channels = record::channels(&fields);
        for channel in channels.clone() {
            if self.is_erased(saved, &channel).await? {
                channels.retain(|kept| *kept != channel);
                record::set_channels(&mut fields, &channels);
            }
        }
        Ok(fields)
    }
}
