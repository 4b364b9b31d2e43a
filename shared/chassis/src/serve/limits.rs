//! The bounds of a listener.

use std::time::Duration;

/// The bounds of a listener.
#[derive(Clone, Copy, Debug)]
pub struct ServeLimits {
    /// Longest wait for a request: from the connection to the headers of the first one, and from an answer to the headers
    /// of the next one. Then the connection is closed, whatever else arrives on it, such as the pings of HTTP/2.
    pub header_read: Duration,
    /// Longest time that the body of a request may take as a whole. Then the answer is 408.
    pub body_read: Duration,
    /// Most connections at once. For a further one, the connection that has waited longest for its client is closed.
    pub connections_max: usize,
    /// Most connections of one client, which is an IPv4 address or an IPv6 network of /64. Trusted proxies have no such
    /// bound, because they connect for many clients.
    pub client_connections_max: usize,
    /// How long the requests under way may take after a stop.
    pub grace: Duration,
}
