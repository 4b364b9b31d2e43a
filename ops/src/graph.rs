//! Plays Meta's login, Graph API and SDK: checks what it is sent, remembers who is subscribed, and misbehaves when told
//! to. The tests connect channels to it.

mod instagram;
pub mod media;
mod sdk;
mod subscriptions;
mod whatsapp;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, delete, get, post};
use axum::{Json, Router};
use chassis::{ServeLimits, Shutdown};
use serde_json::json;

type Parameters = BTreeMap<String, String>;

/// The version that has to be asked for.
pub const VERSION: &str = "v26.0";
/// The apps that Meta knows, and their secrets.
pub const APP: (&str, &str) = ("310000000000001", "meta-app-secret-of-the-stand-in");
/// The Instagram app.
pub const INSTAGRAM_APP: (&str, &str) = ("320000000000001", "instagram-app-secret-of-the-stand-in");
/// The account that is chosen in Embedded Signup, and its number.
pub const ACCOUNT: &str = "200000000000009";
/// Its number.
pub const NUMBER: &str = "100000000000009";
/// The Instagram account as webhooks name it; larger than 2^53.
pub const INSTAGRAM_USER: &str = "17841400000000001234";
/// The same account as callbacks name it.
pub const INSTAGRAM_APP_USER: &str = "9000000000000042";
/// Who granted access to the WhatsApp account, as callbacks name them.
pub const APP_USER: &str = "122100000000000042";

/// How a step goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The answer comes after so long.
    Slow(Duration),
    /// Error 190.
    Token,
    /// Error 4.
    Throttled,
    /// Error 200.
    Permission,
    /// Error 2, status 500.
    Trouble,
}

/// What it does.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// By the step's name, such as `exchange`.
    pub faults: BTreeMap<&'static str, Fault>,
    /// The account that the token was granted for.
    pub granted: String,
    /// What the Instagram account's owner allowed.
    pub permissions: String,
    /// Whether the number is registered already.
    pub is_registered: bool,
    /// Answers of Instagram's code exchange in a list.
    pub in_a_list: bool,
    /// Whether the customer's token for WhatsApp works.
    pub is_token_valid: bool,
    /// Until when, in seconds since 1970; 0 is for ever.
    pub token_expires_at: i64,
    /// Accounts whose subscription it can't tell.
    pub unreadable: BTreeSet<String>,
    /// What it has, by media id.
    pub files: BTreeMap<String, media::Played>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            faults: BTreeMap::new(),
            granted: ACCOUNT.to_owned(),
            permissions: "instagram_business_basic,instagram_business_manage_messages".to_owned(),
            is_registered: true,
            in_a_list: false,
            is_token_valid: true,
            token_expires_at: 0,
            unreadable: BTreeSet::new(),
            files: BTreeMap::new(),
        }
    }
}

#[derive(Debug)]
struct Played {
    address: SocketAddr,
    behaviour: Behaviour,
    subscribed: BTreeMap<String, Vec<String>>,
    registered: BTreeSet<String>,
    steps: Vec<&'static str>,
    complaints: Vec<String>,
    codes: u32,
    spent: BTreeSet<String>,
    refreshed: Vec<String>,
}

impl Played {
    fn at(address: SocketAddr) -> Self {
        Self {
            address,
            behaviour: Behaviour::default(),
            subscribed: BTreeMap::new(),
            registered: BTreeSet::new(),
            steps: Vec::new(),
            complaints: Vec::new(),
            codes: 0,
            spent: BTreeSet::new(),
            refreshed: Vec::new(),
        }
    }
}

/// Meta, played.
#[derive(Clone, Debug)]
pub struct Graph {
    address: SocketAddr,
    state: Shared,
}

type Shared = Arc<Mutex<Played>>;

const LIMITS: ServeLimits =
    ServeLimits { header_read: Duration::from_mins(1), connections_max: 256, grace: Duration::from_millis(200) };

impl Graph {
    /// Listens, and plays Meta until a stop is asked for.
    pub async fn start(listen: SocketAddr, shutdown: &Shutdown) -> Result<Self, chassis::Problem> {
        let (listener, address) = chassis::listen("--listen", listen).await?;
        let state = Arc::new(Mutex::new(Played::at(address)));
        let router = Router::new()
            .route("/graph/v26.0/oauth/access_token", get(whatsapp::exchange))
            .route("/graph/v26.0/debug_token", get(whatsapp::debug_token))
            .route("/graph/v26.0/{id}", get(media::resolve))
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
        shutdown.spawn(chassis::serve(listener, router, LIMITS, shutdown.clone()));
        Ok(Self { address, state })
    }

    /// What `connect` has to be told, so that it asks here.
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

    /// Changes what it does from now on.
    pub fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut lock(&self.state).behaviour);
    }

    /// Lets a step go wrong from now on, or right again.
    pub fn fault(&self, step: &'static str, fault: Option<Fault>) {
        let faults = &mut lock(&self.state).behaviour.faults;
        match fault {
            Some(fault) => faults.insert(step, fault),
            None => faults.remove(step),
        };
    }

    /// A code, as the browser gets it from the login.
    pub fn code(&self) -> String {
        new_code(&self.state)
    }

    /// Accounts whose events Meta posts.
    pub fn subscribed(&self) -> BTreeSet<String> {
        lock(&self.state).subscribed.keys().cloned().collect()
    }

    /// Ends every subscription, as Meta does with a webhook that failed for an hour.
    pub fn end_subscriptions(&self) {
        lock(&self.state).subscribed.clear();
    }

    /// Instagram's tokens for which new ones were given, in turn.
    pub fn refreshed(&self) -> Vec<String> {
        lock(&self.state).refreshed.clone()
    }

    /// Steps so far, by their names.
    pub fn steps(&self) -> Vec<&'static str> {
        lock(&self.state).steps.clone()
    }

    /// What it was sent that Meta would not have taken.
    pub fn complaints(&self) -> Vec<String> {
        lock(&self.state).complaints.clone()
    }
}

fn lock(state: &Shared) -> MutexGuard<'_, Played> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn error(status: StatusCode, code: i64) -> Response {
    let error = json!({ "error": {
        "message": "(#0) the stand-in's error", "type": "OAuthException", "code": code, "fbtrace_id": "A1b2C3",
    } });
    (status, Json(error)).into_response()
}

/// Takes note of a step; whatever is wrong with it or was ordered ends it.
async fn step(state: &Shared, name: &'static str, checks: &[(&str, bool)]) -> Result<Behaviour, Response> {
    let behaviour = {
        let mut state = lock(state);
        state.steps.push(name);
        for (what, is_right) in checks {
            if !is_right {
                state.complaints.push(format!("{name}: {what}"));
            }
        }
        state.behaviour.clone()
    };
    if checks.iter().any(|(_, is_right)| !is_right) {
        return Err(error(StatusCode::BAD_REQUEST, 100));
    }
    match behaviour.faults.get(name) {
        None => Ok(behaviour),
        Some(Fault::Slow(time)) => {
            // Not a task of the service: a stand-in may take its time.
            tokio::time::timeout(*time, std::future::pending::<()>()).await.ok();
            Ok(behaviour)
        }
        Some(Fault::Token) => Err(error(StatusCode::UNAUTHORIZED, 190)),
        Some(Fault::Throttled) => Err(error(StatusCode::BAD_REQUEST, 4)),
        Some(Fault::Permission) => Err(error(StatusCode::FORBIDDEN, 200)),
        Some(Fault::Trouble) => Err(error(StatusCode::INTERNAL_SERVER_ERROR, 2)),
    }
}

fn is(parameters: &Parameters, name: &str, value: &str) -> bool {
    parameters.get(name).is_some_and(|given| given == value)
}

fn new_code(state: &Shared) -> String {
    let mut state = lock(state);
    state.codes += 1;
    format!("code-{}", state.codes)
}

/// A code can be used once.
fn is_fresh(state: &Shared, parameters: &Parameters) -> bool {
    let code = parameters.get("code").cloned().unwrap_or_default();
    code.starts_with("code-") && lock(state).spent.insert(code)
}

fn bears(headers: &HeaderMap, token: &str) -> bool {
    borne(headers) == Some(token)
}

fn borne(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}
