//! The keys of a store's erasures, opened once and kept in memory: making the first, adding those of an export, and seeing
//! that another process has changed them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chassis::now;
use jiff::Timestamp;

use crate::erasure_keys::{
    ErasureKeyError, ErasureKeys, KEYS_MAX, NewErasureKey, SavedErasureKey, drop_key, drop_needless, honour_plain,
    open, sealed_keys,
};
use crate::error::StoreError;
use crate::fields::{self, Fields};
use crate::hashing::Hashing;
use crate::key_ring::KeyRing;
use crate::keys;
use crate::store::ChannelStore;
use crate::transaction::{Lifetime, Transaction};
use crate::update::Decision;

/// How long a failure counts. A dispatcher that holds events tries again every two seconds.
const TROUBLE_TIME: Duration = Duration::from_mins(1);

/// What a process has opened. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenedKeys {
    /// `None`: this process neither looks up nor changes what depends on erasures.
    ring: Option<KeyRing>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    keys: Arc<ErasureKeys>,
    trouble: Option<Trouble>,
}

/// That the keys could not be opened.
#[derive(Clone, Debug)]
struct Trouble {
    error: ErasureKeyError,
    at: Instant,
}

impl Trouble {
    /// A process that is not asked, because it is not ready, could not find out that the keys open again.
    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.at) >= TROUBLE_TIME
    }
}

impl OpenedKeys {
    pub(crate) fn new(ring: KeyRing) -> Self {
        Self { ring: Some(ring), state: Arc::default() }
    }

    /// Why the keys could not be opened when they were last needed, if that was just now.
    pub(crate) fn trouble(&self) -> Option<ErasureKeyError> {
        let trouble = self.state().trouble.clone();
        trouble.filter(|trouble| !trouble.is_over(Instant::now())).map(|trouble| trouble.error)
    }

    /// The keys that were opened last.
    pub(crate) fn last(&self) -> Arc<ErasureKeys> {
        Arc::clone(&self.state().keys)
    }

    fn ring(&self) -> Result<&KeyRing, ErasureKeyError> {
        self.ring.as_ref().ok_or(ErasureKeyError::NoKeyRing)
    }

    /// The keys in these fields, which are opened only if they are not those that were opened last.
    fn opened(&self, fields: Fields) -> Result<Arc<ErasureKeys>, ErasureKeyError> {
        let mut state = self.state();
        if state.keys.fields == fields {
            state.trouble = None;
            return Ok(Arc::clone(&state.keys));
        }
        match ErasureKeys::open(fields, self.ring.as_ref(), now()) {
            Ok(keys) => *state = State { keys: Arc::new(keys), trouble: None },
            Err(error) => {
                state.trouble = Some(Trouble { error: error.clone(), at: Instant::now() });
                return Err(error);
            }
        }
        Ok(Arc::clone(&state.keys))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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
            if sealed_keys(fields, now).len() > KEYS_MAX {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_counts_for_a_minute_after_it_was_last_met() {
        let at = Instant::now();
        let trouble = Trouble { error: ErasureKeyError::NoKeyRing, at };

        assert!(!trouble.is_over(at + Duration::from_secs(59)));
        assert!(trouble.is_over(at + Duration::from_mins(1)));
    }
}
