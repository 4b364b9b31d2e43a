//! Limits how often one address may change something, so that nobody can try out links or keys.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use chassis::TrustedProxies;
use tokio::time::Instant;
use tracing::warn;

use crate::page_error::PageError;

/// Changes that one address may ask for in a window: a person makes fewer than ten.
const CHANGES_MAX: u32 = 60;
const WINDOW: Duration = Duration::from_mins(1);
/// Addresses that are remembered. Beyond it all windows start again, so that memory stays bounded.
const ADDRESSES_MAX: usize = 10_000;

/// Counts the changes that each address asks for.
#[derive(Debug)]
pub(crate) struct RateLimit {
    trusted_proxies: TrustedProxies,
    windows: Mutex<HashMap<IpAddr, Window>>,
}

/// The changes of one address since a moment.
#[derive(Debug)]
struct Window {
    since: Instant,
    changes: u32,
}

impl RateLimit {
    pub(crate) fn new(trusted_proxies: TrustedProxies) -> Self {
        Self { trusted_proxies, windows: Mutex::default() }
    }

    /// Counts one more change of an address, and says whether that is one too many.
    fn is_exceeded(&self, address: IpAddr, now: Instant) -> bool {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= ADDRESSES_MAX && !windows.contains_key(&address) {
            windows.clear();
        }
        let window = windows.entry(address).or_insert(Window { since: now, changes: 0 });
        if now.duration_since(window.since) >= WINDOW {
            *window = Window { since: now, changes: 0 };
        }
        window.changes += 1;
        window.changes > CHANGES_MAX
    }
}

/// Refuses a change if its address asks for too many.
pub(crate) async fn limit_changes(
    State(limit): State<Arc<RateLimit>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Result<Response, PageError> {
    let is_change = request.method() != Method::GET && request.method() != Method::HEAD;
    let client = limit.trusted_proxies.client(peer.ip(), request.headers());
    if is_change && limit.is_exceeded(client, Instant::now()) {
        // Without the address: the privacy policy says that no page writes it down.
        warn!("Refused a change because its address asks for too many");
        return Err(PageError::TooManyChanges);
    }
    Ok(next.run(request).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_address_is_limited_for_a_minute_and_no_other() {
        let limit = RateLimit::new("".parse().unwrap());
        let now = Instant::now();
        let busy: IpAddr = "203.0.113.1".parse().unwrap();
        let other: IpAddr = "203.0.113.2".parse().unwrap();

        let refused = (0..=CHANGES_MAX).filter(|_| limit.is_exceeded(busy, now)).count();

        assert_eq!(refused, 1);
        assert!(!limit.is_exceeded(other, now));
        assert!(!limit.is_exceeded(busy, now + WINDOW));
    }
}
