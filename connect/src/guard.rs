//! What stands before every page: who may see it, how often, and what a browser may do with it.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use channels::{NewChannel, SealedSecret, Ticket};
use event::Address;
use tokio::time::Instant;
use tracing::warn;

use crate::app::App;
use crate::metrics::Refused;
use crate::signed::Purpose;
use crate::{cookie, pages};

/// How long a session lasts from its last step on.
pub(crate) const SESSION_TIME: Duration = Duration::from_mins(30);
/// Nothing is loaded from elsewhere, nobody frames us. Pages that need more say so themselves.
const POLICY: &str = "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'";
/// What most pages may do beside it.
const USUAL: &str = "img-src 'self'; form-action 'self'";
/// Changes that one address may ask for in a window: a person makes fewer than ten.
const CHANGES_MAX: u32 = 60;
const WINDOW: Duration = Duration::from_mins(1);
/// Addresses remembered; beyond it the windows begin anew, so that memory stays bounded.
const ADDRESSES_MAX: usize = 10_000;

/// Changes counted by address.
#[derive(Debug, Default)]
pub(crate) struct Limits(Mutex<HashMap<IpAddr, (Instant, u32)>>);

impl Limits {
    /// Whether one more is too many.
    fn is_too_often(&self, address: IpAddr, now: Instant) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= ADDRESSES_MAX && !counts.contains_key(&address) {
            counts.clear();
        }
        let (since, count) = counts.entry(address).or_insert((now, 0));
        if now.duration_since(*since) >= WINDOW {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        *count > CHANGES_MAX
    }
}

/// Refuses an address that changes things too often.
pub(crate) async fn limit(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let is_change = request.method() != Method::GET && request.method() != Method::HEAD;
    let client = app.trusted_proxies.client(peer.ip(), request.headers());
    if is_change && app.limits.is_too_often(client, Instant::now()) {
        app.metrics.refused(Refused::Rate);
        warn!(%client, "Refused an address that asks too often");
        return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "60")], pages::too_often()).into_response();
    }
    next.run(request).await
}

/// What a browser may do with a page.
pub(crate) async fn headers(request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    let headers = answer.headers_mut();
    if !headers.contains_key(CONTENT_SECURITY_POLICY) {
        headers.insert(CONTENT_SECURITY_POLICY, policy(USUAL));
    }
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        // Not `no-referrer`: our own forms would then come from the origin `null`.
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin-allow-popups"),
        ("strict-transport-security", "max-age=31536000"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    answer
}

/// What a page may do: the least, and what it needs beside it. Without a policy that can be sent it may do nothing.
pub(crate) fn policy(beside: &str) -> HeaderValue {
    HeaderValue::try_from(format!("{POLICY}; {beside}")).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// Whoever holds a session.
pub(crate) struct Holder {
    /// Of the session.
    pub(crate) id: String,
    pub(crate) ticket: Ticket,
    /// What Instagram has to send back, while it is asked.
    pub(crate) state: Option<String>,
}

impl Holder {
    /// A channel of the ticket's tenant, with its token at Meta.
    pub(crate) fn channel(&self, address: Address, access_token: SealedSecret) -> NewChannel {
        let ticket = &self.ticket;
        NewChannel {
            dsk_url: ticket.dsk_url.clone(),
            signing_secret: ticket.signing_secret.clone(),
            access_token: Some(access_token),
            connected_by: Some(format!("ticket of {}", ticket.issued_by)),
            ..NewChannel::new(address, ticket.tenant.clone(), ticket.dsk_token.clone())
        }
    }

    /// What a form has to carry, so that no other site can send it.
    pub(crate) fn form_token(&self, app: &App) -> String {
        app.signer.sign(Purpose::Form, &self.id)
    }

    /// Whether a form carries it.
    pub(crate) fn sent(&self, app: &App, form_token: &str) -> bool {
        app.signer.open(Purpose::Form, form_token).as_deref() == Some(self.id.as_str())
    }
}

/// A form without our token: another site's, or an old one.
pub(crate) fn refuse_form(app: &App) -> Response {
    app.metrics.refused(Refused::Form);
    (StatusCode::FORBIDDEN, pages::session_ended()).into_response()
}

impl FromRequestParts<Arc<App>> for Holder {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        let refuse = || {
            app.metrics.refused(Refused::Session);
            (StatusCode::FORBIDDEN, pages::session_ended()).into_response()
        };
        if parts.method != Method::GET && !is_from_here(app, &parts.headers) {
            return Err(refuse());
        }
        let id = cookie::get(&parts.headers).and_then(|signed| app.signer.open(Purpose::Session, signed));
        let id = id.ok_or_else(refuse)?;
        match app.store.session(&id).await {
            Ok(Some(session)) => Ok(Self { id, ticket: session.ticket, state: session.state }),
            Ok(None) => Err(refuse()),
            Err(error) => Err(pages::store_trouble(&error)),
        }
    }
}

/// What a server shows as `Authorization: Bearer …`.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

/// Browsers say where a form was; one of another site is not ours.
fn is_from_here(app: &App, headers: &HeaderMap) -> bool {
    let origin = headers.get("origin").and_then(|origin| origin.to_str().ok());
    origin.is_none_or(|origin| origin == app.url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_address_is_limited_for_a_minute_and_no_other() {
        let (limits, now) = (Limits::default(), Instant::now());
        let (busy, other): (IpAddr, IpAddr) = ("203.0.113.1".parse().unwrap(), "203.0.113.2".parse().unwrap());

        let refused = (0..=CHANGES_MAX).filter(|_| limits.is_too_often(busy, now)).count();

        assert_eq!(refused, 1);
        assert!(!limits.is_too_often(other, now));
        assert!(!limits.is_too_often(busy, now + WINDOW));
    }
}
