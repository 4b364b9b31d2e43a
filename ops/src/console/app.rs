//! The wiring of the console: its pages, what surrounds each of them, and the listener.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use chassis::{Problem, ServeLimits, Shutdown, TrustedProxies, serve};
use tracing::info;

use super::assets;
use super::page_error::PageError;
use super::settings::ConsoleSettings;
use super::state::{ConsoleParts, ConsoleState};

/// A few people's browsers, each with some parts of pages that stay fresh.
const LIMITS: ServeLimits = ServeLimits {
    header_read: Duration::from_secs(10),
    body_read: Duration::from_secs(10),
    connections_max: 256,
    client_connections_max: 128,
    grace: Duration::from_secs(5),
};
/// Enough for a form with every id of a page.
const BODY_BYTES_MAX: usize = 256 << 10;
/// Nothing may be loaded from elsewhere or sent there, nothing in a page runs or changes its style, and nobody may frame it.
const CONTENT_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
     frame-ancestors 'none'; base-uri 'none'",
);

/// The console as it runs.
pub(crate) struct ConsoleServer {
    /// The address that opens it.
    pub(crate) url: String,
}

impl ConsoleServer {
    /// Serves the pages until a stop is requested.
    pub(crate) async fn start(
        settings: &ConsoleSettings,
        parts: ConsoleParts,
        shutdown: &Shutdown,
    ) -> Result<Self, Problem> {
        let (listener, address) = chassis::listen("CONSOLE_LISTEN", settings.console_listen).await?;
        info!(console.address = %address, "The console listens on {address}");
        let state = Arc::new(ConsoleState::new(parts, shutdown.clone()));
        let router = router(state);
        shutdown.spawn(serve(listener, router, LIMITS, TrustedProxies::default(), shutdown.clone()));
        Ok(Self { url: format!("http://{address}/") })
    }
}

/// One line for each page.
fn router(state: Arc<ConsoleState>) -> Router {
    Router::new()
        .merge(assets::routes())
        .fallback(async || PageError::NotFound)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn(add_security_headers))
        .with_state(state)
}

/// Tells browsers what they may do with an answer.
async fn add_security_headers(request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, CONTENT_POLICY);
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        // No other site learns an address. `no-referrer` would also make browsers send our own forms with the origin `null`.
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    answer
}
