//! Makes the key under which a store's erasures are hashed, adds those of an export, and gives up those that nobody can open.

use std::sync::Arc;

use chassis::now;
use jiff::Timestamp;

use crate::erasure_keys::{
    ErasureKeys, NewErasureKey, SavedErasureKey, drop_key, drop_needless, honour_plain, open, sealed_keys,
};
use crate::error::{ErasureKeyError, StoreError};
use crate::fields::{self, Fields};
use crate::hashing::Hashing;
use crate::key_ring::KeyRing;
use crate::keys;
use crate::store::ChannelStore;
use crate::transaction::{Lifetime, Transaction};
use crate::update::Decision;

impl ChannelStore {
    /// How texts are hashed now. The first process that needs a key makes it.
    pub(crate) async fn hashing(&self) -> Result<Hashing, StoreError> {
        let mut fields = self.read_one(keys::ERASURE_KEYS.to_owned()).await?;
        if !fields.contains_key(fields::CURRENT_KEY) {
            fields = self.make_erasure_key(now()).await?;
        }
        Ok(self.opened_keys(fields)?.at(now()))
    }

    /// The keys in the store, which a look-up has read along with its markers. A store in which the first one can't be made
    /// holds nothing that was hashed with a key.
    pub(crate) async fn keys_as_read(&self, fields: Fields) -> Result<Arc<ErasureKeys>, StoreError> {
        let has_key = fields.contains_key(fields::CURRENT_KEY);
        let fields = if has_key { fields } else { self.make_erasure_key(now()).await.unwrap_or(fields) };
        self.opened_keys(fields)
    }

    fn opened_keys(&self, fields: Fields) -> Result<Arc<ErasureKeys>, StoreError> {
        let opened = self.opened.opened(fields).map_err(StoreError::from);
        opened.inspect_err(|error| self.count(error))
    }

    /// Makes the key of a store that has none, and returns what is stored then: another process may have been first.
    async fn make_erasure_key(&self, now: Timestamp) -> Result<Fields, StoreError> {
        let key = NewErasureKey::random(self.opened.ring()?);
        let make = |transaction: &mut Transaction| {
            let is_in_use = !transaction.hash(keys::INITIALISED).fields.is_empty();
            let fields = &mut transaction.hash(keys::ERASURE_KEYS).fields;
            if fields.contains_key(fields::CURRENT_KEY) {
                return Ok(Decision::Abandon(fields.clone()));
            }
            key.clone().begin(fields, is_in_use, now);
            Ok(Decision::Write(fields.clone()))
        };
        self.update(vec![keys::ERASURE_KEYS.to_owned(), keys::INITIALISED.to_owned()], make).await
    }

    /// The keys under which this store's erasures are hashed.
    pub(crate) async fn export_erasure_keys(&self) -> Result<Vec<SavedErasureKey>, StoreError> {
        Ok(sealed_keys(&self.read_one(keys::ERASURE_KEYS.to_owned()).await?, now()))
    }

    /// Adds the keys of an export, each of which has to open. An empty store takes one of them as its own.
    pub(crate) async fn import_erasure_keys(
        &self,
        saved: &[SavedErasureKey],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut opened = Vec::with_capacity(saved.len());
        for key in saved {
            opened.push(NewErasureKey::of_export(key, self.opened.ring()?)?);
        }
        let import = |transaction: &mut Transaction| {
            let is_in_use = !transaction.hash(keys::INITIALISED).fields.is_empty();
            let fields = &mut transaction.hash(keys::ERASURE_KEYS).fields;
            drop_needless(fields, now);
            for key in &opened {
                if fields.contains_key(fields::CURRENT_KEY) {
                    key.clone().join(fields, now);
                } else {
                    key.clone().begin(fields, is_in_use, now);
                }
            }
            if sealed_keys(fields, now).len() > keys::ERASURE_KEYS_MAX {
                return Err(ErasureKeyError::TooMany.into());
            }
            Ok(Decision::Write(()))
        };
        self.update(vec![keys::ERASURE_KEYS.to_owned(), keys::INITIALISED.to_owned()], import).await
    }

    /// Has what was hashed without a key, by an older release, recognised until then at least.
    pub(crate) async fn honour_plain_until(&self, until: Timestamp) -> Result<(), StoreError> {
        let honour = |fields: &mut Fields| {
            if honour_plain(fields, until) { Decision::Write(()) } else { Decision::Abandon(()) }
        };
        self.update_hash(keys::ERASURE_KEYS.to_owned(), Lifetime::Unlimited, honour).await
    }

    /// Gives up the keys that no key of the ring opens, and says how many those were. What was erased under them is not
    /// recognised any more: what still waits of it is delivered, and an import brings it back.
    pub async fn forget_unopenable_erasures(&self, ring: &KeyRing, now: Timestamp) -> Result<usize, StoreError> {
        let forget = |fields: &mut Fields| {
            let mut keys = sealed_keys(fields, now);
            keys.retain(|key| open(&key.sealed(), ring).is_none());
            keys.iter().for_each(|key| drop_key(fields, &key.erasure_key));
            if keys.is_empty() {
                return Decision::Abandon(0);
            }
            if !fields.contains_key(fields::CURRENT_KEY) {
                NewErasureKey::random(ring).begin(fields, false, now);
            }
            Decision::Write(keys.len())
        };
        self.update_hash(keys::ERASURE_KEYS.to_owned(), Lifetime::Unlimited, forget).await
    }
}
