//! Free ports for private servers.

use std::hash::{BuildHasher as _, RandomState};
use std::net::TcpListener;

/// Linux uses none of these ports for outgoing connections, so a server that restarts finds its port free.
const PORTS: std::ops::Range<u16> = 12_000..32_000;

/// A port on which nothing listens now. The search begins at a random port, so that parallel runs do not collide.
pub fn free_port() -> u16 {
    let random = RandomState::new().hash_one(std::process::id());
    let first = usize::try_from(random % u64::from(PORTS.end - PORTS.start)).unwrap_or_default();
    let free = PORTS.cycle().skip(first).take(PORTS.len()).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.expect("one of 20,000 ports is free")
}
