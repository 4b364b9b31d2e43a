//! Sealing every stored token with the first key of the ring, while the service runs.

use event::Address;

use crate::error::StoreError;
use crate::fields::{self, Fields, text};
use crate::key_ring::{KeyRing, SealedSecret};
use crate::keys;
use crate::record::ChannelState;
use crate::store::ChannelStore;
use crate::transaction::{Lifetime, Transaction};
use crate::update::Decision;

/// The fields of a record that are sealed.
const SEALED_FIELDS: [&str; 3] = [fields::DSK_TOKEN, fields::SIGNING_SECRET, fields::ACCESS_TOKEN];

/// Which keys the stored tokens need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyUse {
    /// How many tokens open with the first key, with the second, and so on.
    pub by_key: Vec<usize>,
    /// How many records there are.
    pub records: usize,
    /// How many tokens were sealed again, with the first key.
    pub resealed: usize,
    /// The records that have a token that opens with no key.
    pub unopenable: Vec<Address>,
}

impl KeyUse {
    /// The keys, counted from 1, that no stored token needs. The first key is never among them, because it seals.
    pub fn unused_keys(&self) -> Vec<usize> {
        let unused = self.by_key.iter().enumerate().skip(1).filter(|(_, tokens)| **tokens == 0);
        unused.map(|(index, _)| index + 1).collect()
    }
}

impl ChannelStore {
    /// Counts which keys the stored tokens need.
    pub async fn key_use(&self, ring: &KeyRing) -> Result<KeyUse, StoreError> {
        let mut key_use = KeyUse { by_key: vec![0; ring.len()], ..KeyUse::default() };
        for (key, fields) in self.read_channels().await? {
            key_use.records += usize::from(!fields.is_empty());
            for sealed in SEALED_FIELDS.iter().filter_map(|name| text(&fields, name)).map(SealedSecret::new) {
                match ring.position(&sealed).and_then(|index| key_use.by_key.get_mut(index)) {
                    Some(tokens) => *tokens += 1,
                    None => key_use.unopenable.push(Address::new(key.strip_prefix(keys::CHANNEL).unwrap_or(&key))),
                }
            }
        }
        key_use.unopenable.dedup();
        Ok(key_use)
    }

    /// Seals every token that another key sealed with the first key, record by record, and returns which keys the tokens
    /// need afterwards. A process that reads in the meantime finds the old or the new sealed token, and each opens. It
    /// may be stopped and started again at any time.
    pub async fn reseal(&self, ring: &KeyRing) -> Result<KeyUse, StoreError> {
        let mut resealed = 0;
        for key in self.channel_keys().await? {
            let reseal = |transaction: &mut Transaction| {
                let hash = transaction.hash(&key);
                // The record of a removed account keeps a token, and must go away all the same.
                if ChannelState::from_fields(&hash.fields) == Ok(ChannelState::Disconnected) {
                    hash.lifetime = Lifetime::Limited(keys::TOMBSTONE_TIME);
                }
                Ok(match reseal_fields(&mut hash.fields, ring) {
                    0 => Decision::Abandon(0),
                    tokens => Decision::Write(tokens),
                })
            };
            resealed += self.update(vec![key.clone()], reseal).await?;
        }
        Ok(KeyUse { resealed, ..self.key_use(ring).await? })
    }
}

/// Seals the tokens of one record with the first key, and returns how many another key had sealed. A token that opens
/// with no key stays as it is, because its key may be added later.
fn reseal_fields(fields: &mut Fields, ring: &KeyRing) -> usize {
    let mut resealed = 0;
    for name in SEALED_FIELDS {
        let Some(old) = text(fields, name).map(SealedSecret::new) else { continue };
        if ring.position(&old) == Some(0) {
            continue;
        }
        if let Ok(token) = ring.open(&old) {
            fields::set(fields, name, ring.seal(&token).as_str());
            resealed += 1;
        }
    }
    resealed
}
