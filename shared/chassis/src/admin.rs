//! The admin port: `/metrics`, `/live` and `/ready`, on a listener of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus::{Registry, TextEncoder};
use tracing::info;

use crate::{Problem, Readiness, ServeLimits, Shutdown, TrustedProxies, build_info, serve, supervisor};

/// Prometheus and a few probes connect, so more connections than this are a mistake.
const LIMITS: ServeLimits = ServeLimits {
    header_read: Duration::from_secs(10),
    body_read: Duration::from_secs(1),
    connections_max: 64,
    client_connections_max: 32,
    grace: Duration::from_secs(2),
};

/// What the admin port serves.
pub struct Admin {
    /// Every metric of the process.
    pub registry: Registry,
    /// Lists why the process is not ready.
    pub readiness: Readiness,
}

impl Admin {
    /// Serves the admin port until a stop, and returns its address (port 0 takes a free port). The registry gets the
    /// metrics of the process itself. A supervisor such as systemd is told what `/ready` says.
    pub async fn start(self, listen: SocketAddr, shutdown: &Shutdown) -> Result<SocketAddr, Problem> {
        build_info::register(&self.registry)?;
        let (listener, address) = crate::listen("ADMIN_LISTEN", listen).await?;
        info!(admin.address = %address, "Admin port listens on {address}");
        shutdown.spawn(supervisor::tell_until_stop(Arc::clone(&self.readiness), shutdown.clone()));
        let router = self.router(shutdown.clone());
        shutdown.spawn(serve(listener, router, LIMITS, TrustedProxies::default(), shutdown.clone()));
        Ok(address)
    }

    fn router(self, shutdown: Shutdown) -> Router {
        let readiness = self.readiness;
        let ready = async move || {
            let mut reasons = readiness();
            if shutdown.is_requested() {
                reasons.push("stopping".to_owned());
            }
            readiness_answer(&reasons)
        };
        Router::new()
            .route("/metrics", get(show_metrics).with_state(self.registry))
            .route("/live", get(|| async { "live\n" }))
            .route("/ready", get(ready))
    }
}

async fn show_metrics(State(registry): State<Registry>) -> impl IntoResponse {
    match TextEncoder::new().encode_to_string(&registry.gather()) {
        Ok(text) => (StatusCode::OK, [(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn readiness_answer(reasons: &[String]) -> (StatusCode, String) {
    if reasons.is_empty() {
        (StatusCode::OK, "ready\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", reasons.join("; ")))
    }
}
