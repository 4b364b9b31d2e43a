//! What a transaction changes in the markers of erasures.

use event::Address;
use jiff::{SignedDuration, Timestamp};

use crate::fields::{self, Fields};
use crate::hashing::Hashing;
use crate::keys;
use crate::transaction::{Lifetime, Transaction};

/// Sets the time of a marker that was read, unless it has a later one already.
pub(crate) fn raise(transaction: &mut Transaction, key: &str, until: Timestamp) {
    let hash = transaction.hash(key);
    let marked = time(&hash.fields);
    fields::set(&mut hash.fields, fields::MARK, marked.map_or(until, |marked| marked.max(until)));
    hash.lifetime = Lifetime::Limited(keys::ERASED_TIME);
}

fn time(marker: &Fields) -> Option<Timestamp> {
    marker.get(fields::MARK).and_then(|text| text.parse().ok())
}

/// Whether it is the marker of an older release, which did not write when.
pub(crate) fn is_undated(marker: &Fields) -> bool {
    !marker.is_empty() && time(marker).is_none()
}

/// Whoever is about to get an address gets nothing that was received for another tenant, or after an erasure, while nobody
/// had it. `true`: another tenant had it, and there may be dead letters of that tenant.
pub(crate) fn withhold(
    transaction: &mut Transaction,
    hashing: &Hashing,
    address: &Address,
    given: &Fields,
    connected_at: Timestamp,
) -> bool {
    let before = &transaction.hash(&keys::channel(address)).fields;
    let had_nobody = before.is_empty();
    let had_another = !had_nobody && before.get(fields::TENANT) != given.get(fields::TENANT);
    let markers = hashing.markers(address.as_str());
    for marker in &markers {
        if is_undated(&transaction.hash(marker).fields) {
            raise(transaction, marker, just_before(connected_at));
        }
    }
    let is_marked = markers.iter().any(|marker| !transaction.hash(marker).fields.is_empty());
    if had_another || had_nobody && is_marked {
        raise(transaction, &hashing.marker(address.as_str()), just_before(connected_at));
    }
    had_another
}

/// The last moment that an erasure may concern without the connection that began then.
pub(crate) fn just_before(time: Timestamp) -> Timestamp {
    time.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(time)
}
