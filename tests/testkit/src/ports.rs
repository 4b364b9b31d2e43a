//! Free ports for private servers.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};

/// Linux uses none of these ports for outgoing connections, so a server that restarts finds its port free.
const PORTS: std::ops::Range<u16> = 12_000..32_000;

/// The ports that were given to somebody: a server listens only some time after it has got its port.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port on which nothing listens now, and which was not given before. The search begins at a random port, so that parallel
/// runs do not collide.
pub fn free_port() -> u16 {
    let random = RandomState::new().hash_one(std::process::id());
    let first = usize::try_from(random % u64::from(PORTS.end - PORTS.start)).unwrap_or_default();
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let is_free = |port: &u16| !given.contains(port) && TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let free = PORTS.cycle().skip(first).take(PORTS.len()).find(is_free);
    let free = free.expect("one of 20,000 ports is free");
    given.insert(free);
    free
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_given_twice() {
        let ports: BTreeSet<u16> = (0..1_000).map(|_| free_port()).collect();

        assert_eq!(ports.len(), 1_000);
    }
}
