//! Sealing every stored secret with the first key of the ring and for its own place, while the service runs.

use std::collections::{HashMap, HashSet};

use chassis::now;
use event::Address;

use crate::erasure_keys::reseal_keys;
use crate::error::StoreError;
use crate::fields::{self, Fields};
use crate::key_ring::KeyRing;
use crate::keys;
use crate::record::{ChannelState, SecretField, sealed};
use crate::seal::{OpenError, SealedSecret};
use crate::store::ChannelStore;
use crate::transaction::{Lifetime, Transaction};
use crate::update::Decision;

/// Which keys the stored secrets need, and how they are sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyUse {
    /// How many secrets open with the first key, with the second, and so on.
    pub by_key: Vec<usize>,
    /// How many records there are.
    pub records: usize,
    /// How many secrets were sealed again, with the first key and for their place.
    pub resealed: usize,
    /// How many secrets an older release sealed without their place, so that they open wherever they are copied to.
    pub unbound: usize,
    /// The records that have a secret that opens with no key.
    pub unopenable: Vec<Address>,
    /// The secrets that a key opens, but that do not belong where they stand.
    pub refused: Vec<RefusedSeal>,
    /// The keys of the ring, counted from 0, that open a key under which erasures are hashed.
    pub opening_erasures: Vec<usize>,
    /// How many keys under which erasures are hashed were sealed again.
    pub resealed_erasure_keys: usize,
    /// Those that open with no key, so that nobody can say what was erased.
    pub unopenable_erasure_keys: Vec<String>,
}

/// A sealed secret that does not belong where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedSeal {
    /// Where it stands, in words.
    pub place: String,
    /// Why it does not open there.
    pub error: OpenError,
}

impl KeyUse {
    /// The keys, counted from 1, that no stored secret needs. The first key is never among them, because it seals.
    pub fn unused_keys(&self) -> Vec<usize> {
        let is_unused = |index: usize, secrets: usize| secrets == 0 && !self.opening_erasures.contains(&index);
        let unused = self.by_key.iter().enumerate().skip(1).filter(|(index, secrets)| is_unused(*index, **secrets));
        unused.map(|(index, _)| index + 1).collect()
    }

    fn count(&mut self, ring: &KeyRing, sealed: &SealedSecret, address: &Address) {
        match ring.examine(sealed) {
            Ok(opened) => {
                self.unbound += usize::from(!opened.is_bound);
                // The ring may have grown since it was counted.
                self.by_key.resize(self.by_key.len().max(opened.key + 1), 0);
                self.by_key[opened.key] += 1;
            }
            Err(OpenError::NoKey) => self.unopenable.push(address.clone()),
            Err(error) => self.refused.push(RefusedSeal { place: sealed.place().to_string(), error }),
        }
    }
}

impl ChannelStore {
    /// Counts which keys the stored secrets need.
    pub async fn key_use(&self, ring: &KeyRing) -> Result<KeyUse, StoreError> {
        let mut key_use = KeyUse { by_key: vec![0; ring.len()], ..KeyUse::default() };
        let records = self.records().await?;
        let copied = copied(&records);
        for (address, fields) in &records {
            key_use.records += usize::from(!fields.is_empty());
            for sealed in secrets(address, fields) {
                key_use.count(ring, &sealed, address);
                if copied.contains(sealed.as_str()) && ring.examine(&sealed).is_ok_and(|opened| !opened.is_bound) {
                    key_use.refused.push(RefusedSeal { place: sealed.place().to_string(), error: OpenError::Copied });
                }
            }
        }
        key_use.unopenable.dedup();
        for key in self.export_erasure_keys().await? {
            match ring.examine(&key.sealed()) {
                Ok(opened) if opened.is_bound => key_use.opening_erasures.push(opened.key),
                Ok(_) | Err(_) => key_use.unopenable_erasure_keys.push(key.erasure_key),
            }
        }
        Ok(key_use)
    }

    /// Seals every secret that another key sealed, or that was sealed without its place, with the first key and for its
    /// place, record by record, and returns how the secrets are sealed afterwards. A process that reads in the meantime
    /// finds the old or the new seal, and each opens. It may be stopped and started again at any time.
    pub async fn reseal(&self, ring: &KeyRing) -> Result<KeyUse, StoreError> {
        let mut resealed = 0;
        let records = self.records().await?;
        let copied = copied(&records);
        for (address, _) in &records {
            let key = keys::channel(address);
            let reseal = |transaction: &mut Transaction| {
                let hash = transaction.hash(&key);
                // The record of a removed account keeps a token, and must go away all the same.
                if ChannelState::from_fields(&hash.fields) == Ok(ChannelState::Disconnected) {
                    hash.lifetime = Lifetime::Limited(keys::TOMBSTONE_TIME);
                }
                Ok(match reseal_fields(&mut hash.fields, address, ring, &copied) {
                    0 => Decision::Abandon(0),
                    secrets => Decision::Write(secrets),
                })
            };
            resealed += self.update(vec![key.clone()], reseal).await?;
        }
        let reseal = |fields: &mut Fields| match reseal_keys(fields, ring, now()) {
            0 => Decision::Abandon(0),
            keys => Decision::Write(keys),
        };
        let resealed_erasure_keys =
            self.update_hash(keys::ERASURE_KEYS.to_owned(), Lifetime::Unlimited, reseal).await?;
        Ok(KeyUse { resealed, resealed_erasure_keys, ..self.key_use(ring).await? })
    }

    async fn records(&self) -> Result<Vec<(Address, Fields)>, StoreError> {
        let records = self.read_channels().await?.into_iter();
        Ok(records.map(|(key, fields)| (keys::address_of_channel(&key), fields)).collect())
    }
}

/// The secrets of a record.
fn secrets(address: &Address, fields: &Fields) -> impl Iterator<Item = SealedSecret> {
    SecretField::ALL.into_iter().filter_map(|field| sealed(address, fields, field))
}

/// The seals that stand in several places that never had one and the same: two fields, two URLs, two channels' tokens at
/// Meta. Nobody can tell which of the places is the right one, so none of them is bound.
fn copied(records: &[(Address, Fields)]) -> HashSet<String> {
    let mut places = HashMap::new();
    let mut copied = HashSet::new();
    for sealed in records.iter().flat_map(|(address, fields)| secrets(address, fields)) {
        let place = sealed.place().shared_before();
        if places.entry(sealed.as_str().to_owned()).or_insert_with(|| place.clone()) != &place {
            copied.insert(sealed.as_str().to_owned());
        }
    }
    copied
}

/// Seals the secrets of one record with the first key and for this record, and returns how many were not sealed so. One
/// that opens with no key stays as it is, because its key may be added later; and so does one that belongs
/// elsewhere, or that was copied.
fn reseal_fields(fields: &mut Fields, address: &Address, ring: &KeyRing, copied: &HashSet<String>) -> usize {
    let mut resealed = 0;
    for field in SecretField::ALL {
        let Some(old) = sealed(address, fields, field) else { continue };
        let Ok(opened) = ring.examine(&old) else { continue };
        // A bound seal needs no guess: it belongs here, whatever copies of it there are.
        let is_needed = if opened.is_bound { opened.key > 0 } else { !copied.contains(old.as_str()) };
        if is_needed {
            let new = ring.seal(&opened.secret).sealed_for(old.place().clone());
            fields::set(fields, field.name(), new.as_str());
            resealed += 1;
        }
    }
    resealed
}
