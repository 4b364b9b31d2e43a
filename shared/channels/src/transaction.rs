//! A transaction: hashes that are read together, and written together or not at all.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::fields::{self, Fields};
use crate::keys;

/// One hash, which the back end replaces as a whole if it is still as it was read. What is a text in Redis counts as
/// a hash with one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Write {
    #[serde(skip)]
    pub(crate) key: String,
    pub(crate) before: Fields,
    pub(crate) after: Fields,
    /// Seconds until the store removes the hash by itself; 0 means never.
    pub(crate) expires: u64,
}

/// The fields of a channel's record that are secret or say who somebody is.
const ERASABLE: [&str; 5] =
    [fields::DSK_TOKEN, fields::SIGNING_SECRET, fields::ACCESS_TOKEN, fields::NAME, fields::APP_USER_ID];

impl Write {
    /// Whether it removes or replaces what must not stay on disk. (Links and sessions do not count: what they hold is
    /// sealed, and most of it goes on as part of a channel.)
    pub(crate) fn is_erasing(&self) -> bool {
        let is_erasable = |field: &str| {
            self.key.starts_with(keys::USER) || self.key.starts_with(keys::CHANNEL) && ERASABLE.contains(&field)
        };
        self.before.iter().any(|(field, value)| is_erasable(field) && self.after.get(field) != Some(value))
    }
}

/// How long a hash stays in the store after it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// Until it is removed.
    #[default]
    Unlimited,
    /// For this long. Such a hash is written even if its fields stay the same, because that renews its lifetime.
    Limited(Duration),
}

/// A hash as it was read, and as it shall become.
#[derive(Debug, Default)]
pub(crate) struct Hash {
    before: Fields,
    pub(crate) fields: Fields,
    pub(crate) lifetime: Lifetime,
}

/// Hashes that were read together, by their keys.
#[derive(Debug, Default)]
pub(crate) struct Transaction(BTreeMap<String, Hash>);

impl Transaction {
    /// Adds a hash as it was read.
    pub(crate) fn add(&mut self, key: String, fields: Fields) {
        self.0.insert(key, Hash { before: fields.clone(), fields, lifetime: Lifetime::Unlimited });
    }

    /// A hash, to be read or changed. One that was not read has to be absent from the store when the transaction is
    /// committed.
    pub(crate) fn hash(&mut self, key: &str) -> &mut Hash {
        self.0.entry(key.to_owned()).or_default()
    }

    /// Whether a hash was read.
    pub(crate) fn contains(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Every key, and its hash as it was read.
    pub(crate) fn as_read(&self) -> impl Iterator<Item = (&str, &Fields)> {
        self.0.iter().map(|(key, hash)| (key.as_str(), &hash.before))
    }

    /// Every key and its hash.
    pub(crate) fn hashes_mut(&mut self) -> impl Iterator<Item = (&str, &mut Hash)> {
        self.0.iter_mut().map(|(key, hash)| (key.as_str(), hash))
    }

    /// What has to be written: hashes whose fields changed, and hashes with a lifetime to renew.
    pub(crate) fn into_writes(self) -> Vec<Write> {
        self.0.into_iter().filter_map(|(key, hash)| hash.into_write(key)).collect()
    }
}

impl Hash {
    /// The fields as they were read.
    pub(crate) fn before(&self) -> &Fields {
        &self.before
    }

    fn into_write(self, key: String) -> Option<Write> {
        let expires = match self.lifetime {
            Lifetime::Unlimited if self.before == self.fields => return None,
            Lifetime::Unlimited => 0,
            // Less than a second would become 0, which means never.
            Lifetime::Limited(time) => time.as_secs().max(1),
        };
        Some(Write { key, before: self.before, after: self.fields, expires })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transaction() -> Transaction {
        let mut transaction = Transaction::default();
        transaction.add("key".to_owned(), fields::collect([("name", Some("value".to_owned()))]));
        transaction
    }

    #[test]
    fn a_hash_that_was_only_read_is_not_written() {
        assert_eq!(transaction().into_writes(), []);
    }

    #[test]
    fn a_limited_lifetime_is_renewed_even_if_the_fields_stay_the_same() {
        let mut transaction = transaction();
        transaction.hash("key").lifetime = Lifetime::Limited(Duration::from_mins(1));

        let writes = transaction.into_writes();

        assert_eq!(writes.iter().map(|write| write.expires).collect::<Vec<_>>(), [60]);
        assert_eq!(writes[0].before, writes[0].after);
    }

    #[test]
    fn a_lifetime_below_a_second_does_not_become_unlimited() {
        let mut transaction = transaction();
        transaction.hash("key").lifetime = Lifetime::Limited(Duration::from_millis(1));

        assert_eq!(transaction.into_writes()[0].expires, 1);
    }

    #[test]
    fn a_write_erases_if_a_secret_or_a_persons_name_is_gone_afterwards() {
        let fields = |token: &str, state: &str| {
            fields::collect([(fields::ACCESS_TOKEN, Some(token.to_owned())), (fields::STATE, Some(state.to_owned()))])
        };
        let write = |key: &str, after| Write { key: key.to_owned(), before: fields("a", "b"), after, expires: 0 };

        assert!(!write("channel:1", fields("a", "other")).is_erasing());
        assert!(write("channel:1", fields("other", "b")).is_erasing());
        assert!(write("channel:1", Fields::new()).is_erasing());
        assert!(write("user:1", Fields::new()).is_erasing());
        assert!(!write("dispatcher:1", Fields::new()).is_erasing());
    }
}
