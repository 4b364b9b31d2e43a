//! Hashes of what the store must recognise and must not hold: conversations (a lane has a phone number in it), channels and
//! persons. They are keyed, because whoever copies the store could try all numbers with a hash that needs no key.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::error::ErasureKeyError;
use crate::keys;

/// A key under which texts are hashed.
#[derive(Clone)]
pub(crate) struct HashKey {
    id: String,
    /// The hash of nothing under this key, with which every hash begins.
    mac: Hmac<Sha256>,
}

/// One way to hash.
#[derive(Clone, Debug)]
enum Form {
    Keyed(HashKey),
    /// As older releases do: without a key.
    Plain,
}

/// How texts are hashed at a moment.
#[derive(Clone, Debug)]
pub(crate) struct Hashing {
    /// How they are written.
    written: Form,
    /// How else they may have been written, by an older release or in another store.
    others: Vec<Form>,
}

impl HashKey {
    /// Reads the key from its text in hex, which must have the length of those that are made.
    pub(crate) fn from_hex(id: &str, key: &str) -> Option<Self> {
        let key = zeroize::Zeroizing::new(hex::decode(key).ok().filter(|key| key.len() == keys::ERASURE_KEY_BYTES)?);
        Some(Self { id: id.to_owned(), mac: Hmac::new_from_slice(&key).ok()? })
    }

    fn hash(&self, text: &str) -> String {
        let mac = self.mac.clone().chain_update(text.as_bytes());
        format!("{}:{}", self.id, hex::encode(mac.finalize().into_bytes()))
    }
}

impl Form {
    fn hash(&self, text: &str) -> String {
        match self {
            Self::Keyed(key) => key.hash(text),
            Self::Plain => keys::hash(text),
        }
    }
}

impl Hashing {
    /// Without any key, as older releases hash.
    pub(crate) fn plain() -> Self {
        Self { written: Form::Plain, others: Vec::new() }
    }

    /// With a key.
    pub(crate) fn keyed(key: HashKey) -> Self {
        Self { written: Form::Keyed(key), others: Vec::new() }
    }

    /// Recognises what was hashed with this key, too.
    pub(crate) fn and_keyed(mut self, key: HashKey) -> Self {
        self.others.push(Form::Keyed(key));
        self
    }

    /// Recognises what was hashed without a key, too.
    pub(crate) fn and_plain(mut self) -> Self {
        self.others.push(Form::Plain);
        self
    }

    /// The hash under which something is written.
    pub(crate) fn hash(&self, text: &str) -> String {
        self.written.hash(text)
    }

    /// The hashes under which something may have been written. The first is the one under which it is written now.
    pub(crate) fn all(&self, text: &str) -> Vec<String> {
        self.forms().map(|form| form.hash(text)).collect()
    }

    /// The key of the marker under which something is marked as erased.
    pub(crate) fn marker(&self, text: &str) -> String {
        keys::erased(&self.hash(text))
    }

    /// The keys of the markers under which something may be marked as erased, in the order of [`Self::all`].
    pub(crate) fn markers(&self, text: &str) -> Vec<String> {
        self.forms().map(|form| keys::erased(&form.hash(text))).collect()
    }

    /// Whether it can say what has this hash. A hash that names no key is always compared.
    pub(crate) fn knows(&self, hash: &str) -> bool {
        let is_of = |form: &Form| matches!(form, Form::Keyed(key) if Some(key.id.as_str()) == keys::hash_key_id(hash));
        keys::hash_key_id(hash).is_none() || self.forms().any(is_of)
    }

    /// Refuses a hash whose key an export lacks: what it stands for would come back unnoticed.
    pub(crate) fn check_known(&self, hash: &str) -> Result<(), ErasureKeyError> {
        match keys::hash_key_id(hash) {
            Some(id) if !self.knows(hash) => Err(ErasureKeyError::OfExportMissing { id: id.to_owned() }),
            _ => Ok(()),
        }
    }

    /// The hashes of many texts: those of all texts in the first form, then those in the second, and so on.
    pub(crate) fn by_form(&self, texts: &[&str]) -> Vec<String> {
        self.forms().flat_map(|form| texts.iter().map(|text| form.hash(text))).collect()
    }

    fn forms(&self) -> impl Iterator<Item = &Form> {
        [&self.written].into_iter().chain(&self.others)
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashKey").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod samples {
    //! A key for the tests of other modules.

    use super::*;

    pub(crate) fn key(id: &str) -> HashKey {
        HashKey::from_hex(id, &hex::encode([7; keys::ERASURE_KEY_BYTES])).expect("it has the right length")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LANE: &str = "whatsapp:1/4915112345678";

    #[test]
    fn the_same_text_has_another_hash_under_each_key_and_none_shows_it() {
        let one = Hashing::keyed(HashKey::from_hex("0000000000000001", &"11".repeat(32)).unwrap());
        let other = Hashing::keyed(HashKey::from_hex("0000000000000001", &"22".repeat(32)).unwrap());

        assert_eq!(one.hash(LANE), one.clone().hash(LANE));
        assert_ne!(one.hash(LANE), other.hash(LANE));
        for hash in [one.hash(LANE), other.hash(LANE), Hashing::plain().hash(LANE)] {
            assert!(keys::is_hash(&hash) && keys::is_erased_mark(&keys::erased(&hash)), "{hash}");
            assert!(!hash.contains("4915112345678"), "{hash}");
        }
    }

    #[test]
    fn a_hash_of_an_unknown_key_is_recognised_as_such() {
        let hashing = Hashing::keyed(samples::key("0000000000000001")).and_keyed(samples::key("0000000000000002"));
        let stranger = Hashing::keyed(samples::key("0000000000000003")).hash(LANE);

        assert!(hashing.all(LANE).iter().all(|hash| hashing.knows(hash)));
        assert!(hashing.knows(&keys::hash(LANE)), "it names no key");
        assert!(!hashing.knows(&stranger));
    }

    #[test]
    fn a_key_of_another_length_is_refused_and_none_shows_in_debug_output() {
        assert!(HashKey::from_hex("1", "1111").is_none() && HashKey::from_hex("1", "no hex").is_none());
        assert_eq!(format!("{:?}", samples::key("1")), "HashKey { id: \"1\", .. }");
    }
}
