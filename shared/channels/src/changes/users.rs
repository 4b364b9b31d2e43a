//! Which person at Meta connected which channels: by their id while a channel is connected, and by a hash of it for as
//! long as a tombstone after that connection has ended, so that a deletion that follows a withdrawal finds what is left.

use event::Address;
use jiff::{SignedDuration, Timestamp};

use crate::app_user::Connector;
use crate::fields::Fields;
use crate::hashing::Hashing;
use crate::keys;
use crate::transaction::{Lifetime, Transaction};

/// From when to when a person had a channel connected, with pauses or without. It is written as an interval of ISO 8601.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PastConnection {
    /// `None`: its record did not say so, which counts as long ago.
    pub(crate) connected_at: Option<Timestamp>,
    pub(crate) removed_at: Timestamp,
}

impl PastConnection {
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let (connected_at, removed_at) = text.split_once('/')?;
        Some(Self { connected_at: connected_at.parse().ok(), removed_at: removed_at.parse().ok()? })
    }

    pub(crate) fn to_text(self) -> String {
        let connected_at = self.connected_at.map(|at| at.to_string()).unwrap_or_default();
        format!("{connected_at}/{}", self.removed_at)
    }

    /// Whether a request of this time concerns it: it was connected by then.
    pub(crate) fn began_by(&self, at: Timestamp) -> bool {
        self.connected_at.is_none_or(|connected_at| connected_at <= at)
    }

    /// What is left of it once everything that was received until then is erased. What is received at the moment of its end
    /// is not its own: somebody may have connected the channel then.
    fn after(self, erased_until: Timestamp) -> Option<Self> {
        if !self.began_by(erased_until) {
            return Some(self);
        }
        let connected_at = erased_until.checked_add(SignedDuration::from_nanos(1)).ok()?;
        (self.removed_at > connected_at).then_some(Self { connected_at: Some(connected_at), ..self })
    }

    /// Whether it ended so long ago that it is forgotten.
    pub(crate) fn is_over(self, now: Timestamp) -> bool {
        let time = SignedDuration::try_from(keys::TOMBSTONE_TIME).unwrap_or(SignedDuration::MAX);
        now.duration_since(self.removed_at) > time
    }

    /// Both as one, with the pause between them.
    fn joined(self, other: Self) -> Self {
        Self {
            connected_at: self.connected_at.min(other.connected_at),
            removed_at: self.removed_at.max(other.removed_at),
        }
    }
}

/// What was erased of a person's past connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Erased<'a> {
    pub(crate) address: &'a Address,
    /// What was received until then.
    pub(crate) until: Timestamp,
    pub(crate) now: Timestamp,
}

/// The keys to read before a channel of this person is added or removed.
pub(crate) fn keys_of(hashing: &Hashing, connector: &Connector) -> Vec<String> {
    let mut keys = vec![keys::user(&connector.user_id)];
    keys.extend(hashing.all(&connector.name()).iter().map(|user_hash| keys::removed_of(user_hash)));
    keys
}

/// Notes that a person has connected a channel.
pub(crate) fn connected(transaction: &mut Transaction, app_user_id: &str, address: &Address, now: Timestamp) {
    let connected = &mut transaction.hash(&keys::user(app_user_id)).fields;
    connected.entry(address.to_string()).or_insert_with(|| now.to_string());
}

/// Notes that a person's connection of a channel has ended. Returns what is left of the person.
pub(crate) fn removed(
    transaction: &mut Transaction,
    hashing: &Hashing,
    connector: &Connector,
    address: &Address,
    mut past: PastConnection,
) -> String {
    transaction.hash(&keys::user(&connector.user_id)).fields.remove(address.as_str());
    let name = connector.name();
    let user_hash = hashing.hash(&name);
    // What was noted under another hash of the same person goes where it will be found together.
    for other in hashing.all(&name).iter().filter(|other| **other != user_hash) {
        change_removed(transaction, other, past.removed_at, |removed| {
            let Some(before) = removed_channel(removed, address) else { return };
            past = past.joined(before);
            removed.remove(address.as_str());
        });
    }
    note_removed(transaction, &user_hash, address, past);
    user_hash
}

/// Notes for a person of whom only a hash is left that their channel was removed.
pub(crate) fn note_removed(transaction: &mut Transaction, user_hash: &str, address: &Address, past: PastConnection) {
    change_removed(transaction, user_hash, past.removed_at, |removed| {
        let before = removed_channel(removed, address);
        let past = before.map_or(past, |before| before.joined(past));
        removed.insert(address.to_string(), past.to_text());
    });
}

/// Forgets that a person had a channel connected, as far as that is erased.
pub(crate) fn forget_removed_until(transaction: &mut Transaction, user_hash: &str, erased: Erased<'_>) {
    let Erased { address, until, now } = erased;
    change_removed(transaction, user_hash, now, |removed| {
        let Some(past) = removed_channel(removed, address) else { return };
        removed.remove(address.as_str());
        if let Some(left) = past.after(until) {
            removed.insert(address.to_string(), left.to_text());
        }
    });
}

/// The removed channels in such a hash.
pub(crate) fn removed_channels(fields: &Fields) -> impl Iterator<Item = (Address, PastConnection)> {
    let parse =
        |(address, text): (&String, &String)| Some((Address::new(address.as_str()), PastConnection::from_text(text)?));
    fields.iter().filter_map(parse)
}

/// One of the removed channels in such a hash.
pub(crate) fn removed_channel(fields: &Fields, address: &Address) -> Option<PastConnection> {
    fields.get(address.as_str()).and_then(|text| PastConnection::from_text(text))
}

/// Changes a hash of removed channels, and drops those of it whose tombstones are gone. The whole hash goes away by
/// itself after the last one.
fn change_removed(transaction: &mut Transaction, user_hash: &str, now: Timestamp, change: impl FnOnce(&mut Fields)) {
    let hash = transaction.hash(&keys::removed_of(user_hash));
    change(&mut hash.fields);
    hash.fields.retain(|_, text| PastConnection::from_text(text).is_some_and(|past| !past.is_over(now)));
    if hash.before() != &hash.fields {
        hash.lifetime = Lifetime::Limited(keys::TOMBSTONE_TIME);
    }
}
