//! The wiring of the console: its pages, what surrounds each of them, and the listener.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use chassis::{Problem, Secret, ServeLimits, Shutdown, TrustedProxies, serve};
use tracing::info;

use super::guard::{self, BODY_BYTES_MAX};
use super::overview::Overview;
use super::page_error::PageError;
use super::reach::Reach;
use super::settings::ConsoleSettings;
use super::state::{ConsoleParts, ConsoleState};
use super::{assets, channels, dead_letters, erasures, find, work_card};

/// A few people's browsers, each with some parts of pages that stay fresh.
const LIMITS: ServeLimits = ServeLimits {
    header_read: Duration::from_secs(10),
    body_read: Duration::from_secs(10),
    connections_max: 256,
    client_connections_max: 128,
    grace: Duration::from_secs(5),
};
/// Nothing may be loaded from elsewhere or sent there, nothing in a page runs or changes its style, and nobody may frame it.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src \
                              'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The console as it runs.
pub(crate) struct ConsoleServer {
    /// The address that opens it, once.
    pub(crate) link: Secret,
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
        let reach = Reach::new(address, settings.console_exposed_as.as_ref());
        let state = Arc::new(ConsoleState::new(parts, reach, shutdown.clone()));
        let link = guard::link(&state);
        // Ready when the first page wants it.
        state.directory.read_again(&state.store, shutdown);
        let overview = Overview::start(&settings.overview, state.queue.clone(), state.store.clone(), shutdown)?;
        let router = router(state, overview);
        shutdown.spawn(serve(listener, router, LIMITS, TrustedProxies::default(), shutdown.clone()));
        Ok(Self { link })
    }
}

/// One line for each page.
fn router(state: Arc<ConsoleState>, overview: Overview) -> Router {
    Router::new()
        .merge(assets::routes())
        .merge(guard::routes())
        .merge(overview.routes())
        .merge(work_card::routes())
        .merge(find::routes())
        .merge(dead_letters::routes())
        .merge(channels::routes())
        .merge(erasures::routes())
        .fallback(async || PageError::NotFound)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn_with_state(Arc::clone(&state), guard::guard))
        .layer(from_fn(add_security_headers))
        .with_state(state)
}

/// Tells browsers what they may do with an answer.
async fn add_security_headers(request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_POLICY));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    // No other site learns an address. `no-referrer` would make browsers send our own forms with the origin `null`.
    headers.entry(REFERRER_POLICY).or_insert(HeaderValue::from_static("same-origin"));
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    answer
}
