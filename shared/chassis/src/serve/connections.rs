//! The open connections of a listener, and which of them has to make room for another.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use super::limits::ServeLimits;
use super::turns::Turns;
use crate::TrustedProxies;
use crate::proxies::counted_as;

/// The time between two warnings that a listener is full.
const WARNING_PERIOD: Duration = Duration::from_mins(1);

/// The open connections of a listener.
pub(super) struct Connections {
    limits: ServeLimits,
    trusted_proxies: TrustedProxies,
    open: Arc<Mutex<Open>>,
}

/// The place of one connection, which is free again when this is dropped.
pub(super) struct Place {
    id: u64,
    turns: Arc<Turns>,
    open: Arc<Mutex<Open>>,
}

#[derive(Default)]
struct Open {
    last_id: u64,
    connections: HashMap<u64, Connection>,
    /// How many connections each client has.
    clients: HashMap<IpAddr, usize>,
    warned_at: Option<Instant>,
}

struct Connection {
    client: IpAddr,
    turns: Arc<Turns>,
}

impl Connections {
    pub(super) fn new(limits: ServeLimits, trusted_proxies: TrustedProxies) -> Self {
        Self { limits, trusted_proxies, open: Arc::default() }
    }

    /// A place for a connection of this peer. If there is none, the connection that has waited longest for its client ends:
    /// one of the same client if the client has too many. There is no place if all of them wait for us.
    pub(super) fn admit(&self, peer: IpAddr) -> Option<Place> {
        let client = counted_as(peer);
        let has_bound = !self.trusted_proxies.trusts(peer.to_canonical());
        let mut open = lock(&self.open);
        let of_client = open.clients.get(&client).copied().unwrap_or_default();
        if has_bound && of_client >= self.limits.client_connections_max {
            open.warn("one client has too many connections");
            open.evict(|connection| connection.client == client)?;
        } else if open.connections.len() >= self.limits.connections_max {
            open.warn("all connections are in use");
            open.evict(|_| true)?;
        }
        let turns = Turns::new();
        let id = open.insert(Connection { client, turns: Arc::clone(&turns) });
        Some(Place { id, turns, open: Arc::clone(&self.open) })
    }

    /// Ends the connection that has waited longest for its client.
    pub(super) fn make_room(&self) {
        lock(&self.open).evict(|_| true);
    }
}

impl Place {
    pub(super) fn turns(&self) -> &Arc<Turns> {
        &self.turns
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.open).remove(self.id);
    }
}

impl Open {
    fn insert(&mut self, connection: Connection) -> u64 {
        self.last_id += 1;
        *self.clients.entry(connection.client).or_default() += 1;
        self.connections.insert(self.last_id, connection);
        self.last_id
    }

    fn remove(&mut self, id: u64) -> Option<Connection> {
        let connection = self.connections.remove(&id)?;
        if let Some(count) = self.clients.get_mut(&connection.client) {
            *count -= 1;
            if *count == 0 {
                self.clients.remove(&connection.client);
            }
        }
        Some(connection)
    }

    /// Ends the connection that has waited longest for its client, of those that are meant. Its place is free at once.
    fn evict(&mut self, is_meant: impl Fn(&Connection) -> bool) -> Option<()> {
        let meant = self.connections.iter().filter(|(_, connection)| is_meant(connection));
        let waiting = meant.filter_map(|(id, connection)| Some((connection.turns.waiting_since()?, *id)));
        let longest = waiting.min()?.1;
        self.remove(longest)?.turns.evict();
        Some(())
    }

    fn warn(&mut self, reason: &str) {
        let now = Instant::now();
        if self.warned_at.is_none_or(|at| now.duration_since(at) >= WARNING_PERIOD) {
            self.warned_at = Some(now);
            let connections = self.connections.len();
            warn!(connections, "Closing connections that wait for their clients, because {reason}");
        }
    }
}

fn lock(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}
