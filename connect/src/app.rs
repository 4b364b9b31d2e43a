//! The wiring of connect: from settings to a listener that serves the pages.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use channels::{Allowance, ChannelStore, KeyRing};
use chassis::{Admin, Problem, Problems, ServeLimits, Shutdown, serve};
use prometheus::Registry;
use tracing::info;

use crate::maintenance::{Maintenance, run_rounds};
use crate::metrics::Metrics;
use crate::rate_limit::{RateLimit, limit_changes, limit_unproven};
use crate::refusals::count_refusals;
use crate::settings::{CheckedSettings, Settings};
use crate::state::AppState;
use crate::{
    channels_page, data_rights, headers, instagram, media, profile, public_pages, reader, ticket_api, tickets, whatsapp,
};

/// Browsers open several connections each, and a proxy in front opens more.
const LIMITS: ServeLimits = ServeLimits {
    header_read: Duration::from_secs(10),
    body_read: Duration::from_secs(10),
    connections_max: 1_024,
    client_connections_max: 512,
    grace: Duration::from_secs(15),
};
/// Enough for a form or a ticket; nothing larger is meant for us.
const BODY_BYTES_MAX: usize = 64 << 10;
/// Enough for a call of Meta's, which has to be read before it shows whose it is: they have some 300 bytes.
const CALLBACK_BYTES_MAX: usize = 16 << 10;

/// Connect as a part of a process, which has the store and the registry.
#[derive(Debug)]
pub struct Connect {
    /// The address on which it listens.
    pub address: SocketAddr,
}

impl Connect {
    /// Serves the pages and maintains the channels until a stop is asked for.
    pub async fn start(
        settings: CheckedSettings,
        store: ChannelStore,
        key_ring: KeyRing,
        metrics: Metrics,
        shutdown: &Shutdown,
    ) -> Result<Self, Problems> {
        let listen = settings.listen;
        let trusted_proxies = settings.trusted_proxies.clone();
        let state = AppState::new(settings, store.clone(), key_ring.clone(), metrics.clone())?;
        let maintenance = Maintenance::with_graphs(state.graphs.clone(), store, key_ring, metrics);
        let profiles = state.profiles.clone();
        let (listener, address) = chassis::listen("CONNECT_LISTEN", listen).await?;
        info!(connect.address = %address, "Pages are served at http://{address}");
        let rate_limit = RateLimit::new(trusted_proxies.clone());
        let router = router(state, rate_limit);
        shutdown.spawn(serve(listener, router, LIMITS, trusted_proxies, shutdown.clone()));
        shutdown.spawn(profiles.sweep(shutdown.clone()));
        shutdown.spawn(run_rounds(maintenance, shutdown.clone()));
        Ok(Self { address })
    }
}

/// Starts the process `connect`.
pub async fn start(settings: Settings, shutdown: &Shutdown) -> Result<(), Problems> {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).map_err(Problem::from)?;
    let channel_metrics = channels::Metrics::register(&registry).map_err(Problem::from)?;

    let mut problems = Problems::default();
    let checked = problems.collect(settings.connect.check(&settings.trusted_proxies));
    let key_ring = problems.collect(KeyRing::load(&settings.key_ring, &channel_metrics));
    let store = problems.collect(ChannelStore::open(&settings.channels, channel_metrics, shutdown));
    problems.finish()?;
    let (Some(checked), Some(key_ring), Some(store)) = (checked, key_ring, store) else { return Ok(()) };
    let store = store.with_key_ring(&key_ring);

    let allowance = Allowance { http: settings.dsk_allow_http, private: settings.dsk_allow_private };
    let checked = checked.allowing(allowance);
    Connect::start(checked, store.clone(), key_ring, metrics, shutdown).await?;
    let readiness = Arc::new(move || store.trouble().iter().map(ToString::to_string).collect());
    Admin { registry, readiness }.start(settings.admin_listen, shutdown).await?;
    Ok(())
}

fn router(state: AppState, rate_limit: RateLimit) -> Router {
    let metrics = state.metrics.clone();
    let rate_limit = Arc::new(rate_limit);
    let callback_limit = DefaultBodyLimit::max(CALLBACK_BYTES_MAX);
    let for_servers = Router::new()
        .route("/api/tickets", post(ticket_api::issue))
        .route("/meta/deauthorize", post(data_rights::deauthorize).layer(callback_limit))
        .route("/meta/deletion", post(data_rights::delete).layer(callback_limit))
        .route("/media/{platform}/{channel}/{file}", get(media::fetch))
        .route("/profile/{platform}/{channel}/{contact}", get(profile::show))
        .route_layer(from_fn_with_state(Arc::clone(&rate_limit), limit_unproven));
    Router::new()
        .route("/", get(public_pages::start))
        .route("/style.css", get(public_pages::style))
        .route("/icon.svg", get(public_pages::icon))
        .route("/privacy", get(public_pages::privacy))
        .route("/connect/{link}", get(tickets::show).post(tickets::redeem))
        .route("/leave", post(tickets::leave))
        .route("/channels", get(channels_page::list))
        .route("/channels/disconnect", get(channels_page::confirm_disconnect).post(channels_page::disconnect))
        .route("/whatsapp", get(whatsapp::page).post(whatsapp::connect))
        .route("/instagram", post(instagram::begin))
        .route(reader::INSTAGRAM_RETURN, get(instagram::finish))
        .route("/deletion/{code}", get(data_rights::status))
        .fallback(public_pages::not_found)
        .layer(from_fn_with_state(rate_limit, limit_changes))
        .merge(for_servers)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        // Around the limit, because a change that it refuses counts as a refusal, too.
        .layer(from_fn_with_state(metrics, count_refusals))
        .layer(from_fn(reader::know_reader))
        .layer(from_fn(headers::add_security_headers))
        .with_state(Arc::new(state))
}
