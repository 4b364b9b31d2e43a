//! Free ports for servers of our own.

use std::hash::{BuildHasher as _, RandomState};
use std::net::TcpListener;

/// Below the range that Linux takes for outgoing connections: nobody takes such a port away while its server restarts.
const PORTS: std::ops::Range<u16> = 12_000..32_000;

/// A port that nobody listens on now, chosen at random so that runs side by side do not meet.
pub fn free_port() -> u16 {
    let chance = RandomState::new().hash_one(std::process::id());
    let first = usize::try_from(chance % u64::from(PORTS.end - PORTS.start)).unwrap_or_default();
    let free = PORTS.cycle().skip(first).take(PORTS.len()).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.expect("one of 20,000 ports is free")
}
