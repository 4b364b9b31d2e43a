//! What restoring a record of a backup changes. Of two records of a channel the newer one stays, whichever comes first.

use std::time::Duration;

use event::Address;
use jiff::Timestamp;

use super::users::{self, PastConnection};
use super::{Removal, end_connection, initialise, is_connected, is_disconnected, marks, remove, time};
use crate::fields::{self, Fields};
use crate::hashing::Hashing;
use crate::keys;
use crate::record;
use crate::transaction::{Lifetime, Transaction};

/// What became of a record that was to be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Restored {
    /// It is stored where nothing was.
    New,
    /// It has taken the place of an older one.
    Replaced {
        /// Which another tenant had; there may be dead letters of that tenant.
        had_another: bool,
    },
    /// There is one already that is no older, or it is a tombstone whose time is over.
    No,
}

/// Stores a record of a backup, unless there is one already that is no older.
pub(crate) fn restore(
    transaction: &mut Transaction,
    hashing: &Hashing,
    address: &Address,
    saved: &Fields,
    now: Timestamp,
) -> Restored {
    let before = transaction.hash(&keys::channel(address)).fields.clone();
    let tombstone_time = is_disconnected(saved).then(|| tombstone_time_left(saved, now));
    let is_over = tombstone_time == Some(Duration::ZERO);
    let is_wanted = if before.is_empty() { !is_over } else { age(saved) > age(&before) };
    let changed_at = age(saved).at.unwrap_or(now);
    if !is_wanted || !end(transaction, address, Ending { hashing, saved, changed_at }) {
        return Restored::No;
    }
    initialise(transaction, now);
    let connected_at = time(saved, fields::CONNECTED_AT).unwrap_or(changed_at);
    let had_another = !before.is_empty() && marks::withhold(transaction, hashing, address, saved, connected_at);
    put(transaction, address, saved, changed_at);
    let hash = transaction.hash(&keys::channel(address));
    if is_over {
        hash.fields.clear();
    } else if let Some(time) = tombstone_time {
        hash.lifetime = Lifetime::Limited(time);
    } else if !had_another {
        keep_channels(&mut hash.fields, &before);
    }
    if before.is_empty() { Restored::New } else { Restored::Replaced { had_another } }
}

/// An account keeps the channels that it had: each of them is removed with a record of its own.
fn keep_channels(fields: &mut Fields, before: &Fields) {
    let mut channels = record::channels(fields);
    for channel in record::channels(before) {
        if !channels.contains(&channel) {
            channels.push(channel);
        }
    }
    if !channels.is_empty() {
        record::set_channels(fields, &channels);
    }
}

/// What ends a connection.
#[derive(Clone, Copy, Debug)]
struct Ending<'a> {
    hashing: &'a Hashing,
    saved: &'a Fields,
    changed_at: Timestamp,
}

/// Ends an older connection: a newer one takes its place, or a tombstone, with which an account's channels go, too. `false`:
/// some of these were connected later, and stay.
fn end(transaction: &mut Transaction, address: &Address, ending: Ending<'_>) -> bool {
    let Ending { hashing, changed_at: until, .. } = ending;
    let fields = transaction.hash(&keys::channel(address)).fields.clone();
    if !is_connected(&fields) {
        return true;
    }
    if is_connected(ending.saved) {
        end_connection(transaction, hashing, address, until);
        return true;
    }
    for channel in &record::channels(&fields) {
        // As early as can be, so that a record of its own, which says when and whose it was, counts as newer.
        let connected_at = time(&transaction.hash(&keys::channel(channel)).fields, fields::CONNECTED_AT);
        let now = connected_at.unwrap_or(until);
        remove(transaction, Removal { hashing, address: channel, person: None, until, now });
    }
    remove(transaction, Removal { hashing, address, person: None, until, now: until });
    !is_connected(&transaction.hash(&keys::channel(address)).fields)
}

/// Writes the record, and notes whose it is.
fn put(transaction: &mut Transaction, address: &Address, saved: &Fields, changed_at: Timestamp) {
    let hash = transaction.hash(&keys::channel(address));
    hash.fields.clone_from(saved);
    hash.lifetime = Lifetime::Unlimited;
    if let Some(user) = saved.get(fields::APP_USER_ID) {
        users::connected(transaction, user, address, changed_at);
    }
    if let Some(user_hash) = saved.get(fields::APP_USER_HASH) {
        let past = PastConnection { connected_at: time(saved, fields::CONNECTED_AT), removed_at: changed_at };
        users::note_removed(transaction, user_hash, address, past);
    }
}

/// How new a record is, in the order of what decides. Without a time it was made by hand, and counts as the oldest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Age {
    /// When the channel was connected, or removed.
    at: Option<Timestamp>,
    is_removed: bool,
    updated_at: Option<Timestamp>,
}

fn age(fields: &Fields) -> Age {
    let is_removed = is_disconnected(fields);
    let updated_at = time(fields, fields::UPDATED_AT);
    let at = if is_removed { updated_at } else { time(fields, fields::CONNECTED_AT) };
    Age { at, is_removed, updated_at }
}

/// How long a saved tombstone would still be in the store that it was saved from.
fn tombstone_time_left(saved: &Fields, now: Timestamp) -> Duration {
    let age = time(saved, fields::UPDATED_AT).map(|removed_at| now.duration_since(removed_at)).unwrap_or_default();
    keys::TOMBSTONE_TIME.saturating_sub(Duration::try_from(age).unwrap_or_default())
}
