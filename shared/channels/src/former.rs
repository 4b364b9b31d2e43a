//! Who had connected which channel before, on the way into a backup and back, so that a deletion that is asked for after a
//! restore finds what it would have found before. A record names only who connected its channel last.

use event::Address;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::changes::users::{self, Erased, PastConnection, removed_channels};
use crate::erasure_keys::NEEDED_TIME;
use crate::error::StoreError;
use crate::index::Index;
use crate::keys;
use crate::store::ChannelStore;
use crate::transaction::Transaction;
use crate::update::Decision;

/// A connection of the last 30 days that has ended, of whose person only a hash is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedFormer {
    /// A hash of the person, as one of our apps at Meta knows them.
    pub person: String,
    /// The channel.
    pub address: String,
    /// From when to when they had it connected, as an interval of ISO 8601.
    pub connected: String,
}

impl SavedFormer {
    /// What is wrong with it, if anything is.
    pub fn fault(&self) -> Option<String> {
        let is_whole = keys::is_hash(&self.person) && !self.address.is_empty() && self.past().is_some();
        (!is_whole).then(|| "it does not say who had which channel when".to_owned())
    }

    fn past(&self) -> Option<PastConnection> {
        PastConnection::from_text(&self.connected)
    }
}

impl ChannelStore {
    /// Every connection that ended in the last 30 days, in the order of the persons' hashes.
    pub(crate) async fn export_former(&self, now: Timestamp) -> Result<Vec<SavedFormer>, StoreError> {
        let noted = self.read_index(&Index::FormerUsers).await?;
        let mut former = Vec::new();
        for (key, fields) in &noted {
            let Some(person) = key.strip_prefix(keys::REMOVED_OF) else { continue };
            let lately = removed_channels(fields).filter(|(_, past)| !past.is_over(now));
            former.extend(lately.map(|(address, past)| SavedFormer {
                person: person.to_owned(),
                address: address.to_string(),
                connected: past.to_text(),
            }));
        }
        Ok(former)
    }

    /// Notes the ended connections of an export, except for what was erased of them. Only after its keys and its erasures
    /// are imported.
    pub(crate) async fn import_former(&self, saved: &[SavedFormer], now: Timestamp) -> Result<(), StoreError> {
        if saved.iter().any(|former| keys::hash_key_id(&former.person).is_none()) {
            self.honour_plain_until(now.saturating_add(NEEDED_TIME).unwrap_or(Timestamp::MAX)).await?;
        }
        for former in saved {
            let Some(past) = former.past().filter(|past| !past.is_over(now)) else { continue };
            let address = Address::new(former.address.as_str());
            let note = |transaction: &mut Transaction| {
                users::note_removed(transaction, &former.person, &address, past);
                Ok(Decision::Write(()))
            };
            self.update(vec![keys::removed_of(&former.person)], note).await?;
        }
        self.forget_erased_former(now).await
    }

    /// Forgets of the ended connections what was erased: an older export may have brought it back.
    async fn forget_erased_former(&self, now: Timestamp) -> Result<(), StoreError> {
        for former in self.export_former(now).await? {
            let address = Address::new(former.address.as_str());
            let Some(until) = self.erased_until(&address).await? else { continue };
            let forget = |transaction: &mut Transaction| {
                users::forget_removed_until(transaction, &former.person, Erased { address: &address, until, now });
                Ok(Decision::Write(()))
            };
            self.update(vec![keys::removed_of(&former.person)], forget).await?;
        }
        Ok(())
    }
}
