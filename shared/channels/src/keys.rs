//! The keys of the store, and how long each entry may stay.

use std::time::Duration;

use event::{Address, EventId};
use sha2::{Digest as _, Sha256};

/// Written with the first channel. A store without it is new or was emptied, and counts as away.
pub(crate) const INITIALISED: &str = "channels:initialised";
/// The beginning of every channel's key.
pub(crate) const CHANNEL: &str = "channel:";
/// The set of the keys of all channels.
pub(crate) const ALL_CHANNELS: &str = "channels:all";
/// The beginning of every marker of a delivered event.
pub(crate) const DELIVERED: &str = "delivered:";
/// The beginning of the keys of lanes of which events were deferred. It begins like the reports of dispatchers, because the user
/// lists of older releases permit that.
const DEFERRED: &str = "dispatcher:deferred:";
/// The beginning of every trail of an event that was not delivered at once.
pub(crate) const TRAIL: &str = "trail:";
/// The beginning of every erasure's marker.
pub(crate) const ERASED: &str = "erased:";
/// What is marked as erased whenever a conversation is. No channel has this address.
pub(crate) const ANY_CONTACT: &str = "contacts";
/// Written now and then, to see whether the store takes writes.
pub(crate) const PROBE: &str = "channels:probe";
/// How long that is kept: nobody reads it.
pub(crate) const PROBE_TIME: Duration = Duration::from_secs(30);
/// How long a cluster remembers a commit: longer than it is sent again.
pub(crate) const COMMIT_TIME: Duration = Duration::from_mins(1);
/// The hash that counts the connected channels of each endpoint.
pub(crate) const ENDPOINTS: &str = "channels:endpoints";
/// The hash of the instances of dispatchers that have reported. Each one's own report ends by itself; this does not.
pub(crate) const DISPATCHERS: &str = "channels:dispatchers";
/// How long a report is kept; a dispatcher writes one every 5 s.
pub(crate) const REPORT_TIME: Duration = Duration::from_secs(30);
/// How long it is kept of a lane which events were deferred: longer than an event waits in any queue but that of dead letters.
pub(crate) const DEFERRED_TIME: Duration = Duration::from_hours(8 * 24);
/// The hash of the keys with which erasures are hashed, each sealed with the key ring.
pub(crate) const ERASURE_KEYS: &str = "channels:erasure-keys";
/// The most keys that a store has at once. Every look-up asks for the markers under each of them.
pub(crate) const ERASURE_KEYS_MAX: usize = 8;
/// Bytes of such a key.
pub(crate) const ERASURE_KEY_BYTES: usize = 32;
/// Bytes of its id, with which its hashes begin.
pub(crate) const HASH_KEY_ID_BYTES: usize = 8;
/// The hash that counts the commits that erased something.
pub(crate) const ERASED_COUNT: &str = "channels:erased";
/// The hash that says what the count was when Redis last rewrote its append-only file, and when that was.
pub(crate) const REWRITTEN: &str = "channels:rewritten";
/// How long the marker of an event and its trail are kept: Meta sends an event again for 7 days.
pub const DELIVERED_TIME: Duration = Duration::from_hours(8 * 24);
/// Longer than a copy can wait in any queue (dead letters: 14 days).
pub(crate) const ERASED_TIME: Duration = Duration::from_hours(30 * 24);
/// How long a removed channel's events are discarded; afterwards they are those of an unknown channel.
pub const TOMBSTONE_TIME: Duration = Duration::from_hours(30 * 24);

/// The hash of the conversations that are held, by their hashes.
pub(crate) const HELD: &str = "channels:held";
/// How long a hold lasts, unless it is asked for again.
pub const HELD_TIME: Duration = Duration::from_hours(30 * 24);
/// The most ids that are held at once: all of them are read with each look-up (50 KB).
pub(crate) const HELD_MAX: usize = 500;

/// The hash of the erasures that the dispatchers have not carried out yet.
pub(crate) const ERASURES_PENDING: &str = "erasures:pending";
/// How long we can show that an erasure was carried out.
pub const ERASURE_RECORD_TIME: Duration = Duration::from_hours(365 * 24);

pub(crate) fn channel(address: &Address) -> String {
    format!("{CHANNEL}{address}")
}

/// The address of the channel whose record has this key.
pub(crate) fn address_of_channel(key: &str) -> Address {
    Address::new(key.strip_prefix(CHANNEL).unwrap_or(key))
}

pub(crate) fn delivered(id: &EventId) -> String {
    format!("{DELIVERED}{id}")
}

/// The key of what is known of an event that was not delivered at once.
pub(crate) fn trail(id: &EventId) -> String {
    format!("{TRAIL}{id}")
}

/// What remembers that a commit was made.
pub(crate) fn commit(id: &str) -> String {
    format!("channels:commit:{id}")
}

pub(crate) fn dispatcher(instance: &str) -> String {
    format!("dispatcher:{instance}")
}

/// The key of a lane of which events were deferred.
pub(crate) fn deferred(lane_hash: &str) -> String {
    format!("{DEFERRED}{lane_hash}")
}

/// The key for an address or a lane, of which only this hash is left: a lane may hold a phone number.
pub(crate) fn erased(hash: &str) -> String {
    format!("{ERASED}{hash}")
}

/// Whether it is the key of an erasure's marker.
pub(crate) fn is_erased_mark(key: &str) -> bool {
    key.strip_prefix(ERASED).is_some_and(is_hash)
}

/// Whether it is the key of a text. Everything else is a hash.
pub(crate) fn is_text(key: &str) -> bool {
    is_erased_mark(key) || key.starts_with(DEFERRED)
}

/// Whether a text is a hash: of [`hash`], or behind the id of the key that it was made with.
pub(crate) fn is_hash(text: &str) -> bool {
    let digits = match text.split_once(':') {
        Some((id, digits)) if is_hash_key_id(id) => digits,
        Some(_) => return false,
        None => text,
    };
    is_hex(digits, 32)
}

/// The id of the key that a hash was made with; `None` if it was made without one.
pub(crate) fn hash_key_id(hash: &str) -> Option<&str> {
    hash.split_once(':').map(|(id, _)| id)
}

/// Whether it is the id of a key with which hashes are made.
pub(crate) fn is_hash_key_id(text: &str) -> bool {
    is_hex(text, HASH_KEY_ID_BYTES)
}

fn is_hex(text: &str, bytes: usize) -> bool {
    text.len() == 2 * bytes && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The beginning of every ticket's key.
pub(crate) const TICKET: &str = "ticket:";
/// The beginning of every session's key.
pub(crate) const SESSION: &str = "session:";

/// The key is hashed, because anyone with the id may connect channels, and reading the store must not be enough.
pub(crate) fn ticket(id: &str) -> String {
    hashed(TICKET, id)
}

/// The key is hashed for the same reason as a ticket's.
pub(crate) fn session(id: &str) -> String {
    hashed(SESSION, id)
}

/// The key of the lease for something that one process at a time may do.
pub(crate) fn lease(name: &str) -> String {
    format!("lease:{name}")
}

pub(crate) fn erasure(code: &str) -> String {
    format!("erasure:{code}")
}

/// The key for a person at Meta, of whom only this hash is left, so that the record of a deletion names nobody.
pub(crate) fn deletion(user_hash: &str) -> String {
    format!("deletion:{user_hash}")
}

/// The beginning of the keys of those addresses.
pub(crate) const USER: &str = "user:";

/// The key of the addresses that one person at Meta has connected, for Meta's deauthorize and deletion callbacks. The
/// records of the channels name the person, too, for as long as they are connected.
pub(crate) fn user(app_user_id: &str) -> String {
    format!("{USER}{app_user_id}")
}

/// The beginning of the keys of what is left of persons whose channels were removed.
pub(crate) const REMOVED_OF: &str = "user:removed:";
/// The set of these keys.
pub(crate) const FORMER_USERS: &str = "channels:former-users";

/// The key of the addresses that one person at Meta had connected until they were removed. Only a hash of the person is
/// left then.
pub(crate) fn removed_of(user_hash: &str) -> String {
    format!("{REMOVED_OF}{user_hash}")
}

/// A key that does not show the text that it is made of.
fn hashed(beginning: &str, text: &str) -> String {
    format!("{beginning}{}", hash(text))
}

/// A hash of a text that nobody can guess. Of one that can be guessed, older releases have left it, too.
pub(crate) fn hash(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}
