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

use crate::{Problem, ServeLimits, Shutdown, build_info, serve};

/// Says why the process should get no traffic now; empty when it should. Asked at each `/ready`.
pub type Readiness = Arc<dyn Fn() -> Vec<String> + Send + Sync>;

/// Scrapers and probes are few; whoever opens more connections is not one of them.
const LIMITS: ServeLimits =
    ServeLimits { header_read: Duration::from_secs(10), connections_max: 64, grace: Duration::from_secs(2) };

/// What the admin port shows.
pub struct Admin {
    /// Every metric of the process.
    pub registry: Registry,
    /// Why the process is not ready.
    pub readiness: Readiness,
}

impl Admin {
    /// Listens; port 0 takes a free one. Gives the address that was taken. What a process shows of itself is added.
    pub async fn start(self, listen: SocketAddr, shutdown: &Shutdown) -> Result<SocketAddr, Problem> {
        build_info::register(&self.registry)?;
        let (listener, address) = crate::listen("ADMIN_LISTEN", listen).await?;
        info!(admin.address = %address, "Admin port listens on {address}");
        shutdown.spawn(serve(listener, self.router(shutdown.clone()), LIMITS, shutdown.clone()));
        Ok(address)
    }

    fn router(self, shutdown: Shutdown) -> Router {
        let ready = move |readiness: Readiness| {
            let mut reasons = readiness();
            if shutdown.is_requested() {
                reasons.push("stopping".to_owned());
            }
            reasons
        };
        let readiness = self.readiness;
        Router::new()
            .route("/metrics", get(show).with_state(self.registry))
            .route("/live", get(|| async { "live\n" }))
            .route("/ready", get(move || async move { readiness_answer(&ready(readiness)) }))
    }
}

async fn show(State(registry): State<Registry>) -> impl IntoResponse {
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
