//! Moving every sealed token under the first key of the ring, while workers run.

use event::Address;

use crate::changes::Write;
use crate::record::Fields;
use crate::{ChannelStore, KeyRing, Sealed, StoreError, keys};

/// The fields of a record that are sealed.
const SEALED: [&str; 3] = ["dsk_token", "signing_secret", "access_token"];

/// Which keys the stored tokens need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyUse {
    /// Tokens that open with the first key, with the second, and so on.
    pub by_key: Vec<usize>,
    /// Records there are.
    pub records: usize,
    /// Tokens moved under the first key.
    pub resealed: usize,
    /// Records with a token that opens with none.
    pub unopenable: Vec<Address>,
}

impl KeyUse {
    /// Keys, counted from 1, that no stored token needs; the first one is needed for what is sealed next.
    pub fn needless(&self) -> Vec<usize> {
        let unused = self.by_key.iter().enumerate().skip(1).filter(|(_, tokens)| **tokens == 0);
        unused.map(|(index, _)| index + 1).collect()
    }
}

impl ChannelStore {
    /// Counts which keys the stored tokens need.
    pub async fn key_use(&self, ring: &KeyRing) -> Result<KeyUse, StoreError> {
        let mut found = KeyUse { by_key: vec![0; ring.len()], ..KeyUse::default() };
        for (key, fields) in self.hashes(keys::CHANNEL).await? {
            found.records += usize::from(!fields.is_empty());
            for sealed in sealed(&fields) {
                match ring.position(&sealed).and_then(|index| found.by_key.get_mut(index)) {
                    Some(tokens) => *tokens += 1,
                    None => found.unopenable.push(address(&key)),
                }
            }
        }
        found.unopenable.dedup();
        Ok(found)
    }

    /// Seals every token with the first key that was sealed with another one, record by record: whoever reads meanwhile
    /// finds the old or the new, and each opens. A record that somebody else changes at the same time is done anew. May
    /// be stopped and started again at any time. Gives what the tokens need afterwards.
    pub async fn reseal(&self, ring: &KeyRing) -> Result<KeyUse, StoreError> {
        let mut resealed = 0;
        for key in self.channel_keys().await? {
            resealed += self.reseal_record(&key, ring).await?;
        }
        Ok(KeyUse { resealed, ..self.key_use(ring).await? })
    }

    async fn reseal_record(&self, key: &str, ring: &KeyRing) -> Result<usize, StoreError> {
        for _ in 0..Self::TRIES_MAX {
            let before = self.one(key.to_owned()).await?;
            let (after, resealed) = under_first_key(&before, ring);
            let write = Write { key: key.to_owned(), before, after, expires: 0 };
            if resealed == 0 || self.commit(vec![write]).await? {
                return Ok(resealed);
            }
        }
        Err(StoreError::Conflict)
    }
}

fn sealed(fields: &Fields) -> Vec<Sealed> {
    let present = SEALED.iter().filter_map(|name| fields.get(*name)).filter(|value| !value.is_empty());
    present.map(Sealed::new).collect()
}

/// What opens with no key stays as it is: the key may turn up.
fn under_first_key(before: &Fields, ring: &KeyRing) -> (Fields, usize) {
    let (mut after, mut resealed) = (before.clone(), 0);
    for name in SEALED {
        let Some(value) = after.get_mut(name).filter(|value| !value.is_empty()) else { continue };
        let old = Sealed::new(value.clone());
        if ring.position(&old) == Some(0) {
            continue;
        }
        if let Ok(token) = ring.open(&old) {
            ring.seal(&token).as_str().clone_into(value);
            resealed += 1;
        }
    }
    (after, resealed)
}

fn address(key: &str) -> Address {
    Address::new(key.strip_prefix(keys::CHANNEL).unwrap_or(key))
}
