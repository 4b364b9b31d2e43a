//! Limits how often one client may change something, so that nobody can try out links, keys or tokens. What Meta has signed
//! and what carries DSK's key, or its token, is never limited: without trusted proxies all requests seem to come from one
//! client.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use chassis::{TrustedProxies, counted_as};
use tokio::time::Instant;
use tracing::warn;

use crate::access::{ErrorRow, error_answer};
use crate::metrics::RefusalReason;
use crate::page_error::PageError;
use crate::refusals;

/// Changes that one client may ask for in a window: a person makes fewer than ten.
const CHANGES_MAX: u32 = 60;
const WINDOW: Duration = Duration::from_mins(1);
/// Clients that are remembered. Beyond it all windows start again, so that memory stays bounded.
const CLIENTS_MAX: usize = 10_000;

/// Counts the changes that each client asks for.
#[derive(Debug)]
pub(crate) struct RateLimit {
    trusted_proxies: TrustedProxies,
    windows: Mutex<HashMap<IpAddr, Window>>,
}

/// The changes of one client since a moment.
#[derive(Debug)]
struct Window {
    since: Instant,
    changes: u32,
}

impl RateLimit {
    pub(crate) fn new(trusted_proxies: TrustedProxies) -> Self {
        Self { trusted_proxies, windows: Mutex::default() }
    }

    /// Counts one more change of a client, and says whether that is one too many.
    fn is_exceeded(&self, client: IpAddr, now: Instant) -> bool {
        let client = counted_as(client);
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= CLIENTS_MAX && !windows.contains_key(&client) {
            windows.clear();
        }
        let window = windows.entry(client).or_insert(Window { since: now, changes: 0 });
        if now.duration_since(window.since) >= WINDOW {
            *window = Window { since: now, changes: 0 };
        }
        window.changes += 1;
        window.changes > CHANGES_MAX
    }
}

/// Refuses a change if its client asks for too many.
pub(crate) async fn limit_changes(
    State(limit): State<Arc<RateLimit>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Result<Response, PageError> {
    let is_change = request.method() != Method::GET && request.method() != Method::HEAD;
    let client = limit.trusted_proxies.client(peer.ip(), request.headers());
    if is_change && limit.is_exceeded(client, Instant::now()) {
        return Err(too_many());
    }
    Ok(next.run(request).await)
}

/// For what servers ask. It counts only what carried neither a valid signature nor a known key or token.
pub(crate) async fn limit_unproven(
    State(limit): State<Arc<RateLimit>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    use RefusalReason::{ApiKey, Media, Profile, SignedRequest};
    let client = limit.trusted_proxies.client(peer.ip(), request.headers());
    let answer = next.run(request).await;
    let is_unproven = matches!(answer.extensions().get(), Some(ApiKey | Media | Profile | SignedRequest));
    if is_unproven && limit.is_exceeded(client, Instant::now()) {
        return too_many_attempts();
    }
    answer
}

/// Without the address: the privacy policy says that no page writes it down.
fn too_many() -> PageError {
    warn!("Refused a change because its client asks for too many");
    PageError::TooManyChanges
}

/// The same for servers, in the form in which DSK reads every other refusal.
fn too_many_attempts() -> Response {
    warn!("Refused a request because its client tries out keys, tokens or signatures");
    let row = ErrorRow { status: StatusCode::TOO_MANY_REQUESTS, word: "too_many_attempts", outcome: None };
    let detail = "this address has sent too many requests without a valid key, token or signature";
    refusals::refuse(error_answer(&row, detail, WINDOW), RefusalReason::Rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_client_is_limited_for_a_minute_and_no_other() {
        let limit = RateLimit::new("".parse().unwrap());
        let now = Instant::now();
        let busy: IpAddr = "203.0.113.1".parse().unwrap();
        let other: IpAddr = "203.0.113.2".parse().unwrap();

        let refused = (0..=CHANGES_MAX).filter(|_| limit.is_exceeded(busy, now)).count();

        assert_eq!(refused, 1);
        assert!(!limit.is_exceeded(other, now));
        assert!(!limit.is_exceeded(busy, now + WINDOW));
    }

    #[tokio::test(start_paused = true)]
    async fn a_subscriber_gets_no_further_changes_by_another_ipv6_address() {
        let limit = RateLimit::new("".parse().unwrap());
        let own = |host: u32| format!("2001:db8:1:2::{host:x}").parse().unwrap();

        let refused = (0..2 * CHANGES_MAX).filter(|host| limit.is_exceeded(own(*host), Instant::now())).count();

        assert_eq!(refused, CHANGES_MAX as usize);
    }
}
