//! What erasing a channel changes: nothing is left of it, nor of the person who had connected it.

use event::{Address, Family};

use super::users::{self, Erased};
use super::{Removal, is_connected, is_disconnected, remove, was_connected_after};
use crate::fields;
use crate::keys;
use crate::transaction::{Lifetime, Transaction};

/// Removes a channel without a tombstone: the marker of its erasure takes that place. A tombstone that it left before goes
/// away, too, and so does what is left of the person who had connected it.
pub(crate) fn erase(transaction: &mut Transaction, removal: Removal<'_>) {
    let Removal { hashing, address, person, until, now } = removal;
    remove(transaction, removal);
    let named = transaction.hash(&keys::channel(address));
    let is_gone = named.fields.is_empty()
        || is_disconnected(&named.fields) && (is_connected(named.before()) || removal.concerns(&named.fields));
    for (user_hash, address) in clear_tombstones(transaction, removal, is_gone) {
        users::forget_removed_until(transaction, &user_hash, Erased { address: &address, until: now, now });
    }
    // Where somebody has connected the channel since, what the person had before is erased up to the request.
    let until = if is_gone { now } else { until };
    for user_hash in person.iter().flat_map(|person| person.all_hashes(hashing)) {
        users::forget_removed_until(transaction, &user_hash, Erased { address, until, now });
    }
}

/// Clears the tombstones that this removal has left. If the named channel is gone, its own goes too, and its account's.
/// Returns whose channels they were.
fn clear_tombstones(transaction: &mut Transaction, removal: Removal<'_>, is_gone: bool) -> Vec<(String, Address)> {
    let mut forgotten = Vec::new();
    for (key, hash) in transaction.hashes_mut() {
        let Some(address) = key.strip_prefix(keys::CHANNEL).map(Address::new) else { continue };
        let is_its_account =
            address.family() == Family::WhatsAppAccount && !was_connected_after(&hash.fields, removal.until);
        let goes_along = is_gone && (address == *removal.address || is_its_account);
        if is_disconnected(&hash.fields) && (goes_along || is_connected(hash.before())) {
            forgotten.extend(hash.fields.remove(fields::APP_USER_HASH).map(|user_hash| (user_hash, address)));
            hash.fields.clear();
            hash.lifetime = Lifetime::Unlimited;
        }
    }
    forgotten
}
