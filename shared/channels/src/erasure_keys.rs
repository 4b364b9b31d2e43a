//! The keys under which erasures are hashed, as the store holds them: sealed with the key ring, so that a copy of the store
//! does not tell whose conversations were erased. A store has one; an import may bring more, for as long as it needs them.
//!
//! A store that an older release has used goes on without a key for a day, so that processes of both releases recognise
//! each other's erasures during an upgrade. What was hashed until then is recognised for as long as it lasts.

use chassis::{Secret, random};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::error::ErasureKeyError;
use crate::fields::{self, Fields};
use crate::hashing::{HashKey, Hashing};
use crate::key_ring::KeyRing;
use crate::keys;
use crate::place::Place;
use crate::seal::SealedSecret;

#[cfg(test)]
mod tests;

/// How long an upgrade may take: until then, processes of an older release may run beside those of this one.
pub(crate) const UPGRADE_TIME: SignedDuration = SignedDuration::from_hours(24);
/// How long something is needed to recognise an erasure that was just marked.
pub(crate) const NEEDED_TIME: SignedDuration = SignedDuration::from_hours(30 * 24);
/// A rotation makes no further key in a store that has so many: the others are for imports.
const RENEWED_MAX: usize = keys::ERASURE_KEYS_MAX / 2;
const _: () = assert!(NEEDED_TIME.unsigned_abs().as_secs() >= keys::ERASED_TIME.as_secs());
const _: () = assert!(NEEDED_TIME.unsigned_abs().as_secs() >= keys::TOMBSTONE_TIME.as_secs());

/// A key under which the erasures of an export are hashed. It is sealed, and opens nothing without the key ring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedErasureKey {
    /// What the hashes under this key begin with.
    pub erasure_key: String,
    /// The key, sealed.
    pub sealed: String,
}

impl SavedErasureKey {
    /// What is wrong with it, if anything is.
    pub fn fault(&self) -> Option<String> {
        let is_whole = keys::is_hash_key_id(&self.erasure_key) && !self.sealed.is_empty();
        (!is_whole).then(|| "it is not the key of erasures".to_owned())
    }

    /// The sealed key.
    pub(crate) fn sealed(&self) -> SealedSecret {
        SealedSecret::new(self.sealed.clone(), Place::erasure_key(&self.erasure_key))
    }
}

/// A key that was made or opened, sealed for its place.
#[derive(Clone)]
pub(crate) struct NewErasureKey {
    pub(crate) id: String,
    pub(crate) sealed: String,
}

impl NewErasureKey {
    /// Makes a key at random.
    pub(crate) fn random(ring: &KeyRing) -> Self {
        let id = hex::encode(random::<{ keys::HASH_KEY_ID_BYTES }>());
        let key = Secret::new(hex::encode(random::<{ keys::ERASURE_KEY_BYTES }>()));
        let sealed = ring.seal(&key).sealed_for(Place::erasure_key(&id)).as_str().to_owned();
        Self { id, sealed }
    }

    /// Opens a key of an export, so that it is stored only if it can be used, and seals it with the first key of the ring.
    pub(crate) fn of_export(saved: &SavedErasureKey, ring: &KeyRing) -> Result<Self, ErasureKeyError> {
        let id = saved.erasure_key.clone();
        let sealed = saved.sealed();
        let Some(key) = open(&sealed, ring).filter(|key| HashKey::from_hex(&id, key.expose()).is_some()) else {
            return Err(ErasureKeyError::OfExportUnopenable { id });
        };
        let is_current = ring.examine(&sealed).is_ok_and(|opened| opened.key == 0);
        let text = if is_current { saved.sealed.clone() } else { reseal(&id, &key, ring) };
        Ok(Self { id, sealed: text })
    }

    /// Makes it the key of a store that has none. In one that an older release has used, it is used after the upgrade.
    pub(crate) fn begin(self, fields: &mut Fields, is_in_use: bool, now: Timestamp) {
        fields::set(fields, fields::CURRENT_KEY, &self.id);
        fields::set(fields, &key_field(&self.id), self.sealed);
        if is_in_use {
            let keyed_from = now.saturating_add(UPGRADE_TIME).unwrap_or(Timestamp::MAX);
            fields::set(fields, fields::KEYED_FROM, keyed_from);
            honour_plain(fields, keyed_from.saturating_add(NEEDED_TIME).unwrap_or(Timestamp::MAX));
        }
    }

    /// Adds the key of an export to those of a store.
    pub(crate) fn join(self, fields: &mut Fields, now: Timestamp) {
        fields::set(fields, &key_field(&self.id), self.sealed);
        if fields.get(fields::CURRENT_KEY) != Some(&self.id) {
            fields::set(fields, &until_field(&self.id), now.saturating_add(NEEDED_TIME).unwrap_or(Timestamp::MAX));
        }
    }
}

/// Has what was hashed without a key recognised until then at least. `false`: it is already.
pub(crate) fn honour_plain(fields: &mut Fields, until: Timestamp) -> bool {
    let is_longer = time(fields, fields::PLAIN_UNTIL).is_none_or(|honoured| honoured < until);
    if is_longer {
        fields::set(fields, fields::PLAIN_UNTIL, until);
    }
    is_longer
}

/// Drops the keys of exports that are needed no more.
pub(crate) fn drop_needless(fields: &mut Fields, now: Timestamp) {
    for id in ids(fields).filter(|id| !is_needed(fields, id, now)).collect::<Vec<_>>() {
        drop_key(fields, &id);
    }
}

/// Drops a key; what was hashed with it is not recognised any more.
pub(crate) fn drop_key(fields: &mut Fields, id: &str) {
    fields.remove(&key_field(id));
    fields.remove(&until_field(id));
    if fields.get(fields::CURRENT_KEY).is_some_and(|current| current == id) {
        fields.remove(fields::CURRENT_KEY);
    }
}

/// The keys that are still needed.
pub(crate) fn sealed_keys(fields: &Fields, now: Timestamp) -> Vec<SavedErasureKey> {
    let needed = ids(fields).filter(|id| is_needed(fields, id, now));
    let key = |id: String| SavedErasureKey { sealed: fields[&key_field(&id)].clone(), erasure_key: id };
    needed.map(key).collect()
}

/// Replaces the seals that another key of the ring has made, and says how many those were. Where the store's own key was
/// among them, another one takes its place: whoever has got hold of a ring and a copy of the store can't use the old one for
/// long.
pub(crate) fn reseal_keys(fields: &mut Fields, ring: &KeyRing, now: Timestamp) -> usize {
    let own = fields.get(fields::CURRENT_KEY).cloned();
    let mut is_own_resealed = false;
    let mut resealed = 0;
    for key in sealed_keys(fields, now) {
        let sealed = key.sealed();
        let is_old = ring.examine(&sealed).is_ok_and(|opened| opened.key > 0);
        if let Some(secret) = open(&sealed, ring).filter(|_| is_old) {
            fields::set(fields, &key_field(&key.erasure_key), reseal(&key.erasure_key, &secret, ring));
            is_own_resealed |= own.as_ref() == Some(&key.erasure_key);
            resealed += 1;
        }
    }
    drop_needless(fields, now);
    if is_own_resealed && ids(fields).count() < RENEWED_MAX {
        renew(fields, ring, now);
    }
    resealed
}

/// Makes another key the store's own. The one before is needed for as long as what was hashed with it.
fn renew(fields: &mut Fields, ring: &KeyRing, now: Timestamp) {
    if let Some(before) = fields.get(fields::CURRENT_KEY).cloned() {
        fields::set(fields, &until_field(&before), now.saturating_add(NEEDED_TIME).unwrap_or(Timestamp::MAX));
    }
    NewErasureKey::random(ring).begin(fields, false, now);
}

/// Opens a key. One that is sealed without its place was put there by somebody else: no release has sealed it so.
pub(crate) fn open(sealed: &SealedSecret, ring: &KeyRing) -> Option<Secret> {
    let secret = ring.open(sealed).ok()?;
    ring.examine(sealed).is_ok_and(|opened| opened.is_bound).then_some(secret)
}

fn reseal(id: &str, key: &Secret, ring: &KeyRing) -> String {
    ring.seal(key).sealed_for(Place::erasure_key(id)).as_str().to_owned()
}

/// Keys that were opened.
#[derive(Clone, Debug, Default)]
pub(crate) struct ErasureKeys {
    /// What the store holds.
    pub(crate) fields: Fields,
    current: Option<HashKey>,
    /// Those of exports, and until when they are needed.
    others: Vec<OtherKey>,
}

#[derive(Clone, Debug)]
struct OtherKey {
    key: HashKey,
    id: String,
}

impl ErasureKeys {
    /// Opens every key that is still needed. If one does not open, nobody can say whether something was erased.
    pub(crate) fn open(fields: Fields, ring: Option<&KeyRing>, now: Timestamp) -> Result<Self, ErasureKeyError> {
        let mut keys = Self { fields, ..Self::default() };
        for saved in sealed_keys(&keys.fields, now) {
            let ring = ring.ok_or(ErasureKeyError::NoKeyRing)?;
            let id = saved.erasure_key.clone();
            let opened = open(&saved.sealed(), ring).and_then(|key| HashKey::from_hex(&id, key.expose()));
            let key = opened.ok_or_else(|| ErasureKeyError::Unopenable { id: id.clone() })?;
            if keys.fields.get(fields::CURRENT_KEY) == Some(&id) {
                keys.current = Some(key);
            } else {
                keys.others.push(OtherKey { key, id });
            }
        }
        match keys.fields.get(fields::CURRENT_KEY) {
            Some(id) if keys.current.is_none() => Err(ErasureKeyError::Unopenable { id: id.clone() }),
            _ => Ok(keys),
        }
    }

    /// How texts are hashed now.
    pub(crate) fn at(&self, now: Timestamp) -> Hashing {
        let others = self.others.iter().filter(|other| is_needed(&self.fields, &other.id, now));
        let is_plain_honoured = self.fields.contains_key(fields::PLAIN_UNTIL)
            && time(&self.fields, fields::PLAIN_UNTIL).is_none_or(|until| now < until);
        let is_keyed = time(&self.fields, fields::KEYED_FROM).is_none_or(|from| now >= from);
        let hashing = match &self.current {
            None => Hashing::plain(),
            Some(key) if !is_keyed => Hashing::plain().and_keyed(key.clone()),
            Some(key) if is_plain_honoured => Hashing::keyed(key.clone()).and_plain(),
            Some(key) => Hashing::keyed(key.clone()),
        };
        others.fold(hashing, |hashing, other| hashing.and_keyed(other.key.clone()))
    }
}

/// The keys of which a seal is stored.
fn ids(fields: &Fields) -> impl Iterator<Item = String> {
    fields.keys().filter_map(|name| name.strip_prefix(fields::KEY)).map(str::to_owned)
}

/// The store's own key is always needed. One of an export whose time can't be read is, too.
fn is_needed(fields: &Fields, id: &str, now: Timestamp) -> bool {
    fields.get(fields::CURRENT_KEY).is_some_and(|current| current == id)
        || time(fields, &until_field(id)).is_none_or(|until| now < until)
}

fn time(fields: &Fields, name: &str) -> Option<Timestamp> {
    fields.get(name).and_then(|time| time.parse().ok())
}

fn key_field(id: &str) -> String {
    format!("{}{id}", fields::KEY)
}

fn until_field(id: &str) -> String {
    format!("{}{id}", fields::KEY_UNTIL)
}
