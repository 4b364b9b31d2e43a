//! A stand-in for Meta's login, Graph API and SDK: it checks what it is sent, remembers subscriptions, and fails on
//! demand. The tests connect channels to it.

mod accounts;
mod instagram;
pub mod media;
mod media_file;
mod profile_answer;
mod profiles;
mod sdk;
mod state;
mod subscriptions;
mod whatsapp;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::{any, delete, get, post};
use chassis::{ServeLimits, Shutdown, TrustedProxies};

pub use accounts::{ACCOUNT, APP, APP_USER, INSTAGRAM_APP, INSTAGRAM_APP_USER, INSTAGRAM_USER, NUMBER};
pub use profile_answer::{ProfileAnswer, UsageHeader};
pub use state::{Fault, GraphBehaviour};
use state::{GraphState, SharedState, lock, new_code};

/// The stand-in.
#[derive(Clone, Debug)]
pub struct Graph {
    address: SocketAddr,
    state: SharedState,
}

const LIMITS: ServeLimits = ServeLimits {
    header_read: Duration::from_mins(1),
    body_read: Duration::from_mins(1),
    connections_max: 256,
    client_connections_max: 256,
    grace: Duration::from_millis(200),
};

impl Graph {
    /// Listens, and plays Meta until a stop is requested.
    pub async fn start(listen: SocketAddr, shutdown: &Shutdown) -> Result<Self, chassis::Problem> {
        let (listener, address) = chassis::listen("--listen", listen).await?;
        let state = Arc::new(Mutex::new(GraphState::at(address)));
        let router = Router::new()
            .route("/graph/v26.0/oauth/access_token", get(whatsapp::exchange))
            .route("/graph/v26.0/debug_token", get(whatsapp::debug_token))
            .route("/graph/v26.0/{id}", get(profiles::of_facebook))
            .route("/instagram/v26.0/{id}", get(profiles::of_instagram))
            .route("/lookaside/{id}", any(media::download))
            .route("/graph/v26.0/{id}/phone_numbers", get(whatsapp::numbers))
            .route("/graph/v26.0/{id}/register", post(whatsapp::register))
            .route("/{host}/v26.0/{id}/subscribed_apps", post(subscriptions::subscribe))
            .route("/{host}/v26.0/{id}/subscribed_apps", delete(subscriptions::unsubscribe))
            .route("/{host}/v26.0/{id}/subscribed_apps", get(subscriptions::show))
            .route("/instagram/refresh_access_token", get(instagram::refresh))
            .route("/login/oauth/authorize", get(instagram::authorize))
            .route("/api/oauth/access_token", post(instagram::instagram_exchange))
            .route("/instagram/access_token", get(instagram::lengthen))
            .route("/instagram/v26.0/me", get(instagram::me))
            .route("/sdk.js", get(sdk::sdk))
            .route("/dialog/oauth", get(sdk::dialog))
            .with_state(Arc::clone(&state));
        shutdown.spawn(chassis::serve(listener, router, LIMITS, TrustedProxies::default(), shutdown.clone()));
        Ok(Self { address, state })
    }

    /// The settings with which `connect` sends its requests here.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let at = |path: &str| format!("http://{}/{path}", self.address);
        vec![
            ("META_APP_ID", APP.0.to_owned()),
            ("META_APP_SECRET", APP.1.to_owned()),
            ("META_CONFIGURATION_ID", "330000000000001".to_owned()),
            ("INSTAGRAM_APP_ID", INSTAGRAM_APP.0.to_owned()),
            ("INSTAGRAM_APP_SECRET", INSTAGRAM_APP.1.to_owned()),
            ("GRAPH_URL", at("graph")),
            ("INSTAGRAM_GRAPH_URL", at("instagram")),
            ("INSTAGRAM_API_URL", at("api")),
            ("INSTAGRAM_URL", at("login")),
            ("META_SDK_URL", at("sdk.js")),
        ]
    }

    /// Changes the behaviour from now on.
    pub fn behave(&self, change: impl FnOnce(&mut GraphBehaviour)) {
        change(&mut lock(&self.state).behaviour);
    }

    /// Makes a step fail from now on, or succeed again.
    pub fn fault(&self, step: &'static str, fault: Option<Fault>) {
        let faults = &mut lock(&self.state).behaviour.faults;
        match fault {
            Some(fault) => faults.insert(step, fault),
            None => faults.remove(step),
        };
    }

    /// A new code, as the browser gets it from the login.
    pub fn code(&self) -> String {
        new_code(&self.state)
    }

    /// The accounts whose events Meta posts.
    pub fn subscribed(&self) -> BTreeSet<String> {
        lock(&self.state).subscribed.keys().cloned().collect()
    }

    /// Ends every subscription, as Meta does when a webhook has failed for an hour.
    pub fn end_subscriptions(&self) {
        lock(&self.state).subscribed.clear();
    }

    /// The Instagram tokens that were refreshed, in order.
    pub fn refreshed(&self) -> Vec<String> {
        lock(&self.state).refreshed.clone()
    }

    /// The names of the steps so far.
    pub fn steps(&self) -> Vec<&'static str> {
        lock(&self.state).steps.clone()
    }

    /// The requests that Meta would not have accepted.
    pub fn complaints(&self) -> Vec<String> {
        lock(&self.state).complaints.clone()
    }
}
