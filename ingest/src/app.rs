//! The wiring of ingest: it makes the parts from the settings and starts the listener.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use chassis::{Admin, Problem, Problems, ServeLimits, Shutdown, serve};
use prometheus::Registry;
use queue::{Publisher, Queue};
use tracing::info;

use crate::admission::Budget;
use crate::handshake::handshake;
use crate::receive::receive;
use crate::state::{IngestState, Parked};
use crate::{IngestSettings, Metrics, Settings};

/// Meta opens few connections and reuses them; a proxy in front of ingest opens more.
const LIMITS: ServeLimits = ServeLimits {
    header_read: Duration::from_secs(10),
    // Longer than `BODY_READ_TIME`, whose end is counted as an outcome.
    body_read: Duration::from_secs(10),
    connections_max: 1_024,
    client_connections_max: 512,
    grace: Duration::from_secs(5),
};

/// Ingest as part of a process, which has the queue and the registry.
#[derive(Debug)]
pub struct Ingest {
    /// The address that it listens on.
    pub address: SocketAddr,
}

impl Ingest {
    /// Starts to listen for notifications, until a stop.
    pub async fn start(
        settings: &IngestSettings,
        publisher: Publisher,
        metrics: Metrics,
        shutdown: &Shutdown,
    ) -> Result<Self, Problems> {
        let secrets = settings.secrets()?;
        let (listener, address) = chassis::listen("INGEST_LISTEN", settings.ingest_listen).await?;
        let state = IngestState {
            secrets,
            trusted_proxies: settings.trusted_proxies.clone(),
            publisher,
            budget: Budget::new(settings.ingest_bytes_in_flight_max),
            parked: Parked::default(),
            metrics,
            shutdown: shutdown.clone(),
        };
        let webhook = get(handshake).post(receive);
        let router = Router::new().route("/webhook", webhook).with_state(Arc::new(state));
        info!(ingest.address = %address, "Notifications are taken at http://{address}/webhook");
        let trusted_proxies = settings.trusted_proxies.clone();
        shutdown.spawn(serve(listener, router, LIMITS, trusted_proxies, shutdown.clone()));
        Ok(Self { address })
    }
}

/// Starts the process `ingest`.
pub async fn start(settings: Settings, shutdown: &Shutdown) -> Result<(), Problems> {
    settings.check()?;
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).map_err(Problem::from)?;
    let queue_metrics = queue::Metrics::register(&registry).map_err(Problem::from)?;
    let queue = Queue::open_declared(&settings.queue, queue_metrics, shutdown).await.map_err(Problem::from)?;

    Ingest::start(&settings.ingest, queue.publisher(), metrics, shutdown).await?;
    let readiness = Arc::new(move || queue.trouble().map(str::to_owned).into_iter().collect());
    Admin { registry, readiness }.start(settings.admin_listen, shutdown).await?;
    Ok(())
}
