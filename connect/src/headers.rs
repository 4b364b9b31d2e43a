//! Headers: what a browser may do with our pages, and the bearer key that a server sends.

use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

/// Nothing may be loaded from elsewhere, and nobody may frame our pages. A page that needs more adds it.
const STRICTEST: &str = "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'";
/// What most pages need beyond that.
const USUAL: &str = "img-src 'self'; form-action 'self'";

/// Adds the headers that tell a browser what it may do with the answer.
pub(crate) async fn add_security_headers(request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    let headers = answer.headers_mut();
    if !headers.contains_key(CONTENT_SECURITY_POLICY) {
        headers.insert(CONTENT_SECURITY_POLICY, content_security_policy(USUAL));
    }
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        // `no-referrer` would make browsers send our own forms with the origin `null`.
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin-allow-popups"),
        ("strict-transport-security", "max-age=31536000"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    answer
}

/// The strictest policy, with what a page needs beyond it. If the result cannot be sent, the page may do nothing.
pub(crate) fn content_security_policy(additions: &str) -> HeaderValue {
    let policy = format!("{STRICTEST}; {additions}");
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// The key that a server sends as `Authorization: Bearer …`.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}
