//! Who is held, as one look-up has read it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::fields::Fields;
use crate::hashing::Hashing;

/// The conversations that are held.
#[derive(Clone, Debug)]
pub struct Held {
    /// When each hold ends, by the hash of its conversation.
    until: BTreeMap<String, Timestamp>,
    hashing: Hashing,
}

impl Held {
    pub(crate) fn of(fields: &Fields, hashing: Hashing, now: Timestamp) -> Self {
        let until = fields.iter().map(|(hash, until)| (hash.clone(), end(until)));
        Self { until: until.filter(|(_, until)| now < *until).collect(), hashing }
    }

    /// Whether nobody is held.
    pub fn is_empty(&self) -> bool {
        self.until.is_empty()
    }

    /// When the hold of a conversation (a lane) ends, if it is held.
    pub fn until(&self, lane: &str) -> Option<Timestamp> {
        if self.is_empty() {
            return None;
        }
        self.hashing.all(lane).iter().filter_map(|hash| self.until.get(hash)).max().copied()
    }
}

/// When a hold ends. One whose end can't be read does not.
pub(crate) fn end(until: &str) -> Timestamp {
    until.parse().unwrap_or(Timestamp::MAX)
}
