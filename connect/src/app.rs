//! Connect put together: settings in, pages out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use channels::{ChannelStore, KeyRing};
use chassis::{Admin, Problem, Problems, Secret, ServeLimits, Shutdown, TrustedProxies, serve};
use prometheus::Registry;
use tokio::sync::Semaphore;
use tracing::info;
use url::Url;

use crate::graph::Graph;
use crate::graph::instagram::InstagramGraph;
use crate::graph::whatsapp::WhatsAppGraph;
use crate::guard::Limits;
use crate::privacy::Policy;
use crate::signed::Signer;
use crate::{
    Care, ConnectSettings, Links, Metrics, Settings, care, channels_page, guard, instagram, media, pages, privacy,
    rights, tickets, whatsapp,
};

/// Browsers open several connections each; a proxy in front opens more.
const LIMITS: ServeLimits =
    ServeLimits { header_read: Duration::from_secs(10), connections_max: 1_024, grace: Duration::from_secs(15) };
/// A form or a ticket; nothing larger is meant for us.
const BODY_BYTES_MAX: usize = 64 << 10;

/// What a request needs.
pub(crate) struct App {
    pub(crate) url: Url,
    pub(crate) signer: Signer,
    pub(crate) links: Links,
    pub(crate) api_keys: Vec<Secret>,
    pub(crate) store: ChannelStore,
    pub(crate) key_ring: KeyRing,
    pub(crate) whatsapp: Option<WhatsAppGraph>,
    pub(crate) configuration_id: String,
    pub(crate) graph_version: String,
    pub(crate) sdk_url: Url,
    pub(crate) instagram: Option<InstagramGraph>,
    pub(crate) instagram_origin: String,
    /// Of both apps: either may have signed a callback.
    pub(crate) secrets: Vec<Secret>,
    pub(crate) policy: Policy,
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) limits: Limits,
    /// Places for files on their way.
    pub(crate) files: Arc<Semaphore>,
    pub(crate) metrics: Metrics,
}

/// Connect as part of a process: whoever starts it has the store and the registry.
#[derive(Debug)]
pub struct Connect {
    /// Where it listens.
    pub address: SocketAddr,
}

impl Connect {
    /// Serves the pages and looks after the channels until a stop is asked for.
    pub async fn start(
        settings: &ConnectSettings,
        trusted_proxies: &TrustedProxies,
        (store, key_ring, metrics): (ChannelStore, KeyRing, Metrics),
        shutdown: &Shutdown,
    ) -> Result<Self, Problems> {
        let app = app(settings, trusted_proxies, (store, key_ring, metrics))?;
        let care = care(&app);
        let (listener, address) = chassis::listen("CONNECT_LISTEN", settings.connect_listen).await?;
        info!(connect.address = %address, "Pages are served at http://{address}");
        shutdown.spawn(serve(listener, router(app), LIMITS, shutdown.clone()));
        shutdown.spawn(care::keep(care, shutdown.clone()));
        Ok(Self { address })
    }
}

/// Starts the process `connect`.
pub async fn start(settings: Settings, shutdown: &Shutdown) -> Result<(), Problems> {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).map_err(Problem::from)?;
    let channel_metrics = channels::Metrics::register(&registry).map_err(Problem::from)?;

    let mut problems = Problems::default();
    problems.collect(settings.connect.check());
    let key_ring = problems.collect(KeyRing::load(&settings.key_ring, &channel_metrics));
    let store = problems.collect(ChannelStore::open(&settings.channels, channel_metrics, shutdown));
    problems.finish()?;
    let (Some(key_ring), Some(store)) = (key_ring, store) else { return Ok(()) };

    let parts = (store.clone(), key_ring, metrics);
    Connect::start(&settings.connect, &settings.trusted_proxies, parts, shutdown).await?;
    let readiness = Arc::new(move || {
        let trouble = (!store.is_connected()).then_some("the channel store can't be reached");
        trouble.into_iter().map(str::to_owned).collect()
    });
    Admin { registry, readiness }.start(settings.admin_listen, shutdown).await?;
    Ok(())
}

fn app(
    settings: &ConnectSettings,
    trusted_proxies: &TrustedProxies,
    (store, key_ring, metrics): (ChannelStore, KeyRing, Metrics),
) -> Result<Arc<App>, Problems> {
    let checked = settings.checked()?;
    let (signer, graph) = (Signer::new(checked.secret), Graph::new(metrics.clone())?);
    let apps = checked.whatsapp.iter().chain(&checked.instagram);
    let secrets = apps.map(|app| app.secret.clone()).collect();
    Ok(Arc::new(App {
        secrets,
        links: Links::signed_by(signer.clone(), checked.url.clone(), settings.ticket_time),
        url: checked.url,
        signer,
        api_keys: checked.api_keys,
        store,
        key_ring,
        whatsapp: checked.whatsapp.map(|app| WhatsAppGraph::new(graph.clone(), app, &settings.meta)),
        configuration_id: checked.configuration_id,
        graph_version: settings.meta.graph_version.clone(),
        sdk_url: settings.meta.meta_sdk_url.clone(),
        instagram: checked.instagram.map(|app| InstagramGraph::new(graph, app, &settings.meta)),
        instagram_origin: settings.meta.instagram_url.origin().ascii_serialization(),
        policy: Policy::load(settings)?,
        trusted_proxies: trusted_proxies.clone(),
        limits: Limits::default(),
        files: Arc::new(Semaphore::new(media::FILES_MAX)),
        metrics,
    }))
}

fn care(app: &App) -> Care {
    let graphs = (app.whatsapp.clone(), app.instagram.clone());
    Care::with(graphs, (app.store.clone(), app.key_ring.clone()), app.metrics.clone())
}

fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(pages::start))
        .route("/style.css", get(pages::style))
        .route("/icon.svg", get(pages::icon))
        .route("/api/tickets", post(tickets::issue))
        .route("/connect/{link}", get(tickets::show).post(tickets::redeem))
        .route("/channels", get(channels_page::list))
        .route("/channels/disconnect", get(channels_page::ask).post(channels_page::disconnect))
        .route("/whatsapp", get(whatsapp::page).post(whatsapp::connect))
        .route("/instagram", post(instagram::begin))
        .route("/instagram/return", get(instagram::finish))
        .route("/leave", post(tickets::leave))
        .route("/privacy", get(privacy::show))
        .route("/media/{platform}/{channel}/{file}", get(media::fetch))
        .route("/meta/deauthorize", post(rights::deauthorize))
        .route("/meta/deletion", post(rights::delete))
        .route("/deletion/{code}", get(rights::status))
        .fallback(pages::not_found)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn_with_state(Arc::clone(&app), guard::limit))
        .layer(from_fn(guard::headers))
        .with_state(app)
}
