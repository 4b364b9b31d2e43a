//! The names under which things stand in the store, and how long each may stay.

use std::time::Duration;

use event::{Address, EventId};
use sha2::{Digest as _, Sha256};

/// Written with the first channel. A store without it was emptied or is new: it counts as away.
pub(crate) const INITIALISED: &str = "channels:initialised";
/// What every channel's key begins with.
pub(crate) const CHANNEL: &str = "channel:";
/// What every dispatcher's report begins with.
pub(crate) const DISPATCHER: &str = "dispatcher:";
/// How long a report counts; a dispatcher makes one every 5 s.
pub(crate) const REPORT_TIME: Duration = Duration::from_secs(30);
/// Meta sends an event again for 7 days.
pub const DELIVERED_TIME: Duration = Duration::from_hours(8 * 24);
/// Longer than a copy can wait in any queue (dead letters: 14 days).
pub(crate) const ERASED_TIME: Duration = Duration::from_hours(30 * 24);
/// How long a removed channel's events are known to be unwanted, rather than of an unknown channel.
pub const TOMBSTONE_TIME: Duration = Duration::from_hours(30 * 24);

/// Codes of erasures that are not carried out in the queue yet.
pub(crate) const ERASURES_PENDING: &str = "erasures:pending";
/// How long it can be shown that an erasure was carried out.
pub const ERASURE_RECORD_TIME: Duration = Duration::from_hours(365 * 24);

pub(crate) fn channel(address: &Address) -> String {
    format!("{CHANNEL}{address}")
}

pub(crate) fn delivered(id: &EventId) -> String {
    format!("delivered:{id}")
}

/// Of an address or a lane. Hashed, because a lane may hold a phone number.
pub(crate) fn erased(what: &str) -> String {
    hashed("erased:", what)
}

/// What every ticket's key begins with.
pub(crate) const TICKET: &str = "ticket:";
/// What every session's key begins with.
pub(crate) const SESSION: &str = "session:";

/// Hashed, because who has the id may connect channels: reading the store must not be enough.
pub(crate) fn ticket(id: &str) -> String {
    hashed(TICKET, id)
}

pub(crate) fn session(id: &str) -> String {
    hashed(SESSION, id)
}

/// Of who does what only one may do at a time.
pub(crate) fn lease(name: &str) -> String {
    format!("lease:{name}")
}

pub(crate) fn erasure(code: &str) -> String {
    format!("erasure:{code}")
}

/// Of a person at Meta, hashed: what is left of a deletion names nobody.
pub(crate) fn deletion(app_user_id: &str) -> String {
    hashed("deletion:", app_user_id)
}

/// The addresses of one person at Meta, for its deauthorize and deletion callbacks.
pub(crate) fn user(app_user_id: &str) -> String {
    format!("user:{app_user_id}")
}

/// What must not be readable in the store is known by its hash.
fn hashed(beginning: &str, what: &str) -> String {
    format!("{beginning}{}", hex::encode(Sha256::digest(what.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_erased_lane_does_not_show_its_phone_number() {
        let key = erased("whatsapp:1/4915112345678");

        assert_eq!(key.len(), "erased:".len() + 64);
        assert!(!key.contains("4915112345678"));
    }
}
